//! What values a column may have: listed values, bounds, lengths and patterns.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::finding::Finding;
use super::rule;
use super::terms::Column;

pub(super) fn compare(path: &str, old: &Column, new: &Column) -> Vec<Finding> {
    let mut findings = Vec::new();
    if old.values != new.values {
        let listed = |column: &Column| column.values.as_ref().map(list);
        let only_more = match (&old.values, &new.values) {
            (Some(before), Some(after)) => before.is_subset(after),
            (Some(_), None) => true,
            (None, _) => false,
        };
        let keys = &["enum", "quality"];
        findings.push(
            Finding::new(&rule::ENUM_CHANGED, path)
                .change(listed(old), listed(new))
                .milder_if(only_more)
                .at(old.keys.of(keys), new.keys.of(keys)),
        );
    }
    let names: BTreeSet<&String> = old.options.keys().chain(new.options.keys()).collect();
    for name in names {
        let (before, after) = (old.options.get(name), new.options.get(name));
        if before == after {
            continue;
        }
        let told = |value: Option<&String>| value.map(|value| format!("{name}: {value}"));
        findings.push(
            Finding::new(&rule::VALIDATION_CHANGED, path)
                .change(told(before), told(after))
                .milder_if(is_looser(name, before, after))
                .at(old.keys.of(&["logicalTypeOptions"]), new.keys.of(&["logicalTypeOptions"])),
        );
    }
    findings
}

fn list(values: &BTreeSet<String>) -> String {
    values.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Whether everything that was allowed still is. What is not known to be looser is not.
fn is_looser(name: &str, old: Option<&String>, new: Option<&String>) -> bool {
    let (Some(old), Some(new)) = (old, new) else { return old.is_some() };
    match name {
        "minLength" | "minimum" | "minItems" | "minProperties" => order(new, old) == Some(Ordering::Less),
        "maxLength" | "maximum" | "maxItems" | "maxProperties" => order(new, old) == Some(Ordering::Greater),
        "exclusiveMinimum" | "exclusiveMaximum" | "uniqueItems" => old == "true" && new == "false",
        _ => false,
    }
}

/// Numbers by their size, days and moments as they are written by ISO 8601.
fn order(one: &str, other: &str) -> Option<Ordering> {
    match (one.parse::<f64>(), other.parse::<f64>()) {
        (Ok(one), Ok(other)) => one.partial_cmp(&other),
        (Err(_), Err(_)) if one.len() == other.len() => Some(one.cmp(other)),
        _ => None,
    }
}

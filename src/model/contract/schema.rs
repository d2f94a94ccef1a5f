//! The published JSON Schemas of the standard, and their complaints told at the place they are about.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use crate::model::source::{Node, Problems, nearest};

/// A compiled schema and every key that it knows, for suggestions.
struct Standard {
    validator: Option<Validator>,
    keys: BTreeSet<String>,
}

static V3_0: LazyLock<Standard> = LazyLock::new(|| compile(include_str!("../odcs/odcs-3.0.2.schema.json")));
static V3_1: LazyLock<Standard> = LazyLock::new(|| compile(include_str!("../odcs/odcs-3.1.0.schema.json")));

fn compile(text: &str) -> Standard {
    let schema: Value = serde_json::from_str(text).unwrap_or_default();
    let mut keys = BTreeSet::new();
    collect_keys(&schema, &mut keys);
    Standard { validator: jsonschema::validator_for(&schema).ok(), keys }
}

fn collect_keys(schema: &Value, keys: &mut BTreeSet<String>) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::Object(properties)) = map.get("properties") {
                keys.extend(properties.keys().cloned());
            }
            map.values().for_each(|value| collect_keys(value, keys));
        }
        Value::Array(items) => items.iter().for_each(|value| collect_keys(value, keys)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Reports everything that the standard's schema objects to.
pub(super) fn validate(document: &Node, problems: &mut Problems<'_>) {
    let Some(version) = document.get("apiVersion") else {
        let help = "Write `apiVersion: v3.1.0`.";
        return problems.error_with(
            &(document.span.start..document.span.start + 1),
            "a contract needs the key `apiVersion`",
            help,
        );
    };
    let standard = match version.as_str() {
        Some("v3.1.0") => &*V3_1,
        Some("v3.0.0" | "v3.0.1" | "v3.0.2") => &*V3_0,
        Some(_) | None => {
            let help = "v3.0.0, v3.0.1, v3.0.2 and v3.1.0 are understood.";
            return problems.error_with(&version.span, "this version of the standard is not understood", help);
        }
    };
    let Some(validator) = &standard.validator else {
        return problems.error(&version.span, "the schema of this version could not be loaded");
    };
    let json = document.to_json();
    let errors: Vec<ValidationError<'_>> = validator.iter_errors(&json).collect();
    // Where something inside an object is wrong, keywords such as unevaluatedProperties lose sight of the keys that
    // the failed branch would have accounted for, and object to them as well: such echoes are left out.
    let causes: Vec<String> = errors
        .iter()
        .filter(|error| !matches!(error.kind(), ValidationErrorKind::UnevaluatedProperties { .. }))
        .map(|error| format!("{}/", error.instance_path()))
        .collect();
    let told = Told { document, standard, causes };
    for error in &errors {
        told.report(error, problems);
    }
}

/// What is needed to tell an error where it is.
struct Told<'a> {
    document: &'a Node,
    standard: &'a Standard,
    /// Paths of the errors that can have echoes.
    causes: Vec<String>,
}

impl Told<'_> {
    fn report(&self, error: &ValidationError<'_>, problems: &mut Problems<'_>) {
        let path = steps(&error.instance_path().to_string());
        let node = self.document.descend(path.iter().map(String::as_str));
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                unexpected.iter().for_each(|key| self.unknown(node, key, problems));
            }
            ValidationErrorKind::UnevaluatedProperties { unexpected } => {
                let here = format!("{}/", error.instance_path());
                let has_cause = self.causes.iter().any(|cause| cause.starts_with(&here));
                let echo = |key: &String| has_cause && self.standard.keys.contains(key);
                unexpected.iter().filter(|key| !echo(key)).for_each(|key| self.unknown(node, key, problems));
            }
            ValidationErrorKind::Required { property } => {
                let key = property.as_str().unwrap_or("?");
                problems.error(&head(node), format!("the standard requires the key `{key}` here"));
            }
            ValidationErrorKind::Enum { options } => {
                let words: Vec<&str> = options.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                let help = match node.as_str().and_then(|word| nearest(word, words.iter().copied())) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("possible values: {}", words.join(", ")),
                };
                problems.error_with(&head(node), "this value is not one that the standard knows", help);
            }
            ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
                // The branch with the fewest complaints is the one that was meant.
                let likely = context.iter().filter(|branch| !branch.is_empty()).min_by_key(|branch| branch.len());
                match likely {
                    Some(branch) => branch.iter().for_each(|inner| self.report(inner, problems)),
                    None => problems.error(&head(node), "this has none of the forms that the standard allows"),
                }
            }
            ValidationErrorKind::Type { kind } => {
                let wanted = match kind {
                    jsonschema::error::TypeKind::Single(kind) => kind.to_string(),
                    jsonschema::error::TypeKind::Multiple(kinds) => {
                        kinds.iter().map(|kind| kind.to_string()).collect::<Vec<_>>().join(" or ")
                    }
                };
                let message = format!("the standard wants a value of type {wanted} here, this is {}", node.describe());
                match wanted.as_str() {
                    "string" => problems.error_with(&head(node), message, "Put it between quotes."),
                    "boolean" => problems.error_with(&head(node), message, "Write true or false."),
                    _ => problems.error(&head(node), message),
                }
            }
            _ => problems.error(&head(node), format!("not valid by the standard: {}", error.masked_with("this value"))),
        }
    }

    fn unknown(&self, node: &Node, key: &str, problems: &mut Problems<'_>) {
        let span = node.entry(key).map_or_else(|| head(node), |entry| entry.key_span.clone());
        let help = match nearest(key, self.standard.keys.iter().map(String::as_str).filter(|known| *known != key)) {
            Some(meant) => format!("did you mean `{meant}`? Extensions belong into `customProperties`."),
            None => "Extensions belong into `customProperties`.".to_owned(),
        };
        problems.error_with(&span, format!("the standard has no key `{key}` here"), help);
    }
}

/// A scalar itself; of a collection, the place where it begins.
fn head(node: &Node) -> Range<usize> {
    match node.entries().first() {
        Some(entry) => entry.key_span.clone(),
        None => node.span.clone(),
    }
}

/// The steps of a JSON pointer, unescaped.
fn steps(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_schemas_compile() {
        assert!(V3_0.validator.is_some());
        assert!(V3_1.validator.is_some());
        assert!(V3_1.keys.contains("physicalName") && V3_1.keys.contains("classification"));
    }

    #[test]
    fn pointers_are_cut_and_unescaped() {
        assert_eq!(steps("/schema/0/a~1b"), ["schema", "0", "a/b"]);
        assert!(steps("").is_empty());
    }
}

//! A first policy, which only observes: what rules over personal data would do is counted, and nothing is done.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::mask;
use crate::model::catalog::{Column, Relation};
use crate::model::draft::{Described, yaml};
use crate::model::ident::display_name;
use crate::model::personal::looks_like;
use crate::model::source::{Problems, SourceFile, parse};

const HEAD: &str = "\
# A first policy, beside a first contract. Every rule is in `mode: shadow`: it counts what it would mask or refuse
# (pgcovenant_shadow_findings_total, and the audit file), and changes nothing for anybody.
# Review the tags in the contract first. Then name in `to` who a rule is about, and set its mode to enforce.
";

/// What a rule does with a category, where the types of all its columns allow; and NULL otherwise.
const ACTIONS: &[(&str, &str)] = &[
    ("pii.email", "{email: {}}"),
    ("pii.phone", "{partial: {prefix: 0, padding: \"*** \", suffix: 2}}"),
    ("pii.card", "{partial: {prefix: 0, padding: \"************\", suffix: 4}}"),
    ("pii.birth_date", "{date_trunc: year}"),
];

/// Categories that nobody needs to see a part of.
const DENIED: &[&str] = &["pii.credentials", "pii.government_id"];

/// A column and its relation.
type Place<'a> = (&'a Relation, &'a Column);

/// The text of the policy.
pub fn policy(described: &Described<'_>) -> String {
    let mut tagged: BTreeMap<&str, Vec<Place<'_>>> = BTreeMap::new();
    for relation in described.relations() {
        for column in &relation.columns {
            if let Some(category) = looks_like(&relation.name, &column.name, &column.ty) {
                tagged.entry(category.tag).or_default().push((relation, column));
            }
        }
    }
    let name = yaml::scalar(&format!("{}-observe", described.catalog.database));
    let mut text = format!("{HEAD}apiVersion: pgcovenant/v1\nkind: Policy\nmetadata: {{name: {name}, version: 1}}\n");
    if tagged.is_empty() {
        text.push_str("# No column looks like personal data by its name.\nrules: []\nunmodelled: deny\n");
        return text;
    }
    text.push_str("rules:\n");
    for (tag, places) in &tagged {
        let rule = tag.trim_start_matches("pii.").replace('_', "-");
        // Writing to a String cannot fail.
        _ = write!(text, "  - name: {rule}-is-protected\n    mode: shadow\n    columns: {{tags: [{tag}]}}\n");
        _ = write!(text, "    to: everyone\n    action: {}\n", action(tag, places));
    }
    text.push_str("unmodelled: deny     # for those whom a rule in `mode: enforce` is about; nobody yet\ntests:\n");
    let mut shown: BTreeMap<(&str, &str), Vec<&Column>> = BTreeMap::new();
    for (relation, column) in tagged.values().flatten() {
        shown.entry((&relation.schema, &relation.name)).or_default().push(column);
    }
    for ((schema, table), mut columns) in shown {
        columns.sort_by_key(|column| column.attnum);
        test(&mut text, schema, table, &columns);
    }
    text
}

fn action(tag: &str, places: &[Place<'_>]) -> String {
    if DENIED.contains(&tag) {
        return "deny".to_owned();
    }
    let wanted = ACTIONS.iter().find(|(of, _)| *of == tag).map(|(_, mask)| *mask);
    match wanted.filter(|mask| fits(mask, places)) {
        Some(mask) => format!("{{mask: {mask}}}"),
        None => "{mask: \"null\"}".to_owned(),
    }
}

/// Whether a mask works on the types of all these columns.
fn fits(mask: &str, places: &[Place<'_>]) -> bool {
    let file = SourceFile::new("mask", mask);
    let mut problems = Problems::new(&file);
    let read = parse(&file, &mut problems).and_then(|node| mask::read(&node, None, &mut problems));
    read.is_some_and(|mask| places.iter().all(|(_, column)| mask.compile(&column.ty).is_ok()))
}

fn test(text: &mut String, schema: &str, table: &str, columns: &[&Column]) {
    let named: Vec<String> = columns.iter().map(|column| display_name(&column.name)).collect();
    let sql = format!("select {} from {}.{}", named.join(", "), display_name(schema), display_name(table));
    let clear: Vec<String> = columns.iter().map(|column| yaml::scalar(&column.name)).collect();
    let name = yaml::scalar(&format!("nothing is hidden in {schema}.{table} yet"));
    _ = write!(text, "  - name: {name}\n    as: {{role: anybody}}\n    sql: {}\n", yaml::quoted(&sql));
    _ = writeln!(text, "    expect: {{clear: [{}]}}", clear.join(", "));
}

//! The columns of an object, and what they refer to.

use std::fmt::Write as _;

use super::{Described, yaml};
use crate::model::catalog::{BaseType, Column, ColumnType, Relation, RelationKind};
use crate::model::personal::looks_like;
use crate::model::structure::{ForeignKey, RelationStructure};

/// `logicalType` of a column.
fn logical_type(ty: &ColumnType) -> &'static str {
    match ty.base {
        BaseType::Number if matches!(&*ty.sql, "smallint" | "integer" | "bigint") => "integer",
        BaseType::Number => "number",
        BaseType::Boolean => "boolean",
        BaseType::Date => "date",
        BaseType::Timestamp => "timestamp",
        BaseType::Time => "time",
        BaseType::Json => "object",
        BaseType::Array => "array",
        BaseType::Text
        | BaseType::Uuid
        | BaseType::Bytes
        | BaseType::Network
        | BaseType::Interval
        | BaseType::Enum
        | BaseType::Range
        | BaseType::Multirange
        | BaseType::Other => "string",
    }
}

pub(super) fn property(
    text: &mut String,
    described: &Described<'_>,
    relation: &Relation,
    structure: &RelationStructure,
    column: &Column,
) {
    let mut keys: Vec<(&str, String)> = vec![
        ("name", yaml::scalar(&column.name)),
        ("logicalType", logical_type(&column.ty).to_owned()),
        ("physicalType", yaml::scalar(&column.ty.sql)),
    ];
    let is = |key: &'static str| (key, "true".to_owned());
    let place = |numbers: &[i16]| numbers.iter().position(|number| *number == column.attnum).map(|place| place + 1);
    if let Some(place) = place(&relation.primary_key) {
        keys.extend([is("primaryKey"), ("primaryKeyPosition", place.to_string())]);
    }
    if column.not_null && !matches!(relation.kind, RelationKind::View | RelationKind::MaterializedView) {
        keys.push(is("required"));
    }
    if relation.primary_key != [column.attnum] && is_unique(structure, &column.name) {
        keys.push(is("unique"));
    }
    if let Some(place) = structure.partition_key.iter().position(|name| *name == column.name) {
        keys.extend([is("partitioned"), ("partitionKeyPosition", (place + 1).to_string())]);
    }
    if let Some(category) = looks_like(&relation.name, &column.name, &column.ty) {
        // Writing to a String cannot fail.
        _ = writeln!(text, "      # review me: looks like {}", category.tag);
        keys.push(("classification", category.classification.to_owned()));
        keys.push(("tags", format!("[{}]", category.tag)));
    }
    let comment = structure.column_comments.get(&column.name);
    keys.extend(comment.map(|comment| ("description", yaml::scalar(comment))));
    let references = references(described, structure, &column.name, text);
    if comment.is_none() && references.is_empty() {
        let keys: Vec<String> = keys.iter().map(|(key, value)| format!("{key}: {value}")).collect();
        _ = writeln!(text, "      - {{{}}}", keys.join(", "));
        return;
    }
    for (number, (key, value)) in keys.iter().enumerate() {
        let dash = if number == 0 { "-" } else { " " };
        _ = writeln!(text, "      {dash} {key}: {value}");
    }
    if !references.is_empty() {
        let to: Vec<String> = references.iter().map(|to| format!("{{type: foreignKey, to: {to}}}")).collect();
        _ = writeln!(text, "        relationships: [{}]", to.join(", "));
    }
}

/// Whether some index sees to it that no value comes twice.
fn is_unique(structure: &RelationStructure, column: &str) -> bool {
    structure.indexes.iter().any(|index| {
        index.unique
            && index.valid
            && !index.partial
            && index.key.len() == 1
            && index.key.first().is_some_and(|key| **key == *column)
    })
}

/// What a column alone refers to. What cannot be written in the standard's notation becomes a comment.
fn references(
    described: &Described<'_>,
    structure: &RelationStructure,
    column: &str,
    text: &mut String,
) -> Vec<String> {
    let mut found = Vec::new();
    let of_column = |key: &&ForeignKey| matches!(key.columns.as_slice(), [only] if **only == *column);
    for key in structure.foreign_keys.iter().filter(of_column) {
        match (key.to_columns.as_slice(), described.name(&key.to.0, &key.to.1)) {
            ([to], Some(table)) if is_word(table) && is_word(to) => found.push(format!("{table}.{to}")),
            _ => elsewhere(text, key),
        }
    }
    found.sort();
    found.dedup();
    found
}

fn elsewhere(text: &mut String, key: &ForeignKey) {
    let told = format!(
        "{} refers to {}.{} ({}), which is not described here",
        key.name,
        key.to.0,
        key.to.1,
        key.to_columns.join(", ")
    );
    _ = writeln!(text, "      # {}", yaml::comment(&told));
}

/// Foreign keys of several columns.
pub(super) fn composite_keys(
    text: &mut String,
    described: &Described<'_>,
    relation: &Relation,
    structure: &RelationStructure,
) {
    let own = described.name(&relation.schema, &relation.name).unwrap_or(&relation.name);
    let mut head = "    relationships:\n";
    for key in structure.foreign_keys.iter().filter(|key| key.columns.len() > 1) {
        let other = described.name(&key.to.0, &key.to.1);
        let words = key.columns.iter().chain(&key.to_columns).all(|column| is_word(column));
        let Some(other) = other.filter(|other| words && is_word(other) && is_word(own)) else {
            elsewhere(text, key);
            continue;
        };
        let list = |table: &str, columns: &[Box<str>]| {
            columns.iter().map(|column| format!("{table}.{column}")).collect::<Vec<_>>().join(", ")
        };
        let (from, to) = (list(own, &key.columns), list(other, &key.to_columns));
        _ = writeln!(text, "{head}      - {{type: foreignKey, from: [{from}], to: [{to}]}}");
        head = "";
    }
}

/// Whether the standard's notation `table.column` can hold it.
fn is_word(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

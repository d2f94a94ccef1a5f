//! What a change of a column's type means for those who use it.

use crate::model::catalog::ColumnType;

/// What it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TypeChange {
    /// The same type, perhaps in other words.
    None,
    /// Every value and every old statement keeps its meaning, and the table is not rewritten.
    Safe,
    /// Every value fits, but the table is rewritten under a lock and readers get a wider number.
    Rewrite,
    /// Anything else.
    Breaking,
}

/// Whether modifiers count where only one side has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Modifiers {
    /// They do: both sides say what they mean.
    Exact,
    /// They do not: a contract need not repeat what the database has.
    WhereDeclared,
}

pub(super) fn change(old: &ColumnType, new: &ColumnType, modifiers: Modifiers) -> TypeChange {
    let (old, new) = (Written::of(&old.sql), Written::of(&new.sql));
    if old == new {
        return TypeChange::None;
    }
    let same_name = old.name == new.name && old.is_array == new.is_array;
    let undeclared = old.modifier.is_empty() || new.modifier.is_empty();
    if same_name && undeclared && modifiers == Modifiers::WhereDeclared {
        return TypeChange::None;
    }
    if old.is_array != new.is_array {
        return TypeChange::Breaking;
    }
    match (old.name.as_str(), new.name.as_str()) {
        ("character varying", "character varying" | "text") | ("bit varying", "bit varying") => widened(&old, &new),
        ("text", "character varying") if new.modifier.is_empty() => TypeChange::Safe,
        ("numeric", "numeric") => numeric(&old, &new),
        ("cidr", "inet") => TypeChange::Safe,
        (name, same) if name == same && MORE_DIGITS.contains(&name) => widened(&old, &new),
        ("smallint", "integer" | "bigint") | ("integer", "bigint") | ("real", "double precision") => {
            TypeChange::Rewrite
        }
        ("smallint" | "integer" | "bigint", "numeric") if new.modifier.is_empty() => TypeChange::Rewrite,
        _ => TypeChange::Breaking,
    }
}

/// Types whose modifier is a number of digits of a second, six where none is given.
const MORE_DIGITS: &[&str] = &[
    "timestamp without time zone",
    "timestamp with time zone",
    "time without time zone",
    "time with time zone",
    "interval",
];

/// A length or precision that grows, or is no longer limited.
fn widened(old: &Written, new: &Written) -> TypeChange {
    match (old.modifier.first(), new.modifier.first()) {
        (_, None) => TypeChange::Safe,
        (Some(before), Some(after)) if after >= before => TypeChange::Safe,
        (Some(_) | None, Some(_)) => TypeChange::Breaking,
    }
}

/// More digits before the point are safe; another scale rounds, or shows other digits.
fn numeric(old: &Written, new: &Written) -> TypeChange {
    let scale = |written: &Written| written.modifier.get(1).copied().unwrap_or(0);
    match (old.modifier.first(), new.modifier.first()) {
        (Some(_), None) => TypeChange::Safe,
        (Some(before), Some(after)) if after >= before && scale(old) == scale(new) => TypeChange::Safe,
        (Some(_) | None, Some(_)) | (None, None) => TypeChange::Breaking,
    }
}

/// `format_type` taken apart: `timestamp(3) with time zone[]`.
#[derive(Debug, PartialEq, Eq)]
struct Written {
    name: String,
    modifier: Vec<i64>,
    is_array: bool,
}

impl Written {
    fn of(sql: &str) -> Self {
        let (element, is_array) = sql.strip_suffix("[]").map_or((sql, false), |element| (element, true));
        let (name, modifier) = match element.split_once('(') {
            Some((before, rest)) => {
                let (inner, after) = rest.split_once(')').unwrap_or((rest, ""));
                let numbers = inner.split(',').filter_map(|number| number.trim().parse().ok()).collect();
                (format!("{before}{after}"), numbers)
            }
            None => (element.to_owned(), Vec::new()),
        };
        // A contract need not name the schema that everybody has on the search path.
        let name = name.strip_prefix("public.").unwrap_or(&name).to_owned();
        Self { name, modifier, is_array }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::contract::types::column_type;

    fn of(old: &str, new: &str) -> TypeChange {
        change(&column_type(old), &column_type(new), Modifiers::Exact)
    }

    #[test]
    fn widening_that_keeps_every_value_and_no_rewrite_is_safe() {
        for (old, new) in [
            ("varchar(10)", "varchar(20)"),
            ("varchar(10)", "varchar"),
            ("varchar(10)", "text"),
            ("text", "varchar"),
            ("varchar(10)[]", "varchar(20)[]"),
            ("numeric(10,2)", "numeric(12,2)"),
            ("numeric(10,2)", "numeric"),
            ("cidr", "inet"),
            ("timestamptz(3)", "timestamptz(6)"),
            ("bit varying(3)", "varbit(9)"),
        ] {
            assert_eq!(of(old, new), TypeChange::Safe, "{old} -> {new}");
        }
    }

    #[test]
    fn wider_numbers_rewrite_the_table() {
        for (old, new) in [("int", "bigint"), ("int2", "int4"), ("real", "float8"), ("bigint", "numeric")] {
            assert_eq!(of(old, new), TypeChange::Rewrite, "{old} -> {new}");
        }
    }

    #[test]
    fn everything_else_breaks_somebody() {
        for (old, new) in [
            ("varchar(20)", "varchar(10)"),
            ("text", "varchar(10)"),
            ("numeric(10,2)", "numeric(10,3)"),
            ("numeric(10,2)", "numeric(9,2)"),
            ("numeric", "numeric(10,2)"),
            ("bigint", "int"),
            ("timestamp", "timestamptz"),
            ("timestamptz", "timestamptz(3)"),
            ("text", "text[]"),
            ("json", "jsonb"),
            ("char(3)", "char(4)"),
            ("mood", "text"),
        ] {
            assert_eq!(of(old, new), TypeChange::Breaking, "{old} -> {new}");
        }
    }

    #[test]
    fn the_same_in_other_words_is_no_change() {
        for (old, new) in
            [("int", "integer"), ("decimal(4, 1)", "numeric(4,1)"), ("public.mood", "mood"), ("serial", "int4")]
        {
            assert_eq!(of(old, new), TypeChange::None, "{old} -> {new}");
        }
        let (contract, database) = (column_type("varchar"), column_type("varchar(120)"));
        assert_eq!(change(&contract, &database, Modifiers::WhereDeclared), TypeChange::None);
        assert_eq!(change(&contract, &database, Modifiers::Exact), TypeChange::Breaking);
        let other = column_type("varchar(60)");
        assert_eq!(change(&database, &other, Modifiers::WhereDeclared), TypeChange::Breaking);
    }
}

//! The server's own schemas: structure is open, values are closed.
//!
//! Clients of all kinds look into the catalogs to find out what there is, and must go on to work. What would tell
//! something of the values in user tables, or of the secrets of the server, is closed to governed sessions:
//!
//! - *Relations* that are nothing but values, statistics over values, credentials, or texts of other statements.
//! - *Columns* with source text, in which people write literals, with statements of other sessions, and with values of
//!   rows. They are NULL, not denied, since tools read these catalogs with `*`.
//!
//! What each relation of each major version holds stands in a [`manifest`]; what it does not list is closed.
//!
//! Expressions that belong to the structure of a table are shown: defaults, CHECK constraints, partition bounds, index
//! predicates. psql's `\d`, ORMs and migration tools read all of them. People write values into them, though: a literal in
//! such a text that is more than a lower-case word is shown as '****'. Counts of rows of tables stay open, since no
//! protected value changes them; those of an index with a predicate depend on values, and are not shown.

pub mod manifest;

use std::collections::HashMap;
use std::sync::Arc;

use self::manifest::{Class, Treatment};
use super::compile::{Decided, Decisions, add_decision};
use super::mask::{MaskUse, PSEUDONYM_KEYS, PSEUDONYM_SCHEMA};
use super::view::{MaskExpression, Reason};
use crate::model::catalog::{Catalog, Column, ColumnId, Oid, Relation, RelationKind};

/// Relations of extensions without anything that may be read, by name: they are put into any schema.
const CLOSED_RELATIONS: &[(&str, &str)] = &[
    ("pg_stat_statements", "texts of statements"),
    ("pg_stat_statements_info", "texts of statements"),
    ("pg_stat_monitor", "texts of statements"),
    ("pg_store_plans", "texts of statements"),
    ("pg_buffercache", "contents of memory"),
];

/// The mask of expressions as the server keeps them. What `pg_get_expr` makes of them is redacted as text, so it may have them.
pub const TREE: &str = "tree";

/// Why a relation that the manifest does not list is closed.
const NOT_LISTED: &str = "this version of pgcovenant does not know what it holds";

/// What is put before a definition's text so that its literals are shown only if they are lower-case words or names of
/// relations. Those are first taken out of quotes, then what still stands in quotes is replaced, then they are put back.
pub const DEFINITION_BEFORE: &str = "pg_catalog.translate(pg_catalog.regexp_replace(pg_catalog.regexp_replace(";

/// What is put behind it.
pub const DEFINITION_AFTER: &str = concat!(
    r", '(?<!'')''([a-z_ ]*)''(?!'')|''([^'']*)''(?=::regclass)', E'\001\\1\\2\001', 'g')",
    r", '''([^'']|'''')*''', '''****''', 'g'), E'\001', '''')"
);

/// A constant in an expression as the server keeps it that is no number, truth value, name of a relation, or text.
const TELLING_TYPE: &str = ":consttype (?!(16|20|21|23|25|26|700|701|1042|1043|1700|2205) )";

/// A constant text with a character other than a lower-case letter, an underscore or a space. Its bytes are written as numbers,
/// behind four that give its length.
const TELLING_TEXT: &str = concat!(
    r":consttype (25|1042|1043) [^}]*:constvalue [0-9]+ \[ -?[0-9]+ -?[0-9]+ -?[0-9]+ -?[0-9]+ (-?[0-9]+ )*",
    r"(?!(32|95|9[789]|1[01][0-9]|12[012]) )-?[0-9]"
);

/// Columns of `pg_class` that tell how many rows an index has, and what is shown for an index.
const INDEX_COUNTS: &[(&str, &str)] = &[
    ("reltuples", "CAST(-1 AS pg_catalog.float4)"),
    ("relpages", "CAST(0 AS pg_catalog.int4)"),
    ("relallvisible", "CAST(0 AS pg_catalog.int4)"),
    ("relallfrozen", "CAST(0 AS pg_catalog.int4)"),
];

/// Closes what is to be closed.
pub(super) fn close(catalog: &Catalog, decisions: &mut Decisions, opaque: &mut HashMap<Oid, Arc<str>>) {
    for relation in catalog.relations() {
        // Out-of-line storage holds the raw values of the tables that it belongs to.
        if &*relation.schema == "pg_toast" {
            opaque.insert(relation.oid, "out-of-line values of tables".into());
            continue;
        }
        if (&*relation.schema, &*relation.name) == (PSEUDONYM_SCHEMA, PSEUDONYM_KEYS) {
            opaque.insert(relation.oid, "keys of pseudonyms".into());
            continue;
        }
        if let Some((_, why)) = CLOSED_RELATIONS.iter().find(|(name, _)| **name == *relation.name) {
            opaque.insert(relation.oid, (*why).into());
            continue;
        }
        if !relation.is_system() || !matches!(relation.kind, RelationKind::Table | RelationKind::View) {
            continue;
        }
        match manifest::class(&relation.schema, &relation.name) {
            None => drop(opaque.insert(relation.oid, NOT_LISTED.into())),
            Some(Class::Closed(why)) => drop(opaque.insert(relation.oid, why.as_str().into())),
            Some(Class::Open(columns)) => columns_of(relation, columns, decisions),
        }
    }
}

fn columns_of(relation: &Relation, columns: &HashMap<Box<str>, Treatment>, decisions: &mut Decisions) {
    for column in &relation.columns {
        let reason = || Reason { policy: "pgcovenant".into(), version: 0, rule: "system".into(), note: None };
        let decided = match columns.get(&column.name) {
            Some(Treatment::Open) => continue,
            None | Some(Treatment::Null) => Decided::mask(&MaskUse::null(), &column.ty, reason()),
            Some(part) => {
                let name = if *part == Treatment::Tree { TREE } else { "system" };
                Decided::generated(MaskExpression::new(name, shown_part(*part, column)), reason())
            }
        };
        add_decision(decisions, ColumnId { relation: relation.oid, attnum: column.attnum }, decided);
    }
}

/// The expression around a column that is shown in part.
fn shown_part(treatment: Treatment, column: &Column) -> Vec<Box<str>> {
    let (before, after) = match treatment {
        Treatment::Definition => {
            let ty = &column.ty.sql;
            let schema = if ty.contains('.') { "" } else { "pg_catalog." };
            let after = format!(" AS pg_catalog.text){DEFINITION_AFTER} AS {schema}{ty}))");
            (format!("(CAST({DEFINITION_BEFORE}CAST("), after)
        }
        Treatment::Tree => {
            let is_shown =
                format!(" AS pg_catalog.text) OPERATOR(pg_catalog.!~) '{TELLING_TYPE}|{TELLING_TEXT}' THEN ");
            return vec!["(CASE WHEN CAST(".into(), is_shown.into(), " END)".into()];
        }
        Treatment::OwnObjects => {
            // Numbers below are the server's own.
            let own = "\"oid\" OPERATOR(pg_catalog.<) CAST(16384 AS pg_catalog.oid)";
            (format!("(CASE WHEN {own} THEN "), " END)".to_owned())
        }
        Treatment::IndexCount => {
            let shown =
                INDEX_COUNTS.iter().find(|(name, _)| **name == *column.name).map_or("NULL", |(_, shown)| *shown);
            let is_index = "pg_catalog.strpos('iI', CAST(\"relkind\" AS pg_catalog.text)) OPERATOR(pg_catalog.>) 0";
            (format!("(CASE WHEN {is_index} THEN {shown} ELSE "), " END)".to_owned())
        }
        Treatment::Open | Treatment::Null => (String::new(), String::new()),
    };
    vec![before.into(), after.into()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_indexes_are_listed_in_both_places() {
        let Some(Class::Open(columns)) = manifest::class("pg_catalog", "pg_class") else { panic!() };
        let marked = |name: &str| columns.get(name) == Some(&Treatment::IndexCount);
        assert!(INDEX_COUNTS.iter().all(|(name, _)| marked(name)));
        assert_eq!(
            columns.values().filter(|treatment| **treatment == Treatment::IndexCount).count(),
            INDEX_COUNTS.len()
        );
    }
}

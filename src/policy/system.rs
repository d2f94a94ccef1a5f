//! The server's own schemas: structure is open, values are closed.
//!
//! Clients of all kinds look into the catalogs to find out what there is, and must go on to work. What would tell
//! something of the values in user tables, or of the secrets of the server, is closed to governed sessions:
//!
//! - *Relations* that are nothing but values, statistics over values, credentials, or texts of other statements.
//! - *Columns* with source text, in which people write literals, with statements of other sessions, and with values of
//!   rows. They are NULL, not denied, since tools read these catalogs with `*`.
//!
//! Expressions that belong to the structure of a table are shown: defaults, CHECK constraints, partition bounds, index
//! predicates. psql's `\d`, ORMs and migration tools read all of them. People write values into them, though: a literal in
//! such a text that is more than a lower-case word is shown as '****'. Counts of rows of tables stay open, since no
//! protected value changes them; those of an index with a predicate depend on values, and are not shown.

use std::collections::HashMap;
use std::sync::Arc;

use super::compile::{Decided, Decisions, add_decision};
use super::mask::MaskUse;
use super::view::{MaskExpression, Reason};
use crate::model::catalog::{Catalog, ColumnId, Oid, Relation};

/// Relations without anything that may be read, by name: extensions put some of them into schemas of their own.
const CLOSED_RELATIONS: &[(&str, &str)] = &[
    ("pg_statistic", "statistics over column values"),
    ("pg_statistic_ext_data", "statistics over column values"),
    ("pg_stats", "statistics over column values"),
    ("pg_stats_ext", "statistics over column values"),
    ("pg_stats_ext_exprs", "statistics over column values"),
    ("pg_largeobject", "contents of large objects"),
    ("pg_authid", "credentials"),
    ("pg_shadow", "credentials"),
    ("pg_user_mapping", "credentials"),
    ("pg_user_mappings", "credentials"),
    ("_pg_user_mappings", "credentials"),
    ("user_mapping_options", "credentials"),
    ("pg_subscription", "credentials"),
    ("pg_hba_file_rules", "configuration of the server"),
    ("pg_ident_file_mappings", "configuration of the server"),
    ("pg_file_settings", "configuration of the server"),
    ("pg_config", "configuration of the server"),
    ("pg_replication_origin", "replication"),
    ("pg_replication_origin_status", "replication"),
    ("pg_replication_slots", "replication"),
    ("pg_stat_replication", "replication"),
    ("pg_stat_replication_slots", "replication"),
    ("pg_stat_wal_receiver", "replication"),
    ("pg_stat_subscription", "replication"),
    ("pg_stat_subscription_stats", "replication"),
    ("pg_stat_statements", "texts of statements"),
    ("pg_stat_statements_info", "texts of statements"),
    ("pg_stat_monitor", "texts of statements"),
    ("pg_store_plans", "texts of statements"),
    ("pg_prepared_statements", "texts of statements"),
    ("pg_cursors", "texts of statements"),
    ("pg_buffercache", "contents of memory"),
    ("pg_backend_memory_contexts", "contents of memory"),
    ("pg_seclabel", "labels that other tools keep for themselves"),
    ("pg_shseclabel", "labels that other tools keep for themselves"),
    ("pg_seclabels", "labels that other tools keep for themselves"),
];

/// Columns with source text or statements, in `pg_catalog` and `information_schema`.
const CLOSED_COLUMNS: &[(&str, &str, &[&str])] = &[
    ("pg_catalog", "pg_proc", &["prosrc", "probin", "prosqlbody", "proargdefaults", "proconfig"]),
    // The value that old rows have in a column added with a default: the only values of user tables in a catalog that
    // describes structure.
    ("pg_catalog", "pg_attribute", &["attmissingval"]),
    ("pg_catalog", "pg_rewrite", &["ev_qual", "ev_action"]),
    ("pg_catalog", "pg_trigger", &["tgargs", "tgqual"]),
    ("pg_catalog", "pg_views", &["definition"]),
    ("pg_catalog", "pg_matviews", &["definition"]),
    ("pg_catalog", "pg_rules", &["definition"]),
    ("pg_catalog", "pg_stat_activity", &["query"]),
    ("pg_catalog", "pg_db_role_setting", &["setconfig"]),
    ("pg_catalog", "pg_roles", &["rolconfig"]),
    ("pg_catalog", "pg_user", &["useconfig"]),
    ("pg_catalog", "pg_foreign_server", &["srvoptions"]),
    ("information_schema", "views", &["view_definition"]),
    ("information_schema", "routines", &["routine_definition"]),
    ("information_schema", "triggers", &["action_condition", "action_statement"]),
    ("information_schema", "parameters", &["parameter_default"]),
    ("information_schema", "foreign_server_options", &["option_value"]),
    ("information_schema", "_pg_foreign_servers", &["srvoptions"]),
];

/// Columns with the texts of stored definitions.
const DEFINITIONS: &[(&str, &str, &[&str])] = &[
    ("pg_catalog", "pg_indexes", &["indexdef"]),
    ("information_schema", "columns", &["column_default", "generation_expression"]),
    ("information_schema", "domains", &["domain_default"]),
    ("information_schema", "check_constraints", &["check_clause"]),
];

/// What is put before a definition's text so that its literals are shown only if they are lower-case words or names of
/// relations. Those are first taken out of quotes, then what still stands in quotes is replaced, then they are put back.
pub const DEFINITION_BEFORE: &str = "pg_catalog.translate(pg_catalog.regexp_replace(pg_catalog.regexp_replace(";

/// What is put behind it.
pub const DEFINITION_AFTER: &str = concat!(
    r", '(?<!'')''([a-z_ ]*)''(?!'')|''([^'']*)''(?=::regclass)', E'\001\\1\\2\001', 'g')",
    r", '''([^'']|'''')*''', '''****''', 'g'), E'\001', '''')"
);

/// Columns of `pg_class` that tell how many rows an index has, and what is shown for an index.
const INDEX_COUNTS: &[(&str, &str)] = &[
    ("reltuples", "CAST(-1 AS pg_catalog.float4)"),
    ("relpages", "CAST(0 AS pg_catalog.int4)"),
    ("relallvisible", "CAST(0 AS pg_catalog.int4)"),
];

/// Closes what is to be closed.
pub(super) fn close(catalog: &Catalog, decisions: &mut Decisions, opaque: &mut HashMap<Oid, Arc<str>>) {
    for relation in catalog.relations() {
        // Out-of-line storage holds the raw values of the tables that it belongs to.
        if &*relation.schema == "pg_toast" {
            opaque.insert(relation.oid, "out-of-line values of tables".into());
            continue;
        }
        if let Some((_, why)) = CLOSED_RELATIONS.iter().find(|(name, _)| **name == *relation.name) {
            opaque.insert(relation.oid, (*why).into());
            continue;
        }
        let closed =
            |(schema, name, _): &&(&str, &str, &[&str])| **schema == *relation.schema && **name == *relation.name;
        for column in CLOSED_COLUMNS.iter().filter(closed).flat_map(|(_, _, columns)| *columns) {
            let Some(column) = relation.column(column) else { continue };
            let reason = Reason { policy: "pgcovenant".into(), version: 0, rule: "system".into(), note: None };
            let id = ColumnId { relation: relation.oid, attnum: column.attnum };
            add_decision(decisions, id, Decided::mask(&MaskUse::null(), &column.ty, reason));
        }
        for (column, parts) in redactions(relation) {
            let reason = Reason { policy: "pgcovenant".into(), version: 0, rule: "system".into(), note: None };
            let id = ColumnId { relation: relation.oid, attnum: column };
            add_decision(decisions, id, Decided::generated(MaskExpression::new("system", parts), reason));
        }
    }
}

/// The columns of a system relation that are shown in part, with the expression around each.
fn redactions(relation: &Relation) -> Vec<(i16, Vec<Box<str>>)> {
    let mut found = Vec::new();
    let listed =
        DEFINITIONS.iter().filter(|(schema, name, _)| **schema == *relation.schema && **name == *relation.name);
    for column in listed.flat_map(|(_, _, columns)| *columns).filter_map(|name| relation.column(name)) {
        let ty = if column.ty.sql.contains('.') {
            column.ty.sql.to_string()
        } else {
            format!("pg_catalog.{}", column.ty.sql)
        };
        let before = format!("(CAST({DEFINITION_BEFORE}CAST(");
        let after = format!(" AS pg_catalog.text){DEFINITION_AFTER} AS {ty}))");
        found.push((column.attnum, vec![before.into(), after.into()]));
    }
    if &*relation.schema == "pg_catalog" && &*relation.name == "pg_class" {
        for (name, shown) in INDEX_COUNTS {
            let Some(column) = relation.column(name) else { continue };
            let is_index = "pg_catalog.strpos('iI', CAST(\"relkind\" AS pg_catalog.text)) OPERATOR(pg_catalog.>) 0";
            let before = format!("(CASE WHEN {is_index} THEN {shown} ELSE ");
            found.push((column.attnum, vec![before.into(), " END)".into()]));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_listed_twice() {
        for (at, (name, _)) in CLOSED_RELATIONS.iter().enumerate() {
            assert!(!CLOSED_RELATIONS[..at].iter().any(|(other, _)| other == name), "{name}");
            assert!(!CLOSED_COLUMNS.iter().any(|(_, other, _)| other == name), "{name} is closed as a whole");
        }
    }
}

//! Which functions of `pg_catalog` a governed session may call.
//!
//! A plain function computes on its arguments, and these hold what the session may see. Refused are the families that reach
//! further: they run SQL given as text, read files, statistics, other sessions or stored definitions, write, or change the
//! session or the server. Names that start with `pg_` are such by default, and admitted only by name, so that what a
//! later server adds is refused until somebody has looked at it. The same goes for any name that is not in [`known`], which
//! lists what PostgreSQL 15 to 18 have: the catalog of a later server tells which others it has.

mod admitted;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use admitted::ADMITTED;

static KNOWN: LazyLock<BTreeSet<&str>> = LazyLock::new(|| include_str!("known.txt").split_whitespace().collect());

/// The names of all functions of `pg_catalog` that somebody has looked at.
pub fn known() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().copied()
}

/// Whether PostgreSQL 15 to 18 have a function of that name in `pg_catalog`.
pub fn is_known(name: &str) -> bool {
    KNOWN.contains(name)
}

/// Functions of `pg_catalog` that may answer differently within one statement, or that do something. Names that start with
/// `pg_`, `lo_` or `query_to_` count among them.
const VOLATILE: &[&str] = &[
    "clock_timestamp",
    "current_query",
    "currval",
    "cursor_to_xml",
    "cursor_to_xmlschema",
    "gen_random_uuid",
    "lastval",
    "loread",
    "lowrite",
    "nextval",
    "random",
    "random_normal",
    "set_config",
    "setseed",
    "setval",
    "timeofday",
    "ts_rewrite",
    "ts_stat",
    "txid_status",
    "uuidv4",
    "uuidv7",
];

/// Whether it is certain that a function of `pg_catalog` has the same answer each time within one statement.
pub fn is_steady(name: &str) -> bool {
    is_known(name)
        && !["pg_", "lo_", "query_to_"].iter().any(|family| name.starts_with(family))
        && !VOLATILE.contains(&name)
}

/// Families by the start of the name, and what they do.
const REFUSED_FAMILIES: &[&str] = &[
    // Run a query given as text, or read the table, schema, database or cursor that a text names.
    "query_to_xml",
    "table_to_xml",
    "schema_to_xml",
    "database_to_xml",
    "cursor_to_xml",
    // Large objects and the server's files.
    "lo_",
    // Change indexes, catalogs or triggers.
    "binary_upgrade_",
    "brin_desummarize",
    "brin_summarize",
    "gin_clean_pending",
    "ri_fkey_",
    "fmgr_",
    "tsvector_update_trigger",
];

/// Single functions, with the same reasons.
const REFUSED: &[&str] = &[
    // Run SQL given as text.
    "ts_stat",
    "ts_rewrite",
    // Show the text that was sent instead of the client's.
    "current_query",
    // Change the session, sequences, large objects.
    "set_config",
    "nextval",
    "setval",
    "loread",
    "lowrite",
    "plpgsql_validator",
    // Read a row by its address.
    "currtid",
    "currtid2",
];

/// Functions whose answer is a stored definition: literals in it may be protected values. `pg_get_expr` is none of them: it
/// shows what it is given, and a session is given only what it may see.
const DEFINITIONS: &[&str] = &[
    "pg_get_constraintdef",
    "pg_get_function_arg_default",
    "pg_get_function_arguments",
    "pg_get_function_sqlbody",
    "pg_get_functiondef",
    "pg_get_indexdef",
    "pg_get_partition_constraintdef",
    "pg_get_partkeydef",
    "pg_get_ruledef",
    "pg_get_statisticsobjdef",
    "pg_get_triggerdef",
    "pg_get_viewdef",
];

/// Functions that make rows of their arguments, wherever they are called.
const MAKE_ROWS: &[&str] = &[
    "aclexplode",
    "generate_series",
    "generate_subscripts",
    "json_array_elements",
    "json_array_elements_text",
    "json_each",
    "json_each_text",
    "json_object_keys",
    "json_populate_recordset",
    "json_to_recordset",
    "jsonb_array_elements",
    "jsonb_array_elements_text",
    "jsonb_each",
    "jsonb_each_text",
    "jsonb_object_keys",
    "jsonb_path_query",
    "jsonb_path_query_tz",
    "jsonb_populate_recordset",
    "jsonb_to_recordset",
    "pg_extension_update_paths",
    "pg_get_publication_tables",
    "pg_options_to_table",
    "pg_partition_ancestors",
    "pg_partition_tree",
    "pg_snapshot_xip",
    "pg_tablespace_databases",
    "regexp_matches",
    "regexp_split_to_table",
    "string_to_table",
    "ts_debug",
    "ts_parse",
    "ts_token_type",
    "txid_snapshot_xip",
    "unnest",
];

/// Whether `pg_catalog.name` gives as many rows as its arguments say.
pub fn makes_rows(name: &str) -> bool {
    MAKE_ROWS.binary_search(&name).is_ok()
}

/// Whether the answer of `pg_catalog.name` is the source of a function.
pub fn tells_source(name: &str) -> bool {
    matches!(name, "pg_get_functiondef" | "pg_get_function_sqlbody")
}

/// Whether `pg_catalog.name` may be called. A name that no function has is for the server to refuse.
pub fn admitted(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    if lower.starts_with("pg_") {
        return ADMITTED.binary_search(&lower.as_str()).is_ok();
    }
    !REFUSED.contains(&lower.as_str()) && !REFUSED_FAMILIES.iter().any(|family| lower.starts_with(family))
}

/// Whether the answer of `pg_catalog.name` is the text of a stored definition.
pub fn tells_definition(name: &str) -> bool {
    DEFINITIONS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_admitted_or_refused_by_name_is_known() {
        assert!(KNOWN.len() > 2_500, "{}", KNOWN.len());
        let named = ADMITTED.iter().chain(REFUSED).chain(DEFINITIONS);
        let unknown: Vec<_> = named.filter(|name| !KNOWN.contains(*name)).collect();
        // A name of older servers.
        assert_eq!(unknown, [&"currtid"]);
    }

    #[test]
    fn the_list_is_sorted_for_binary_search() {
        assert!(ADMITTED.is_sorted() && MAKE_ROWS.is_sorted());
        assert!(ADMITTED.iter().all(|name| name.starts_with("pg_")));
    }

    #[test]
    fn reaching_functions_are_refused_and_computing_ones_admitted() {
        for name in [
            "query_to_xml",
            "QUERY_TO_XML_AND_XMLSCHEMA",
            "lo_export",
            "pg_read_file",
            "pg_stat_get_activity",
            "pg_read_server_files",
            "pg_ls_dir",
            "pg_logical_slot_get_changes",
            "set_config",
            "ts_stat",
            "pg_something_new",
        ] {
            assert!(!admitted(name), "{name}");
        }
        for name in ["lower", "count", "jsonb_build_object", "pg_typeof", "to_regclass", "current_schemas", "version"] {
            assert!(admitted(name), "{name}");
        }
    }
}

//! Which functions of `pg_catalog` a governed session may call.
//!
//! A plain function computes on its arguments, and these hold what the session may see. Refused are the families that reach
//! further: they run SQL given as text, read files, statistics, other sessions or stored definitions, write, or change the
//! session or the server. Names that start with `pg_` are such by default, and admitted only by name, so that what a
//! later server adds is refused until somebody has looked at it. The same goes for any name that is not in [`known`], which
//! lists what PostgreSQL 15 to 18 have: the catalog of a later server tells which others it has.

use std::collections::BTreeSet;
use std::sync::LazyLock;

static KNOWN: LazyLock<BTreeSet<&str>> = LazyLock::new(|| include_str!("known.txt").split_whitespace().collect());

/// The names of all functions of `pg_catalog` that somebody has looked at.
pub fn known() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().copied()
}

/// `pg_…` functions that tell structure, or compute.
const ADMITTED: &[&str] = &[
    "pg_advisory_lock",
    "pg_advisory_lock_shared",
    "pg_advisory_unlock",
    "pg_advisory_unlock_all",
    "pg_advisory_unlock_shared",
    "pg_advisory_xact_lock",
    "pg_advisory_xact_lock_shared",
    "pg_available_extension_versions",
    "pg_available_extensions",
    "pg_backend_pid",
    "pg_basetype",
    "pg_blocking_pids",
    "pg_char_to_encoding",
    "pg_client_encoding",
    "pg_collation_actual_version",
    "pg_collation_for",
    "pg_collation_is_visible",
    "pg_column_compression",
    "pg_column_is_updatable",
    "pg_column_size",
    "pg_column_toast_chunk_id",
    "pg_conf_load_time",
    "pg_conversion_is_visible",
    "pg_current_snapshot",
    "pg_current_xact_id",
    "pg_current_xact_id_if_assigned",
    "pg_database_collation_actual_version",
    "pg_database_size",
    "pg_describe_object",
    "pg_encoding_max_length",
    "pg_encoding_to_char",
    "pg_extension_update_paths",
    "pg_filenode_relation",
    "pg_function_is_visible",
    "pg_get_acl",
    "pg_get_catalog_foreign_keys",
    "pg_get_constraintdef",
    "pg_get_expr",
    "pg_get_function_arg_default",
    "pg_get_function_arguments",
    "pg_get_function_identity_arguments",
    "pg_get_function_result",
    "pg_get_function_sqlbody",
    "pg_get_functiondef",
    "pg_get_indexdef",
    "pg_get_keywords",
    "pg_get_object_address",
    "pg_get_partition_constraintdef",
    "pg_get_partkeydef",
    "pg_get_publication_tables",
    "pg_get_replica_identity_index",
    "pg_get_ruledef",
    "pg_get_sequence_data",
    "pg_get_serial_sequence",
    "pg_get_statisticsobjdef",
    "pg_get_statisticsobjdef_columns",
    "pg_get_triggerdef",
    "pg_get_userbyid",
    "pg_get_viewdef",
    "pg_get_wait_events",
    "pg_get_wal_resource_managers",
    "pg_has_role",
    "pg_identify_object",
    "pg_identify_object_as_address",
    "pg_index_column_has_property",
    "pg_index_has_property",
    "pg_indexam_has_property",
    "pg_indexam_progress_phasename",
    "pg_indexes_size",
    "pg_input_error_info",
    "pg_input_is_valid",
    "pg_is_in_recovery",
    "pg_is_other_temp_schema",
    "pg_is_wal_replay_paused",
    "pg_jit_available",
    "pg_last_committed_xact",
    "pg_listening_channels",
    "pg_lock_status",
    "pg_lsn",
    "pg_lsn_cmp",
    "pg_lsn_eq",
    "pg_lsn_ge",
    "pg_lsn_gt",
    "pg_lsn_hash",
    "pg_lsn_hash_extended",
    "pg_lsn_in",
    "pg_lsn_larger",
    "pg_lsn_le",
    "pg_lsn_lt",
    "pg_lsn_mi",
    "pg_lsn_mii",
    "pg_lsn_ne",
    "pg_lsn_out",
    "pg_lsn_pli",
    "pg_lsn_recv",
    "pg_lsn_send",
    "pg_lsn_smaller",
    "pg_my_temp_schema",
    "pg_notification_queue_usage",
    "pg_notify",
    "pg_numa_available",
    "pg_opclass_is_visible",
    "pg_operator_is_visible",
    "pg_opfamily_is_visible",
    "pg_options_to_table",
    "pg_partition_ancestors",
    "pg_partition_root",
    "pg_partition_tree",
    "pg_postmaster_start_time",
    "pg_prepared_xact",
    "pg_relation_filenode",
    "pg_relation_filepath",
    "pg_relation_is_publishable",
    "pg_relation_is_updatable",
    "pg_relation_size",
    "pg_safe_snapshot_blocking_pids",
    "pg_sequence_last_value",
    "pg_sequence_parameters",
    "pg_settings_get_flags",
    "pg_size_bytes",
    "pg_size_pretty",
    "pg_sleep",
    "pg_sleep_for",
    "pg_sleep_until",
    "pg_snapshot_in",
    "pg_snapshot_out",
    "pg_snapshot_recv",
    "pg_snapshot_send",
    "pg_snapshot_xip",
    "pg_snapshot_xmax",
    "pg_snapshot_xmin",
    "pg_split_walfile_name",
    "pg_stat_get_analyze_count",
    "pg_stat_get_autoanalyze_count",
    "pg_stat_get_autovacuum_count",
    "pg_stat_get_blocks_fetched",
    "pg_stat_get_blocks_hit",
    "pg_stat_get_db_active_time",
    "pg_stat_get_db_blk_read_time",
    "pg_stat_get_db_blk_write_time",
    "pg_stat_get_db_blocks_fetched",
    "pg_stat_get_db_blocks_hit",
    "pg_stat_get_db_checksum_failures",
    "pg_stat_get_db_checksum_last_failure",
    "pg_stat_get_db_conflict_all",
    "pg_stat_get_db_conflict_bufferpin",
    "pg_stat_get_db_conflict_lock",
    "pg_stat_get_db_conflict_logicalslot",
    "pg_stat_get_db_conflict_snapshot",
    "pg_stat_get_db_conflict_startup_deadlock",
    "pg_stat_get_db_conflict_tablespace",
    "pg_stat_get_db_deadlocks",
    "pg_stat_get_db_idle_in_transaction_time",
    "pg_stat_get_db_numbackends",
    "pg_stat_get_db_parallel_workers_launched",
    "pg_stat_get_db_parallel_workers_to_launch",
    "pg_stat_get_db_session_time",
    "pg_stat_get_db_sessions",
    "pg_stat_get_db_sessions_abandoned",
    "pg_stat_get_db_sessions_fatal",
    "pg_stat_get_db_sessions_killed",
    "pg_stat_get_db_stat_reset_time",
    "pg_stat_get_db_temp_bytes",
    "pg_stat_get_db_temp_files",
    "pg_stat_get_db_tuples_deleted",
    "pg_stat_get_db_tuples_fetched",
    "pg_stat_get_db_tuples_inserted",
    "pg_stat_get_db_tuples_returned",
    "pg_stat_get_db_tuples_updated",
    "pg_stat_get_db_xact_commit",
    "pg_stat_get_db_xact_rollback",
    "pg_stat_get_dead_tuples",
    "pg_stat_get_function_calls",
    "pg_stat_get_function_self_time",
    "pg_stat_get_function_total_time",
    "pg_stat_get_ins_since_vacuum",
    "pg_stat_get_last_analyze_time",
    "pg_stat_get_last_autoanalyze_time",
    "pg_stat_get_last_autovacuum_time",
    "pg_stat_get_last_vacuum_time",
    "pg_stat_get_lastscan",
    "pg_stat_get_live_tuples",
    "pg_stat_get_mod_since_analyze",
    "pg_stat_get_numscans",
    "pg_stat_get_snapshot_timestamp",
    "pg_stat_get_total_analyze_time",
    "pg_stat_get_total_autoanalyze_time",
    "pg_stat_get_total_autovacuum_time",
    "pg_stat_get_total_vacuum_time",
    "pg_stat_get_tuples_deleted",
    "pg_stat_get_tuples_fetched",
    "pg_stat_get_tuples_hot_updated",
    "pg_stat_get_tuples_inserted",
    "pg_stat_get_tuples_newpage_updated",
    "pg_stat_get_tuples_returned",
    "pg_stat_get_tuples_updated",
    "pg_stat_get_vacuum_count",
    "pg_stat_get_xact_blocks_fetched",
    "pg_stat_get_xact_blocks_hit",
    "pg_stat_get_xact_function_calls",
    "pg_stat_get_xact_function_self_time",
    "pg_stat_get_xact_function_total_time",
    "pg_stat_get_xact_numscans",
    "pg_stat_get_xact_tuples_deleted",
    "pg_stat_get_xact_tuples_fetched",
    "pg_stat_get_xact_tuples_hot_updated",
    "pg_stat_get_xact_tuples_inserted",
    "pg_stat_get_xact_tuples_newpage_updated",
    "pg_stat_get_xact_tuples_returned",
    "pg_stat_get_xact_tuples_updated",
    "pg_statistics_obj_is_visible",
    "pg_table_is_visible",
    "pg_table_size",
    "pg_tablespace_databases",
    "pg_tablespace_location",
    "pg_tablespace_size",
    "pg_timezone_abbrevs",
    "pg_timezone_abbrevs_abbrevs",
    "pg_timezone_abbrevs_zone",
    "pg_timezone_names",
    "pg_total_relation_size",
    "pg_trigger_depth",
    "pg_try_advisory_lock",
    "pg_try_advisory_lock_shared",
    "pg_try_advisory_xact_lock",
    "pg_try_advisory_xact_lock_shared",
    "pg_ts_config_is_visible",
    "pg_ts_dict_is_visible",
    "pg_ts_parser_is_visible",
    "pg_ts_template_is_visible",
    "pg_type_is_visible",
    "pg_typeof",
    "pg_visible_in_snapshot",
    "pg_wal_lsn_diff",
    "pg_xact_commit_timestamp",
    "pg_xact_commit_timestamp_origin",
    "pg_xact_status",
];

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

//! Which functions of `pg_catalog` a governed session may call.
//!
//! A plain function computes on its arguments, and these hold what the session may see. Refused are the families that reach
//! further: they run SQL given as text, read files, statistics, other sessions or stored definitions, write, or change the
//! session or the server. Names that start with `pg_` are such by default, and admitted only by name, so that what a
//! later server adds is refused until somebody has looked at it.

/// `pg_…` functions that tell structure, or compute.
const ADMITTED: &[&str] = &[
    "pg_advisory_lock",
    "pg_advisory_lock_shared",
    "pg_advisory_unlock",
    "pg_advisory_unlock_all",
    "pg_advisory_unlock_shared",
    "pg_advisory_xact_lock",
    "pg_advisory_xact_lock_shared",
    "pg_available_extensions",
    "pg_backend_pid",
    "pg_basetype",
    "pg_blocking_pids",
    "pg_char_to_encoding",
    "pg_client_encoding",
    "pg_collation_for",
    "pg_collation_is_visible",
    "pg_column_is_updatable",
    "pg_column_size",
    "pg_conf_load_time",
    "pg_conversion_is_visible",
    "pg_current_snapshot",
    "pg_current_xact_id",
    "pg_current_xact_id_if_assigned",
    "pg_database_size",
    "pg_describe_object",
    "pg_encoding_to_char",
    "pg_function_is_visible",
    "pg_get_catalog_foreign_keys",
    "pg_get_constraintdef",
    "pg_get_expr",
    "pg_get_function_arguments",
    "pg_get_function_identity_arguments",
    "pg_get_function_result",
    "pg_get_indexdef",
    "pg_get_keywords",
    "pg_get_object_address",
    "pg_get_partition_constraintdef",
    "pg_get_partkeydef",
    "pg_get_replica_identity_index",
    "pg_get_serial_sequence",
    "pg_get_statisticsobjdef",
    "pg_get_statisticsobjdef_columns",
    "pg_get_statisticsobjdef_expressions",
    "pg_get_triggerdef",
    "pg_get_userbyid",
    "pg_has_role",
    "pg_identify_object",
    "pg_identify_object_as_address",
    "pg_index_column_has_property",
    "pg_index_has_property",
    "pg_indexam_has_property",
    "pg_input_error_info",
    "pg_input_is_valid",
    "pg_is_in_recovery",
    "pg_is_other_temp_schema",
    "pg_jit_available",
    "pg_my_temp_schema",
    "pg_notify",
    "pg_opclass_is_visible",
    "pg_operator_is_visible",
    "pg_opfamily_is_visible",
    "pg_options_to_table",
    "pg_partition_ancestors",
    "pg_partition_root",
    "pg_partition_tree",
    "pg_postmaster_start_time",
    "pg_relation_is_publishable",
    "pg_relation_is_updatable",
    "pg_safe_snapshot_blocking_pids",
    "pg_sequence_parameters",
    "pg_size_bytes",
    "pg_size_pretty",
    "pg_sleep",
    "pg_sleep_for",
    "pg_sleep_until",
    "pg_statistics_obj_is_visible",
    "pg_table_is_visible",
    "pg_table_size",
    "pg_tablespace_location",
    "pg_timezone_abbrevs",
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
];

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

/// Functions whose answer is a stored definition: literals in it may be protected values.
const DEFINITIONS: &[&str] = &[
    "pg_get_constraintdef",
    "pg_get_expr",
    "pg_get_function_arguments",
    "pg_get_indexdef",
    "pg_get_partition_constraintdef",
    "pg_get_partkeydef",
    "pg_get_statisticsobjdef",
    "pg_get_triggerdef",
];

/// Functions that make rows of their arguments, wherever they are called. Those of them that tell structure only, and
/// have no argument that could be a protected value, are left out.
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
    "pg_options_to_table",
    "pg_partition_ancestors",
    "pg_partition_tree",
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
            "pg_get_viewdef",
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

    /// Volatile functions of `pg_catalog`, and those that not everybody may execute, as PostgreSQL 15 has them; names
    /// that start with `pg_` are refused unless they are listed above.
    const VOLATILE: &str = "amvalidate bernoulli binary_upgrade_create_empty_extension binary_upgrade_set_missing_value \
        brin_desummarize_range brin_summarize_new_values brin_summarize_range brinhandler bthandler clock_timestamp \
        current_query currtid2 currval cursor_to_xml cursor_to_xmlschema dsnowball_init dsnowball_lexize \
        gen_random_uuid gin_clean_pending_list ginhandler gisthandler hashhandler heap_tableam_handler lastval lo_close \
        lo_creat lo_create lo_export lo_from_bytea lo_get lo_import lo_lseek lo_lseek64 lo_open lo_put lo_tell \
        lo_tell64 lo_truncate lo_truncate64 lo_unlink loread lowrite nextval plpgsql_call_handler \
        plpgsql_inline_handler plpgsql_validator query_to_xml query_to_xml_and_xmlschema query_to_xmlschema random \
        RI_FKey_cascade_del RI_FKey_check_ins set_config setseed setval spghandler suppress_redundant_updates_trigger \
        system timeofday ts_rewrite ts_stat tsvector_update_trigger tsvector_update_trigger_column txid_status \
        unique_key_recheck";

    /// Of these, the ones that tell time, chance or what the session itself did, and those that SQL cannot call.
    const HARMLESS: &[&str] = &[
        "amvalidate",
        "bernoulli",
        "brinhandler",
        "bthandler",
        "clock_timestamp",
        "currval",
        "dsnowball_init",
        "dsnowball_lexize",
        "gen_random_uuid",
        "ginhandler",
        "gisthandler",
        "hashhandler",
        "heap_tableam_handler",
        "lastval",
        "plpgsql_call_handler",
        "plpgsql_inline_handler",
        "random",
        "setseed",
        "spghandler",
        "suppress_redundant_updates_trigger",
        "system",
        "timeofday",
        "txid_status",
        "unique_key_recheck",
    ];

    #[test]
    fn every_volatile_function_was_looked_at() {
        for name in VOLATILE.split_whitespace() {
            assert_eq!(admitted(name), HARMLESS.contains(&name), "{name}");
        }
    }
}

//! Settings that a governed session may change, by SET and by `set_config`.
//!
//! Open is what changes how an answer is found or written, not what it tells: planner, formats, limits, and the settings
//! that applications invent for themselves. Closed is everything else, unknown names included: what changes how a text is
//! read, what shows statements, plans or values to the client or in the log, what loads or runs code.
//!
//! A change of role is open, too. The rules of a session are those of its login and stay what they are: a rule about a
//! role holds for all its members, and who may become a role is a member of it and of all that it is a member of. So no
//! rule about roles that would hold for the new role does not hold already.

use super::objection::Objection;
use super::refusal::SqlState;
use crate::model::catalog::Catalog;
use crate::sql::lexer::{Token, TokenKind};
use crate::sql::second_opinion::Constant;
use crate::sql::tree::Span;

/// Open with any value.
const OPEN: &[&str] = &[
    "application_name",
    "array_nulls",
    "bytea_output",
    "check_function_bodies",
    "client_connection_check_interval",
    "commit_delay",
    "commit_siblings",
    "constraint_exclusion",
    "cpu_index_tuple_cost",
    "cpu_operator_cost",
    "cpu_tuple_cost",
    "cursor_tuple_fraction",
    "datestyle",
    "deadlock_timeout",
    "default_statistics_target",
    "default_table_access_method",
    "default_tablespace",
    "default_text_search_config",
    "default_toast_compression",
    "default_transaction_deferrable",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "effective_cache_size",
    "effective_io_concurrency",
    "extra_float_digits",
    "from_collapse_limit",
    "geqo",
    "geqo_effort",
    "geqo_generations",
    "geqo_pool_size",
    "geqo_seed",
    "geqo_selection_bias",
    "geqo_threshold",
    "gin_fuzzy_search_limit",
    "gin_pending_list_limit",
    "hash_mem_multiplier",
    "icu_validation_level",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "intervalstyle",
    "jit",
    "jit_above_cost",
    "jit_inline_above_cost",
    "jit_optimize_above_cost",
    "join_collapse_limit",
    "lc_messages",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "lock_timeout",
    "logical_decoding_work_mem",
    "maintenance_io_concurrency",
    "maintenance_work_mem",
    "max_parallel_maintenance_workers",
    "max_parallel_workers",
    "max_parallel_workers_per_gather",
    "min_parallel_index_scan_size",
    "min_parallel_table_scan_size",
    "parallel_leader_participation",
    "parallel_setup_cost",
    "parallel_tuple_cost",
    "plan_cache_mode",
    "quote_all_identifiers",
    "random_page_cost",
    "recursive_worktable_factor",
    "restrict_nonsystem_relation_kind",
    "role",
    "row_security",
    "search_path",
    "seed",
    "seq_page_cost",
    "statement_timeout",
    "synchronize_seqscans",
    "synchronous_commit",
    "tcp_keepalives_count",
    "tcp_keepalives_idle",
    "tcp_keepalives_interval",
    "tcp_user_timeout",
    "temp_buffers",
    "temp_tablespaces",
    "timezone",
    "timezone_abbreviations",
    "transaction snapshot",
    "transaction_deferrable",
    "transaction_isolation",
    "transaction_read_only",
    "transaction_timeout",
    "vacuum_buffer_usage_limit",
    "vacuum_cost_delay",
    "vacuum_cost_limit",
    "work_mem",
    "xmlbinary",
    "xmloption",
];

/// Open only with these values: what lexing and error texts depend on.
const PINNED: &[(&str, &[&str])] = &[
    ("standard_conforming_strings", &["on", "true", "1", "yes"]),
    ("backslash_quote", &["safe_encoding"]),
    ("client_encoding", &["utf8", "utf-8", "unicode"]),
    ("names", &["utf8", "utf-8", "unicode"]),
    ("client_min_messages", &["notice", "warning", "error"]),
    ("escape_string_warning", &["on", "off", "true", "false"]),
    ("transform_null_equals", &["off", "false", "0", "no"]),
];

/// Extensions and languages whose settings run code, log, trace or change what is answered; those of pgcovenant itself. A
/// name with any other prefix is the invention of an application, or belongs to an extension of the list below.
const CLOSED_PREFIXES: &[&str] = &[
    "anon",
    "auth_delay",
    "auto_explain",
    "babelfishpg_tsql",
    "basic_archive",
    "bdr",
    "citus",
    "cron",
    "dblink",
    "file_fdw",
    "isn",
    "orafce",
    "pg_duckdb",
    "pg_hint_plan",
    "pg_net",
    "pg_plan_advice",
    "pg_prewarm",
    "pg_qualstats",
    "pg_show_plans",
    "pg_stat_kcache",
    "pg_stat_monitor",
    "pg_stat_statements",
    "pg_store_plans",
    "pg_tde",
    "pg_tle",
    "pg_tracing",
    "pg_wait_sampling",
    "pgaudit",
    "pgcovenant",
    "pglogical",
    "pgsodium",
    "pgtle",
    "pljava",
    "pllua",
    "plperl",
    "plpgsql",
    "plpgsql_check",
    "plprofiler",
    "plpython",
    "plpython3",
    "plr",
    "plrust",
    "pltcl",
    "plv8",
    "postgres_fdw",
    "safeupdate",
    "sepgsql",
    "session_exec",
    "set_user",
    "spock",
    "supautils",
    "timescaledb",
    "vault",
];

/// Extensions whose settings only say how near is near enough.
const COMPUTING_PREFIXES: &[&str] = &["hnsw", "ivfflat", "pg_trgm", "postgis", "vector"];

/// Settings that may hold secrets of the server.
const SECRET: &[&str] = &["all", "primary_conninfo", "ssl_passphrase_command", "archive_command", "restore_command"];

/// Settings on which it depends what names mean.
pub(super) fn changes_path(name: &str) -> bool {
    matches!(name, "search_path" | "role" | "session_authorization")
}

/// SET, with the value in lower case where it is a single one that is known.
pub(super) fn set(name: &str, value: Option<&str>, catalog: Option<&Catalog>) -> Result<(), Objection> {
    if is_open(name, catalog) {
        return Ok(());
    }
    let Some((_, values)) = PINNED.iter().find(|(pinned, _)| *pinned == name) else {
        return Err(denied(format!("setting {name}")));
    };
    match value {
        Some(value) if values.contains(&value) => Ok(()),
        value => {
            let value = value.map(|value| format!(" to {value}")).unwrap_or_default();
            Err(denied(format!("setting {name}{value}")).hint(format!("Allowed values: {}.", values.join(", "))))
        }
    }
}

/// RESET, SET … TO DEFAULT. SET SESSION AUTHORIZATION DEFAULT only leads back to the login. A session begins with the pins as they are to be, and is ended where it does not.
pub(super) fn reset(name: &str, catalog: Option<&Catalog>) -> Result<(), Objection> {
    let known =
        is_open(name, catalog) || name == "session_authorization" || PINNED.iter().any(|(pinned, _)| *pinned == name);
    if known { Ok(()) } else { Err(denied(format!("setting {name}"))) }
}

/// SHOW.
pub(super) fn show(name: &str) -> Result<(), Objection> {
    if SECRET.contains(&name) { Err(denied(format!("setting {name}"))) } else { Ok(()) }
}

/// `set_config(name, value, is_local)`: the name must be known, and where it matters the value.
pub(super) fn call(constants: &[Option<Constant>], catalog: Option<&Catalog>) -> Result<(), Objection> {
    let Some(name) = constants.first().and_then(Option::as_ref) else {
        return Err(denied("function set_config".to_owned())
            .detail("A policy protects columns from this user, and the name of the setting is no constant."));
    };
    let value = constants.get(1).and_then(Option::as_ref).map(|constant| constant.value.to_ascii_lowercase());
    let set = set(&name.value.to_ascii_lowercase(), value.as_deref(), catalog);
    set.map_err(|objection| name.start.map_or(objection.clone(), |start| objection.or_at(start)))
}

/// `SELECT set_config(name, 'value', false) FROM pg_settings WHERE name = 'setting'`, as pg_dump asks, so that a server which does
/// not have the setting says nothing: the first argument, and the setting that it can only be.
pub(super) fn named_by_condition<'t>(sql: &'t str, tokens: &[Token], start: u32) -> Option<(Span, &'t str)> {
    let first = tokens.binary_search_by_key(&start, |token| token.start).ok()?;
    let mut rest = tokens.get(first..)?.iter().skip_while(|token| !token.is_symbol(sql, "(")).skip(1);
    let argument = rest.next().filter(|token| token.is_word(sql, "name"))?;
    let (comma, value, other) = (rest.next()?, rest.next()?, rest.next()?);
    let (local, close) = (rest.next()?, rest.next()?);
    let plain = comma.is_symbol(sql, ",") && other.is_symbol(sql, ",") && close.is_symbol(sql, ")");
    let words = ["from", "pg_settings", "where", "name"];
    let condition = words.iter().all(|word| rest.next().is_some_and(|token| token.is_word(sql, word)));
    let equals = rest.next()?.is_symbol(sql, "=");
    let setting = rest.next()?;
    let ends = rest.next().is_none_or(|token| token.is_symbol(sql, ";"));
    let literals = value.kind == TokenKind::String && setting.kind == TokenKind::String && local.is_word(sql, "false");
    let name = setting.text(sql).strip_prefix('\'')?.strip_suffix('\'')?;
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'));
    (plain && condition && equals && ends && literals && is_name)
        .then_some((Span { start: argument.start, end: argument.end }, name))
}

fn is_open(name: &str, catalog: Option<&Catalog>) -> bool {
    match name.split_once('.') {
        None => OPEN.binary_search(&name).is_ok() || name.starts_with("enable_"),
        Some((prefix, _)) => COMPUTING_PREFIXES.contains(&prefix) || !is_closed(prefix, catalog),
    }
}

/// A prefix that somebody else than an application gives a meaning to.
fn is_closed(prefix: &str, catalog: Option<&Catalog>) -> bool {
    let extensions = || {
        let catalog = catalog.into_iter();
        catalog.flat_map(|catalog| catalog.functions.iter().filter_map(|function| function.extension.as_deref()))
    };
    CLOSED_PREFIXES.contains(&prefix) || extensions().any(|extension| extension == prefix)
}

pub(super) fn denied(what: String) -> Objection {
    Objection::new(SqlState::InsufficientPrivilege, format!("permission denied for {what}"))
        .detail("A policy protects columns from this user, and this could reach around it.")
        .hint("Use a session of a user without protected columns, or ask the owner of the policy.")
}

#[cfg(test)]
mod tests;

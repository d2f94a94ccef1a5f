//! Which settings are open, and how one is found in a text.

use super::*;

#[test]
fn the_setting_that_pg_dump_asks_for_is_found() {
    let found = |sql: &str| {
        let tokens = crate::sql::lexer::lex(sql).unwrap();
        let start = tokens[1].start;
        named_by_condition(sql, &tokens, start).map(|(_, name)| name.to_owned())
    };
    let asked = "SELECT set_config(name, 'view, foreign-table', false) FROM pg_settings WHERE name = 'restrict_x'";
    assert_eq!(found(asked).as_deref(), Some("restrict_x"));
    assert_eq!(found(&format!("{asked} OR true")), None);
    assert_eq!(found(&asked.replace("'restrict_x'", "'a' || 'b'")), None);
    assert_eq!(found(&asked.replace("restrict_x", "a'', b")), None);
    assert_eq!(found("SELECT set_config('a', 'b', false)"), None);
}

#[test]
fn lists_are_sorted() {
    assert!(OPEN.is_sorted());
    assert!(CLOSED_PREFIXES.is_sorted());
}

#[test]
fn what_applications_invent_is_open_and_what_extensions_mean_is_not() {
    for open in ["app.user_id", "request.jwt.claims", "pg_trgm.similarity_threshold", "work_mem", "enable_seqscan"] {
        assert_eq!(set(open, None, None), Ok(()), "{open}");
    }
    for closed in [
        "auto_explain.log_min_duration",
        "plpgsql.extra_warnings",
        "pgcovenant.x",
        "debug_print_plan",
        "log_statement",
        "nothing",
    ] {
        assert!(set(closed, Some("on"), None).is_err(), "{closed}");
    }
}

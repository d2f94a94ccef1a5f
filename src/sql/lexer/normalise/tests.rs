//! What goes into a key and what stays out of it.

use super::*;
use crate::sql::lexer::lex;

fn key(text: &str) -> Vec<u8> {
    let mut key = Vec::new();
    shape(text, &lex(text).unwrap(), &mut key);
    key
}

fn summary(text: &str) -> Shape {
    shape(text, &lex(text).unwrap(), &mut Vec::new())
}

#[test]
fn texts_that_differ_in_literals_comments_and_blanks_share_a_key() {
    let first = key("SELECT a FROM t WHERE b = 17 AND c = 'x'");
    assert_eq!(first, key("select A\n from T where B=18 and C='y''z' -- trace 7"));
    assert_eq!(first, key("/* app=1 */ SELECT a FROM t WHERE b = 17 AND c = 'x'\n'more'"));
    for other in [
        "SELECT a FROM t WHERE b = 17.0 AND c = 'x'",
        "SELECT a FROM t WHERE b = 17 AND c = E'x'",
        "SELECT a FROM t WHERE b = 17 AND c = $1",
        "SELECT a FROM t WHERE b = 17 AND \"c\" = 'x'",
        "SELECT a FROM t WHERE b = - 17 AND c = 'x'",
    ] {
        assert_ne!(first, key(other), "{other}");
    }
    assert_ne!(key("SELECT $1"), key("SELECT $2"));
    assert_ne!(key("SELECT a b"), key("SELECT ab"));
}

#[test]
fn positions_of_output_columns_stay_in_the_key() {
    for (one, two) in [
        ("SELECT a, b FROM t ORDER BY 1", "SELECT a, b FROM t ORDER BY 2"),
        ("SELECT a, b FROM t GROUP BY a, 1", "SELECT a, b FROM t GROUP BY a, 2"),
        ("SELECT a, b FROM t ORDER BY (1)", "SELECT a, b FROM t ORDER BY (2)"),
        ("SELECT a, b FROM t ORDER BY - - 1", "SELECT a, b FROM t ORDER BY - - 2"),
        ("SELECT a, b FROM t GROUP BY ROLLUP(1)", "SELECT a, b FROM t GROUP BY ROLLUP(2)"),
        ("SELECT DISTINCT ON (1) a, b FROM t", "SELECT DISTINCT ON (2) a, b FROM t"),
        ("SELECT a, b FROM t ORDER BY a IS DISTINCT FROM b, 1", "SELECT a, b FROM t ORDER BY a IS DISTINCT FROM b, 2"),
        ("SELECT a FROM t ORDER BY (SELECT 1 LIMIT 1), 1", "SELECT a FROM t ORDER BY (SELECT 1 LIMIT 1), 2"),
        ("SELECT a, b FROM t ORDER BY x.limit, 1", "SELECT a, b FROM t ORDER BY x.limit, 2"),
    ] {
        assert_ne!(key(one), key(two), "{one}");
    }
    assert_eq!(key("SELECT a FROM t ORDER BY 1 LIMIT 10"), key("SELECT a FROM t ORDER BY 1 LIMIT 20"));
}

#[test]
fn literals_that_name_things_stay_in_the_key() {
    for text in [
        "SELECT 'a'::regclass",
        "SELECT CAST('a' AS pg_catalog.\"regclass\")",
        "SELECT nextval('a')",
        "SELECT set_config('a', 'b', false)",
        "SELECT query_to_xml('a', true, true, '')",
        "SELECT pg_read_file('a')",
        "SET search_path = 'a'",
        "EXPLAIN (ANALYZE 'a') SELECT 1",
        "EXECUTE p('a')",
        "SELECT 1; SHOW a; SELECT 'a'",
        "COPY t TO 'a'",
        "DO 'a'",
        "SELECT U&\"d!0061\" UESCAPE 'a'",
        "SELECT interval(3) 'a'",
    ] {
        assert!(summary(text).literal_sensitive, "{text}");
        if text.contains("'a'") {
            assert_ne!(key(text), key(&text.replace("'a'", "'b'")), "{text}");
        }
    }
    for text in [
        "SELECT region FROM t WHERE a = 'x'",
        "WITH x AS (SELECT 1) UPDATE t SET a = 'b'",
        "SELECT pg_catalog.lower('a')",
        "(SELECT 'a')",
        "SELECT interval '1 day'",
    ] {
        assert!(!summary(text).literal_sensitive, "{text}");
    }
}

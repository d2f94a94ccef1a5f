//! Texts that would exhaust a parser, and large ones that would not.

use super::*;
use crate::sql::lexer::lex;

fn exceeded(text: &str) -> Option<Cap> {
    Caps::default().check(&lex(text).unwrap(), text).err().map(|error| error.cap)
}

#[test]
fn inputs_that_exhaust_parsers_are_refused() {
    let nested = |open: &str, inner: &str, close: &str, times: usize| {
        format!("SELECT {}{inner}{}", open.repeat(times), close.repeat(times))
    };
    assert_eq!(exceeded(&format!("SELECT 1 FROM t {}", "JOIN t ".repeat(300))), Some(Cap::Joins));
    assert_eq!(exceeded(&nested("(", "1", ")", 60)), Some(Cap::Nesting));
    assert_eq!(exceeded(&nested("ARRAY[", "1", "]", 60)), Some(Cap::Nesting));
    assert_eq!(exceeded(&nested("CASE WHEN a THEN ", "1", " END", 60)), Some(Cap::Nesting));
    assert_eq!(exceeded(&nested("CASE WHEN x.end THEN ", "1", " END", 60)), Some(Cap::Nesting));
    assert_eq!(exceeded(&nested("POSITION(", "1", "", 18)), Some(Cap::Doubling));
    assert_eq!(exceeded(&nested("a IN (VALUES (", "1", "))", 18)), Some(Cap::Doubling));
    assert_eq!(exceeded(&format!("VALUES (a {}", "IN (VALUES (a ".repeat(18))), Some(Cap::Doubling));
    for link in [" AND a", " OR a", " + 1", " || a", "::int", " COLLATE x", " OPERATOR(+) a", "[1]", " IS NULL"] {
        assert_eq!(exceeded(&format!("SELECT a{}", link.repeat(1700))), Some(Cap::Chain), "{link}");
    }
    assert_eq!(exceeded(&format!("SELECT {}a", "NOT ".repeat(1700))), Some(Cap::Chain));
    assert_eq!(exceeded(&format!("SELECT 1, 2{}", " UNION SELECT 1, 2".repeat(700))), None);
    assert_eq!(exceeded(&format!("SELECT 1, 2{}", " UNION VALUES (1, 2)".repeat(1700))), Some(Cap::Chain));
    assert_eq!(exceeded(&"SELECT 1;".repeat(65)), Some(Cap::Statements));
    assert_eq!(exceeded(&"SELECT 1;".repeat(64)), None);
    assert_eq!(exceeded(&";".repeat(5000)), None);
    assert_eq!(exceeded(&format!("WITH {} SELECT 1", "a AS (SELECT 1),".repeat(20_000))), Some(Cap::Queries));
    assert_eq!(exceeded(&format!("SELECT 1{}", " ".repeat(2 << 20))), Some(Cap::CodeBytes));
    assert_eq!(exceeded(&format!("SELECT 1{}", ",1".repeat(100_001))), Some(Cap::Tokens));
}

#[test]
fn depth_adds_up_where_brackets_stand_in_chains() {
    // Each level is short, but they stand in one another.
    let text = (0..40).fold("1".to_owned(), |inner, _| format!("({inner}){}", " + 1".repeat(40)));
    assert_eq!(exceeded(&format!("SELECT {text}")), Some(Cap::Chain));
    // The same amount side by side is flat.
    let flat = vec![format!("(1{})", " + 1".repeat(40)); 40].join(", ");
    assert_eq!(exceeded(&format!("SELECT {flat}")), None);
}

#[test]
fn long_lists_are_fine() {
    let list = vec!["-1"; 10_000].join(", ");
    assert_eq!(exceeded(&format!("SELECT 1 WHERE a IN ({list})")), None);
    let rows = vec!["(now() - interval '1 day', -5, 'x' || 'y')"; 5000].join(", ");
    assert_eq!(exceeded(&format!("INSERT INTO t VALUES {rows}")), None);
    let branches = "WHEN a = 1 AND b = 2 THEN 3 ".repeat(3000);
    assert_eq!(exceeded(&format!("SELECT CASE {branches} ELSE 4 END")), None);
    assert_eq!(exceeded(&format!("SELECT '{}'", "x".repeat(8 << 20))), None);
}

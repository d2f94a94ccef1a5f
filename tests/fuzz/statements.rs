//! Any text: tokens, shape and verdict.

use pgcovenant::engine::check::Protocol;
use pgcovenant::engine::verdict::Verdict;
use pgcovenant::model::catalog::SearchPath;
use pgcovenant::proxy::judge::Judge;
use pgcovenant::sql::lexer::{self, Caps};

use bolero::TypeGenerator;

use crate::table::{RealEngine, Rules};
use crate::{A_MOMENT, ITERATIONS};

/// Words that a statement is thrown together from, so that more than the first word is looked into.
const WORDS: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "customers",
    "orders",
    "mail",
    "ssn",
    "id",
    "*",
    ",",
    "(",
    ")",
    ";",
    ".",
    "=",
    "||",
    "::",
    "AS",
    "c",
    "JOIN",
    "ON",
    "USING",
    "NATURAL",
    "LEFT",
    "LATERAL",
    "UNION",
    "WITH",
    "RECURSIVE",
    "GROUP BY",
    "ORDER BY",
    "HAVING",
    "UPDATE",
    "SET",
    "INSERT INTO",
    "VALUES",
    "DELETE",
    "RETURNING",
    "ON CONFLICT DO UPDATE",
    "MERGE",
    "COPY",
    "TO STDOUT",
    "PREPARE p AS",
    "EXECUTE p",
    "DECLARE c CURSOR FOR",
    "FETCH ALL FROM c",
    "EXPLAIN",
    "VALUES",
    "TABLE",
    "ONLY",
    "NULL",
    "text",
    "row",
    "ROW",
    "exists",
    "IN",
    "CASE WHEN",
    "THEN",
    "END",
    "count(*)",
    "lower",
    "xmlforest",
    "$1",
    "1",
    "'a'",
    "E'\\''",
    "U&\"\\0041\"",
    "$$x$$",
    "$a$",
    "--\n",
    "/*",
    "*/",
    "\"c\"",
    "'",
    "\"",
    "\\",
    "public.",
    "pg_catalog.",
    "[1]",
    "é",
];

#[derive(Debug, TypeGenerator)]
enum Fragment {
    Word(u8),
    Glued(u8),
    Any(String),
}

fn sentence(fragments: &[Fragment]) -> String {
    let word = |number: &u8| WORDS[usize::from(*number) % WORDS.len()];
    let text = fragments.iter().map(|fragment| match fragment {
        Fragment::Word(number) => format!("{} ", word(number)),
        Fragment::Glued(number) => word(number).to_owned(),
        Fragment::Any(text) => text.clone(),
    });
    // A C string cannot hold it.
    text.collect::<String>().replace('\0', "")
}

#[test]
fn any_text_is_cut_into_tokens() {
    let check = bolero::check!().with_type::<Vec<Fragment>>().with_test_time(A_MOMENT).with_iterations(ITERATIONS);
    check.for_each(|fragments| {
        let text = &sentence(fragments)[..];
        let tokens = match lexer::lex(text) {
            Ok(tokens) => tokens,
            Err(error) => {
                assert!(!error.describe(text).is_empty());
                return;
            }
        };
        let mut end = 0;
        for token in &tokens {
            assert!(token.start >= end && token.end > token.start, "tokens overlap: {tokens:?}");
            assert_eq!(token.text(text).len(), (token.end - token.start) as usize, "inside a letter");
            let _ = (lexer::decode_string(text, token), lexer::ident(text, token));
            end = token.end;
        }
        let _ = Caps::default().check(&tokens, text);
        let mut key = Vec::new();
        let shape = lexer::shape(text, &tokens, &mut key);
        assert_eq!(shape.fingerprint, lexer::fingerprint(text, &tokens));
        // Comments and white space do not count.
        let spaced: Vec<&str> = tokens.iter().map(|token| token.text(text)).collect();
        let again = spaced.join(" \t");
        if let Ok(same) = lexer::lex(&again)
            && same.len() == tokens.len()
        {
            assert_eq!(lexer::fingerprint(&again, &same), shape.fingerprint, "{text:?} and {again:?}");
        }
    });
}

#[test]
fn any_text_is_judged() {
    let (path, governed) = (SearchPath::default(), RealEngine::new(Rules::Governed));
    let observed = RealEngine::new(Rules::Observed);
    let check = bolero::check!().with_type::<Vec<Fragment>>().with_test_time(A_MOMENT).with_iterations(ITERATIONS);
    check.for_each(|fragments| {
        let text = &sentence(fragments)[..];
        for protocol in [Protocol::Simple, Protocol::Extended] {
            let Verdict::Admit(admitted) = observed.text(text, protocol, Some(&path), false) else {
                panic!("{text:?}")
            };
            assert_eq!(admitted.rewritten_text(), None);
            let (first, second) =
                (governed.text(text, protocol, Some(&path), false), governed.text(text, protocol, Some(&path), false));
            match (first, second) {
                (Verdict::Admit(first), Verdict::Admit(second)) => {
                    assert_eq!(first.rewritten_text(), second.rewritten_text(), "remembered otherwise: {text:?}");
                }
                (Verdict::Refuse(first), Verdict::Refuse(second)) => assert_eq!(first.sqlstate, second.sqlstate),
                (first, second) => panic!("{text:?}: {first:?}, then {second:?}"),
            }
        }
    });
}

//! Splices made and applied: what they do not cover stays, and they fit every text of the shape.

use proptest::prelude::*;

use super::*;
use crate::sql::lexer::lex;

#[test]
fn splices_found_for_one_text_fit_another_of_its_shape() {
    let first = "SELECT a /* x */ FROM t WHERE b = 'long literal' -- end";
    let tokens = lex(first).unwrap();
    let mut splicer = Splicer::new(&tokens);
    let at = first.find("t WHERE").unwrap() as u32;
    splicer.replace(Span { start: at, end: at + 1 }, "(SELECT a, b FROM s.t) AS t".into(), Generated::Plain).unwrap();
    splicer.insert_before(first.find("a /*").unwrap() as u32, "x.".into()).unwrap();
    let splices = splicer.finish().unwrap();
    let (text, placed) = apply(first, &tokens, &splices).unwrap();
    assert_eq!(text, "SELECT x.a FROM (SELECT a, b FROM s.t) AS t WHERE b = 'long literal' ");
    let written = |at: usize| text.get(placed[at].start..placed[at].end).unwrap();
    assert_eq!((written(1), written(2)), (" ", "(SELECT a, b FROM s.t) AS t"), "a comment is one, too");
    let position = |word: &str| original_position(&text, &placed, text.find(word).unwrap() + 1);
    assert_eq!(position("WHERE"), Some(first.find("WHERE").unwrap() + 1));
    assert_eq!(position("'long"), Some(first.find("'long").unwrap() + 1));
    assert_eq!(position("x.a"), Some(first.find("a /*").unwrap() + 1), "what was put before a word starts with it");
    assert_eq!(position("b FROM"), None, "generated");
    let second = "SELECT a FROM t WHERE b = ''";
    let (text, _) = apply(second, &lex(second).unwrap(), &splices).unwrap();
    assert_eq!(text, "SELECT x.a FROM (SELECT a, b FROM s.t) AS t WHERE b = ''");
}

#[test]
fn overlapping_replacements_are_refused() {
    let text = "SELECT a.b";
    let tokens = lex(text).unwrap();
    let mut splicer = Splicer::new(&tokens);
    splicer.replace(Span { start: 7, end: 10 }, "x".into(), Generated::Plain).unwrap();
    splicer.replace(Span { start: 9, end: 10 }, "y".into(), Generated::Plain).unwrap();
    assert_eq!(splicer.finish(), Err(SpliceError));
}

/// Texts of many tokens, some with literals and comments that hold what looks like SQL.
fn text() -> impl Strategy<Value = String> {
    let piece = proptest::sample::select(vec![
        "SELECT",
        "a",
        "\"B c\"",
        "t.x",
        ",",
        "(",
        ")",
        "'it''s'",
        "E'\\''",
        "$$ a, b $$",
        "$q$ ' $q$",
        "/* ' */",
        "/* /* */ */",
        "-- '\n",
        "17",
        "1.5",
        "$1",
        "::",
        "<=",
        "+",
        "é",
        "U&\"\\0061\"",
        ";",
    ]);
    let gap = proptest::sample::select(vec![" ", "  ", "\n", "\t "]);
    proptest::collection::vec((piece, gap), 1..30)
        .prop_map(|pieces| pieces.into_iter().flat_map(|(piece, gap)| [piece, gap]).collect())
}

/// The tokens as written.
fn words(text: &str) -> Vec<&str> {
    lex(text).unwrap().iter().map(|token| token.text(text)).collect()
}

proptest! {
    /// What no replacement covers is kept, token by token and in order; each replacement stands where it is said to.
    #[test]
    fn everything_else_stays(text in text(), choices in proptest::collection::vec((0usize..4, 1usize..4), 30)) {
        let tokens = lex(&text).unwrap();
        let mut splicer = Splicer::new(&tokens);
        let mut expected: Vec<&str> = Vec::new();
        let (mut at, mut made) = (0, 0);
        while at < tokens.len() {
            let (what, count) = choices[at % choices.len()];
            let end = (at + count).min(tokens.len());
            let range = Span { start: tokens[at].start, end: tokens[end - 1].end };
            let kept = tokens[at..end].iter().map(|token| token.text(&text));
            match what {
                0 => {
                    splicer.replace(range, " new ".to_owned(), Generated::Plain).unwrap();
                    expected.push("new");
                }
                1 => {
                    splicer.insert_before(range.start, " new ".to_owned()).unwrap();
                    expected.push("new");
                    expected.extend(kept);
                }
                2 => {
                    splicer.insert_after(range.end, " new ".to_owned()).unwrap();
                    expected.extend(kept);
                    expected.push("new");
                }
                _ => expected.extend(kept),
            }
            made += usize::from(what < 3);
            at = end;
        }
        let splices = splicer.finish().unwrap();
        let (out, placed) = apply(&text, &tokens, &splices).unwrap();
        prop_assert_eq!(words(&out), expected);
        let new: Vec<_> = placed.iter().filter(|place| out.get(place.start..place.end) != Some(" ")).collect();
        prop_assert_eq!(new.len(), made);
        for place in new {
            prop_assert_eq!(out.get(place.start..place.end).unwrap().trim(), "new");
        }
        // Whatever was kept is found where it stood.
        for (token, word) in lex(&out).unwrap().iter().map(|token| (token, token.text(&out))).filter(|(_, word)| *word != "new") {
            let position = out[..token.start as usize].chars().count() + 1;
            let original = original_position(&out, &placed, position).unwrap();
            let there: String = text.chars().skip(original - 1).collect();
            prop_assert!(there.starts_with(word), "{} at {}", word, original);
        }
        // Comments are gone: only literals can hold what looks like one.
        let gaps = lex(&out).unwrap().windows(2).any(|pair| out[pair[0].end as usize..pair[1].start as usize].contains("/*"));
        prop_assert!(!gaps, "{}", out);
    }

    /// Splices found for one text give the same text for another of its shape, but for literals and gaps.
    #[test]
    fn splices_fit_every_text_of_the_shape(text in text(), choices in proptest::collection::vec(0usize..3, 30)) {
        let tokens = lex(&text).unwrap();
        let mut splicer = Splicer::new(&tokens);
        for (at, token) in tokens.iter().enumerate() {
            if choices[at % choices.len()] == 0 {
                let span = Span { start: token.start, end: token.end };
                splicer.replace(span, format!(" new{at} "), Generated::Plain).unwrap();
            }
        }
        let splices = splicer.finish().unwrap();
        let mut other = String::new();
        for token in &tokens {
            let word = token.text(&text);
            other.push_str(match token.kind {
                crate::sql::lexer::TokenKind::String => "'a; b -- /*'",
                crate::sql::lexer::TokenKind::Integer => "42",
                _ => word,
            });
            other.push_str(" /* gap */ ");
        }
        let keys = [&text, &other].map(|text| {
            let mut key = Vec::new();
            crate::sql::lexer::shape(text, &lex(text).unwrap(), &mut key);
            key
        });
        prop_assume!(keys[0] == keys[1]);
        let (first, _) = apply(&text, &tokens, &splices).unwrap();
        let (second, _) = apply(&other, &lex(&other).unwrap(), &splices).unwrap();
        let without_literals = |text: &str| -> Vec<String> {
            let tokens = lex(text).unwrap();
            tokens.iter().map(|token| if token.kind.is_literal() { "?".to_owned() } else { token.text(text).to_owned() }).collect()
        };
        prop_assert_eq!(without_literals(&first), without_literals(&second));
    }
}

//! Statements of the corpus, cut and put together anew: what is admitted shows nothing.
//!
//! For every text that the engine admits for a governed user: what is sent lexes and parses as so many statements, an oracle
//! that shares nothing with the engine finds protected tables in their projections only, the cache answers as the engine
//! does, and what is sent would be sent unchanged in its shape if the client had said it with other white space.

use bolero::TypeGenerator;
use pgcovenant::engine::check::Protocol;
use pgcovenant::engine::verdict::Verdict;
use pgcovenant::model::catalog::SearchPath;
use pgcovenant::proxy::judge::Judge;
use pgcovenant::sql::lexer;

use crate::table::{RealEngine, Rules, judge_anew, oracle};
use crate::{A_MOMENT, ITERATIONS};

/// Statements, one a line.
const CORPUS: &[&str] = &[
    include_str!("../corpus/shop.sql"),
    include_str!("../corpus/orms.sql"),
    include_str!("../corpus/dialect.sql"),
    include_str!("../corpus/tokens.sql"),
];

/// What the columns of the corpus are called here, so that they are reached.
const RENAMED: &[(&str, &str)] = &[("email", "mail"), ("salary", "ssn"), ("phone", "mail"), ("employees", "customers")];

/// One change; numbers are taken modulo what there is.
#[derive(Debug, TypeGenerator)]
enum Edit {
    Insert(u16, String),
    Delete(u16, u8),
    Repeat(u16, u8, u16),
    Graft(u16, u16, u8, u16),
    Glue(u16),
}

fn statement(number: u16) -> String {
    let lines: Vec<&str> = CORPUS.iter().flat_map(|text| text.lines()).collect();
    let line = lines[usize::from(number) % lines.len()].to_owned();
    RENAMED.iter().fold(line, |line, (from, to)| line.replace(from, to))
}

fn words(text: &str) -> Vec<String> {
    match lexer::lex(text) {
        Ok(tokens) => tokens.iter().map(|token| token.text(text).to_owned()).collect(),
        Err(_) => vec![text.to_owned()],
    }
}

fn edited(seed: u16, edits: &[Edit]) -> String {
    let mut words = words(&statement(seed));
    for edit in edits.iter().take(6) {
        let at = |number: u16, words: &[String]| usize::from(number) % (words.len() + 1);
        match edit {
            Edit::Insert(place, text) => words.insert(at(*place, &words), text.replace('\0', "")),
            Edit::Delete(place, count) => {
                let start = at(*place, &words);
                let end = (start + usize::from(*count % 4)).min(words.len());
                words.drain(start..end);
            }
            Edit::Repeat(from, count, to) => {
                let start = at(*from, &words);
                let run = words[start..(start + usize::from(*count % 8)).min(words.len())].to_vec();
                let to = at(*to, &words);
                words.splice(to..to, run);
            }
            Edit::Graft(other, from, count, to) => {
                let others = self::words(&statement(*other));
                let start = at(*from, &others);
                let run = others[start..(start + usize::from(*count % 12)).min(others.len())].to_vec();
                let to = at(*to, &words);
                words.splice(to..to, run);
            }
            Edit::Glue(place) => {
                let start = at(*place, &words);
                if start + 1 < words.len() {
                    let next = words.remove(start + 1);
                    words[start] += &next;
                }
            }
        }
    }
    words.join(" ")
}

fn shape(text: &str) -> Vec<u8> {
    let tokens = lexer::lex(text).expect("what is sent lexes");
    let mut key = Vec::new();
    lexer::shape(text, &tokens, &mut key);
    key
}

fn show(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Admit(admitted) => format!("admit {:?}", admitted.rewritten_text()),
        Verdict::Refuse(refusal) => format!("refuse {:?}", refusal.sqlstate),
    }
}

#[test]
fn what_is_admitted_shows_nothing() {
    let (engine, path, oracle) = (RealEngine::new(Rules::Governed), SearchPath::default(), oracle());
    let check = bolero::check!().with_type::<(u16, Vec<Edit>)>().with_test_time(A_MOMENT).with_iterations(ITERATIONS);
    check.for_each(|(seed, edits)| {
        let text = edited(*seed, edits);
        let fresh = judge_anew(&text, Protocol::Simple);
        let Verdict::Admit(admitted) = &fresh else { return };
        let remembered = engine.text(&text, Protocol::Simple, Some(&path), false);
        assert_eq!(show(&fresh), show(&remembered), "remembered otherwise: {text}");
        let sent = admitted.rewritten_text().unwrap_or(&text);
        if let Err(why) = oracle.judge(&text, sent) {
            panic!("{why}\n  {text}\n  sent: {sent}");
        }
        // White space and comments mean nothing, before and after.
        let spaced = words(&text).join(" /**/\n");
        if shape(&spaced) == shape(&text)
            && let Verdict::Admit(other) = judge_anew(&spaced, Protocol::Simple)
        {
            let other = other.rewritten_text().unwrap_or(&spaced);
            assert_eq!(shape(other), shape(sent), "the same shape, sent otherwise: {text}");
        }
    });
}

/// Of a corpus that nobody may run, nothing would be proved.
#[test]
fn much_of_the_corpus_is_admitted() {
    let lines = (0..300).map(|number| edited(number, &[]));
    let admitted = lines.filter(|text| matches!(judge_anew(text, Protocol::Simple), Verdict::Admit(_))).count();
    assert!(admitted >= 90, "only {admitted} of 300 statements");
}

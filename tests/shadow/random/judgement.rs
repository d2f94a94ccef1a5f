//! What is made of the answers to one statement.

use crate::wire::Answer;

/// What is wrong with the answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wrong {
    /// A and B differ.
    Leak,
    /// A and the oracle differ.
    Answer,
    /// Refused, where the oracle answers.
    Refusal,
    /// Answered, where the oracle refuses.
    Admission,
    /// Another error than the oracle's.
    Error,
    /// No answer.
    Silence,
}

#[derive(Debug, Clone)]
pub enum Judgement {
    Right,
    /// The oracle does not answer either.
    Invalid,
    Wrong(Wrong, String),
}

impl Judgement {
    pub fn wrong(kind: Wrong, why: String) -> Self {
        Self::Wrong(kind, why)
    }
}

/// Equal, but for modifiers of types: where a mask is a constant, the planner knows more of them than of stored values.
pub fn same(expected: &Answer, seen: &Answer) -> bool {
    let mut seen = seen.clone();
    for (one, other) in expected.columns.iter().zip(&mut seen.columns).filter(|(one, _)| one.2 == -1) {
        other.2 = one.2;
    }
    *expected == seen
}

/// The part of an error that is the same for others like it.
pub fn reason(why: &str) -> String {
    let words = why.split(" found: ").next().unwrap_or_default().replace("0A000 statement cannot be checked against the data policy (A policy protects columns from this user, and what is not understood is refused: ", "0A000 (");
    words.chars().take(70).collect()
}

pub fn show(answer: &Answer) -> String {
    let rows: Vec<_> = answer.rows.iter().take(2).map(|row| String::from_utf8_lossy(row).into_owned()).collect();
    format!("{:?} {:?} {} rows {rows:?}", answer.error, answer.tags, answer.rows.len())
}

pub fn unlike(expected: &Answer, seen: &Answer) -> String {
    if expected.columns != seen.columns {
        return format!("columns {:?}, instead of {:?}", seen.columns, expected.columns);
    }
    if expected.tags != seen.tags {
        return format!("tags {:?}, instead of {:?}", seen.tags, expected.tags);
    }
    let pair = expected.rows.iter().zip(&seen.rows).find(|(one, other)| one != other);
    let text = |row: &Vec<u8>| String::from_utf8_lossy(row).into_owned();
    match pair {
        Some((expected, seen)) => format!("row {:?}, instead of {:?}", text(seen), text(expected)),
        None => format!("{} rows, instead of {}", seen.rows.len(), expected.rows.len()),
    }
}

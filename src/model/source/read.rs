//! Typed readers: each takes a node, and says what is wrong with it if it is not what it should be.

use std::collections::BTreeSet;
use std::ops::Range;

use super::node::{Entry, Node, Value};
use super::{Problems, nearest, suggestion};

/// The keys of a mapping, taken out one by one; what is left over at the end is unknown.
///
/// A reader must call [`Fields::finish`], which reports the unknown keys.
#[derive(Debug)]
pub struct Fields<'n> {
    node: &'n Node,
    what: &'static str,
    asked: BTreeSet<&'static str>,
}

impl<'n> Fields<'n> {
    /// The fields of a mapping; `what` names it in messages, such as `a rule`.
    pub fn of(node: &'n Node, what: &'static str, problems: &mut Problems<'_>) -> Option<Self> {
        if matches!(node.value, Value::Map(_)) {
            return Some(Self { node, what, asked: BTreeSet::new() });
        }
        problems.error(&node.span, format!("{what} must be a mapping, not {}", node.describe()));
        None
    }

    /// Where the mapping stands.
    pub fn span(&self) -> &Range<usize> {
        &self.node.span
    }

    /// The entry of an optional key. A key with nothing behind it counts as absent.
    pub fn entry(&mut self, key: &'static str) -> Option<&'n Entry> {
        self.asked.insert(key);
        self.node.entry(key).filter(|entry| entry.node.value != Value::Null)
    }

    /// The value of an optional key.
    pub fn optional(&mut self, key: &'static str) -> Option<&'n Node> {
        self.entry(key).map(|entry| &entry.node)
    }

    /// The value of a key that must be there.
    pub fn required(&mut self, key: &'static str, problems: &mut Problems<'_>) -> Option<&'n Node> {
        let found = self.optional(key);
        if found.is_none() {
            let message = format!("{} needs the key `{key}`", self.what);
            let at = self.node.entry(key).map_or_else(|| start_of(self.node), |entry| entry.key_span.clone());
            problems.error(&at, message);
        }
        found
    }

    /// Reports the keys that nobody asked for.
    pub fn finish(self, problems: &mut Problems<'_>) {
        for entry in self.node.entries() {
            if !self.asked.contains(entry.key.as_str()) {
                unknown_key(entry, self.what, &self.asked, problems);
            }
        }
    }
}

fn unknown_key(entry: &Entry, what: &str, known: &BTreeSet<&'static str>, problems: &mut Problems<'_>) {
    let help = match nearest(&entry.key, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("known keys: {}", known.iter().copied().collect::<Vec<_>>().join(", ")),
    };
    problems.error_with(&entry.key_span, format!("{what} has no key `{}`", entry.key), help);
}

/// A word out of a fixed set, as what it stands for; about another one, `complaint` goes on after the word.
pub fn one_of<T: Copy>(
    node: &Node,
    words: &[(&'static str, T)],
    complaint: &str,
    problems: &mut Problems<'_>,
) -> Option<T> {
    let word = non_empty(node, problems)?;
    if let Some((_, found)) = words.iter().find(|(known, _)| *known == word) {
        return Some(*found);
    }
    let help = suggestion(&word, words.iter().map(|(known, _)| *known));
    problems.error_with(&node.span, format!("`{word}` {complaint}"), help);
    None
}

/// A whole number with one of these units behind it, times what the unit stands for.
pub fn measured(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (digits, factor) = units
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?.trim_end().parse::<u64>().ok()?, factor)))?;
    digits.checked_mul(*factor)
}

/// The first key of a mapping: where a problem of the whole mapping is shown.
fn start_of(node: &Node) -> Range<usize> {
    node.entries().first().map_or_else(|| node.span.clone(), |entry| entry.key_span.clone())
}

fn expected(node: &Node, wanted: &str, problems: &mut Problems<'_>) {
    problems.error(&node.span, format!("expected {wanted}, found {}", node.describe()));
}

/// A string; numbers and booleans have to be quoted to be one.
pub fn string(node: &Node, problems: &mut Problems<'_>) -> Option<String> {
    match &node.value {
        Value::String(text) => Some(text.clone()),
        Value::Boolean(_) | Value::Integer(_) | Value::Float(..) => {
            let message = format!("expected a string, found {}", node.describe());
            problems.error_with(&node.span, message, "Put it between quotes.");
            None
        }
        Value::Null | Value::List(_) | Value::Map(_) => {
            expected(node, "a string", problems);
            None
        }
    }
}

/// A string that is not empty.
pub fn non_empty(node: &Node, problems: &mut Problems<'_>) -> Option<String> {
    let text = string(node, problems)?;
    if text.trim().is_empty() {
        problems.error(&node.span, "this must not be empty");
        return None;
    }
    Some(text)
}

/// `true` or `false`.
pub fn boolean(node: &Node, problems: &mut Problems<'_>) -> Option<bool> {
    if let Value::Boolean(value) = node.value {
        return Some(value);
    }
    expected(node, "true or false", problems);
    None
}

/// A whole number within bounds.
pub fn integer(node: &Node, bounds: std::ops::RangeInclusive<i64>, problems: &mut Problems<'_>) -> Option<i64> {
    match node.value {
        Value::Integer(value) if bounds.contains(&value) => Some(value),
        Value::Integer(value) => {
            let message = format!("{value} is not between {} and {}", bounds.start(), bounds.end());
            problems.error(&node.span, message);
            None
        }
        Value::Null | Value::Boolean(_) | Value::Float(..) | Value::String(_) | Value::List(_) | Value::Map(_) => {
            expected(node, "a whole number", problems);
            None
        }
    }
}

/// A number, as it was written.
pub fn number(node: &Node, problems: &mut Problems<'_>) -> Option<String> {
    match &node.value {
        Value::Integer(value) => Some(value.to_string()),
        Value::Float(_, text) => Some(text.clone()),
        Value::Null | Value::Boolean(_) | Value::String(_) | Value::List(_) | Value::Map(_) => {
            expected(node, "a number", problems);
            None
        }
    }
}

/// The items of a list.
pub fn list<'n>(node: &'n Node, problems: &mut Problems<'_>) -> &'n [Node] {
    if !matches!(node.value, Value::List(_)) {
        expected(node, "a list", problems);
    }
    node.items()
}

/// One string, or a list of strings.
pub fn string_or_list(node: &Node, problems: &mut Problems<'_>) -> Vec<(String, Range<usize>)> {
    let one = std::slice::from_ref(node);
    let items = if matches!(node.value, Value::List(_)) { node.items() } else { one };
    if items.is_empty() {
        problems.error(&node.span, "this list must not be empty");
    }
    items.iter().filter_map(|item| Some((non_empty(item, problems)?, item.span.clone()))).collect()
}

/// One network, or a list of networks; a single address counts as one.
pub fn networks(node: &Node, problems: &mut Problems<'_>) -> Vec<ipnet::IpNet> {
    let mut networks = Vec::new();
    for (text, span) in string_or_list(node, problems) {
        let single = || text.parse::<std::net::IpAddr>().ok().map(ipnet::IpNet::from);
        match text.parse::<ipnet::IpNet>().ok().or_else(single) {
            Some(network) => networks.push(network.trunc()),
            None => problems.error_with(&span, format!("`{text}` is no network"), "Write it as 10.0.0.0/8."),
        }
    }
    networks
}

/// A day as `YYYY-MM-DD`.
pub fn date(node: &Node, problems: &mut Problems<'_>) -> Option<jiff::civil::Date> {
    let text = non_empty(node, problems)?;
    let parsed = text.parse().ok().filter(|_| text.len() == "2026-01-31".len());
    if parsed.is_none() {
        problems.error_with(&node.span, format!("`{text}` is not a date"), "Write it as 2026-01-31.");
    }
    parsed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::source::{SourceFile, parse};

    #[test]
    fn all_problems_of_a_mapping_come_at_once() {
        let file = SourceFile::new("t", "nam: x\nsize: big\nflag: 'no'\n");
        let mut problems = Problems::new(&file);
        let node = parse(&file, &mut problems).unwrap();
        let mut fields = Fields::of(&node, "a thing", &mut problems).unwrap();
        fields.required("name", &mut problems);
        fields.required("size", &mut problems).and_then(|node| integer(node, 1..=9, &mut problems));
        fields.optional("flag").and_then(|node| boolean(node, &mut problems));
        fields.finish(&mut problems);
        let found: Vec<String> = problems.into_found().iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "t:1:1: error: a thing needs the key `name`",
                "t:1:1: error: a thing has no key `nam` (did you mean `name`?)",
                "t:2:7: error: expected a whole number, found a string",
                "t:3:7: error: expected true or false, found a string",
            ]
        );
    }
}

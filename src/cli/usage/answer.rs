//! Uses, put together by who and how.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::evidence::{Verdict, second};
use super::names::Object;
use super::print::Block;
use crate::engine::report::Access;
use crate::model::usage::Recorded;
use crate::observe::usage::book;

/// One shape of statements of one consumer.
#[derive(Debug)]
pub struct Shape<'a> {
    rows: Vec<&'a Recorded>,
}

impl Shape<'_> {
    fn text(&self) -> &str {
        match self.rows.iter().map(|row| row.text.as_str()).find(|text| !text.is_empty()) {
            Some(text) => text,
            None => "(shapes are not told apart)",
        }
    }

    fn uses(&self) -> u64 {
        book::statements(&self.rows)
    }
}

/// One consumer: application, user and network.
#[derive(Debug)]
pub struct Consumer<'a> {
    /// `application_name`.
    pub application: &'a str,
    /// The role.
    pub user: &'a str,
    /// The client's network.
    pub network: &'a str,
    shapes: BTreeMap<i64, Shape<'a>>,
}

/// Who uses an object, by uses of this object alone.
pub fn consumers<'a>(uses: impl IntoIterator<Item = &'a Recorded>) -> Vec<Consumer<'a>> {
    let mut found: BTreeMap<(&str, &str, &str), Consumer<'a>> = BTreeMap::new();
    for row in uses {
        let (application, user, network) = (row.application.as_str(), row.user.as_str(), row.network.as_str());
        let consumer = found.entry((application, user, network)).or_insert_with(|| Consumer {
            application,
            user,
            network,
            shapes: BTreeMap::new(),
        });
        consumer.shapes.entry(row.shape).or_insert_with(|| Shape { rows: Vec::new() }).rows.push(row);
    }
    let mut found: Vec<Consumer<'a>> = found.into_values().collect();
    found.sort_by_key(|consumer| std::cmp::Reverse(consumer.span().1));
    found
}

/// Whether somebody uses it by name, and whether somebody does by `*`. To change its structure is no use of it.
pub fn ways<'a>(uses: impl IntoIterator<Item = &'a Recorded>) -> (bool, bool) {
    uses.into_iter().fold((false, false), |(name, star), row| match row.access.as_str() {
        access if access == Access::Ddl.as_str() => (name, star),
        access if access == Access::Star.as_str() => (name, true),
        _ => (true, star),
    })
}

/// What uses amount to: the one verdict of reports and metrics.
pub fn verdict<'a>(uses: impl IntoIterator<Item = &'a Recorded>, complete: bool) -> Verdict {
    let (by_name, by_star) = ways(uses);
    Verdict::of(by_name, by_star, complete)
}

impl<'a> Consumer<'a> {
    /// Everything that was recorded of it.
    pub fn rows(&self) -> impl Iterator<Item = &'a Recorded> {
        self.shapes.values().flat_map(|shape| shape.rows.iter().copied())
    }

    /// The first and the last time.
    pub fn span(&self) -> (Timestamp, Timestamp) {
        span(self.rows())
    }

    /// How many shapes of its statements use the object.
    pub fn shapes(&self) -> usize {
        self.shapes.len()
    }

    /// How many statements of its use the object.
    pub fn uses(&self) -> u64 {
        self.shapes.values().map(Shape::uses).sum()
    }

    /// As rows of a table of consumers.
    fn line(&self) -> Vec<String> {
        let (first, last) = self.span();
        let refused = if self.rows().any(|row| row.refused) { " (some refused)" } else { "" };
        vec![
            named(self.application),
            self.user.to_owned(),
            self.network.to_owned(),
            format!("{}{refused}", words(self.rows().map(|row| row.access.as_str()))),
            self.shapes.len().to_string(),
            self.uses().to_string(),
            second(first),
            second(last),
        ]
    }

    /// As rows of a table of statements.
    pub fn statements(&self) -> impl Iterator<Item = Vec<String>> {
        self.shapes.values().map(|shape| {
            vec![
                named(self.application),
                words(shape.rows.iter().map(|row| row.access.as_str())),
                words(shape.rows.iter().map(|row| row.via.as_str())),
                shape.uses().to_string(),
                second(span(shape.rows.iter().copied()).1),
                shape.text().to_owned(),
            ]
        })
    }

    fn json(&self) -> Value {
        let statements: Vec<_> = self
            .shapes
            .iter()
            .map(|(fingerprint, shape)| {
                let (first, last) = span(shape.rows.iter().copied());
                json!({
                    "shape": format!("{fingerprint:016x}"), "text": shape.text(), "uses": shape.uses(),
                    "access": list(shape.rows.iter().map(|row| row.access.as_str())),
                    "via": list(shape.rows.iter().map(|row| row.via.as_str())),
                    "refused": refused(&shape.rows), "rows": rows_of(&shape.rows),
                    "first_seen": second(first), "last_seen": second(last),
                })
            })
            .collect();
        let (first, last) = self.span();
        json!({
            "application": self.application, "user": self.user, "network": self.network, "uses": self.uses(),
            "access": list(self.rows().map(|row| row.access.as_str())),
            "via": list(self.rows().map(|row| row.via.as_str())),
            "first_seen": second(first), "last_seen": second(last), "statements": statements,
        })
    }
}

/// Statements of a shape that were refused.
fn refused(rows: &[&Recorded]) -> u64 {
    book::statements(&rows.iter().copied().filter(|row| row.refused).collect::<Vec<_>>())
}

/// Rows of a shape: every way of using has them.
fn rows_of(rows: &[&Recorded]) -> i64 {
    let mut ways: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    rows.iter().for_each(|row| *ways.entry((&row.access, &row.via)).or_default() += row.rows);
    ways.into_values().max().unwrap_or_default()
}

fn span<'a>(rows: impl Iterator<Item = &'a Recorded>) -> (Timestamp, Timestamp) {
    let reach = |known: Option<(Timestamp, Timestamp)>, row: &Recorded| {
        let (first, last) = known.unwrap_or((row.first_seen, row.last_seen));
        Some((first.min(row.first_seen), last.max(row.last_seen)))
    };
    rows.fold(None, reach).unwrap_or_default()
}

/// Whoever gives no name has none.
pub fn named(application: &str) -> String {
    if application.is_empty() { "(no application_name)".to_owned() } else { application.to_owned() }
}

/// Each once, in order.
fn list<'a>(words: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    words.filter(|word| !word.is_empty()).collect::<BTreeSet<_>>().into_iter().collect()
}

fn words<'a>(words: impl Iterator<Item = &'a str>) -> String {
    list(words).join(", ")
}

fn heads(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Who uses one object, as text.
pub fn blocks(found: &[Consumer<'_>]) -> Vec<Block> {
    if found.is_empty() {
        return vec![Block::Line("Nobody was recorded using it.".to_owned())];
    }
    vec![
        Block::Table {
            head: heads(&["application", "user", "network", "access", "shapes", "uses", "first seen", "last seen"]),
            rows: found.iter().map(Consumer::line).collect(),
        },
        Block::Title("Statements".to_owned()),
        Block::Table {
            head: heads(&["application", "access", "via", "uses", "last seen", "statement"]),
            rows: found.iter().flat_map(Consumer::statements).collect(),
        },
    ]
}

/// Who uses one object, for programs.
pub fn values(found: &[Consumer<'_>]) -> Value {
    found.iter().map(Consumer::json).collect()
}

/// Applications by objects: a verdict in every cell.
pub fn matrix(objects: &[Object], applications: &BTreeSet<String>, cell: &dyn Fn(&str, &Object) -> Verdict) -> Block {
    let mut head = heads(&["application"]);
    head.extend(objects.iter().map(Object::display));
    let line = |application: &String| {
        let cells = objects.iter().map(|object| cell(application, object).as_str().to_owned());
        std::iter::once(named(application)).chain(cells).collect()
    };
    Block::Table { head, rows: applications.iter().map(line).collect() }
}

//! The ledger in memory: who used what, when first, when last, and whether by name.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::engine::report::Access;
use crate::model::consumers::{Consumer, Used};
use crate::model::lifecycle::Who;
use crate::model::usage::{OTHER, Recorded};

/// Statements of one shape, by one consumer, that use one column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    /// How many.
    pub uses: u64,
    /// The first.
    pub first: Timestamp,
    /// The last.
    pub last: Timestamp,
    /// Not by `*` only.
    pub by_name: bool,
    /// Not all of them were refused.
    pub allowed: bool,
}

/// What is kept of them.
#[derive(Debug, Clone, Copy)]
struct Seen {
    uses: u64,
    first: Timestamp,
    first_allowed: Option<Timestamp>,
    last: Timestamp,
    last_by_name: Option<Timestamp>,
}

impl Seen {
    fn add(&mut self, more: Self) {
        let earliest = |a: Option<Timestamp>, b: Option<Timestamp>| a.into_iter().chain(b).min();
        self.uses = self.uses.saturating_add(more.uses);
        self.first = self.first.min(more.first);
        self.first_allowed = earliest(self.first_allowed, more.first_allowed);
        self.last = self.last.max(more.last);
        self.last_by_name = self.last_by_name.max(more.last_by_name);
    }
}

impl From<Sighting> for Seen {
    fn from(seen: Sighting) -> Self {
        Self {
            uses: seen.uses,
            first: seen.first,
            first_allowed: seen.allowed.then_some(seen.first),
            last: seen.last,
            last_by_name: seen.by_name.then_some(seen.last),
        }
    }
}

/// Application and user.
type Name = (Box<str>, Box<str>);
/// By shape.
type Shapes = HashMap<i64, Seen>;
/// By column, then by consumer.
type Columns = HashMap<Box<str>, HashMap<Name, Shapes>>;

/// Uses by relation.
#[derive(Debug)]
pub struct Book {
    relations: HashMap<String, Columns>,
    entries: usize,
    at_most: usize,
}

fn key(used: Used<'_>) -> String {
    // No name of PostgreSQL holds a zero byte.
    [used.database, used.schema, used.relation].join("\0")
}

impl Book {
    /// An empty one of at most about so many entries.
    pub fn new(at_most: usize) -> Self {
        Self { relations: HashMap::new(), entries: 0, at_most }
    }

    /// What a store knows, in its order.
    pub fn of(recorded: &[Recorded], at_most: usize) -> Self {
        let mut book = Self::new(at_most);
        let same = |a: &Recorded, b: &Recorded| {
            (&a.database, &a.schema, &a.relation, &a.column, &a.application, &a.user)
                == (&b.database, &b.schema, &b.relation, &b.column, &b.application, &b.user)
        };
        for group in recorded.chunk_by(same) {
            let mut shapes: HashMap<i64, Vec<&Recorded>> = HashMap::new();
            for row in group.iter().filter(|row| row.access != Access::Ddl.as_str()) {
                shapes.entry(row.shape).or_default().push(row);
            }
            for (shape, rows) in shapes {
                book.remember(shape, &rows);
            }
        }
        book
    }

    fn remember(&mut self, shape: i64, rows: &[&Recorded]) {
        let Some(first) = rows.first() else { return };
        let used = Used {
            database: &first.database,
            schema: &first.schema,
            relation: &first.relation,
            column: Some(&first.column),
        };
        let moments = || rows.iter().map(|row| row.last_seen);
        let by_name = rows.iter().filter(|row| row.access != Access::Star.as_str()).map(|row| row.last_seen).max();
        let seen = Seen {
            uses: statements(rows),
            first: rows.iter().map(|row| row.first_seen).min().unwrap_or_default(),
            first_allowed: rows.iter().filter(|row| !row.refused).map(|row| row.first_seen).min(),
            last: moments().max().unwrap_or_default(),
            last_by_name: by_name,
        };
        self.put(used, (first.application.as_str().into(), first.user.as_str().into()), shape, seen);
    }

    /// Adds what was seen.
    pub fn add(&mut self, used: Used<'_>, who: Who<'_>, shape: i64, seen: Sighting) {
        self.put(used, (who.application.into(), who.user.into()), shape, seen.into());
    }

    fn put(&mut self, used: Used<'_>, name: Name, shape: i64, seen: Seen) {
        let full = self.entries >= self.at_most;
        let columns = self.relations.entry(key(used)).or_default();
        let consumers = columns.entry(used.column.unwrap_or_default().into()).or_default();
        // Beyond the bound shapes are not told apart, then consumers are not.
        let (name, shape) = match full {
            false => (name, shape),
            true if consumers.get(&name).is_some_and(|shapes| shapes.contains_key(&shape)) => (name, shape),
            true if consumers.contains_key(&name) => (name, 0),
            true => ((OTHER.into(), OTHER.into()), 0),
        };
        let shapes = consumers.entry(name).or_default();
        let before = shapes.len();
        shapes.entry(shape).and_modify(|known| known.add(seen)).or_insert(seen);
        self.entries += shapes.len() - before;
    }

    /// Takes over everything of another.
    pub fn merge(&mut self, other: Self) {
        for (relation, columns) in other.relations {
            let mut parts = relation.split('\0');
            let [database, schema, relation] = std::array::from_fn(|_| parts.next().unwrap_or_default());
            for (column, consumers) in columns {
                let used = Used { database, schema, relation, column: Some(&column) };
                for (name, shapes) in consumers {
                    shapes.into_iter().for_each(|(shape, seen)| self.put(used, name.clone(), shape, seen));
                }
            }
        }
    }

    /// Hands over everything.
    pub fn take(&mut self) -> Self {
        std::mem::replace(self, Self::new(self.at_most))
    }

    /// Whoever uses a relation in any way uses the relation as such.
    fn of_object(&self, used: Used<'_>) -> Option<&HashMap<Name, Shapes>> {
        self.relations.get(&key(used))?.get(used.column.unwrap_or_default())
    }

    /// When anybody first used an object in a statement of that shape.
    pub(super) fn shape_first_seen(&self, used: Used<'_>, shape: i64) -> Option<Timestamp> {
        self.of_object(used)?.values().filter_map(|shapes| shapes.get(&shape)).map(|seen| seen.first).min()
    }

    /// Whether a consumer was let use something before that day.
    pub(super) fn was_known(&self, used: Used<'_>, who: Who<'_>, before: Option<Date>) -> bool {
        let name: Name = (super::pending::cut(who.application).into(), who.user.into());
        // Of those that could not be told apart nobody can be said to be new.
        let others = (OTHER.into(), OTHER.into());
        let consumers = self.of_object(used);
        let shapes = [name, others].into_iter().filter_map(|name| consumers.and_then(|known| known.get(&name)));
        shapes
            .into_iter()
            .flat_map(HashMap::values)
            .filter_map(|seen| seen.first_allowed)
            .any(|first| before.is_none_or(|before| first.to_zoned(TimeZone::UTC).date() < before))
    }
}

/// How many statements these rows of one shape stand for: a statement has a row for every way in which it uses the column.
pub fn statements(rows: &[&Recorded]) -> u64 {
    let mut ways: HashMap<(&str, &str), i64> = HashMap::new();
    for row in rows {
        *ways.entry((&row.access, &row.via)).or_default() += row.uses;
    }
    ways.into_values().max().and_then(|most| u64::try_from(most).ok()).unwrap_or_default()
}

/// Who used it since then, by all of these books, the latest first.
pub(super) fn consumers(books: [&Book; 3], used: Used<'_>, since: Timestamp) -> Vec<Consumer> {
    let mut all: HashMap<&Name, HashMap<i64, Seen>> = HashMap::new();
    for (name, shapes) in books.iter().filter_map(|book| book.of_object(used)).flatten() {
        let known = all.entry(name).or_default();
        for (shape, seen) in shapes {
            known.entry(*shape).and_modify(|known| known.add(*seen)).or_insert(*seen);
        }
    }
    let mut found: Vec<Consumer> = all
        .into_iter()
        .filter_map(|((application, user), mut shapes)| {
            shapes.retain(|_, seen| seen.last >= since);
            Some(Consumer {
                application: application.clone(),
                user: user.clone(),
                shapes: shapes.len() as u64,
                uses: shapes.values().map(|seen| seen.uses).sum(),
                star_only: shapes.values().all(|seen| seen.last_by_name.is_none_or(|last| last < since)),
                first_seen: shapes.values().map(|seen| seen.first).min()?,
                last_seen: shapes.values().map(|seen| seen.last).max()?,
            })
        })
        .collect();
    found.sort_by(|a, b| b.last_seen.cmp(&a.last_seen).then_with(|| a.application.cmp(&b.application)));
    found
}

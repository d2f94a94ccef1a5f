//! The guard of the labels: how many values each may have, and which came first.

use std::sync::{Arc, OnceLock};

use metrics::Counter;

use super::Metrics;
use crate::model::caps::Caps;
use crate::observe::labels::{self, Limit, OTHER};
use crate::observe::registry;

/// A label whose values are bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarded {
    /// `datname`.
    Database,
    /// `relname`, together with `schemaname`.
    Relation,
    /// `relname` in the server's own statistics and in drift: a limit of its own, so that idle tables do not crowd out busy ones.
    WatchedRelation,
    /// `application`.
    Application,
    /// `column`.
    Column,
    /// `column` together with `application`.
    Consumer,
    /// `indexrelname`.
    Index,
    /// `rule`.
    Rule,
    /// `sqlstate` and its class.
    SqlState,
    /// `classification`.
    Classification,
    /// `slot`.
    Slot,
}

impl Guarded {
    /// How the label is called where its values are counted.
    const fn label(self) -> &'static str {
        match self {
            Self::Database => "datname",
            Self::Relation | Self::WatchedRelation => "relname",
            Self::Application => "application",
            Self::Column => "column",
            Self::Consumer => "consumer",
            Self::Index => "indexrelname",
            Self::Rule => "rule",
            Self::SqlState => "sqlstate",
            Self::Classification => "classification",
            Self::Slot => "slot",
        }
    }
}

/// The limits of all labels.
#[derive(Debug)]
pub(super) struct Limits([Guard; 11]);

#[derive(Debug)]
struct Guard {
    label: Guarded,
    limit: Limit,
    /// Counts what was not admitted.
    overflow: OnceLock<Counter>,
}

impl Limits {
    pub(super) fn new(caps: Caps) -> Self {
        let limits = [
            (Guarded::Database, Limit::new(caps.databases)),
            (Guarded::Relation, Limit::new(caps.relations)),
            (Guarded::WatchedRelation, Limit::new(caps.relations)),
            (Guarded::Application, Limit::new(caps.applications)),
            (Guarded::Column, Limit::new(caps.columns)),
            (Guarded::Consumer, Limit::new(caps.consumers)),
            (Guarded::Index, Limit::new(caps.indexes)),
            (Guarded::Rule, Limit::new(caps.rules)),
            (Guarded::SqlState, Limit::new(100)),
            (Guarded::Classification, Limit::new(50)),
            (Guarded::Slot, Limit::new(caps.slots)),
        ];
        Self(limits.map(|(label, limit)| Guard { label, limit, overflow: OnceLock::new() }))
    }

    fn of(&self, label: Guarded) -> Option<&Guard> {
        self.0.iter().find(|guard| guard.label == label)
    }

    /// Label and number of the values that it has.
    fn values(&self) -> Vec<(&'static str, usize)> {
        let mut found: Vec<(&'static str, usize)> = Vec::new();
        for guard in &self.0 {
            let (label, values) = (guard.label.label(), guard.limit.values());
            match found.iter_mut().find(|(other, _)| *other == label) {
                Some((_, most)) => *most = values.max(*most),
                None => found.push((label, values)),
            }
        }
        found
    }
}

/// A name that a contract or a policy knows: it has its own series, whatever traffic came before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnownName<'a> {
    /// A database.
    Database(&'a str),
    /// Database, schema and relation.
    Relation([&'a str; 3]),
    /// Database, schema, relation and column.
    Column([&'a str; 4]),
    /// An application.
    Application(&'a str),
    /// A rule.
    Rule(&'a str),
}

impl Metrics {
    /// Admits names regardless of the limits, and without taking a place from others. Handles that were looked up
    /// before may stand for [`OTHER`]: they are looked up again.
    pub fn reserve<'a>(&self, names: impl IntoIterator<Item = KnownName<'a>>) {
        let mut new = false;
        for name in names {
            let (label, whole) = match name {
                KnownName::Database(name) => (Guarded::Database, name.to_owned()),
                KnownName::Relation(path) => (Guarded::Relation, path.join("\0")),
                KnownName::Column(path) => (Guarded::Column, path.join("\0")),
                KnownName::Application(name) => (Guarded::Application, name.to_owned()),
                KnownName::Rule(name) => (Guarded::Rule, name.to_owned()),
            };
            new |= self.limits.of(label).is_some_and(|guard| guard.limit.reserve(&whole));
            if label == Guarded::Relation
                && let Some(guard) = self.limits.of(Guarded::WatchedRelation)
            {
                guard.limit.reserve(&whole);
            }
        }
        if new {
            self.forget_handles();
        }
    }

    /// The labels `schemaname`, `relname` and `column`. Beyond the limit of relations there is no column to tell apart, either.
    pub fn column_labels(&self, database: &str, path: [&str; 3]) -> [Arc<str>; 3] {
        let [schema, relation, column] = path;
        let whole = format!("{database}\0{}", path.join("\0"));
        let [schema, relation] = self.relation(Guarded::Relation, database, schema, relation);
        let column = if &*schema != OTHER && self.admit(Guarded::Column, &whole).is_some() {
            labels::clean(column).into()
        } else {
            OTHER.into()
        };
        [schema, relation, column]
    }

    /// The labels `schemaname` and `relname` of a relation.
    pub fn relation(&self, limit: Guarded, database: &str, schema: &str, relation: &str) -> [Arc<str>; 2] {
        let whole = format!("{database}\0{schema}\0{relation}");
        if self.admit(limit, &whole).is_some() {
            [labels::clean(schema).into(), labels::clean(relation).into()]
        } else {
            [OTHER.into(), OTHER.into()]
        }
    }

    /// The label for a value, or [`OTHER`] beyond the limit, which is counted.
    pub fn guard(&self, label: Guarded, value: &str) -> Arc<str> {
        self.admit(label, value).unwrap_or_else(|| OTHER.into())
    }

    /// Admits a value; a refused one is counted.
    pub fn admit(&self, label: Guarded, value: &str) -> Option<Arc<str>> {
        let guard = self.limits.of(label)?;
        let admitted = guard.limit.admit(value);
        if admitted.is_none() {
            let overflow = || self.counter(&registry::LABEL_OVERFLOW, &[label.label()]);
            guard.overflow.get_or_init(overflow).increment(1);
        }
        admitted
    }

    /// The label for a value that has been admitted before; what has not is [`OTHER`], and is not counted.
    pub(super) fn admitted(&self, label: Guarded, value: &str) -> Arc<str> {
        self.limits.of(label).and_then(|guard| guard.limit.known(value)).unwrap_or_else(|| OTHER.into())
    }

    pub(super) fn render_values(&self, into: &mut String) {
        let values = self.limits.values();
        let series = values.iter().map(|(label, values)| (vec![*label], *values as f64));
        labels::render_family(&registry::LABEL_VALUES, series, into);
    }
}

//! The series of a relation.

use std::sync::{Arc, OnceLock};

use dashmap::DashMap;
use metrics::Counter;

use super::guard::Guarded;
use super::{DatabaseSeries, Metrics};
use crate::engine::report::{Operation, RelationUse};
use crate::model::catalog::Oid;
use crate::observe::histogram::Histogram;
use crate::observe::labels::OTHER;
use crate::observe::registry;

/// The handles of the relations of one database.
pub(super) type Tables = DashMap<(Oid, Operation), Arc<TableSeries>, foldhash::fast::RandomState>;

/// The handles of one relation and operation.
pub struct TableSeries {
    /// What the handles were made for: a relation that was renamed gets new ones.
    made_for: RelationUse,
    /// `datname`, `schemaname`, `relname`.
    labels: [Arc<str>; 3],
    /// Statements that name it.
    pub statements: Counter,
    /// Rows of statements that name only it.
    pub rows: Counter,
    /// Time of the proxy itself.
    pub overhead: Arc<Histogram>,
    /// Times at the server of statements that name only it, and of those that name others, too.
    durations: [OnceLock<Arc<Histogram>>; 2],
    checks: [OnceLock<Counter>; 2],
    errors: DashMap<([u8; 2], bool), Counter, foldhash::fast::RandomState>,
}

/// Whether a statement names other relations, too: label `scope`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// One relation.
    Single,
    /// More than one.
    Multi,
}

impl Metrics {
    /// The handles of a relation.
    pub fn table(&self, database: &DatabaseSeries, named: &RelationUse) -> Arc<TableSeries> {
        let key = (named.relation, named.operation);
        if let Some(series) = database.tables.get(&key)
            && series.made_for == *named
        {
            return Arc::clone(&series);
        }
        let [schema, relation] = self.relation(Guarded::Relation, &database.name, &named.schema, &named.name);
        let values = [&*database.name, &*schema, &*relation, named.operation.as_str()];
        let series = Arc::new(TableSeries {
            made_for: named.clone(),
            statements: self.counter(&registry::TABLE_STATEMENTS, &values),
            rows: self.counter(&registry::TABLE_ROWS, &values),
            overhead: self.table_overhead.series(&values),
            durations: Default::default(),
            checks: Default::default(),
            errors: DashMap::default(),
            labels: [Arc::clone(&database.name), schema, relation],
        });
        database.tables.insert(key, Arc::clone(&series));
        series
    }

    /// Times at the server of statements that name the relation.
    pub fn table_durations(&self, table: &TableSeries, scope: Scope) -> Arc<Histogram> {
        let ([single, multi], [datname, schema, relation]) = (&table.durations, &table.labels);
        let (place, word) = match scope {
            Scope::Single => (single, "single"),
            Scope::Multi => (multi, "multi"),
        };
        let values = [&**datname, schema, relation, table.made_for.operation.as_str(), word];
        Arc::clone(place.get_or_init(|| self.table_duration.series(&values)))
    }

    /// Counts a statement that names the relation and ended in an error of this SQLSTATE.
    pub fn table_error(&self, table: &TableSeries, sqlstate: [u8; 5], by_proxy: bool) {
        let [first, second, ..] = sqlstate;
        let key = ([first, second], by_proxy);
        if let Some(counter) = table.errors.get(&key) {
            counter.increment(1);
            return;
        }
        let [datname, schema, relation] = &table.labels;
        let class = self.class(key.0);
        let origin = if by_proxy { "proxy" } else { "server" };
        let counter = self.counter(&registry::TABLE_ERRORS, &[datname, schema, relation, &class, origin]);
        counter.increment(1);
        // Classes are letters that the server has chosen: more than there are places for are not kept.
        if &*class != OTHER {
            table.errors.insert(key, counter);
        }
    }

    /// Statements of governed sessions that write to the relation.
    pub fn write_checks(&self, table: &TableSeries, refused: bool) -> Counter {
        let ([no, yes], [datname, schema, relation]) = (&table.checks, &table.labels);
        let (place, word) = if refused { (yes, "refused") } else { (no, "allowed") };
        place.get_or_init(|| self.counter(&registry::WRITE_CHECKS, &[datname, schema, relation, word])).clone()
    }
}

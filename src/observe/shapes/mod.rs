//! Statement shapes: what runs how often and how long, told apart by the fingerprint of the normalised text.
//!
//! A shape is looked up once for every report of the engine and kept with it (`handles`), so that counting a statement
//! is a few additions. The table is bounded; what is beyond is not told apart.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use jiff::Timestamp;

use super::histogram::{Histogram, STATEMENT_BOUNDS};
use crate::engine::report::{Operation, RelationUse, StatementReport};

/// Shapes that are told apart, over all databases.
const LIMIT: usize = 5000;

/// All shapes of all databases.
#[derive(Debug, Default)]
pub struct Shapes {
    known: DashMap<(Arc<str>, u64), Arc<Shape>, foldhash::fast::RandomState>,
}

/// One statement shape of one database.
#[derive(Debug)]
pub struct Shape {
    /// The database.
    pub database: Arc<str>,
    /// Hash of the normalised text.
    pub fingerprint: u64,
    /// The normalised text: literals and comments out.
    pub text: Arc<str>,
    /// What it does.
    pub operation: Operation,
    /// The relations that it names.
    pub relations: Vec<RelationUse>,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// Runs that ended in an error.
    pub errors: AtomicU64,
    /// Rows of its command tags.
    pub rows: AtomicU64,
    /// Time at the server of those that came to an end.
    pub time: Arc<Histogram>,
    /// The next run is to be looked at more closely.
    pub sample_wanted: AtomicBool,
}

impl Shapes {
    /// The shape of a statement; none beyond the limit, or where the statement could not be read.
    pub fn of(&self, database: &str, statement: &StatementReport) -> Option<Arc<Shape>> {
        if statement.touched.shape.is_empty() {
            return None;
        }
        let key = (Arc::from(database), statement.fingerprint);
        if let Some(shape) = self.known.get(&key) {
            return Some(Arc::clone(&shape));
        }
        if self.known.len() >= LIMIT {
            return None;
        }
        let shape = || Arc::new(Shape::new(Arc::from(database), statement));
        Some(Arc::clone(&self.known.entry(key).or_insert_with(shape)))
    }

    /// All of them, in no order.
    pub fn all(&self) -> Vec<Arc<Shape>> {
        self.known.iter().map(|entry| Arc::clone(entry.value())).collect()
    }
}

impl Shape {
    fn new(database: Arc<str>, statement: &StatementReport) -> Self {
        Self {
            database,
            fingerprint: statement.fingerprint,
            text: Arc::clone(&statement.touched.shape),
            operation: statement.operation,
            relations: statement.relations.clone(),
            first_seen: Timestamp::now(),
            errors: AtomicU64::new(0),
            rows: AtomicU64::new(0),
            time: Arc::new(Histogram::new(STATEMENT_BOUNDS)),
            sample_wanted: AtomicBool::new(false),
        }
    }

    /// Counts one run.
    pub fn ran(&self, took: Duration, rows: u64, failed: bool) {
        self.time.record(took);
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.errors.fetch_add(u64::from(failed), Ordering::Relaxed);
    }
}

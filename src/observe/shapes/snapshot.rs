//! What is known of all shapes at one moment, as plain values.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;

use super::quantile::quantile;
use super::versions::InForce;
use super::{LastError, Plan, Shape, Shapes, Used};
use crate::engine::report::RelationUse;

/// All shapes at one moment.
#[derive(Debug, Clone)]
pub struct Overview {
    /// The moment.
    pub at: Timestamp,
    /// When this process began.
    pub started: Timestamp,
    /// What is in force.
    pub in_force: Arc<InForce>,
    /// Open sessions by database.
    pub sessions: Vec<(Arc<str>, u64)>,
    /// Shapes that had to make room.
    pub evicted: u64,
    /// Statements that belong to no shape.
    pub shapeless: u64,
    /// Upper bounds of [`Snapshot::buckets`] but for the last one, in seconds.
    pub bounds: Vec<f64>,
    /// The shapes, in no order.
    pub shapes: Vec<Snapshot>,
}

/// One shape at one moment. Times are in seconds.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The database.
    pub database: Arc<str>,
    /// Hash of the normalised text.
    pub fingerprint: u64,
    /// The normalised text.
    pub text: Arc<str>,
    /// Its verb, or `multiple`.
    pub operation: &'static str,
    /// The relations that it names.
    pub relations: Vec<RelationUse>,
    /// Runs that are over, with or without an error.
    pub calls: u64,
    /// Time at the server, in seconds.
    pub total: f64,
    /// The shortest and the longest run.
    pub extremes: Option<(f64, f64)>,
    /// Runs by time; not cumulative.
    pub buckets: Vec<u64>,
    /// 50th, 95th and 99th percentile.
    pub percentiles: Option<[f64; 3]>,
    /// Rows.
    pub rows: u64,
    /// Runs that ended in an error of the server.
    pub errors: u64,
    /// Statements that the proxy refused.
    pub refusals: u64,
    /// The last of either.
    pub last_error: Option<LastError>,
    /// Runs with masks.
    pub masked: u64,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// What was in force then.
    pub first_seen_under: Option<Arc<InForce>>,
    /// It was first seen after the last change of a contract's version.
    pub is_new: bool,
    /// When it was seen last.
    pub last_seen: Timestamp,
    /// Who has used it.
    pub applications: Vec<(Box<str>, Used)>,
    /// The plan that was seen last.
    pub plan: Option<Arc<Plan>>,
    /// Plans that were seen, and those with a sequential scan.
    pub plan_samples: (u64, u64),
}

fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

impl Snapshot {
    fn of(shape: &Shape, bounds: &[f64], in_force: &InForce) -> Self {
        let (buckets, total) = shape.time.read();
        let at = |q| quantile(q, bounds, &buckets);
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        Self {
            database: Arc::clone(&shape.database),
            fingerprint: shape.fingerprint,
            text: Arc::clone(&shape.text),
            operation: shape.operation_word(),
            relations: shape.relations.clone(),
            calls: buckets.iter().sum(),
            total: seconds(total),
            extremes: shape.extremes().map(|(shortest, longest)| (seconds(shortest), seconds(longest))),
            percentiles: at(0.5).zip(at(0.95)).zip(at(0.99)).map(|((p50, p95), p99)| [p50, p95, p99]),
            buckets,
            rows: count(&shape.rows),
            errors: count(&shape.errors),
            refusals: count(&shape.refusals),
            last_error: shape.last_error(),
            masked: count(&shape.masked),
            first_seen: shape.first_seen,
            first_seen_under: shape.first_seen_under.clone(),
            is_new: shape.first_seen >= in_force.changed_at(&shape.database),
            last_seen: shape.last_seen().max(shape.first_seen),
            applications: shape.users(),
            plan: shape.last_plan.load_full(),
            plan_samples: (count(&shape.plan_samples), count(&shape.plan_samples_seq)),
        }
    }

    /// Seconds of a run on average; none without runs.
    pub fn mean(&self) -> Option<f64> {
        (self.calls > 0).then(|| self.total / self.calls as f64)
    }
}

impl Shapes {
    /// Everything that is known. Takes milliseconds where there are thousands: not for a thread that serves clients.
    pub fn overview(&self) -> Overview {
        // Whoever used a shape is counted by the session that did, and told when usage is folded.
        _ = self.usage.waiting();
        let at = Timestamp::now();
        let in_force = self.in_force.load_full();
        let shapes = self.all();
        let bounds: Vec<f64> = super::super::histogram::STATEMENT_BOUNDS.iter().map(|bound| seconds(*bound)).collect();
        let sessions = self
            .databases
            .iter()
            .map(|entry| (Arc::clone(entry.key()), entry.value().sessions.load(Ordering::Relaxed)))
            .collect();
        Overview {
            at,
            started: self.started,
            sessions,
            evicted: self.evicted.load(Ordering::Relaxed),
            shapeless: self.shapeless.load(Ordering::Relaxed),
            shapes: shapes.iter().map(|shape| Snapshot::of(shape, &bounds, &in_force)).collect(),
            bounds,
            in_force,
        }
    }
}

//! Plans of statements that really run: which are to be asked for, what they were, and what has changed.
//!
//! Whoever can talk to the server asks [`Plans`] what is due, takes samples from its queue and tells it the answers. The path
//! of statements meets nothing of this but a flag of the shape, and once in a while a place in the queue.

mod book;
mod changes;
mod declared;
mod json;
#[cfg(test)]
pub(super) mod tests;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::event::Sample;
use super::metrics::Metrics;
use super::registry;
use super::shapes::{Shape, Shapes};
use crate::model::change::Change;
use crate::model::plan::{NoPlan, Plan};
use book::Book;
pub use declared::{DeclaredQuery, Wanted};

/// Samples that wait, and shapes that a sample is waited for: at most so many of each. They hold texts and values.
const WAITING: usize = 8;

/// What is known of plans.
#[derive(Debug, Default)]
pub struct Plans {
    queue: Mutex<VecDeque<Waiting>>,
    book: Mutex<Book>,
}

/// A sample that waits for its plan.
#[derive(Debug)]
pub struct Waiting {
    /// What it is one of.
    pub shape: Arc<Shape>,
    /// The statement itself.
    pub sample: Sample,
}

impl Plans {
    /// Looks which shapes are due, each `every` so often, and flags the busiest of them: so few that the queue can hold their
    /// samples.
    pub fn flag_due(&self, shapes: &Shapes, every: Duration, now: Instant) {
        let waiting = self.queue().len();
        self.book().flag_due(shapes.all(), every, WAITING.saturating_sub(waiting), now);
    }

    /// Takes a sample of a shape that was flagged; without waiting for anything. False if there is no place for it.
    pub(super) fn offer(&self, shape: &Arc<Shape>, sample: Sample) -> bool {
        let Ok(mut queue) = self.queue.try_lock() else { return false };
        if queue.len() >= WAITING {
            return false;
        }
        queue.push_back(Waiting { shape: Arc::clone(shape), sample });
        true
    }

    /// The sample that has waited longest.
    pub fn take(&self) -> Option<Waiting> {
        self.queue().pop_front()
    }

    /// What the contracts declare now.
    pub fn declare(&self, queries: Vec<DeclaredQuery>) {
        self.book().declared.replace(queries);
    }

    /// An index of a relation is gone, or something else that changes plans: what reads it is due at once.
    pub(super) fn disturbed(&self, database: &str, schema: &str, relation: &str, now: Instant) {
        self.book().disturbed(database, schema, relation, now);
    }

    /// Everything, as JSON.
    pub fn json(&self) -> String {
        json::text(&self.book())
    }

    pub(super) fn failed(&self, metrics: &Metrics, waiting: &Waiting, why: NoPlan, every: Duration) {
        let database = Arc::clone(&metrics.database(&waiting.shape.database).name);
        metrics.counter(&registry::PLAN_SAMPLE_FAILURES, &[&database, why.as_str()]).increment(1);
        self.book().failed(&waiting.shape, why, every, Instant::now());
    }

    pub(super) fn seen(&self, metrics: &Metrics, waiting: &Waiting, plan: Plan, every: Duration) -> Vec<Change> {
        changes::count_accesses(metrics, &waiting.shape.database, &plan);
        let found = self.book().seen(&waiting.shape, plan, every, Instant::now());
        changes::count_changes(metrics, &waiting.shape.database, &found);
        found.iter().map(|change| change.noticed(&waiting.shape)).collect()
    }

    /// Looks what has become slower after its plan had changed, and brings the series up to date.
    pub(super) fn judge(&self, metrics: &Metrics) -> Vec<Change> {
        let mut book = self.book();
        let slower = book.judge();
        changes::show_regressions(metrics, &book);
        book.show_declared(metrics);
        slower
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! What is known of each shape's plans, and when it is due again.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::changes::{self, Change};
use super::declared::Declared;
use crate::engine::report::Operation;
use crate::model::change::Change as Told;
use crate::model::plan::{NoPlan, Plan};
use crate::observe::metrics::Metrics;
use crate::observe::shapes::Shape;

/// A shape is looked at once it has been seen so often: before that it may never come again.
const SEEN_AT_LEAST: u64 = 2;

/// A shape that was flagged and does not run again makes room for another after this time.
const PATIENCE: Duration = Duration::from_secs(30);

/// A shape whose time has grown is not looked at again sooner than this.
const GROWN_AT_MOST_EVERY: Duration = Duration::from_secs(10);

/// What cannot be planned is tried again after `every`, after twice that, and so on up to so many times that.
const LONGEST_PAUSE: u32 = 64;

/// Changes that are remembered of a shape.
const CHANGES: usize = 10;

/// Of all shapes.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) entries: HashMap<(Arc<str>, u64), Entry>,
    pub(super) declared: Declared,
}

/// Of one shape.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) shape: Arc<Shape>,
    due: Instant,
    asked: Option<Instant>,
    flagged: Option<Instant>,
    failures: u32,
    pub(super) failure: Option<NoPlan>,
    pub(super) last: Option<Seen>,
    pub(super) previous: Option<Seen>,
    pub(super) changes: VecDeque<Change>,
}

/// A plan, and the runs that are taken to have had it.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) plan: Plan,
    /// When it was seen first and last.
    pub(super) first: Timestamp,
    pub(super) at: Timestamp,
    /// What the shape had run before it.
    pub(super) start: Totals,
    /// What it had run when it was last as fast as ever.
    pub(super) steady: Totals,
}

/// Runs of a shape and their time so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) calls: u64,
    pub(super) nanos: u64,
}

impl Totals {
    pub(super) fn of(shape: &Shape) -> Self {
        let (calls, nanos) = shape.time.totals();
        Self { calls, nanos }
    }

    /// What has been added since an earlier moment.
    pub(super) fn since(self, earlier: Self) -> Self {
        let (calls, nanos) = (self.calls.saturating_sub(earlier.calls), self.nanos.wrapping_sub(earlier.nanos));
        Self { calls, nanos }
    }

    /// Seconds of one run; none without runs.
    pub(super) fn mean(self) -> Option<f64> {
        (self.calls > 0).then(|| self.nanos as f64 / self.calls as f64 / 1e9)
    }
}

impl Book {
    pub(super) fn flag_due(&mut self, shapes: Vec<Arc<Shape>>, every: Duration, places: usize, now: Instant) {
        let mut known = std::mem::take(&mut self.entries);
        for shape in shapes {
            if shape.operation != Operation::Select {
                continue;
            }
            let key = (Arc::clone(&shape.database), shape.fingerprint);
            // A shape that was forgotten and has come again begins anew.
            let entry = known.remove(&key).filter(|entry| Arc::ptr_eq(&entry.shape, &shape));
            self.entries.insert(key, entry.unwrap_or_else(|| Entry::new(shape, now)));
        }
        let mut free = places;
        for entry in self.entries.values_mut() {
            entry.follow_time(now);
            entry.give_up(now, every);
            free = free.saturating_sub(usize::from(entry.flagged.is_some()));
        }
        let mut due: Vec<(u64, &mut Entry)> = self
            .entries
            .values_mut()
            .filter(|entry| entry.flagged.is_none() && entry.due <= now)
            .map(|entry| (Totals::of(&entry.shape), entry))
            .filter(|(totals, _)| totals.calls >= SEEN_AT_LEAST)
            .map(|(totals, entry)| (totals.nanos, entry))
            .collect();
        due.sort_by_key(|(nanos, _)| std::cmp::Reverse(*nanos));
        for (_, entry) in due.into_iter().take(free) {
            entry.flagged = Some(now);
            entry.shape.sample_wanted.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn disturbed(&mut self, database: &str, schema: &str, relation: &str, now: Instant) {
        for entry in self.entries.values_mut().filter(|entry| *entry.shape.database == *database) {
            // A view reads others than it names: they are in the plan.
            let named = entry.shape.relations.iter().any(|r| *r.schema == *schema && *r.name == *relation);
            let read = entry.last.iter().flat_map(|seen| &seen.plan.accesses);
            if named || read.into_iter().any(|access| *access.schema == *schema && *access.relation == *relation) {
                entry.due = now;
            }
        }
    }

    pub(super) fn failed(&mut self, shape: &Arc<Shape>, why: NoPlan, every: Duration, now: Instant) {
        let Some(entry) = self.entry(shape) else { return };
        let pause = every.saturating_mul(1_u32.checked_shl(entry.failures).unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE));
        entry.failures = entry.failures.saturating_add(1);
        entry.failure = Some(why);
        entry.flagged = None;
        entry.asked = Some(now);
        entry.due = now + pause;
    }

    /// What is different from the plan before.
    pub(super) fn seen(&mut self, shape: &Arc<Shape>, plan: Plan, every: Duration, now: Instant) -> Vec<Change> {
        let Some(entry) = self.entry(shape) else { return Vec::new() };
        entry.flagged = None;
        entry.failures = 0;
        entry.failure = None;
        entry.asked = Some(now);
        entry.due = now + every;
        let (at, totals) = (Timestamp::now(), Totals::of(shape));
        let mut found = Vec::new();
        match entry.last.take() {
            Some(same) if same.plan.fingerprint() == plan.fingerprint() => {
                entry.last = Some(Seen { plan, at, steady: totals, ..same });
            }
            before => {
                found = before.as_ref().map(|before| changes::between(before, &plan, at, totals)).unwrap_or_default();
                // Of the first plan it is not known since when; so all runs are taken to have had it.
                let start = if before.is_some() { totals } else { Totals::default() };
                entry.last = Some(Seen { plan, first: at, at, start, steady: totals });
                entry.previous = before;
            }
        }
        entry.remember(&found);
        found
    }

    /// Tells what has become slower since the last time.
    pub(super) fn judge(&mut self) -> Vec<Told> {
        let slower = self.entries.values_mut().flat_map(changes::judge).collect();
        self.declared.tell(&self.entries);
        slower
    }

    pub(super) fn show_declared(&self, metrics: &Metrics) {
        self.declared.show(metrics, &self.entries);
    }

    fn entry(&mut self, shape: &Arc<Shape>) -> Option<&mut Entry> {
        self.entries.get_mut(&(Arc::clone(&shape.database), shape.fingerprint))
    }
}

impl Entry {
    fn new(shape: Arc<Shape>, now: Instant) -> Self {
        Self {
            shape,
            due: now,
            asked: None,
            flagged: None,
            failures: 0,
            failure: None,
            last: None,
            previous: None,
            changes: VecDeque::new(),
        }
    }

    /// As long as runs take what they always took, they are taken to have the plan that was seen last. Where they take longer,
    /// it is time to look.
    fn follow_time(&mut self, now: Instant) {
        let totals = Totals::of(&self.shape);
        let Some(seen) = &mut self.last else { return };
        let (usual, lately) = (seen.steady.since(seen.start), totals.since(seen.steady));
        if !changes::is_slower(usual, lately, 1) {
            seen.steady = totals;
        } else if changes::is_slower(usual, lately, changes::CALLS_AT_LEAST)
            && self.asked.is_none_or(|at| now.duration_since(at) >= GROWN_AT_MOST_EVERY)
        {
            self.due = self.due.min(now);
        }
    }

    fn give_up(&mut self, now: Instant, every: Duration) {
        if self.flagged.is_some_and(|at| now.duration_since(at) >= PATIENCE) {
            self.flagged = None;
            self.shape.sample_wanted.store(false, Ordering::Relaxed);
            self.due = now + every.min(PATIENCE);
        }
    }

    fn remember(&mut self, found: &[Change]) {
        for change in found {
            for earlier in self.changes.iter_mut().filter(|earlier| earlier.is_undone_by(change)) {
                earlier.over = true;
            }
            self.changes.push_back(change.clone());
        }
        while self.changes.len() > CHANGES {
            self.changes.pop_front();
        }
    }
}

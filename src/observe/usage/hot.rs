//! What a statement costs: one look-up by who and what, and a few additions.
//!
//! A text that was judged once has one report for as long as its verdict is remembered, and a session has one subject. So the two
//! addresses say who and what, and are kept for as long as their count is: an address cannot come to mean something else.

use std::cell::Cell as ThreadCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::engine::report::Report;
use crate::observe::event::{Decision, Event};
use crate::policy::subject::Subject;

/// Threads that serve clients each have a shard to themselves, unless there are more of them.
const SHARDS: usize = 64;

/// So many pairs in one shard are folded at once.
const FOLD_AT: usize = 1024;

static NEXT_THREAD: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static SHARD: ThreadCell<Option<usize>> = const { ThreadCell::new(None) };
}

/// Statements of one session with one report.
#[derive(Debug)]
pub(super) struct Cell {
    pub subject: Arc<Subject>,
    pub report: Arc<Report>,
    /// Those that went to the server, and those that were refused.
    pub counts: [Count; 2],
    /// Of the former, those that the server could not parse.
    pub syntax_errors: u64,
    pub first: SystemTime,
    pub last: SystemTime,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Count {
    pub statements: u64,
    pub rows: u64,
}

type Cells = HashMap<(usize, usize), Cell, foldhash::fast::RandomState>;

/// A shard has cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard(Mutex<Cells>);

#[derive(Debug)]
pub(super) struct Hot {
    shards: Box<[Shard]>,
}

impl Default for Hot {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Shard::default()).collect() }
    }
}

fn lock(shard: &Shard) -> MutexGuard<'_, Cells> {
    shard.0.lock().unwrap_or_else(PoisonError::into_inner)
}

fn thread_number() -> usize {
    SHARD.with(|number| {
        number.get().unwrap_or_else(|| {
            let next = NEXT_THREAD.fetch_add(1, Ordering::Relaxed);
            number.set(Some(next));
            next
        })
    })
}

impl Hot {
    /// Counts a statement. Returns whether it is time to fold.
    #[inline]
    pub(super) fn record(&self, event: &Event) -> bool {
        let now = SystemTime::now();
        let Some(shard) = self.shards.get(thread_number() % SHARDS) else { return false };
        let mut cells = lock(shard);
        let key = (Arc::as_ptr(&event.subject).addr(), Arc::as_ptr(&event.report).addr());
        let cell = match cells.entry(key) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(Cell {
                subject: Arc::clone(&event.subject),
                report: Arc::clone(&event.report),
                counts: [Count::default(); 2],
                syntax_errors: 0,
                first: now,
                last: now,
            }),
        };
        cell.last = now;
        let [passed, refused] = &mut cell.counts;
        let count = if event.decision == Decision::Deny { refused } else { passed };
        count.statements += 1;
        count.rows += event.rows;
        if event.sqlstate == Some(*b"42601") && event.decision != Decision::Deny {
            cell.syntax_errors += 1;
        }
        cells.len() >= FOLD_AT
    }

    /// Hands over what this thread has counted, and forgets it.
    pub(super) fn drain_own(&self, take: impl FnMut(&Cell)) {
        if let Some(shard) = self.shards.get(thread_number() % SHARDS) {
            let cells = std::mem::take(&mut *lock(shard));
            cells.values().for_each(take);
        }
    }

    /// Hands over everything that was counted, and forgets it.
    pub(super) fn drain(&self, mut take: impl FnMut(&Cell)) {
        for shard in &self.shards {
            // Clients must not wait for what is done with it.
            let cells = std::mem::take(&mut *lock(shard));
            cells.values().for_each(&mut take);
        }
    }
}

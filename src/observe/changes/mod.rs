//! What has changed, and when: the journal that is read after "it was fine an hour ago".
//!
//! Whoever notices a change tells it to `Changes::add`: the observer what it is told of files, indexes, plans and the server;
//! `cli` what it finds of catalogs, contracts and drift. The journal is of this process, bounded, and lost with it; logs and the
//! audit are what lasts.

mod known;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::metrics::Metrics;
use super::registry;
use crate::model::change::{Change, Kind};
pub(super) use known::Known;

/// Changes that are remembered.
const MOST: usize = 2000;

/// A change, and when it was noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    /// When.
    pub at: Timestamp,
    /// What.
    pub change: Change,
}

/// The journal.
#[derive(Debug, Default)]
pub struct Changes {
    journal: Mutex<Journal>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Journal {
    noted: VecDeque<Noted>,
    forgotten: u64,
}

impl Changes {
    /// A journal that begins with the process.
    pub(super) fn new(metrics: &Metrics) -> Self {
        let journal = Self::default();
        // What is of no database is there from the start, so that the first change is an increase.
        for kind in [Kind::Files, Kind::Upstream, Kind::Certificates] {
            drop(metrics.counter(&registry::CHANGES, &["", kind.as_str()]));
        }
        journal.add(metrics, Change::new(Kind::Process, concat!("pgcovenant ", env!("CARGO_PKG_VERSION"), " began")));
        journal
    }

    /// Takes a change down and counts it.
    pub(super) fn add(&self, metrics: &Metrics, change: Change) {
        let database =
            if change.database.is_empty() { "".into() } else { metrics.database(&change.database).name.clone() };
        metrics.counter(&registry::CHANGES, &[&database, change.kind.as_str()]).increment(1);
        let mut journal = self.journal();
        // A moment is taken under the lock, so that the journal is in order.
        journal.noted.push_back(Noted { at: Timestamp::now(), change });
        if journal.noted.len() > MOST {
            journal.noted.pop_front();
            journal.forgotten += 1;
        }
    }

    /// Tells what differs from what was known before, and knows it from now on.
    pub(super) fn learn(&self, metrics: &Metrics, learn: impl FnOnce(&mut Known) -> Vec<Change>) {
        let found = learn(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner));
        found.into_iter().for_each(|change| self.add(metrics, change));
    }

    /// The latest changes that are wanted, the latest first, at most `limit` of them; and how many are wanted in all.
    pub fn latest(&self, limit: usize, wanted: impl Fn(&Noted) -> bool) -> (Vec<Noted>, usize) {
        let journal = self.journal();
        let found = || journal.noted.iter().rev().filter(|noted| wanted(noted));
        (found().take(limit).cloned().collect(), found().count())
    }

    /// How many had to make room for later ones.
    pub fn forgotten(&self) -> u64 {
        self.journal().forgotten
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

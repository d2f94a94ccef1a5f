//! Which columns on their way out nobody uses any more: the verdict of `pgcovenant usage`, asked again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::policies::deprecated;
use crate::cli::usage::evidence::{Verdict, Window, is_complete_of, tolerated};
use crate::cli::usage::names::Object;
use crate::cli::usage::{Lookback, answer, store};
use crate::config::Config;
use crate::config::state::Place;
use crate::model::usage::{StoreError, UsageStore};
use crate::observe::observer::{DeprecatedColumn, Observer};
use crate::policy::snapshot::Snapshot;
use crate::policy::store::SnapshotStore;

/// So many flushes go by between two questions: what others have flushed belongs to the answer.
const FLUSHES: u32 = 3;

/// Judges for as long as the process lives, on a thread of its own; without a store nobody can know.
pub(super) fn start(config: &Config, snapshots: &Arc<SnapshotStore>, observer: &Arc<Observer>) -> anyhow::Result<()> {
    let Some(state) = &config.state else { return Ok(()) };
    let mut judge = Judge {
        place: state.place.clone(),
        store: None,
        tolerated: tolerated(state.flush),
        snapshots: Arc::clone(snapshots),
        observer: Arc::clone(observer),
        told: BTreeSet::new(),
        failing: false,
    };
    let every = state.flush.saturating_mul(FLUSHES);
    let run = move || {
        loop {
            std::thread::sleep(every);
            judge.turn();
        }
    };
    std::thread::Builder::new().name("safe-to-drop".to_owned()).spawn(run).context("cannot start a thread")?;
    Ok(())
}

struct Judge {
    place: Place,
    store: Option<Box<dyn UsageStore>>,
    tolerated: Duration,
    snapshots: Arc<SnapshotStore>,
    observer: Arc<Observer>,
    /// Databases of which something is told.
    told: BTreeSet<String>,
    failing: bool,
}

type Verdicts = BTreeMap<String, Vec<(DeprecatedColumn, bool)>>;

impl Judge {
    fn turn(&mut self) {
        let found = self.verdicts();
        match &found {
            Err(error) if !self.failing => tracing::warn!(%error, "cannot tell which columns are safe to drop"),
            Err(_) | Ok(_) => {}
        }
        self.failing = found.is_err();
        // Where the store does not answer, nobody knows, and nothing is told.
        let found = found.inspect_err(|_| self.store = None).unwrap_or_default();
        for database in std::mem::take(&mut self.told) {
            if !found.contains_key(&database) {
                self.observer.safe_to_drop(&database, &[]);
            }
        }
        for (database, columns) in &found {
            self.observer.safe_to_drop(database, columns);
            self.told.insert(database.clone());
        }
    }

    fn verdicts(&mut self) -> anyhow::Result<Verdicts> {
        let snapshot = self.snapshots.load();
        let columns: Vec<_> =
            deprecated(&snapshot.bundle).into_iter().filter(|column| is_there(&snapshot, column)).collect();
        if columns.is_empty() {
            return Ok(Verdicts::new());
        }
        let store = match &mut self.store {
            Some(store) => store,
            None => {
                let mut store = store::open(&self.place, store::Purpose::Read)?;
                store.prepare()?;
                self.store.insert(store)
            }
        };
        let now = Timestamp::now();
        let from = now.checked_sub(SignedDuration::try_from(Lookback::default().0)?)?;
        Ok(judge(&mut **store, columns, (from, now), self.tolerated)?)
    }
}

/// The verdict on each column.
fn judge(
    store: &mut dyn UsageStore,
    columns: Vec<DeprecatedColumn>,
    (from, now): (Timestamp, Timestamp),
    tolerated: Duration,
) -> Result<Verdicts, StoreError> {
    let since = Some(from.to_zoned(TimeZone::UTC).date());
    let window = Window::of(&store.spans()?, from, now, tolerated);
    let unseen = store.unseen(since)?;
    let mut found = Verdicts::new();
    for column in columns {
        let DeprecatedColumn { database, schema, relation, column: name, .. } = column.clone();
        let object = Object { database, schema, relation, column: name };
        let mut uses = store.uses(&object.filter(since))?;
        uses.retain(|row| row.last_seen >= from);
        let verdict = answer::verdict(&uses, is_complete_of(&object, &window, &unseen));
        found.entry(object.database).or_default().push((column, verdict == Verdict::Unused));
    }
    Ok(found)
}

/// What is not in the catalog has been dropped already.
fn is_there(snapshot: &Snapshot, column: &DeprecatedColumn) -> bool {
    let Some(database) = snapshot.database(&column.database) else { return true };
    let relation = database.catalog.find(&column.schema, &column.relation);
    relation.is_some_and(|relation| column.column.is_empty() || relation.column(&column.column).is_some())
}

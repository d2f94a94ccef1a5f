//! When a database that is followed is read again: at intervals, soon after DDL, and when somebody asks.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::{Inner, Kept};

/// Statements often come in groups: DDL that follows within this time shares a reading, up to `SETTLE_AT_MOST`.
const SETTLE: Duration = Duration::from_millis(50);
const SETTLE_AT_MOST: Duration = Duration::from_millis(500);

/// DDL inside a transaction shows only after its commit, which may come later: so we look again after these pauses.
const LOOK_AGAIN: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];

/// Somebody who names what the catalog does not have makes us look again, but not more often than this.
const ASKED_AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// How soon a catalog is tried again that contracts need and that was never read.
const RETRY: Duration = Duration::from_secs(2);

/// Reads again until the keeper or the database is gone.
pub(super) async fn follow(inner: Weak<Inner>, database: Box<str>, kept: Arc<Kept>) {
    let Some(refresh) = inner.upgrade().map(|inner| inner.refresh) else { return };
    // Several proxies that start together shall not ask together.
    let spread = RandomState::new();
    let mut round: u64 = 0;
    let mut last_asked = None;
    // After DDL: the pauses that are still to come.
    let mut pauses: &[Duration] = if kept.state().locked_out { &LOOK_AGAIN } else { &[] };
    loop {
        round += 1;
        let interval = if kept.state().never_read { refresh.min(RETRY) } else { refresh };
        let pause = pauses.first().copied().unwrap_or_else(|| jittered(interval, spread.hash_one(round)));
        tokio::select! {
            () = kept.changed.notified() => {
                settle(&kept).await;
                pauses = &LOOK_AGAIN;
            }
            () = kept.asked.notified() => {
                rest(&kept, last_asked.map(|at: Instant| at + ASKED_AT_MOST_EVERY)).await;
                last_asked = Some(Instant::now());
            }
            () = tokio::time::sleep(pause) => pauses = pauses.get(1..).unwrap_or_default(),
        }
        let Some(inner) = inner.upgrade() else { return };
        let _turn = kept.turn.lock().await;
        // What went wrong is logged and counted there; the next round tries again.
        drop(inner.read(&database, &kept).await);
        if kept.state().gone {
            inner.forget(&database, &kept);
            inner.store.forget_catalog(&database);
            return;
        }
        if kept.state().locked_out && pauses.is_empty() {
            pauses = &LOOK_AGAIN;
        }
    }
}

/// Waits until no more DDL comes and we have rested from the last reading.
async fn settle(kept: &Kept) {
    let until = tokio::time::Instant::now() + SETTLE_AT_MOST;
    while tokio::time::timeout(SETTLE, kept.changed.notified()).await.is_ok() && tokio::time::Instant::now() < until {}
    rest(kept, None).await;
}

/// Waits until we have rested from the last reading, and until that moment.
async fn rest(kept: &Kept, until: Option<Instant>) {
    let rested = kept.state().rested;
    if let Some(moment) = rested.max(until) {
        tokio::time::sleep_until(moment.into()).await;
    }
}

/// Between nine and eleven tenths of `interval`.
pub(super) fn jittered(interval: Duration, random: u64) -> Duration {
    let permille = 900 + u32::try_from(random % 201).unwrap_or(100);
    interval.saturating_mul(permille) / 1000
}

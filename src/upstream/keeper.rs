//! Keeps the catalogs of the databases in use fresh in the snapshot store.
//!
//! The first session of a database waits for the first reading; from then on a task per database reads again at intervals, and soon
//! after DDL was seen. A reading that fails leaves the last good catalog in place and says so.

mod follow;
mod reading;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

use self::follow::follow;
use super::connect::ServiceAccount;
use crate::policy::store::SnapshotStore;

/// So long somebody waits who named something unknown.
const WAITS_AT_MOST: Duration = Duration::from_secs(5);

/// Reads catalogs over the service account and swaps them into the store.
#[derive(Clone)]
pub struct CatalogKeeper {
    /// Where the catalogs go.
    pub store: Arc<SnapshotStore>,
    inner: Arc<Inner>,
}

/// Why a catalog could not be read.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct CatalogError(pub String);

/// One reading, for logs and metrics.
#[derive(Debug)]
pub struct Reading<'a> {
    /// The database.
    pub database: &'a str,
    /// Why it failed, if it did.
    pub error: Option<&'a CatalogError>,
    /// How long it took.
    pub took: Duration,
}

/// Is told of every reading; must return at once.
pub type Watcher = Arc<dyn Fn(&Reading<'_>) + Send + Sync>;

struct Inner {
    store: Arc<SnapshotStore>,
    account: Option<ServiceAccount>,
    refresh: Duration,
    watcher: Watcher,
    databases: Mutex<HashMap<Box<str>, Arc<Kept>>>,
}

/// One database.
#[derive(Default)]
struct Kept {
    /// Held while its catalog is read.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// DDL was seen.
    changed: Notify,
    /// How often.
    changes: AtomicU64,
    /// Something was named that is not known.
    asked: Notify,
    /// When the last reading began that is over.
    read: watch::Sender<Option<Instant>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The task that reads again is there.
    followed: bool,
    /// The last reading failed: when and why.
    failure: Option<(Instant, CatalogError)>,
    /// The last reading is to be done again soon: tables behind views were locked.
    locked_out: bool,
    /// Not before this moment, if only because of DDL.
    rested: Option<Instant>,
    /// The database has been dropped.
    gone: bool,
    /// There is no catalog yet, and sessions are refused.
    never_read: bool,
}

impl fmt::Debug for CatalogKeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CatalogKeeper").field("has_account", &self.inner.account.is_some()).finish_non_exhaustive()
    }
}

impl CatalogKeeper {
    /// A keeper that reads with `account` every `refresh`. Without an account it reads nothing, and `ensure` says so.
    pub fn new(
        store: Arc<SnapshotStore>,
        account: Option<ServiceAccount>,
        refresh: Duration,
        watcher: Watcher,
    ) -> Self {
        let inner = Inner { store: Arc::clone(&store), account, refresh, watcher, databases: Mutex::default() };
        Self { store, inner: Arc::new(inner) }
    }

    /// Whether there is an account to read with.
    pub fn has_account(&self) -> bool {
        self.inner.account.is_some()
    }

    /// Returns when the catalog of `database` is in the store: at once if it is there already. Concurrent calls share one read.
    ///
    /// # Errors
    /// The service account cannot connect to the database or read its catalog.
    pub async fn ensure(&self, database: &str) -> Result<(), CatalogError> {
        if self.store.load().database(database).is_some() {
            return Ok(());
        }
        if self.inner.account.is_none() {
            return Err(CatalogError("no service account is configured, so no catalog can be read".to_owned()));
        }
        let asked = Instant::now();
        let mut kept = self.inner.kept(database);
        let mut turn = Arc::clone(&kept.turn).lock_owned().await;
        while kept.state().followed && !self.inner.keeps(database, &kept) {
            // Dropped while we waited; there may be a new one of that name.
            kept = self.inner.kept(database);
            turn = Arc::clone(&kept.turn).lock_owned().await;
        }
        if self.store.load().database(database).is_some() {
            return Ok(());
        }
        // Whoever held the turn while we waited has failed for us, too.
        if let Some((at, error)) = kept.state().failure.clone()
            && at >= asked
        {
            return Err(error);
        }
        let outcome = self.inner.read(database, &kept).await;
        drop(turn);
        match &outcome {
            Ok(()) => self.follow(database, &kept),
            // Nobody may come to ask again: while this lasts, /readyz sends clients elsewhere.
            Err(_) if self.is_promised(database, &kept) => self.follow(database, &kept),
            // Names of databases that do not exist come from clients: nothing of them stays.
            Err(_) => self.inner.forget(database, &kept),
        }
        outcome
    }

    /// Whether contracts are about the database, and there is one of that name.
    fn is_promised(&self, database: &str, kept: &Kept) -> bool {
        self.store.load().bundle.databases().contains(database) && !kept.state().gone
    }

    /// DDL was seen: the catalog is read again as soon as possible. Returns at once.
    pub fn changed(&self, database: &str) {
        if let Some(kept) = self.inner.lock().get(database) {
            kept.changes.fetch_add(1, Ordering::Relaxed);
            kept.changed.notify_one();
        }
    }

    /// How often DDL was seen in a database that is kept.
    pub fn changes(&self, database: &str) -> u64 {
        self.inner.lock().get(database).map_or(0, |kept| kept.changes.load(Ordering::Relaxed))
    }

    /// Has the catalog read again soon: sooner where it is known to have changed. The future is over when a reading is that began
    /// after this call, or when that takes too long. None where nobody reads.
    pub fn read_from_now(&self, database: &str, changed: bool) -> Option<impl Future<Output = ()> + Send + 'static> {
        let kept = Arc::clone(self.inner.lock().get(database)?);
        let asked = Instant::now();
        let mut readings = kept.read.subscribe();
        if changed {
            kept.changes.fetch_add(1, Ordering::Relaxed);
            kept.changed.notify_one()
        } else {
            kept.asked.notify_one()
        }
        Some(async move {
            let read = readings.wait_for(|began| began.is_some_and(|began| began >= asked));
            // Too late, or never: what is not known is then refused.
            drop(tokio::time::timeout(WAITS_AT_MOST, read).await);
        })
    }

    /// The databases whose last reading failed although their catalog is in use, with the reason: for /readyz.
    pub fn failing(&self) -> Vec<(String, String)> {
        let databases = self.inner.lock();
        let failure = |kept: &Kept| {
            let state = kept.state();
            let (_, error) = state.failure.as_ref()?;
            state.followed.then(|| error.0.clone())
        };
        let named = databases.iter().filter_map(|(name, kept)| Some((name.to_string(), failure(kept)?)));
        let mut failing: Vec<_> = named.collect();
        failing.sort();
        failing
    }

    fn follow(&self, database: &str, kept: &Arc<Kept>) {
        let first = !std::mem::replace(&mut kept.state().followed, true);
        if first {
            tokio::spawn(follow(Arc::downgrade(&self.inner), database.into(), Arc::clone(kept)));
        }
    }
}

impl Kept {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Arc<Kept>>> {
        self.databases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self, database: &str) -> Arc<Kept> {
        Arc::clone(self.lock().entry(database.into()).or_default())
    }

    fn keeps(&self, database: &str, kept: &Arc<Kept>) -> bool {
        self.lock().get(database).is_some_and(|known| Arc::ptr_eq(known, kept))
    }

    fn forget(&self, database: &str, kept: &Arc<Kept>) {
        let mut databases = self.lock();
        if databases.get(database).is_some_and(|known| Arc::ptr_eq(known, kept)) {
            databases.remove(database);
        }
    }
}

#[cfg(test)]
mod tests;

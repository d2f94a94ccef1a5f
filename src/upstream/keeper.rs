//! Keeps the catalogs of the databases in use fresh in the snapshot store.
//!
//! The first session of a database waits for the first reading; from then on a task per database reads again at intervals, and soon
//! after DDL was seen. A reading that fails leaves the last good catalog in place and says so.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tokio_postgres::error::SqlState;

use super::catalog;
use super::connect::{ServiceAccount, UpstreamError};
use crate::policy::store::SnapshotStore;

/// Statements often come in groups: DDL that follows within this time shares a reading, up to `SETTLE_AT_MOST`.
const SETTLE: Duration = Duration::from_millis(50);
const SETTLE_AT_MOST: Duration = Duration::from_millis(500);

/// A stream of DDL must not make us a burden: between two readings we rest so many times what the last one took, within
/// limits.
const REST: u32 = 3;
const REST_AT_MOST: Duration = Duration::from_secs(5);

/// DDL inside a transaction shows only after its commit, which may come later: so we look again after these pauses.
const LOOK_AGAIN: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];

/// Somebody who names what the catalog does not have makes us look again, but not more often than this.
const ASKED_AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// So long somebody waits who named something unknown.
const WAITS_AT_MOST: Duration = Duration::from_secs(5);

/// How soon a catalog is tried again that contracts need and that was never read.
const RETRY: Duration = Duration::from_secs(2);

/// How long one reading may take, connecting included.
const LIMIT: Duration = Duration::from_secs(60);

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

    async fn read(&self, database: &str, kept: &Kept) -> Result<(), CatalogError> {
        let began = Instant::now();
        let outcome = match &self.account {
            Some(account) => tokio::time::timeout(LIMIT, self.ask(account, database))
                .await
                .unwrap_or(Err(UpstreamError::Timeout(LIMIT.as_secs()))),
            None => Ok(false),
        };
        let took = began.elapsed();
        let gone = matches!(&outcome, Err(UpstreamError::Server(error)) if error.code() == Some(&SqlState::UNDEFINED_DATABASE));
        let outcome = outcome.map_err(|error| CatalogError(error.to_string()));
        let error = outcome.as_ref().err();
        (self.watcher)(&Reading { database, error, took });
        self.log(database, kept, error);
        let mut state = kept.state();
        state.failure = error.map(|error| (Instant::now(), error.clone()));
        state.locked_out = outcome.as_ref().is_ok_and(|locked_out| *locked_out);
        state.rested = Some(Instant::now() + took.saturating_mul(REST).min(REST_AT_MOST));
        state.gone = gone;
        state.never_read = error.is_some() && self.store.load().database(database).is_none();
        drop(state);
        kept.read.send_replace(Some(began));
        outcome.map(|_| ())
    }

    /// Reads and takes over; whether somebody's locks were in the way of a part.
    async fn ask(&self, account: &ServiceAccount, database: &str) -> Result<bool, UpstreamError> {
        let mut client = account.connect(database).await?;
        let found = catalog::read(&mut client).await?;
        let before = self.store.epoch();
        let epoch = self.store.replace_catalog(found.catalog);
        if epoch != before {
            tracing::info!(database, epoch, "took over a changed catalog");
            for what in self.store.load().unfit(database) {
                tracing::warn!(database, "{what}");
            }
        }
        Ok(found.locked_out)
    }

    /// Once per change: a server that is away for an hour is one line, not sixty.
    fn log(&self, database: &str, kept: &Kept, error: Option<&CatalogError>) {
        let before = kept.state().failure.take().map(|(_, error)| error.0);
        match (before, error) {
            (Some(before), Some(error)) if before == error.0 => {}
            (_, Some(error)) => {
                tracing::warn!(database, %error, "cannot read the catalog; the last one stays in force")
            }
            (Some(_), None) => tracing::info!(database, "the catalog can be read again"),
            (None, None) => {}
        }
    }
}

/// Reads again until the keeper or the database is gone.
async fn follow(inner: Weak<Inner>, database: Box<str>, kept: Arc<Kept>) {
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
fn jittered(interval: Duration, random: u64) -> Duration {
    let permille = 900 + u32::try_from(random % 201).unwrap_or(100);
    interval.saturating_mul(permille) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Service, TlsMode, Upstream};
    use crate::policy::compile::Bundle;
    use std::sync::atomic::AtomicUsize;

    fn keeper(port: Option<u16>) -> (CatalogKeeper, Arc<AtomicUsize>) {
        let upstream = |port| Upstream {
            host: "127.0.0.1".to_owned(),
            port,
            tls: TlsMode::Disable,
            ca: None,
            identity: None,
            connect_timeout: Duration::from_secs(2),
        };
        let service = Service {
            user: "nobody".to_owned(),
            password_env: None,
            identity: None,
            refresh: Duration::from_secs(60),
            divergence: None,
            statistics: Duration::from_secs(10),
        };
        let trust = |upstream: &Upstream| Arc::new(crate::upstream::tls::Trust::new(upstream, None).unwrap());
        let account = port.map(upstream).map(|to| ServiceAccount::new(&to, &service, trust(&to)).unwrap());
        let readings = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&readings);
        let watcher: Watcher = Arc::new(move |reading| {
            assert!(reading.error.is_some());
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let store = Arc::new(SnapshotStore::new(Arc::<Bundle>::default()));
        (CatalogKeeper::new(store, account, Duration::from_secs(60), watcher), readings)
    }

    #[tokio::test]
    async fn without_an_account_it_says_so() {
        let (keeper, readings) = keeper(None);
        let error = keeper.ensure("shop").await.unwrap_err();
        assert!(error.0.contains("no service account"), "{error}");
        assert_eq!(readings.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn concurrent_calls_share_one_failure_and_leave_nothing_behind() {
        // A listener that never answers, closed at once: every login fails.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                tokio::time::sleep(Duration::from_millis(100)).await;
                drop(socket);
            }
        });
        let (keeper, readings) = keeper(Some(port));
        let (one, two, three) = tokio::join!(keeper.ensure("shop"), keeper.ensure("shop"), keeper.ensure("shop"));
        assert!(one.is_err() && two.is_err() && three.is_err());
        assert_eq!(readings.load(Ordering::Relaxed), 1);
        assert!(keeper.inner.lock().is_empty());
        assert!(keeper.failing().is_empty());
        server.abort();
    }

    #[test]
    fn jitter_stays_near_the_interval() {
        let interval = Duration::from_secs(10);
        assert_eq!(jittered(interval, 0), Duration::from_secs(9));
        assert_eq!(jittered(interval, 200), Duration::from_secs(11));
    }
}

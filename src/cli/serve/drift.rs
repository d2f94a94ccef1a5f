//! Comparing databases with their contracts while the proxy runs: at the start, at intervals, and soon after a change.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::admin::http::NotReady;
use crate::cli::drift::findings;
use crate::config::drift::Drift;
use crate::model::catalog::Catalog;
use crate::model::change::{self, Change};
use crate::model::drift::{Bypass, Finding, Kind, Memory, Observed, Severity, sort};
use crate::model::migrations::{Unread, Watch};
use crate::model::structure::Structure;
use crate::observe::observer::Observer;
use crate::policy::bypass::bypasses;
use crate::policy::compile::Bundle;
use crate::policy::snapshot::Snapshot;
use crate::policy::store::SnapshotStore;
use crate::upstream::connect::{ServiceAccount, UpstreamError};
use crate::upstream::keeper::CatalogKeeper;
use crate::upstream::structure;

/// How often it is looked whether there is a reason to compare.
const TICK: Duration = Duration::from_millis(250);

/// DDL is followed by a look after this time: it may be the first of several.
const AFTER_DDL: Duration = Duration::from_secs(1);

/// How long one look may take.
const LIMIT: Duration = Duration::from_secs(60);

/// What identifies a difference from one look to the next.
type Identity = (Kind, Box<str>, String);

/// Looks for drift.
pub(super) struct DriftWatch {
    settings: Drift,
    store: Arc<SnapshotStore>,
    keeper: Arc<CatalogKeeper>,
    observer: Arc<Observer>,
    breaking: Mutex<HashMap<Box<str>, Vec<Breaking>>>,
}

/// Breaking drift, and since when.
struct Breaking {
    message: String,
    since: Instant,
}

/// One database, from look to look.
struct Watched {
    next: Instant,
    catalog: Arc<Catalog>,
    bundle: Arc<Bundle>,
    ddl: u64,
    /// The catalog has been read just now.
    fresh: bool,
    bypasses: Bypasses,
    memory: Memory,
    migrations: Watch,
    first_seen: HashMap<Identity, Instant>,
    failure: Option<String>,
    has_looked: bool,
    unread: Vec<Unread>,
}

/// Who gets around the proxy, and what that was found by.
#[derive(Default)]
struct Bypasses {
    epoch: u64,
    structure: Arc<Structure>,
    found: Vec<Bypass>,
}

impl DriftWatch {
    pub(super) fn new(
        settings: Drift,
        store: Arc<SnapshotStore>,
        keeper: Arc<CatalogKeeper>,
        observer: Arc<Observer>,
    ) -> Self {
        Self { settings, store, keeper, observer, breaking: Mutex::default() }
    }

    /// Compares for as long as it is polled.
    pub(super) async fn run(&self, account: ServiceAccount) {
        let mut watched: HashMap<Box<str>, Watched> = HashMap::new();
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let snapshot = self.store.load();
            self.forget_gone(&snapshot, &mut watched);
            for name in snapshot.bundle.databases() {
                let Some(known) = snapshot.database(name) else { continue };
                let changes = self.keeper.changes(name);
                let database =
                    watched.entry(name.into()).or_insert_with(|| Watched::new(&snapshot, &known.catalog, changes));
                database.notice(&snapshot, &known.catalog, changes);
                if database.next <= Instant::now() {
                    self.visit(&account, name, database).await;
                }
            }
        }
    }

    fn forget_gone(&self, snapshot: &Snapshot, watched: &mut HashMap<Box<str>, Watched>) {
        let promised = snapshot.bundle.databases();
        watched.retain(|name, _| {
            let stays = promised.contains(&**name) && snapshot.database(name).is_some();
            if !stays {
                self.breaking().remove(name);
                self.observer.drift(name, &[], &[], Timestamp::now());
            }
            stays
        });
    }

    /// What has changed past the proxy is in no catalog yet, unless that is the reason for this visit.
    async fn visit(&self, account: &ServiceAccount, name: &str, database: &mut Watched) {
        if !database.fresh
            && let Some(reading) = self.keeper.read_from_now(name, false)
        {
            reading.await;
        }
        let snapshot = self.store.load();
        let Some(known) = snapshot.database(name) else { return };
        database.notice(&snapshot, &known.catalog, self.keeper.changes(name));
        self.look(account, &snapshot, name, database).await;
        database.fresh = false;
        database.next = Instant::now() + jittered(self.settings.interval);
    }

    async fn look(&self, account: &ServiceAccount, snapshot: &Arc<Snapshot>, name: &str, database: &mut Watched) {
        let asked = async {
            let mut client = account.connect(name).await?;
            structure::read(&mut client, &database.catalog).await
        };
        let answer = tokio::time::timeout(LIMIT, asked).await;
        match answer.unwrap_or(Err(UpstreamError::Timeout(LIMIT.as_secs()))) {
            Ok(structure) => {
                database.failure = None;
                let structure = Arc::new(structure);
                database.find_bypasses(snapshot, name, &structure).await;
                let found = self.compare(snapshot, name, &structure, database);
                self.take_over(name, &found, &structure, database);
            }
            Err(error) => {
                let error = error.to_string();
                if database.failure.as_ref() != Some(&error) {
                    tracing::warn!(database = name, error, "cannot compare the database with its contracts");
                }
                database.failure = Some(error);
            }
        }
    }

    fn compare(&self, snapshot: &Snapshot, name: &str, structure: &Structure, database: &mut Watched) -> Vec<Finding> {
        let mut found = findings(snapshot, name, structure, &database.bypasses.found);
        let observed = Observed { catalog: &database.catalog, structure, bypasses: &[], now: snapshot.now };
        found.extend(database.memory.look(snapshot.bundle.contracts(), &observed));
        found.retain(|finding| !self.settings.ignore.matches(finding));
        sort(found)
    }

    /// Tells metrics, the log (what has changed only) and readiness.
    fn take_over(&self, name: &str, found: &[Finding], structure: &Structure, database: &mut Watched) {
        let (now, has_looked) = (Instant::now(), std::mem::replace(&mut database.has_looked, true));
        self.observer.drift(name, found, &structure.histories, Timestamp::now());
        let events = database.migrations.look(&structure.histories, &structure.unread);
        self.observer.migrations(name, structure.histories.iter().map(|history| history.tool), &events);
        if database.unread != structure.unread {
            for Unread { tool, table, why } in &structure.unread {
                let tool = tool.as_str();
                tracing::info!(
                    database = name,
                    tool,
                    table = &**table,
                    "the history of migrations cannot be read: {why}"
                );
            }
            database.unread.clone_from(&structure.unread);
        }
        let identities: BTreeSet<Identity> = found.iter().map(Finding::identity).collect();
        // What is there at the first look may be old.
        let note = |change: Change| {
            if has_looked {
                self.observer.changed(change.of(name))
            }
        };
        for finding in found.iter().filter(|finding| !database.first_seen.contains_key(&finding.identity())) {
            let (kind, severity) = (finding.kind.as_str(), finding.severity.as_str());
            note(
                Change::new(change::Kind::Drift, format!("{severity}: {}", finding.message))
                    .about(&finding.schema, &finding.relation),
            );
            match finding.severity {
                Severity::Cosmetic => tracing::info!(database = name, kind, severity, "drift: {}", finding.message),
                Severity::Risky | Severity::Breaking => {
                    tracing::warn!(database = name, kind, severity, "drift: {} ({})", finding.message, finding.help);
                }
            }
        }
        for (kind, _, object) in database.first_seen.keys().filter(|identity| !identities.contains(*identity)) {
            tracing::info!(database = name, kind = kind.as_str(), object, "drift is gone");
            note(Change::new(change::Kind::Drift, format!("gone: {} of {object}", kind.as_str())));
        }
        database.first_seen.retain(|identity, _| identities.contains(identity));
        for identity in identities {
            database.first_seen.entry(identity).or_insert(now);
        }
        let breaking = found.iter().filter(|finding| finding.severity == Severity::Breaking);
        let breaking = breaking.map(|finding| Breaking {
            message: finding.message.clone(),
            since: database.first_seen.get(&finding.identity()).copied().unwrap_or(now),
        });
        self.breaking().insert(name.into(), breaking.collect());
    }

    /// Breaking drift that has lasted for longer than a migration may take.
    pub(super) fn reasons(&self) -> Vec<NotReady> {
        if !self.settings.fail_readiness {
            return Vec::new();
        }
        let breaking = self.breaking();
        let mut reasons: Vec<NotReady> = breaking
            .iter()
            .filter_map(|(name, found)| {
                let mut lasting = found.iter().filter(|one| one.since.elapsed() >= self.settings.grace);
                let first = lasting.next()?;
                let more = match lasting.count() {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                Some(NotReady { reason: "drift", detail: format!("drift of \"{name}\": {}{more}", first.message) })
            })
            .collect();
        reasons.sort_by(|one, other| one.detail.cmp(&other.detail));
        reasons
    }

    fn breaking(&self) -> MutexGuard<'_, HashMap<Box<str>, Vec<Breaking>>> {
        self.breaking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    fn new(snapshot: &Snapshot, catalog: &Arc<Catalog>, ddl: u64) -> Self {
        Self {
            next: Instant::now(),
            catalog: Arc::clone(catalog),
            bundle: Arc::clone(&snapshot.bundle),
            ddl,
            fresh: true,
            bypasses: Bypasses::default(),
            memory: Memory::default(),
            migrations: Watch::default(),
            first_seen: HashMap::new(),
            failure: None,
            has_looked: false,
            unread: Vec::new(),
        }
    }

    /// Compiles the rules of every role that may log in, which takes its time: only when something has changed.
    async fn find_bypasses(&mut self, snapshot: &Arc<Snapshot>, name: &str, structure: &Arc<Structure>) {
        let last = &self.bypasses;
        let same = last.epoch == snapshot.epoch
            && last.structure.logins == structure.logins
            && last.structure.column_readers == structure.column_readers;
        if same {
            return;
        }
        let (for_task, asked, database) = (Arc::clone(snapshot), Arc::clone(structure), name.to_owned());
        let found = tokio::task::spawn_blocking(move || bypasses(&for_task, &database, &asked)).await;
        let structure = Arc::clone(structure);
        // A task that ends in a panic has found nothing; the next look tries again.
        self.bypasses = found.map(|found| Bypasses { epoch: snapshot.epoch, structure, found }).unwrap_or_default();
    }

    /// Whether there is a reason to look sooner: other contracts, another catalog, DDL that the catalog does not show.
    fn notice(&mut self, snapshot: &Snapshot, catalog: &Arc<Catalog>, ddl: u64) {
        if !Arc::ptr_eq(&self.catalog, catalog) || !Arc::ptr_eq(&self.bundle, &snapshot.bundle) {
            self.catalog = Arc::clone(catalog);
            self.bundle = Arc::clone(&snapshot.bundle);
            self.fresh = true;
            self.next = Instant::now();
        }
        if self.ddl != ddl {
            self.ddl = ddl;
            self.next = self.next.min(Instant::now() + AFTER_DDL);
        }
    }
}

/// Between nine and eleven tenths of `interval`: processes that started together shall not ask together.
fn jittered(interval: Duration) -> Duration {
    let permille = 900 + u32::try_from(RandomState::new().hash_one(()) % 201).unwrap_or(100);
    interval.saturating_mul(permille) / 1000
}

//! `pgcovenant serve`: the one place where the rooms are wired to each other.

mod audit;
mod bypass;
pub(super) use audit::key as audit_key;
mod certificates;
mod data_checks;
mod differences;
mod drift;
mod logging;
mod plans;
mod policies;
mod safe_to_drop;
mod signals;
mod telling;
mod usage;
mod watch;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::sync::watch::Receiver;

use super::Serve;
use super::input::Input;
use crate::admin::changes::Answer;
use crate::admin::http::{self, AdminState, NotReady};
use crate::admin::log_level::LogControl;
use crate::config::Config;
use crate::engine::cache::VerdictCache;
use crate::observe::observer::Observer;
use crate::policy::compile::Bundle;
use crate::policy::store::SnapshotStore;
use crate::proxy::auth::sources::Verifiers;
use crate::proxy::connect::Dialer;
use crate::proxy::health::{Health, Reachable};
use crate::proxy::listen;
use crate::proxy::server::Proxy;
use crate::proxy::shared::{Collaborators, Phase, STACK_BYTES};
use crate::upstream::connect::ServiceAccount;
use crate::upstream::keeper::{CatalogKeeper, Reading};
use crate::upstream::verifiers::VerifierQuery;
use crate::upstream::{divergence, index_stats};
use certificates::Certificates;
use drift::DriftWatch;
use logging::Logging;
use policies::Policies;
use watch::Watched;

/// How often metrics are brought up to date.
const UPKEEP: Duration = Duration::from_secs(5);

/// How often the clock is looked at, by which lifecycles move.
const CLOCK: Duration = Duration::from_millis(500);

/// Runs the proxy until it is told to stop.
///
/// # Errors
/// It cannot start: files with errors, an address in use, certificates that cannot be read.
pub fn run(arguments: &Serve) -> anyhow::Result<ExitCode> {
    if arguments.config.is_dir() {
        bail!("{} is a folder: serve needs a configuration file", arguments.config.display());
    }
    let input = Input::read(Some(&arguments.config))?;
    let (errors, _) = input.count();
    if errors > 0 {
        bail!("there are problems in the files\n{}", input.report());
    }
    let config = input.config.context("no configuration")?;
    let logging = logging::start(&config.log);
    let bundle = input.bundle.unwrap_or_default();
    // Sessions have threads of their own; here run the listeners, the catalog reader and the admin pages.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .thread_stack_size(STACK_BYTES)
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(serve(config, bundle, &arguments.config, logging))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(config: Config, bundle: Arc<Bundle>, file: &Path, logging: Arc<Logging>) -> anyhow::Result<()> {
    let observer = Observer::with_audit(audit::options(&config)?, config.labels)?;
    let observer = Arc::new(telling::told(&config, observer)?);
    let usage = usage::start(&config, &observer)?;
    let store = Arc::new(SnapshotStore::with_ledger(Arc::clone(&bundle), Arc::clone(observer.usage()) as _));
    let policies = Arc::new(Policies::new(config.policies.clone(), Arc::clone(&store), Arc::clone(&observer)));
    observer.names_known(&bundle);
    policies.announce(&bundle, store.epoch());
    let certificates = Arc::new(Certificates::new(&config, &observer)?);
    let account = config
        .service
        .as_ref()
        .map(|service| ServiceAccount::new(&config.upstream, service, Arc::clone(&certificates.service)))
        .transpose()
        .context("cannot use the service account")?
        .map(|account| account.tuned(&config.tcp));
    let verifiers = Arc::new(verifiers(&config, account.as_ref())?);
    let keeper = Arc::new(keeper(&config, &store, &observer, account.clone()));
    let (server, vouching) = (Arc::clone(&certificates.server), Arc::clone(&certificates.vouching));
    let dialer = Dialer::new(&config.upstream, config.tcp, server, vouching);
    let drift =
        Arc::new(DriftWatch::new(config.drift.clone(), Arc::clone(&store), Arc::clone(&keeper), Arc::clone(&observer)));
    background(&config, &keeper, &observer, &drift, account.clone());
    follow_files(&config, &policies, &certificates);
    let health = watch_server(dialer.clone(), &observer);
    for database in bundle.databases() {
        if let Err(error) = keeper.ensure(database).await {
            tracing::warn!(database, %error, "cannot read the catalog yet");
        }
    }
    plans::start(&config, &store, &observer, account.clone())?;
    data_checks::measure(&config, &store, &observer, account.clone());
    bypass::start(&config, &store, &observer, account.clone());
    compare_redirected(&config, &store, &observer, account);
    safe_to_drop::start(&config, &store, &observer)?;
    let (phase, phases) = tokio::sync::watch::channel(Phase::Serving);
    let proxy = Proxy::bind(Collaborators {
        config: config.clone(),
        store: Arc::clone(&store),
        cache: Arc::new(VerdictCache::new(config.limits.verdict_cache_bytes)),
        keeper: Arc::clone(&keeper),
        verifiers: Arc::clone(&verifiers),
        recorder: Arc::clone(&observer) as _,
        tls: certificates.clients.clone(),
        dialer,
    })
    .await?;
    let draining = Arc::new(AtomicBool::new(false));
    let readiness = Readiness {
        keeper,
        policies: Arc::clone(&policies),
        draining: Arc::clone(&draining),
        health,
        drift,
        observer: Arc::clone(&observer),
    };
    let log = LogControl { level: Arc::clone(&logging) as _, may_change: config.admin_changes };
    let admin = admin(&config, (&observer, log), readiness, phases.clone())?;
    for listener in proxy.listeners() {
        tracing::info!(address = %listener, "listening");
    }
    let (audit, file) = (Arc::clone(&observer), file.to_owned());
    let signals = tokio::spawn(signals::obey(phase, draining, move || {
        policies.reload();
        certificates.reload();
        verifiers.reload_or_tell();
        audit.reopen_audit();
        logging.reload(&file);
    }));
    signals::ready();
    tokio::spawn(signals::keep_alive());
    proxy.serve(phases).await;
    signals.abort();
    admin.abort();
    observer.shut_down();
    usage.stop();
    tracing::info!("stopped");
    Ok(())
}

/// The limits of labels.
fn verifiers(config: &Config, account: Option<&ServiceAccount>) -> anyhow::Result<Verifiers> {
    let query = config.auth.query.as_ref().zip(account);
    let query = query.map(|(query, account)| VerifierQuery::new(account.clone(), &query.text, &query.database));
    Ok(Verifiers::new(config.auth.verifiers.clone(), query)?)
}

fn keeper(
    config: &Config,
    store: &Arc<SnapshotStore>,
    observer: &Arc<Observer>,
    account: Option<ServiceAccount>,
) -> CatalogKeeper {
    let refresh = config.service.as_ref().map_or(Duration::from_secs(60), |service| service.refresh);
    let (told, catalogs) = (Arc::clone(observer), differences::Catalogs::new(store, observer));
    let watcher = move |reading: &Reading<'_>| {
        let result = reading.error.map_or(Ok(()), |_| Err(()));
        told.catalog_read(reading.database, result, reading.took);
        catalogs.look(reading.database);
    };
    CatalogKeeper::new(Arc::clone(store), account, refresh, Arc::new(watcher))
}

/// Tasks that run beside the sessions for as long as the process lives.
fn background(
    config: &Config,
    keeper: &CatalogKeeper,
    observer: &Arc<Observer>,
    drift: &Arc<DriftWatch>,
    account: Option<ServiceAccount>,
) {
    if let Some(account) = account {
        let (drift, for_drift) = (Arc::clone(drift), account.clone());
        tokio::spawn(async move { drift.run(for_drift).await });
        let told = Arc::clone(observer);
        let sink = Arc::new(move |activity: &_| told.activity(activity));
        let interval = config.service.as_ref().map_or(index_stats::INTERVAL, |service| service.statistics);
        tokio::spawn(index_stats::run(account, keeper.clone(), interval, sink));
    }
    let observer = Arc::clone(observer);
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(UPKEEP);
        loop {
            ticks.tick().await;
            observer.upkeep();
        }
    });
}

/// Compares redirected columns with their replacements for as long as the process lives.
fn compare_redirected(
    config: &Config,
    store: &Arc<SnapshotStore>,
    observer: &Arc<Observer>,
    account: Option<ServiceAccount>,
) {
    let Some(account) = account else { return };
    let interval = config.service.as_ref().and_then(|service| service.divergence).unwrap_or(divergence::INTERVAL);
    let told = Arc::clone(observer);
    let sink = Arc::new(move |found: &_| told.divergence(found));
    tokio::spawn(divergence::run(account, Arc::clone(store), interval, sink));
}

/// Reads files again when they change, and policies when the clock says so.
fn follow_files(config: &Config, policies: &Arc<Policies>, certificates: &Arc<Certificates>) {
    if let Some(directory) = config.policies.clone() {
        let policies = Arc::clone(policies);
        tokio::spawn(watch::watch(Watched::Folder(directory), move || policies.reload()));
    }
    if !certificates.files().is_empty() {
        let certificates = Arc::clone(certificates);
        let files = Watched::Files(certificates.files().to_vec());
        tokio::spawn(watch::watch(files, move || certificates.reload()));
    }
    let policies = Arc::clone(policies);
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(CLOCK);
        loop {
            ticks.tick().await;
            policies.follow_the_clock();
        }
    });
}

/// Looks at the server now and then.
fn watch_server(dialer: Dialer, observer: &Arc<Observer>) -> Arc<Health> {
    let health = Arc::new(Health::default());
    let (watched, observer) = (Arc::clone(&health), Arc::clone(observer));
    tokio::spawn(async move {
        let told = |found| match found {
            Reachable::Yes => observer.upstream_reached(),
            Reachable::No | Reachable::Unknown => observer.upstream_lost(),
        };
        watched.watch(dialer, told).await;
    });
    health
}

fn admin(
    config: &Config,
    (observer, log): (&Arc<Observer>, LogControl),
    readiness: Readiness,
    mut phases: Receiver<Phase>,
) -> anyhow::Result<tokio::task::JoinHandle<()>> {
    let Some(address) = config.admin else {
        return Ok(tokio::spawn(std::future::pending()));
    };
    let observer = Arc::clone(observer);
    let [watched, changed, seen, audit] = [(); 4].map(|()| Arc::clone(&observer));
    let state = AdminState {
        plans: plans_page(&observer),
        metrics: Arc::new(move || observer.render()),
        not_ready: Arc::new(move || readiness.reasons()),
        shapes: Arc::new(move || watched.shapes().overview()),
        changes: Arc::new(move |query| Answer::of(changed.changes(), query)),
        sessions: Arc::new(move || seen.sessions().overview()),
        audit: Arc::new(move || audit::answer(&audit)),
        log,
    };
    let shared = config.reuse_port;
    let listener = listen::bind_tcp(address, shared).with_context(|| format!("cannot listen on {address}"))?;
    let listener = tokio::net::TcpListener::from_std(listener.into())?;
    tracing::info!(address = %listener.local_addr()?, "admin listener");
    let end = async move {
        if !shared {
            std::future::pending::<()>().await;
        }
        // From now on the process that takes over answers.
        let _ = phases.wait_for(|phase| *phase != Phase::Serving).await;
    };
    Ok(tokio::spawn(async move {
        if let Err(error) = http::serve_on(listener, state, end).await {
            tracing::error!(%error, "the admin listener has failed");
        }
    }))
}

/// Where the answer of /api/v1/plans comes from.
fn plans_page(observer: &Arc<Observer>) -> Arc<dyn Fn() -> String + Send + Sync> {
    let observer = Arc::clone(observer);
    Arc::new(move || observer.plans().json())
}

/// Where the answer of /readyz comes from.
struct Readiness {
    keeper: Arc<CatalogKeeper>,
    policies: Arc<Policies>,
    draining: Arc<AtomicBool>,
    health: Arc<Health>,
    drift: Arc<DriftWatch>,
    observer: Arc<Observer>,
}

impl Readiness {
    /// Why new sessions should go elsewhere.
    fn reasons(&self) -> Vec<NotReady> {
        let mut reasons = Vec::new();
        if self.draining.load(Ordering::Relaxed) {
            reasons.push(NotReady { reason: "draining", detail: "the process is shutting down".to_owned() });
        }
        let upstream = match self.health.reachable() {
            Reachable::Yes => None,
            Reachable::No => Some("the database server cannot be reached"),
            Reachable::Unknown => Some("the database server has not been looked at yet"),
        };
        reasons.extend(upstream.map(|detail| NotReady { reason: "upstream", detail: detail.to_owned() }));
        for (database, error) in self.keeper.failing() {
            if self.policies.covers(&database) {
                reasons.push(NotReady { reason: "catalog", detail: format!("catalog of \"{database}\": {error}") });
            }
        }
        reasons.extend(self.drift.reasons());
        reasons.extend(audit::not_ready(&self.observer));
        reasons
    }
}

//! Accepts clients, serves each in a task of its own, and ends in good order.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::auth::sources::Verifiers;
use super::auth::{self, Accepted, Hashing, Login};
use super::connect::Dialer;
use super::handshake::{self, Arrival, Newcomer};
use super::identity::{Attested, CertificateMap};
use super::judge::{EngineJudge, Judge};
use super::listen::{self, Listener};
use super::relay::{End, Relay};
use super::server_side::governed_greeting;
use super::session::{Conversation, Fatal, guess_path};
use super::stream::{Messages, Stream};
use super::workers::{Parcel, Workers};
use super::{cancel, tls};
use crate::config::Config;
use crate::engine::cache::VerdictCache;
use crate::observe::event::Recorder;
use crate::policy::store::SnapshotStore;
use crate::policy::subject::Subject;
use crate::upstream::end_point::tls_server_end_point;
use crate::upstream::keeper::CatalogKeeper;
use crate::wire::cancel_key::CancelKey;
use crate::wire::startup::Startup;

/// Longer names of roles and databases mean another name to some versions of the server.
const MAX_NAME: usize = 63;

/// Clients that have not logged in, beyond those that may: room for those who will be told that there is none.
const MAX_STRANGERS: usize = 1024;

/// Everything that sessions share.
pub struct Collaborators {
    /// How this process is set up.
    pub config: Config,
    /// Model, policy and catalog in force.
    pub store: Arc<SnapshotStore>,
    /// Verdicts seen before.
    pub cache: Arc<VerdictCache>,
    /// Reads catalogs.
    pub keeper: Arc<CatalogKeeper>,
    /// Stored verifiers of passwords.
    pub verifiers: Arc<Verifiers>,
    /// Is told what happened.
    pub recorder: Arc<dyn Recorder>,
}

impl std::fmt::Debug for Collaborators {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Collaborators").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Where the process stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Clients are welcome.
    Serving,
    /// No new clients; sessions end when they are idle.
    Draining,
    /// Everything ends now.
    Stopping,
}

/// Stack of a thread that serves sessions: both parsers recurse, and the caps on the token stream are chosen for this.
pub const STACK_BYTES: usize = 16 << 20;

/// Why the proxy could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener or a thread.
    #[error(transparent)]
    Listen(#[from] io::Error),
    /// Our certificate or its key.
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
    /// What the server's certificate is checked against.
    #[error(transparent)]
    Upstream(#[from] crate::upstream::tls::TlsError),
}

/// A proxy that is bound to its addresses and ready to serve.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    listeners: Vec<Listener>,
}

#[derive(Debug)]
struct Shared {
    collaborators: Arc<Collaborators>,
    dialer: Dialer,
    tls: Option<Arc<tls::Served>>,
    certificates: CertificateMap,
    hashing: Hashing,
    sessions: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
    next_session: AtomicU64,
    workers: Workers,
}

impl Proxy {
    /// Reads certificates and binds the listeners.
    ///
    /// # Errors
    /// A file cannot be used, or an address cannot be had.
    pub async fn bind(collaborators: Collaborators) -> Result<Self, StartError> {
        let config = &collaborators.config;
        let tls = config.tls.as_ref().map(tls::towards_clients).transpose()?;
        let certificates = CertificateMap::new(config.auth.certificates.as_deref());
        let dialer = Dialer::new(&config.upstream)?;
        let listeners = listen::bind(&config.listen).await?;
        let sessions = Arc::new(Semaphore::new(config.limits.connections.min(Semaphore::MAX_PERMITS)));
        Ok(Self {
            shared: Arc::new(Shared {
                collaborators: Arc::new(collaborators),
                dialer,
                tls,
                certificates,
                hashing: Hashing::default(),
                sessions,
                strangers: Arc::new(Semaphore::new(MAX_STRANGERS)),
                next_session: AtomicU64::new(1),
                workers: Workers::start(STACK_BYTES)?,
            }),
            listeners,
        })
    }

    /// The listeners, with the addresses that they have.
    pub fn listeners(&self) -> &[Listener] {
        &self.listeners
    }

    /// Serves until `phase` says otherwise and all sessions have ended, at the latest when the drain deadline has passed.
    pub async fn serve(self, mut phase: watch::Receiver<Phase>) {
        let (ending, sessions_phase) = watch::channel(*phase.borrow());
        let (alive, mut all_gone) = tokio::sync::mpsc::channel::<()>(1);
        for listener in self.listeners {
            let shared = Arc::clone(&self.shared);
            tokio::spawn(accept(listener, shared, sessions_phase.clone(), alive.clone()));
        }
        drop((alive, sessions_phase));
        let deadline = self.shared.collaborators.config.limits.drain_timeout;
        let reached = phase.wait_for(|phase| *phase != Phase::Serving).await.map_or(Phase::Stopping, |phase| *phase);
        if reached == Phase::Draining {
            ending.send_replace(Phase::Draining);
            tokio::select! {
                _ = all_gone.recv() => {}
                _ = phase.wait_for(|phase| *phase == Phase::Stopping) => {}
                () = tokio::time::sleep(deadline) => {}
            }
        }
        ending.send_replace(Phase::Stopping);
        // Sessions say good-bye; a moment is enough, and more is not granted.
        let _ = tokio::time::timeout(Duration::from_secs(1), all_gone.recv()).await;
    }
}

/// Takes clients from one listener. `alive` is dropped when the listener and all its sessions are gone.
async fn accept(
    listener: Listener,
    shared: Arc<Shared>,
    mut phase: watch::Receiver<Phase>,
    alive: tokio::sync::mpsc::Sender<()>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = phase.wait_for(|phase| *phase != Phase::Serving) => return,
        };
        match accepted {
            Ok((stream, address)) => {
                let Ok(stranger) = Arc::clone(&shared.strangers).try_acquire_owned() else {
                    shared.collaborators.recorder.connection_failed("too_many_strangers");
                    continue;
                };
                let parcel = match Parcel::pack(stream) {
                    Ok(parcel) => parcel,
                    Err(error) => {
                        tracing::warn!(%error, "cannot hand over a connection");
                        continue;
                    }
                };
                let worker = shared.workers.next();
                let (shared, phase, alive) = (Arc::clone(&shared), phase.clone(), alive.clone());
                worker.spawn(async move {
                    match parcel.unpack() {
                        Ok(stream) => serve_one(shared, (stream, address), stranger, phase).await,
                        Err(error) => tracing::warn!(%error, "cannot take over a connection"),
                    }
                    drop(alive);
                });
            }
            Err(error) => {
                // Out of descriptors, most likely: trying at once would only burn time.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn serve_one(
    shared: Arc<Shared>,
    (stream, address): (Stream, Option<IpAddr>),
    stranger: OwnedSemaphorePermit,
    phase: watch::Receiver<Phase>,
) {
    let recorder = Arc::clone(&shared.collaborators.recorder);
    let limit = shared.collaborators.config.limits.login_timeout;
    let mut stopping = phase.clone();
    let ready = tokio::select! {
        ready = tokio::time::timeout(limit, Box::pin(admit(&shared, stream, address))) => ready,
        _ = stopping.wait_for(|phase| *phase == Phase::Stopping) => return,
    };
    drop(stranger);
    let Ready { relay, subject, key, permit } = match ready {
        Ok(Ok(Some(ready))) => ready,
        Ok(Ok(None)) => return,
        Ok(Err(reason)) => return recorder.connection_failed(reason),
        Err(_) => return recorder.connection_failed("login_timeout"),
    };
    recorder.session_opened(&subject);
    let end = Box::pin(relay.run(phase)).await;
    tracing::debug!(user = %subject.user, database = %subject.database, ?end, "session is over");
    recorder.session_closed(&subject);
    if let (End::ClientLost, Some(key)) = (end, key) {
        // Nobody waits for the answer any more. If the server cannot be told, it finishes in its own time.
        let _ = cancel::pass_on(&shared.dialer, &key.request()).await;
    }
    drop(permit);
}

/// A session that may begin.
struct Ready {
    relay: Relay<EngineJudge>,
    subject: Arc<Subject>,
    key: Option<CancelKey>,
    permit: OwnedSemaphorePermit,
}

/// From a fresh socket to a session that may begin; none where there is nothing to serve.
async fn admit(shared: &Shared, stream: Stream, address: Option<IpAddr>) -> Result<Option<Ready>, &'static str> {
    let newcomer = match handshake::receive(stream, shared.tls.as_ref()).await {
        Ok(Arrival::Session(newcomer)) => newcomer,
        Ok(Arrival::Cancel(packet)) => {
            return cancel::pass_on(&shared.dialer, &packet).await.map(|()| None).map_err(|_| "cancel");
        }
        Ok(Arrival::Nothing) => return Ok(None),
        Err(error) => {
            tracing::debug!(%error, "handshake failed");
            return Err("handshake");
        }
    };
    let Ok(permit) = Arc::clone(&shared.sessions).try_acquire_owned() else {
        return tell(newcomer.stream, Fatal::new("53300", "sorry, too many clients already"), "too_many").await;
    };
    let subject = match subject(&newcomer, address) {
        Ok(subject) => subject,
        Err(fatal) => return tell(newcomer.stream, fatal, "refused").await,
    };
    let attested = shared.certificates.attests(&newcomer.stream, &subject.user);
    let server = match shared.dialer.connect_for(attested).await {
        Ok(server) => server,
        Err(error) => {
            tracing::warn!(%error, "cannot connect to the server");
            // The condition that makes clients with several hosts try the next one.
            let fatal = Fatal::new("57P03", "the database server behind the proxy cannot be reached");
            return tell(newcomer.stream, fatal, "upstream_unreachable").await;
        }
    };
    let Newcomer { stream, startup, served, .. } = newcomer;
    let login = login(shared, (&startup, &subject), served.as_deref(), attested);
    let accepted = match auth::log_in(Messages::new(stream), Messages::new(server), &login).await {
        Ok(accepted) => accepted,
        Err(error) => {
            tracing::debug!(%error, user = %subject.user, "login failed");
            return Err("login");
        }
    };
    let key = accepted.key.clone();
    let begun = begin(shared, accepted, &startup, subject).await?;
    Ok(begun.map(|(relay, subject)| Ready { relay, subject, key, permit }))
}

/// What is known of a client that wants to log in.
fn login<'a>(
    shared: &'a Shared,
    (startup, subject): (&'a Startup, &'a Subject),
    served: Option<&tls::Served>,
    attested: Attested,
) -> Login<'a> {
    Login {
        packet: &startup.packet,
        user: &subject.user,
        verifiers: &shared.collaborators.verifiers,
        hashing: &shared.hashing,
        end_point: served.and_then(|served| tls_server_end_point(&served.certificate)),
        foreign_certificate: attested == Attested::SomebodyElse,
    }
}

async fn tell<T>(stream: Stream, fatal: Fatal, reason: &'static str) -> Result<Option<T>, &'static str> {
    // The client may be gone already; it is turned away in any case.
    let _ = handshake::turn_away(stream, fatal).await;
    Err(reason)
}

/// Who asks, as far as the startup packet tells.
fn subject(newcomer: &Newcomer, address: Option<IpAddr>) -> Result<Subject, Fatal> {
    let startup = &newcomer.startup;
    if startup.wants_replication() {
        return Err(Fatal::new("0A000", "replication connections are not supported by the proxy"));
    }
    let user = name(startup, "user")?.unwrap_or_default();
    let database = name(startup, "database")?.filter(|name| !name.is_empty()).unwrap_or(user);
    Ok(Subject {
        user: user.into(),
        database: database.into(),
        roles: Default::default(),
        address,
        certificate: newcomer.certificate.clone(),
        application: String::from_utf8_lossy(startup.parameter("application_name").unwrap_or_default()).into(),
    })
}

fn name<'a>(startup: &'a Startup, parameter: &str) -> Result<Option<&'a str>, Fatal> {
    let Some(value) = startup.parameter(parameter) else { return Ok(None) };
    if value.len() > MAX_NAME {
        return Err(Fatal::new("42622", format!("{parameter} name is longer than {MAX_NAME} bytes")));
    }
    std::str::from_utf8(value).map(Some).map_err(|_| Fatal::new("22021", format!("{parameter} name is not UTF-8")))
}

/// The server has accepted the client: what may it do here?
async fn begin(
    shared: &Shared,
    accepted: Accepted,
    startup: &Startup,
    subject: Subject,
) -> Result<Option<(Relay<EngineJudge>, Arc<Subject>)>, &'static str> {
    let collaborators = &shared.collaborators;
    let wanted = collaborators.keeper.has_account() || collaborators.config.policies.is_some();
    if wanted && let Err(error) = collaborators.keeper.ensure(&subject.database).await {
        tracing::error!(%error, database = %subject.database, "cannot read the catalog");
        // Without the catalog nobody knows who is governed.
        if collaborators.config.policies.is_some() {
            let fatal = Fatal {
                code: "57P03",
                message: format!("the policy of database \"{}\" cannot be applied now", subject.database),
                hint: Some("The proxy cannot read the catalog over its service account."),
            };
            return tell(accepted.client.into_parts().0, fatal, "catalog_unreadable").await;
        }
    }
    let number = shared.next_session.fetch_add(1, Ordering::Relaxed);
    let guess = guess_path(startup.parameter("search_path"), &subject.user);
    let judge = EngineJudge::new(Arc::clone(collaborators), number, subject);
    if let (true, Some(fatal)) = (judge.governed(), accepted.pins.violation()) {
        return tell(accepted.client.into_parts().0, fatal, "settings").await;
    }
    let mut accepted = accepted;
    if judge.governed() {
        accepted.greeting = governed_greeting(&accepted.greeting).map_err(|_| "login")?;
    }
    let who = Arc::clone(judge.subject());
    let conversation = Conversation::new(judge, accepted.pins, accepted.status, guess);
    Ok(Some((Relay::new(accepted, conversation), who)))
}

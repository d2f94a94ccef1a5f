//! Accepts clients, serves each in a task of its own, and ends in good order.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};

use super::auth::{self, Accepted};
use super::cancel::Cancels;
use super::connect::Dialer;
use super::handshake::{self, Arrival, Newcomer};
use super::judge::{EngineJudge, Judge};
use super::limits::{self, Places, Seldom, SessionPlaces};
use super::listen::{self, Listener};
use super::relay::{End, Relay};
use super::server_side::governed_greeting;
use super::session::{Conversation, Fatal, guess_path};
use super::stream::{Messages, Stream};
use super::tls::ClientTls;
use super::workers::Workers;
use super::{proxy_protocol, refuse, replication};
use crate::config::Config;
use crate::engine::cache::VerdictCache;
use crate::observe::event::Recorder;
use crate::policy::store::SnapshotStore;
use crate::policy::subject::Subject;
use crate::upstream::keeper::CatalogKeeper;
use crate::wire::cancel_key::CancelKey;
use crate::wire::startup::{Replication, Startup};

/// Longer names of roles and databases mean another name to some versions of the server.
const MAX_NAME: usize = 63;

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
    /// Is told what happened.
    pub recorder: Arc<dyn Recorder>,
    /// TLS towards clients, if they may use it.
    pub tls: Option<Arc<ClientTls>>,
    /// The way to the server.
    pub dialer: Dialer,
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
    places: Places,
    cancels: Cancels,
    accept_complaints: Seldom,
    connect_complaints: Seldom,
    next_session: AtomicU64,
    workers: Workers,
}

impl Proxy {
    /// Binds the listeners.
    ///
    /// # Errors
    /// An address cannot be had.
    pub async fn bind(collaborators: Collaborators) -> Result<Self, StartError> {
        let config = &collaborators.config;
        let listeners = listen::bind(config).await?;
        let places = Places::new(&config.limits);
        Ok(Self {
            shared: Arc::new(Shared {
                collaborators: Arc::new(collaborators),
                places,
                cancels: Cancels::default(),
                accept_complaints: Seldom::default(),
                connect_complaints: Seldom::default(),
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
        let (closing, closed) = watch::channel(false);
        let (alive, mut all_gone) = mpsc::channel::<()>(1);
        for listener in self.listeners {
            let (shared, told) = (Arc::clone(&self.shared), (sessions_phase.clone(), alive.clone()));
            tokio::spawn(accept(listener, shared, closed.clone(), told));
        }
        drop((alive, sessions_phase, closed));
        let balancer = tokio::spawn({
            let shared = Arc::clone(&self.shared);
            async move { shared.workers.keep_balance().await }
        });
        let config = &self.shared.collaborators.config;
        let reached = phase.wait_for(|phase| *phase != Phase::Serving).await.map_or(Phase::Stopping, |phase| *phase);
        // Where another process listens as well, it takes over at once; elsewhere clients come until they have heard.
        closing.send_replace(reached == Phase::Stopping || config.reuse_port);
        if reached == Phase::Draining {
            tokio::select! {
                () = tokio::time::sleep(config.limits.drain_delay) => {}
                _ = phase.wait_for(|phase| *phase == Phase::Stopping) => {}
            }
            closing.send_replace(true);
            ending.send_replace(Phase::Draining);
            tokio::select! {
                _ = all_gone.recv() => {}
                _ = phase.wait_for(|phase| *phase == Phase::Stopping) => {}
                () = tokio::time::sleep(config.limits.drain_timeout) => {}
            }
        }
        ending.send_replace(Phase::Stopping);
        // Sessions say good-bye; a moment is enough, and more is not granted.
        let _ = tokio::time::timeout(Duration::from_secs(1), all_gone.recv()).await;
        balancer.abort();
    }
}

/// What sessions hear of the end, and what is dropped when one is over.
type Told = (watch::Receiver<Phase>, mpsc::Sender<()>);

/// Takes clients from one listener until it is `closed`.
async fn accept(listener: Listener, shared: Arc<Shared>, mut closed: watch::Receiver<bool>, told: Told) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = closed.wait_for(|closed| *closed) => break,
        };
        match accepted {
            Ok(client) => welcome(client, &shared, &told),
            Err(error) => {
                // Out of descriptors, most likely: trying at once would only burn time, and saying it again the log.
                if shared.accept_complaints.is_due() {
                    tracing::warn!(%error, "cannot accept a connection");
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    let until = tokio::time::Instant::now() + listener.hand_over();
    while let Ok(Ok(client)) = tokio::time::timeout_at(until, listener.accept()).await {
        welcome(client, &shared, &told);
    }
}

/// Finds a thread for a client that may say who it is.
fn welcome(client: (Stream, Option<IpAddr>), shared: &Arc<Shared>, told: &Told) {
    let Some(stranger) = shared.places.stranger() else {
        limits::turn_away_unheard(&client.0);
        return shared.collaborators.recorder.connection_failed("too_many_strangers");
    };
    shared.workers.any().spawn(serve_one(Arc::clone(shared), client, stranger, told.clone()));
}

async fn serve_one(
    shared: Arc<Shared>,
    (mut stream, address): (Stream, Option<IpAddr>),
    stranger: OwnedSemaphorePermit,
    (mut phase, alive): Told,
) {
    let recorder = Arc::clone(&shared.collaborators.recorder);
    if let Err(error) = stream.move_here() {
        tracing::warn!(%error, "cannot take over a connection");
        return;
    }
    let limit = shared.collaborators.config.limits.login_timeout;
    let mut stopping = phase.clone();
    let admitted = tokio::select! {
        admitted = tokio::time::timeout(limit, Box::pin(admit(&shared, (stream, address), stranger))) => admitted,
        _ = stopping.wait_for(|phase| *phase == Phase::Stopping) => return,
    };
    // What changed before the session began is news to it, too.
    phase.mark_changed();
    match admitted {
        Ok(Ok(Some(Admitted::Judged(session)))) => {
            recorder.session_opened(&session.subject);
            sit_down(shared, *session, (phase, alive));
        }
        Ok(Ok(Some(Admitted::Raw(session)))) => {
            recorder.session_opened(&session.subject);
            Box::pin(replicate(&shared, *session, phase)).await;
        }
        Ok(Ok(None)) => {}
        Ok(Err(reason)) => recorder.connection_failed(reason),
        Err(_) => recorder.connection_failed("login_timeout"),
    }
}

/// Gives a session a thread to go on. `alive` is dropped when it is over.
fn sit_down(shared: Arc<Shared>, mut session: Session<Relay<EngineJudge>>, (mut phase, alive): Told) {
    let mut seat = shared.workers.seat();
    let runtime = seat.runtime().clone();
    runtime.spawn(async move {
        let end = match session.talk.move_here() {
            Ok(()) => session.talk.run(&mut seat, &mut phase).await,
            Err(error) => {
                tracing::warn!(%error, "cannot take over a session");
                End::ClientLost
            }
        };
        match end {
            End::Moves => sit_down(shared, session, (phase, alive)),
            End::Closed | End::ClientLost | End::Ended => Box::pin(session.over(&shared, end)).await,
        }
    });
}

/// Serves a replication connection to its end.
async fn replicate(shared: &Shared, session: Session<Accepted>, phase: watch::Receiver<Phase>) {
    let Session { talk, subject, key, places } = session;
    let end = replication::relay(talk, &shared.collaborators, &subject, phase).await;
    Session { talk: (), subject, key, places }.over(shared, end).await;
}

/// Somebody who has logged in, and how the conversation goes on.
struct Session<T> {
    talk: T,
    subject: Arc<Subject>,
    key: Option<CancelKey>,
    places: SessionPlaces,
}

/// How a session is served.
enum Admitted {
    /// Statement by statement.
    Judged(Box<Session<Relay<EngineJudge>>>),
    /// Without a look at it.
    Raw(Box<Session<Accepted>>),
}

impl<T> Session<T> {
    async fn over(self, shared: &Shared, end: End) {
        let Self { talk, subject, key, places } = self;
        drop(talk);
        tracing::debug!(user = %subject.user, database = %subject.database, ?end, "session is over");
        shared.collaborators.recorder.session_closed(&subject);
        if let (End::ClientLost, Some(key)) = (end, key) {
            // Nobody waits for the answer any more. If the server cannot be told, it finishes in its own time.
            let _ = shared.cancels.send(&shared.collaborators.dialer, &key.request()).await;
        }
        drop(places);
    }
}

/// From a fresh socket to a session that may begin; none where there is nothing to serve.
async fn admit(
    shared: &Shared,
    (mut stream, peer): (Stream, Option<IpAddr>),
    stranger: OwnedSemaphorePermit,
) -> Result<Option<Admitted>, &'static str> {
    let Collaborators { config, dialer, tls, .. } = &*shared.collaborators;
    let address = match proxy_protocol::client_address(&mut stream, peer, config.proxy_protocol.as_ref()).await {
        Ok(address) => address,
        Err(error) => {
            tracing::debug!(%error, ?peer, "no client behind a load balancer");
            return Err("proxy_protocol");
        }
    };
    let newcomer = match handshake::receive(stream, tls.as_deref()).await {
        Ok(Arrival::Session(newcomer)) => newcomer,
        Ok(Arrival::Cancel(stream, packet)) => {
            drop(stranger);
            let passed_on = shared.cancels.pass_on(dialer, &packet).await;
            // Not before: by then the client may have sent the next statement, which nobody wants to cancel.
            drop(stream);
            return passed_on.map(|()| None).map_err(|_| "cancel");
        }
        Ok(Arrival::Refusable(stream, packet)) => {
            let told = refuse::in_the_servers_words(stream, &packet, dialer).await;
            tracing::debug!(?told, ?address, "startup packet refused");
            return Err("handshake");
        }
        Ok(Arrival::Nothing) => return Ok(None),
        Err(error) => {
            tracing::debug!(%error, ?address, "handshake failed");
            return Err("handshake");
        }
    };
    if shared.places.are_taken() {
        return tell(newcomer.stream, limits::no_room(), "too_many").await;
    }
    let replicates = newcomer.startup.replication() != Replication::No;
    let subject = match subject(&newcomer, address) {
        Ok(subject) => subject,
        Err(fatal) => return tell(newcomer.stream, fatal, "refused").await,
    };
    if let (true, Err(fatal)) = (replicates, replication::granted(&shared.collaborators, &subject)) {
        return tell(newcomer.stream, fatal, "replication").await;
    }
    let server = match dialer.connect().await {
        Ok(server) => server,
        Err(error) => {
            if shared.connect_complaints.is_due() {
                tracing::warn!(%error, "cannot connect to the server");
            }
            return tell(newcomer.stream, refuse::unreachable(), "upstream_unreachable").await;
        }
    };
    let Newcomer { stream, startup, .. } = newcomer;
    let accepted = match auth::log_in(Messages::new(stream), Messages::new(server), &startup.packet).await {
        Ok(accepted) => accepted,
        Err(error) => {
            tracing::debug!(%error, user = %subject.user, ?address, "login failed");
            return Err("login");
        }
    };
    let places = match shared.places.session(&subject) {
        Ok(places) => places,
        Err(fatal) => return tell(accepted.client.into_parts().0, fatal, "too_many").await,
    };
    let key = accepted.key.clone();
    if replicates {
        if let Err(fatal) = replication::ungoverned(&shared.collaborators, &subject).await {
            return tell(accepted.client.into_parts().0, fatal, "replication").await;
        }
        tracing::info!(user = %subject.user, ?address, "replication connection");
        let session = Session { talk: accepted, subject: Arc::new(subject), key, places };
        return Ok(Some(Admitted::Raw(Box::new(session))));
    }
    let begun = begin(shared, accepted, &startup, subject).await?;
    Ok(begun.map(|(talk, subject)| Admitted::Judged(Box::new(Session { talk, subject, key, places }))))
}

async fn tell<T>(stream: Stream, fatal: Fatal, reason: &'static str) -> Result<Option<T>, &'static str> {
    // The client may be gone already; it is turned away in any case.
    let _ = handshake::turn_away(stream, fatal).await;
    Err(reason)
}

/// Who asks, as far as the startup packet tells.
fn subject(newcomer: &Newcomer, address: Option<IpAddr>) -> Result<Subject, Fatal> {
    let startup = &newcomer.startup;
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

//! Accepts clients, serves each in a task of its own, and ends in good order.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};

use super::admit::{Admitted, Session, admit};
use super::auth::Accepted;
use super::judge::EngineJudge;
use super::limits;
use super::listen::{self, Listener};
use super::relay::{End, Relay};
use super::replication;
use super::shared::{Collaborators, Phase, Shared};
use super::stream::Stream;
use crate::observe::event::Recorder;
use crate::observe::sessions::{Live, Opened};

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

impl Proxy {
    /// Binds the listeners.
    ///
    /// # Errors
    /// An address cannot be had.
    pub async fn bind(collaborators: Collaborators) -> Result<Self, StartError> {
        let listeners = listen::bind(&collaborators.config).await?;
        Ok(Self { shared: Arc::new(Shared::new(collaborators)?), listeners })
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
        shared.collaborators.recorder.connection_failed("too_many_strangers");
        return limits::turn_away_unheard(&client.0);
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
    let admitted = {
        let mut admission = Box::pin(admit(&shared, (stream, address), stranger));
        let admitted = tokio::select! {
            admitted = tokio::time::timeout(limit, &mut admission) => admitted,
            _ = stopping.wait_for(|phase| *phase == Phase::Stopping) => return,
        };
        if admitted.is_err() {
            // Counted before the connection closes, which the client can see.
            recorder.connection_failed("login_timeout");
        }
        admitted
    };
    // What changed before the session began is news to it, too.
    phase.mark_changed();
    match admitted {
        Ok(Ok(Some(Admitted::Judged(mut session)))) => {
            let live = session.opens(&*recorder);
            session.talk.follow(live);
            sit_down(shared, *session, (phase, alive));
        }
        Ok(Ok(Some(Admitted::Raw(session)))) => {
            let live = session.opens(&*recorder);
            live.iter().for_each(|live| live.begins(false, Instant::now()));
            Box::pin(replicate(&shared, *session, phase)).await;
        }
        Ok(Err(reason)) => recorder.connection_failed(reason),
        Ok(Ok(None)) | Err(_) => {}
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
    let Session { talk, number, subject, key, line, places } = session;
    let end = replication::relay(talk, &shared.collaborators, &subject, phase).await;
    Session { talk: (), number, subject, key, line, places }.over(shared, end).await;
}

impl<T> Session<T> {
    /// Tells that it has begun.
    fn opens(&self, recorder: &dyn Recorder) -> Option<Arc<Live>> {
        recorder.session_opened(&self.subject);
        recorder.session(self.number, &self.subject, true);
        let backend = self.key.as_ref().map(|key| key.process);
        recorder.follow(Opened { number: self.number, subject: Arc::clone(&self.subject), backend })
    }

    async fn over(self, shared: &Shared, end: End) {
        let Self { talk, number, subject, key, line, places } = self;
        drop((talk, line));
        tracing::debug!(user = %subject.user, database = %subject.database, ?end, "session is over");
        shared.collaborators.recorder.session_closed(&subject);
        shared.collaborators.recorder.session(number, &subject, false);
        if let (End::ClientLost, Some(key)) = (end, key) {
            // Nobody waits for the answer any more. If the server cannot be told, it finishes in its own time.
            let _ = shared.cancels.send(&shared.collaborators.dialer, &key.request()).await;
        }
        drop(places);
    }
}

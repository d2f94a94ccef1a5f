//! What sessions share: what the process was given, and what it holds for all of them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::auth::Hashing;
use super::auth::sources::Verifiers;
use super::cancel::Cancels;
use super::connect::Dialer;
use super::identity::CertificateMap;
use super::limits::{Places, Seldom};
use super::tls::ClientTls;
use super::workers::Workers;
use crate::config::Config;
use crate::engine::cache::VerdictCache;
use crate::observe::event::Recorder;
use crate::policy::store::SnapshotStore;
use crate::upstream::keeper::CatalogKeeper;

/// Stack of a thread that serves sessions: both parsers recurse, and the caps on the token stream are chosen for this.
pub const STACK_BYTES: usize = 16 << 20;

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

/// What the process holds for all sessions.
#[derive(Debug)]
pub(super) struct Shared {
    /// What it was given.
    pub(super) collaborators: Arc<Collaborators>,
    /// Room for clients.
    pub(super) places: Places,
    /// Requests to cancel that are on their way.
    pub(super) cancels: Cancels,
    /// About connections that cannot be accepted.
    pub(super) accept_complaints: Seldom,
    /// About a server that cannot be reached.
    pub(super) connect_complaints: Seldom,
    /// Which certificates stand for which users.
    pub(super) certificates: CertificateMap,
    /// How many passwords are hashed at once.
    pub(super) hashing: Hashing,
    /// The number of the next session.
    pub(super) next_session: AtomicU64,
    /// The threads.
    pub(super) workers: Workers,
}

impl Shared {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system has no thread left.
    pub(super) fn new(collaborators: Collaborators) -> io::Result<Self> {
        let config = &collaborators.config;
        Ok(Self {
            certificates: CertificateMap::new(config.auth.certificates.as_deref()),
            hashing: Hashing::default(),
            places: Places::new(&config.limits),
            cancels: Cancels::default(),
            accept_complaints: Seldom::default(),
            connect_complaints: Seldom::default(),
            next_session: AtomicU64::new(1),
            workers: Workers::start(STACK_BYTES)?,
            collaborators: Arc::new(collaborators),
        })
    }
}

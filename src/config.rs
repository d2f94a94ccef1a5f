//! How this process is set up: the checked form of `pgcovenant.yaml`.

pub mod audit;
pub mod auth;
pub mod bypass;
pub mod data_checks;
pub mod drift;
pub mod file;
pub mod labels;
pub mod log;
pub mod network;
pub mod plans;
pub mod state;
pub mod tracing;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::audit::AuditSettings;
use crate::model::caps::Caps;
use network::{ProxyProtocol, ReplicationGrant, Tcp};

/// The whole configuration. Relative paths are relative to the directory of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where clients connect.
    pub listen: Vec<Listen>,
    /// Another process may listen in the same places, to take over from this one.
    pub reuse_port: bool,
    /// Load balancers that say whom they connect for.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// The server behind us.
    pub upstream: Upstream,
    /// Options of TCP sockets on both hops.
    pub tcp: Tcp,
    /// Who may open replication connections.
    pub replication: Vec<ReplicationGrant>,
    /// The account for our own read-only questions; without it no catalog is read and nobody can be governed.
    pub service: Option<Service>,
    /// Directory of contracts and policies; none makes a transparent proxy with metrics.
    pub policies: Option<PathBuf>,
    /// Where /metrics, /healthz and /readyz are served.
    pub admin: Option<SocketAddr>,
    /// Whether those who reach it may change how much is logged.
    pub admin_changes: bool,
    /// TLS towards clients.
    pub tls: Option<ServerTls>,
    /// What we know of clients' passwords and certificates; the server's business alone otherwise.
    pub auth: auth::Auth,
    /// The audit, JSON lines.
    pub audit: Option<AuditSettings>,
    /// Where the record of usage is kept; in memory only if nothing is said.
    pub state: Option<state::State>,
    /// Comparing databases with their contracts.
    pub drift: drift::Drift,
    /// Measuring the data that contracts are about.
    pub data_checks: data_checks::DataChecks,
    /// Spans of statements; none unless they have somewhere to go.
    pub tracing: Option<tracing::Tracing>,
    /// What is logged, and how.
    pub log: log::Log,
    /// Which sessions may come around the proxy; none where nobody looks.
    pub bypass: Option<bypass::Bypass>,
    /// How plans are asked for; none for not at all.
    pub plans: Option<plans::Plans>,
    /// How many values the labels of metrics may have.
    pub labels: Caps,
    /// Bounds.
    pub limits: Limits,
}

/// One listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// `host:port`.
    Tcp(SocketAddr),
    /// `unix:/dir`: the socket is `/dir/.s.PGSQL.<port>` with the port of the first TCP listener, or 6432.
    Unix(PathBuf),
    /// `unix:@name`: the same with the abstract socket `@name/.s.PGSQL.<port>`, which has no file.
    Abstract(String),
}

impl Listen {
    /// The TCP address; port 0 lets the system choose.
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) | Self::Abstract(_) => None,
        }
    }

    /// The directory of the unix socket.
    pub fn unix(&self) -> Option<&Path> {
        match self {
            Self::Tcp(_) | Self::Abstract(_) => None,
            Self::Unix(directory) => Some(directory),
        }
    }
}

/// The server behind us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Host name, address, or directory of the unix socket.
    pub host: String,
    /// Port.
    pub port: u16,
    /// TLS towards the server.
    pub tls: TlsMode,
    /// File with trusted certificates for verify-ca and verify-full; the system's otherwise.
    pub ca: Option<PathBuf>,
    /// Shown for sessions of clients that have shown a certificate of their own.
    pub identity: Option<ClientIdentity>,
    /// How long connecting may take.
    pub connect_timeout: Duration,
}

/// libpq's sslmode, without `allow`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsMode {
    /// Never.
    Disable,
    /// If the server offers it.
    Prefer,
    /// Always, without looking at the certificate.
    Require,
    /// Always, with a certificate of a trusted authority.
    VerifyCa,
    /// The same, and for this host name.
    VerifyFull,
}

/// The service account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Role.
    pub user: String,
    /// Name of the environment variable with its password.
    pub password_env: Option<String>,
    /// Shown where the server asks for a certificate.
    pub identity: Option<ClientIdentity>,
    /// How often the catalog is read again when no DDL was seen.
    pub refresh: Duration,
    /// How often redirected columns are compared with their replacements; none means as the probe sees fit.
    pub divergence: Option<Duration>,
    /// How often the statistics of tables and indexes are read.
    pub statistics: Duration,
}

/// A certificate of our own, shown to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientIdentity {
    /// Certificate chain, PEM.
    pub cert: PathBuf,
    /// Private key, PEM.
    pub key: PathBuf,
}

/// TLS towards clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTls {
    /// Certificate chain, PEM.
    pub cert: PathBuf,
    /// Private key, PEM.
    pub key: PathBuf,
    /// Authority of client certificates; asks for one when given.
    pub client_ca: Option<PathBuf>,
}

/// Bounds on what clients may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Largest statement text in bytes; larger ones get 54000.
    pub statement_bytes: usize,
    /// Clients at once; more get 53300.
    pub connections: usize,
    /// Of these, with the same role.
    pub connections_per_user: Option<usize>,
    /// Of these, to the same database.
    pub connections_per_database: Option<usize>,
    /// Clients at once that have not logged in yet; more are turned away unheard.
    pub unauthenticated: usize,
    /// From accept to ReadyForQuery.
    pub login_timeout: Duration,
    /// From SIGTERM to the end of accepting, for load balancers that look at readiness.
    pub drain_delay: Duration,
    /// How long open sessions may go on after SIGTERM.
    pub drain_timeout: Duration,
    /// Bytes that cached verdicts may take.
    pub verdict_cache_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            statement_bytes: 1 << 20,
            connections: 1000,
            connections_per_user: None,
            connections_per_database: None,
            unauthenticated: 1000,
            login_timeout: Duration::from_secs(60),
            drain_delay: Duration::ZERO,
            drain_timeout: Duration::from_secs(30),
            verdict_cache_bytes: 64 << 20,
        }
    }
}

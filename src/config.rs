//! How this process is set up: the checked form of `pgcovenant.yaml`.

pub mod auth;
pub mod file;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The whole configuration. Relative paths are relative to the directory of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where clients connect.
    pub listen: Vec<Listen>,
    /// The server behind us.
    pub upstream: Upstream,
    /// The account for our own read-only questions; without it no catalog is read and nobody can be governed.
    pub service: Option<Service>,
    /// Directory of contracts and policies; none makes a transparent proxy with metrics.
    pub policies: Option<PathBuf>,
    /// Where /metrics, /healthz and /readyz are served.
    pub admin: Option<SocketAddr>,
    /// TLS towards clients.
    pub tls: Option<ServerTls>,
    /// What we know of clients' passwords and certificates; the server's business alone otherwise.
    pub auth: auth::Auth,
    /// File for audit records, JSON lines.
    pub audit: Option<PathBuf>,
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
}

impl Listen {
    /// The TCP address; port 0 lets the system choose.
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// The directory of the unix socket.
    pub fn unix(&self) -> Option<&Path> {
        match self {
            Self::Tcp(_) => None,
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
    /// From accept to ReadyForQuery.
    pub login_timeout: Duration,
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
            login_timeout: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(30),
            verdict_cache_bytes: 64 << 20,
        }
    }
}

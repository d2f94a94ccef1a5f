//! Opens connections of the service account.

use std::env;
use std::sync::Arc;

use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, NoTls};

use super::tls::{Connector, Trust};
use crate::config::network::Tcp;
use crate::config::{Service, TlsMode, Upstream};

/// Why the service account has no answer.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The variable that should hold the password is not set.
    #[error("environment variable \"{0}\" with the password of the service account is not set")]
    NoPassword(String),
    /// The server, or the way to it.
    #[error("{}", describe(.0))]
    Server(#[from] tokio_postgres::Error),
    /// The server took longer than the configured limit.
    #[error("no answer from the server within {0} seconds")]
    Timeout(u64),
    /// An answer that does not have the expected shape.
    #[error("unexpected answer from the server: {0}")]
    Answer(String),
}

/// The server's message with its SQLSTATE where there is one, the cause of the failure otherwise.
fn describe(error: &tokio_postgres::Error) -> String {
    if let Some(answer) = error.as_db_error() {
        return format!("{} (SQLSTATE {})", answer.message(), answer.code().code());
    }
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// How the service account connects.
#[derive(Debug, Clone)]
pub struct ServiceAccount {
    config: Config,
    trust: Arc<Trust>,
}

impl ServiceAccount {
    /// The account of the configuration; reads the password from the environment once.
    ///
    /// # Errors
    /// The password cannot be read.
    pub fn new(upstream: &Upstream, service: &Service, trust: Arc<Trust>) -> Result<Self, UpstreamError> {
        let mut config = Config::new();
        // A host that begins with a slash is the directory of a unix socket.
        config.host(&upstream.host).port(upstream.port).user(&service.user);
        config.application_name("pgcovenant").connect_timeout(upstream.connect_timeout);
        config.ssl_mode(match upstream.tls {
            TlsMode::Disable => SslMode::Disable,
            TlsMode::Prefer => SslMode::Prefer,
            TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => SslMode::Require,
        });
        if let Some(variable) = &service.password_env {
            config.password(env::var(variable).map_err(|_| UpstreamError::NoPassword(variable.clone()))?);
        }
        if upstream.host.starts_with('/') {
            // TLS is a matter of networks: libpq ignores sslmode here as well.
            config.ssl_mode(SslMode::Disable);
        }
        Ok(Self { config, trust })
    }

    /// The same with these options of its sockets.
    #[must_use]
    pub fn tuned(mut self, tcp: &Tcp) -> Self {
        self.config
            .keepalives_idle(tcp.keepalives_idle)
            .keepalives_interval(tcp.keepalives_interval)
            .keepalives_retries(tcp.keepalives_count);
        if let Some(limit) = tcp.user_timeout {
            self.config.tcp_user_timeout(limit);
        }
        self
    }

    /// A new connection to `database`. It lives as long as the client.
    ///
    /// # Errors
    /// The server cannot be reached or does not let the account in.
    pub async fn connect(&self, database: &str) -> Result<Client, UpstreamError> {
        let mut config = self.config.clone();
        config.dbname(database);
        let limit = config.get_connect_timeout().copied().unwrap_or(std::time::Duration::from_secs(10));
        let opening = async {
            match self.trust.current().map(Connector) {
                None => {
                    let (client, connection) = config.connect(NoTls).await?;
                    tokio::spawn(drive(connection));
                    Ok::<_, UpstreamError>(client)
                }
                Some(tls) => {
                    let (client, connection) = config.connect(tls).await?;
                    tokio::spawn(drive(connection));
                    Ok(client)
                }
            }
        };
        // The limit of the library ends with the TCP handshake; ours includes TLS and the login.
        tokio::time::timeout(limit, opening).await.map_err(|_| UpstreamError::Timeout(limit.as_secs()))?
    }
}

async fn drive<C>(connection: C)
where
    C: Future<Output = Result<(), tokio_postgres::Error>>,
{
    if let Err(error) = connection.await {
        tracing::debug!(error = describe(&error), "connection of the service account ended");
    }
}

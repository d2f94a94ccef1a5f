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
    /// The question would run code of the database's own, as the service account.
    #[error("it would run {0}, which somebody has made in the database")]
    OwnCode(String),
    /// An answer that does not have the expected shape.
    #[error("unexpected answer from the server: {0}")]
    Answer(String),
}

impl UpstreamError {
    /// The same without the server's words where they may quote values of rows: those about names and rights, and about the
    /// server itself, do not.
    pub fn discreet(&self) -> String {
        const WITHOUT_VALUES: [&str; 8] = ["08", "25", "28", "3D", "42", "53", "55", "57"];
        match self {
            Self::Server(error) => match error.code().map(tokio_postgres::error::SqlState::code) {
                Some(code) if WITHOUT_VALUES.iter().any(|class| code.starts_with(class)) => self.to_string(),
                Some(code) => format!("the server answers with SQLSTATE {code}"),
                None => self.to_string(),
            },
            Self::NoPassword(_) | Self::Timeout(_) | Self::OwnCode(_) | Self::Answer(_) => self.to_string(),
        }
    }
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

    /// Another account of the same server; reads its password from the environment once.
    ///
    /// # Errors
    /// The password cannot be read.
    pub fn with_user(mut self, user: &str, password_env: Option<&str>) -> Result<Self, UpstreamError> {
        self.config.user(user);
        if let Some(variable) = password_env {
            self.config.password(env::var(variable).map_err(|_| UpstreamError::NoPassword(variable.to_owned()))?);
        }
        Ok(self)
    }

    /// The same account with this search path, whatever its role or database has set.
    #[must_use]
    pub fn with_search_path(mut self, path: &str) -> Self {
        self.config.options(format!("-c search_path={}", path.replace(' ', "\\ ")));
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

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::PrivateKeyDer;
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// A server with TLS that offers nothing but SCRAM-SHA-256-PLUS: the client's choice and its first message.
    async fn first_message(listener: TcpListener) -> Vec<u8> {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate =
            rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let (mut socket, _) = listener.accept().await.unwrap();
        socket.read_exact(&mut [0; 8]).await.unwrap();
        socket.write_all(b"S").await.unwrap();
        let mut stream = tokio_rustls::TlsAcceptor::from(Arc::new(config)).accept(socket).await.unwrap();
        let length = stream.read_u32().await.unwrap() as usize;
        stream.read_exact(&mut vec![0; length - 4]).await.unwrap();
        let offer = b"R\0\0\0\x1c\0\0\0\x0aSCRAM-SHA-256-PLUS\0\0";
        stream.write_all(offer).await.unwrap();
        stream.flush().await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'p');
        let length = stream.read_u32().await.unwrap() as usize;
        let mut body = vec![0; length - 4];
        stream.read_exact(&mut body).await.unwrap();
        body
    }

    #[tokio::test]
    async fn our_own_logins_bind_to_the_certificate_of_the_server() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = Upstream {
            host: "127.0.0.1".to_owned(),
            port: listener.local_addr().unwrap().port(),
            tls: TlsMode::Require,
            ca: None,
            identity: None,
            connect_timeout: Duration::from_secs(20),
        };
        let service = Service {
            user: "u".to_owned(),
            password_env: None,
            identity: None,
            refresh: Duration::from_secs(60),
            divergence: None,
            statistics: Duration::from_secs(10),
        };
        let mut account =
            ServiceAccount::new(&upstream, &service, Arc::new(Trust::new(&upstream, None).unwrap())).unwrap();
        account.config.password("p");
        let (refused, said) = tokio::join!(account.connect("db"), first_message(listener));
        assert!(refused.is_err(), "the server hangs up");
        let said = String::from_utf8_lossy(&said);
        assert!(said.starts_with("SCRAM-SHA-256-PLUS\0") && said.contains("p=tls-server-end-point,,"), "{said}");
    }
}

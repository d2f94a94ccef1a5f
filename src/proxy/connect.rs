//! A connection to the server behind us, with TLS as configured.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::{TlsConnector, TlsStream};

use super::identity::Attested;
use super::stream::Stream;
use crate::config::{TlsMode, Upstream};
use crate::upstream::tls;

const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// Where the server is and how it is spoken to.
#[derive(Debug, Clone)]
pub struct Dialer {
    upstream: Upstream,
    tls: Option<Arc<ClientConfig>>,
    /// The same with our own certificate, for clients that have shown theirs.
    vouching: Option<Arc<ClientConfig>>,
}

impl Dialer {
    /// Reads the certificates that the configuration names.
    ///
    /// # Errors
    /// A file cannot be used.
    pub fn new(upstream: &Upstream) -> Result<Self, tls::TlsError> {
        let vouching = tls::client_config_as(upstream, upstream.identity.as_ref())?;
        Ok(Self { upstream: upstream.clone(), tls: tls::client_config(upstream)?, vouching })
    }

    /// Connects, up to the point where the startup packet is due.
    ///
    /// # Errors
    /// The server cannot be reached in time, or does not offer the TLS that is required.
    pub async fn connect(&self) -> io::Result<Stream> {
        self.connect_for(Attested::Nothing).await
    }

    /// Connects for a client. Our certificate lets us act for others, so it is shown only for a client that has shown
    /// its own.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub async fn connect_for(&self, attested: Attested) -> io::Result<Stream> {
        let config = match attested {
            Attested::User => &self.vouching,
            Attested::Nothing | Attested::SomebodyElse => &self.tls,
        };
        tokio::time::timeout(self.upstream.connect_timeout, self.dial(config.as_ref()))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    async fn dial(&self, config: Option<&Arc<ClientConfig>>) -> io::Result<Stream> {
        if self.upstream.host.starts_with('/') {
            let path = format!("{}/.s.PGSQL.{}", self.upstream.host, self.upstream.port);
            return UnixStream::connect(path).await.map(Stream::Unix);
        }
        let mut stream = TcpStream::connect((self.upstream.host.as_str(), self.upstream.port)).await?;
        tune(&stream);
        let Some(config) = config else { return Ok(Stream::Tcp(stream)) };
        stream.write_all(&SSL_REQUEST).await?;
        // One byte and no more: what follows belongs to TLS, or was slipped in before it.
        match (stream.read_u8().await?, self.upstream.tls) {
            (b'S', _) => {}
            (b'N', TlsMode::Prefer) => return Ok(Stream::Tcp(stream)),
            (b'N', _) => return Err(io::Error::other("server does not support TLS, but it is required")),
            _ => return Err(io::Error::other("unexpected answer to the request for TLS")),
        }
        let name = tls::server_name(&self.upstream.host).map_err(io::Error::other)?;
        let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await?;
        Ok(Stream::Tls(Box::new(TlsStream::Client(stream))))
    }
}

/// No waiting for fuller packets, and an end to peers that have vanished.
pub fn tune(stream: &TcpStream) {
    let keepalive = socket2::TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(10))
        .with_retries(6);
    // Neither is needed for correctness.
    let _ = stream.set_nodelay(true);
    let _ = socket2::SockRef::from(stream).set_tcp_keepalive(&keepalive);
}

//! A connection to the server behind us, with TLS as configured.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::{TlsConnector, TlsStream};

use super::stream::Stream;
use crate::config::network::Tcp;
use crate::config::{TlsMode, Upstream};
use crate::upstream::tls::{self, Trust};

const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// Where the server is and how it is spoken to.
#[derive(Debug, Clone)]
pub struct Dialer {
    upstream: Upstream,
    tcp: Tcp,
    trust: Arc<Trust>,
}

impl Dialer {
    /// To this server.
    pub fn new(upstream: &Upstream, tcp: Tcp, trust: Arc<Trust>) -> Self {
        Self { upstream: upstream.clone(), tcp, trust }
    }

    /// How long connecting may take.
    pub fn limit(&self) -> std::time::Duration {
        self.upstream.connect_timeout
    }

    /// Connects, up to the point where the startup packet is due.
    ///
    /// # Errors
    /// The server cannot be reached in time, or does not offer the TLS that is required.
    pub async fn connect(&self) -> io::Result<Stream> {
        tokio::time::timeout(self.limit(), self.dial()).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    async fn dial(&self) -> io::Result<Stream> {
        if self.upstream.host.starts_with('/') {
            let path = format!("{}/.s.PGSQL.{}", self.upstream.host, self.upstream.port);
            return UnixStream::connect(path).await.map(Stream::Unix);
        }
        let mut stream = TcpStream::connect((self.upstream.host.as_str(), self.upstream.port)).await?;
        tune(&stream, &self.tcp);
        let Some(config) = self.trust.current() else { return Ok(Stream::Tcp(stream)) };
        stream.write_all(&SSL_REQUEST).await?;
        // One byte and no more: what follows belongs to TLS, or was slipped in before it.
        match (stream.read_u8().await?, self.upstream.tls) {
            (b'S', _) => {}
            (b'N', TlsMode::Prefer) => return Ok(Stream::Tcp(stream)),
            (b'N', _) => return Err(io::Error::other("server does not support TLS, but it is required")),
            _ => return Err(io::Error::other("unexpected answer to the request for TLS")),
        }
        let name = tls::server_name(&self.upstream.host).map_err(io::Error::other)?;
        let stream = TlsConnector::from(config).connect(name, stream).await?;
        Ok(Stream::Tls(Box::new(TlsStream::Client(stream))))
    }
}

/// No waiting for fuller packets, and an end to peers that have vanished.
pub fn tune(stream: &TcpStream, tcp: &Tcp) {
    let keepalive = socket2::TcpKeepalive::new()
        .with_time(tcp.keepalives_idle)
        .with_interval(tcp.keepalives_interval)
        .with_retries(tcp.keepalives_count);
    let socket = socket2::SockRef::from(stream);
    // None of them is needed for correctness.
    let _ = stream.set_nodelay(true);
    let _ = socket.set_tcp_keepalive(&keepalive);
    if let Some(limit) = tcp.user_timeout {
        let _ = socket.set_tcp_user_timeout(Some(limit));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn sockets_get_the_options_of_the_configuration() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let tcp = Tcp {
            keepalives_idle: Duration::from_secs(33),
            keepalives_interval: Duration::from_secs(7),
            keepalives_count: 4,
            user_timeout: Some(Duration::from_millis(1500)),
        };
        tune(&stream, &tcp);
        let socket = socket2::SockRef::from(&stream);
        assert!(socket.keepalive().unwrap() && stream.nodelay().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), tcp.keepalives_idle);
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), tcp.keepalives_interval);
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), tcp.keepalives_count);
        assert_eq!(socket.tcp_user_timeout().unwrap(), tcp.user_timeout);
    }
}

//! From an accepted socket to a startup packet: encryption requests, direct TLS, cancel requests.
//!
//! Packets are read to their exact end, so nothing that was sent in plaintext can be taken for the start of what TLS
//! protects: it stays in the socket and breaks the handshake.

use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsStream};

use super::certificate;
use super::session::Fatal;
use super::stream::Stream;
use super::tls::Served;
use crate::wire::startup::{self, Opening, Startup};

/// First byte of a TLS handshake: a client that does not ask first.
const TLS_HANDSHAKE: u8 = 0x16;

/// What a client turned out to want.
#[derive(Debug)]
pub enum Arrival {
    /// A session.
    Session(Newcomer),
    /// To cancel a query: the packet.
    Cancel(Box<[u8]>),
    /// It has been told why not, or has left without asking for anything.
    Nothing,
}

/// A client that has sent its startup packet.
#[derive(Debug)]
pub struct Newcomer {
    /// The connection.
    pub stream: Stream,
    /// What it asks for.
    pub startup: Startup,
    /// Common name of its verified certificate.
    pub certificate: Option<Box<str>>,
    /// What its TLS handshake was served with, if there was one.
    pub served: Option<Arc<Served>>,
}

/// Reads packets until the client has said what it wants.
///
/// # Errors
/// The connection fails.
pub async fn receive(mut stream: Stream, tls: Option<&Arc<Served>>) -> io::Result<Arrival> {
    let mut name = None;
    if let Stream::Tcp(socket) = &stream {
        let mut first = [0];
        if socket.peek(&mut first).await? == 0 {
            return Ok(Arrival::Nothing);
        }
        if first == [TLS_HANDSHAKE] {
            let Some(config) = tls else { return Ok(Arrival::Nothing) };
            (stream, name) = encrypt(stream, config).await?;
            // Without a request in PostgreSQL's own words, only ALPN tells that PostgreSQL is meant.
            if !negotiated_postgresql(&stream) {
                return Ok(Arrival::Nothing);
            }
        }
    }
    let (mut asked_ssl, mut asked_gss) = (stream.encrypted(), stream.encrypted());
    loop {
        let opening = match read_packet(&mut stream).await? {
            None => return Ok(Arrival::Nothing),
            Some(packet) => match startup::parse(&packet) {
                Ok(opening) => opening,
                Err(_) => return turn_away(stream, Fatal::protocol("invalid startup packet layout")).await,
            },
        };
        match opening {
            Opening::Ssl if !asked_ssl => {
                asked_ssl = true;
                match tls.filter(|_| matches!(stream, Stream::Tcp(_))) {
                    None => stream.write_all(b"N").await?,
                    Some(config) => {
                        stream.write_all(b"S").await?;
                        (stream, name) = encrypt(stream, config).await?;
                        asked_gss = true;
                    }
                }
            }
            Opening::GssEncryption if !asked_gss => {
                asked_gss = true;
                stream.write_all(b"N").await?;
            }
            Opening::Ssl | Opening::GssEncryption => {
                return turn_away(stream, Fatal::protocol("unexpected request for encryption")).await;
            }
            Opening::Cancel(packet) => return Ok(Arrival::Cancel(packet)),
            Opening::Unsupported(version) => {
                let message = format!(
                    "unsupported frontend protocol {}.{}: server supports 3.0 and later",
                    version.major, version.minor
                );
                return turn_away(stream, Fatal::new("0A000", message)).await;
            }
            Opening::Startup(startup) => {
                let served = tls.filter(|_| stream.encrypted()).cloned();
                return Ok(Arrival::Session(Newcomer { stream, startup, certificate: name, served }));
            }
        }
    }
}

/// Tells a client why it cannot stay.
///
/// # Errors
/// The connection fails.
pub async fn turn_away(mut stream: Stream, fatal: Fatal) -> io::Result<Arrival> {
    let mut out = BytesMut::new();
    fatal.put(&mut out);
    stream.write_all(&out).await?;
    stream.shutdown().await?;
    Ok(Arrival::Nothing)
}

/// One packet; none when the client leaves before it.
async fn read_packet(stream: &mut Stream) -> io::Result<Option<Vec<u8>>> {
    let mut prefix = [0; 4];
    let (first, others) = prefix.split_at_mut(1);
    if stream.read(first).await? == 0 {
        return Ok(None);
    }
    stream.read_exact(others).await?;
    let length = startup::packet_length(prefix).map_err(io::Error::other)?;
    let mut packet = prefix.to_vec();
    packet.resize(length, 0);
    if let Some(rest) = packet.get_mut(4..) {
        stream.read_exact(rest).await?;
    }
    Ok(Some(packet))
}

async fn encrypt(stream: Stream, served: &Served) -> io::Result<(Stream, Option<Box<str>>)> {
    let Stream::Tcp(stream) = stream else { return Err(io::ErrorKind::Unsupported.into()) };
    let stream: tokio_rustls::server::TlsStream<TcpStream> =
        TlsAcceptor::from(Arc::clone(&served.config)).accept(stream).await?;
    let name = stream
        .get_ref()
        .1
        .peer_certificates()
        .and_then(<[_]>::first)
        .and_then(|certificate| certificate::common_name(certificate))
        .map(Box::from);
    Ok((Stream::Tls(Box::new(TlsStream::Server(stream))), name))
}

fn negotiated_postgresql(stream: &Stream) -> bool {
    match stream {
        Stream::Tls(stream) => stream.get_ref().1.alpn_protocol().is_some(),
        Stream::Tcp(_) | Stream::Unix(_) => false,
    }
}

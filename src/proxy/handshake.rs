//! From an accepted socket to a startup packet: encryption requests, direct TLS, cancel requests.
//!
//! Packets are read to their exact end, so nothing that was sent in plaintext can be taken for the start of what TLS
//! protects: it stays in the socket and breaks the handshake.

use std::io;
use std::mem::MaybeUninit;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsStream};

use super::certificate;
use super::session::Fatal;
use super::stream::Stream;
use super::tls::{ClientTls, Served};
use crate::wire::startup::{self, Opening, Replication, Startup};

/// First byte of a TLS handshake: a client that does not ask first.
const TLS_HANDSHAKE: u8 = 0x16;

/// What a client turned out to want.
#[derive(Debug)]
pub enum Arrival {
    /// A session.
    Session(Newcomer),
    /// To cancel a query: the packet, and the connection, whose end tells that it has been dealt with.
    Cancel(Stream, Box<[u8]>),
    /// A packet that the server refuses.
    Refusable(Stream, Vec<u8>),
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
pub async fn receive(mut stream: Stream, tls: Option<&ClientTls>) -> io::Result<Arrival> {
    let mut encrypted = None;
    if let Stream::Tcp(socket) = &stream {
        let mut first = [0];
        if socket.peek(&mut first).await? == 0 {
            return Ok(Arrival::Nothing);
        }
        if first == [TLS_HANDSHAKE] {
            let Some(tls) = tls else { return Ok(Arrival::Nothing) };
            (stream, encrypted) = encrypt(stream, tls.current()).await?;
            // Without a request in PostgreSQL's own words, only ALPN tells that PostgreSQL is meant.
            if !negotiated_postgresql(&stream) {
                return Ok(Arrival::Nothing);
            }
        }
    }
    let (mut asked_ssl, mut asked_gss) = (stream.encrypted(), stream.encrypted());
    loop {
        let Some(packet) = read_packet(&mut stream).await? else { return Ok(Arrival::Nothing) };
        match startup::parse(&packet) {
            Ok(Opening::Ssl) if !asked_ssl => {
                asked_ssl = true;
                match tls.filter(|_| matches!(stream, Stream::Tcp(_))) {
                    None => {
                        if !decline(&mut stream, "SSL").await? {
                            return Ok(Arrival::Nothing);
                        }
                    }
                    Some(tls) => {
                        stream.write_all(b"S").await?;
                        (stream, encrypted) = encrypt(stream, tls.current()).await?;
                        asked_gss = true;
                    }
                }
            }
            Ok(Opening::GssEncryption) if !asked_gss => {
                asked_gss = true;
                if !decline(&mut stream, "GSSAPI encryption").await? {
                    return Ok(Arrival::Nothing);
                }
            }
            Ok(Opening::Ssl | Opening::GssEncryption) => return turn_away(stream, asked_again(&packet)).await,
            Ok(Opening::Cancel(packet)) => return Ok(Arrival::Cancel(stream, packet)),
            Ok(Opening::Startup(startup)) if startup.replication() != Replication::Invalid => {
                let (certificate, served) = encrypted.unzip();
                return Ok(Arrival::Session(Newcomer { stream, startup, certificate: certificate.flatten(), served }));
            }
            Ok(Opening::Startup(_) | Opening::Unsupported(_)) | Err(_) => {
                return Ok(Arrival::Refusable(stream, packet));
            }
        }
    }
}

/// Says that there is no such encryption. What was sent before this answer is not what the client thinks it is: then the
/// client is told so, and it is over.
async fn decline(stream: &mut Stream, request: &str) -> io::Result<bool> {
    // Before the answer: an honest client goes on as soon as it has that.
    let early = has_more(stream);
    stream.write_all(b"N").await?;
    if early {
        say(stream, &Fatal::protocol(format!("received unencrypted data after {request} request"))).await?;
    }
    Ok(!early)
}

/// A second request of the same kind is to the server a version of the protocol that does not exist.
fn asked_again(packet: &[u8]) -> Fatal {
    let number =
        |at: usize| packet.get(at..at + 2).map_or(0, |bytes| bytes.iter().fold(0, |n, b| n << 8 | u16::from(*b)));
    let (major, minor) = (number(4), number(6));
    let message = format!("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.2");
    Fatal::new("0A000", message)
}

/// Whether bytes of the client are there already.
fn has_more(stream: &Stream) -> bool {
    let mut byte = [MaybeUninit::uninit()];
    let peeked = match stream {
        Stream::Tcp(stream) => socket2::SockRef::from(stream).peek(&mut byte),
        Stream::Unix(stream) => socket2::SockRef::from(stream).peek(&mut byte),
        Stream::Tls(_) => Ok(0),
    };
    peeked.is_ok_and(|count| count > 0)
}

/// Tells a client why it cannot stay.
///
/// # Errors
/// The connection fails.
pub async fn turn_away(mut stream: Stream, fatal: Fatal) -> io::Result<Arrival> {
    say(&mut stream, &fatal).await.map(|()| Arrival::Nothing)
}

async fn say(stream: &mut Stream, fatal: &Fatal) -> io::Result<()> {
    let mut out = BytesMut::new();
    fatal.put(&mut out);
    stream.write_all(&out).await?;
    stream.shutdown().await
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

/// The common name of the client's certificate, and what the handshake was served with.
type Encrypted = (Option<Box<str>>, Arc<Served>);

async fn encrypt(stream: Stream, served: Arc<Served>) -> io::Result<(Stream, Option<Encrypted>)> {
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
    Ok((Stream::Tls(Box::new(TlsStream::Server(stream))), Some((name, served))))
}

fn negotiated_postgresql(stream: &Stream) -> bool {
    match stream {
        Stream::Tls(stream) => stream.get_ref().1.alpn_protocol().is_some(),
        Stream::Tcp(_) | Stream::Unix(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::net::UnixStream;

    const SSL: &[u8] = &[0, 0, 0, 8, 4, 210, 22, 47];
    const GSS: &[u8] = &[0, 0, 0, 8, 4, 210, 22, 48];
    const HELLO: &[u8] = b"\0\0\0\x11\0\x03\0\0user\0me\0\0";
    const CANCEL: &[u8] = &[0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, 1, 0, 0, 0, 2];

    /// What becomes of a client that sends these bytes and nothing more, and what it is answered.
    fn arrival(bytes: &[u8]) -> (&'static str, Vec<u8>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            theirs.write_all(bytes).await.unwrap();
            theirs.shutdown().await.unwrap();
            let found = match receive(Stream::Unix(ours), None).await {
                Ok(Arrival::Session(_)) => "session",
                Ok(Arrival::Cancel(..)) => "cancel",
                Ok(Arrival::Refusable(..)) => "refusable",
                Ok(Arrival::Nothing) => "nothing",
                Err(_) => "error",
            };
            let mut answer = Vec::new();
            // A reset is an end, too.
            let _ = theirs.read_to_end(&mut answer).await;
            (found, answer)
        })
    }

    #[test]
    fn one_packet_says_what_is_wanted() {
        assert_eq!(arrival(HELLO), ("session", Vec::new()));
        assert_eq!(arrival(CANCEL), ("cancel", Vec::new()));
        assert_eq!(arrival(SSL), ("nothing", b"N".to_vec()));
        assert_eq!(arrival(&HELLO[..9]), ("error", Vec::new()));
        assert_eq!(arrival(b""), ("nothing", Vec::new()));
        let (found, answer) = arrival(&[SSL, HELLO].concat());
        assert_eq!((found, &answer[..2]), ("nothing", &b"NE"[..]));
    }

    proptest! {
        /// Whatever comes in one piece, no more than one request for encryption is answered, and no session begins behind
        /// it.
        #[test]
        fn nothing_is_answered_twice(pieces in proptest::collection::vec(
            prop_oneof![
                Just(SSL.to_vec()), Just(GSS.to_vec()), Just(HELLO.to_vec()), Just(CANCEL.to_vec()),
                proptest::collection::vec(any::<u8>(), 0..20),
            ],
            0..4,
        )) {
            let bytes = pieces.concat();
            let asks = bytes.starts_with(SSL) || bytes.starts_with(GSS);
            let (found, answer) = arrival(&bytes);
            if asks && bytes.len() > SSL.len() {
                prop_assert_eq!((found, answer.get(..2)), ("nothing", Some(&b"NE"[..])));
            } else {
                prop_assert!(answer.is_empty() || answer == b"N", "{:?}", answer);
            }
        }
    }
}

//! Opening a connection byte by byte: what a server answers to packets that no driver would send.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// The version of most clients.
pub const V3_0: u32 = 3 << 16;
/// The version that PostgreSQL 18 introduced.
pub const V3_2: u32 = 3 << 16 | 2;
/// SSLRequest.
pub const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];
/// GSSENCRequest.
pub const GSSENC_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 48];

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection with nothing sent.
pub fn open(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("cannot connect");
    stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
    stream.set_nodelay(true).expect("nodelay");
    stream
}

/// A packet with this code.
pub fn packet(code: u32, rest: &[u8]) -> Vec<u8> {
    let length = u32::try_from(8 + rest.len()).expect("short");
    [&length.to_be_bytes()[..], &code.to_be_bytes(), rest].concat()
}

/// A startup packet of this version.
pub fn startup(version: u32, parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut rest = Vec::new();
    for (name, value) in parameters {
        rest.extend(name.bytes().chain([0]).chain(value.bytes()).chain([0]));
    }
    rest.push(0);
    packet(version, &rest)
}

/// What comes until the connection is closed or ready for a query; a reset is a close.
pub fn answer(stream: &mut impl Read) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until && !all.ends_with(b"Z\0\0\0\x05I") {
        match stream.read(&mut buffer) {
            Ok(0) => return all,
            Ok(count) => all.extend_from_slice(&buffer[..count]),
            Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => {
                panic!("neither an answer nor an end after {all:?}")
            }
            Err(_) => return all,
        }
    }
    all
}

/// Sends these bytes at once; what comes.
pub fn ask(port: u16, bytes: &[u8]) -> Vec<u8> {
    let mut stream = open(port);
    stream.write_all(bytes).expect("write");
    answer(&mut stream)
}

/// Sends packets one by one, with a byte of answer after each but the last; all that comes.
pub fn ask_in_turn(port: u16, packets: &[&[u8]]) -> Vec<u8> {
    let mut stream = open(port);
    let mut all = Vec::new();
    let (last, first) = packets.split_last().expect("packets");
    for packet in first {
        stream.write_all(packet).expect("write");
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("one byte");
        all.extend(byte);
    }
    stream.write_all(last).expect("write");
    all.extend(answer(&mut stream));
    all
}

/// The messages of an answer, readable; keys for cancelling are replaced by their length.
pub fn messages(mut bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    while let [tag, a, b, c, d, rest @ ..] = bytes {
        let length = (u32::from_be_bytes([*a, *b, *c, *d]) as usize).checked_sub(4).expect("a length");
        assert!(length <= rest.len(), "cut short: {}", String::from_utf8_lossy(bytes));
        let (body, next) = rest.split_at(length);
        let text = if *tag == b'K' { format!("{length} bytes") } else { body.escape_ascii().to_string() };
        found.push(format!("{} {text}", char::from(*tag)));
        bytes = next;
    }
    assert!(bytes.is_empty(), "{bytes:?}");
    found
}

/// One field of an ErrorResponse in an answer.
pub fn field(answer: &[u8], code: char) -> Option<String> {
    let messages = messages(answer);
    let error = messages.iter().find_map(|message| message.strip_prefix("E "))?;
    error.split("\\x00").find_map(|field| field.strip_prefix(code).map(str::to_owned))
}

/// The client side of TLS that trusts this authority (PEM) and offers these protocols.
pub fn tls_client(authority: &str, protocols: &[&str]) -> Arc<ClientConfig> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).expect("PEM")).expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

/// A handshake that has not begun.
pub fn handshake(config: &Arc<ClientConfig>) -> ClientConnection {
    let name = ServerName::try_from("localhost").expect("a name");
    ClientConnection::new(Arc::clone(config), name).expect("a client")
}

/// TLS from the first byte on.
pub fn encrypted(port: u16, config: &Arc<ClientConfig>) -> StreamOwned<ClientConnection, TcpStream> {
    StreamOwned::new(handshake(config), open(port))
}

/// TLS after an SSLRequest.
pub fn encrypted_on_request(port: u16, config: &Arc<ClientConfig>) -> StreamOwned<ClientConnection, TcpStream> {
    let mut stream = open(port);
    stream.write_all(&SSL_REQUEST).expect("write");
    let mut byte = [0];
    stream.read_exact(&mut byte).expect("one byte");
    assert_eq!(&byte, b"S");
    StreamOwned::new(handshake(config), stream)
}

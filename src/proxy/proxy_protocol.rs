//! Whom a load balancer connects for: the header of the PROXY protocol, read from those networks only that the
//! configuration trusts, and to its exact end, so that TLS can follow.

use std::io;
use std::net::IpAddr;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::stream::Stream;
use crate::config::network::ProxyProtocol;
use crate::wire::body::Malformed;
use crate::wire::proxy_header::{self, BINARY, BINARY_HEAD, MAX_TEXT, Origin, TEXT};

/// Why a connection cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// The connection failed, or was closed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// There should be a header.
    #[error("no PROXY protocol header from a network that must send one")]
    Missing,
    /// What begins as a header is none.
    #[error("malformed PROXY protocol header")]
    Malformed(#[from] Malformed),
}

/// The client's address: the one that a trusted peer tells, or that of the connection.
///
/// # Errors
/// A header is missing or malformed, or the connection fails.
pub async fn client_address(
    stream: &mut Stream,
    peer: Option<IpAddr>,
    trusted: Option<&ProxyProtocol>,
) -> Result<Option<IpAddr>, HeaderError> {
    let (Stream::Tcp(socket), Some(address), Some(trusted)) = (stream, peer, trusted) else { return Ok(peer) };
    if !trusted.trusts(address) {
        return Ok(peer);
    }
    let mut first = [0];
    if socket.peek(&mut first).await? == 0 {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    // Neither a startup packet nor TLS begins like one of these.
    let origin = match first {
        [b'P'] => read_text(socket).await?,
        [b'\r'] => read_binary(socket).await?,
        _ if trusted.required => return Err(HeaderError::Missing),
        _ => return Ok(peer),
    };
    tracing::debug!(%address, ?origin, "PROXY protocol header");
    Ok(match origin {
        Origin::Sender => peer,
        Origin::Client(client) => Some(client),
        Origin::Local => None,
    })
}

/// Byte by byte, since nothing tells the length beforehand and what follows is not ours to take.
async fn read_text(socket: &mut TcpStream) -> Result<Origin, HeaderError> {
    let mut header = Vec::with_capacity(MAX_TEXT);
    while header.last() != Some(&b'\n') {
        if header.len() == MAX_TEXT || !TEXT.starts_with(header.get(..TEXT.len()).unwrap_or(&header)) {
            return Err(Malformed.into());
        }
        header.push(socket.read_u8().await?);
    }
    Ok(proxy_header::text(&header)?)
}

async fn read_binary(socket: &mut TcpStream) -> Result<Origin, HeaderError> {
    let mut head = [0; BINARY_HEAD];
    let (signature, others) = head.split_at_mut(BINARY.len());
    socket.read_exact(signature).await?;
    if signature != BINARY {
        return Err(Malformed.into());
    }
    socket.read_exact(others).await?;
    let mut rest = vec![0; proxy_header::binary_rest(&head)?];
    socket.read_exact(&mut rest).await?;
    Ok(proxy_header::binary(&head, &rest)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    /// What is made of these bytes when they come in small pieces, and what is left to be read then.
    async fn received(bytes: &[u8], required: bool) -> (Result<Option<IpAddr>, HeaderError>, Vec<u8>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (socket, peer) = listener.accept().await.unwrap();
        client.set_nodelay(true).unwrap();
        let bytes = bytes.to_vec();
        let writing = tokio::spawn(async move {
            for piece in bytes.chunks(5) {
                client.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        let mut stream = Stream::Tcp(socket);
        let trusted = ProxyProtocol { from: vec!["127.0.0.0/8".parse().unwrap()], required };
        let found = client_address(&mut stream, Some(peer.ip()), Some(&trusted)).await;
        writing.await.unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        (found, rest)
    }

    #[tokio::test]
    async fn headers_end_where_they_end() {
        let (found, rest) = received(b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2\r\n\0\0\0\x08", true).await;
        assert_eq!((found.unwrap(), &rest[..]), ("192.0.2.7".parse().ok(), &b"\0\0\0\x08"[..]));
        let binary = [&BINARY[..], &[0x21, 0x11, 0, 14, 192, 0, 2, 7, 10, 0, 0, 1, 0, 1, 0, 2, 4, 0], b"rest"].concat();
        let (found, rest) = received(&binary, true).await;
        assert_eq!((found.unwrap(), &rest[..]), ("192.0.2.7".parse().ok(), &b"rest"[..]));
    }

    #[tokio::test]
    async fn a_header_may_be_left_out_where_it_need_not_be_there() {
        let (found, rest) = received(b"\0\0\0\x08", false).await;
        assert_eq!((found.unwrap(), rest.len()), ("127.0.0.1".parse().ok(), 4));
        assert!(matches!(received(b"\0\0\0\x08", true).await.0, Err(HeaderError::Missing)));
        assert!(matches!(received(b"POST / HTTP/1.1\r\n", false).await.0, Err(HeaderError::Malformed(_))));
        assert!(matches!(received(b"\r\n\r\n and so on", false).await.0, Err(HeaderError::Malformed(_))));
        assert!(matches!(received(b"PROXY TCP4", true).await.0, Err(HeaderError::Io(_))));
    }
}

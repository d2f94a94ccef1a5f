//! One end of a connection, with or without TLS, and reading it message by message while a session is set up.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsStream;

use crate::wire::frame::Header;

/// Messages before ReadyForQuery are small.
const MAX_LOGIN_MESSAGE: usize = 1 << 20;

/// A connected socket.
#[derive(Debug)]
pub enum Stream {
    /// TCP.
    Tcp(TcpStream),
    /// Unix socket.
    Unix(UnixStream),
    /// TLS over TCP, in either role.
    Tls(Box<TlsStream<TcpStream>>),
}

macro_rules! each {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Self::Tcp($stream) => $call,
            Self::Unix($stream) => $call,
            Self::Tls($stream) => $call,
        }
    };
}

impl AsyncRead for Stream {
    #[inline]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    #[inline]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, stream => Pin::new(stream).poll_write(cx, bytes))
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}

impl Stream {
    /// Whether the bytes are encrypted.
    pub const fn encrypted(&self) -> bool {
        matches!(self, Self::Tls(_))
    }
}

/// A stream that is read message by message. Reading is cancel safe: what has come stays in the buffer.
#[derive(Debug)]
pub struct Messages {
    /// The stream.
    pub stream: Stream,
    buffer: BytesMut,
}

impl Messages {
    /// Over a stream of which nothing has been read ahead.
    pub fn new(stream: Stream) -> Self {
        Self { stream, buffer: BytesMut::new() }
    }

    /// The next whole message, header included; none at the end of the stream.
    ///
    /// # Errors
    /// The stream fails, ends within a message, or holds what cannot be a message.
    pub async fn next(&mut self) -> io::Result<Option<BytesMut>> {
        loop {
            if let Some(header) = Header::read(&self.buffer).map_err(io::Error::other)? {
                if header.total() > MAX_LOGIN_MESSAGE {
                    return Err(io::Error::other("login message is too large"));
                }
                if self.buffer.len() >= header.total() {
                    return Ok(Some(self.buffer.split_to(header.total())));
                }
            }
            self.buffer.reserve(1024);
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return if self.buffer.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
        }
    }

    /// Sends bytes at once.
    ///
    /// # Errors
    /// The stream fails.
    pub async fn send(&mut self, mut bytes: impl Buf) -> io::Result<()> {
        self.stream.write_all_buf(&mut bytes).await?;
        self.stream.flush().await
    }

    /// The stream, and what was read ahead of it.
    pub fn into_parts(self) -> (Stream, BytesMut) {
        (self.stream, self.buffer)
    }
}

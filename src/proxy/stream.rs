//! One end of a connection, with or without TLS, and reading it message by message while a session is set up.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
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
    /// Moves the socket to the runtime that this is called on, from whichever it was on before.
    ///
    /// # Errors
    /// The system has no descriptor left.
    pub fn move_here(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => move_tcp(stream),
            Self::Tls(stream) => move_tcp(stream.get_mut().0),
            Self::Unix(stream) => {
                let same = stream.as_fd().try_clone_to_owned()?;
                *stream = UnixStream::from_std(same.into())?;
                Ok(())
            }
        }
    }

    /// Our end of it; none for a unix socket.
    pub fn local_address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(stream) => stream.local_addr().ok(),
            Self::Tls(stream) => stream.get_ref().0.local_addr().ok(),
            Self::Unix(_) => None,
        }
    }

    /// Whether the bytes are encrypted.
    pub const fn encrypted(&self) -> bool {
        matches!(self, Self::Tls(_))
    }
}

/// A second descriptor of the same socket is registered here, and the first one is closed.
fn move_tcp(stream: &mut TcpStream) -> io::Result<()> {
    let same = stream.as_fd().try_clone_to_owned()?;
    *stream = TcpStream::from_std(same.into())?;
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use tokio::net::TcpListener;
    use tokio::runtime::{Builder, Runtime};

    /// Runs a future on a thread and a runtime of its own, which stay until the future is done.
    fn elsewhere<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
        let run = move || current_thread().block_on(future);
        std::thread::spawn(run).join().unwrap()
    }

    fn current_thread() -> Runtime {
        Builder::new_current_thread().enable_all().build().unwrap()
    }

    async fn exchange(stream: &mut Stream, peer: &mut TcpStream, text: &[u8]) {
        let mut seen = vec![0; text.len()];
        stream.write_all(text).await.unwrap();
        peer.read_exact(&mut seen).await.unwrap();
        assert_eq!(seen, text);
        let mut answer = pin!(stream.read_exact(&mut seen));
        // The reader waits first, so that only an event on the new thread can wake it.
        tokio::select! {
            biased;
            _ = &mut answer => panic!("nothing was sent"),
            () = tokio::task::yield_now() => {}
        }
        peer.write_all(text).await.unwrap();
        answer.await.unwrap();
        assert_eq!(seen, text);
    }

    #[test]
    fn a_stream_goes_on_where_it_is_moved() {
        let first = current_thread();
        let (stream, peer) = first.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (mut stream, mut peer) = (Stream::Tcp(listener.accept().await.unwrap().0), peer);
            exchange(&mut stream, &mut peer, b"here").await;
            (stream, peer.into_std().unwrap())
        });
        drop(elsewhere(async move {
            let (mut stream, mut peer) = (stream, TcpStream::from_std(peer).unwrap());
            stream.move_here().unwrap();
            // The runtime that it came from is not needed any more.
            first.shutdown_background();
            exchange(&mut stream, &mut peer, b"there").await;
            stream
        }));
    }
}

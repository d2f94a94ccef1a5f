//! One thread with a runtime of its own for each processor, and every session on one of them for life.
//!
//! Chosen: a session's two sockets, its buffers and its task stay on one thread, so that no reply wakes a second one up. Given
//! up: work stealing. A statement that takes the engine long to understand for the first time holds up the sessions on
//! the same thread; the caps on the token stream keep that to milliseconds.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::{Builder, Handle};

use super::stream::Stream;

/// The threads that sessions run on. They live as long as the process.
#[derive(Debug)]
pub struct Workers {
    runtimes: Vec<Handle>,
    next: AtomicUsize,
}

/// A socket on its way to another thread.
#[derive(Debug)]
pub enum Parcel {
    /// TCP.
    Tcp(std::net::TcpStream),
    /// Unix socket.
    Unix(std::os::unix::net::UnixStream),
}

impl Workers {
    /// Starts a thread for each processor.
    ///
    /// # Errors
    /// The system has no thread or no descriptor left.
    pub fn start(stack_bytes: usize) -> io::Result<Self> {
        let count = thread::available_parallelism().map_or(1, |count| count.get());
        let runtimes = (0..count).map(|number| start_one(number, stack_bytes)).collect::<io::Result<_>>()?;
        Ok(Self { runtimes, next: AtomicUsize::new(0) })
    }

    /// The thread for the next session; they take turns.
    pub fn next(&self) -> Handle {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        match self.runtimes.get(turn % self.runtimes.len().max(1)) {
            Some(handle) => handle.clone(),
            None => Handle::current(),
        }
    }
}

fn start_one(number: usize, stack_bytes: usize) -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new()
        .name(format!("sessions-{number}"))
        .stack_size(stack_bytes)
        .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
    Ok(handle)
}

impl Parcel {
    /// Takes a socket off the runtime that accepted it.
    ///
    /// # Errors
    /// The system refuses, or the stream is encrypted already.
    pub fn pack(stream: Stream) -> io::Result<Self> {
        match stream {
            Stream::Tcp(stream) => stream.into_std().map(Self::Tcp),
            Stream::Unix(stream) => stream.into_std().map(Self::Unix),
            Stream::Tls(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Puts it on the runtime that this is called on.
    ///
    /// # Errors
    /// The system refuses.
    pub fn unpack(self) -> io::Result<Stream> {
        match self {
            Self::Tcp(stream) => TcpStream::from_std(stream).map(Stream::Tcp),
            Self::Unix(stream) => UnixStream::from_std(stream).map(Stream::Unix),
        }
    }
}

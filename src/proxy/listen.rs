//! Where clients connect: TCP addresses and unix sockets.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, UnixListener, UnixStream};

use super::connect;
use super::stream::Stream;
use crate::config::Listen;

/// Port in the name of a unix socket when no TCP listener gives one.
const DEFAULT_PORT: u16 = 6432;

const BACKLOG: i32 = 4096;

/// One bound listener.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// A unix socket, and its file.
    Unix(UnixListener, PathBuf),
}

impl std::fmt::Display for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(listener) => match listener.local_addr() {
                Ok(address) => write!(f, "{address}"),
                Err(_) => f.write_str("an address that is gone"),
            },
            Self::Unix(_, path) => write!(f, "{}", path.display()),
        }
    }
}

/// Binds all listeners, or none: TCP first, since a unix socket is named after the first port, which the system may have
/// chosen.
///
/// # Errors
/// An address or a path is taken or not ours to use.
pub async fn bind(listen: &[Listen]) -> io::Result<Vec<Listener>> {
    let mut bound = Vec::new();
    for address in listen.iter().filter_map(Listen::tcp) {
        bound.push(Listener::Tcp(bind_tcp(address).map_err(|error| named(&address, &error))?));
    }
    let port = bound.first().and_then(Listener::address).map_or(DEFAULT_PORT, |address| address.port());
    for directory in listen.iter().filter_map(Listen::unix) {
        let path = directory.join(format!(".s.PGSQL.{port}"));
        let listener = bind_unix(&path).await.map_err(|error| named(&path.display(), &error))?;
        bound.push(Listener::Unix(listener, path));
    }
    Ok(bound)
}

fn named(what: &dyn std::fmt::Display, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot listen on {what}: {error}"))
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

async fn bind_unix(path: &PathBuf) -> io::Result<UnixListener> {
    // A file that nobody answers on is left from a process that did not end well.
    if path.exists() && UnixStream::connect(path).await.is_err() {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777))?;
    Ok(listener)
}

impl Listener {
    /// The next client, and its address.
    ///
    /// # Errors
    /// The process has no descriptors left, or the client is gone already.
    pub async fn accept(&self) -> io::Result<(Stream, Option<IpAddr>)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                connect::tune(&stream);
                Ok((Stream::Tcp(stream), Some(address.ip().to_canonical())))
            }
            Self::Unix(listener, _) => Ok((Stream::Unix(listener.accept().await?.0), None)),
        }
    }

    /// The address in use, for TCP: tells the port where the system chose it.
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(..) => None,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            let _ = std::fs::remove_file(path);
        }
    }
}

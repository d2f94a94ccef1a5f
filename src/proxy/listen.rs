//! Where clients connect: TCP addresses and unix sockets.
//!
//! Where another process may listen in the same place, ending is a matter of care: the system has promised connections to
//! this process that it has not accepted yet, and would reset them.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, Protocol, SockFilter, SockRef, Socket, Type};
use tokio::net::{TcpListener, UnixListener, UnixStream};

use super::connect;
use super::stream::Stream;
use crate::config::network::Tcp;
use crate::config::{Config, Listen};

/// Port in the name of a unix socket when no TCP listener gives one.
const DEFAULT_PORT: u16 = 6432;

const BACKLOG: i32 = 4096;

/// How long connections may still come about that were begun before the end: a few round trips.
const LINGER: Duration = Duration::from_millis(500);

/// One bound listener.
#[derive(Debug)]
pub struct Listener {
    socket: Socketed,
    tcp: Tcp,
    /// Another process may listen in the same place.
    shared: bool,
}

#[derive(Debug)]
enum Socketed {
    Tcp(TcpListener),
    /// A unix socket, and its file.
    Unix(UnixListener, File),
    Abstract(UnixListener, String),
}

/// The file of a unix socket. It is removed at the end, unless another process has put its own there.
#[derive(Debug)]
struct File {
    path: PathBuf,
    identity: Option<(u64, u64)>,
}

impl std::fmt::Display for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.socket {
            Socketed::Tcp(listener) => match listener.local_addr() {
                Ok(address) => write!(f, "{address}"),
                Err(_) => f.write_str("an address that is gone"),
            },
            Socketed::Unix(_, file) => write!(f, "{}", file.path.display()),
            Socketed::Abstract(_, name) => write!(f, "@{name}"),
        }
    }
}

/// Binds all listeners, or none: TCP first, since a unix socket is named after the first port, which the system may have
/// chosen.
///
/// # Errors
/// An address or a path is taken or not ours to use.
pub async fn bind(config: &Config) -> io::Result<Vec<Listener>> {
    let (tcp, shared) = (config.tcp, config.reuse_port);
    let listener = |socket| Listener { socket, tcp, shared };
    let mut bound = Vec::new();
    for address in config.listen.iter().filter_map(Listen::tcp) {
        let socket = bind_tcp(address, shared).map_err(|error| named(&address, &error))?;
        bound.push(listener(Socketed::Tcp(TcpListener::from_std(socket.into())?)));
    }
    let port = bound.first().and_then(Listener::address).map_or(DEFAULT_PORT, |address| address.port());
    for listen in &config.listen {
        match listen {
            Listen::Tcp(_) => {}
            Listen::Unix(directory) => {
                let path = directory.join(format!(".s.PGSQL.{port}"));
                let socket = bind_unix(&path, shared).await.map_err(|error| named(&path.display(), &error))?;
                bound.push(listener(Socketed::Unix(socket, File { identity: identity(&path), path })));
            }
            Listen::Abstract(name) => {
                let name = format!("{name}/.s.PGSQL.{port}");
                let socket = bind_abstract(&name).map_err(|error| named(&format!("@{name}"), &error))?;
                bound.push(listener(Socketed::Abstract(socket, name)));
            }
        }
    }
    Ok(bound)
}

fn named(what: &dyn std::fmt::Display, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot listen on {what}: {error}"))
}

/// A listening TCP socket; `shared` lets other processes of the same account listen on the address as well.
///
/// # Errors
/// The address is taken or not ours to use.
pub fn bind_tcp(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

async fn bind_unix(path: &Path, shared: bool) -> io::Result<UnixListener> {
    if !shared {
        // A file that nobody answers on is left from a process that did not end well.
        if path.exists() && UnixStream::connect(path).await.is_err() {
            std::fs::remove_file(path)?;
        }
        return bind_open(path);
    }
    // In one step, so that there is a socket at any moment.
    let draft = path.with_extension(format!("{}.new", std::process::id()));
    let _ = std::fs::remove_file(&draft);
    let listener = bind_open(&draft)?;
    std::fs::rename(&draft, path)?;
    Ok(listener)
}

/// A socket that everybody may connect to: who is let in is not decided by the file.
fn bind_open(path: &Path) -> io::Result<UnixListener> {
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777))?;
    Ok(listener)
}

fn bind_abstract(name: &str) -> io::Result<UnixListener> {
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
    let listener = std::os::unix::net::UnixListener::bind_addr(&address)?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

impl Listener {
    /// The next client, and its address.
    ///
    /// # Errors
    /// The process has no descriptors left, or the client is gone already.
    pub async fn accept(&self) -> io::Result<(Stream, Option<IpAddr>)> {
        match &self.socket {
            Socketed::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                connect::tune(&stream, &self.tcp);
                Ok((Stream::Tcp(stream), Some(address.ip().to_canonical())))
            }
            Socketed::Unix(listener, _) | Socketed::Abstract(listener, _) => {
                Ok((Stream::Unix(listener.accept().await?.0), None))
            }
        }
    }

    /// Begins to leave the place to another process: no new connections are begun with this one. Returns how long those
    /// that were begun before may still come out of [`Listener::accept`]; zero where nobody else can serve them.
    pub fn hand_over(&self) -> Duration {
        if !self.shared {
            return Duration::ZERO;
        }
        match &self.socket {
            // The system spreads connections over all listeners of an address. One that does not answer the first packet
            // of a connection gets no more of them: the client repeats it a second later, when this socket is gone.
            Socketed::Tcp(listener) => match SockRef::from(listener).attach_filter(&NO_NEW_CONNECTIONS) {
                Ok(()) => LINGER,
                // Newer kernels want CAP_NET_ADMIN for this, which nobody should give to a proxy.
                Err(error) => {
                    if !system_hands_over() {
                        tracing::warn!(
                            %error,
                            "connections may be reset while another process takes over (sysctl net.ipv4.tcp_migrate_req=1 prevents it)"
                        );
                    }
                    Duration::ZERO
                }
            },
            Socketed::Unix(..) | Socketed::Abstract(..) => LINGER,
        }
    }

    /// The address in use, for TCP: tells the port where the system chose it.
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socketed::Tcp(listener) => listener.local_addr().ok(),
            Socketed::Unix(..) | Socketed::Abstract(..) => None,
        }
    }
}

/// A program for the system's packet filter: drops packets that begin a connection, and passes all others.
const NO_NEW_CONNECTIONS: [SockFilter; 4] = [
    // Load the byte with the flags of the TCP header.
    SockFilter::new(0x30, 0, 0, 13),
    // Skip one instruction unless SYN is set.
    SockFilter::new(0x45, 0, 1, 0x02),
    SockFilter::new(0x06, 0, 0, 0),
    SockFilter::new(0x06, 0, 0, u32::MAX),
];

/// Whether the system gives what a listener leaves behind to another one of the same address.
fn system_hands_over() -> bool {
    std::fs::read_to_string("/proc/sys/net/ipv4/tcp_migrate_req").is_ok_and(|setting| setting.trim() == "1")
}

/// Device and number of a file.
fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::symlink_metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

impl Drop for File {
    fn drop(&mut self) {
        if self.identity.is_some() && identity(&self.path) == self.identity {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file::read;
    use crate::model::source::SourceFile;
    use tokio::net::TcpStream;
    use tokio::time::timeout;

    async fn bound(listen: &str) -> io::Result<Vec<Listener>> {
        let text = format!("upstream: {{host: db}}\nreuse_port: true\nlisten: ['{listen}']\n");
        let (config, problems) = read(&SourceFile::new("/pgcovenant.yaml", &text));
        assert!(problems.is_empty(), "{problems:?}");
        bind(&config.unwrap()).await
    }

    /// The system has given connections to the old listener before, and would go on to.
    #[tokio::test]
    async fn a_listener_that_hands_over_gets_no_new_connections_and_loses_none() {
        let old = bound("127.0.0.1:0").await.unwrap().remove(0);
        let address = old.address().unwrap();
        let _before = TcpStream::connect(address).await.unwrap();
        let new = bound(&address.to_string()).await.unwrap().remove(0);
        let lingers = old.hand_over();
        if lingers.is_zero() && std::fs::metadata("/proc/self").unwrap().uid() != 0 {
            eprintln!("left out: this kernel keeps filters to CAP_NET_ADMIN");
            return;
        }
        assert_eq!(lingers, LINGER);
        assert!(timeout(LINGER, old.accept()).await.is_ok(), "what was promised is kept");
        let clients: Vec<_> = (0..32).map(|_| tokio::spawn(TcpStream::connect(address))).collect();
        let mut accepted = Vec::new();
        while let Ok(client) = timeout(LINGER, new.accept()).await {
            accepted.push(client.unwrap());
        }
        assert!(timeout(Duration::ZERO, old.accept()).await.is_err(), "a new connection");
        assert!(accepted.len() < clients.len(), "none was meant for the old listener, which is as likely as a miracle");
        drop(old);
        while accepted.len() < clients.len() {
            accepted.push(timeout(Duration::from_secs(10), new.accept()).await.unwrap().unwrap());
        }
        for client in clients {
            client.await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn a_socket_is_replaced_in_one_step_and_removed_by_its_last_owner() {
        let folder = tempfile::tempdir().unwrap();
        let listen = format!("unix:{}", folder.path().display());
        let path = folder.path().join(".s.PGSQL.6432");
        let old = bound(&listen).await.unwrap().remove(0);
        let _before = UnixStream::connect(&path).await.unwrap();
        let new = bound(&listen).await.unwrap().remove(0);
        let _after = UnixStream::connect(&path).await.unwrap();
        for listener in [&old, &new] {
            assert!(timeout(LINGER, listener.accept()).await.is_ok());
        }
        drop(old);
        let _later = UnixStream::connect(&path).await.unwrap();
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "nothing else is left");
        drop(new);
        assert!(!path.exists());
    }
}

//! The end of the socket that systemd has: what a service tells it.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use tempfile::TempDir;

/// A socket as `NOTIFY_SOCKET` names one.
pub struct Notified {
    socket: UnixDatagram,
    folder: TempDir,
}

impl Notified {
    /// One that waits for up to twenty seconds.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("tempdir");
        let socket = UnixDatagram::bind(folder.path().join("notify")).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        Self { socket, folder }
    }

    /// What the service finds in its environment.
    pub fn variable(&self) -> (String, String) {
        ("NOTIFY_SOCKET".to_owned(), self.folder.path().join("notify").display().to_string())
    }

    /// What it says next.
    pub fn next(&self) -> String {
        let mut buffer = [0; 256];
        let count = self.socket.recv(&mut buffer).expect("something that the service says");
        String::from_utf8_lossy(&buffer[..count]).into_owned()
    }
}

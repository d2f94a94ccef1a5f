//! Cancel requests: passed to the server as they came. Sessions keep the server's own process numbers and secrets, so
//! any process in front of the same server can pass on a cancel for any session.
//!
//! Each costs the server a process for a moment, and anybody may ask: so only some are on their way at once, and those who
//! wait do not take the places of clients that log in.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;

use super::connect::Dialer;

/// On their way to the server at once.
const AT_ONCE: usize = 16;

/// Waiting for that; more are dropped.
const WAITING: usize = 1024;

/// Where cancel requests queue.
#[derive(Debug)]
pub struct Cancels {
    under_way: Semaphore,
    waiting: Semaphore,
}

impl Default for Cancels {
    fn default() -> Self {
        Self { under_way: Semaphore::new(AT_ONCE), waiting: Semaphore::new(WAITING) }
    }
}

impl Cancels {
    /// Passes on what a stranger has sent, who is told nothing but that it is done: the connection closes.
    ///
    /// # Errors
    /// Too many wait already, or the server cannot be reached.
    pub async fn pass_on(&self, dialer: &Dialer, packet: &[u8]) -> io::Result<()> {
        let _place = self.waiting.try_acquire().map_err(io::Error::other)?;
        self.send(dialer, packet).await
    }

    /// Sends a CancelRequest when its turn has come, and waits until the server has dealt with it, which it says by
    /// closing the connection.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub async fn send(&self, dialer: &Dialer, packet: &[u8]) -> io::Result<()> {
        let _turn = self.under_way.acquire().await.map_err(io::Error::other)?;
        let sending = async {
            let mut server = dialer.connect().await?;
            server.write_all(packet).await?;
            server.flush().await?;
            // The answer is the end of the stream; what comes before it, an error of TLS included, changes nothing.
            let _ = server.read(&mut [0; 64]).await;
            Ok(())
        };
        tokio::time::timeout(dialer.limit(), sending).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

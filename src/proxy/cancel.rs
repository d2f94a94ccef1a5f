//! Cancel requests: passed to the server as they came. Sessions keep the server's own process numbers and secrets, so
//! any process in front of the same server can pass on a cancel for any session.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::connect::Dialer;

/// Passes a CancelRequest on and waits until the server has dealt with it, which it says by closing the connection.
///
/// # Errors
/// The server cannot be reached.
pub async fn pass_on(dialer: &Dialer, packet: &[u8]) -> io::Result<()> {
    let mut server = dialer.connect().await?;
    server.write_all(packet).await?;
    server.flush().await?;
    // The answer is the end of the stream; what comes before it, an error of TLS included, changes nothing.
    let _ = server.read(&mut [0; 64]).await;
    Ok(())
}

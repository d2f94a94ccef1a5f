//! Startup packets that the server is going to refuse: it does so itself, so that clients read its own words, which differ
//! from version to version. Nothing but a refusal comes back on this way.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::connect::Dialer;
use super::handshake;
use super::session::Fatal;
use super::stream::Stream;

/// No refusal is longer.
const MAX_REFUSAL: u64 = 16 * 1024;

/// What a client is told while there is no server: the condition that makes those with several hosts try the next one.
pub fn unreachable() -> Fatal {
    Fatal::new("57P03", "the database server behind the proxy cannot be reached")
}

/// Shows the packet to the server and hands its refusal on. Where the server does not refuse, the connection just ends.
///
/// # Errors
/// A connection fails.
pub async fn in_the_servers_words(mut client: Stream, packet: &[u8], dialer: &Dialer) -> io::Result<()> {
    let Ok(mut server) = dialer.connect().await else {
        return handshake::turn_away(client, unreachable()).await.map(|_| ());
    };
    server.write_all(packet).await?;
    server.flush().await?;
    let mut refusal = Vec::new();
    server.take(MAX_REFUSAL).read_to_end(&mut refusal).await?;
    // A refusal in the form of older versions of the protocol begins in the same way.
    if refusal.first() == Some(&b'E') {
        client.write_all(&refusal).await?;
    }
    client.shutdown().await
}

//! SCRAM-SHA-256 (RFC 5802, RFC 7677) in both roles, without any I/O.
//!
//! Towards the client we are the server: [`server`] checks a proof against a stored [`verifier`], which also gives away the
//! client's key. Towards the server we are the client: [`client`] proves that key. So a password is neither stored nor
//! seen. [`messages`] reads what clients send as strictly as PostgreSQL, and complains in its words.

pub mod client;
pub mod keys;
pub mod messages;
pub mod server;
pub mod verifier;

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom as _, SystemRandom};

/// The mechanism.
pub const SCRAM: &[u8] = b"SCRAM-SHA-256";

/// The mechanism with binding to the TLS channel.
pub const SCRAM_PLUS: &[u8] = b"SCRAM-SHA-256-PLUS";

/// The only kind of channel binding that PostgreSQL knows: the hash of the server's certificate.
pub const BINDING_KIND: &str = "tls-server-end-point";

/// Random bytes of a nonce, as many as PostgreSQL takes.
const NONCE_BYTES: usize = 18;

/// A fresh nonce in printable form.
fn nonce() -> io::Result<String> {
    let mut bytes = [0; NONCE_BYTES];
    fill_randomly(&mut bytes)?;
    Ok(STANDARD.encode(bytes))
}

fn fill_randomly(bytes: &mut [u8]) -> io::Result<()> {
    SystemRandom::new().fill(bytes).map_err(|_| io::Error::other("no random bytes"))
}

#[cfg(test)]
mod tests;

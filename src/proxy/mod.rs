//! Sockets and tasks: one client, one server connection.
//!
//! One task serves one session and polls both directions ([`relay`]); there is no channel between them. What a message
//! means is decided without any I/O: [`client_side`] and [`server_side`] walk over the bytes that were read,
//! [`extended`] remembers which replies are due, [`judge`] asks the engine, and [`outbox`] is the only way to the
//! server: it takes SQL only together with the engine's permission.

pub mod server;
pub mod shared;
mod admit;
pub mod listen;
pub mod stream;
pub mod tls;
mod workers;
pub mod certificate;
pub mod identity;
pub mod connect;
pub mod proxy_protocol;
pub mod handshake;
pub mod refuse;
pub mod limits;
pub mod auth;
pub mod cancel;
pub mod session;
pub mod pulse;
pub mod judge;
pub mod extended;
pub mod splice;
pub mod outbox;
pub mod again;
mod in_sql;
pub mod client_side;
mod statements;
pub mod server_side;
pub mod relay;
pub mod replication;
pub mod health;

#[cfg(test)]
mod tests;

//! What the server says between accepting the client and being ready.

use std::io;

use bytes::BytesMut;

use super::LoginError;
use super::hops::{Hops, server_gone, split};
use crate::proxy::session::Pins;
use crate::wire::backend::{self, Status};
use crate::wire::cancel_key::CancelKey;

/// The messages, and what is to be known of them.
#[derive(Debug)]
pub(super) struct Greeting {
    pub greeting: BytesMut,
    pub pins: Pins,
    pub status: Status,
    pub key: Option<CancelKey>,
}

/// What came of a client that was accepted.
pub(super) enum Greeted {
    /// A session can begin.
    Ready(Greeting),
    /// The server has thought better of it, a login trigger for instance: all that it has said since, its error last.
    Ended(BytesMut),
}

/// Collects the messages from `accepted`, the server's AuthenticationOk, to ReadyForQuery.
pub(super) async fn collect(hops: &mut Hops<'_>, accepted: BytesMut) -> Result<Greeted, LoginError> {
    let mut greeting = accepted;
    let mut pins = Pins { utf8: false, standard_strings: false };
    let mut key = None;
    loop {
        let Some(message) = hops.server.next().await? else { return Err(server_gone()) };
        let (tag, body) = split(&message);
        match tag {
            b'S' => {
                let (name, value) = backend::parameter_status(body).map_err(io::Error::other)?;
                pins.note(name, value);
            }
            b'K' => key = Some(backend::backend_key(body).map_err(io::Error::other)?),
            b'E' => {
                greeting.extend_from_slice(&message);
                return Ok(Greeted::Ended(greeting));
            }
            b'Z' => {
                let status = backend::ready_for_query(body).map_err(io::Error::other)?;
                greeting.extend_from_slice(&message);
                return Ok(Greeted::Ready(Greeting { greeting, pins, status, key }));
            }
            _ => {}
        }
        greeting.extend_from_slice(&message);
    }
}

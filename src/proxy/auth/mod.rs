//! Login: the client authenticates to the server, and we stand between them.
//!
//! The server is asked first and always has the last word: what it says to a client that it does not let in is what the
//! client hears. Its requests for passwords in clear, MD5, OAUTHBEARER and the like are passed on ([`log_in`]).
//!
//! SCRAM can bind to the TLS channel, and there are two channels here. How it is carried out (`offer`):
//!
//! * With a stored verifier, an exchange of its own on each hop (`terminate`): the client proves to us that it knows the
//!   password, and gives away by that the key with which we prove it to the server. Each exchange binds to its own
//!   channel. No password is stored, asked for, or seen.
//! * Without verifiers, the messages are passed on where at most one hop is encrypted, with the offer of channel binding
//!   taken out.
//! * With TLS on both hops a client that could bind says so, which the server must take for a downgrade. Without verifiers,
//!   the client is then asked for its password, over TLS, for the one exchange (`password`).

mod greeting;
mod hops;
mod offer;
mod password;
pub mod scram;
pub mod sources;
mod terminate;
pub mod userlist;

pub use password::Hashing;

#[cfg(test)]
mod tests;

use std::io;

use bytes::BytesMut;

use super::session::{Fatal, Pins};
use super::stream::Messages;
use crate::wire::backend::{self, Authentication, Fields, Status};
use crate::wire::cancel_key::CancelKey;
use greeting::{Greeted, Greeting};
use hops::{Hops, split};
use scram::messages::Violation;
use sources::Verifiers;

/// Both connections after the server has accepted the client.
#[derive(Debug)]
pub struct Accepted {
    /// To the client.
    pub client: Messages,
    /// To the server.
    pub server: Messages,
    /// What the server said after accepting, ReadyForQuery included; the client has not seen it yet.
    pub greeting: BytesMut,
    /// Settings among it.
    pub pins: Pins,
    /// Status of the ReadyForQuery.
    pub status: Status,
    /// What cancels the server's work for this session.
    pub key: Option<CancelKey>,
}

/// Who wants in, and what we know about it.
#[derive(Debug)]
pub struct Login<'a> {
    /// The startup packet, which the server gets as it came.
    pub packet: &'a [u8],
    /// The user in it.
    pub user: &'a str,
    /// Where stored verifiers come from.
    pub verifiers: &'a Verifiers,
    /// Where passwords are hashed.
    pub hashing: &'a Hashing,
    /// The hash of our certificate on this very connection, for the client to bind to.
    pub end_point: Option<Vec<u8>>,
    /// A verified certificate of the client that does not stand for this user.
    pub foreign_certificate: bool,
}

/// A session that ended before it began.
#[derive(Debug)]
pub struct Ended {
    /// To the client.
    pub client: Messages,
    /// What the server said after accepting, its error last.
    pub said: BytesMut,
}

/// How a login failed.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// A connection broke.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The server said no, and the client has been told in the server's words.
    #[error("refused by the server")]
    Refused,
    /// The server has accepted the client and then ended the session; the client has not been told yet.
    #[error("ended by the server")]
    Ended(Box<Ended>),
    /// The client left.
    #[error("client left")]
    Left,
    /// The client is told this.
    #[error("{}", .0.message)]
    Told(Fatal),
    /// The client has broken a rule of SCRAM, and is told this.
    #[error("{}", .0.message)]
    Violation(#[from] Violation),
}

/// Carries authentication out until the server is ready.
///
/// # Errors
/// The server refuses, or a connection fails.
pub async fn log_in(mut client: Messages, mut server: Messages, login: &Login<'_>) -> Result<Accepted, LoginError> {
    let mut hops = Hops::new(&mut client, &mut server);
    let error = match exchange(&mut hops, login).await {
        Ok(Greeted::Ended(said)) => return Err(LoginError::Ended(Box::new(Ended { client, said }))),
        Ok(Greeted::Ready(Greeting { greeting, pins, status, key })) => {
            return Ok(Accepted { client, server, greeting, pins, status, key });
        }
        Err(error) => error,
    };
    let mut out = BytesMut::new();
    match &error {
        LoginError::Told(fatal) => fatal.put(&mut out),
        LoginError::Violation(violation) => violation.put(&mut out),
        LoginError::Io(_) | LoginError::Refused | LoginError::Ended(_) | LoginError::Left => return Err(error),
    }
    client.send(out).await?;
    Err(error)
}

async fn exchange(hops: &mut Hops<'_>, login: &Login<'_>) -> Result<Greeted, LoginError> {
    hops.server.send(login.packet).await?;
    loop {
        tokio::select! {
            message = hops.server.next() => {
                let Some(message) = message? else { return Err(hops::server_gone()) };
                let (tag, body) = split(&message);
                match tag {
                    b'R' => match backend::authentication(body).map_err(io::Error::other)? {
                        Authentication::Ok => return greeting::collect(hops, message).await,
                        Authentication::Sasl(mechanisms) => offer::take_up(hops, login, &mechanisms).await?,
                        Authentication::SaslContinue(_) | Authentication::SaslFinal(_) | Authentication::Other(_) => {
                            hops.client.send(message).await?;
                        }
                    },
                    b'E' => return Err(refused(hops, login, message).await?),
                    _ => hops.client.send(message).await?,
                }
            }
            message = hops.client.next() => {
                let Some(message) = message? else { return Err(LoginError::Left) };
                match message.first() {
                    Some(b'p') => hops.server.send(message).await?,
                    Some(b'X') => return Err(LoginError::Left),
                    other => return Err(hops::unexpected("password", other.copied())),
                }
            }
        }
    }
}

/// The server says no. It cannot tell a client with another's certificate from one without any, since it sees neither.
async fn refused(hops: &mut Hops<'_>, login: &Login<'_>, message: BytesMut) -> Result<LoginError, LoginError> {
    let wanted = |(code, text): (u8, &[u8])| code == b'M' && text == b"connection requires a valid client certificate";
    if login.foreign_certificate && Fields::new(split(&message).1).any(wanted) {
        let words = format!("certificate authentication failed for user \"{}\"", login.user);
        return Ok(LoginError::Told(Fatal::new("28000", words)));
    }
    hops.client.send(message).await?;
    Ok(LoginError::Refused)
}

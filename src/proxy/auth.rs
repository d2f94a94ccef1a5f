//! Login: the client authenticates to the server, and we pass the messages on.
//!
//! SCRAM can bind to the TLS channel, and there are two channels here. Relaying is sound while at most one hop is
//! encrypted, with the offer of channel binding taken out. With TLS on both hops a client that could bind says so, which
//! the server must take for a downgrade. There the client is asked for its password, over TLS, and we carry out SCRAM
//! with the server ourselves; the password is kept for the exchange only.

use std::io;

use bytes::{BufMut, Bytes, BytesMut};
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};

use super::session::{Fatal, Pins};
use super::stream::Messages;
use crate::wire::backend::{self, Authentication, Status};
use crate::wire::body::Body;
use crate::wire::cancel_key::CancelKey;
use crate::wire::frame;
use crate::wire::frontend;

const CHANNEL_BINDING: &[u8] = b"SCRAM-SHA-256-PLUS";

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

/// How a login failed.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// A connection broke.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The server said no, and the client has been told in the server's words.
    #[error("refused by the server")]
    Refused,
    /// The client left.
    #[error("client left")]
    Left,
    /// The client is told this.
    #[error("{}", .0.message)]
    Told(Fatal),
}

/// Passes authentication on until the server is ready.
///
/// # Errors
/// The server refuses, or a connection fails.
pub async fn log_in(mut client: Messages, mut server: Messages, packet: &[u8]) -> Result<Accepted, LoginError> {
    match exchange(&mut client, &mut server, packet).await {
        Ok((greeting, pins, status, key)) => Ok(Accepted { client, server, greeting, pins, status, key }),
        Err(LoginError::Told(fatal)) => {
            let mut out = BytesMut::new();
            fatal.put(&mut out);
            client.send(out).await?;
            Err(LoginError::Told(fatal))
        }
        Err(error) => Err(error),
    }
}

/// What the server says after accepting a client, the settings among it, and the status at its end.
type Greeting = (BytesMut, Pins, Status, Option<CancelKey>);

async fn exchange(client: &mut Messages, server: &mut Messages, packet: &[u8]) -> Result<Greeting, LoginError> {
    server.send(packet).await?;
    loop {
        tokio::select! {
            message = server.next() => {
                let Some(message) = message? else { return Err(server_gone()) };
                let (tag, body) = split(&message);
                match tag {
                    b'R' => match backend::authentication(body).map_err(io::Error::other)? {
                        Authentication::Ok => return greet(client, server, message).await,
                        Authentication::Sasl(mechanisms) => offer(client, server, &mechanisms).await?,
                        Authentication::SaslContinue(_) | Authentication::SaslFinal(_) | Authentication::Other(_) => {
                            client.send(message).await?;
                        }
                    },
                    b'E' => {
                        client.send(message).await?;
                        return Err(LoginError::Refused);
                    }
                    _ => client.send(message).await?,
                }
            }
            message = client.next() => {
                let Some(message) = message? else { return Err(LoginError::Left) };
                match message.first() {
                    Some(b'p') => server.send(message).await?,
                    Some(b'X') => return Err(LoginError::Left),
                    _ => return Err(LoginError::Told(Fatal::protocol("expected password response"))),
                }
            }
        }
    }
}

fn split(message: &[u8]) -> (u8, &[u8]) {
    (message.first().copied().unwrap_or_default(), message.get(frame::HEADER..).unwrap_or_default())
}

fn server_gone() -> LoginError {
    LoginError::Told(Fatal::new("08006", "server closed the connection unexpectedly"))
}

/// Passes the offer of SASL mechanisms on as far as it can be taken up.
async fn offer(client: &mut Messages, server: &mut Messages, mechanisms: &[&[u8]]) -> Result<(), LoginError> {
    let scram = mechanisms.iter().any(|name| *name == SCRAM_SHA_256.as_bytes());
    if scram && client.stream.encrypted() && server.stream.encrypted() {
        let password = ask_password(client).await?;
        return prove(server, &password, client).await;
    }
    let mut out = BytesMut::new();
    frame::put(&mut out, b'R', |out| {
        out.put_u32(10);
        for name in mechanisms.iter().filter(|name| **name != CHANNEL_BINDING) {
            out.put_slice(name);
            out.put_u8(0);
        }
        out.put_u8(0);
    });
    client.send(out).await?;
    Ok(())
}

async fn ask_password(client: &mut Messages) -> Result<Bytes, LoginError> {
    let mut out = BytesMut::new();
    frame::put(&mut out, b'R', |out| out.put_u32(3));
    client.send(out).await?;
    let Some(message) = client.next().await? else { return Err(LoginError::Left) };
    let (tag, body) = split(&message);
    let mut body = Body::new(body);
    match (tag, body.c_string(), body.end()) {
        (b'p', Ok(password), Ok(())) => Ok(Bytes::copy_from_slice(password)),
        _ => Err(LoginError::Told(Fatal::protocol("expected password response"))),
    }
}

/// SCRAM with the server, in the client's place. The server's AuthenticationOk is left to be read.
async fn prove(server: &mut Messages, password: &[u8], client: &mut Messages) -> Result<(), LoginError> {
    let mut scram = ScramSha256::new(password, ChannelBinding::unsupported());
    let mut out = BytesMut::new();
    let mut first = BytesMut::new();
    first.put_slice(SCRAM_SHA_256.as_bytes());
    first.put_u8(0);
    first.put_u32(u32::try_from(scram.message().len()).unwrap_or(u32::MAX));
    first.put_slice(scram.message());
    frontend::put_password(&mut out, &first);
    server.send(out).await?;
    loop {
        let Some(message) = server.next().await? else { return Err(server_gone()) };
        let (tag, body) = split(&message);
        if tag == b'E' {
            client.send(message).await?;
            return Err(LoginError::Refused);
        }
        if tag != b'R' {
            client.send(message).await?;
            continue;
        }
        match backend::authentication(body).map_err(io::Error::other)? {
            Authentication::SaslContinue(data) => {
                scram.update(data)?;
                let mut out = BytesMut::new();
                frontend::put_password(&mut out, scram.message());
                server.send(out).await?;
            }
            Authentication::SaslFinal(data) => {
                scram.finish(data)?;
                return Ok(());
            }
            Authentication::Ok | Authentication::Sasl(_) | Authentication::Other(_) => {
                return Err(LoginError::Told(Fatal::protocol("server broke off SCRAM authentication")));
            }
        }
    }
}

/// Collects what the server says between accepting the client and being ready.
async fn greet(client: &mut Messages, server: &mut Messages, accepted: BytesMut) -> Result<Greeting, LoginError> {
    let mut greeting = accepted;
    let mut pins = Pins { utf8: false, standard_strings: false };
    let mut key = None;
    loop {
        let Some(message) = server.next().await? else { return Err(server_gone()) };
        let (tag, body) = split(&message);
        match tag {
            b'S' => {
                let (name, value) = backend::parameter_status(body).map_err(io::Error::other)?;
                pins.note(name, value);
            }
            b'K' => key = Some(backend::backend_key(body).map_err(io::Error::other)?),
            b'E' => {
                greeting.extend_from_slice(&message);
                client.send(greeting).await?;
                return Err(LoginError::Refused);
            }
            b'Z' => {
                let status = backend::ready_for_query(body).map_err(io::Error::other)?;
                greeting.extend_from_slice(&message);
                return Ok((greeting, pins, status, key));
            }
            _ => {}
        }
        greeting.extend_from_slice(&message);
    }
}

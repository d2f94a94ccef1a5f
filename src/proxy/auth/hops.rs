//! Both connections while a client logs in: waiting for one never misses what the other says.

use std::io;

use bytes::{Buf as _, BufMut, Bytes, BytesMut};

use super::LoginError;
use crate::proxy::session::Fatal;
use crate::proxy::stream::Messages;
use crate::wire::backend::{self, Authentication};
use crate::wire::{frame, frontend};

/// AuthenticationCleartextPassword.
const CLEARTEXT: u32 = 3;
/// AuthenticationSASL.
const SASL: u32 = 10;
/// AuthenticationSASLContinue.
const SASL_CONTINUE: u32 = 11;
/// AuthenticationSASLFinal.
const SASL_FINAL: u32 = 12;

/// The longest SASL message that PostgreSQL takes from a client.
const MAX_SASL: usize = 1024;

/// The client and the server.
#[derive(Debug)]
pub(super) struct Hops<'a> {
    pub client: &'a mut Messages,
    pub server: &'a mut Messages,
    /// What the server has said while we were waiting for the client.
    early: Option<BytesMut>,
}

impl<'a> Hops<'a> {
    pub fn new(client: &'a mut Messages, server: &'a mut Messages) -> Self {
        Self { client, server, early: None }
    }

    /// The client's next answer: the body of a message of the password family.
    pub async fn answer(&mut self, expected: &str) -> Result<BytesMut, LoginError> {
        loop {
            tokio::select! {
                message = self.client.next() => {
                    let Some(mut message) = message? else { return Err(LoginError::Left) };
                    return match message.first() {
                        Some(b'p') => {
                            message.advance(frame::HEADER);
                            Ok(message)
                        }
                        Some(b'X') => Err(LoginError::Left),
                        other => Err(unexpected(expected, other.copied())),
                    };
                }
                message = self.server.next(), if self.early.is_none() => {
                    let Some(message) = message? else { return Err(server_gone()) };
                    self.early = self.pass_on_unless_asked(message).await?;
                }
            }
        }
    }

    /// The client's next SASL answer.
    pub async fn sasl_answer(&mut self) -> Result<BytesMut, LoginError> {
        let answer = self.answer("SASL").await?;
        if answer.len() <= MAX_SASL {
            return Ok(answer);
        }
        // The server refuses it, whatever it says.
        self.answer_server(&answer).await?;
        self.asked().await?;
        Err(broken_off())
    }

    /// The server's next Authentication message: its body. Refusals go to the client.
    pub async fn asked(&mut self) -> Result<Bytes, LoginError> {
        if let Some(message) = self.early.take() {
            return Ok(message.freeze().slice(frame::HEADER..));
        }
        loop {
            let Some(message) = self.server.next().await? else { return Err(server_gone()) };
            if let Some(message) = self.pass_on_unless_asked(message).await? {
                return Ok(message.freeze().slice(frame::HEADER..));
            }
        }
    }

    /// The server's next SASL challenge.
    pub async fn challenge(&mut self) -> Result<Bytes, LoginError> {
        let body = self.asked().await?;
        match backend::authentication(&body).map_err(io::Error::other)? {
            Authentication::SaslContinue(data) => Ok(body.slice_ref(data)),
            Authentication::Ok | Authentication::Sasl(_) | Authentication::SaslFinal(_) | Authentication::Other(_) => {
                Err(broken_off())
            }
        }
    }

    /// The server's last SASL message.
    pub async fn outcome(&mut self) -> Result<Bytes, LoginError> {
        let body = self.asked().await?;
        match backend::authentication(&body).map_err(io::Error::other)? {
            Authentication::SaslFinal(data) => Ok(body.slice_ref(data)),
            Authentication::Ok
            | Authentication::Sasl(_)
            | Authentication::SaslContinue(_)
            | Authentication::Other(_) => Err(broken_off()),
        }
    }

    /// A message of the server that only it can answer goes to the client; an Authentication message comes back.
    async fn pass_on_unless_asked(&mut self, message: BytesMut) -> Result<Option<BytesMut>, LoginError> {
        match message.first() {
            Some(b'R') => Ok(Some(message)),
            Some(b'E') => {
                self.client.send(message).await?;
                Err(LoginError::Refused)
            }
            _ => {
                self.client.send(message).await?;
                Ok(None)
            }
        }
    }

    /// Offers these mechanisms to the client.
    pub async fn offer(&mut self, mechanisms: &[&[u8]]) -> Result<(), LoginError> {
        let mut list = BytesMut::new();
        for name in mechanisms {
            list.put_slice(name);
            list.put_u8(0);
        }
        list.put_u8(0);
        self.ask(SASL, &list).await
    }

    /// Challenges the client.
    pub async fn challenge_client(&mut self, data: &[u8]) -> Result<(), LoginError> {
        self.ask(SASL_CONTINUE, data).await
    }

    /// Tells the client the outcome.
    pub async fn confirm_to_client(&mut self, data: &[u8]) -> Result<(), LoginError> {
        self.ask(SASL_FINAL, data).await
    }

    /// Asks the client for its password.
    pub async fn ask_password(&mut self) -> Result<(), LoginError> {
        self.ask(CLEARTEXT, &[]).await
    }

    async fn ask(&mut self, kind: u32, data: &[u8]) -> Result<(), LoginError> {
        let mut out = BytesMut::new();
        frame::put(&mut out, b'R', |out| {
            out.put_u32(kind);
            out.put_slice(data);
        });
        Ok(self.client.send(out).await?)
    }

    /// Begins SASL with the server.
    pub async fn greet_server(&mut self, mechanism: &[u8], message: &[u8]) -> Result<(), LoginError> {
        let mut body = BytesMut::new();
        body.put_slice(mechanism);
        body.put_u8(0);
        body.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
        body.put_slice(message);
        self.answer_server(&body).await
    }

    /// Answers the server in the client's place.
    pub async fn answer_server(&mut self, body: &[u8]) -> Result<(), LoginError> {
        let mut out = BytesMut::new();
        frontend::put_password(&mut out, body);
        Ok(self.server.send(out).await?)
    }
}

/// Tag and body of a whole message.
pub(super) fn split(message: &[u8]) -> (u8, &[u8]) {
    (message.first().copied().unwrap_or_default(), message.get(frame::HEADER..).unwrap_or_default())
}

/// The client sends something else than the answer that is due.
pub(super) fn unexpected(expected: &str, tag: Option<u8>) -> LoginError {
    let tag = tag.unwrap_or_default();
    LoginError::Told(Fatal::protocol(format!("expected {expected} response, got message type {tag}")))
}

/// The server has gone without a word.
pub(super) fn server_gone() -> LoginError {
    LoginError::Told(Fatal::new("08006", "server closed the connection unexpectedly"))
}

/// The server says something that does not belong into SCRAM.
pub(super) fn broken_off() -> LoginError {
    LoginError::Told(Fatal::protocol("server broke off SCRAM authentication"))
}

/// The server does not know the password, so it is not the server.
pub(super) fn impostor() -> LoginError {
    LoginError::Told(Fatal::new("08006", "the server behind the proxy has not proved that it knows the password"))
}

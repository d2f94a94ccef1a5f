//! The messages of a SCRAM client, read as strictly as PostgreSQL reads them, with complaints in its words.

use bytes::BytesMut;

use super::BINDING_KIND;
use crate::wire::response::{self, Problem};

/// A client that does not keep to the rules, told as the server would tell it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Violation {
    /// SQLSTATE.
    pub code: &'static str,
    /// Primary message.
    pub message: String,
    /// What exactly.
    pub detail: Option<String>,
}

impl Violation {
    /// Without detail.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), detail: None }
    }

    /// With detail.
    pub fn detailed(code: &'static str, message: &str, detail: impl Into<String>) -> Self {
        Self { code, message: message.to_owned(), detail: Some(detail.into()) }
    }

    fn malformed(detail: impl Into<String>) -> Self {
        Self::detailed("08P01", "malformed SCRAM message", detail)
    }

    /// Appends the message to the client.
    pub fn put(&self, out: &mut BytesMut) {
        let problem = Problem::fatal(self.code, &self.message);
        response::put_error(out, &Problem { detail: self.detail.as_deref(), ..problem });
    }
}

/// What the client said about channel binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    /// It cannot bind.
    No,
    /// It could, and thinks that we cannot.
    NotOffered,
    /// It binds.
    Binds,
}

/// A client-first-message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct First<'a> {
    /// What it said about channel binding.
    pub flag: Flag,
    /// What both sides sign.
    pub bare: &'a [u8],
    /// The client's part of the nonce.
    pub nonce: &'a [u8],
}

/// A client-final-message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Final<'a> {
    /// What it was bound to, base64.
    pub binding: &'a [u8],
    /// The whole nonce.
    pub nonce: &'a [u8],
    /// What both sides sign.
    pub without_proof: &'a [u8],
    /// The proof, base64.
    pub proof: &'a [u8],
}

/// Whether the client chose the mechanism with channel binding, and whether we have offered it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chosen {
    /// `SCRAM-SHA-256`, where there was no other.
    Plain,
    /// `SCRAM-SHA-256`, although binding was on offer.
    PlainOfBoth,
    /// `SCRAM-SHA-256-PLUS`.
    Plus,
}

/// What is left of a message. A NUL ends it for PostgreSQL, so there is none in it.
struct Reader<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn new(message: &'a [u8]) -> Result<Self, Violation> {
        if message.is_empty() {
            return Err(Violation::malformed("The message is empty."));
        }
        if message.contains(&0) {
            return Err(Violation::malformed("Message length does not match input length."));
        }
        Ok(Self { all: message, at: 0 })
    }

    fn peek(&self) -> Option<u8> {
        self.all.get(self.at).copied()
    }

    /// Any attribute: its letter and value. Goes past the comma behind it.
    fn attribute(&mut self) -> Result<(u8, &'a [u8]), Violation> {
        let Some(name) = self.peek() else {
            return Err(Violation::malformed("Attribute expected, but found end of string."));
        };
        if !name.is_ascii_alphabetic() {
            let found = shown(Some(name));
            return Err(Violation::malformed(format!("Attribute expected, but found invalid character \"{found}\".")));
        }
        self.at += 1;
        Ok((name, self.value(name)?))
    }

    /// The value of this attribute, which must come next.
    fn named(&mut self, name: u8) -> Result<&'a [u8], Violation> {
        if self.peek() != Some(name) {
            let (wanted, found) = (char::from(name), shown(self.peek()));
            return Err(Violation::malformed(format!("Expected attribute \"{wanted}\" but found \"{found}\".")));
        }
        self.at += 1;
        self.value(name)
    }

    fn value(&mut self, name: u8) -> Result<&'a [u8], Violation> {
        if self.peek() != Some(b'=') {
            let name = char::from(name);
            return Err(Violation::malformed(format!("Expected character \"=\" for attribute \"{name}\".")));
        }
        let rest = self.all.get(self.at + 1..).unwrap_or_default();
        let length = rest.iter().position(|byte| *byte == b',').unwrap_or(rest.len());
        let value = rest.get(..length).unwrap_or_default();
        self.at = (self.at + 1 + length + 1).min(self.all.len());
        Ok(value)
    }

    fn comma(&mut self) -> Result<(), Violation> {
        if self.peek() != Some(b',') {
            let found = shown(self.peek());
            return Err(Violation::malformed(format!("Comma expected, but found character \"{found}\".")));
        }
        self.at += 1;
        Ok(())
    }
}

/// A character as PostgreSQL shows it in its complaints.
fn shown(byte: Option<u8>) -> String {
    match byte {
        Some(byte @ 0x21..=0x7e) => format!("'{}'", char::from(byte)),
        other => format!("0x{:02x}", other.unwrap_or(0)),
    }
}

/// A text as PostgreSQL shows it in its complaints: short, and without anything that does not print.
fn shown_text(text: &[u8]) -> String {
    let printable = |byte: &u8| if (0x21..=0x7e).contains(byte) { char::from(*byte) } else { '?' };
    text.iter().take(30).map(printable).collect()
}

/// Reads a client-first-message of a client that chose so.
///
/// # Errors
/// It breaks a rule.
pub fn first(message: &[u8], chosen: Chosen) -> Result<First<'_>, Violation> {
    let mut reader = Reader::new(message)?;
    let flag = flag(&mut reader, chosen)?;
    if reader.peek() == Some(b'a') {
        return Err(Violation::new("0A000", "client uses authorization identity, but it is not supported"));
    }
    if reader.peek() != Some(b',') {
        let found = shown(reader.peek());
        let detail = format!("Unexpected attribute \"{found}\" in client-first-message.");
        return Err(Violation::malformed(detail));
    }
    reader.at += 1;
    let bare = message.get(reader.at..).unwrap_or_default();
    if reader.peek() == Some(b'm') {
        return Err(Violation::new("0A000", "client requires an unsupported SCRAM extension"));
    }
    // The user name of the startup packet counts, as for PostgreSQL.
    reader.named(b'n')?;
    let nonce = reader.named(b'r')?;
    if !nonce.iter().all(|byte| (0x21..=0x7e).contains(byte)) {
        return Err(Violation::new("08P01", "non-printable characters in SCRAM nonce"));
    }
    while reader.peek().is_some() {
        reader.attribute()?;
    }
    Ok(First { flag, bare, nonce })
}

fn flag(reader: &mut Reader<'_>, chosen: Chosen) -> Result<Flag, Violation> {
    let letter = reader.peek();
    match (letter, chosen) {
        (Some(b'n' | b'y'), Chosen::Plus) => Err(Violation::malformed(
            "The client selected SCRAM-SHA-256-PLUS, but the SCRAM message does not include channel binding data.",
        )),
        (Some(b'y'), Chosen::PlainOfBoth) => Err(Violation::detailed(
            "28000",
            "SCRAM channel binding negotiation error",
            "The client supports SCRAM channel binding but thinks the server does not.  However, this server does support channel binding.",
        )),
        (Some(b'p'), Chosen::Plain | Chosen::PlainOfBoth) => Err(Violation::malformed(
            "The client selected SCRAM-SHA-256 without channel binding, but the SCRAM message includes channel binding data.",
        )),
        (Some(b'n'), Chosen::Plain | Chosen::PlainOfBoth) | (Some(b'y'), Chosen::Plain) => {
            reader.at += 1;
            reader.comma()?;
            Ok(if letter == Some(b'n') { Flag::No } else { Flag::NotOffered })
        }
        (Some(b'p'), Chosen::Plus) => {
            let kind = reader.named(b'p')?;
            if kind != BINDING_KIND.as_bytes() {
                let message = format!("unsupported SCRAM channel-binding type \"{}\"", shown_text(kind));
                return Err(Violation::new("08P01", message));
            }
            Ok(Flag::Binds)
        }
        (other, _) => {
            let found = shown(other);
            Err(Violation::malformed(format!("Unexpected channel-binding flag \"{found}\".")))
        }
    }
}

/// Reads a client-final-message.
///
/// # Errors
/// It breaks a rule. What it is bound to and its nonce are not checked here.
pub fn last(message: &[u8]) -> Result<Final<'_>, Violation> {
    let mut reader = Reader::new(message)?;
    let binding = reader.named(b'c')?;
    let nonce = reader.named(b'r')?;
    loop {
        let begin = reader.at;
        let (name, proof) = reader.attribute()?;
        if name == b'p' {
            if reader.peek().is_some() {
                return Err(Violation::malformed("Garbage found at the end of client-final-message."));
            }
            let without_proof = message.get(..begin.saturating_sub(1)).unwrap_or_default();
            return Ok(Final { binding, nonce, without_proof, proof });
        }
    }
}

/// The proof of a client-final-message cannot be one.
pub fn malformed_proof() -> Violation {
    Violation::malformed("Malformed proof in client-final-message.")
}

//! What PostgreSQL stores in place of a password: `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::keys::Key;

/// What is needed to check a proof, and nothing that could make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifier {
    /// Rounds of PBKDF2.
    pub iterations: NonZeroU32,
    /// Salt of the password.
    pub salt: Vec<u8>,
    /// Hash of the client's key.
    pub stored: Key,
    /// The server's key.
    pub server: Key,
}

/// A text that is no verifier. It is not repeated anywhere: it may well be a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAVerifier {
    /// An MD5 hash, which SCRAM cannot use.
    #[error("this is an md5 hash")]
    Md5,
    /// Something that was meant to be one.
    #[error("this SCRAM verifier is damaged")]
    Damaged,
    /// Something else, perhaps a password.
    #[error("this is no SCRAM verifier")]
    Other,
}

impl Verifier {
    /// Reads PostgreSQL's text form.
    ///
    /// # Errors
    /// It is something else.
    pub fn parse(text: &str) -> Result<Self, NotAVerifier> {
        let Some(rest) = text.strip_prefix("SCRAM-SHA-256$") else {
            let hash = text.strip_prefix("md5").filter(|digits| digits.len() == 32);
            let md5 = hash.is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
            return Err(if md5 { NotAVerifier::Md5 } else { NotAVerifier::Other });
        };
        Self::parts(rest).ok_or(NotAVerifier::Damaged)
    }

    fn parts(text: &str) -> Option<Self> {
        let (parameters, keys) = text.split_once('$')?;
        let (iterations, salt) = parameters.split_once(':')?;
        let (stored, server) = keys.split_once(':')?;
        let key = |text: &str| STANDARD.decode(text).ok().and_then(|bytes| Key::try_from(&*bytes).ok());
        let digits = iterations.bytes().all(|digit| digit.is_ascii_digit());
        Some(Self {
            iterations: iterations.parse().ok().filter(|_| digits)?,
            salt: STANDARD.decode(salt).ok().filter(|salt| !salt.is_empty())?,
            stored: key(stored)?,
            server: key(server)?,
        })
    }

    /// Whether it was made with this salt and so many rounds: another one is that of another password.
    pub fn fits(&self, salt: &[u8], iterations: NonZeroU32) -> bool {
        self.salt == salt && self.iterations == iterations
    }

    /// One that no proof satisfies, for users without a verifier: checking it takes as long as checking a real one.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub fn unsatisfiable(salt: &[u8], iterations: NonZeroU32) -> std::io::Result<Self> {
        Ok(Self { iterations, salt: salt.to_vec(), stored: Key::random()?, server: Key::random()? })
    }
}

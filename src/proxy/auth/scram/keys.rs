//! The keys of SCRAM and how they come from each other. They are wiped from memory after use and never printed.

use std::fmt;
use std::num::NonZeroU32;

use ring::{digest, hmac, pbkdf2};
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Bytes of a key: those of a SHA-256.
pub const KEY_BYTES: usize = 32;

/// A key, or something that a key follows from.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Key([u8; KEY_BYTES]);

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Key(…)")
    }
}

impl PartialEq for Key {
    /// Takes the same time for any two keys.
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Key {}

impl TryFrom<&[u8]> for Key {
    type Error = std::array::TryFromSliceError;

    fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
        bytes.try_into().map(Self)
    }
}

impl Key {
    /// The bytes.
    pub const fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// A key that nobody knows.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub fn random() -> std::io::Result<Self> {
        let mut key = Self([0; KEY_BYTES]);
        super::fill_randomly(&mut key.0)?;
        Ok(key)
    }

    /// HMAC-SHA-256 of a text under this key.
    #[must_use]
    pub fn sign(&self, text: &[u8]) -> Self {
        Self::of_sha256(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.0), text).as_ref())
    }

    /// The stored key that belongs to this client key.
    #[must_use]
    pub fn stored(&self) -> Self {
        Self::of_sha256(digest::digest(&digest::SHA256, &self.0).as_ref())
    }

    fn of_sha256(hash: &[u8]) -> Self {
        let mut key = Self([0; KEY_BYTES]);
        key.0.copy_from_slice(hash);
        key
    }

    /// Bit by bit: makes a proof from a client key and a signature, and a client key from a proof and a signature.
    #[must_use]
    pub fn xor(&self, other: &Self) -> Self {
        let mut mixed = self.clone();
        mixed.0.iter_mut().zip(&other.0).for_each(|(byte, with)| *byte ^= with);
        mixed
    }
}

/// The two keys that logging in with a password takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Proves that the client knows the password.
    pub client: Key,
    /// Proves that the server knows the verifier.
    pub server: Key,
}

impl Pair {
    /// From a password: slow on purpose, so never on a thread that serves sessions.
    pub fn of_password(password: &[u8], salt: &[u8], iterations: NonZeroU32) -> Self {
        // As PostgreSQL does: a password that SASLprep cannot treat is taken as it is.
        let prepared = std::str::from_utf8(password).ok().and_then(|text| stringprep::saslprep(text).ok());
        let bytes = prepared.as_deref().map_or(password, str::as_bytes);
        let mut salted = Key([0; KEY_BYTES]);
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, bytes, &mut salted.0);
        let pair = Self { client: salted.sign(b"Client Key"), server: salted.sign(b"Server Key") };
        if let Some(std::borrow::Cow::Owned(mut text)) = prepared {
            text.zeroize();
        }
        pair
    }
}

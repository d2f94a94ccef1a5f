//! Our side as the client: proves keys to the server, and checks that it knows the verifier that belongs to them.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::keys::{Key, Pair};
use super::{BINDING_KIND, SCRAM, SCRAM_PLUS, nonce};

/// What our hop to the server allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding<'a> {
    /// No TLS, or a certificate that nothing can be bound to.
    Impossible,
    /// The server does not offer it. Saying that we could tells it if somebody has taken the offer out.
    NotOffered,
    /// To the certificate with this hash.
    To(&'a [u8]),
}

/// The server has our hello and owes a salt.
#[derive(Debug)]
pub struct Hello {
    /// The mechanism.
    pub mechanism: &'static [u8],
    /// The client-first-message.
    pub message: String,
    bare: String,
    nonce: String,
    binding: String,
}

/// The server wants a proof.
#[derive(Debug)]
pub struct Challenge {
    /// Salt of the password.
    pub salt: Vec<u8>,
    /// Rounds of PBKDF2.
    pub iterations: NonZeroU32,
    without_proof: String,
    signed: String,
}

/// The server has our proof and owes its own.
#[derive(Debug)]
pub struct Proof {
    /// The client-final-message.
    pub message: String,
    expected: Option<Key>,
}

impl Hello {
    /// Begins an exchange.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub fn new(binding: Binding<'_>) -> std::io::Result<Self> {
        Ok(Self::with_nonce(binding, "", nonce()?))
    }

    /// The server takes the user from the startup packet, so nobody gives a name here.
    pub(super) fn with_nonce(binding: Binding<'_>, user: &str, nonce: String) -> Self {
        let (mechanism, header, bound_to) = match binding {
            Binding::Impossible => (SCRAM, "n,,".to_owned(), &[][..]),
            Binding::NotOffered => (SCRAM, "y,,".to_owned(), &[][..]),
            Binding::To(hash) => (SCRAM_PLUS, format!("p={BINDING_KIND},,"), hash),
        };
        let bare = format!("n={user},r={nonce}");
        let binding = STANDARD.encode([header.as_bytes(), bound_to].concat());
        Self { mechanism, message: format!("{header}{bare}"), bare, nonce, binding }
    }

    /// Reads a server-first-message; none if it is not in order.
    pub fn challenged(self, message: &[u8]) -> Option<Challenge> {
        let text = std::str::from_utf8(message).ok()?;
        let (nonce, rest) = text.strip_prefix("r=")?.split_once(",s=")?;
        let (salt, iterations) = rest.split_once(",i=")?;
        let fresh = nonce.strip_prefix(&self.nonce)?;
        let printable = fresh.bytes().all(|byte| (0x21..=0x7e).contains(&byte) && byte != b',');
        if fresh.is_empty() || !printable || !iterations.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let without_proof = format!("c={},r={nonce}", self.binding);
        let signed = format!("{},{text},{without_proof}", self.bare);
        Some(Challenge {
            salt: STANDARD.decode(salt).ok()?,
            iterations: iterations.parse().ok()?,
            without_proof,
            signed,
        })
    }
}

impl Challenge {
    /// Proves these keys.
    pub fn prove(&self, keys: &Pair) -> Proof {
        let proof = keys.client.xor(&keys.client.stored().sign(self.signed.as_bytes()));
        self.with_proof(&proof, Some(keys.server.sign(self.signed.as_bytes())))
    }

    /// A proof that cannot be right, for the server to refuse the client in its own words.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub fn fail(&self) -> std::io::Result<Proof> {
        Ok(self.with_proof(&Key::random()?, None))
    }

    fn with_proof(&self, proof: &Key, expected: Option<Key>) -> Proof {
        let message = format!("{},p={}", self.without_proof, STANDARD.encode(proof.bytes()));
        Proof { message, expected }
    }
}

impl Proof {
    /// Whether a server-final-message shows that the server knows the verifier.
    pub fn confirmed_by(&self, message: &[u8]) -> bool {
        let signature = message.strip_prefix(b"v=").and_then(|text| STANDARD.decode(text).ok());
        let signature = signature.as_deref().and_then(|bytes| Key::try_from(bytes).ok());
        signature.is_some() && signature == self.expected
    }
}

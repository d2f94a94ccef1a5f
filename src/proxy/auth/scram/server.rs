//! Our side as the server: a client proves that it knows the password of a verifier, and gives its key away by that.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq as _;

use super::keys::{KEY_BYTES, Key, Pair};
use super::messages::{self, Chosen, Flag, Violation};
use super::verifier::Verifier;
use super::{BINDING_KIND, SCRAM, SCRAM_PLUS, nonce};

/// A client that has said hello and gets its salt.
#[derive(Debug)]
pub struct Greeted {
    bare: Vec<u8>,
    nonce: Vec<u8>,
    flag: Flag,
    binding: String,
}

/// A client that owes its proof.
#[derive(Debug)]
pub struct Challenged {
    greeted: Greeted,
    /// The server-first-message.
    pub message: Vec<u8>,
}

/// What a proof was worth.
#[derive(Debug)]
pub enum Outcome {
    /// The client knows the password: the keys, and the server-final-message that tells it that we know it too.
    Proved(Pair, Vec<u8>),
    /// It does not.
    Wrong,
}

/// The choice that a client has made among the mechanisms on offer.
///
/// # Errors
/// It was not on offer.
pub fn chosen(mechanism: &[u8], plus_offered: Option<&[u8]>) -> Result<Chosen, Violation> {
    match (mechanism, plus_offered) {
        (SCRAM, None) => Ok(Chosen::Plain),
        (SCRAM, Some(_)) => Ok(Chosen::PlainOfBoth),
        (SCRAM_PLUS, Some(_)) => Ok(Chosen::Plus),
        _ => Err(Violation::new("08P01", "client selected an invalid SASL authentication mechanism")),
    }
}

/// Reads a client-first-message. `end_point` is the hash of our certificate, if we have offered to bind to it.
///
/// # Errors
/// The message breaks a rule.
pub fn greet(message: &[u8], chosen: Chosen, end_point: Option<&[u8]>) -> Result<Greeted, Violation> {
    let first = messages::first(message, chosen)?;
    let bound_to = match first.flag {
        Flag::No => b"n,,".to_vec(),
        Flag::NotOffered => b"y,,".to_vec(),
        Flag::Binds => [format!("p={BINDING_KIND},,").as_bytes(), end_point.unwrap_or_default()].concat(),
    };
    Ok(Greeted {
        bare: first.bare.to_vec(),
        nonce: first.nonce.to_vec(),
        flag: first.flag,
        binding: STANDARD.encode(bound_to),
    })
}

impl Greeted {
    /// Asks for a proof with this salt.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub fn challenge(self, salt: &[u8], iterations: NonZeroU32) -> std::io::Result<Challenged> {
        Ok(self.challenge_with(salt, iterations, &nonce()?))
    }

    pub(super) fn challenge_with(mut self, salt: &[u8], iterations: NonZeroU32, ours: &str) -> Challenged {
        self.nonce.extend_from_slice(ours.as_bytes());
        let rest = format!(",s={},i={iterations}", STANDARD.encode(salt));
        let message = [b"r=", &*self.nonce, rest.as_bytes()].concat();
        Challenged { greeted: self, message }
    }
}

impl Challenged {
    /// Checks a client-final-message. It takes the same time whether the proof is right or wrong.
    ///
    /// # Errors
    /// The message breaks a rule, or is bound to another channel or another exchange.
    pub fn check(&self, message: &[u8], verifier: &Verifier) -> Result<Outcome, Violation> {
        let last = messages::last(message)?;
        if last.binding != self.greeted.binding.as_bytes() {
            return Err(self.wrong_binding());
        }
        let proof = STANDARD.decode(last.proof).ok().filter(|proof| proof.len() == KEY_BYTES);
        let proof = proof.as_deref().and_then(|proof| Key::try_from(proof).ok());
        let proof = proof.ok_or_else(messages::malformed_proof)?;
        if !bool::from(last.nonce.ct_eq(&self.greeted.nonce)) {
            return Err(Violation::detailed("08P01", "invalid SCRAM response", "Nonce does not match."));
        }
        let signed = [&*self.greeted.bare, b",", &self.message, b",", last.without_proof].concat();
        let client = proof.xor(&verifier.stored.sign(&signed));
        let answer = format!("v={}", STANDARD.encode(verifier.server.sign(&signed).bytes()));
        if client.stored() != verifier.stored {
            return Ok(Outcome::Wrong);
        }
        Ok(Outcome::Proved(Pair { client, server: verifier.server.clone() }, answer.into_bytes()))
    }

    fn wrong_binding(&self) -> Violation {
        match self.greeted.flag {
            Flag::Binds => Violation::new("28000", "SCRAM channel binding check failed"),
            Flag::No | Flag::NotOffered => {
                Violation::new("08P01", "unexpected SCRAM channel-binding attribute in client-final-message")
            }
        }
    }
}

//! Messages of SCRAM, of clients and of servers, and the verifiers that they are checked against.

use std::num::NonZeroU32;

use bolero::TypeGenerator;
use pgcovenant::proxy::auth::scram::client::{Binding, Hello};
use pgcovenant::proxy::auth::scram::messages::{self, Chosen};
use pgcovenant::proxy::auth::scram::server::{self, Outcome};
use pgcovenant::proxy::auth::scram::verifier::Verifier;

use crate::{A_MOMENT, ITERATIONS};

/// A part of a message between its commas.
#[derive(Debug, TypeGenerator)]
enum Part {
    Nothing,
    Flag(u8),
    Binding,
    NoBinding,
    Name,
    Nonce,
    Proof([u8; 43]),
    Attribute(u8, String),
    Any(Vec<u8>),
}

impl Part {
    /// `nonce` is the one of the exchange under way.
    fn bytes(&self, nonce: &[u8]) -> Vec<u8> {
        let letter = |number: &u8| b"nypacrvsiem"[usize::from(*number) % 11];
        match self {
            Self::Nothing => Vec::new(),
            Self::Flag(number) => vec![letter(number)],
            Self::Binding => b"p=tls-server-end-point".to_vec(),
            Self::NoBinding => b"c=biws".to_vec(),
            Self::Name => b"n=".to_vec(),
            Self::Nonce => [b"r=", nonce].concat(),
            Self::Proof(bytes) => {
                let digits = bytes.map(|byte| b"ABCDEFGHabcdefgh0123456789+/"[usize::from(byte) % 28]);
                [b"p=", &digits[..], b"="].concat()
            }
            Self::Attribute(number, value) => [&[letter(number), b'='], value.as_bytes()].concat(),
            Self::Any(bytes) => bytes.clone(),
        }
    }
}

fn message(parts: &[Part], nonce: &[u8]) -> Vec<u8> {
    parts.iter().map(|part| part.bytes(nonce)).collect::<Vec<_>>().join(&b","[..])
}

fn iterations() -> NonZeroU32 {
    NonZeroU32::new(4096).unwrap()
}

#[test]
fn any_client_gets_no_further_than_its_password() {
    let verifier = Verifier::unsatisfiable(b"salt", iterations()).unwrap();
    let check =
        bolero::check!().with_type::<(Vec<Part>, Vec<Part>)>().with_test_time(A_MOMENT).with_iterations(ITERATIONS);
    check.for_each(|(first, last)| {
        let bytes = message(first, b"client");
        for chosen in [Chosen::Plain, Chosen::PlainOfBoth, Chosen::Plus] {
            // A message in order, too, so that the second one is looked into.
            for bytes in [&bytes[..], b"n,,n=,r=client"] {
                let Ok(greeted) = server::greet(bytes, chosen, Some(b"hash")) else { continue };
                let challenged = greeted.challenge(b"salt", iterations()).unwrap();
                let text = std::str::from_utf8(&challenged.message).unwrap_or_default();
                let nonce = text.split(',').next().and_then(|part| part.strip_prefix("r=")).unwrap_or_default();
                let last = message(last, nonce.as_bytes());
                let _ = messages::last(&last);
                if let Ok(Outcome::Proved(..)) = challenged.check(&last, &verifier) {
                    panic!("proved without a password: {last:?}");
                }
            }
        }
    });
}

#[test]
fn any_answer_of_a_server_and_any_verifier() {
    let check = bolero::check!().with_type::<Vec<Part>>().with_test_time(A_MOMENT).with_iterations(ITERATIONS);
    check.for_each(|parts| {
        let hello = Hello::new(Binding::Impossible).unwrap();
        let (_, nonce) = hello.message.rsplit_once("r=").unwrap();
        let answer = message(parts, format!("{nonce}more").as_bytes());
        if let Some(challenge) = hello.challenged(&answer) {
            let proof = challenge.fail().unwrap();
            assert!(!proof.confirmed_by(&answer), "confirmed by who does not know the keys");
        }
        if let Ok(text) = std::str::from_utf8(&answer) {
            let _ = Verifier::parse(text);
            let _ = Verifier::parse(&format!("SCRAM-SHA-256${text}"));
        }
    });
}

//! Both roles against each other, against the example of RFC 7677, and against damaged messages.

use std::num::NonZeroU32;

use proptest::prelude::*;

use super::client::{Binding, Challenge, Hello};
use super::keys::Pair;
use super::messages::{self, Chosen, Violation};
use super::server::{self, Challenged, Outcome};
use super::verifier::{NotAVerifier, Verifier};
use super::*;

fn rounds(count: u32) -> NonZeroU32 {
    NonZeroU32::new(count).unwrap()
}

fn verifier_of(password: &str, salt: &[u8], iterations: NonZeroU32) -> Verifier {
    let pair = Pair::of_password(password.as_bytes(), salt, iterations);
    Verifier { iterations, salt: salt.to_vec(), stored: pair.client.stored(), server: pair.server }
}

/// The example of RFC 7677, section 3.
mod rfc7677 {
    pub const CLIENT_NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
    pub const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    pub const SALT: &[u8] = b"\x5b\x6d\x99\x68\x9d\x12\x35\x8e\xec\xa0\x4b\x14\x12\x36\xfa\x81";
    pub const FIRST: &str = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
    pub const CHALLENGE: &str =
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    pub const LAST: &str =
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    pub const CONFIRMATION: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
}

#[test]
fn the_example_of_the_rfc_comes_out_on_both_sides() {
    let hello = Hello::with_nonce(Binding::Impossible, "user", rfc7677::CLIENT_NONCE.to_owned());
    assert_eq!(hello.message, rfc7677::FIRST);
    let challenge = hello.challenged(rfc7677::CHALLENGE.as_bytes()).unwrap();
    assert_eq!((&*challenge.salt, challenge.iterations), (rfc7677::SALT, rounds(4096)));
    let pair = Pair::of_password(b"pencil", &challenge.salt, challenge.iterations);
    let proof = challenge.prove(&pair);
    assert_eq!(proof.message, rfc7677::LAST);
    assert!(proof.confirmed_by(rfc7677::CONFIRMATION.as_bytes()));

    let greeted = server::greet(rfc7677::FIRST.as_bytes(), Chosen::Plain, None).unwrap();
    let challenged = greeted.challenge_with(rfc7677::SALT, rounds(4096), rfc7677::SERVER_NONCE);
    assert_eq!(challenged.message, rfc7677::CHALLENGE.as_bytes());
    let verifier = verifier_of("pencil", rfc7677::SALT, rounds(4096));
    match challenged.check(rfc7677::LAST.as_bytes(), &verifier).unwrap() {
        Outcome::Proved(keys, confirmation) => {
            assert_eq!(keys, pair, "the client's key is recovered");
            assert_eq!(confirmation, rfc7677::CONFIRMATION.as_bytes());
        }
        Outcome::Wrong => panic!("the proof is right"),
    }
}

#[test]
fn verifiers_are_read_in_the_form_of_the_server() {
    let text = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
    assert_eq!(Verifier::parse(text), Ok(verifier_of("pencil", rfc7677::SALT, rounds(4096))));
    let md5 = "md50123456789abcdef0123456789abcdef";
    assert_eq!(Verifier::parse(md5), Err(NotAVerifier::Md5));
    assert_eq!(Verifier::parse("md5 is my password, thirty-two!!!!!"), Err(NotAVerifier::Other));
    assert_eq!(Verifier::parse("secret"), Err(NotAVerifier::Other));
    for damage in [
        ("4096", "0"),
        ("4096", "+4096"),
        ("4096", "x"),
        ("W22ZaJ0SNY7soEsUEjb6gQ==", ""),
        ("WG5d", "WG5"),
        ("$WG", ":WG"),
    ] {
        let damaged = text.replacen(damage.0, damage.1, 1);
        assert_eq!(Verifier::parse(&damaged), Err(NotAVerifier::Damaged), "{damaged}");
    }
}

#[test]
fn nothing_secret_is_printed() {
    let verifier = verifier_of("pencil", rfc7677::SALT, rounds(4096));
    let shown = format!("{:?} {:?}", verifier.stored, Pair::of_password(b"pencil", b"salt", rounds(1)));
    assert_eq!(shown, "Key(…) Pair { client: Key(…), server: Key(…) }");
}

#[test]
fn passwords_are_prepared_as_the_server_does() {
    let same = |one: &[u8], two: &[u8]| {
        Pair::of_password(one, b"salt", rounds(1)) == Pair::of_password(two, b"salt", rounds(1))
    };
    assert!(same("I\u{ad}X".as_bytes(), b"IX"), "a soft hyphen maps to nothing");
    assert!(same("ª".as_bytes(), b"a"), "NFKC");
    assert!(!same(b"\x07", b""), "what cannot be prepared is taken as it is");
    assert!(!same(b"\xff", b"\xfe"), "and so is what is no UTF-8");
}

/// Both roles with fresh nonces, up to the client's proof.
fn meet(binding: Binding<'_>, end_point: Option<&[u8]>) -> (Challenged, Challenge) {
    let hello = Hello::new(binding).unwrap();
    let choice = server::chosen(hello.mechanism, end_point).unwrap();
    let greeted = server::greet(hello.message.as_bytes(), choice, end_point).unwrap();
    let challenged = greeted.challenge(b"some salt", rounds(3)).unwrap();
    let challenge = hello.challenged(&challenged.message).unwrap();
    (challenged, challenge)
}

#[test]
fn a_right_proof_is_told_from_a_wrong_one() {
    let verifier = verifier_of("pencil", b"some salt", rounds(3));
    for (binding, end_point) in [
        (Binding::Impossible, None),
        (Binding::NotOffered, None),
        (Binding::Impossible, Some(&b"x"[..])),
        (Binding::To(b"hash"), Some(&b"hash"[..])),
    ] {
        let (challenged, challenge) = meet(binding, end_point);
        let right = challenge.prove(&Pair::of_password(b"pencil", b"some salt", rounds(3)));
        let Outcome::Proved(_, confirmation) = challenged.check(right.message.as_bytes(), &verifier).unwrap() else {
            panic!("{binding:?}: the proof is right")
        };
        assert!(right.confirmed_by(&confirmation) && !right.confirmed_by(b"e=other-error"));
        let wrong = [challenge.prove(&Pair::of_password(b"pen", b"some salt", rounds(3))), challenge.fail().unwrap()];
        for wrong in wrong {
            let outcome = challenged.check(wrong.message.as_bytes(), &verifier).unwrap();
            assert!(matches!(outcome, Outcome::Wrong));
            assert!(!wrong.confirmed_by(&confirmation));
        }
        let nobody = Verifier::unsatisfiable(b"some salt", rounds(3)).unwrap();
        assert!(matches!(challenged.check(right.message.as_bytes(), &nobody), Ok(Outcome::Wrong)));
    }
}

#[test]
fn a_proof_for_another_channel_or_exchange_is_refused() {
    let verifier = verifier_of("pencil", b"some salt", rounds(3));
    let keys = Pair::of_password(b"pencil", b"some salt", rounds(3));
    let (challenged, challenge) = meet(Binding::To(b"theirs"), Some(b"ours"));
    let refused = challenged.check(challenge.prove(&keys).message.as_bytes(), &verifier).unwrap_err();
    assert_eq!(refused, Violation::new("28000", "SCRAM channel binding check failed"));
    let (_, other) = meet(Binding::To(b"ours"), Some(b"ours"));
    let refused = challenged.check(other.prove(&keys).message.as_bytes(), &verifier).unwrap_err();
    assert_eq!(refused.detail.as_deref(), Some("Nonce does not match."));
}

#[test]
fn a_stripped_offer_of_binding_is_noticed() {
    // The client could bind and was told that we cannot; we have offered it.
    let hello = Hello::new(Binding::NotOffered).unwrap();
    let choice = server::chosen(hello.mechanism, Some(b"hash")).unwrap();
    let refused = server::greet(hello.message.as_bytes(), choice, Some(b"hash")).unwrap_err();
    assert_eq!((refused.code, &*refused.message), ("28000", "SCRAM channel binding negotiation error"));
}

#[test]
fn mechanisms_that_are_not_on_offer_are_refused() {
    assert_eq!(server::chosen(SCRAM, Some(b"x")), Ok(Chosen::PlainOfBoth));
    for (name, offered) in [(SCRAM_PLUS, None), (&b"SCRAM-SHA-1"[..], Some(&b"x"[..])), (b"", None)] {
        let refused = server::chosen(name, offered).unwrap_err();
        assert_eq!(refused.message, "client selected an invalid SASL authentication mechanism");
    }
}

#[test]
fn servers_that_do_not_keep_to_the_rules_are_not_answered() {
    let hello = || Hello::with_nonce(Binding::Impossible, "", "abc".to_owned());
    assert!(hello().challenged(b"r=abcdef,s=c2FsdA==,i=5").is_some());
    for bad in [
        &b"r=abc,s=c2FsdA==,i=5"[..],
        b"r=xbcdef,s=c2FsdA==,i=5",
        b"r=abcdef,s=c2FsdA==,i=0",
        b"r=abcdef,s=c2FsdA==,i=+5",
        b"r=abcdef,s=c2FsdA==,i=5,x=y",
        b"r=abcdef,s=*,i=5",
        b"m=ext,r=abcdef,s=c2FsdA==,i=5",
        b"e=unknown-user",
        b"",
    ] {
        assert!(hello().challenged(bad).is_none(), "{}", String::from_utf8_lossy(bad));
    }
}

proptest! {
    #[test]
    fn reading_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        for chosen in [Chosen::Plain, Chosen::PlainOfBoth, Chosen::Plus] {
            let _ = messages::first(&bytes, chosen);
        }
        let _ = messages::last(&bytes);
        let _ = Verifier::parse(&String::from_utf8_lossy(&bytes));
        let _ = Hello::with_nonce(Binding::Impossible, "", "abc".to_owned()).challenged(&bytes);
    }

    #[test]
    fn reading_what_is_nearly_right_never_panics(
        text in "[nyp],(a=x)?,(m=x,)?n=[a-z]{0,3},r=[ -~]{0,9}(,x=[a-z]{0,3}){0,2}", tail in "[crpx]?=?[a-z,=]{0,9}"
    ) {
        let message = format!("{text}{tail}");
        if let Ok(first) = messages::first(message.as_bytes(), Chosen::Plain) {
            prop_assert!(first.bare.starts_with(b"n="));
            prop_assert!(message.as_bytes().ends_with(first.bare));
            prop_assert!(!first.nonce.contains(&b','));
        }
        let last = format!("c=biws,r={text},{tail}");
        if let Ok(last) = messages::last(last.as_bytes()) {
            prop_assert!(last.without_proof.starts_with(b"c=biws,r="));
        }
    }

    #[test]
    fn any_changed_byte_of_a_right_proof_is_refused(at in any::<prop::sample::Index>(), flip in 1u8..=255) {
        let verifier = verifier_of("pencil", b"some salt", rounds(3));
        let (challenged, challenge) = meet(Binding::To(b"hash"), Some(b"hash"));
        let mut message = challenge.prove(&Pair::of_password(b"pencil", b"some salt", rounds(3))).message.into_bytes();
        let at = at.index(message.len());
        message[at] ^= flip;
        prop_assert!(!matches!(challenged.check(&message, &verifier), Ok(Outcome::Proved(..))));
    }
}

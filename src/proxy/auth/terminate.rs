//! SCRAM on each hop by itself, with a stored verifier between them.
//!
//! The server is asked for its challenge first, and the client gets the same salt: for a user that does not exist it is the
//! one that the server makes up, so that nobody can tell such a user from one with another password. A client without a
//! right proof is refused by the server, in its own words, upon a proof of ours that cannot be right.

use super::hops::{Hops, broken_off, impostor};
use super::scram::client::{Binding, Challenge, Hello};
use super::scram::messages::Violation;
use super::scram::server::{self, Challenged, Outcome};
use super::scram::verifier::Verifier;
use super::scram::{SCRAM, SCRAM_PLUS};
use super::{Login, LoginError};
use crate::wire::body::Body;

/// Carries both exchanges out. The server's AuthenticationOk is left to be read.
pub(super) async fn carry_out(
    hops: &mut Hops<'_>,
    login: &Login<'_>,
    binding: Binding<'_>,
    verifier: Option<Verifier>,
) -> Result<(), LoginError> {
    let hello = Hello::new(binding)?;
    hops.greet_server(hello.mechanism, hello.message.as_bytes()).await?;
    let offered: &[&[u8]] = if login.end_point.is_some() { &[SCRAM_PLUS, SCRAM] } else { &[SCRAM] };
    hops.offer(offered).await?;
    let greeted = greeted(hops, login.end_point.as_deref()).await?;
    let challenge = hello.challenged(&hops.challenge().await?).ok_or_else(broken_off)?;
    let verifier = fitting(login, verifier, &challenge).await?;
    let challenged = greeted.challenge(&challenge.salt, challenge.iterations)?;
    hops.challenge_client(&challenged.message).await?;
    finish(hops, &challenged, &challenge, &verifier).await
}

/// Reads the client's choice and its first message.
async fn greeted(hops: &mut Hops<'_>, end_point: Option<&[u8]>) -> Result<server::Greeted, LoginError> {
    let answer = hops.sasl_answer().await?;
    let mut body = Body::new(&answer);
    let wrong = |words: &'static str| move |_| Violation::new("08P01", words);
    let (unterminated, short) = (wrong("invalid string in message"), wrong("insufficient data left in message"));
    let excess = wrong("invalid message format");
    let chosen = server::chosen(body.c_string().map_err(unterminated)?, end_point)?;
    let length = body.u32().map_err(short)?;
    if length == u32::MAX {
        // No message yet: it comes on an empty challenge.
        body.end().map_err(excess)?;
        hops.challenge_client(&[]).await?;
        let answer = hops.sasl_answer().await?;
        return Ok(server::greet(&answer, chosen, end_point)?);
    }
    let message = body.take(length as usize).map_err(short)?;
    body.end().map_err(excess)?;
    Ok(server::greet(message, chosen, end_point)?)
}

/// The verifier, if it is that of the server's password; one that nothing satisfies otherwise.
async fn fitting(login: &Login<'_>, verifier: Option<Verifier>, challenge: &Challenge) -> Result<Verifier, LoginError> {
    let fits = |verifier: &Verifier| verifier.fits(&challenge.salt, challenge.iterations);
    match verifier {
        Some(verifier) if fits(&verifier) => return Ok(verifier),
        Some(_) => {
            // The password was changed since the file was read.
            if let Some(verifier) = login.verifiers.find_again(login.user).await.filter(fits) {
                return Ok(verifier);
            }
            tracing::warn!(user = login.user, "the verifier of this user is not that of the server's password");
        }
        None => tracing::info!(user = login.user, "there is no verifier for this user"),
    }
    Ok(Verifier::unsatisfiable(&challenge.salt, challenge.iterations)?)
}

/// Checks the client's proof and gives the server ours.
async fn finish(
    hops: &mut Hops<'_>,
    challenged: &Challenged,
    challenge: &Challenge,
    verifier: &Verifier,
) -> Result<(), LoginError> {
    let answer = hops.sasl_answer().await?;
    match challenged.check(&answer, verifier)? {
        Outcome::Proved(keys, confirmation) => {
            let proof = challenge.prove(&keys);
            hops.answer_server(proof.message.as_bytes()).await?;
            if !proof.confirmed_by(&hops.outcome().await?) {
                return Err(impostor());
            }
            hops.confirm_to_client(&confirmation).await
        }
        Outcome::Wrong => {
            let proof = challenge.fail()?;
            hops.answer_server(proof.message.as_bytes()).await?;
            // Any other answer than a refusal does not come from the server that has made the challenge.
            hops.outcome().await?;
            Err(impostor())
        }
    }
}

//! The client tells us its password, over TLS, and we carry SCRAM out with the server. It is kept for the exchange only.

use zeroize::{Zeroize as _, Zeroizing};

use super::LoginError;
use super::hops::{Hops, broken_off, impostor};
use super::scram::client::{Binding, Hello};
use super::scram::keys::Pair;
use crate::proxy::session::Fatal;
use crate::wire::body::Body;

/// Asks for the password and proves it. The server's AuthenticationOk is left to be read.
pub(super) async fn carry_out(hops: &mut Hops<'_>, binding: Binding<'_>) -> Result<(), LoginError> {
    hops.ask_password().await?;
    let mut answer = hops.answer("password").await?;
    let mut body = Body::new(&answer);
    let password = body.c_string().map(|password| Zeroizing::new(password.to_vec()));
    let whole = body.end();
    answer.zeroize();
    let (Ok(password), Ok(())) = (password, whole) else {
        return Err(LoginError::Told(Fatal::protocol("invalid password packet size")));
    };
    if password.is_empty() {
        return Err(LoginError::Told(Fatal::new("28P01", "empty password returned by client")));
    }
    let hello = Hello::new(binding)?;
    hops.greet_server(hello.mechanism, hello.message.as_bytes()).await?;
    let challenge = hello.challenged(&hops.challenge().await?).ok_or_else(broken_off)?;
    let (salt, iterations) = (challenge.salt.clone(), challenge.iterations);
    // Thousands of hashes: other sessions live on this thread.
    let keys = tokio::task::spawn_blocking(move || Pair::of_password(&password, &salt, iterations))
        .await
        .map_err(std::io::Error::other)?;
    let proof = challenge.prove(&keys);
    hops.answer_server(proof.message.as_bytes()).await?;
    if proof.confirmed_by(&hops.outcome().await?) { Ok(()) } else { Err(impostor()) }
}

//! The client tells us its password, over TLS, and we carry SCRAM out with the server. It is kept for the exchange only.

use std::io;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;

use tokio::sync::Semaphore;
use zeroize::{Zeroize as _, Zeroizing};

use super::LoginError;
use super::hops::{Hops, broken_off, impostor};
use super::scram::client::{Binding, Hello};
use super::scram::keys::Pair;
use crate::proxy::session::Fatal;
use crate::wire::body::Body;

/// Bounds how many passwords are hashed at once.
///
/// Each takes thousands of hashes, on a thread apart from sessions. Half of the processors are left to sessions, so that a
/// fleet of clients that connects anew, or one that tries out passwords, does not slow them down.
#[derive(Debug)]
pub struct Hashing(Arc<Semaphore>);

impl Default for Hashing {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self(Arc::new(Semaphore::new((processors / 2).max(1))))
    }
}

impl Hashing {
    async fn keys(&self, password: Zeroizing<Vec<u8>>, salt: Vec<u8>, iterations: NonZeroU32) -> io::Result<Pair> {
        let turn = Arc::clone(&self.0).acquire_owned().await.map_err(io::Error::other)?;
        let hashing = move || {
            let keys = Pair::of_password(&password, &salt, iterations);
            // Held to the end, even if nobody waits for the keys any more.
            drop(turn);
            keys
        };
        tokio::task::spawn_blocking(hashing).await.map_err(io::Error::other)
    }
}

/// Asks for the password and proves it. The server's AuthenticationOk is left to be read.
pub(super) async fn carry_out(hops: &mut Hops<'_>, hashing: &Hashing, binding: Binding<'_>) -> Result<(), LoginError> {
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
    let keys = hashing.keys(password, challenge.salt.clone(), challenge.iterations).await?;
    let proof = challenge.prove(&keys);
    hops.answer_server(proof.message.as_bytes()).await?;
    if proof.confirmed_by(&hops.outcome().await?) { Ok(()) } else { Err(impostor()) }
}

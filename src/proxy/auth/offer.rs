//! What becomes of the server's offer of SASL mechanisms.

use super::hops::Hops;
use super::scram::client::Binding;
use super::scram::{SCRAM, SCRAM_PLUS};
use super::{Login, LoginError, password, terminate};
use crate::proxy::session::Fatal;
use crate::proxy::stream::Stream;
use crate::upstream::end_point::tls_server_end_point;

/// Takes the offer up in the client's place, or passes it on as far as the client can.
pub(super) async fn take_up(hops: &mut Hops<'_>, login: &Login<'_>, mechanisms: &[&[u8]]) -> Result<(), LoginError> {
    let scram = mechanisms.contains(&SCRAM);
    let (client_encrypted, server_encrypted) = (hops.client.stream.encrypted(), hops.server.stream.encrypted());
    let relay_is_sound = !(client_encrypted && server_encrypted);
    if !scram || (!client_encrypted && !server_encrypted) {
        return pass_on(hops, mechanisms).await;
    }
    let end_point = hash_of_server(&hops.server.stream);
    let binding = match &end_point {
        None => Binding::Impossible,
        Some(hash) if mechanisms.contains(&SCRAM_PLUS) => Binding::To(hash),
        Some(_) => Binding::NotOffered,
    };
    if login.verifiers.configured() {
        match login.verifiers.find(login.user).await {
            Ok(verifier) => return terminate::carry_out(hops, login, binding, verifier).await,
            Err(error) => {
                tracing::error!(%error, user = login.user, "cannot get the verifier of a password");
                if !relay_is_sound {
                    return Err(LoginError::Told(Fatal {
                        code: "57P03",
                        message: "passwords cannot be verified now".to_owned(),
                        hint: Some("The proxy cannot get verifiers over its service account."),
                    }));
                }
            }
        }
    } else if !relay_is_sound {
        return password::carry_out(hops, login.hashing, binding).await;
    }
    pass_on(hops, mechanisms).await
}

/// Passes the offer on, without binding to a channel that the client and the server do not share.
async fn pass_on(hops: &mut Hops<'_>, mechanisms: &[&[u8]]) -> Result<(), LoginError> {
    let relayed: Vec<&[u8]> = mechanisms.iter().copied().filter(|name| *name != SCRAM_PLUS).collect();
    hops.offer(&relayed).await
}

fn hash_of_server(server: &Stream) -> Option<Vec<u8>> {
    match server {
        Stream::Tls(stream) => tls_server_end_point(stream.get_ref().1.peer_certificates()?.first()?),
        Stream::Tcp(_) | Stream::Unix(_) => None,
    }
}

//! Who is asking: everything a rule's `to` and `except` can match.

use std::collections::BTreeSet;
use std::net::IpAddr;

/// The identity of one session, fixed when authentication has succeeded.
///
/// `application` is the client's own word: rules may use it to narrow what they grant, never to widen.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Subject {
    /// The role that logged in (`session_user`).
    pub user: Box<str>,
    /// The database connected to.
    pub database: Box<str>,
    /// Every role the user is a member of, directly or through others, the user included.
    pub roles: BTreeSet<Box<str>>,
    /// The client's address; none for a unix socket.
    pub address: Option<IpAddr>,
    /// Common name of the verified client certificate.
    pub certificate: Option<Box<str>>,
    /// `application_name` as the client announced it.
    pub application: Box<str>,
}

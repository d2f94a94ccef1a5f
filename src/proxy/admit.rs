//! From a fresh socket to a session that may begin: who it is, whether there is room, and what the server says to it.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::OwnedSemaphorePermit;

use super::auth::{self, Accepted, Ended, Login, LoginError};
use super::handshake::{self, Arrival, Newcomer};
use super::identity::Attested;
use super::judge::{EngineJudge, Judge};
use super::limits::{self, SessionPlaces};
use super::relay::Relay;
use super::server_side::{governed_greeting, greeting_may_tell};
use super::session::{Conversation, Fatal, guess_path};
use super::shared::{Collaborators, Shared};
use super::stream::{Messages, Stream};
use super::tls::Served;
use super::{proxy_protocol, refuse, replication};
use crate::observe::sessions::Line;
use crate::policy::subject::Subject;
use crate::upstream::end_point::tls_server_end_point;
use crate::wire::cancel_key::CancelKey;
use crate::wire::startup::{Replication, Startup};

/// Longer names of roles and databases mean another name to some versions of the server.
const MAX_NAME: usize = 63;

/// Somebody who has logged in, and how the conversation goes on.
pub(super) struct Session<T> {
    /// How the conversation goes on.
    pub(super) talk: T,
    /// Its number, unique in this process.
    pub(super) number: u64,
    /// Who it is.
    pub(super) subject: Arc<Subject>,
    /// What cancels the server's work for it.
    pub(super) key: Option<CancelKey>,
    /// Its connection to the server is listed as ours.
    pub(super) line: Option<Line>,
    /// The room that it takes.
    pub(super) places: SessionPlaces,
}

/// How a session is served.
pub(super) enum Admitted {
    /// Statement by statement.
    Judged(Box<Session<Relay<EngineJudge>>>),
    /// Without a look at it.
    Raw(Box<Session<Accepted>>),
}

/// From a fresh socket to a session that may begin; none where there is nothing to serve.
pub(super) async fn admit(
    shared: &Shared,
    (mut stream, peer): (Stream, Option<IpAddr>),
    stranger: OwnedSemaphorePermit,
) -> Result<Option<Admitted>, &'static str> {
    let Collaborators { config, dialer, tls, .. } = &*shared.collaborators;
    let address = match proxy_protocol::client_address(&mut stream, peer, config.proxy_protocol.as_ref()).await {
        Ok(address) => address,
        Err(error) => {
            tracing::debug!(%error, ?peer, "no client behind a load balancer");
            return Err("proxy_protocol");
        }
    };
    let newcomer = match handshake::receive(stream, tls.as_deref()).await {
        Ok(Arrival::Session(newcomer)) => newcomer,
        Ok(Arrival::Cancel(stream, packet)) => {
            drop(stranger);
            let passed_on = shared.cancels.pass_on(dialer, &packet).await;
            // Not before: by then the client may have sent the next statement, which nobody wants to cancel.
            drop(stream);
            return passed_on.map(|()| None).map_err(|_| "cancel");
        }
        Ok(Arrival::Refusable(stream, packet)) => {
            let told = refuse::in_the_servers_words(stream, &packet, dialer).await;
            tracing::debug!(?told, ?address, "startup packet refused");
            return Err("handshake");
        }
        Ok(Arrival::Nothing) => return Ok(None),
        Err(error) => {
            tracing::debug!(%error, ?address, "handshake failed");
            return Err("handshake");
        }
    };
    if shared.places.are_taken() {
        return tell(newcomer.stream, limits::no_room(), "too_many").await;
    }
    let replicates = newcomer.startup.replication() != Replication::No;
    let subject = match subject(&newcomer, address) {
        Ok(subject) => subject,
        Err(fatal) => return tell(newcomer.stream, fatal, "refused").await,
    };
    if let (true, Err(fatal)) = (replicates, replication::granted(&shared.collaborators, &subject)) {
        return tell(newcomer.stream, fatal, "replication").await;
    }
    let attested = shared.certificates.attests(&newcomer.stream, &subject.user);
    let server = match dialer.connect_for(attested).await {
        Ok(server) => server,
        Err(error) => {
            if shared.connect_complaints.is_due() {
                tracing::warn!(%error, "cannot connect to the server");
            }
            return tell(newcomer.stream, refuse::unreachable(), "upstream_unreachable").await;
        }
    };
    let line = server.local_address().and_then(|address| shared.collaborators.recorder.line(address));
    let Newcomer { stream, startup, served, .. } = newcomer;
    let login = login(shared, (&startup, &subject), served.as_deref(), attested);
    let accepted = match auth::log_in(Messages::new(stream), Messages::new(server), &login).await {
        Ok(accepted) => accepted,
        Err(LoginError::Ended(ended)) => {
            farewell(shared, *ended, &subject).await;
            return Err("login");
        }
        Err(error) => {
            tracing::debug!(%error, user = %subject.user, ?address, "login failed");
            return Err("login");
        }
    };
    let places = match shared.places.session(&subject) {
        Ok(places) => places,
        Err(fatal) => return tell(accepted.client.into_parts().0, fatal, "too_many").await,
    };
    let key = accepted.key.clone();
    if replicates {
        if let Err(fatal) = replication::ungoverned(&shared.collaborators, &subject).await {
            return tell(accepted.client.into_parts().0, fatal, "replication").await;
        }
        tracing::info!(user = %subject.user, ?address, "replication connection");
        let number = shared.next_session.fetch_add(1, Ordering::Relaxed);
        let session = Session { talk: accepted, number, subject: Arc::new(subject), key, line, places };
        return Ok(Some(Admitted::Raw(Box::new(session))));
    }
    let Some((talk, subject, number)) = begin(shared, accepted, &startup, subject).await? else { return Ok(None) };
    Ok(Some(Admitted::Judged(Box::new(Session { talk, number, subject, key, line, places }))))
}

/// The server has ended a session before it began. What it said may come from a function that has seen anything, and goes
/// to a governed client, or to one of whom nobody can tell, in the form of all errors.
async fn farewell(shared: &Shared, ended: Ended, subject: &Subject) {
    let Ended { mut client, said } = ended;
    let collaborators = &shared.collaborators;
    let said = if greeting_may_tell(&said) && may_be_governed(collaborators, subject).await {
        governed_greeting(&said).unwrap_or_default()
    } else {
        said
    };
    tracing::debug!(user = %subject.user, "ended by the server before the session began");
    // The client may be gone already.
    let _ = client.send(said).await;
}

async fn may_be_governed(collaborators: &Arc<Collaborators>, subject: &Subject) -> bool {
    if collaborators.config.policies.is_none() {
        return false;
    }
    collaborators.keeper.ensure(&subject.database).await.is_err()
        || EngineJudge::new(Arc::clone(collaborators), 0, subject.clone()).governed()
}

/// What is known of a client that wants to log in.
fn login<'a>(
    shared: &'a Shared,
    (startup, subject): (&'a Startup, &'a Subject),
    served: Option<&Served>,
    attested: Attested,
) -> Login<'a> {
    Login {
        packet: &startup.packet,
        user: &subject.user,
        verifiers: &shared.collaborators.verifiers,
        hashing: &shared.hashing,
        end_point: served.and_then(|served| tls_server_end_point(&served.certificate)),
        foreign_certificate: attested == Attested::SomebodyElse,
    }
}

async fn tell<T>(stream: Stream, fatal: Fatal, reason: &'static str) -> Result<Option<T>, &'static str> {
    // The client may be gone already; it is turned away in any case.
    let _ = handshake::turn_away(stream, fatal).await;
    Err(reason)
}

/// Who asks, as far as the startup packet tells.
fn subject(newcomer: &Newcomer, address: Option<IpAddr>) -> Result<Subject, Fatal> {
    let startup = &newcomer.startup;
    let user = name(startup, "user")?.unwrap_or_default();
    let database = name(startup, "database")?.filter(|name| !name.is_empty()).unwrap_or(user);
    Ok(Subject {
        user: user.into(),
        database: database.into(),
        roles: Default::default(),
        address,
        certificate: newcomer.certificate.clone(),
        application: String::from_utf8_lossy(startup.parameter("application_name").unwrap_or_default()).into(),
    })
}

fn name<'a>(startup: &'a Startup, parameter: &str) -> Result<Option<&'a str>, Fatal> {
    let Some(value) = startup.parameter(parameter) else { return Ok(None) };
    if value.len() > MAX_NAME {
        return Err(Fatal::new("42622", format!("{parameter} name is longer than {MAX_NAME} bytes")));
    }
    std::str::from_utf8(value).map(Some).map_err(|_| Fatal::new("22021", format!("{parameter} name is not UTF-8")))
}

/// The server has accepted the client: what may it do here?
async fn begin(
    shared: &Shared,
    accepted: Accepted,
    startup: &Startup,
    subject: Subject,
) -> Result<Option<(Relay<EngineJudge>, Arc<Subject>, u64)>, &'static str> {
    let collaborators = &shared.collaborators;
    let wanted = collaborators.keeper.has_account() || collaborators.config.policies.is_some();
    if wanted && let Err(error) = collaborators.keeper.ensure(&subject.database).await {
        tracing::error!(%error, database = %subject.database, "cannot read the catalog");
        // Without the catalog nobody knows who is governed.
        if collaborators.config.policies.is_some() {
            let fatal = Fatal {
                code: "57P03",
                message: format!("the policy of database \"{}\" cannot be applied now", subject.database),
                hint: Some("The proxy cannot read the catalog over its service account."),
            };
            return tell(accepted.client.into_parts().0, fatal, "catalog_unreadable").await;
        }
    }
    let number = shared.next_session.fetch_add(1, Ordering::Relaxed);
    let guess = guess_path(startup.parameter("search_path"), &subject.user);
    let judge = EngineJudge::new(Arc::clone(collaborators), number, subject);
    if let (true, Some(fatal)) = (judge.governed(), accepted.pins.violation()) {
        return tell(accepted.client.into_parts().0, fatal, "settings").await;
    }
    let mut accepted = accepted;
    if judge.governed() {
        accepted.greeting = governed_greeting(&accepted.greeting).map_err(|_| "login")?;
    }
    let who = Arc::clone(judge.subject());
    let conversation = Conversation::new(judge, accepted.pins, accepted.status, guess);
    Ok(Some((Relay::new(accepted, conversation), who, number)))
}

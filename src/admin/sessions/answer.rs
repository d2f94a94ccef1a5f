//! The answer of `/api/v1/sessions` as JSON. Programs rely on these names: fields are added, and never change.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::query::{Query, sort};
use crate::observe::sessions::{Overview, Snapshot, State};

/// An answer: sessions, and what they are among.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The moment.
    pub at: Timestamp,
    /// The version of the program.
    pub version: String,
    /// Sessions that are open.
    pub open: u64,
    /// Of them, those that were asked for; `limit` may cut the list shorter.
    pub matched: u64,
    /// Those that were asked for by what they are doing.
    pub states: Vec<Count>,
    /// The sessions: the oldest transaction first, then who has been in its state for longest.
    pub sessions: Vec<Session>,
}

/// How many do the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// What they are doing.
    pub state: String,
    /// How many.
    pub sessions: u64,
}

/// One session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Its number, as in the audit.
    pub session: u64,
    /// The database.
    pub database: String,
    /// `application_name` as given when it connected.
    pub application: String,
    /// The role that logged in.
    pub user: String,
    /// Where the client is; null for a unix socket.
    pub client_address: Option<String>,
    /// Process number of the server's backend, as in `pg_stat_activity`.
    pub backend_pid: Option<u32>,
    /// `active`, `idle`, `idle in transaction` or `idle in transaction (aborted)`.
    pub state: String,
    /// Since when.
    pub state_since: Timestamp,
    /// The same, in seconds.
    pub state_seconds: f64,
    /// Since when its transaction has been open; null where none is.
    pub transaction_since: Option<Timestamp>,
    /// The same, in seconds.
    pub transaction_seconds: Option<f64>,
    /// Since when it has been logged in.
    pub connected_since: Timestamp,
    /// What runs or, in a session that is not active, ran or was refused last; null where nothing has, or it could not be
    /// read as SQL.
    pub statement: Option<Statement>,
}

/// A statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// 16 hexadecimal digits, as in the audit and at `/api/v1/shapes`.
    pub fingerprint: String,
    /// The verb, or `multiple` for several statements in one request.
    pub operation: String,
    /// The text without literals and comments.
    pub text: String,
}

impl Answer {
    /// What is answered to a question.
    pub fn of(overview: Overview, query: &Query) -> Self {
        let Overview { at, sessions } = overview;
        let open = sessions.len() as u64;
        let mut wanted: Vec<_> = sessions.into_iter().filter(|session| query.admits(session)).collect();
        let states = State::ALL.map(|state| Count {
            state: state.as_str().to_owned(),
            sessions: wanted.iter().filter(|session| session.state == state).count() as u64,
        });
        sort(&mut wanted);
        let matched = wanted.len() as u64;
        wanted.truncate(query.limit);
        Self {
            at,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            open,
            matched,
            states: states.into(),
            sessions: wanted.iter().map(|session| Session::of(session, at)).collect(),
        }
    }

    /// How many are in this state.
    pub fn count(&self, state: State) -> u64 {
        self.states.iter().find(|count| count.state == state.as_str()).map_or(0, |count| count.sessions)
    }
}

impl Session {
    fn of(session: &Snapshot, at: Timestamp) -> Self {
        let since = |passed: Duration| at.checked_sub(passed).unwrap_or(at);
        let subject = &session.subject;
        Self {
            session: session.number,
            database: subject.database.to_string(),
            application: subject.application.to_string(),
            user: subject.user.to_string(),
            client_address: subject.address.map(|address| address.to_string()),
            backend_pid: session.backend,
            state: session.state.as_str().to_owned(),
            state_since: since(session.in_state),
            state_seconds: session.in_state.as_secs_f64(),
            transaction_since: session.in_transaction.map(since),
            transaction_seconds: session.in_transaction.map(|passed| passed.as_secs_f64()),
            connected_since: since(session.connected),
            statement: session.statement.as_ref().map(|statement| Statement {
                fingerprint: format!("{:016x}", statement.fingerprint),
                operation: statement.operation.to_owned(),
                text: statement.text.to_string(),
            }),
        }
    }
}

//! Sessions that are open, by database, application and state. They are counted and labelled when they are shown: a
//! session that began when its application had no series of its own ends as what it is called by then.

use std::collections::BTreeMap;
use std::sync::Arc;

use dashmap::DashSet;

use super::Metrics;
use super::guard::Guarded;
use crate::observe::labels;
use crate::observe::registry;
use crate::observe::sessions::{Sessions, State};
use crate::policy::subject::Subject;

/// Labels of databases and applications that have had sessions: their series stay, at zero.
#[derive(Debug, Default)]
pub(super) struct Known(DashSet<(Arc<str>, Arc<str>), foldhash::fast::RandomState>);

impl Metrics {
    /// The sessions that are counted.
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// A session has logged in.
    pub fn session_opened(&self, subject: &Subject) {
        let database = self.database(&subject.database);
        database.sessions.increment(1);
        let application = self.guard(Guarded::Application, &subject.application);
        self.known_sessions.0.insert((Arc::clone(&database.name), application));
    }

    pub(super) fn render_sessions(&self, into: &mut String) {
        let mut clients: BTreeMap<(Arc<str>, Arc<str>, State), u64> = BTreeMap::new();
        // Every session has one connection to the server, for as long as it lasts.
        let mut servers: BTreeMap<(Arc<str>, State), u64> = BTreeMap::new();
        for known in self.known_sessions.0.iter() {
            let (database, application) = known.key();
            for state in State::ALL {
                clients.entry((Arc::clone(database), Arc::clone(application), state)).or_default();
                servers.entry((Arc::clone(database), state)).or_default();
            }
        }
        self.sessions.states(|subject, state| {
            let database = self.admitted(Guarded::Database, &subject.database);
            let application = self.admitted(Guarded::Application, &subject.application);
            *clients.entry((Arc::clone(&database), application, state)).or_default() += 1;
            *servers.entry((database, state)).or_default() += 1;
        });
        let client = clients.iter().map(|((database, application, state), open)| {
            (vec![&**database, &**application, state.as_str()], *open as f64)
        });
        labels::render_family(&registry::CLIENT_CONNECTIONS, client, into);
        let server = servers.iter().map(|((database, state), open)| (vec![&**database, state.as_str()], *open as f64));
        labels::render_family(&registry::SERVER_CONNECTIONS, server, into);
    }
}

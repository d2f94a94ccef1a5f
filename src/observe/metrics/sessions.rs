//! Sessions that are open, by database and application. They are labelled when they are shown: a session that began
//! when its application had no series of its own ends as what it is called by then.

use std::collections::BTreeMap;
use std::sync::Arc;

use dashmap::DashMap;

use super::Metrics;
use super::guard::Guarded;
use crate::observe::labels::{self, OTHER};
use crate::observe::registry;
use crate::policy::subject::Subject;

/// Open sessions by database and application. One is left at zero as long as it has a label of its own.
#[derive(Debug, Default)]
pub(super) struct Sessions(DashMap<(Box<str>, Box<str>), u64, foldhash::fast::RandomState>);

impl Metrics {
    /// A session has logged in.
    pub fn session_opened(&self, subject: &Subject) {
        self.database(&subject.database).sessions.increment(1);
        self.guard(Guarded::Application, &subject.application);
        *self.sessions.0.entry(key(subject)).or_default() += 1;
    }

    /// A session that had logged in is over.
    pub fn session_closed(&self, subject: &Subject) {
        let own = &*self.admitted(Guarded::Application, &subject.application) != OTHER;
        if let dashmap::Entry::Occupied(mut entry) = self.sessions.0.entry(key(subject)) {
            *entry.get_mut() = entry.get().saturating_sub(1);
            if *entry.get() == 0 && !own {
                entry.remove();
            }
        }
    }

    pub(super) fn render_sessions(&self, into: &mut String) {
        let mut clients: BTreeMap<(Arc<str>, Arc<str>), u64> = BTreeMap::new();
        let mut servers: BTreeMap<Arc<str>, u64> = BTreeMap::new();
        for entry in &self.sessions.0 {
            let ((database, application), open) = entry.pair();
            let database = self.admitted(Guarded::Database, database);
            let application = self.admitted(Guarded::Application, application);
            *clients.entry((Arc::clone(&database), application)).or_default() += open;
            // Every session has one connection to the server, for as long as it lasts.
            *servers.entry(database).or_default() += open;
        }
        let client =
            clients.iter().map(|((database, application), open)| (vec![&**database, &**application], *open as f64));
        labels::render_family(&registry::CLIENT_CONNECTIONS, client, into);
        let server = servers.iter().map(|(database, open)| (vec![&**database], *open as f64));
        labels::render_family(&registry::SERVER_CONNECTIONS, server, into);
    }
}

fn key(subject: &Subject) -> (Box<str>, Box<str>) {
    (subject.database.clone(), subject.application.clone())
}

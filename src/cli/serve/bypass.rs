//! Looks for sessions that reach the databases of contracts around this proxy.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::config::Config;
use crate::model::bypass::{Expected, Look, Memory, Names, Origin, ServerSession};
use crate::observe::labels;
use crate::observe::observer::Observer;
use crate::policy::store::SnapshotStore;
use crate::upstream::connect::{ServiceAccount, UpstreamError};
use crate::upstream::sessions;

/// Sessions that one look names in the log; of more it says how many.
const NAMED: usize = 20;

/// How long a name may take to be looked up.
const NAME_LIMIT: Duration = Duration::from_secs(5);

/// After so many looks in a row without an answer nobody knows how many there are.
const PATIENCE: u32 = 3;

/// Begins to look, if the configuration wants it and there is somebody to look as.
pub(super) fn start(
    config: &Config,
    store: &Arc<SnapshotStore>,
    observer: &Arc<Observer>,
    account: Option<ServiceAccount>,
) {
    let (Some(settings), Some(service), Some(account)) = (&config.bypass, &config.service, account) else { return };
    let planner = config.plans.as_ref().and_then(|plans| plans.user.as_ref()).map(|(user, _)| &**user);
    let keeper = config.state.as_ref().and_then(|state| state.place.user());
    let own = [Some(&*service.user), planner, keeper].into_iter().flatten().map(Expected::user);
    let watch = Watch {
        interval: settings.interval,
        expected: own.chain(settings.expected.iter().cloned()).collect(),
        user: service.user.clone(),
        account,
        store: Arc::clone(store),
        observer: Arc::clone(observer),
        memory: Memory::default(),
        names: Names::new(),
        is_blind: false,
        failures: 0,
    };
    tokio::spawn(watch.run());
}

struct Watch {
    interval: Duration,
    expected: Vec<Expected>,
    user: String,
    account: ServiceAccount,
    store: Arc<SnapshotStore>,
    observer: Arc<Observer>,
    memory: Memory,
    names: Names,
    /// The account may not see the sessions of others, and the log was told.
    is_blind: bool,
    /// Looks in a row that had no answer.
    failures: u32,
}

impl Watch {
    /// Looks for as long as it is polled.
    async fn run(mut self) {
        let mut ticks = tokio::time::interval(self.interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let databases: Vec<String> = self.store.load().bundle.databases().into_iter().map(String::from).collect();
            match self.ask(&databases).await {
                Ok(Some(sessions)) => {
                    self.look_up().await;
                    self.judge(sessions, &databases);
                }
                Ok(None) => self.is_not_allowed(),
                Err(error) => {
                    self.failures = self.failures.saturating_add(1);
                    tracing::debug!(%error, "cannot read the sessions of the server");
                    if self.failures == PATIENCE {
                        self.observer.bypass(&BTreeMap::new());
                    }
                }
            }
        }
    }

    /// Any of the databases can answer for all: one of them may not be there yet.
    async fn ask(&self, databases: &[String]) -> Result<Option<Vec<ServerSession>>, UpstreamError> {
        let mut answer = Ok(Some(Vec::new()));
        for database in databases {
            answer = sessions::read(&self.account, database, databases).await;
            if answer.is_ok() {
                break;
            }
        }
        answer
    }

    /// Looks the names up that sessions are expected from. One that cannot be found keeps the addresses that it had.
    async fn look_up(&mut self) {
        let origins = self.expected.iter().filter_map(|expected| expected.from.as_ref()).flatten();
        let names: Vec<Box<str>> = origins.filter_map(Origin::name).map(Box::from).collect();
        for name in names {
            let found = tokio::time::timeout(NAME_LIMIT, tokio::net::lookup_host((&*name, 0))).await;
            match found {
                Ok(Ok(found)) => {
                    let addresses = found.map(|address| address.ip().to_canonical()).collect();
                    self.names.insert(name.clone(), addresses);
                }
                Ok(Err(error)) => tracing::debug!(%name, %error, "cannot look up where sessions come from"),
                Err(_) => tracing::debug!(%name, "cannot look up in time where sessions come from"),
            }
        }
    }

    fn judge(&mut self, sessions: Vec<ServerSession>, databases: &[String]) {
        self.failures = 0;
        if std::mem::take(&mut self.is_blind) {
            tracing::info!("sessions that come around the proxy can be told from now on");
        }
        // After the server was asked: whoever has logged in meanwhile is ours in both.
        let held = self.observer.sessions().held_at_server();
        let databases = databases.iter().map(|name| Box::from(name.as_str()));
        let Look { counts, new } = self.memory.look(sessions, &held, (&self.expected, &self.names), databases);
        for session in new.iter().take(NAMED) {
            let address = session.client.map_or_else(|| "local".to_owned(), |client| client.ip().to_string());
            tracing::warn!(
                database = %session.database,
                user = %session.user,
                address,
                application = labels::clean(&session.application),
                pid = session.pid,
                "a session came around the proxy: neither policies nor metrics see it"
            );
        }
        if let Some(more @ 1..) = new.len().checked_sub(NAMED) {
            tracing::warn!(more, "more sessions came around the proxy");
        }
        // Whoever sees the number finds the lines.
        self.observer.bypass(&counts);
    }

    fn is_not_allowed(&mut self) {
        self.failures = 0;
        self.observer.bypass(&BTreeMap::new());
        if !std::mem::replace(&mut self.is_blind, true) {
            tracing::warn!(
                user = self.user,
                "sessions that come around the proxy cannot be told: the service account may not see where the sessions of \
                 others come from. GRANT pg_read_all_stats, or pg_monitor, to it, or write `bypass: off` (docs/sessions.md)"
            );
        }
    }
}

//! The series of a database and of the applications in it.

use std::sync::Arc;

use dashmap::DashMap;
use metrics::Counter;
use metrics_exporter_prometheus::PrometheusRecorder;

use super::guard::Guarded;
use super::table::Tables;
use super::{Metrics, column::Columns, counter};
use crate::engine::report::Operation;
use crate::observe::event::Decision;
use crate::observe::histogram::Histogram;
use crate::observe::labels::OTHER;
use crate::observe::registry;

/// The handles of one database, each made when it is first asked for.
pub struct DatabaseSeries {
    /// The label `datname`.
    pub name: Arc<str>,
    /// Sessions so far.
    pub sessions: Counter,
    durations: DashMap<Option<Operation>, Arc<Histogram>, foldhash::fast::RandomState>,
    applications: DashMap<Box<str>, Arc<ApplicationSeries>, foldhash::fast::RandomState>,
    other_applications: Arc<ApplicationSeries>,
    pub(super) tables: Tables,
    pub(super) columns: Columns,
}

/// The handles of one application in one database.
pub struct ApplicationSeries {
    database: Arc<str>,
    /// The label `application`.
    pub name: Arc<str>,
    statements: DashMap<(Operation, Decision), Counter, foldhash::fast::RandomState>,
    errors: DashMap<([u8; 2], bool), Counter, foldhash::fast::RandomState>,
}

impl std::fmt::Debug for ApplicationSeries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApplicationSeries").field("name", &self.name).finish_non_exhaustive()
    }
}

impl DatabaseSeries {
    pub(super) fn new(recorder: &PrometheusRecorder, name: Arc<str>) -> Self {
        Self {
            sessions: counter(recorder, &registry::SESSIONS, &[&name]),
            durations: DashMap::default(),
            applications: DashMap::default(),
            other_applications: Arc::new(ApplicationSeries::new(&name, OTHER.into())),
            tables: Tables::default(),
            columns: Columns::default(),
            name,
        }
    }
}

impl ApplicationSeries {
    fn new(database: &Arc<str>, name: Arc<str>) -> Self {
        let (statements, errors) = (DashMap::default(), DashMap::default());
        Self { database: Arc::clone(database), name, statements, errors }
    }
}

impl Metrics {
    /// The handles of a database.
    pub fn database(&self, name: &str) -> Arc<DatabaseSeries> {
        if let Some(series) = self.databases.get(name) {
            return Arc::clone(&series);
        }
        let label = self.guard(Guarded::Database, name);
        if &*label == OTHER {
            return Arc::clone(&self.other_databases);
        }
        let entry = self.databases.entry(name.into());
        Arc::clone(&entry.or_insert_with(|| Arc::new(DatabaseSeries::new(&self.recorder, label))))
    }

    /// The handles of an application; none of its own beyond the limit, which is counted.
    pub fn application(&self, database: &DatabaseSeries, name: &str) -> Arc<ApplicationSeries> {
        if let Some(series) = database.applications.get(name) {
            return Arc::clone(&series);
        }
        let label = self.guard(Guarded::Application, name);
        if &*label == OTHER {
            return Arc::clone(&database.other_applications);
        }
        let entry = database.applications.entry(name.into());
        Arc::clone(&entry.or_insert_with(|| Arc::new(ApplicationSeries::new(&database.name, label))))
    }

    /// The counter of statements of an application.
    pub fn statements(&self, application: &ApplicationSeries, operation: Operation, decision: Decision) -> Counter {
        let key = (operation, decision);
        if let Some(counter) = application.statements.get(&key) {
            return counter.clone();
        }
        let values = [&*application.database, &application.name, operation.as_str(), decision.as_str()];
        let counter = self.counter(&registry::STATEMENTS, &values);
        application.statements.insert(key, counter.clone());
        counter
    }

    /// Counts a statement that ended in an error of this SQLSTATE.
    pub fn error(&self, application: &ApplicationSeries, sqlstate: [u8; 5], by_proxy: bool) {
        let [first, second, ..] = sqlstate;
        let key = ([first, second], by_proxy);
        if let Some(counter) = application.errors.get(&key) {
            counter.increment(1);
            return;
        }
        let class = self.class(key.0);
        let origin = if by_proxy { "proxy" } else { "server" };
        let counter = self.counter(&registry::ERRORS, &[&application.database, &application.name, &class, origin]);
        counter.increment(1);
        // Classes are letters that the server has chosen: more than there are places for are not kept.
        if &*class != OTHER {
            application.errors.insert(key, counter);
        }
    }

    /// The label of a class of SQLSTATE.
    pub(super) fn class(&self, letters: [u8; 2]) -> Arc<str> {
        std::str::from_utf8(&letters).map_or_else(|_| OTHER.into(), |class| self.guard(Guarded::SqlState, class))
    }

    /// The times of requests; no operation stands for several statements in one request.
    pub fn durations(&self, database: &DatabaseSeries, operation: Option<Operation>) -> Arc<Histogram> {
        if let Some(series) = database.durations.get(&operation) {
            return Arc::clone(&series);
        }
        let label = operation.map_or("multiple", Operation::as_str);
        let series = self.statement_duration.series(&[&database.name, label]);
        database.durations.insert(operation, Arc::clone(&series));
        series
    }
}

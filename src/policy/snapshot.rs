//! Model, policy and catalog as one immutable value: one statement sees exactly one snapshot.

use std::collections::HashMap;
use std::sync::Arc;

use dashmap::DashMap;
use jiff::civil::Date;

use super::compile::{self, Bundle};
use super::subject::Subject;
use super::view::SubjectView;
use crate::model::catalog::{Catalog, Oid};
use crate::sql::lineage::ViewLineage;

/// Views kept at once; beyond that they are compiled anew.
const MAX_VIEWS: usize = 10_000;

/// Everything that verdicts depend on, at one epoch.
#[derive(Debug)]
pub struct Snapshot {
    /// Grows by one with every swap, whatever its cause.
    pub epoch: u64,
    /// Contracts and policies as loaded.
    pub bundle: Arc<Bundle>,
    /// The day on which it holds, in UTC: exemptions end and lifecycles move by it.
    pub today: Date,
    databases: HashMap<Box<str>, Arc<Database>>,
    views: DashMap<Subject, Arc<SubjectView>, foldhash::fast::RandomState>,
}

/// What is known of one database.
#[derive(Debug)]
pub struct Database {
    /// Its catalog.
    pub catalog: Arc<Catalog>,
    /// Where the columns of views and materialised views come from.
    pub lineages: HashMap<Oid, ViewLineage>,
}

impl Snapshot {
    /// A snapshot over these catalogs, as of today.
    pub fn new(epoch: u64, bundle: Arc<Bundle>, databases: HashMap<Box<str>, Arc<Database>>) -> Self {
        Self::on(today(), epoch, bundle, databases)
    }

    /// A snapshot over these catalogs, as of that day.
    pub fn on(today: Date, epoch: u64, bundle: Arc<Bundle>, databases: HashMap<Box<str>, Arc<Database>>) -> Self {
        Self { epoch, bundle, today, databases, views: DashMap::default() }
    }

    /// What is known of a database, if its catalog has been read.
    pub fn database(&self, name: &str) -> Option<&Arc<Database>> {
        self.databases.get(name)
    }

    /// Which columns of a database are denied because a mask does not work on them; one sentence each.
    pub fn unfit(&self, database: &str) -> Vec<String> {
        self.database(database).map(|database| compile::unfit(&self.bundle, database, self.today)).unwrap_or_default()
    }

    /// All databases whose catalog has been read.
    pub fn databases(&self) -> &HashMap<Box<str>, Arc<Database>> {
        &self.databases
    }

    /// The rules of a subject, compiled once per snapshot.
    pub fn view(&self, subject: &Subject) -> Arc<SubjectView> {
        if let Some(view) = self.views.get(subject) {
            return Arc::clone(&view);
        }
        let view = Arc::new(compile::view(
            &self.bundle,
            self.database(&subject.database).map(|database| &**database),
            subject,
            self.today,
        ));
        // Clients choose their application_name: it must not fill the memory.
        if self.views.len() >= MAX_VIEWS {
            self.views.clear();
        }
        self.views.insert(subject.clone(), Arc::clone(&view));
        view
    }
}

/// The day that it is in UTC: every process of a fleet moves on at the same moment.
pub fn today() -> Date {
    jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date()
}

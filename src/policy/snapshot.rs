//! Model, policy and catalog as one immutable value: one statement sees exactly one snapshot.

use std::collections::HashMap;
use std::sync::Arc;

use dashmap::DashMap;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::compile::{self, Bundle};
use super::subject::Subject;
use super::view::SubjectView;
use crate::model::catalog::{Catalog, Oid};
use crate::model::consumers::{Ledger, NoLedger};
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
    /// The moment from which on it holds: exemptions end and lifecycles move by it.
    pub now: Timestamp,
    /// Who uses what, as far as has been seen.
    pub ledger: Arc<dyn Ledger>,
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

/// When, and by which record of usage, lifecycles and exemptions are judged.
#[derive(Debug, Clone, Copy)]
pub struct Occasion<'a> {
    /// The moment.
    pub now: Timestamp,
    /// Who uses what.
    pub ledger: &'a dyn Ledger,
}

impl Occasion<'_> {
    /// The day of the moment, in UTC: every process of a fleet moves on at the same time.
    pub fn today(&self) -> Date {
        self.now.to_zoned(TimeZone::UTC).date()
    }
}

impl Snapshot {
    /// A snapshot over these catalogs, as of now.
    pub fn new(epoch: u64, bundle: Arc<Bundle>, databases: HashMap<Box<str>, Arc<Database>>) -> Self {
        Self::at(Timestamp::now(), epoch, bundle, databases)
    }

    /// A snapshot over these catalogs, as of that moment.
    pub fn at(now: Timestamp, epoch: u64, bundle: Arc<Bundle>, databases: HashMap<Box<str>, Arc<Database>>) -> Self {
        Self { epoch, bundle, now, ledger: Arc::new(NoLedger), databases, views: DashMap::default() }
    }

    /// The same, with a record of usage.
    pub fn with_ledger(self, ledger: Arc<dyn Ledger>) -> Self {
        Self { ledger, ..self }
    }

    /// When, and by which record of usage, lifecycles and exemptions are judged.
    pub fn occasion(&self) -> Occasion<'_> {
        Occasion { now: self.now, ledger: &*self.ledger }
    }

    /// What is known of a database, if its catalog has been read.
    pub fn database(&self, name: &str) -> Option<&Arc<Database>> {
        self.databases.get(name)
    }

    /// Which columns of a database are denied because a mask does not work on them; one sentence each.
    pub fn unfit(&self, database: &str) -> Vec<String> {
        self.database(database)
            .map(|database| compile::unfit(&self.bundle, database, self.occasion()))
            .unwrap_or_default()
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
            self.occasion(),
        ));
        // Clients choose their application_name: it must not fill the memory.
        if self.views.len() >= MAX_VIEWS {
            self.views.clear();
        }
        self.views.insert(subject.clone(), Arc::clone(&view));
        view
    }
}

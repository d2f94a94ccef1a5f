//! The place where the current snapshot is kept and swapped, all or nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use super::compile::Bundle;
use super::snapshot::{Database, Snapshot};
use crate::model::catalog::Catalog;
use crate::model::consumers::Ledger;
use crate::sql::lineage;

/// Readers load without a lock; writers take turns.
#[derive(Debug)]
pub struct SnapshotStore {
    current: ArcSwap<Snapshot>,
    turn: Mutex<()>,
}

impl SnapshotStore {
    /// A store that knows no database yet.
    pub fn new(bundle: Arc<Bundle>) -> Self {
        Self { current: ArcSwap::from_pointee(Snapshot::new(1, bundle, HashMap::new())), turn: Mutex::new(()) }
    }

    /// The same, with a record of usage.
    pub fn with_ledger(bundle: Arc<Bundle>, ledger: Arc<dyn Ledger>) -> Self {
        let first = Snapshot::new(1, bundle, HashMap::new()).with_ledger(ledger);
        Self { current: ArcSwap::from_pointee(first), turn: Mutex::new(()) }
    }

    /// The snapshot in force.
    pub fn load(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// The epoch in force: cheaper than a full load where only a change matters.
    pub fn epoch(&self) -> u64 {
        self.current.load().epoch
    }

    /// Takes over new contracts and policies; returns the new epoch.
    pub fn replace_bundle(&self, bundle: Arc<Bundle>) -> u64 {
        let _turn = self.take_turn();
        let old = self.load();
        self.swap(&old, bundle, old.databases().clone())
    }

    /// Takes over the catalog of one database; returns the epoch in force, which is the old one when nothing differs.
    pub fn replace_catalog(&self, catalog: Catalog) -> u64 {
        let database = Arc::new(Database { lineages: lineage::of_views(&catalog), catalog: Arc::new(catalog) });
        let _turn = self.take_turn();
        let old = self.load();
        let name = database.catalog.database.clone();
        if old.database(&name).is_some_and(|known| *known.catalog == *database.catalog) {
            return old.epoch;
        }
        let mut databases = old.databases().clone();
        databases.insert(name, database);
        self.swap(&old, Arc::clone(&old.bundle), databases)
    }

    /// Forgets the catalog of a database that is no more; returns the epoch in force.
    pub fn forget_catalog(&self, database: &str) -> u64 {
        let _turn = self.take_turn();
        let old = self.load();
        let mut databases = old.databases().clone();
        if databases.remove(database).is_none() {
            return old.epoch;
        }
        self.swap(&old, Arc::clone(&old.bundle), databases)
    }

    fn swap(&self, old: &Snapshot, bundle: Arc<Bundle>, databases: HashMap<Box<str>, Arc<Database>>) -> u64 {
        let epoch = old.epoch + 1;
        let next = Snapshot::new(epoch, bundle, databases).with_ledger(Arc::clone(&old.ledger));
        self.current.store(Arc::new(next));
        epoch
    }

    fn take_turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

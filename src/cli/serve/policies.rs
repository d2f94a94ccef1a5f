//! Reading contracts and policies again while sessions go on: all or nothing.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::differences;
use crate::model::lifecycle::Phase;
use crate::model::source::{Severity, read_folder, render};
use crate::observe::audit::PolicyVersion;
use crate::observe::observer::{DeprecatedColumn, Observer};
use crate::observe::shapes::versions::ContractVersion;
use crate::policy::compile::Bundle;
use crate::policy::store::SnapshotStore;

/// The folder of contracts and policies, and where they go.
pub(super) struct Policies {
    folder: Option<PathBuf>,
    store: Arc<SnapshotStore>,
    observer: Arc<Observer>,
    /// The moment by which lifecycles and exemptions were last judged.
    judged: Mutex<Timestamp>,
    /// Held from reading to swapping: of two reloads at once the one that has read older files must not come last.
    turn: Mutex<()>,
}

impl Policies {
    pub(super) fn new(folder: Option<PathBuf>, store: Arc<SnapshotStore>, observer: Arc<Observer>) -> Self {
        Self { folder, store, observer, judged: Mutex::new(Timestamp::now()), turn: Mutex::new(()) }
    }

    /// Reads the folder and swaps the snapshot. Files with errors change nothing and are reported.
    pub(super) fn reload(&self) {
        let Some(folder) = &self.folder else { return };
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let files = match read_folder(folder) {
            Ok(files) => files,
            Err(error) => {
                tracing::error!(%error, folder = %folder.display(), "cannot read the policies; what is in force stays");
                self.observer.policy_refused();
                return;
            }
        };
        let (bundle, diagnostics) = Bundle::from_sources(&files);
        let errors = diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
        match bundle {
            Some(bundle) if !errors => {
                let bundle = Arc::new(bundle);
                self.observer.names_known(&bundle);
                let before = Arc::clone(&self.store.load().bundle);
                let epoch = self.store.replace_bundle(Arc::clone(&bundle));
                self.announce(&bundle, epoch);
                tracing::info!(epoch, "policies loaded");
                differences::tell(before, Arc::clone(&bundle), Arc::clone(&self.observer));
                let snapshot = self.store.load();
                for database in snapshot.databases().keys() {
                    for what in snapshot.unfit(database) {
                        tracing::warn!(%database, "{what}");
                    }
                }
            }
            _ => {
                tracing::error!("policies refused, what is in force stays\n{}", render(&diagnostics, &files));
                self.observer.policy_refused();
            }
        }
    }

    /// Tells metrics and audit what is in force.
    pub(super) fn announce(&self, bundle: &Bundle, epoch: u64) {
        let versions: Vec<_> = bundle
            .policies()
            .map(|policy| PolicyVersion { name: policy.name.to_string(), version: policy.version.to_string() })
            .collect();
        self.observer.versions_loaded(bundle.contracts().map(ContractVersion::of).collect(), &versions);
        self.observer.policy_loaded(epoch, versions);
        self.observer.contracts_loaded(bundle);
        self.observer.audit_policies(epoch, bundle);
        self.observer.deprecated_columns(&deprecated(bundle));
    }

    /// At midnight exemptions end and lifecycles move, and brownouts have their own times: the same files mean
    /// something else.
    pub(super) fn follow_the_clock(&self) {
        let now = Timestamp::now();
        let bundle = Arc::clone(&self.store.load().bundle);
        let mut judged = self.judged.lock().unwrap_or_else(PoisonError::into_inner);
        if bundle.next_change(*judged) <= now {
            *judged = now;
            let epoch = self.store.replace_bundle(Arc::clone(&bundle));
            self.announce(&bundle, epoch);
        }
    }

    /// Whether some contract is about this database.
    pub(super) fn covers(&self, database: &str) -> bool {
        self.store.load().bundle.databases().contains(database)
    }
}

/// Columns and, with an empty name of the column, tables on their way out, for every database of their contract.
pub(super) fn deprecated(bundle: &Bundle) -> Vec<DeprecatedColumn> {
    let now = Timestamp::now();
    let mut columns = Vec::new();
    for contract in bundle.contracts() {
        for database in contract.databases() {
            for (schema, entity) in contract.entities_in(database) {
                let fields = entity.fields.iter().map(|field| (&*field.name, &field.retirement));
                for (column, retirement) in fields.chain(std::iter::once(("", &entity.retirement))) {
                    let Some(retirement) = retirement else { continue };
                    let phase = retirement.phase_at(now);
                    if phase == Phase::Active {
                        continue;
                    }
                    columns.push(DeprecatedColumn {
                        database: database.to_owned(),
                        schema: schema.to_owned(),
                        relation: entity.name.to_string(),
                        column: column.to_owned(),
                        phase: phase.as_str(),
                        sunset: retirement.sunset.map(|day| day.to_string()).unwrap_or_default(),
                    });
                }
            }
        }
    }
    columns
}

//! What is different after files were loaded or a catalog was read, for the journal of changes.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use crate::model::catalog::Catalog;
use crate::model::change::{self, Change, Kind};
use crate::model::diff::{Finding, Occasion, compare, of_contracts};
use crate::model::ident::display_name;
use crate::observe::observer::Observer;
use crate::policy::compile::Bundle;
use crate::policy::diff as policies;
use crate::policy::store::SnapshotStore;

/// Of one load or one reading so many differences are told.
const MOST: usize = 100;

/// Tells what one set of contracts and policies in place of another means for those who use the data. Everybody whom a rule
/// names is looked at, which takes its time: on a thread of its own.
pub(super) fn tell(before: Arc<Bundle>, after: Arc<Bundle>, observer: Arc<Observer>) {
    tokio::task::spawn_blocking(move || {
        let now = Timestamp::now();
        let difference =
            compare(&of_contracts(before.contracts()), &of_contracts(after.contracts()), Occasion { now, usage: None });
        let mut found = versions(&before, &after);
        let relations = Relations::of([&before, &after]);
        let of_policies = policies::compare(&before, &after, now);
        let differences =
            difference.findings.iter().chain(&of_policies).map(|finding| noted(finding, &relations)).collect();
        found.extend(first(differences, "see pgcovenant diff"));
        if found.is_empty() {
            found
                .push(Change::new(Kind::Files, "contracts and policies were loaded; nothing is different for anybody"));
        }
        for change in found {
            tracing::info!("{}", change.what);
            observer.changed(change);
        }
    });
}

/// Contracts and policies that are new, gone, or of another version.
fn versions(before: &Bundle, after: &Bundle) -> Vec<Change> {
    let of = |bundle: &Bundle| {
        let contracts = bundle.contracts().map(|one| (format!("contract {}", one.id), one.version.to_string()));
        let policies = bundle.policies().map(|one| (format!("policy {}", one.name), one.version.to_string()));
        contracts.chain(policies).collect::<BTreeMap<_, _>>()
    };
    let (old, new) = (of(before), of(after));
    let mut found = Vec::new();
    for (name, version) in &new {
        match old.get(name) {
            Some(same) if same == version => {}
            Some(earlier) => found.push(format!("{name}: version {version} in place of {earlier}")),
            None => found.push(format!("{name}: version {version} is new")),
        }
    }
    let gone = old.iter().filter(|(name, _)| !new.contains_key(*name));
    found.extend(gone.map(|(name, version)| format!("{name}: version {version} is gone")));
    found.into_iter().map(|what| Change::new(Kind::Files, what)).collect()
}

fn noted(finding: &Finding, relations: &Relations) -> Change {
    let Finding { rule, path, old, new, note, .. } = finding;
    let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "nothing".to_owned());
    let values =
        if old.is_some() || new.is_some() { format!(": {} -> {}", word(old), word(new)) } else { String::new() };
    let note = note.as_ref().map(|note| format!(" ({note})")).unwrap_or_default();
    let change = Change::new(Kind::Files, format!("{} {path}{values}{note}", rule.id));
    match relations.named_in(path) {
        Some((schema, relation)) => change.about(schema, relation),
        None => change,
    }
}

/// What contracts describe, by the path that findings have of it: `schema.table`, followed by a point and a column or by nothing.
struct Relations(BTreeMap<String, (String, String)>);

impl Relations {
    fn of(bundles: [&Bundle; 2]) -> Self {
        let mut found = BTreeMap::new();
        for contract in bundles.into_iter().flat_map(Bundle::contracts) {
            for database in contract.databases() {
                for (schema, entity) in contract.entities_in(database) {
                    let path = format!("{}.{}", display_name(schema), display_name(&entity.name));
                    found.insert(path, (schema.to_owned(), entity.name.to_string()));
                }
            }
        }
        Self(found)
    }

    fn named_in(&self, path: &str) -> Option<&(String, String)> {
        let ends = path.match_indices('.').map(|(at, _)| at).chain([path.len()]);
        ends.filter_map(|end| self.0.get(path.get(..end)?)).next_back()
    }
}

/// So many that nobody would read them are told as a number.
fn first(mut found: Vec<Change>, elsewhere: &str) -> Vec<Change> {
    if let Some(more) = found.len().checked_sub(MOST).filter(|more| *more > 0) {
        let like = found.get(MOST).map(|last| (last.kind, last.database.clone()));
        found.truncate(MOST);
        let what = format!("and {more} more differences; {elsewhere}");
        found.extend(like.map(|(kind, database)| Change::new(kind, what).of(&database)));
    }
    found
}

/// Looks what a reading has brought.
pub(super) struct Catalogs {
    store: Arc<SnapshotStore>,
    observer: Arc<Observer>,
    known: Mutex<HashMap<Box<str>, Arc<Catalog>>>,
}

impl Catalogs {
    pub(super) fn new(store: &Arc<SnapshotStore>, observer: &Arc<Observer>) -> Self {
        Self { store: Arc::clone(store), observer: Arc::clone(observer), known: Mutex::default() }
    }

    /// A database was read. The first catalog of it is no change.
    pub(super) fn look(&self, database: &str) {
        let Some(catalog) = self.store.load().database(database).map(|known| Arc::clone(&known.catalog)) else {
            return;
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.insert(database.into(), Arc::clone(&catalog));
        let Some(before) = before.filter(|before| !Arc::ptr_eq(before, &catalog)) else { return };
        for change in first(change::between(&before, &catalog), "see the log of the server") {
            self.observer.changed(change);
        }
    }
}

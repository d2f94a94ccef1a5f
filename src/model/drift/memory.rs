//! What can only be told by comparing with an earlier look: migrations that were edited after they had been applied, and
//! tables that change without a migration.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::{Finding, Kind, Observed, Severity};
use crate::model::contract::Contract;
use crate::model::ident::display_name;
use crate::model::migrations::History;
use crate::model::structure::QualifiedName;

/// More tables or migrations than this are not kept in mind.
const AT_MOST: usize = 200;

/// What was seen of one database.
#[derive(Debug, Default)]
pub struct Memory {
    last: Option<Seen>,
    /// Tables that have changed since the last migration.
    unmanaged: BTreeSet<QualifiedName>,
    edited: Edited,
}

/// Migrations by table and key whose checksum has changed: before and after.
type Edited = BTreeMap<(QualifiedName, Box<str>), (Box<str>, Box<str>)>;

#[derive(Debug)]
struct Seen {
    shapes: BTreeMap<QualifiedName, u64>,
    histories: Vec<History>,
}

impl Memory {
    /// Takes a look, and says what has changed since the ones before it.
    pub fn look<'a>(
        &mut self,
        contracts: impl IntoIterator<Item = &'a Contract>,
        observed: &Observed<'_>,
    ) -> Vec<Finding> {
        let now = Seen { shapes: shapes(contracts, observed), histories: observed.structure.histories.clone() };
        if let Some(last) = &self.last {
            let moved = last.histories != now.histories;
            if moved {
                self.unmanaged.clear();
            } else if !now.histories.is_empty() {
                let changed = now
                    .shapes
                    .iter()
                    .filter(|(name, shape)| last.shapes.get(*name).is_some_and(|before| before != *shape));
                self.unmanaged.extend(changed.map(|(name, _)| name.clone()));
            }
            for (before, after) in last.histories.iter().flat_map(|before| {
                now.histories.iter().filter(|after| after.table == before.table).map(move |after| (before, after))
            }) {
                note_edits(&mut self.edited, before, after);
            }
        }
        while self.unmanaged.len() > AT_MOST {
            self.unmanaged.pop_last();
        }
        while self.edited.len() > AT_MOST {
            self.edited.pop_last();
        }
        self.last = Some(now);
        self.unmanaged(observed).chain(self.edited(observed)).collect()
    }

    fn unmanaged(&self, observed: &Observed<'_>) -> impl Iterator<Item = Finding> {
        self.unmanaged.iter().map(|(schema, name)| {
            let message = format!(
                "{}.{} has changed, and no migration tool has recorded a migration",
                display_name(schema),
                display_name(name)
            );
            let help = "Write the migration that does the same, so that other databases get it as well.";
            observed.finding(Kind::UnmanagedDdl, Severity::Risky).of(schema, name).says(message, help)
        })
    }

    fn edited(&self, observed: &Observed<'_>) -> impl Iterator<Item = Finding> {
        self.edited.iter().map(|(((schema, name), key), (before, after))| {
            let message = format!("migration {key} had the checksum {before} and has {after} now");
            let help = "It was edited after it had been applied: databases made from it will differ from this one.";
            let finding = observed.finding(Kind::HistoryChecksumChanged, Severity::Risky).of(schema, name).column(key);
            finding.expected(&**before).found(&**after).says(message, help)
        })
    }
}

fn note_edits(edited: &mut Edited, before: &History, after: &History) {
    for (key, (_, checksum)) in &after.applied {
        let Some((_, Some(old))) = before.applied.get(key) else { continue };
        let Some(new) = checksum.as_ref().filter(|new| *new != old) else { continue };
        edited.entry((after.table.clone(), key.clone())).or_insert_with(|| (old.clone(), new.clone()));
    }
    // Whoever puts it back has repaired it.
    edited.retain(|(table, key), (old, _)| {
        let now = after.applied.get(key).and_then(|(_, checksum)| checksum.as_ref());
        *table != after.table || now.is_some_and(|now| now != old)
    });
}

/// What of a table a migration would change, by the tables that contracts describe.
fn shapes<'a>(
    contracts: impl IntoIterator<Item = &'a Contract>,
    observed: &Observed<'_>,
) -> BTreeMap<QualifiedName, u64> {
    let database = &*observed.catalog.database;
    let mut shapes = BTreeMap::new();
    for contract in contracts {
        for (schema, entity) in contract.entities_in(database) {
            let mut hasher = DefaultHasher::new();
            let relation = observed.catalog.find(schema, &entity.name);
            relation.map(|relation| relation.oid).hash(&mut hasher);
            for column in relation.iter().flat_map(|relation| &relation.columns) {
                (&column.name, column.attnum, &column.ty.sql, column.not_null).hash(&mut hasher);
            }
            relation.map(|relation| (&relation.primary_key, &relation.definition)).hash(&mut hasher);
            shapes.insert((schema.into(), entity.name.clone()), hasher.finish());
        }
    }
    shapes
}

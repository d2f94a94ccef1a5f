//! Who can read around the proxy: roles that a policy governs, and that the server itself lets log in and read what is
//! protected from them.

use super::compile;
use super::snapshot::Snapshot;
use super::subject::Subject;
use super::view::{Effect, RelationRules};
use crate::model::catalog::Relation;
use crate::model::drift::Bypass;
use crate::model::reading::EVERYBODY;
use crate::model::structure::Structure;

/// The roles of a database that could get at protected columns by connecting to the server itself.
///
/// What is granted is known here, who may connect from where is not: pg_hba.conf is the server's own.
pub fn bypasses(snapshot: &Snapshot, database: &str, structure: &Structure) -> Vec<Bypass> {
    let Some(known) = snapshot.database(database) else { return Vec::new() };
    let catalog = &known.catalog;
    let mut found = Vec::new();
    for role in &structure.logins {
        let mut roles = catalog.roles.get(role).map(|role| role.member_of.clone()).unwrap_or_default();
        roles.insert(role.clone());
        let subject =
            Subject { user: role.clone(), database: database.into(), roles: roles.clone(), ..Subject::default() };
        // Not through the snapshot's cache: most of these roles never come.
        let view = compile::view(&snapshot.bundle, Some(known), &subject, snapshot.occasion());
        if !view.governed {
            continue;
        }
        let reads = |relation: &Relation, rules: &RelationRules| {
            let granted = |column: &str| {
                structure.column_readers.iter().any(|reader| {
                    *reader.schema == *relation.schema
                        && *reader.relation == *relation.name
                        && *reader.column == *column
                        && (&*reader.role == EVERYBODY || roles.contains(&reader.role))
                })
            };
            let mut protected = rules.columns.iter().filter(|(_, rule)| rule.effect != Effect::Allow);
            catalog.may_read(role, relation) && (protected.clone().next().is_some() || rules.opaque.is_some())
                || protected
                    .any(|(attnum, _)| relation.column_by_number(*attnum).is_some_and(|column| granted(&column.name)))
        };
        let mut relations: Vec<String> = view
            .relations
            .iter()
            .filter_map(|(oid, rules)| Some((catalog.relation(*oid)?, rules)))
            .filter(|(relation, rules)| !relation.is_system() && reads(relation, rules))
            .map(|(relation, _)| relation.display())
            .collect();
        relations.sort();
        if !relations.is_empty() {
            found.push(Bypass { role: role.clone(), relations });
        }
    }
    found
}

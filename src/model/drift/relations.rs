//! Tables and views: there, of the right kind, with the right query; and those that no contract knows.

use std::collections::{BTreeMap, BTreeSet};

use ring::digest::{SHA256, digest};

use super::{Finding, Kind, Observed, Severity, columns, keys};
use crate::model::catalog::{BaseType, Catalog, Relation, RelationKind};
use crate::model::contract::{Contract, Entity, EntityKind};
use crate::model::ident::display_name;
use crate::model::lifecycle::Phase;
use crate::model::migrations::bookkeeping;
use crate::model::personal::looks_like;

/// The digest of a view's query, for `pgcovenantViewDigest`. The server writes the query in its own words, which may
/// differ between its major versions.
pub fn view_digest(definition: &str) -> String {
    let text = definition.split_whitespace().collect::<Vec<_>>().join(" ");
    let hash = digest(&SHA256, text.trim_end_matches(';').as_bytes());
    hash.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn compare(schema: &str, entity: &Entity, observed: &Observed<'_>, findings: &mut Vec<Finding>) {
    let phase = entity.retirement.as_ref().map(|retirement| retirement.phase_at(observed.now));
    let name = format!("{}.{}", display_name(schema), display_name(&entity.name));
    let Some(relation) = observed.catalog.find(schema, &entity.name) else {
        let (severity, message, help) = match phase {
            Some(Phase::Removed) => return,
            Some(Phase::Sunset) => (
                Severity::Cosmetic,
                format!("{name} has been dropped after its sunset"),
                "Write `phase: removed`, to be told if something creates it again.",
            ),
            _ => (
                Severity::Breaking,
                format!("{name} is promised and not there"),
                "Run the migration that creates it, or take it out of the contract.",
            ),
        };
        let finding = observed.finding(Kind::MissingTable, severity).of(schema, &entity.name);
        return findings.push(finding.says(message, help));
    };
    if phase == Some(Phase::Removed) {
        let message = format!("{name} is there, and the contract says that it has been removed");
        let help = "Drop it, or set its phase back in the contract: something has created it again.";
        findings.push(observed.about(relation, Kind::RemovedReappeared, Severity::Risky).says(message, help));
        return;
    }
    kind(entity, relation, observed, findings);
    columns::compare(entity, relation, observed, findings);
    if is_table(relation) && entity.kind == EntityKind::Table {
        keys::compare(schema, entity, relation, observed, findings);
    }
}

fn is_table(relation: &Relation) -> bool {
    matches!(relation.kind, RelationKind::Table | RelationKind::Partitioned | RelationKind::Foreign)
}

fn is_view(relation: &Relation) -> bool {
    matches!(relation.kind, RelationKind::View | RelationKind::MaterializedView)
}

fn kind(entity: &Entity, relation: &Relation, observed: &Observed<'_>, findings: &mut Vec<Finding>) {
    let (expected, found) = match entity.kind {
        EntityKind::Table if is_view(relation) => ("table", "view"),
        EntityKind::View if is_table(relation) => ("view", "table"),
        EntityKind::Table | EntityKind::View => return view_query(entity, relation, observed, findings),
    };
    let message = format!("{} is a {found}, the contract promises a {expected}", relation.display());
    let help = format!("If the {found} is there to stay, write `physicalType: {found}` in the contract.");
    let finding = observed.about(relation, Kind::ViewChanged, Severity::Risky);
    findings.push(finding.expected(expected).found(found).says(message, help));
}

fn view_query(entity: &Entity, relation: &Relation, observed: &Observed<'_>, findings: &mut Vec<Finding>) {
    let (Some(expected), Some(definition)) = (&entity.view_digest, &relation.definition) else { return };
    let found = view_digest(definition);
    if **expected == *found {
        return;
    }
    let message = format!("the query of {} is another one than when the contract was written", relation.display());
    let help = format!("Review it, then write `{found}` as its pgcovenantViewDigest.");
    let finding = observed.about(relation, Kind::ViewChanged, Severity::Risky);
    findings.push(finding.expected(&**expected).found(found).says(message, help));
}

/// Relations in the schemas of the contracts that none of them describes.
pub(super) fn extra(contracts: &[&Contract], observed: &Observed<'_>, findings: &mut Vec<Finding>) {
    let database = &*observed.catalog.database;
    let mut described: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for contract in contracts {
        for place in contract.places.iter().filter(|place| &*place.database == database) {
            described.entry(&place.schema).or_default();
        }
        for (schema, entity) in contract.entities_in(database) {
            described.entry(schema).or_default().insert(&entity.name);
        }
    }
    let unknown = observed.catalog.relations().filter(|relation| {
        described.get(&*relation.schema).is_some_and(|names| !names.contains(&*relation.name))
            && belongs_to_users(relation, observed)
    });
    findings.extend(unknown.map(|relation| unknown_relation(relation, observed)));
}

/// Neither a part of another table, nor of an extension, nor of a migration tool.
fn belongs_to_users(relation: &Relation, observed: &Observed<'_>) -> bool {
    let structure = observed.structure.relation(&relation.schema, &relation.name);
    (is_table(relation) || is_view(relation))
        && !relation.is_system()
        && !is_partition(relation, observed.catalog)
        && structure.is_none_or(|structure| structure.extension.is_none())
        && !bookkeeping(observed.catalog, relation)
}

fn is_partition(relation: &Relation, catalog: &Catalog) -> bool {
    relation
        .parents
        .iter()
        .filter_map(|parent| catalog.relation(*parent))
        .any(|parent| parent.kind == RelationKind::Partitioned)
}

fn unknown_relation(relation: &Relation, observed: &Observed<'_>) -> Finding {
    let personal: Vec<&str> = relation
        .columns
        .iter()
        .filter(|column| column.ty.base != BaseType::Boolean)
        .filter(|column| looks_like(&relation.name, &column.name, &column.ty).is_some())
        .map(|column| &*column.name)
        .collect();
    let name = relation.display();
    if personal.is_empty() {
        let help = "Describe it in the contract, or ignore it.";
        let message = format!("{name} is in no contract");
        return observed.about(relation, Kind::ExtraTable, Severity::Cosmetic).says(message, help);
    }
    let message = format!("{name} is in no contract, and has what looks like personal data: {}", personal.join(", "));
    let help = "Describe it in the contract, with tags, so that rules hold for it.";
    observed.about(relation, Kind::ExtraTable, Severity::Risky).says(message, help)
}

//! Keys, constraints, indexes and partitions of tables.

use super::{Finding, Kind, Observed, Severity};
use crate::model::catalog::Relation;
use crate::model::contract::{Entity, Relationship};
use crate::model::structure::{ForeignKey, Index, RelationStructure};

pub(super) fn compare(
    schema: &str,
    entity: &Entity,
    relation: &Relation,
    observed: &Observed<'_>,
    findings: &mut Vec<Finding>,
) {
    let nothing = RelationStructure::default();
    let structure = observed.structure.relation(&relation.schema, &relation.name).unwrap_or(&nothing);
    let comparison = Comparison { schema, entity, relation, structure, observed };
    findings.extend(comparison.primary_key());
    findings.extend(entity.relationships.iter().filter_map(|promised| comparison.foreign_key(promised)));
    comparison.unvalidated(findings);
    findings.extend(comparison.unique());
    comparison.indexes(findings);
    findings.extend(comparison.partitions());
}

struct Comparison<'a> {
    schema: &'a str,
    entity: &'a Entity,
    relation: &'a Relation,
    structure: &'a RelationStructure,
    observed: &'a Observed<'a>,
}

fn listed(columns: &[impl AsRef<str>]) -> String {
    format!("({})", columns.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", "))
}

impl Comparison<'_> {
    fn about(&self, kind: Kind, severity: Severity) -> Finding {
        self.observed.about(self.relation, kind, severity)
    }

    fn name(&self) -> String {
        self.relation.display()
    }

    fn primary_key(&self) -> Option<Finding> {
        let mut promised: Vec<_> =
            self.entity.fields.iter().filter_map(|field| Some((field.primary_key?, &*field.name))).collect();
        promised.sort_unstable();
        let promised: Vec<&str> = promised.into_iter().map(|(_, name)| name).collect();
        let numbers = self.relation.primary_key.iter();
        let found: Vec<&str> =
            numbers.filter_map(|number| Some(&*self.relation.column_by_number(*number)?.name)).collect();
        let sorted = |columns: &[&str]| {
            let mut columns: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
            columns.sort();
            columns
        };
        if promised.is_empty() || sorted(&promised) == sorted(&found) {
            return None;
        }
        let expected = listed(&promised);
        let what =
            if found.is_empty() { "no primary key".to_owned() } else { format!("the primary key {}", listed(&found)) };
        let message = format!("{} has {what}, the contract promises {expected}", self.name());
        let help = format!("ALTER TABLE {} ADD PRIMARY KEY {expected}, or correct the contract.", self.name());
        let finding = self.about(Kind::MissingPk, Severity::Breaking);
        Some(finding.expected(expected).found(listed(&found)).says(message, help))
    }

    fn foreign_key(&self, promised: &Relationship) -> Option<Finding> {
        let to = (promised.schema.as_deref().unwrap_or(self.schema), &*promised.table);
        let pairs = |one: &[Box<str>], other: &[Box<str>]| {
            let mut pairs: Vec<_> = one.iter().cloned().zip(other.iter().cloned()).collect();
            pairs.sort();
            pairs
        };
        let keeps = |key: &&ForeignKey| {
            (&*key.to.0, &*key.to.1) == to
                && pairs(&key.columns, &key.to_columns) == pairs(&promised.columns, &promised.to_columns)
        };
        if self.structure.foreign_keys.iter().any(|key| keeps(&key)) {
            return None;
        }
        let (from, target) = (listed(&promised.columns), format!("{}.{} {}", to.0, to.1, listed(&promised.to_columns)));
        let message = format!("{} {from} has no foreign key to {target}", self.name());
        let help = "Add the constraint NOT VALID, then VALIDATE it; or take the relationship out of the contract.";
        let finding = self.about(Kind::MissingFk, Severity::Breaking);
        let finding = match promised.columns.as_slice() {
            [only] => finding.column(only),
            _ => finding,
        };
        Some(finding.expected(format!("{from} references {target}")).says(message, help))
    }

    fn unvalidated(&self, findings: &mut Vec<Finding>) {
        let keys = self.structure.foreign_keys.iter().filter(|key| !key.validated).map(|key| &key.name);
        for constraint in keys.chain(&self.structure.unvalidated) {
            let message = format!("constraint {constraint} of {} is NOT VALID: older rows may break it", self.name());
            let help = format!("ALTER TABLE {} VALIDATE CONSTRAINT {constraint}.", self.name());
            let finding = self.about(Kind::UnvalidatedConstraint, Severity::Risky);
            findings.push(finding.found(&**constraint).says(message, help));
        }
    }

    fn unique(&self) -> Vec<Finding> {
        let promised = self.entity.fields.iter().filter(|field| field.unique && field.primary_key.is_none());
        let missing = promised.filter(|field| {
            let keeps = |index: &Index| {
                index.unique
                    && index.valid
                    && !index.partial
                    && index.key.len() == 1
                    && index.key.first() == Some(&field.name)
            };
            self.relation.column(&field.name).is_some() && !self.structure.indexes.iter().any(keeps)
        });
        let told = missing.map(|field| {
            let message = format!("{}.{} is promised to be unique, and nothing sees to it", self.name(), field.name);
            let help = "Create a unique index, or take `unique` out of the contract.";
            let finding = self.about(Kind::MissingIndex, Severity::Breaking).column(&field.name);
            finding.expected(format!("unique ({})", field.name)).says(message, help)
        });
        told.collect()
    }

    fn indexes(&self, findings: &mut Vec<Finding>) {
        for index in self.structure.indexes.iter().filter(|index| !index.valid) {
            let message =
                format!("index {} of {} is not valid: it costs, and no query uses it", index.name, self.name());
            let help = format!("REINDEX INDEX CONCURRENTLY {}.{}, or drop it.", self.relation.schema, index.name);
            let finding = self.about(Kind::MissingIndex, Severity::Risky);
            findings.push(
                finding
                    .expected(format!("a valid index {}", listed(&index.key)))
                    .found(&*index.name)
                    .says(message, help),
            );
        }
        let Some(promised) = &self.entity.indexes else { return };
        for key in promised {
            let serves = |index: &Index| index.valid && index.key.starts_with(key);
            if !self.structure.indexes.iter().any(serves) {
                let message = format!("{} has no index that begins with {}", self.name(), listed(key));
                let help = format!("CREATE INDEX CONCURRENTLY ON {} {}.", self.name(), listed(key));
                let finding = self.about(Kind::MissingIndex, Severity::Risky);
                findings.push(finding.expected(listed(key)).says(message, help));
            }
        }
        let unknown =
            self.structure.indexes.iter().filter(|index| !index.of_constraint && !promised.contains(&index.key));
        for index in unknown {
            let message =
                format!("index {} {} of {} is not in the contract", index.name, listed(&index.key), self.name());
            let help = "Add its key to pgcovenantIndexes, or drop it if nothing uses it.";
            let finding = self.about(Kind::ExtraIndex, Severity::Cosmetic);
            findings.push(finding.found(&*index.name).says(message, help));
        }
    }

    fn partitions(&self) -> Option<Finding> {
        let mut promised: Vec<_> =
            self.entity.fields.iter().filter_map(|field| Some((field.partition_key?, &*field.name))).collect();
        promised.sort_unstable();
        let promised: Vec<&str> = promised.into_iter().map(|(_, name)| name).collect();
        // The standard has no word for an expression.
        let found: Vec<&str> =
            self.structure.partition_key.iter().map(|column| &**column).filter(|column| !column.is_empty()).collect();
        if found == promised {
            return None;
        }
        let said = |columns: String, none: bool| {
            if none { "no partitions".to_owned() } else { format!("partitions by {columns}") }
        };
        let (expected, is) = (said(listed(&promised), promised.is_empty()), said(listed(&found), found.is_empty()));
        let severity = if promised.is_empty() { Severity::Cosmetic } else { Severity::Risky };
        let message = format!("{} has {is}, the contract says {expected}", self.name());
        let help =
            "Set `partitioned` and `partitionKeyPosition` of the columns to what is there, or migrate the table.";
        Some(self.about(Kind::Partitioning, severity).expected(expected).found(is).says(message, help))
    }
}

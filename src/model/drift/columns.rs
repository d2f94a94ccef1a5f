//! Columns: there, of the right type, NULL or not; and those that the contract does not know.

use super::{Finding, Kind, Observed, Severity, types};
use crate::model::catalog::{Column, Relation, RelationKind};
use crate::model::contract::{Entity, Field};
use crate::model::ident::display_name;
use crate::model::lifecycle::Phase;
use crate::model::personal::looks_like;

pub(super) fn compare(entity: &Entity, relation: &Relation, observed: &Observed<'_>, findings: &mut Vec<Finding>) {
    let comparison = Comparison { relation, observed };
    for field in &entity.fields {
        let phase = field.retirement.as_ref().map(|retirement| retirement.phase_at(observed.now));
        match relation.column(&field.name) {
            None if phase == Some(Phase::Removed) => {}
            None => findings.push(comparison.missing(field, phase)),
            Some(column) if phase == Some(Phase::Removed) => findings.push(comparison.reappeared(column)),
            Some(column) => {
                findings.extend(comparison.another_type(field, column));
                findings.extend(comparison.nullability(field, column));
            }
        }
    }
    let unknown = relation.columns.iter().filter(|column| entity.fields.iter().all(|field| field.name != column.name));
    findings.extend(unknown.map(|column| comparison.unknown(column)));
}

struct Comparison<'a> {
    relation: &'a Relation,
    observed: &'a Observed<'a>,
}

impl Comparison<'_> {
    fn about(&self, column: &str, kind: Kind, severity: Severity) -> Finding {
        self.observed.about(self.relation, kind, severity).column(column)
    }

    fn name(&self, column: &str) -> String {
        format!("{}.{}", self.relation.display(), display_name(column))
    }

    fn missing(&self, field: &Field, phase: Option<Phase>) -> Finding {
        if phase == Some(Phase::Sunset) {
            let message = format!("{} has been dropped after its sunset", self.name(&field.name));
            let help = "Write `phase: removed`, to be told if something adds it again.";
            return self.about(&field.name, Kind::MissingColumn, Severity::Cosmetic).says(message, help);
        }
        let message = format!("{} is promised and not there", self.name(&field.name));
        let help = "Statements that name it fail. Run the migration that adds it, or take it out of the contract.";
        let finding = self.about(&field.name, Kind::MissingColumn, Severity::Breaking).says(message, help);
        Finding { expected: field.physical_type.as_deref().map(String::from), ..finding }
    }

    fn reappeared(&self, column: &Column) -> Finding {
        let message = format!("{} is there, and the contract says that it has been removed", self.name(&column.name));
        let help = "Drop it, or set its phase back in the contract: something has added it again.";
        self.about(&column.name, Kind::RemovedReappeared, Severity::Risky).found(&*column.ty.sql).says(message, help)
    }

    fn another_type(&self, field: &Field, column: &Column) -> Option<Finding> {
        let found = &*column.ty.sql;
        let expected = match (&field.only_logical, &field.physical_type) {
            (Some(logical), _) if !types::is_logically(logical, &column.ty) => format!("a {logical}"),
            (None, Some(physical)) if !types::is_physically(physical, &column.ty) => physical.to_string(),
            _ => return None,
        };
        let message = format!("{} is {found}, the contract promises {expected}", self.name(&column.name));
        let help = "Migrate the column, or correct the contract and tell its readers.";
        let finding = self.about(&column.name, Kind::TypeMismatch, Severity::Breaking);
        Some(finding.expected(expected).found(found).says(message, help))
    }

    /// What a view shows has no NOT NULL of its own.
    fn nullability(&self, field: &Field, column: &Column) -> Option<Finding> {
        if matches!(self.relation.kind, RelationKind::View | RelationKind::MaterializedView) {
            return None;
        }
        let name = self.name(&column.name);
        match (field.required || field.primary_key.is_some(), column.not_null) {
            (true, false) => {
                let message = format!("{name} takes NULL, the contract promises a value");
                let help = format!(
                    "ALTER TABLE {} ALTER COLUMN {} SET NOT NULL, or take `required` out of the contract.",
                    self.relation.display(),
                    display_name(&column.name)
                );
                let finding = self.about(&column.name, Kind::Nullability, Severity::Breaking);
                Some(finding.expected("not null").found("null").says(message, help))
            }
            (false, true) => {
                let message = format!("{name} takes no NULL, and the contract does not say so");
                let help = "Write `required: true`: whoever writes the table has to know.";
                let finding = self.about(&column.name, Kind::Nullability, Severity::Risky);
                Some(finding.expected("null").found("not null").says(message, help))
            }
            (true, true) | (false, false) => None,
        }
    }

    fn unknown(&self, column: &Column) -> Finding {
        let name = self.name(&column.name);
        let (severity, message, help) = match looks_like(&self.relation.name, &column.name, &column.ty) {
            Some(category) => (
                Severity::Risky,
                format!("{name} is not in the contract, and looks like personal data ({})", category.tag),
                format!("Describe it with `tags: [{}]`, so that rules hold for it.", category.tag),
            ),
            None => {
                let help = "Describe it in the contract, or ignore it.";
                (Severity::Cosmetic, format!("{name} is not in the contract"), help.to_owned())
            }
        };
        self.about(&column.name, Kind::ExtraColumn, severity).found(&*column.ty.sql).says(message, help)
    }
}

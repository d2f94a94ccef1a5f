//! What the rules of the subject say about the references of one statement.

mod case;
mod reporting;

pub(super) use case::{Case, Denied, is_hidden, is_omitted};
pub(super) use reporting::access;

use std::sync::Arc;

use self::case::conduct;
use self::reporting::{operation, phase_label};
use super::objection::Objection;
use super::refusal::SqlState;
use super::report::{Access, ColumnUse, Notice, Outcome, RelationUse};
use crate::model::catalog::{Column, ColumnId, Relation};
use crate::model::lifecycle::{Conduct, Lifecycle};
use crate::policy::view::{ColumnRule, Effect};
use crate::sql::access::{Clause, ColumnRef, ImplicitInsert, RelationRef, Role, StarRef, Unresolved, WholeRowRef};
use crate::sql::tree::{Name, Path};

/// The decision on one statement.
#[derive(Debug, Default)]
pub(super) struct Decision {
    /// Columns that a rule, a lifecycle or a classification is about.
    pub columns: Vec<ColumnUse>,
    /// Relations, each once per verb.
    pub relations: Vec<RelationUse>,
    /// Warnings about deprecated columns; the fingerprint is filled in by the caller.
    pub notices: Vec<Notice>,
    /// The first reason to refuse it, in the order of the text.
    pub objection: Option<Objection>,
}

/// Decides on every reference of a statement.
pub(super) fn decide(case: &Case<'_>) -> Decision {
    let mut decider = Decider { case, decision: Decision::default() };
    decider.relations();
    for column in &case.resolution.columns {
        decider.column(column);
    }
    // The server stops at the first name that it cannot explain, whether or not a retired column would explain it.
    for name in &case.resolution.unresolved {
        if !decider.unresolved(name) {
            break;
        }
    }
    for star in &case.resolution.stars {
        decider.star(star);
    }
    let listed = case.resolution.columns.iter().any(|column| column.clause == Clause::Output);
    for mention in case.resolution.relations.iter().filter(|mention| mention.role == Role::CopyTo && !listed) {
        decider.every_column(mention, mention.path.span().start);
    }
    for insert in &case.resolution.implicit_inserts {
        decider.first_columns(insert);
    }
    for row in &case.resolution.whole_rows {
        match (&row.field, case.mention(row.via)) {
            (None, Some(mention)) => decider.every_column(mention, row.path.span().start),
            (Some(field), Some(mention)) if mention.alias_columns.is_empty() => decider.field(mention, field, row),
            (Some(_) | None, _) => {}
        }
    }
    decider.decision
}

struct Decider<'a, 'c> {
    case: &'c Case<'a>,
    decision: Decision,
}

impl Decider<'_, '_> {
    fn object(&mut self, objection: Objection) {
        let earlier = self.decision.objection.as_ref().is_none_or(|known| match (objection.offset(), known.offset()) {
            (Some(new), Some(old)) => new < old,
            _ => false,
        });
        if earlier {
            self.decision.objection = Some(objection);
        }
    }

    fn relations(&mut self) {
        for mention in &self.case.resolution.relations {
            // What is reported is bounded by the catalog; the names of temporary tables are not.
            let Some(relation) = self.case.relation(mention).filter(|relation| !relation.is_temporary()) else {
                continue;
            };
            if let Some(lifecycle) = self.case.rules(mention).and_then(|rules| rules.lifecycle.clone()) {
                self.retiring_relation(mention, relation, &lifecycle);
            }
            let found = RelationUse {
                relation: relation.oid,
                schema: Arc::from(&*relation.schema),
                name: Arc::from(&*relation.name),
                operation: operation(mention.role),
            };
            if !self.decision.relations.contains(&found) {
                self.decision.relations.push(found);
            }
        }
    }

    /// A table on its way out; in the report it is a column without a name.
    fn retiring_relation(&mut self, mention: &RelationRef, relation: &Relation, lifecycle: &Lifecycle) {
        let start = mention.path.span().start;
        if lifecycle.conduct >= Conduct::Refused {
            let objection = Objection::retired_relation(&mention.path, lifecycle);
            // COPY does not say where.
            let copied = matches!(mention.role, Role::CopyTo | Role::CopyFrom);
            self.object(if copied { objection } else { objection.at(start) });
        } else if lifecycle.conduct == Conduct::Warned {
            self.warn(format!("table {}", relation.display()), "table", lifecycle);
        }
        let found = ColumnUse {
            column: ColumnId { relation: relation.oid, attnum: 0 },
            schema: Arc::from(&*relation.schema),
            relation: Arc::from(&*relation.name),
            name: Arc::from(""),
            access: if mention.role == Role::Source { Access::Explicit } else { Access::Write },
            outcome: if lifecycle.conduct >= Conduct::Refused { Outcome::Denied } else { Outcome::Clear },
            rule: None,
            phase: phase_label(lifecycle),
            classification: None,
            decided: false,
        };
        if !self.decision.columns.contains(&found) {
            self.decision.columns.push(found);
        }
    }

    fn column(&mut self, reference: &ColumnRef) {
        let Some(mention) = self.case.mention(reference.via) else { return };
        let Some(relation) = self.case.relation(mention) else { return };
        let Some(column) = relation.column_by_number(reference.column.attnum) else { return };
        let Some(rule) = self.case.rule(relation, column) else { return };
        let offset = reference.path.span().start;
        if conduct(rule) >= Conduct::Refused {
            self.object(retired((mention, relation), column, (&reference.path, reference.clause), rule));
            self.note(relation, column, rule, access(reference.clause));
            return;
        }
        if self.case.view.governed && rule.effect == Effect::Deny && !reference.clause.is_write() {
            self.object(Objection::denied_column(&column.name, &relation.name, rule.reason.as_deref()).at(offset));
        }
        let looks_up = self.case.lookups.is_raw(reference);
        self.note(relation, column, rule, if looks_up { Access::Lookup } else { access(reference.clause) });
    }

    /// Whether a name that nothing explains would have been explained by a column which counts as dropped.
    fn unresolved(&mut self, name: &Unresolved) -> bool {
        let Some((mention, relation, column, rule)) = self.case.meant(name) else { return false };
        self.object(retired((mention, relation), column, (&name.path, name.clause), rule));
        self.note(relation, column, rule, access(name.clause));
        true
    }

    /// `(row).column` reaches one column.
    fn field(&mut self, mention: &RelationRef, field: &Name, row: &WholeRowRef) {
        let Some(relation) = self.case.relation(mention) else { return };
        let Some(column) = relation.column(field.as_str()) else { return };
        let Some(rule) = self.case.rule(relation, column) else { return };
        if conduct(rule) >= Conduct::Refused {
            let words = format!("column {}.{} does not exist", row.path.last.as_str(), column.name);
            self.object(
                Objection::new(SqlState::UndefinedColumn, words)
                    .retired("column", rule.lifecycle.as_deref())
                    .at(row.path.span().start),
            );
        }
        if self.case.view.governed && rule.effect == Effect::Deny {
            let objection = Objection::denied_column(&column.name, &relation.name, rule.reason.as_deref());
            self.object(objection.at(field.span.start));
        }
        self.note(relation, column, rule, access(row.clause));
    }

    fn star(&mut self, star: &StarRef) {
        for index in &star.relations {
            let Some(mention) = self.case.mention(*index) else { continue };
            self.every_column(mention, star.span.start);
        }
    }

    /// A star or a whole row reaches every column that the subject can see.
    fn every_column(&mut self, mention: &RelationRef, offset: u32) {
        let Some(relation) = self.case.relation(mention) else { return };
        let mut denied = Vec::new();
        let mut reason = None;
        for column in &relation.columns {
            let Some(rule) = self.case.rule(relation, column) else { continue };
            if is_hidden(rule) {
                continue;
            }
            if self.case.view.governed && rule.effect == Effect::Deny {
                denied.push(column.name.to_string());
                reason = reason.or(rule.reason.as_deref());
            }
            self.note(relation, column, rule, Access::Star);
        }
        let omits = self.case.rules(mention).is_some_and(|rules| rules.star_omits_denied);
        if !denied.is_empty() && !omits {
            self.object(Objection::denied_by_star(&denied, &relation.name, reason).at(offset));
        }
    }

    /// An INSERT without a column list gives values to the first columns: those on their way out are used like by a star.
    fn first_columns(&mut self, insert: &ImplicitInsert) {
        let (Some(relation), Some(width)) = (self.case.relation_of(insert.relation), insert.width) else { return };
        let rule = |column| self.case.rule(relation, column);
        let shown = relation.columns.iter().filter(|column| !rule(column).is_some_and(is_hidden));
        for column in shown.take(width) {
            if let Some(rule) = rule(column).filter(|rule| rule.lifecycle.is_some()) {
                self.note(relation, column, rule, Access::Star);
            }
        }
    }
}

/// What the server would say of a dropped column, with a hint that it would not have.
fn retired(
    (mention, relation): (&RelationRef, &Relation),
    column: &Column,
    (path, clause): (&Path, Clause),
    rule: &ColumnRule,
) -> Objection {
    let copied = matches!(mention.role, Role::CopyTo | Role::CopyFrom);
    let objection = if clause.is_write() || copied {
        let message = format!("column \"{}\" of relation \"{}\" does not exist", column.name, relation.name);
        Objection::new(SqlState::UndefinedColumn, message)
    } else {
        Objection::no_such_column(path)
    };
    let objection = objection.retired("column", rule.lifecycle.as_deref());
    // COPY does not say where.
    if copied { objection } else { objection.at(path.span().start) }
}

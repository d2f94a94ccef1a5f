//! What the rules of the subject say about the references of one statement.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::check::Facts;
use super::lookups::Lookups;
use super::objection::Objection;
use super::refusal::SqlState;
use super::report::{Access, ColumnUse, Notice, Operation, Outcome, RelationUse};
use crate::model::catalog::{Catalog, Column, ColumnId, Relation};
use crate::model::ident::display_name;
use crate::model::lifecycle::{Conduct, Lifecycle, Phase};
use crate::policy::view::{ColumnRule, Effect, RelationRules, SubjectView};
use crate::sql::access::{
    Clause, ColumnRef, ImplicitInsert, RelationIndex, RelationRef, Resolution, Role, StarRef, Unresolved, WholeRowRef,
};
use crate::sql::tree::{Name, Path, Verb};

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

/// What a decision needs to know.
pub(super) struct Case<'a> {
    pub catalog: &'a Catalog,
    pub view: &'a SubjectView,
    pub resolution: &'a Resolution,
    pub facts: &'a Facts<'a>,
    pub denied: Denied,
    /// How many views the text stands in.
    pub depth: u8,
    /// Comparisons that see a masked column itself.
    pub lookups: &'a Lookups,
    /// Where relations stand that a projection replaces.
    pub wrapped: &'a BTreeSet<u32>,
}

/// What a projection shows in place of denied columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    /// Nothing: no reference to them is admitted.
    LeftOut,
    /// NULL: the query of a view refers to them, and the columns that it makes of them are denied.
    Null,
}

impl<'a> Case<'a> {
    pub(super) fn mention(&self, index: RelationIndex) -> Option<&'a RelationRef> {
        self.resolution.relations.get(index.0)
    }

    pub(super) fn relation_of(&self, index: RelationIndex) -> Option<&'a Relation> {
        self.relation(self.mention(index)?)
    }

    pub(super) fn relation(&self, mention: &RelationRef) -> Option<&'a Relation> {
        self.catalog.relation(mention.relation?).map(|relation| &**relation)
    }

    pub(super) fn rules(&self, mention: &RelationRef) -> Option<&'a RelationRules> {
        self.view.relations.get(&mention.relation?).map(|rules| &**rules)
    }

    /// Whether a relation in FROM is replaced by a projection of what the subject sees.
    pub(super) fn is_wrapped(&self, mention: &RelationRef) -> bool {
        mention.role == Role::Source && self.wrapped.contains(&mention.path.span().start)
    }

    /// The column that counts as dropped, and that a name would mean if it did not.
    pub(super) fn meant(
        &self,
        name: &Unresolved,
    ) -> Option<(&'a RelationRef, &'a Relation, &'a Column, &'a ColumnRule)> {
        let reachable: &[RelationIndex] = match (&name.of, name.path.qualifier.is_empty()) {
            (Some(of), _) => std::slice::from_ref(of),
            (None, true) => &name.visible,
            (None, false) => return None,
        };
        reachable.iter().find_map(|index| {
            let mention = self.mention(*index)?;
            let relation = self.relation(mention)?;
            let shown = relation.columns.iter().filter(|column| !self.rule(relation, column).is_some_and(is_hidden));
            // The server complains of FROM first.
            if mention.alias_columns.len() > shown.count() {
                return None;
            }
            let column = relation.column(name.path.last.as_str())?;
            let rule = self.rule(relation, column).filter(|rule| is_hidden(rule))?;
            Some((mention, relation, column, rule))
        })
    }

    pub(super) fn rule(&self, relation: &Relation, column: &Column) -> Option<&'a ColumnRule> {
        self.view.relations.get(&relation.oid)?.columns.get(&column.attnum)
    }
}

/// What its lifecycle means for statements that name a column.
fn conduct(rule: &ColumnRule) -> Conduct {
    rule.lifecycle.as_ref().map_or(Conduct::Allowed, |lifecycle| lifecycle.conduct)
}

/// Whether a column is treated as dropped.
pub(super) fn is_hidden(rule: &ColumnRule) -> bool {
    conduct(rule) == Conduct::Gone
}

/// Whether a column is left out of what the subject sees of a relation.
pub(super) fn is_omitted(rule: Option<&ColumnRule>) -> bool {
    rule.is_some_and(|rule| rule.effect == Effect::Deny || is_hidden(rule))
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

    fn note(&mut self, relation: &Relation, column: &Column, rule: &ColumnRule, access: Access) {
        let found = ColumnUse {
            column: ColumnId { relation: relation.oid, attnum: column.attnum },
            schema: Arc::from(&*relation.schema),
            relation: Arc::from(&*relation.name),
            name: Arc::from(&*column.name),
            access,
            outcome: outcome(rule, self.case.view.governed, access),
            rule: rule
                .reason
                .as_ref()
                .map(|reason| Arc::from(&*reason.rule))
                .or_else(|| rule.shadow.as_ref().map(|finding| Arc::from(&*finding.reason.rule))),
            phase: rule.lifecycle.as_ref().and_then(|lifecycle| phase_label(lifecycle)),
            classification: rule.classification.clone(),
            decided: rule.decided,
        };
        if let Some(lifecycle) = rule.lifecycle.as_ref().filter(|lifecycle| lifecycle.conduct == Conduct::Warned) {
            let what = format!("column {}.{}", relation.display(), display_name(&column.name));
            self.warn(what, "column", lifecycle);
        }
        if !self.decision.columns.contains(&found) {
            self.decision.columns.push(found);
        }
    }

    fn warn(&mut self, what: String, kind: &str, lifecycle: &Lifecycle) {
        let message = format!("{what} is deprecated");
        if self.decision.notices.iter().any(|notice| notice.message == message) {
            return;
        }
        let mut detail = Vec::new();
        detail.extend(lifecycle.since.as_ref().map(|since| format!("Deprecated since {since}.")));
        detail.extend(lifecycle.sunset.as_ref().map(|sunset| format!("It will be treated as dropped from {sunset}.")));
        detail.extend(lifecycle.reason.as_ref().map(|reason| format!("Reason: {reason}.")));
        self.decision.notices.push(Notice {
            fingerprint: 0,
            message,
            detail: (!detail.is_empty()).then(|| detail.join(" ")),
            hint: lifecycle.replaced_by.as_ref().map(|other| format!("Use {kind} {} instead.", display_name(other))),
        });
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

fn outcome(rule: &ColumnRule, governed: bool, access: Access) -> Outcome {
    match (&rule.effect, &rule.shadow) {
        (_, _) if conduct(rule) >= Conduct::Refused && access != Access::Star => Outcome::Denied,
        (_, _) if matches!(access, Access::Write | Access::Lookup) => Outcome::Clear,
        (Effect::Deny, _) if governed => Outcome::Denied,
        (Effect::Mask(_), _) if governed => Outcome::Masked,
        (_, Some(finding)) if finding.action == "deny" => Outcome::WouldDeny,
        (_, Some(_)) => Outcome::WouldMask,
        (Effect::Allow | Effect::Mask(_) | Effect::Deny, None) => Outcome::Clear,
    }
}

fn phase_label(lifecycle: &Lifecycle) -> Option<&'static str> {
    (lifecycle.phase != Phase::Active).then(|| lifecycle.phase.as_str())
}

fn operation(role: Role) -> Operation {
    match role {
        Role::Source => Operation::Select,
        Role::Target(Verb::Insert) => Operation::Insert,
        Role::Target(Verb::Update) => Operation::Update,
        Role::Target(Verb::Delete) => Operation::Delete,
        Role::Target(Verb::Merge) => Operation::Merge,
        Role::CopyTo | Role::CopyFrom => Operation::Copy,
    }
}

pub(super) fn access(clause: Clause) -> Access {
    match clause {
        Clause::Output => Access::Explicit,
        Clause::Filter => Access::Filter,
        Clause::Join => Access::Join,
        Clause::OrderGroup => Access::OrderGroup,
        Clause::Insert | Clause::Set => Access::Write,
        Clause::Returning => Access::Returning,
    }
}

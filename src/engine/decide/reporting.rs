//! What is reported of a decision: which columns were used and how, and warnings about those on their way out.

use std::sync::Arc;

use super::{Decider, conduct};
use crate::engine::report::{Access, ColumnUse, Notice, Operation, Outcome};
use crate::model::catalog::{Column, ColumnId, Relation};
use crate::model::ident::display_name;
use crate::model::lifecycle::{Conduct, Lifecycle, Phase};
use crate::policy::view::{ColumnRule, Effect};
use crate::sql::access::{Clause, Role};
use crate::sql::tree::Verb;

impl Decider<'_, '_> {
    pub(super) fn note(&mut self, relation: &Relation, column: &Column, rule: &ColumnRule, access: Access) {
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

    pub(super) fn warn(&mut self, what: String, kind: &str, lifecycle: &Lifecycle) {
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

pub(super) fn phase_label(lifecycle: &Lifecycle) -> Option<&'static str> {
    (lifecycle.phase != Phase::Active).then(|| lifecycle.phase.as_str())
}

pub(super) fn operation(role: Role) -> Operation {
    match role {
        Role::Source => Operation::Select,
        Role::Target(Verb::Insert) => Operation::Insert,
        Role::Target(Verb::Update) => Operation::Update,
        Role::Target(Verb::Delete) => Operation::Delete,
        Role::Target(Verb::Merge) => Operation::Merge,
        Role::CopyTo | Role::CopyFrom => Operation::Copy,
    }
}

pub(in crate::engine) fn access(clause: Clause) -> Access {
    match clause {
        Clause::Output => Access::Explicit,
        Clause::Filter => Access::Filter,
        Clause::Join => Access::Join,
        Clause::OrderGroup => Access::OrderGroup,
        Clause::Insert | Clause::Set => Access::Write,
        Clause::Returning => Access::Returning,
    }
}

//! Where the rules stand that make a difference.

use super::effect::{Change, Written};
use crate::model::diff::{Places, Side, Spot};
use crate::policy::compile::Bundle;
use crate::policy::rule::NamePattern;
use crate::policy::view::Reason;

/// The rules of both sides.
pub(super) struct Rules<'a> {
    pub(super) old: &'a Bundle,
    pub(super) new: &'a Bundle,
}

impl Rules<'_> {
    /// Where the rule stands that decides from now on; where there is none any more, the one that did.
    pub(super) fn find(&self, change: &Change) -> Option<(Side, Spot)> {
        if let Some(written) = &change.written {
            let after = grant(self.new, written).map(|spot| (Side::New, spot));
            return after.or_else(|| Some((Side::Old, grant(self.old, written)?)));
        }
        let [before, after] = &change.reasons;
        let after = after.as_ref().and_then(|reason| spot(self.new, reason)).map(|spot| (Side::New, spot));
        after.or_else(|| Some((Side::Old, spot(self.old, before.as_ref()?)?)))
    }
}

fn grant(bundle: &Bundle, written: &Written) -> Option<Spot> {
    let Written { schema, table, columns } = written;
    let names = |pattern: &NamePattern| columns.iter().any(|column| pattern.matches(schema, table, column));
    bundle.policies().find_map(|policy| {
        let mut grants = policy.writes.iter();
        let grant = grants.find(|grant| {
            let is_column = grant.update.iter().chain(&grant.insert).any(names);
            is_column || (columns.is_empty() && grant.delete.iter().any(|pattern| pattern.matches(schema, table)))
        });
        grant.map(|grant| Places::new(&policy.file).spot(&grant.span))
    })
}

fn spot(bundle: &Bundle, reason: &Reason) -> Option<Spot> {
    let policy = bundle.policies().find(|policy| policy.name == reason.policy)?;
    let rule = policy.rules.iter().find(|rule| rule.name == reason.rule)?;
    Some(Places::new(&policy.file).spot(&rule.action_span))
}

//! What is decided about one column, and how two decisions meet.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::catalog::{ColumnId, ColumnType};
use crate::policy::mask::{MaskUse, Strictness};
use crate::policy::view::{Effect, MaskExpression, Predicates, Reason};

/// Decisions by column; absent means allowed.
pub(in crate::policy) type Decisions = HashMap<ColumnId, Decided>;

/// One decision.
#[derive(Debug, Clone)]
pub(in crate::policy) struct Decided {
    /// How much it takes away.
    pub strictness: Strictness,
    /// What the subject gets.
    pub effect: Effect,
    /// What conditions see of a masked column.
    pub predicates: Predicates,
    /// The rule that decided.
    pub reason: Arc<Reason>,
    /// The mask behind the effect, to be written anew for a column of another type.
    pub mask: Option<MaskUse>,
    /// `*` may leave the column out, by every rule that denies it.
    pub omit_on_star: bool,
}

impl Decided {
    /// The column is inaccessible.
    pub fn deny(reason: Reason) -> Self {
        Self {
            strictness: Strictness::Deny,
            effect: Effect::Deny,
            // A denied column has nothing to be seen: another rule's word on predicates is not to be weakened by this one.
            predicates: Predicates::Equality,
            reason: Arc::new(reason),
            mask: None,
            omit_on_star: false,
        }
    }

    /// The column shows the mask's value; where the mask cannot keep the column's type, it is inaccessible.
    pub fn mask(mask: &MaskUse, ty: &ColumnType, mut reason: Reason) -> Self {
        match mask.compile(ty) {
            Ok(expression) => Self {
                strictness: mask.strictness(),
                effect: Effect::Mask(Arc::new(expression)),
                predicates: Predicates::Masked,
                reason: Arc::new(reason),
                mask: Some(mask.clone()),
                omit_on_star: false,
            },
            Err(unsuited) => {
                reason.note = Some(unsuited.0.into());
                Self::deny(reason)
            }
        }
    }

    /// The column shows a value that no rule names: part of what a system catalog holds.
    pub fn generated(expression: MaskExpression, reason: Reason) -> Self {
        Self {
            strictness: Strictness::Partial,
            effect: Effect::Mask(Arc::new(expression)),
            predicates: Predicates::Masked,
            reason: Arc::new(reason),
            mask: None,
            omit_on_star: false,
        }
    }

    /// The same decision about a column of another relation, and perhaps of another type. A value that no rule names is made
    /// from other columns of its own relation.
    pub fn for_type(&self, ty: &ColumnType) -> Self {
        let decided = match (&self.mask, &self.effect) {
            (Some(mask), _) => Self::mask(mask, ty, (*self.reason).clone()),
            (None, Effect::Mask(_)) => Self::mask(&MaskUse::null(), ty, (*self.reason).clone()),
            (None, Effect::Allow | Effect::Deny) => return self.clone(),
        };
        decided.with_predicates(self.predicates.clone())
    }

    /// Whether a condition that asks only for NULL is answered the same over the masked value, and may ask.
    pub fn keeps_null(&self) -> bool {
        self.predicates == Predicates::Masked && self.mask.as_ref().is_some_and(MaskUse::keeps_null)
    }

    /// The same decision with another word on predicates.
    pub fn with_predicates(self, predicates: Predicates) -> Self {
        Self { predicates, ..self }
    }

    /// The stricter of two decisions. Which of them comes first makes no difference: equals are told apart by the
    /// text of the mask and then by the name of the rule.
    pub fn strictest(self, other: Self) -> Self {
        let omit_on_star = match (self.strictness, other.strictness) {
            (Strictness::Deny, Strictness::Deny) => self.omit_on_star && other.omit_on_star,
            (Strictness::Deny, _) => self.omit_on_star,
            _ => other.omit_on_star,
        };
        let predicates = self.predicates.clone().min(other.predicates.clone());
        let stricter = if self.rank() >= other.rank() { self } else { other };
        Self { omit_on_star, predicates, ..stricter }
    }

    fn rank(&self) -> (Strictness, std::cmp::Reverse<(Option<String>, &Reason)>) {
        let text = match &self.effect {
            Effect::Mask(mask) => Some(format!("{}\u{0}{}", mask.render("v"), mask.name)),
            Effect::Allow | Effect::Deny => None,
        };
        (self.strictness, std::cmp::Reverse((text, &self.reason)))
    }
}

/// Adds a decision about a column to those that there are.
pub(in crate::policy) fn add(decisions: &mut Decisions, column: ColumnId, decided: Decided) {
    let together = match decisions.remove(&column) {
        Some(before) => before.strictest(decided),
        None => decided,
    };
    decisions.insert(column, together);
}

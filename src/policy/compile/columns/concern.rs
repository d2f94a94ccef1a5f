//! A rule that is about the subject, and what it makes of one column.

use std::sync::Arc;

use crate::model::catalog::{Catalog, Column};
use crate::policy::compile::decision::Decided;
use crate::policy::compile::load::Group;
use crate::policy::mask::{MaskUse, PSEUDONYM_NAME, PSEUDONYM_SCHEMA};
use crate::policy::rule::{Action, OnStar, Policy, Predicates, Rule};
use crate::policy::view::{self, Reason};

/// A rule that is about the subject.
pub(super) struct Concern<'a> {
    pub(super) group: &'a Group,
    pub(super) policy: &'a Policy,
    pub(super) rule: &'a Rule,
}

impl Concern<'_> {
    fn reason(&self) -> Reason {
        Reason {
            policy: self.policy.name.clone(),
            version: self.policy.version,
            rule: self.rule.name.clone(),
            note: None,
        }
    }

    pub(super) fn decide(&self, column: &Column, pseudonym: Pseudonym) -> Option<Decided> {
        match &self.rule.action {
            Action::Allow => None,
            Action::Deny => {
                let omit_on_star = self.rule.on_star == OnStar::Omit;
                Some(Decided { omit_on_star, ..Decided::deny(self.reason()) })
            }
            Action::Mask(mask) if mask.needs_pseudonym() && pseudonym == Pseudonym::Missing => {
                let note = format!("the database has no function {PSEUDONYM_SCHEMA}.{PSEUDONYM_NAME}(text, text)");
                Some(Decided::deny(Reason { note: Some(note.into()), ..self.reason() }))
            }
            Action::Mask(mask) => Some(self.mask(mask, column)),
        }
    }

    fn mask(&self, mask: &MaskUse, column: &Column) -> Decided {
        let predicates = match self.rule.predicates {
            Predicates::Deny => view::Predicates::Deny(Arc::new(self.reason())),
            Predicates::Masked => view::Predicates::Masked,
            Predicates::Equality if column.ty.has_plain_equality() => view::Predicates::Equality,
            Predicates::Equality => view::Predicates::Masked,
        };
        Decided::mask(mask, &column.ty, self.reason()).with_predicates(predicates)
    }
}

/// Whether the database can make pseudonyms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pseudonym {
    /// The function is there, or there is no server that could lack it.
    Present,
    /// It is not.
    Missing,
}

pub(super) fn has_pseudonym(catalog: &Catalog) -> Pseudonym {
    let there = catalog
        .functions
        .iter()
        .any(|function| &*function.schema == PSEUDONYM_SCHEMA && &*function.name == PSEUDONYM_NAME);
    if there || catalog.server_version == 0 { Pseudonym::Present } else { Pseudonym::Missing }
}

//! A change beside what contracts describe: who may make it, and whether its object is in use.

use super::touched::Found;
use super::{Gate, touched, words};
use crate::engine::objection::Objection;
use crate::engine::refusal::SqlState;
use crate::engine::report::Report;
use crate::model::catalog::{Catalog, Relation, SearchPath};
use crate::model::ident::display_name;
use crate::policy::compile::Described;
use crate::policy::rule::InUse;
use crate::policy::snapshot::Database;
use crate::policy::view::Ddl as Rules;
use crate::sql::second_opinion::{Change, Thing};

/// One statement at the gate.
pub(super) struct Case<'a> {
    pub(super) gate: &'a Gate<'a>,
    pub(super) rules: &'a Rules,
    pub(super) catalog: &'a Catalog,
    pub(super) path: &'a SearchPath,
    pub(super) database: Option<&'a Database>,
}

impl<'a> Case<'a> {
    pub(super) fn described(&self) -> impl Iterator<Item = Described<'a>> {
        self.gate.snapshot.bundle.described(self.gate.facts.database)
    }

    /// Whether a policy names who may change this, and the subject is none of them.
    pub(super) fn closed(&self, change: &Change, found: &Found<'_>) -> Result<(), Objection> {
        if self.rules.closed_by.is_empty() || matches!(found, Found::Temporary) {
            return Ok(());
        }
        let touched = touched::touched(change, found, self);
        let concerned = |described: &Described<'_>| {
            let about = |relation| self.is_described_by(relation, described);
            match found {
                Found::Relation(relation) if about(relation) => true,
                Found::Relation(_) => touched.iter().any(|touched| about(touched.relation)),
                Found::Temporary => false,
                Found::Else => {
                    touched.iter().any(|touched| about(touched.relation))
                        || touched::is_meant(change, described, self.path)
                }
            }
        };
        let shut = |described: &Described<'a>| {
            described.policies.iter().find(|policy| self.rules.closed_by.contains(&policy.name))
        };
        let Some((described, policy)) =
            self.described().find_map(|it| Some((it, shut(&it)?)).filter(|_| concerned(&it)))
        else {
            return Ok(());
        };
        let schema = display_name(described.schema);
        let what = match change.of {
            Thing::Schema(_) | Thing::Index(_) => format!("schema {schema}"),
            Thing::Relation(_) | Thing::Type(_) | Thing::OwnedBy(_) => {
                format!("relation {schema}.{}", display_name(&described.entity.name))
            }
        };
        let whom =
            policy.owner.as_ref().map_or_else(|| "the owner of the policy".to_owned(), |owner| owner.to_string());
        let message = format!("permission denied to change the structure of {what}");
        Err(Objection::new(SqlState::InsufficientPrivilege, message)
            .detail(format!(
                "Policy \"{}\", version {}, names who may change what its contract describes.",
                policy.name, policy.version
            ))
            .hint(format!("Connect as one of those, or ask {whom}.")))
    }

    /// Whether somebody would miss what the change takes away, as far as the policy asks.
    pub(super) fn in_use(&self, change: &Change, found: &Found<'_>, report: &mut Report) -> Result<(), Objection> {
        if self.rules.in_use == InUse::Off {
            return Ok(());
        }
        let touched = touched::touched(change, found, self);
        if !touched.iter().any(|touched| self.described().any(|it| self.shows(touched.relation, &it))) {
            return Ok(());
        }
        let first = touched.iter().find_map(|touched| {
            let consumers = self.consumers(touched);
            (!consumers.is_empty()).then_some((touched, consumers))
        });
        let Some((what, consumers)) = first else { return Ok(()) };
        let told = words::InUse { case: self, change, found, touched: what, consumers: &consumers };
        if self.rules.in_use == InUse::Warn {
            report.cautions.push(told.caution());
            return Ok(());
        }
        Err(told.objection())
    }

    /// Whether a contract describes a relation: itself, or a table that it is a part of.
    pub(super) fn is_described_by(&self, relation: &Relation, described: &Described<'_>) -> bool {
        touched::wholes(relation, self.catalog).into_iter().any(|whole| is_it(whole, described))
    }

    /// The same with views of such a table.
    fn shows(&self, relation: &Relation, described: &Described<'_>) -> bool {
        touched::sources(relation, self).into_iter().any(|source| is_it(source, described))
    }
}

fn is_it(relation: &Relation, described: &Described<'_>) -> bool {
    *relation.schema == *described.schema && relation.name == described.entity.name
}

//! What a decision needs to know, and how the rules are asked about what a statement names.

use std::collections::BTreeSet;

use crate::engine::check::Facts;
use crate::engine::lookups::Lookups;
use crate::model::catalog::{Catalog, Column, Relation};
use crate::model::lifecycle::Conduct;
use crate::policy::view::{ColumnRule, Effect, RelationRules, SubjectView};
use crate::sql::access::{RelationIndex, RelationRef, Resolution, Role, Unresolved};

/// What a decision needs to know.
pub(in crate::engine) struct Case<'a> {
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
pub(in crate::engine) enum Denied {
    /// Nothing: no reference to them is admitted.
    LeftOut,
    /// NULL: the query of a view refers to them, and the columns that it makes of them are denied.
    Null,
}

impl<'a> Case<'a> {
    /// A statement as the client wrote it, so in no view.
    pub(in crate::engine) fn of(
        catalog: &'a Catalog,
        facts: &'a Facts<'a>,
        resolution: &'a Resolution,
        lookups: &'a Lookups,
        wrapped: &'a BTreeSet<u32>,
    ) -> Self {
        Self { catalog, view: facts.view, resolution, facts, denied: Denied::LeftOut, depth: 0, lookups, wrapped }
    }

    pub(in crate::engine) fn mention(&self, index: RelationIndex) -> Option<&'a RelationRef> {
        self.resolution.relations.get(index.0)
    }

    pub(in crate::engine) fn relation_of(&self, index: RelationIndex) -> Option<&'a Relation> {
        self.relation(self.mention(index)?)
    }

    pub(in crate::engine) fn relation(&self, mention: &RelationRef) -> Option<&'a Relation> {
        self.catalog.relation(mention.relation?).map(|relation| &**relation)
    }

    pub(in crate::engine) fn rules(&self, mention: &RelationRef) -> Option<&'a RelationRules> {
        self.view.relations.get(&mention.relation?).map(|rules| &**rules)
    }

    /// Whether a relation in FROM is replaced by a projection of what the subject sees.
    pub(in crate::engine) fn is_wrapped(&self, mention: &RelationRef) -> bool {
        mention.role == Role::Source && self.wrapped.contains(&mention.path.span().start)
    }

    /// The column that counts as dropped, and that a name would mean if it did not.
    pub(in crate::engine) fn meant(
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

    pub(in crate::engine) fn rule(&self, relation: &Relation, column: &Column) -> Option<&'a ColumnRule> {
        self.view.relations.get(&relation.oid)?.columns.get(&column.attnum)
    }
}

/// What its lifecycle means for statements that name a column.
pub(super) fn conduct(rule: &ColumnRule) -> Conduct {
    rule.lifecycle.as_ref().map_or(Conduct::Allowed, |lifecycle| lifecycle.conduct)
}

/// Whether a column is treated as dropped.
pub(in crate::engine) fn is_hidden(rule: &ColumnRule) -> bool {
    conduct(rule) == Conduct::Gone
}

/// Whether a column is left out of what the subject sees of a relation.
pub(in crate::engine) fn is_omitted(rule: Option<&ColumnRule>) -> bool {
    rule.is_some_and(|rule| rule.effect == Effect::Deny || is_hidden(rule))
}

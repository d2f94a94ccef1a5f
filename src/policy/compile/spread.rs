//! Protection spreads to where the same values can be read: partitions, inheritance, generated columns.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::columns::governable;
use super::decision::{Decided, Decisions, add};
use super::display_column;
use crate::model::catalog::{Catalog, ColumnId, Oid, Relation};
use crate::policy::mask::MaskUse;
use crate::policy::view::{Effect, Predicates, Reason};

/// Who inherits from whom.
pub(super) struct Family {
    ancestors: HashMap<Oid, HashSet<Oid>>,
    descendants: HashMap<Oid, HashSet<Oid>>,
}

impl Family {
    pub(super) fn new(catalog: &Catalog) -> Self {
        let mut family = Self { ancestors: HashMap::new(), descendants: HashMap::new() };
        for relation in catalog.relations().filter(|relation| !relation.parents.is_empty()) {
            let mut found = HashSet::new();
            let mut open = relation.parents.clone();
            while let Some(parent) = open.pop() {
                if found.insert(parent) {
                    open.extend(catalog.relation(parent).into_iter().flat_map(|parent| parent.parents.iter().copied()));
                }
            }
            for ancestor in &found {
                family.descendants.entry(*ancestor).or_default().insert(relation.oid);
            }
            family.ancestors.insert(relation.oid, found);
        }
        family
    }

    /// The relation and everything that it inherits from.
    pub(super) fn with_ancestors<'a>(
        &'a self,
        catalog: &'a Catalog,
        relation: &'a Relation,
    ) -> impl Iterator<Item = &'a Relation> {
        let ancestors = self.ancestors.get(&relation.oid).into_iter().flatten();
        std::iter::once(relation).chain(ancestors.filter_map(|oid| catalog.relation(*oid)).map(|relation| &**relation))
    }
}

/// A parent shows the rows of its children, and a child holds rows that its parent shows: each gets the rules of the
/// other, by the name of the column. Siblings show nothing of each other.
pub(super) fn over_family(decisions: &mut Decisions, catalog: &Catalog, family: &Family) {
    if decisions.is_empty() {
        return;
    }
    let direct = decisions.clone();
    for relation in catalog.relations().filter(|relation| governable(relation)) {
        let above = family.ancestors.get(&relation.oid).into_iter().flatten();
        let below = family.descendants.get(&relation.oid).into_iter().flatten();
        let relatives: Vec<&Arc<Relation>> = above.chain(below).filter_map(|oid| catalog.relation(*oid)).collect();
        for relative in relatives {
            for column in &relation.columns {
                let Some(theirs) = relative.column(&column.name) else { continue };
                let source = ColumnId { relation: relative.oid, attnum: theirs.attnum };
                if let Some(decided) = direct.get(&source) {
                    let id = ColumnId { relation: relation.oid, attnum: column.attnum };
                    add(decisions, id, decided.for_type(&column.ty));
                }
            }
        }
    }
}

/// A generated column tells of the columns that it is computed from.
pub(super) fn over_generated(decisions: &mut Decisions, catalog: &Catalog) {
    let before = decisions.clone();
    for relation in catalog.relations().filter(|relation| governable(relation)) {
        for column in relation.columns.iter().filter(|column| !column.generated_from.is_empty()) {
            let sources =
                column.generated_from.iter().map(|attnum| ColumnId { relation: relation.oid, attnum: *attnum });
            if let Some(decided) = derived(sources, &before, catalog, column) {
                add(decisions, ColumnId { relation: relation.oid, attnum: column.attnum }, decided);
            }
        }
    }
}

/// The decision about a column that is computed from these: NULL if any is masked, denied if any is denied.
pub(super) fn derived(
    sources: impl Iterator<Item = ColumnId>,
    decisions: &Decisions,
    catalog: &Catalog,
    column: &crate::model::catalog::Column,
) -> Option<Decided> {
    let protected: Vec<_> = sources.filter_map(|source| Some((decisions.get(&source)?, source))).collect();
    let predicates = protected.iter().map(|(decided, _)| decided.predicates.clone()).min()?;
    let (decided, source) =
        protected.into_iter().max_by(|(one, a), (other, b)| one.strictness.cmp(&other.strictness).then(b.cmp(a)))?;
    let reason = Reason {
        rule: "derived".into(),
        note: Some(
            format!(
                "computed from {}, which rule \"{}\" protects",
                display_column(catalog, source),
                decided.reason.rule
            )
            .into(),
        ),
        ..(*decided.reason).clone()
    };
    Some(match decided.effect {
        Effect::Deny => Decided::deny(reason),
        // What is computed is no look-up of the value itself any more.
        Effect::Mask(_) | Effect::Allow => {
            Decided::mask(&MaskUse::null(), &column.ty, reason).with_predicates(predicates.min(Predicates::Masked))
        }
    })
}

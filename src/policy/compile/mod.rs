//! From the files' meaning to the rules of one subject in one database.
//!
//! The steps, each in its own file: what the rules say of each column by itself (`columns`); protection spreads
//! over inheritance and generated columns (`spread`), over views by the lineage of their columns (`views`), and
//! the server's own schemas are closed where they hold values ([`super::system`]). What comes out is the form
//! in which the engine asks.

mod columns;
mod ddl;
mod decided;
mod decision;
mod fingerprint;
mod lifecycles;
mod load;
mod queries;
mod redirects;
mod spread;
mod views;

pub use ddl::Described;
pub use load::Bundle;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use self::columns::Applied;
pub(in crate::policy) use self::decision::{Decided, Decisions, add as add_decision};
use super::mask::Strictness;
use super::snapshot::{Database, Occasion};
use super::subject::Subject;
use super::system;
use super::view::{ColumnRule, Effect, Predicates, Reason, RelationRules, ShadowFinding, Shown, SubjectView, Writes};
use crate::model::catalog::{Catalog, ColumnId, Oid, Relation};

/// Classifications that are not worth counting access to.
const NOT_SENSITIVE: &[&str] = &["public", "internal"];

/// The rules of `subject` in `database`, on that occasion.
///
/// Without a database, that is before its catalog has been read, only whether the subject is governed can be told.
pub fn view(bundle: &Bundle, database: Option<&Database>, subject: &Subject, occasion: Occasion<'_>) -> SubjectView {
    let applied = Applied::new(bundle, subject, occasion);
    let catalog = database.map(|database| &*database.catalog);
    let mut view = SubjectView { functions: applied.functions(catalog), ..SubjectView::default() };
    view.governed = applied.governs(catalog);
    if let Some(database) = database {
        let protection = Protection::new(&applied, database, view.governed);
        for relation in database.catalog.relations() {
            if !protection.touches(relation)
                && !protection.lifecycles.touches(relation.oid)
                && !applied.knows_any(protection.family.with_ancestors(&database.catalog, relation))
            {
                continue;
            }
            let rules = protection.rules(relation, &applied, database);
            if !rules.columns.is_empty() || rules.protects() || rules.lifecycle.is_some() {
                view.relations.insert(relation.oid, Arc::new(rules));
            }
        }
        if view.governed {
            view.writes = writes(&applied, &database.catalog);
        }
    }
    view.ddl = ddl::of(bundle, subject, occasion);
    view.fingerprint = fingerprint::of(&view, &subject.database);
    view
}

/// How much the rules in force take away from `subject` of each column in `database`; columns that are not named here are
/// shown as they are.
pub fn strictness(
    bundle: &Bundle,
    database: &Database,
    subject: &Subject,
    occasion: Occasion<'_>,
) -> HashMap<ColumnId, Strictness> {
    let applied = Applied::new(bundle, subject, occasion);
    let governed = applied.governs(Some(&database.catalog));
    let decided = Protection::new(&applied, database, governed).enforced;
    decided.into_iter().map(|(id, decided)| (id, decided.strictness)).collect()
}

/// What the owner of a policy should know of a database: which columns are denied because the mask that a rule names for
/// them does not work there, and why; and which redirections are off. One sentence each.
pub fn unfit(bundle: &Bundle, database: &Database, occasion: Occasion<'_>) -> Vec<String> {
    let catalog = &database.catalog;
    let applied = Applied::for_everybody(bundle, &catalog.database, occasion);
    let mut found: Vec<String> = applied
        .unfit(catalog)
        .into_iter()
        .map(|(id, reason)| {
            let Reason { policy, version: _, rule, note } = &*reason;
            let column = display_column(catalog, id);
            let why = note.as_deref().unwrap_or_default();
            format!("{column} is denied instead of masked by rule \"{rule}\" of policy \"{policy}\": {why}")
        })
        .collect();
    found.extend(redirects::unfit(&applied, catalog));
    found.sort_unstable();
    found.dedup();
    found
}

/// What is decided about every column and relation.
struct Protection {
    enforced: Decisions,
    shadow: Decisions,
    opaque: HashMap<Oid, Arc<str>>,
    /// Views that are shown by their query.
    defined: HashSet<Oid>,
    touched: HashSet<Oid>,
    family: spread::Family,
    lifecycles: lifecycles::Lifecycles,
}

impl Protection {
    fn new(applied: &Applied<'_>, database: &Database, governed: bool) -> Self {
        let catalog = &database.catalog;
        let family = spread::Family::new(catalog);
        let lifecycles = lifecycles::Lifecycles::new(applied, database, &family);
        let mut shadow = applied.decide_shadow(catalog);
        spread::over_family(&mut shadow, catalog, &family);
        if !governed {
            return Self::of(Decisions::new(), shadow, HashMap::new(), (family, lifecycles));
        }
        let mut enforced = applied.decide_enforced(catalog);
        spread::over_family(&mut enforced, catalog, &family);
        applied.deny_unmodelled(catalog, &family, &mut enforced);
        spread::over_generated(&mut enforced, catalog);
        let mut opaque = HashMap::new();
        system::close(catalog, &mut enforced, &mut opaque);
        let defined = views::spread(database, applied, &mut enforced, &mut opaque);
        redirects::combine(&lifecycles, catalog, &mut enforced);
        Self { defined, ..Self::of(enforced, shadow, opaque, (family, lifecycles)) }
    }

    fn of(
        enforced: Decisions,
        shadow: Decisions,
        opaque: HashMap<Oid, Arc<str>>,
        (family, lifecycles): (spread::Family, lifecycles::Lifecycles),
    ) -> Self {
        let columns = enforced.keys().chain(shadow.keys()).map(|id| id.relation);
        let touched = columns.chain(opaque.keys().copied()).collect();
        Self { enforced, shadow, opaque, defined: HashSet::new(), touched, family, lifecycles }
    }

    /// Whether anything was decided about the relation or its columns.
    fn touches(&self, relation: &Relation) -> bool {
        self.touched.contains(&relation.oid) || self.defined.contains(&relation.oid)
    }

    fn rules(&self, relation: &Relation, applied: &Applied<'_>, database: &Database) -> RelationRules {
        let catalog = &database.catalog;
        let mut rules = RelationRules { opaque: self.opaque.get(&relation.oid).cloned(), ..RelationRules::default() };
        if self.defined.contains(&relation.oid) {
            rules.shown = Shown::Definition;
        }
        rules.lifecycle = self.lifecycles.of_relation(relation.oid);
        let mut denied = Vec::new();
        for column in &relation.columns {
            let id = ColumnId { relation: relation.oid, attnum: column.attnum };
            let enforced = self.enforced.get(&id);
            if let Some(decided) = enforced.filter(|decided| decided.effect == Effect::Deny) {
                denied.push(decided.omit_on_star);
            }
            let classification = applied.classification(self.family.with_ancestors(catalog, relation), &column.name);
            let rule = self.column_rule(id, enforced, classification).map(|rule| ColumnRule {
                decided: rule.classification.is_some() && decided::is_decided(applied, database, &self.family, id),
                ..rule
            });
            rules.columns.extend(rule.map(|rule| (column.attnum, rule)));
        }
        rules.star_omits_denied = !denied.is_empty() && denied.iter().all(|omit| *omit);
        rules
    }

    fn column_rule(
        &self,
        id: ColumnId,
        enforced: Option<&Decided>,
        classification: Option<Arc<str>>,
    ) -> Option<ColumnRule> {
        let rule = ColumnRule {
            effect: enforced.map_or(Effect::Allow, |decided| decided.effect.clone()),
            predicates: self.predicates(id, enforced),
            reason: enforced.map(|decided| Arc::clone(&decided.reason)),
            shadow: self.shadow_finding(id, enforced),
            lifecycle: self.lifecycles.of_column(id),
            classification: classification.filter(|word| !NOT_SENSITIVE.contains(&&*word.to_lowercase())),
            decided: false,
        };
        let silent = rule.effect == Effect::Allow
            && rule.shadow.is_none()
            && rule.lifecycle.is_none()
            && rule.classification.is_none();
        (!silent).then_some(rule)
    }

    /// The query of a view has no value of its own to look at.
    fn predicates(&self, id: ColumnId, enforced: Option<&Decided>) -> Predicates {
        let decided = enforced.map(|decided| decided.predicates.clone()).unwrap_or_default();
        if self.defined.contains(&id.relation) { decided.min(Predicates::Masked) } else { decided }
    }

    /// What a rule in shadow mode would have done beyond what is done anyway.
    fn shadow_finding(&self, id: ColumnId, enforced: Option<&Decided>) -> Option<Arc<ShadowFinding>> {
        let would = self.shadow.get(&id)?;
        if enforced.is_some_and(|decided| decided.strictness >= would.strictness) {
            return None;
        }
        let action = if would.effect == Effect::Deny { "deny" } else { "mask" };
        Some(Arc::new(ShadowFinding { action, reason: (*would.reason).clone() }))
    }
}

fn writes(applied: &Applied<'_>, catalog: &Catalog) -> Writes {
    let mut writes = Writes { update: HashSet::new(), insert: HashSet::new(), delete: HashSet::new() };
    for grant in applied.grants() {
        for relation in catalog.relations().filter(|relation| relation.kind.has_rows() && !relation.is_system()) {
            if grant.delete.iter().any(|pattern| pattern.matches(&relation.schema, &relation.name)) {
                writes.delete.insert(relation.oid);
            }
            for column in &relation.columns {
                let id = ColumnId { relation: relation.oid, attnum: column.attnum };
                let granted = |patterns: &[super::rule::NamePattern]| {
                    patterns.iter().any(|pattern| pattern.matches(&relation.schema, &relation.name, &column.name))
                };
                if granted(&grant.update) {
                    writes.update.insert(id);
                }
                if granted(&grant.insert) {
                    writes.insert.insert(id);
                }
            }
        }
    }
    writes
}

/// Names of relations by number, for reasons that people read.
fn display_column(catalog: &Catalog, id: ColumnId) -> String {
    match catalog.relation(id.relation) {
        Some(relation) => {
            let name = relation.column_by_number(id.attnum).map_or("?", |column| &*column.name);
            format!("{}.{}", relation.display(), crate::model::ident::display_name(name))
        }
        None => "an unknown column".to_owned(),
    }
}

/// Something in the order of its keys, whatever map it came from.
fn sorted<K: Ord + Copy, V>(map: &HashMap<K, V>) -> BTreeMap<K, &V> {
    map.iter().map(|(key, value)| (*key, value)).collect()
}

#[cfg(test)]
mod tests;

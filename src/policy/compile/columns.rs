//! What the rules say of each column by itself.

mod concern;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use self::concern::{Concern, has_pseudonym};
use super::decision::{Decided, Decisions, add};
use super::load::{Bundle, Group};
use super::spread::Family;
use crate::model::catalog::{Catalog, ColumnId, Relation, is_system_schema};
use crate::model::consumers::Used;
use crate::model::contract::Entity;
use crate::model::lifecycle::{Lifecycle, Retirement, Who};
use crate::policy::mask::Strictness;
use crate::policy::rule::{Glob, Mode, Policy, Rule, Unmodelled, WriteGrant};
use crate::policy::snapshot::Occasion;
use crate::policy::subject::Subject;
use crate::policy::view::{Effect, Reason};

/// The part of a bundle that is about one subject in its database.
pub(super) struct Applied<'a> {
    who: Who<'a>,
    database: &'a str,
    groups: Vec<&'a Group>,
    rules: Vec<Concern<'a>>,
    /// Rules in force, whoever they are about.
    in_force: Vec<Concern<'a>>,
    grants: Vec<&'a WriteGrant>,
    entities: HashMap<(&'a str, &'a str), Vec<(&'a Group, &'a Entity)>>,
    occasion: Occasion<'a>,
}

impl<'a> Applied<'a> {
    /// The name of the subject.
    pub(super) fn user(&self) -> &'a str {
        self.who.user
    }

    pub(super) fn new(bundle: &'a Bundle, subject: &'a Subject, occasion: Occasion<'a>) -> Self {
        let today = occasion.today();
        let mut applied = Self::over(bundle, &subject.database, occasion, &|rule| rule.concerns(subject, today));
        applied.who = Who { application: &subject.application, user: &subject.user };
        for policy in applied.groups.iter().flat_map(|group| &group.policies) {
            applied.grants.extend(policy.writes.iter().filter(|grant| grant.concerns(subject, today)));
        }
        applied
    }

    /// The same for everybody: every rule counts, and nothing may be written.
    pub(super) fn for_everybody(bundle: &'a Bundle, database: &'a str, occasion: Occasion<'a>) -> Self {
        Self::over(bundle, database, occasion, &|_| true)
    }

    fn over(bundle: &'a Bundle, database: &'a str, occasion: Occasion<'a>, concerns: &dyn Fn(&Rule) -> bool) -> Self {
        let groups: Vec<&Group> = bundle
            .groups
            .iter()
            .filter(|group| group.contracts.iter().any(|contract| contract.covers(database)))
            .collect();
        let mut applied = Self {
            who: Who { application: "", user: "" },
            database,
            groups,
            rules: Vec::new(),
            in_force: Vec::new(),
            grants: Vec::new(),
            entities: HashMap::new(),
            occasion,
        };
        for group in applied.groups.clone() {
            for (schema, entity) in group.contracts.iter().flat_map(|contract| contract.entities_in(database)) {
                applied.entities.entry((schema, &entity.name)).or_default().push((group, entity));
            }
            for policy in &group.policies {
                let concerning = policy.rules.iter().filter(|rule| rule.mode != Mode::Off && concerns(rule));
                applied.rules.extend(concerning.map(|rule| Concern { group, policy, rule }));
                let in_force = policy.rules.iter().filter(|rule| rule.mode == Mode::Enforce);
                applied.in_force.extend(in_force.map(|rule| Concern { group, policy, rule }));
            }
        }
        applied
    }

    /// Whether an enforced rule protects a column that the contract promises or the database has.
    ///
    /// A promised column counts although the database has none of its name: it may have been renamed, and then the
    /// renamed one is to be denied as unknown.
    pub(super) fn governs(&self, catalog: Option<&Catalog>) -> bool {
        let promised = |concern: &&Concern<'_>| {
            self.entities.iter().any(|((schema, name), known)| {
                known
                    .iter()
                    .flat_map(|(_, entity)| &entity.fields)
                    .any(|field| self.selects(concern, schema, name, &field.name))
            })
        };
        let present = |concern: &&Concern<'_>| {
            catalog.is_some_and(|catalog| {
                let near = |relation: &&Arc<Relation>| governable(relation) && self.is_near(concern, relation);
                catalog.relations().filter(near).any(|relation| {
                    relation
                        .columns
                        .iter()
                        .any(|column| self.selects(concern, &relation.schema, &relation.name, &column.name))
                })
            })
        };
        self.enforced().any(|concern| promised(&concern) || present(&concern))
    }

    /// Rules in force that take something away.
    fn enforced(&self) -> impl Iterator<Item = &Concern<'a>> {
        self.rules
            .iter()
            .filter(|concern| concern.rule.mode == Mode::Enforce && concern.rule.strictness() > Strictness::Allow)
    }

    pub(super) fn grants(&self) -> &[&'a WriteGrant] {
        &self.grants
    }

    /// Functions that the contracts of the database call safe. A pattern stands for the functions that there are.
    pub(super) fn functions(&self, catalog: Option<&Catalog>) -> HashSet<(Box<str>, Box<str>)> {
        let contracts = self.groups.iter().flat_map(|group| &group.contracts);
        let mut found = HashSet::new();
        for (schema, name) in contracts.filter(|contract| contract.covers(self.database)).flat_map(|c| &c.functions) {
            let pattern = (Glob::new(schema), Glob::new(name));
            if pattern.0.is_exact() && pattern.1.is_exact() {
                found.insert((schema.clone(), name.clone()));
                continue;
            }
            // The server's own are judged one by one, never by a pattern.
            let known = catalog.into_iter().flat_map(|catalog| catalog.functions.iter());
            let meant = known
                .filter(|f| !is_system_schema(&f.schema) && pattern.0.matches(&f.schema) && pattern.1.matches(&f.name));
            found.extend(meant.map(|f| (f.schema.clone(), f.name.clone())));
        }
        found
    }

    pub(super) fn decide_enforced(&self, catalog: &Catalog) -> Decisions {
        self.decide(catalog, Mode::Enforce)
    }

    pub(super) fn decide_shadow(&self, catalog: &Catalog) -> Decisions {
        self.decide(catalog, Mode::Shadow)
    }

    /// The columns that a rule in force wants masked, and that its mask does not work on: they are denied instead.
    pub(super) fn unfit(&self, catalog: &Catalog) -> Vec<(ColumnId, Arc<Reason>)> {
        let mut found = Vec::new();
        self.each(catalog, Mode::Enforce, &mut |id, decided| {
            if decided.effect == Effect::Deny && decided.reason.note.is_some() {
                found.push((id, decided.reason));
            }
        });
        found
    }

    fn decide(&self, catalog: &Catalog, mode: Mode) -> Decisions {
        let mut decisions = Decisions::new();
        self.each(catalog, mode, &mut |id, decided| add(&mut decisions, id, decided));
        decisions
    }

    /// What every rule says of every column that it selects.
    fn each(&self, catalog: &Catalog, mode: Mode, found: &mut dyn FnMut(ColumnId, Decided)) {
        let rules: Vec<&Concern<'a>> = self.rules.iter().filter(|concern| concern.rule.mode == mode).collect();
        if rules.is_empty() {
            return;
        }
        let pseudonym = has_pseudonym(catalog);
        for relation in catalog.relations().filter(|relation| governable(relation)) {
            let near: Vec<&&Concern<'a>> = rules.iter().filter(|concern| self.is_near(concern, relation)).collect();
            for column in relation.columns.iter().filter(|_| !near.is_empty()) {
                let id = ColumnId { relation: relation.oid, attnum: column.attnum };
                for concern in &near {
                    if self.selects(concern, &relation.schema, &relation.name, &column.name)
                        && let Some(decided) = concern.decide(column, pseudonym)
                    {
                        found(id, decided);
                    }
                }
            }
        }
    }

    /// Whether a rule can select anything of a relation at all: a quick look before the one at every column.
    fn is_near(&self, concern: &Concern<'_>, relation: &Relation) -> bool {
        concern.rule.columns.reaches(&relation.schema, &relation.name)
            || self.entities.contains_key(&(&*relation.schema, &*relation.name))
    }

    /// Denies the columns that no contract describes and no rule has anything to say about. A partition is described
    /// by the table that it is a part of; views show what they show, which [`super::views`] finds out.
    pub(super) fn deny_unmodelled(&self, catalog: &Catalog, family: &Family, decisions: &mut Decisions) {
        let mut denying: Vec<&Policy> = self.enforced().map(|concern| concern.policy).collect();
        denying.retain(|policy| policy.unmodelled == Unmodelled::Deny);
        let Some(policy) = denying.into_iter().min_by(|one, other| one.name.cmp(&other.name)) else { return };
        let tables = |relation: &&Arc<Relation>| governable(relation) && relation.definition.is_none();
        for relation in catalog.relations().filter(tables) {
            for column in &relation.columns {
                let id = ColumnId { relation: relation.oid, attnum: column.attnum };
                let known = family
                    .with_ancestors(catalog, relation)
                    .any(|relation| self.describes(relation, &column.name) || self.mentions(relation, &column.name));
                if !known {
                    let reason = Reason {
                        policy: policy.name.clone(),
                        version: policy.version,
                        rule: "unmodelled".into(),
                        note: Some("no contract describes this column".into()),
                    };
                    add(decisions, id, Decided::deny(reason));
                }
            }
        }
    }

    fn describes(&self, relation: &Relation, column: &str) -> bool {
        let known = self.entities.get(&(&*relation.schema, &*relation.name));
        known.into_iter().flatten().any(|(_, entity)| entity.fields.iter().any(|field| &*field.name == column))
    }

    /// An enforced rule, be it one that allows, names the column.
    fn mentions(&self, relation: &Relation, column: &str) -> bool {
        self.rules
            .iter()
            .filter(|concern| concern.rule.mode == Mode::Enforce)
            .any(|concern| concern.rule.columns.selects_name(&relation.schema, &relation.name, column))
    }

    fn selects(&self, concern: &Concern<'_>, schema: &str, relation: &str, column: &str) -> bool {
        if concern.rule.columns.selects_name(schema, relation, column) {
            return true;
        }
        // Tags and classifications count only from the contracts that lie beside the policy.
        self.entities.get(&(schema, relation)).into_iter().flatten().any(|(group, entity)| {
            let fields = || entity.fields.iter().filter(|field| &*field.name == column);
            std::ptr::eq(*group, concern.group)
                && fields().any(|field| concern.rule.columns.selects_field(entity, field))
        })
    }

    /// Whether a contract describes one of the relations.
    pub(super) fn knows_any<'r>(&self, mut relations: impl Iterator<Item = &'r Relation>) -> bool {
        relations.any(|relation| self.entities.contains_key(&(&*relation.schema, &*relation.name)))
    }

    /// The classification of a column of these relations: a partition and the tables that it is a part of.
    pub(super) fn classification<'r>(
        &self,
        mut relations: impl Iterator<Item = &'r Relation>,
        column: &str,
    ) -> Option<Arc<str>> {
        relations.find_map(|relation| {
            let known = self.entities.get(&(&*relation.schema, &*relation.name)).into_iter().flatten();
            let mut fields = known.flat_map(|(_, entity)| &entity.fields).filter(|field| &*field.name == column);
            fields.find_map(|field| field.classification.clone())
        })
    }

    /// Whether some rule in force is about a column of these relations, be it for others than the subject.
    pub(super) fn has_rule<'r>(&self, mut relations: impl Iterator<Item = &'r Relation>, column: &str) -> bool {
        relations.any(|relation| {
            self.in_force.iter().any(|concern| self.selects(concern, &relation.schema, &relation.name, column))
        })
    }

    /// What the contracts say of the retirement of a relation, of itself and by column.
    pub(super) fn retirements<'s>(
        &'s self,
        relation: &'s Relation,
    ) -> impl Iterator<Item = (Option<&'s str>, &'s Retirement)> {
        let known = self.entities.get(&(&*relation.schema, &*relation.name)).into_iter().flatten();
        known.flat_map(|(_, entity)| {
            let fields = entity.fields.iter();
            let columns = fields.filter_map(|field| Some((Some(&*field.name), field.retirement.as_ref()?)));
            entity.retirement.iter().map(|retirement| (None, retirement)).chain(columns)
        })
    }

    /// Where something stands for this subject now.
    pub(super) fn lifecycle(&self, retirement: &Retirement, relation: &Relation, column: Option<&str>) -> Lifecycle {
        let used = Used { database: self.database, schema: &relation.schema, relation: &relation.name, column };
        retirement.at(self.occasion.now, self.who, &|day| self.occasion.ledger.was_known(used, self.who, day))
    }
}

/// Whether rules of policies are about a relation; the server's own schemas have rules of their own.
pub(super) fn governable(relation: &Relation) -> bool {
    relation.kind.has_rows() && !relation.is_system()
}

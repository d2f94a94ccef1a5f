//! What changes for whom when one set of policies takes the place of another.
//!
//! Policies are compared by what they do: both sides are compiled over the databases that their contracts promise, for
//! everybody whom a rule names and for somebody whom none names, and the outcome is compared column by column. A rule that is
//! only moved, renamed or written in another way is no difference.

mod effect;
mod places;
mod subjects;
mod writes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use self::effect::{Change, Effects};
use self::places::Rules;
use super::compile::Bundle;
use super::rule::Exemption;
use super::snapshot::{Database, Occasion};
use super::subject::Subject;
use crate::model::catalog::{Catalog, Column, ColumnId, Oid, Relation};
use crate::model::consumers::NoLedger;
use crate::model::contract::{to_catalog, types};
use crate::model::diff::{Finding, Rule, Side, Spot, sort};
use crate::model::ident::display_name;
use crate::sql::lineage;

/// Exemptions beyond these are compared as of now.
const MOST_MOMENTS: usize = 50;

/// Stands for everything that no contract describes.
const UNMODELLED: &str = "columns that no contract describes";

/// An oid that no relation of a contract's catalog has.
const PROBE: Oid = Oid(u32::MAX);

/// Everything that differs between the two sides, at that moment and after the end of each exemption.
pub fn compare(old: &Bundle, new: &Bundle, now: Timestamp) -> Vec<Finding> {
    let mut differences = Differences::default();
    let everybody = subjects::of([old, new]);
    let moments = moments([old, new], now);
    for (before, after) in databases(old, new) {
        let catalogs = Catalogs::new((old, before), (new, after));
        for somebody in &everybody {
            let subject = |database: &str| Subject { database: database.into(), ..somebody.subject.clone() };
            let subjects = (subject(before), subject(after));
            for (moment, day) in &moments {
                let sides = Sides {
                    old: Effects::new(old, &catalogs.old, &subjects.0, occasion(*moment)),
                    new: Effects::new(new, &catalogs.new, &subjects.1, occasion(*moment)),
                    catalogs: &catalogs,
                };
                differences.add(&somebody.label, sides.changes(), *day);
            }
        }
    }
    differences.findings(everybody.len(), &Rules { old, new })
}

/// Now, and the first moment after each exemption that ends later, with its day: what is extended shows only then.
fn moments(sides: [&Bundle; 2], now: Timestamp) -> Vec<(Timestamp, Option<Date>)> {
    let policies = || sides.into_iter().flat_map(Bundle::policies);
    let of_rules = policies().flat_map(|policy| &policy.rules).flat_map(|rule| &rule.except);
    let of_writes = policies().flat_map(|policy| &policy.writes).flat_map(|grant| &grant.except);
    let after = |exemption: &Exemption| {
        let day = exemption.expires?.tomorrow().ok()?;
        Some((day.to_zoned(TimeZone::UTC).ok()?.timestamp(), Some(day)))
    };
    let later: BTreeSet<_> =
        of_rules.chain(of_writes).filter_map(after).filter(|(moment, _)| *moment > now).take(MOST_MOMENTS).collect();
    std::iter::once((now, None)).chain(later).collect()
}

fn occasion(now: Timestamp) -> Occasion<'static> {
    Occasion { now, ledger: &NoLedger }
}

/// Databases on both sides; where each side has but one, these.
fn databases<'a>(old: &'a Bundle, new: &'a Bundle) -> Vec<(&'a str, &'a str)> {
    let (before, after) = (old.databases(), new.databases());
    if let (1, 1) = (before.len(), after.len()) {
        return before.into_iter().zip(after).collect();
    }
    before.intersection(&after).map(|name| (*name, *name)).collect()
}

/// The databases as both sides promise them, made comparable.
struct Catalogs {
    old: Database,
    new: Database,
}

impl Catalogs {
    fn new((old, before): (&Bundle, &str), (new, after): (&Bundle, &str)) -> Self {
        let mut catalogs = [to_catalog(old.contracts(), before), to_catalog(new.contracts(), after)];
        let [old, new] = &mut catalogs;
        take_types(old, new);
        for catalog in [old, new] {
            catalog.insert(probe());
        }
        let database =
            |catalog: Catalog| Database { lineages: lineage::of_views(&catalog), catalog: Arc::new(catalog) };
        let [old, new] = catalogs.map(database);
        Self { old, new }
    }

    /// Columns on both sides, each with what people call it.
    fn columns(&self) -> Vec<(String, ColumnId, ColumnId)> {
        let mut found = Vec::new();
        for (relation, counterpart) in self.relations() {
            for column in &relation.columns {
                let Some(other) = counterpart.column(&column.name) else { continue };
                let id =
                    |relation: &Relation, column: &Column| ColumnId { relation: relation.oid, attnum: column.attnum };
                let path = if relation.oid == PROBE {
                    UNMODELLED.to_owned()
                } else {
                    format!("{}.{}", relation.display(), display_name(&column.name))
                };
                found.push((path, id(relation, column), id(counterpart, other)));
            }
        }
        found.sort();
        found
    }

    /// Relations on both sides.
    fn relations(&self) -> Vec<(&Arc<Relation>, &Arc<Relation>)> {
        let all = self.old.catalog.relations();
        all.filter_map(|relation| Some((relation, self.new.catalog.find(&relation.schema, &relation.name)?))).collect()
    }
}

/// The old columns get the new types: what a change of type does to a mask is no matter of the policy.
fn take_types(old: &mut Catalog, new: &Catalog) {
    let mut changed = Vec::new();
    for relation in old.relations() {
        let Some(counterpart) = new.find(&relation.schema, &relation.name) else { continue };
        let mut relation = (**relation).clone();
        for column in &mut relation.columns {
            if let Some(other) = counterpart.column(&column.name) {
                column.ty = other.ty.clone();
            }
        }
        changed.push(relation);
    }
    changed.into_iter().for_each(|relation| old.insert(relation));
}

/// A table that no contract can describe.
fn probe() -> Relation {
    let column = Column::new(1, UNMODELLED, types::column_type("text"));
    Relation::table(PROBE, UNMODELLED, UNMODELLED, vec![column])
}

/// What both sides mean for one subject in one database.
struct Sides<'a> {
    old: Effects,
    new: Effects,
    catalogs: &'a Catalogs,
}

impl Sides<'_> {
    fn changes(&self) -> Vec<Change> {
        let mut changes = Vec::new();
        for (path, before, after) in self.catalogs.columns() {
            changes.extend(effect::compare(&path, &self.old.of(before), &self.new.of(after)));
        }
        changes.extend(writes::compare(self));
        changes
    }
}

/// Differences by what they are, with everybody whom they are about.
#[derive(Default)]
struct Differences {
    found: BTreeMap<[String; 5], (Change, Vec<String>)>,
    /// Rule, path and subject of each: what differs now is not told once more for a later day.
    known: BTreeSet<[String; 3]>,
}

impl Differences {
    /// Differences for somebody, now or from that day on.
    fn add(&mut self, label: &str, changes: Vec<Change>, from: Option<Date>) {
        for mut change in changes {
            let told = |label: &str| [change.rule.id.to_owned(), change.path.clone(), label.to_owned()];
            let is_known = |label: &str| self.known.contains(&told(label));
            if from.is_some() && (is_known(label) || wider(label).any(is_known)) {
                continue;
            }
            self.known.insert(told(label));
            if let Some(day) = from {
                let day = format!("from {day} on");
                change.note = Some(change.note.map_or(day.clone(), |note| format!("{day}; {note}")));
            }
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            let [old, new, note] = [&change.old, &change.new, &change.note].map(text);
            let key = [change.rule.id.to_owned(), change.path.clone(), old, new, note];
            let (_, labels) = self.found.entry(key).or_insert_with(|| (change, Vec::new()));
            if labels.last().is_none_or(|last| last != label) {
                labels.push(label.to_owned());
            }
        }
    }

    fn findings(self, everybody: usize, rules: &Rules<'_>) -> Vec<Finding> {
        let finding = |(change, labels): (Change, Vec<String>)| {
            let whom = if labels.len() == everybody { "everybody".to_owned() } else { shortened(&labels).join(", ") };
            let at: Option<(Side, Spot)> = rules.find(&change);
            let rule: &'static Rule = change.rule;
            let finding = Finding::new(rule, &change.path).change(change.old, change.new).note(format!("for {whom}"));
            let finding = match change.note {
                Some(note) => finding.note(note),
                None => finding,
            };
            Finding { at, ..finding }
        };
        let mut findings: Vec<Finding> = self.found.into_values().map(finding).collect();
        sort(&mut findings);
        findings
    }
}

/// What holds for a role goes without saying for a user with that role.
fn shortened(labels: &[String]) -> Vec<&str> {
    let implied = |label: &&String| wider(label).any(|rest| labels.iter().any(|label| label == rest));
    labels.iter().filter(|label| !implied(label)).map(String::as_str).collect()
}

/// `role support` for `user crm with role support`.
fn wider(label: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(rest(label), |label| rest(label))
}

fn rest(label: &str) -> Option<&str> {
    label.split_once(" with ").map(|(_, rest)| rest)
}

//! What changes for those who use the data when one set of contracts takes the place of another.
//!
//! Both sides are read into [`Terms`]: contracts with everything that their documents say, or a database with names, types
//! and keys. What they mean is compared, not how they are written. Every difference is found by a [`Rule`] with a level of
//! its own; recorded [`Usage`] can make a removal harmless, or name those whom it hits. The comparison of policies is in
//! `policy::diff` and uses the same rules.

mod columns;
mod constraints;
mod contracts;
mod except;
mod finding;
mod lifecycles;
mod live;
pub mod rule;
mod sla;
mod tables;
pub mod terms;
mod types;
mod usage;
mod version;

pub(crate) use contracts::Places;
pub use contracts::terms as of_contracts;
pub use except::{Excepted, Exception, ExceptionError, except};
pub use finding::{Finding, Side, Spot, sort};
pub use live::terms as of_catalog;
pub use rule::{Level, RULES, Rule};
pub use terms::Terms;
pub use usage::{Usage, UsageAnswer};
pub use version::{Bump, Version, Versions};

use jiff::Timestamp;

use crate::model::consumers::Used;

/// When, and by which record of usage, two sides are compared.
#[derive(Clone, Copy)]
pub struct Occasion<'a> {
    /// The moment: phases and sunsets are judged by it.
    pub now: Timestamp,
    /// Who uses what, if that is to count.
    pub usage: Option<&'a dyn Usage>,
}

impl Occasion<'_> {
    /// What is known of the use of a table, or of a column of it, in all its databases.
    fn usage_of(&self, table: &terms::Table, column: Option<&str>) -> Option<UsageAnswer> {
        let usage = self.usage?;
        usage::merged(
            table
                .databases
                .iter()
                .map(|database| usage.answer(Used { database, schema: &table.schema, relation: &table.name, column })),
        )
    }
}

/// What a comparison of contracts has found.
#[derive(Debug, Default)]
pub struct Difference {
    /// The differences, the gravest first.
    pub findings: Vec<Finding>,
    /// The contracts that are on both sides.
    pub pairs: Vec<Pair>,
}

/// A contract on both sides.
#[derive(Debug, Clone)]
pub struct Pair {
    /// `id` of the old one.
    pub id: Box<str>,
    /// What people call it.
    pub name: Box<str>,
    /// `version` of the old one.
    pub old: Box<str>,
    /// `version` of the new one.
    pub new: Box<str>,
    /// Where the new one says its version.
    pub at: Option<Spot>,
}

/// Everything that differs between the two sides.
pub fn compare(old: &Terms, new: &Terms, occasion: Occasion<'_>) -> Difference {
    let mut difference = Difference::default();
    let both_written = !old.is_live && !new.is_live;
    for (before, after) in documents(old, new).into_iter().filter(|_| both_written) {
        sla::compare(before, after, &mut difference.findings);
        describe(before, after, &mut difference.findings);
        if let (Some(old), Some(new)) = (&before.version, &after.version) {
            let at = after.keys.of(&["version"]).cloned();
            let (id, name) = (before.id.clone(), after.name.clone());
            difference.pairs.push(Pair { id, name, old: old.clone(), new: new.clone(), at });
        }
    }
    tables::compare(old, new, occasion, &mut difference.findings);
    sort(&mut difference.findings);
    difference
}

/// The contracts of the same `id`; where each side has but one, these.
fn documents<'a>(old: &'a Terms, new: &'a Terms) -> Vec<(&'a terms::Document, &'a terms::Document)> {
    if let ([before], [after]) = (old.documents.as_slice(), new.documents.as_slice()) {
        return vec![(before, after)];
    }
    let same = |before: &'a terms::Document| Some((before, new.documents.iter().find(|after| after.id == before.id)?));
    old.documents.iter().filter_map(same).collect()
}

fn describe(old: &terms::Document, new: &terms::Document, findings: &mut Vec<Finding>) {
    if old.description != new.description {
        let finding = Finding::new(&rule::DESCRIPTION_CHANGED, &new.name)
            .change(old.description.as_deref().map(short), new.description.as_deref().map(short))
            .at(old.keys.of(&["description"]), new.keys.of(&["description"]));
        findings.push(Finding { contract: Some(old.id.clone()), ..finding });
    }
}

/// The beginning of a text that may be long, on one line.
fn short(text: &str) -> String {
    const LONGEST: usize = 60;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= LONGEST {
        return line;
    }
    line.chars().take(LONGEST - 1).chain(['…']).collect()
}

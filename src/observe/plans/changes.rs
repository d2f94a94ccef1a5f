//! Changes of plans, and which of them made a statement slower.
//!
//! The rule: a shape that read a relation along an index and now reads all of it is a regression when its mean time has at
//! least doubled, by a millisecond or more, over at least [`CALLS_AT_LEAST`] runs before and as many after. The runs before
//! are those since the old plan was first seen, as long as they took what they always took; those after are counted from the
//! moment at which the new plan was seen.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::book::{Book, Entry, Seen, Totals};
use crate::model::change::{self, Change as Told};
use crate::model::ident::display_name;
use crate::model::plan::{AccessPath, Plan, RelationAccess};
use crate::observe::metrics::{Guarded, Metrics};
use crate::observe::registry;
use crate::observe::shapes::Shape;

/// Runs before and after, at least.
pub(super) const CALLS_AT_LEAST: u64 = 20;

const FACTOR: f64 = 2.0;

/// In seconds: below this nobody feels a difference.
const GROWTH_AT_LEAST: f64 = 0.001;

/// So long a regression is told.
const TOLD_FOR: SignedDuration = SignedDuration::from_hours(24);

/// The way in which a relation is read has changed.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) at: Timestamp,
    pub(super) schema: Box<str>,
    pub(super) relation: Box<str>,
    pub(super) kind: Kind,
    /// Both plans, in one line each.
    pub(super) before: String,
    pub(super) after: String,
    /// The indexes that led to the rows before.
    pub(super) indexes: Vec<Box<str>>,
    /// Runs before, and what had run when the new plan was seen.
    pub(super) runs_before: Totals,
    start: Totals,
    /// When it was found to be slower, and what a run took before and after, in seconds.
    pub(super) slower: Option<(Timestamp, f64, f64)>,
    /// The relation is read along an index again.
    pub(super) over: bool,
}

/// Label `change`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    IndexToSeq,
    SeqToIndex,
    OtherIndex,
}

impl Kind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::IndexToSeq => "index_to_seq",
            Self::SeqToIndex => "seq_to_index",
            Self::OtherIndex => "other_index",
        }
    }
}

impl Change {
    /// For the journal.
    pub(super) fn noticed(&self, shape: &Shape) -> Told {
        let indexes = self.indexes.iter().map(|index| display_name(index)).collect::<Vec<_>>().join(", ");
        let what = match self.kind {
            Kind::IndexToSeq => format!("reads all of it now, not along {indexes}"),
            Kind::SeqToIndex => "reads it along an index now, not all of it".to_owned(),
            Kind::OtherIndex => format!("reads it in another way now, not along {indexes}"),
        };
        self.told(shape, &what)
    }

    fn told(&self, shape: &Shape, what: &str) -> Told {
        let what = format!("shape {:016x} {what}", shape.fingerprint);
        Told::new(change::Kind::Plan, what).of(&shape.database).about(&self.schema, &self.relation)
    }

    pub(super) fn is_undone_by(&self, later: &Self) -> bool {
        self.kind == Kind::IndexToSeq
            && later.kind == Kind::SeqToIndex
            && (&self.schema, &self.relation) == (&later.schema, &later.relation)
    }
}

/// Whether runs take longer than others did.
pub(super) fn is_slower(before: Totals, after: Totals, calls_at_least: u64) -> bool {
    let (Some(usual), Some(now)) = (before.mean(), after.mean()) else { return false };
    before.calls.min(after.calls) >= calls_at_least && now >= usual * FACTOR && now - usual >= GROWTH_AT_LEAST
}

/// What is different between two plans of a shape, relation by relation.
pub(super) fn between(before: &Seen, plan: &Plan, at: Timestamp, totals: Totals) -> Vec<Change> {
    let mut found: Vec<Change> = Vec::new();
    for old in &before.plan.accesses {
        let same = |other: &&RelationAccess| other.schema == old.schema && other.relation == old.relation;
        let is_known = found.iter().any(|change| change.schema == old.schema && change.relation == old.relation);
        // A relation that is read several times is looked at as a whole: one way less along an index counts.
        let uses = |plan: &Plan| plan.accesses.iter().filter(same).filter(|access| access.path.uses_index()).count();
        let scans = |plan: &Plan| plan.accesses.iter().filter(same).filter(|a| a.path == AccessPath::Seq).count();
        if is_known || !plan.accesses.iter().any(|access| same(&access)) {
            continue;
        }
        let indexes = |plan: &Plan| {
            let mut all: Vec<Box<str>> =
                plan.accesses.iter().filter(same).flat_map(|access| access.indexes.iter().cloned()).collect();
            all.sort_unstable();
            all.dedup();
            all
        };
        let kind = match (uses(&before.plan), uses(plan)) {
            (1.., 0) | (2.., 1) if scans(plan) > scans(&before.plan) => Kind::IndexToSeq,
            (0, 1..) if scans(plan) < scans(&before.plan) => Kind::SeqToIndex,
            (1.., 1..) if indexes(&before.plan) != indexes(plan) => Kind::OtherIndex,
            _ => continue,
        };
        found.push(Change {
            at,
            schema: old.schema.clone(),
            relation: old.relation.clone(),
            kind,
            before: before.plan.text.clone(),
            after: plan.text.clone(),
            indexes: indexes(&before.plan),
            runs_before: before.steady.since(before.start),
            start: totals,
            slower: None,
            over: false,
        });
    }
    found
}

/// Whether a change has made a shape slower, as far as that can be said already.
pub(super) fn judge(entry: &mut Entry) -> Vec<Told> {
    let totals = Totals::of(&entry.shape);
    let mut slower = Vec::new();
    for change in &mut entry.changes {
        let runs = totals.since(change.start);
        if change.kind != Kind::IndexToSeq
            || change.over
            || change.slower.is_some()
            || !is_slower(change.runs_before, runs, CALLS_AT_LEAST)
        {
            continue;
        }
        let (Some(before), Some(after)) = (change.runs_before.mean(), runs.mean()) else { continue };
        change.slower = Some((Timestamp::now(), before, after));
        tracing::warn!(
            database = %entry.shape.database,
            shape = format!("{:016x}", entry.shape.fingerprint),
            schema = %change.schema,
            relation = %change.relation,
            indexes = change.indexes.join(", "),
            plan_before = change.before,
            plan_after = change.after,
            milliseconds_before = before * 1000.0,
            milliseconds_after = after * 1000.0,
            "a statement reads all of a relation that it read along an index, and is slower"
        );
        let times = format!("{:.1} ms instead of {:.1} ms", after * 1000.0, before * 1000.0);
        slower.push(change.told(&entry.shape, &format!("takes {times} since all of it is read")));
    }
    slower
}

/// Counts how a plan reads its relations.
pub(super) fn count_accesses(metrics: &Metrics, database: &str, plan: &Plan) {
    let name = Arc::clone(&metrics.database(database).name);
    for access in &plan.accesses {
        let [schema, relation] = metrics.relation(Guarded::Relation, database, &access.schema, &access.relation);
        let values = [&*name, &*schema, &*relation, access.path.as_str()];
        metrics.counter(&registry::PLAN_SAMPLES, &values).increment(1);
    }
}

/// Counts changes.
pub(super) fn count_changes(metrics: &Metrics, database: &str, found: &[Change]) {
    let name = Arc::clone(&metrics.database(database).name);
    for change in found {
        let [schema, relation] = metrics.relation(Guarded::Relation, database, &change.schema, &change.relation);
        let values = [&*name, &*schema, &*relation, change.kind.as_str()];
        metrics.counter(&registry::PLAN_CHANGES, &values).increment(1);
    }
}

/// The regressions that are not over, by relation.
pub(super) fn show_regressions(metrics: &Metrics, book: &Book) {
    let now = Timestamp::now();
    let mut databases: std::collections::BTreeMap<&str, Vec<(Vec<String>, f64)>> = std::collections::BTreeMap::new();
    for entry in book.entries.values() {
        let series = databases.entry(&entry.shape.database).or_default();
        for change in entry.changes.iter().filter(|change| !change.over) {
            let Some((at, ..)) = change.slower.filter(|(at, ..)| now.duration_since(*at) < TOLD_FOR) else { continue };
            let database = Arc::clone(&metrics.database(&entry.shape.database).name);
            let [schema, relation] =
                metrics.relation(Guarded::Relation, &entry.shape.database, &change.schema, &change.relation);
            let labels = [&*database, &*schema, &*relation].map(str::to_owned).to_vec();
            series.push((labels, at.as_millisecond() as f64 / 1000.0));
        }
    }
    for (database, series) in databases {
        metrics.gauges.set(&registry::PLAN_REGRESSION, database, series, f64::max);
    }
}

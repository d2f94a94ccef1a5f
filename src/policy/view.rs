//! What a policy means for one subject in one database: the form in which the engine asks.
//!
//! Words: a *view* here is the subject's view of the data, not a relation of kind view.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::rule::{InUse, LockTimeout};
use crate::model::catalog::{ColumnId, Oid};
use crate::model::lifecycle::Lifecycle;

/// The compiled rules of one subject in one database. Equal rules have equal fingerprints, which key the verdict cache.
#[derive(Debug, Clone, Default)]
pub struct SubjectView {
    /// Hash over everything below; subjects that are treated alike share verdicts.
    pub fingerprint: u64,
    /// Some enforced rule protects a column from this subject: unknown means refused.
    pub governed: bool,
    /// Relations with at least one column that is not simply allowed, deprecated, or sensitive. Absent means: all columns allowed.
    pub relations: HashMap<Oid, Arc<RelationRules>>,
    /// What a governed subject may write. Observed subjects write as the server lets them.
    pub writes: Writes,
    /// `schema.name` of functions outside `pg_catalog` that the contract lists as safe to call.
    pub functions: HashSet<(Box<str>, Box<str>)>,
    /// What is said of changes of the structure; none where no contract is about the database.
    pub ddl: Option<Ddl>,
}

/// What is said of changes of the structure.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ddl {
    /// The policies, by name, whose contracts' relations the subject may not change.
    pub closed_by: Vec<Box<str>>,
    /// Nothing may be changed now.
    pub frozen: Option<Frozen>,
    /// What is asked of the setting `lock_timeout`.
    pub lock_timeout: Option<LockTimeout>,
    /// What becomes of a change that takes something away which is in use.
    pub in_use: InUse,
    /// How long ago a use still counts.
    pub window: SignedDuration,
}

/// A freeze in force.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Frozen {
    /// Its end.
    pub until: Timestamp,
    /// Why.
    pub reason: Option<Box<str>>,
    /// The policy that says so.
    pub policy: Box<str>,
    /// Its version.
    pub version: u64,
}

/// The rules of one relation for one subject.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RelationRules {
    /// By `attnum`; absent means allowed.
    pub columns: BTreeMap<i16, ColumnRule>,
    /// The relation cannot be shown to this subject at all, and why: a view whose rows depend on a protected column,
    /// a view that cannot be analysed, statistics and credentials of the server.
    pub opaque: Option<Arc<str>>,
    /// `*` leaves denied columns out instead of refusing the statement.
    pub star_omits_denied: bool,
    /// How what the subject may see of it is made.
    pub shown: Shown,
    /// Where the relation itself stands on its way out.
    pub lifecycle: Option<Arc<Lifecycle>>,
}

/// How a relation is shown to a subject from whom something of it is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Shown {
    /// Its rows, with a mask in place of each masked column.
    #[default]
    Projection,
    /// A view: its query, over what the subject may see of the relations in it.
    Definition,
}

/// What happens to one column.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnRule {
    /// What the subject gets.
    pub effect: Effect,
    /// What conditions see of a masked column.
    pub predicates: Predicates,
    /// The rule that decided, for DETAIL, `explain` and the audit.
    pub reason: Option<Arc<Reason>>,
    /// What a rule in shadow mode would have done.
    pub shadow: Option<Arc<ShadowFinding>>,
    /// Phase and replacement of a deprecated column.
    pub lifecycle: Option<Arc<Lifecycle>>,
    /// The ODCS classification, where it is worth counting access (`confidential`, `restricted` …).
    pub classification: Option<Arc<str>>,
    /// Some rule in force is about the column, whoever the rule is about: a subject who sees it is meant to.
    pub decided: bool,
}

/// What a subject gets of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// The value.
    Allow,
    /// The value of this expression, in the column's exact type.
    Mask(Arc<MaskExpression>),
    /// 42501 on any reference.
    Deny,
}

/// What conditions see of a masked column. The least wins where rules meet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Predicates {
    /// Nothing: what decides on rows, their groups or their order must not depend on the column. The rule that says so.
    Deny(Arc<Reason>),
    /// The masked value.
    #[default]
    Masked,
    /// The masked value, but a comparison for equality with a constant sees the column itself.
    Equality,
}

/// A compiled mask: SQL with holes for the column reference. Uses only `pg_catalog` functions and operators, by qualified name.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct MaskExpression {
    /// The mask's name in the policy, for reports.
    pub name: Box<str>,
    parts: Vec<Box<str>>,
}

impl MaskExpression {
    /// An expression whose holes stand between the parts; at least one part.
    pub fn new(name: &str, parts: Vec<Box<str>>) -> Self {
        Self { name: name.into(), parts }
    }

    /// This expression over the value of another.
    pub fn over(&self, inner: &Self) -> Self {
        let mut parts: Vec<Box<str>> = Vec::new();
        for (at, part) in self.parts.iter().enumerate() {
            if at == 0 {
                parts.push(part.clone());
                continue;
            }
            // The value of the inner one stands in the hole between two parts.
            let mut pieces = inner.parts.iter();
            let first = pieces.next().map(|piece| &**piece).unwrap_or_default();
            let before = parts.pop().unwrap_or_default();
            parts.push(format!("{before}{first}").into());
            parts.extend(pieces.cloned());
            let last = parts.pop().unwrap_or_default();
            parts.push(format!("{last}{part}").into());
        }
        Self { name: self.name.clone(), parts }
    }

    /// The expression over `field`, which must be a column reference in SQL.
    pub fn render(&self, field: &str) -> String {
        self.parts.join(field)
    }
}

/// Which rule decided.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reason {
    /// `metadata.name` of the policy.
    pub policy: Box<str>,
    /// `metadata.version` of the policy.
    pub version: u64,
    /// `rules[].name`, or a built-in: `unmodelled`, `derived`, `system`.
    pub rule: Box<str>,
    /// Why it is not what the rule says, such as a mask that does not work on the column's type.
    pub note: Option<Box<str>>,
}

/// What a rule in shadow mode would have done.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ShadowFinding {
    /// `mask` or `deny`.
    pub action: &'static str,
    /// The rule in shadow mode.
    pub reason: Reason,
}

/// The writes that a governed subject may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Writes {
    /// Columns that UPDATE may set.
    pub update: HashSet<ColumnId>,
    /// Columns that INSERT may give a value.
    pub insert: HashSet<ColumnId>,
    /// Relations that DELETE may remove rows of.
    pub delete: HashSet<Oid>,
}

impl SubjectView {
    /// The rule of a column, if it is anything but plainly allowed.
    pub fn rule(&self, column: ColumnId) -> Option<&ColumnRule> {
        self.relations.get(&column.relation)?.columns.get(&column.attnum)
    }

    /// Whether any column of the relation is masked or denied, or the relation is opaque.
    pub fn protects(&self, relation: Oid) -> bool {
        self.relations.get(&relation).is_some_and(|rules| rules.protects())
    }
}

impl RelationRules {
    /// Whether anything of the relation is masked or denied.
    pub fn protects(&self) -> bool {
        self.opaque.is_some()
            || self.shown == Shown::Definition
            || self.columns.values().any(|rule| rule.effect != Effect::Allow)
    }
}

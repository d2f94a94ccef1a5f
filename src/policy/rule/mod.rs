//! A policy as written: rules, writes and tests, checked but not yet applied to anybody.
//!
//! How rules meet: the order in the file and the order of files mean nothing. Of all enforced rules that select a
//! column and are about the subject, the one that takes away most wins ([`super::mask::Strictness`]); deny takes
//! away everything. `allow` is the weakest of all: it never lifts a mask or a denial of another rule, it only makes
//! a column known that the contract does not describe.

mod ddl;
mod read;
mod selector;
mod who;

pub use crate::model::glob::Glob;
pub use ddl::{DdlRules, Freeze, InUse, LockTimeout};
pub use read::read;
pub use selector::{NamePattern, RelationPattern, Selector};
pub use who::{Audience, Exemption, Match};

use std::ops::Range;

use super::mask::{MaskUse, Strictness};
use super::subject::Subject;
use crate::model::source::SourceFile;

/// One policy file.
#[derive(Debug, Clone)]
pub struct Policy {
    /// `metadata.name`.
    pub name: Box<str>,
    /// `metadata.version`.
    pub version: u64,
    /// `metadata.owner`: whom to ask.
    pub owner: Option<Box<str>>,
    /// The file it was read from.
    pub file: SourceFile,
    /// What to do with which columns for whom.
    pub rules: Vec<Rule>,
    /// What becomes of columns that the contract does not know.
    pub unmodelled: Unmodelled,
    /// What governed sessions may write.
    pub writes: Vec<WriteGrant>,
    /// Who may change the structure, when, and how.
    pub ddl: DdlRules,
    /// What the author expects of it all.
    pub tests: Vec<PolicyTest>,
}

/// Columns that no contract describes, for governed sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmodelled {
    /// 42501 on any reference.
    Deny,
    /// As the server lets them.
    Allow,
}

/// One rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// `name`.
    pub name: Box<str>,
    /// Whether it is in force.
    pub mode: Mode,
    /// Which columns.
    pub columns: Selector,
    /// Whom it is about.
    pub to: Audience,
    /// Whom it is not about after all.
    pub except: Vec<Exemption>,
    /// What they get.
    pub action: Action,
    /// What conditions see of columns that it masks.
    pub predicates: Predicates,
    /// What `*` does where columns are denied.
    pub on_star: OnStar,
    /// Where its columns stand in the file, for problems found later.
    pub columns_span: Range<usize>,
    /// Where its action stands in the file, for problems found later.
    pub action_span: Range<usize>,
}

/// Whether a rule is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// In force.
    Enforce,
    /// Only reports what it would do.
    Shadow,
    /// Does nothing.
    Off,
}

/// What a rule does.
#[derive(Debug, Clone)]
pub enum Action {
    /// Makes a column known that the contract does not describe.
    Allow,
    /// 42501 on any reference.
    Deny,
    /// Another value in its place.
    Mask(MaskUse),
}

/// `predicates`: what conditions see of columns that a rule masks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Predicates {
    /// They must not depend on the column.
    Deny,
    /// The masked value.
    Masked,
    /// The masked value, but equality with a constant is told of the column itself.
    Equality,
}

/// What `*` does where columns are denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnStar {
    /// The statement is refused, as PostgreSQL does for column privileges.
    Refuse,
    /// The denied columns are left out.
    Omit,
}

/// What some governed subjects may write.
#[derive(Debug, Clone)]
pub struct WriteGrant {
    /// Who.
    pub to: Audience,
    /// Who not after all.
    pub except: Vec<Exemption>,
    /// Columns that UPDATE may set.
    pub update: Vec<NamePattern>,
    /// Columns that INSERT may give a value.
    pub insert: Vec<NamePattern>,
    /// Relations that DELETE may remove rows of.
    pub delete: Vec<RelationPattern>,
    /// Where it stands in the file, for problems found later.
    pub span: Range<usize>,
}

/// One test inside a policy.
#[derive(Debug, Clone)]
pub struct PolicyTest {
    /// Its name, or its SQL.
    pub name: Box<str>,
    /// Who asks; an empty database means the contract's first.
    pub subject: Subject,
    /// What is asked.
    pub sql: Box<str>,
    /// What should come of it.
    pub expect: Expectation,
    /// Where it stands in the file.
    pub span: Range<usize>,
}

/// What should come of a test's statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expectation {
    /// It is admitted; these output columns are masked, and those are clear.
    Admitted {
        /// Output columns that show masked values.
        masked: Vec<Box<str>>,
        /// Output columns that show the values themselves.
        clear: Vec<Box<str>>,
    },
    /// It is refused with this SQLSTATE.
    Refused(Box<str>),
}

impl Rule {
    /// How much it takes away.
    pub fn strictness(&self) -> Strictness {
        match &self.action {
            Action::Allow => Strictness::Allow,
            Action::Deny => Strictness::Deny,
            Action::Mask(mask) => mask.strictness(),
        }
    }

    /// Whether its mask needs our function in the database.
    pub fn needs_pseudonym(&self) -> bool {
        matches!(&self.action, Action::Mask(mask) if mask.needs_pseudonym())
    }

    /// Whether it is about this subject on that day.
    pub fn concerns(&self, subject: &Subject, today: jiff::civil::Date) -> bool {
        self.to.includes(subject) && !self.except.iter().any(|exemption| exemption.holds(subject, today))
    }
}

impl WriteGrant {
    /// Whether it is about this subject on that day.
    pub fn concerns(&self, subject: &Subject, today: jiff::civil::Date) -> bool {
        self.to.includes(subject) && !self.except.iter().any(|exemption| exemption.holds(subject, today))
    }
}

//! Drift: where what a database has and what contracts promise differ.
//!
//! *breaking*: a promise of a contract is false. *risky*: nothing is broken yet, but something is open or unknown that
//! should not be. *cosmetic*: more than was promised, and harmless.

mod columns;
mod keys;
mod memory;
mod relations;
mod types;
mod versions;

pub use memory::Memory;
pub use relations::view_digest;

use std::cmp::Reverse;
use std::collections::BTreeSet;

use jiff::Timestamp;

use super::catalog::{Catalog, Relation};
use super::contract::Contract;
use super::glob::Glob;
use super::ident::display_name;
use super::structure::Structure;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $word:literal;)*) => {
        /// What differs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kind { $($(#[$doc])* $kind,)* }

        impl Kind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// The word for it in reports, metrics and patterns.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $word,)* }
            }
        }
    };
}

kinds! {
    /// A table or view that was promised is not there.
    MissingTable "missing_table";
    /// A table or view that no contract knows.
    ExtraTable "extra_table";
    /// A column that was promised is not there.
    MissingColumn "missing_column";
    /// A column that no contract knows.
    ExtraColumn "extra_column";
    /// A column or table that the contract has removed is there.
    RemovedReappeared "removed_reappeared";
    /// A column has another type.
    TypeMismatch "type_mismatch";
    /// A column takes NULL, or does not take it, against the contract.
    Nullability "nullability";
    /// The primary key is not there, or another one.
    MissingPk "missing_pk";
    /// A foreign key that was promised is not there.
    MissingFk "missing_fk";
    /// A constraint has not been checked for the rows from before it.
    UnvalidatedConstraint "unvalidated_constraint";
    /// An index that was promised is not there, or not usable.
    MissingIndex "missing_index";
    /// An index that the contract does not list.
    ExtraIndex "extra_index";
    /// Partitioned otherwise than promised.
    Partitioning "partitioning";
    /// A view has another query, or is a table, or the other way round.
    ViewChanged "view_changed";
    /// A role that a policy governs can read protected data around the proxy.
    GrantBypass "grant_bypass";
    /// A migration that had been applied has another checksum now.
    HistoryChecksumChanged "history_checksum_changed";
    /// A migration has failed.
    HistoryFailed "history_failed";
    /// Migrations have come to another version than the contract expects.
    VersionMismatch "version_mismatch";
    /// A table has changed without a migration.
    UnmanagedDdl "unmanaged_ddl";
}

/// How bad it is; the worst is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// More than was promised, and harmless.
    Cosmetic,
    /// Open or unknown, and should not be.
    Risky,
    /// A promise is false.
    Breaking,
}

impl Severity {
    /// The word for it in reports and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cosmetic => "cosmetic",
            Self::Risky => "risky",
            Self::Breaking => "breaking",
        }
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// What differs.
    pub kind: Kind,
    /// How bad it is.
    pub severity: Severity,
    /// The database.
    pub database: Box<str>,
    /// The schema; empty for what is of the whole database.
    pub schema: Box<str>,
    /// The relation; empty for what is of the whole database.
    pub relation: Box<str>,
    /// The column, for what is of one column.
    pub column: Option<Box<str>>,
    /// What the contract says.
    pub expected: Option<String>,
    /// What the database has.
    pub found: Option<String>,
    /// What is wrong, for people.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

impl Finding {
    /// A difference of a whole database.
    fn new(kind: Kind, severity: Severity, database: &str) -> Self {
        Self {
            kind,
            severity,
            database: database.into(),
            schema: Box::default(),
            relation: Box::default(),
            column: None,
            expected: None,
            found: None,
            message: String::new(),
            help: String::new(),
        }
    }

    fn of(self, schema: &str, relation: &str) -> Self {
        Self { schema: schema.into(), relation: relation.into(), ..self }
    }

    fn column(self, name: &str) -> Self {
        Self { column: Some(name.into()), ..self }
    }

    fn expected(self, what: impl Into<String>) -> Self {
        Self { expected: Some(what.into()), ..self }
    }

    fn found(self, what: impl Into<String>) -> Self {
        Self { found: Some(what.into()), ..self }
    }

    fn says(self, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into(), ..self }
    }

    /// What it is about: `schema.relation.column`, or what was found in the database as a whole.
    pub fn object(&self) -> String {
        if self.relation.is_empty() {
            return self.found.clone().unwrap_or_default();
        }
        let parts = [Some(&*self.schema), Some(&*self.relation), self.column.as_deref()];
        parts.into_iter().flatten().map(display_name).collect::<Vec<_>>().join(".")
    }

    /// What stays the same from one look to the next.
    pub fn identity(&self) -> (Kind, Box<str>, String) {
        (self.kind, self.database.clone(), self.object())
    }
}

/// Differences that nobody wants to hear of: `kind:object`, or `object` alone; `*` stands for anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ignore(Vec<(Option<Glob>, Glob)>);

impl Ignore {
    /// From patterns as written.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Self {
        let parse = |pattern: &str| match pattern.split_once(':') {
            Some((kind, object)) => (Some(Glob::new(kind.trim())), Glob::new(object.trim())),
            None => (None, Glob::new(pattern.trim())),
        };
        Self(patterns.into_iter().map(parse).collect())
    }

    /// Whether one of the patterns is about this.
    pub fn matches(&self, finding: &Finding) -> bool {
        let object = finding.object();
        let of_kind = |kind: &Option<Glob>| kind.as_ref().is_none_or(|kind| kind.matches(finding.kind.as_str()));
        self.0.iter().any(|(kind, pattern)| of_kind(kind) && pattern.matches(&object))
    }
}

/// A role that can read protected data without the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bypass {
    /// The role.
    pub role: Box<str>,
    /// What it can read, as `schema.relation`.
    pub relations: Vec<String>,
}

/// What a database is compared by.
#[derive(Debug, Clone, Copy)]
pub struct Observed<'a> {
    /// Its relations.
    pub catalog: &'a Catalog,
    /// What else it has.
    pub structure: &'a Structure,
    /// Who gets around the proxy.
    pub bypasses: &'a [Bypass],
    /// The moment by which lifecycles are judged.
    pub now: Timestamp,
}

impl Observed<'_> {
    fn finding(&self, kind: Kind, severity: Severity) -> Finding {
        Finding::new(kind, severity, &self.catalog.database)
    }

    fn about(&self, relation: &Relation, kind: Kind, severity: Severity) -> Finding {
        self.finding(kind, severity).of(&relation.schema, &relation.name)
    }
}

/// All differences between the contracts and one database, the worst first.
pub fn compare<'a>(contracts: impl IntoIterator<Item = &'a Contract>, observed: &Observed<'_>) -> Vec<Finding> {
    let database = &*observed.catalog.database;
    let contracts: Vec<&Contract> = contracts.into_iter().filter(|contract| contract.covers(database)).collect();
    let mut findings = Vec::new();
    for contract in &contracts {
        for (schema, entity) in contract.entities_in(database) {
            relations::compare(schema, entity, observed, &mut findings);
        }
    }
    relations::extra(&contracts, observed, &mut findings);
    versions::compare(&contracts, observed, &mut findings);
    findings.extend(observed.bypasses.iter().map(|bypass| around_the_proxy(bypass, observed)));
    sort(findings)
}

/// The worst first, then by object; each once.
pub fn sort(findings: Vec<Finding>) -> Vec<Finding> {
    let unique: BTreeSet<Finding> = findings.into_iter().collect();
    let mut findings: Vec<Finding> = unique.into_iter().collect();
    findings.sort_by_cached_key(|finding| {
        (Reverse(finding.severity), finding.database.clone(), finding.object(), finding.kind)
    });
    findings
}

/// How many names a message holds at most.
const SHOWN: usize = 5;

fn around_the_proxy(bypass: &Bypass, observed: &Observed<'_>) -> Finding {
    let Bypass { role, relations } = bypass;
    let mut names = relations.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if relations.len() > SHOWN {
        names.push_str(&format!(" and {} more", relations.len() - SHOWN));
    }
    let message = format!("role {role} is governed here, can log in, and may read protected columns of {names}");
    let help = format!(
        "Let pg_hba.conf admit {role} from the proxy only. Once it does, tell so with `ignore: [\"grant_bypass:{role}\"]`."
    );
    observed.finding(Kind::GrantBypass, Severity::Risky).found(&**role).says(message, help)
}

#[cfg(test)]
mod tests;

//! Who uses a column or a table, as far as has been seen.

use std::fmt::Debug;

use jiff::Timestamp;
use jiff::civil::Date;

use super::lifecycle::Who;

/// A column or, without a column, a table, by its names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Used<'a> {
    /// The database.
    pub database: &'a str,
    /// The schema.
    pub schema: &'a str,
    /// The relation.
    pub relation: &'a str,
    /// The column; none means: any column of it, and the relation as such.
    pub column: Option<&'a str>,
}

/// One consumer of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumer {
    /// `application_name`, the client's own word.
    pub application: Box<str>,
    /// The role that logged in.
    pub user: Box<str>,
    /// How many shapes of statements use it.
    pub shapes: u64,
    /// How many statements have used it.
    pub uses: u64,
    /// All of them reach it by `*` only.
    pub star_only: bool,
    /// The first of them.
    pub first_seen: Timestamp,
    /// The last of them.
    pub last_seen: Timestamp,
}

/// The record of usage, as those ask who decide by it. Answers come from memory.
pub trait Ledger: Debug + Send + Sync {
    /// Who has used it since then, the latest first. Whoever was refused it belongs to them: they have not let go of it yet.
    /// Statements that change the structure are no use of what they change.
    fn consumers(&self, used: Used<'_>, since: Timestamp) -> Vec<Consumer>;

    /// Whether that consumer used it before that day; any time will do where no day is given.
    fn was_known(&self, used: Used<'_>, who: Who<'_>, before: Option<Date>) -> bool;
}

/// No record is kept: nobody can be told to be new, and nobody is known to use anything.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoLedger;

impl Ledger for NoLedger {
    fn consumers(&self, _: Used<'_>, _: Timestamp) -> Vec<Consumer> {
        Vec::new()
    }

    fn was_known(&self, _: Used<'_>, _: Who<'_>, _: Option<Date>) -> bool {
        true
    }
}

//! Whether a column and the one that takes its place say the same.

use jiff::Timestamp;

/// A column that is on its way out, and the one in its place.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ColumnPair {
    /// `schemaname`.
    pub schema: Box<str>,
    /// `relname`.
    pub relation: Box<str>,
    /// The old column.
    pub column: Box<str>,
    /// The new one.
    pub replacement: Box<str>,
}

/// What was counted at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Compared {
    /// When.
    pub at: Timestamp,
    /// Rows in which both have a value, or only the new one has, and they differ. None where they may: nothing is written to the
    /// old one any more, and nobody reads it.
    pub divergent: Option<u64>,
    /// Rows in which only the old one has a value: not copied yet.
    pub missing: u64,
    /// All other rows.
    pub done: u64,
    /// The share of the table that was looked at; 1 is all of it.
    pub share: f64,
}

/// The pairs of one database, each with what was counted last; none where that has never succeeded.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Divergence {
    /// `datname`.
    pub database: Box<str>,
    /// The pairs there are now.
    pub pairs: Vec<(ColumnPair, Option<Compared>)>,
}

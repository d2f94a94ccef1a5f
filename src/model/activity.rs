//! How tables and indexes were read since one looked last: differences of the server's cumulative statistics, and what they
//! are like now.

use std::time::Duration;

use jiff::Timestamp;

/// Use of one table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableActivity {
    /// `schemaname`.
    pub schema: Box<str>,
    /// `relname`.
    pub table: Box<str>,
    /// Sequential scans.
    pub seq_scans: u64,
    /// Rows that sequential scans read.
    pub seq_rows: u64,
    /// Index scans, over all indexes of the table.
    pub index_scans: u64,
    /// Rows that index scans fetched.
    pub index_rows: u64,
    /// Bytes of its main fork and of what is stored out of line, as far as it could be looked at.
    pub bytes: Option<u64>,
    /// Rows, as the server estimates them.
    pub rows: u64,
    /// Sessions that wait for a lock on it.
    pub waiters: u64,
}

/// Use of one index.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IndexActivity {
    /// `schemaname`.
    pub schema: Box<str>,
    /// `relname`: the table.
    pub table: Box<str>,
    /// `indexrelname`.
    pub index: Box<str>,
    /// Scans.
    pub scans: u64,
    /// Index entries that scans returned.
    pub rows: u64,
    /// Bytes, as far as it could be looked at.
    pub bytes: Option<u64>,
    /// What it is for.
    pub kind: IndexKind,
    /// Queries may use it.
    pub valid: bool,
    /// Since when it has not been scanned, as far as somebody has watched.
    pub unused: Duration,
}

/// What an index is for: label `kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IndexKind {
    /// It holds the primary key.
    Primary,
    /// It keeps values unique.
    Unique,
    /// It holds an exclusion constraint.
    Exclusion,
    /// It makes queries faster, nothing else.
    #[default]
    Plain,
}

impl IndexKind {
    /// The label value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Unique => "unique",
            Self::Exclusion => "exclusion",
            Self::Plain => "plain",
        }
    }
}

/// An index that was there and is gone, though its table is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroppedIndex {
    /// `schemaname`.
    pub schema: Box<str>,
    /// `relname`: the table.
    pub table: Box<str>,
    /// `indexrelname`.
    pub index: Box<str>,
    /// When it was found gone.
    pub at: Timestamp,
    /// How large it was, if that is known.
    pub bytes: Option<u64>,
    /// Scans of the last day, as far as somebody has watched.
    pub scans: u64,
    /// It was found gone by this look.
    pub is_news: bool,
}

/// Use of the tables and indexes of one database since the last look; what was not used is there with zeros.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Activity {
    /// `datname`.
    pub database: Box<str>,
    /// Tables outside the system schemas.
    pub tables: Vec<TableActivity>,
    /// Their indexes.
    pub indexes: Vec<IndexActivity>,
    /// Indexes that were dropped within the last day.
    pub dropped: Vec<DroppedIndex>,
}

//! What is measured of the data that contracts are about: rows without a partner, the age of the newest row, and how far
//! those are behind who follow the changes.

use std::time::Duration;

use jiff::Timestamp;

/// A relationship of a contract.
#[derive(Debug, Clone, PartialEq)]
pub struct Orphans {
    /// `schemaname`.
    pub schema: Box<str>,
    /// `relname`: the table that refers.
    pub relation: Box<str>,
    /// Which columns refer to which, as the contract says.
    pub relationship: Box<str>,
    /// What was counted last; none where that has never succeeded.
    pub counted: Option<OrphanCount>,
}

/// Rows whose partner is missing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OrphanCount {
    /// When they were counted.
    pub at: Timestamp,
    /// How many of the rows that were read.
    pub rows: u64,
    /// The share of the table that was read; 1 is all of it, and what a foreign key rules out need not be read.
    pub share: f64,
}

/// A table whose contract says how old its newest row may be.
#[derive(Debug, Clone, PartialEq)]
pub struct TableFreshness {
    /// `schemaname`.
    pub schema: Box<str>,
    /// `relname`.
    pub relation: Box<str>,
    /// The promise.
    pub at_most: Duration,
    /// What was found last; none where it is not measured.
    pub newest: Option<Age>,
}

/// How old the newest row was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Age {
    /// When it was looked at.
    pub at: Timestamp,
    /// Its age then, in seconds.
    pub seconds: f64,
}

/// What was measured in one database.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Measured {
    /// `datname`.
    pub database: Box<str>,
    /// The relationships there are now.
    pub orphans: Vec<Orphans>,
    /// The tables whose freshness is promised now.
    pub freshness: Vec<TableFreshness>,
}

/// A replication slot that outlives its session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// `slot_name`.
    pub name: Box<str>,
    /// The database of a logical slot; empty for a physical one, which is of the whole server.
    pub database: Box<str>,
    /// Whether somebody streams from it.
    pub active: bool,
    /// Bytes of WAL that its consumer has not confirmed; none where the server does not know, as for a slot that is lost.
    pub lag: Option<u64>,
}

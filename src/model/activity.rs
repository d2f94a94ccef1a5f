//! How often tables and indexes were read since one looked last: differences of the server's cumulative statistics.

/// Use of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
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
}

/// Use of one index.
#[derive(Debug, Clone, PartialEq, Eq)]
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
}

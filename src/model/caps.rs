//! How many values the labels of metrics may have.

/// How many values each label may have. Names of contracts and policies come on top: they are always admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Databases.
    pub databases: usize,
    /// Relations, over all databases.
    pub relations: usize,
    /// Applications.
    pub applications: usize,
    /// Columns that a rule, a lifecycle or a classification is about, over all databases.
    pub columns: usize,
    /// Pairs of such a column and an application that uses it.
    pub consumers: usize,
    /// Indexes, over all databases.
    pub indexes: usize,
    /// Rules.
    pub rules: usize,
    /// Replication slots.
    pub slots: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            databases: 100,
            relations: 500,
            applications: 100,
            columns: 1000,
            consumers: 5000,
            indexes: 1000,
            rules: 300,
            slots: 100,
        }
    }
}

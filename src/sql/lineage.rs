//! Where the columns of a query come from.

use std::collections::{BTreeSet, HashMap};

use crate::model::catalog::{Catalog, ColumnId, Oid};

/// Lineage of a view: derived once per catalog, independent of who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ViewLineage {
    /// Fully understood.
    Known(Lineage),
    /// Not understood, and why: such a view is refused to governed sessions.
    Unknown(String),
}

/// Where the outputs of a query come from, down to the columns of the relations it names (views are not looked through).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lineage {
    /// One entry per output column, in order.
    pub outputs: Vec<Derivation>,
    /// Columns that decide which rows there are: filters, joins, grouping, distinct, limits by order, set operations.
    pub indirect: BTreeSet<ColumnId>,
    /// Relations it reads.
    pub relations: BTreeSet<Oid>,
    /// `schema.name` of functions called outside `pg_catalog`; unqualified where the text is.
    pub functions: BTreeSet<String>,
}

/// How one output column is made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Derivation {
    /// Name of the output column.
    pub name: String,
    /// It is this column, unchanged.
    pub identity: Option<ColumnId>,
    /// Every column its value depends on.
    pub sources: BTreeSet<ColumnId>,
}

/// The lineage of every view and materialised view of the database.
pub fn of_views(_catalog: &Catalog) -> HashMap<Oid, ViewLineage> {
    HashMap::new()
}

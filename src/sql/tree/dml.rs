//! INSERT, UPDATE, DELETE and MERGE.

use super::{Expr, From, Item, Name, Path, Query};

/// INSERT, UPDATE, DELETE, MERGE.
#[derive(Debug, Clone)]
pub struct Dml {
    /// Which.
    pub verb: Verb,
    /// The relation written to.
    pub target: Path,
    /// Its alias.
    pub alias: Option<Name>,
    /// INSERT: the column list; UPDATE: the columns set.
    pub columns: Vec<Name>,
    /// INSERT: the rows.
    pub source: Option<Query>,
    /// UPDATE: the new values; INSERT: subscripts of the columns.
    pub values: Vec<Expr>,
    /// FROM of UPDATE, USING of DELETE and MERGE.
    pub from: Vec<From>,
    /// WHERE; ON of MERGE.
    pub selection: Option<Expr>,
    /// ON CONFLICT.
    pub conflict: Option<Conflict>,
    /// WHEN clauses of MERGE.
    pub merge: Vec<MergeWhen>,
    /// What RETURNING calls the rows before and after.
    pub rows: RowNames,
    /// RETURNING.
    pub returning: Vec<Item>,
}

impl Dml {
    /// A statement of which only the target is known so far.
    pub fn new(verb: Verb, target: Path, alias: Option<Name>) -> Self {
        Self {
            verb,
            target,
            alias,
            columns: Vec::new(),
            source: None,
            values: Vec::new(),
            from: Vec::new(),
            selection: None,
            conflict: None,
            merge: Vec::new(),
            rows: RowNames::default(),
            returning: Vec::new(),
        }
    }
}

/// RETURNING WITH (OLD AS …, NEW AS …).
#[derive(Debug, Clone, Default)]
pub struct RowNames {
    /// Instead of `old`.
    pub old: Option<Name>,
    /// Instead of `new`.
    pub new: Option<Name>,
}

/// One WHEN clause of MERGE.
#[derive(Debug, Clone)]
pub struct MergeWhen {
    /// The rows that its expressions see.
    pub sees: MergeRows,
    /// What it does.
    pub action: MergeAction,
    /// AND …
    pub condition: Option<Expr>,
    /// Columns that get a value.
    pub columns: Vec<Name>,
    /// The values.
    pub values: Vec<Expr>,
    /// INSERT without a column list: how many values it gives.
    pub width: Option<usize>,
}

/// Which rows a WHEN clause sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeRows {
    /// MATCHED.
    Both,
    /// NOT MATCHED BY SOURCE.
    Target,
    /// NOT MATCHED BY TARGET.
    Source,
}

/// What a WHEN clause does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeAction {
    /// UPDATE.
    Update,
    /// INSERT.
    Insert,
    /// DELETE.
    Delete,
    /// DO NOTHING.
    Nothing,
}

/// The verb of a data-modifying statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// INSERT.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
    /// MERGE.
    Merge,
}

/// ON CONFLICT.
#[derive(Debug, Clone)]
pub struct Conflict {
    /// Columns of the conflict target.
    pub target: Vec<Name>,
    /// Expressions of the conflict target, and its WHERE.
    pub arbiters: Vec<Expr>,
    /// Columns that DO UPDATE sets.
    pub columns: Vec<Name>,
    /// Their new values.
    pub values: Vec<Expr>,
    /// WHERE of DO UPDATE.
    pub selection: Option<Expr>,
}

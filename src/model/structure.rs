//! What one database has beyond what statements are judged by: constraints, indexes, comments, who logs in, and how far
//! migrations have come. Read on a background task only, never for a statement.

use std::collections::BTreeMap;

use super::migrations::{History, Unread};

/// Schema and name.
pub type QualifiedName = (Box<str>, Box<str>);

/// One database at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Structure {
    /// By schema and name; relations about which there is nothing to say are left out.
    pub relations: BTreeMap<QualifiedName, RelationStructure>,
    /// Roles with LOGIN.
    pub logins: Vec<Box<str>>,
    /// SELECT on single columns.
    pub column_readers: Vec<ColumnReader>,
    /// The history tables of migration tools that could be read.
    pub histories: Vec<History>,
    /// Those that could not.
    pub unread: Vec<Unread>,
}

impl Structure {
    /// What is known of a relation.
    pub fn relation(&self, schema: &str, name: &str) -> Option<&RelationStructure> {
        self.relations.get(&(schema.into(), name.into()))
    }

    /// The same, to be filled.
    pub fn relation_mut(&mut self, schema: Box<str>, name: Box<str>) -> &mut RelationStructure {
        self.relations.entry((schema, name)).or_default()
    }
}

/// One relation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RelationStructure {
    /// COMMENT ON TABLE or VIEW.
    pub comment: Option<Box<str>>,
    /// COMMENT ON COLUMN.
    pub column_comments: BTreeMap<Box<str>, Box<str>>,
    /// Foreign keys, by name.
    pub foreign_keys: Vec<ForeignKey>,
    /// Names of constraints other than foreign keys that are NOT VALID.
    pub unvalidated: Vec<Box<str>>,
    /// Indexes, by name.
    pub indexes: Vec<Index>,
    /// The columns of the partition key; an expression is empty.
    pub partition_key: Vec<Box<str>>,
    /// The extension that it belongs to.
    pub extension: Option<Box<str>>,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    /// `conname`.
    pub name: Box<str>,
    /// The columns that refer.
    pub columns: Vec<Box<str>>,
    /// Schema and name of the table that they refer to.
    pub to: QualifiedName,
    /// The columns that they refer to, in the same order.
    pub to_columns: Vec<Box<str>>,
    /// `convalidated`: it holds for the rows from before it as well.
    pub validated: bool,
}

/// An index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// `relname`.
    pub name: Box<str>,
    /// The columns or expressions of its key.
    pub key: Vec<Box<str>>,
    /// `indisunique`.
    pub unique: bool,
    /// `indisvalid`; a CREATE INDEX CONCURRENTLY that has failed leaves one that is not.
    pub valid: bool,
    /// It has a WHERE.
    pub partial: bool,
    /// It belongs to a constraint.
    pub of_constraint: bool,
}

/// A grant of SELECT on one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnReader {
    /// The schema.
    pub schema: Box<str>,
    /// The relation.
    pub relation: Box<str>,
    /// The column.
    pub column: Box<str>,
    /// Who may read it; [`super::reading::EVERYBODY`] for PUBLIC.
    pub role: Box<str>,
}

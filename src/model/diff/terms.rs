//! What one side promises, in the form in which two sides are compared.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::Spot;
use crate::model::catalog::ColumnType;
use crate::model::ident::display_name;
use crate::model::lifecycle::Retirement;

/// Everything that one side promises.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// Its contracts; a database counts as one.
    pub documents: Vec<Document>,
    /// It is a database: there are names, types and keys, and nothing of what only a contract can say.
    pub is_live: bool,
}

/// One contract.
#[derive(Debug, Clone)]
pub struct Document {
    /// `id`.
    pub id: Box<str>,
    /// What people call it: `name`, or `id`.
    pub name: Box<str>,
    /// `version`; none for a database.
    pub version: Option<Box<str>>,
    /// The databases that it is about.
    pub databases: BTreeSet<Box<str>>,
    /// Tables and views.
    pub tables: Vec<Table>,
    /// `description`, all of it.
    pub description: Option<String>,
    /// `slaProperties`, by property and element.
    pub sla: BTreeMap<(String, String), Sla>,
    /// Where its keys stand.
    pub keys: Keys,
}

/// A table or view.
#[derive(Debug, Clone)]
pub struct Table {
    /// Its schema.
    pub schema: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// It is a view: of what it shows, a server does not say whether it may be NULL, nor which key it has.
    pub is_view: bool,
    /// It is a partition, or inherits from another table: part of that for all who do not name it.
    pub is_part: bool,
    /// The databases that it is in.
    pub databases: BTreeSet<Box<str>>,
    /// Columns, in their order.
    pub columns: Vec<Column>,
    /// The primary key.
    pub key: Vec<Box<str>>,
    /// `description`.
    pub description: Option<String>,
    /// What is said of its retirement.
    pub retirement: Option<Retirement>,
    /// Foreign keys, as `columns -> table.columns`.
    pub relationships: BTreeMap<String, Spot>,
    /// Where its keys stand.
    pub keys: Keys,
}

/// A column.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name.
    pub name: Box<str>,
    /// Its type.
    pub ty: ColumnType,
    /// It is never NULL.
    pub required: bool,
    /// Its values are unique.
    pub unique: bool,
    /// An INSERT may leave it out although it is never NULL.
    pub has_default: bool,
    /// `classification`.
    pub classification: Option<Box<str>>,
    /// `description`.
    pub description: Option<String>,
    /// What is said of its retirement.
    pub retirement: Option<Retirement>,
    /// The only values that it may have.
    pub values: Option<BTreeSet<String>>,
    /// `logicalTypeOptions`, as written.
    pub options: BTreeMap<String, String>,
    /// Where its keys stand.
    pub keys: Keys,
}

/// A service level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sla {
    /// `value`, as written.
    pub value: String,
    /// `unit`.
    pub unit: String,
    /// Where it stands.
    pub spot: Spot,
}

/// Where a mapping and its keys stand; nothing for what comes from a database.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    /// The mapping itself, by its name.
    pub head: Option<Spot>,
    /// Its keys.
    pub keys: BTreeMap<String, Spot>,
}

impl Keys {
    /// Where one of these keys stands, the first that is there; otherwise where the mapping does.
    pub fn of(&self, names: &[&str]) -> Option<&Spot> {
        names.iter().find_map(|name| self.keys.get(*name)).or(self.head.as_ref())
    }
}

impl Table {
    /// `schema.table`, quoted where needed.
    pub fn path(&self) -> String {
        format!("{}.{}", display_name(&self.schema), display_name(&self.name))
    }

    /// `schema.table.column`, quoted where needed.
    pub fn column_path(&self, column: &str) -> String {
        format!("{}.{}", self.path(), display_name(column))
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| &*column.name == name)
    }
}

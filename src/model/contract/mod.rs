//! What was promised: a data contract in the Open Data Contract Standard, v3.0 and v3.1.
//!
//! The published JSON Schema of the version decides whether a document is valid (`schema`); what is valid is then
//! read into plain values. Our own extension lives in `customProperties` and is read with strict keys:
//! `pgcovenantLifecycle` of a property or an object, `pgcovenantIndexes`, `pgcovenantViewDigest` and `pgcovenantQueries` of
//! an object, `pgcovenantFunctions`, `pgcovenantSchemaVersion` and `pgcovenantTeam` of the contract, and
//! `pgcovenantCriticality` of the contract or an object.

mod catalog;
mod freshness;
mod lifecycle;
mod promises;
pub mod queries;
mod read;
mod schema;
mod service;
pub mod types;

pub use catalog::to_catalog;
pub use freshness::Freshness;
pub use read::read;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::lifecycle::Retirement;
use super::migrations::Tool;
use super::source::SourceFile;

/// One contract.
#[derive(Debug, Clone)]
pub struct Contract {
    /// `id`.
    pub id: Box<str>,
    /// `name`.
    pub given_name: Option<Box<str>>,
    /// `version`.
    pub version: Box<str>,
    /// `status`: `draft`, `active` …
    pub status: Box<str>,
    /// Whose the data is: the name of the `team`, or `pgcovenantTeam`.
    pub team: Option<Box<str>>,
    /// The file it was read from.
    pub file: SourceFile,
    /// The databases that it is about, by its PostgreSQL servers.
    pub places: Vec<Place>,
    /// Tables and views.
    pub entities: Vec<Entity>,
    /// `schema.name` of functions outside `pg_catalog` that reveal nothing and may be called (`pgcovenantFunctions`);
    /// `*` in a part stands for anything.
    pub functions: Vec<(Box<str>, Box<str>)>,
    /// How far migrations must have come (`pgcovenantSchemaVersion`).
    pub schema_version: Option<ExpectedVersion>,
}

/// A version of the schema, as a migration tool counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedVersion {
    /// The tool; any that is found, if none is named.
    pub tool: Option<Tool>,
    /// The version.
    pub version: Box<str>,
    /// The digest over versions and checksums, where edited migrations must not go unnoticed.
    pub digest: Option<Box<str>>,
}

/// A schema of a database.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// `servers[].database`.
    pub database: Box<str>,
    /// `servers[].schema`.
    pub schema: Box<str>,
}

/// Table or view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntityKind {
    /// Holds data.
    Table,
    /// Shows data of others.
    View,
}

/// A table or view as promised.
#[derive(Debug, Clone)]
pub struct Entity {
    /// Its schema, where `physicalName` gives one; the server's otherwise.
    pub schema: Option<Box<str>>,
    /// The relation's name: `physicalName`, or `name`.
    pub name: Box<str>,
    /// Table or view.
    pub kind: EntityKind,
    /// `tags`; they hold for every column.
    pub tags: Vec<Box<str>>,
    /// The columns.
    pub fields: Vec<Field>,
    /// What the contract says of its retirement.
    pub retirement: Option<Retirement>,
    /// What its columns refer to.
    pub relationships: Vec<Relationship>,
    /// The keys of its indexes (`pgcovenantIndexes`); none where the contract leaves them to the database.
    pub indexes: Option<Vec<Vec<Box<str>>>>,
    /// Of the query of a view (`pgcovenantViewDigest`).
    pub view_digest: Option<Box<str>>,
    /// How much depends on it (`pgcovenantCriticality`): `low`, `medium`, `high` or `critical`.
    pub criticality: Option<Box<str>>,
    /// What the 95th percentile of a statement's time is to be (`slaProperties`).
    pub latency_target: Option<Duration>,
    /// How old its newest row may be (`slaProperties`).
    pub freshness: Option<Freshness>,
    /// Queries that its users rely on (`pgcovenantQueries`).
    pub queries: Vec<queries::PromisedQuery>,
}

/// Columns that refer to columns of another table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relationship {
    /// The columns that refer.
    pub columns: Vec<Box<str>>,
    /// The schema of the other table; the own one otherwise.
    pub schema: Option<Box<str>>,
    /// The other table.
    pub table: Box<str>,
    /// Its columns, in the same order.
    pub to_columns: Vec<Box<str>>,
}

impl Relationship {
    /// What it is called where there is room for one word: `customer_id -> customers.id`.
    pub fn label(&self) -> String {
        let table = match &self.schema {
            Some(schema) => format!("{schema}.{}", self.table),
            None => self.table.to_string(),
        };
        match (self.columns.as_slice(), self.to_columns.as_slice()) {
            ([from], [to]) => format!("{from} -> {table}.{to}"),
            (from, to) => format!("({}) -> {table} ({})", from.join(", "), to.join(", ")),
        }
    }
}

/// A column as promised.
#[derive(Debug, Clone)]
pub struct Field {
    /// The column's name: `physicalName`, or `name`.
    pub name: Box<str>,
    /// `physicalType`, or what `logicalType` amounts to.
    pub physical_type: Option<Box<str>>,
    /// `logicalType`, where no physical type is given: any type of that family keeps the promise.
    pub only_logical: Option<Box<str>>,
    /// `required`.
    pub required: bool,
    /// `unique`.
    pub unique: bool,
    /// Position in the primary key.
    pub primary_key: Option<i64>,
    /// Position in the key of the partitions.
    pub partition_key: Option<i64>,
    /// `classification`.
    pub classification: Option<Arc<str>>,
    /// `tags`.
    pub tags: Vec<Box<str>>,
    /// What the contract says of its retirement.
    pub retirement: Option<Retirement>,
    /// Where the property stands in the file.
    pub span: Range<usize>,
}

impl Contract {
    /// What people call it: its name, or its id.
    pub fn name(&self) -> &str {
        self.given_name.as_deref().unwrap_or(&self.id)
    }

    /// Whether it is about that database.
    pub fn covers(&self, database: &str) -> bool {
        self.places.iter().any(|place| &*place.database == database)
    }

    /// The databases it is about, each once.
    pub fn databases(&self) -> impl Iterator<Item = &str> {
        let mut names: Vec<&str> = self.places.iter().map(|place| &*place.database).collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter()
    }

    /// Its entities in that database, each with the schema it is in.
    pub fn entities_in<'a>(&'a self, database: &'a str) -> impl Iterator<Item = (&'a str, &'a Entity)> {
        self.entities.iter().flat_map(move |entity| {
            let mut schemas: Vec<&str> = match &entity.schema {
                Some(schema) if self.covers(database) => vec![schema],
                Some(_) => Vec::new(),
                None => self
                    .places
                    .iter()
                    .filter(|place| &*place.database == database)
                    .map(|place| &*place.schema)
                    .collect(),
            };
            schemas.sort_unstable();
            schemas.dedup();
            schemas.into_iter().map(move |schema| (schema, entity))
        })
    }
}

#[cfg(test)]
mod tests;

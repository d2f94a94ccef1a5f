//! What one database has: relations, columns, types, functions, operators and roles, read at one moment.
//!
//! The snapshot is a pure value. It is filled by `upstream` from a live server, or from a contract when there is none
//! (`pgcovenant check`, `test`, `explain`), so that the engine never asks where it came from.

mod code;
mod column;
mod relation;
mod search_path;

pub use code::{CastFunction, UserFunction, UserOperator, UserType};
pub use column::{BaseType, Column, ColumnType};
pub use relation::{Relation, RelationKind, is_system_schema};
pub use search_path::SearchPath;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::reading::{EVERYBODY, READS_ALL, Reading};
use super::temporary::{self, TemporaryRelation};

/// Object identifier of a catalog row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Oid(pub u32);

/// A column, by number: names never decide again once a reference is resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ColumnId {
    /// The relation that holds the column.
    pub relation: Oid,
    /// `pg_attribute.attnum`; negative for system columns.
    pub attnum: i16,
}

/// A role and what it is a member of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Role {
    /// Every role it is a member of, directly or through others; itself included.
    pub member_of: BTreeSet<Box<str>>,
    /// `rolsuper`.
    pub superuser: bool,
}

/// Schema and name.
type QualifiedName = (Box<str>, Box<str>);

/// One database at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalog {
    /// `datname`.
    pub database: Box<str>,
    /// `server_version_num`, such as 150018; 0 when built from a contract.
    pub server_version: u32,
    relations: Shared<HashMap<Oid, Arc<Relation>>>,
    by_name: Shared<HashMap<QualifiedName, Oid>>,
    /// Functions outside `pg_catalog`, and those in it that are not known to us.
    pub functions: Shared<Vec<UserFunction>>,
    /// Operators outside `pg_catalog`.
    pub operators: Shared<Vec<UserOperator>>,
    /// Types outside `pg_catalog`.
    pub types: Shared<Vec<UserType>>,
    /// Functions of casts outside `pg_catalog`, but for those of extensions in C, which compute on the value alone.
    pub casts: Shared<Vec<CastFunction>>,
    /// Sequences, with the tables whose columns they number.
    pub numbered_by: Shared<HashMap<Oid, BTreeSet<Oid>>>,
    /// All roles of the cluster, by name.
    pub roles: Shared<HashMap<Box<str>, Role>>,
    /// Relations that only one session has: they go before all others.
    temporary: Vec<Arc<Relation>>,
}

/// A part of a catalog that its copies share until one of them changes it: a session with temporary tables has a copy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shared<T>(Arc<T>);

impl<T> std::ops::Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clone> std::ops::DerefMut for Shared<T> {
    fn deref_mut(&mut self) -> &mut T {
        Arc::make_mut(&mut self.0)
    }
}

impl<T> From<T> for Shared<T> {
    fn from(part: T) -> Self {
        Self(Arc::new(part))
    }
}

impl Catalog {
    /// An empty catalog of the named database.
    pub fn new(database: &str, server_version: u32) -> Self {
        Self { database: database.into(), server_version, ..Self::default() }
    }

    /// Adds or replaces a relation.
    pub fn insert(&mut self, relation: Relation) {
        self.by_name.insert((relation.schema.clone(), relation.name.clone()), relation.oid);
        self.relations.insert(relation.oid, Arc::new(relation));
    }

    /// The relation with this oid.
    pub fn relation(&self, oid: Oid) -> Option<&Arc<Relation>> {
        self.temporary.iter().find(|relation| relation.oid == oid).or_else(|| self.relations.get(&oid))
    }

    /// The relation `schema.name`.
    pub fn find(&self, schema: &str, name: &str) -> Option<&Arc<Relation>> {
        if schema == temporary::SCHEMA {
            return self.temporary.iter().find(|relation| &*relation.name == name);
        }
        self.relations.get(self.by_name.get(&(Box::from(schema), Box::from(name)))?)
    }

    /// The first relation of that name along an effective search path, as `RelnameGetRelid` does.
    pub fn resolve(&self, path: &SearchPath, name: &str) -> Option<&Arc<Relation>> {
        path.schemas().iter().find_map(|schema| self.find(schema, name))
    }

    /// The relation of a name as written: in its schema, or the first along the path.
    pub fn named(&self, path: &SearchPath, schema: Option<&str>, name: &str) -> Option<&Arc<Relation>> {
        match schema {
            Some(schema) => self.find(schema, name),
            None => self.resolve(path, name),
        }
    }

    /// The same database as a session with these temporary relations knows it.
    #[must_use]
    pub fn with_temporary(&self, relations: &[TemporaryRelation]) -> Self {
        Self { temporary: temporary::relations(relations), ..self.clone() }
    }

    /// Whether the server would let that user read all columns of a relation, by what is granted on the relation itself.
    pub fn may_read(&self, user: &str, relation: &Relation) -> bool {
        let Reading { owner, readers, .. } = &relation.reading;
        let role = self.roles.get(user);
        let is = |name: &str| name == user || role.is_some_and(|role| role.member_of.contains(name));
        role.is_some_and(|role| role.superuser)
            || is(owner)
            || is(READS_ALL)
            || readers.iter().any(|reader| **reader == *EVERYBODY || is(reader))
    }

    /// All relations that every session knows, in no particular order.
    pub fn relations(&self) -> impl Iterator<Item = &Arc<Relation>> {
        self.relations.values()
    }
}

//! Where names are looked up.

use std::sync::Arc;

use crate::model::temporary::{self, TemporaryRelation};

/// Where a session looks names up: the effective search path, which is what `current_schemas(true)` answers, and the
/// relations that the session alone has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SearchPath {
    schemas: Arc<[Box<str>]>,
    temporary: Arc<[TemporaryRelation]>,
}

impl SearchPath {
    /// The schemas that are searched, in order, implicit ones included.
    pub fn new<'a>(schemas: impl IntoIterator<Item = &'a str>) -> Self {
        Self { schemas: schemas.into_iter().map(Box::from).collect(), temporary: Arc::default() }
    }

    /// The same path in a session with these temporary relations; it is to name their schema `pg_temp`.
    #[must_use]
    pub fn with_temporary(self, relations: Vec<TemporaryRelation>) -> Self {
        Self { temporary: relations.into(), ..self }
    }

    /// The schemas, first searched first.
    pub fn schemas(&self) -> &[Box<str>] {
        &self.schemas
    }

    /// The schemas in which operators, functions and what others know is found.
    pub fn lasting(&self) -> impl Iterator<Item = &str> {
        self.schemas.iter().map(|schema| &**schema).filter(|schema| *schema != temporary::SCHEMA)
    }

    /// The temporary relations of the session.
    pub fn temporary(&self) -> &[TemporaryRelation] {
        &self.temporary
    }

    /// Whether `pg_catalog` is searched before everything that a user can create, temporary objects apart.
    pub fn catalog_first(&self) -> bool {
        self.schemas
            .iter()
            .find(|schema| !schema.starts_with("pg_temp"))
            .is_some_and(|schema| &**schema == "pg_catalog")
    }
}

impl Default for SearchPath {
    /// `pg_catalog, public`: the effective path of a session that sets nothing.
    fn default() -> Self {
        Self::new(["pg_catalog", "public"])
    }
}

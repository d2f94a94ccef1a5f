//! What one database has: relations, columns, types, functions, operators and roles, read at one moment.
//!
//! The snapshot is a pure value. It is filled by `upstream` from a live server, or from a contract when there is none
//! (`pgcovenant check`, `test`, `explain`), so that the engine never asks where it came from.

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

/// `pg_class.relkind`, as far as it makes a difference here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RelationKind {
    /// Ordinary table (`r`).
    Table,
    /// Partitioned table (`p`).
    Partitioned,
    /// View (`v`).
    View,
    /// Materialised view (`m`).
    MaterializedView,
    /// Foreign table (`f`).
    Foreign,
    /// Sequence (`S`).
    Sequence,
    /// Index (`i`, `I`), composite type (`c`), TOAST table (`t`): never a legitimate target of a query.
    Other,
}

impl RelationKind {
    /// Whether such a relation has columns of its own that can be asked for.
    pub fn has_rows(self) -> bool {
        match self {
            Self::Table | Self::Partitioned | Self::View | Self::MaterializedView | Self::Foreign => true,
            Self::Sequence | Self::Other => false,
        }
    }
}

/// One column of a relation; dropped columns are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// `attname`.
    pub name: Box<str>,
    /// `attnum`, 1-based; gaps are dropped columns.
    pub attnum: i16,
    /// The type, modifier and collation.
    pub ty: ColumnType,
    /// `attnotnull`.
    pub not_null: bool,
    /// `attgenerated <> ''`: the columns of the same relation that the generation expression reads.
    pub generated_from: Vec<i16>,
}

/// The type of a column, complete enough to write a cast back to exactly it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnType {
    /// `atttypid`.
    pub oid: Oid,
    /// `atttypmod`, -1 for none.
    pub typmod: i32,
    /// The type with its modifier as SQL that does not depend on `search_path`, such as `character varying(32)` or
    /// `public.email_addr`: `format_type` under an empty search path.
    pub sql: Box<str>,
    /// What the type is at the bottom: domains looked through.
    pub base: BaseType,
    /// The collation as qualified SQL, where it is not the type's own default.
    pub collation: Option<Box<str>>,
    /// What a masked value is instead, as SQL: the type below a domain with a CHECK, which a mask need not satisfy. Clients are
    /// told of that type anyway.
    pub masked_as: Option<Box<str>>,
}

/// The families of types that masks tell apart. Domains count as their base type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BaseType {
    /// text, varchar, bpchar, name, citext.
    Text,
    /// int2, int4, int8, numeric, float4, float8, money is `Other`.
    Number,
    /// bool.
    Boolean,
    /// date.
    Date,
    /// timestamp, timestamptz.
    Timestamp,
    /// time, timetz.
    Time,
    /// uuid.
    Uuid,
    /// bytea.
    Bytes,
    /// json, jsonb.
    Json,
    /// Any array type.
    Array,
    /// inet, cidr.
    Network,
    /// interval.
    Interval,
    /// Any enum.
    Enum,
    /// Any range.
    Range,
    /// Any multirange.
    Multirange,
    /// Everything else: composites, geometry, types of extensions.
    Other,
}

impl ColumnType {
    /// Whether `=` of the type tells of nothing but equality. Boxes and circles are equal in it when their areas are, an
    /// array is what its elements are, and what the types of extensions do is not known.
    pub fn has_plain_equality(&self) -> bool {
        match self.base {
            BaseType::Text
            | BaseType::Number
            | BaseType::Boolean
            | BaseType::Date
            | BaseType::Timestamp
            | BaseType::Time
            | BaseType::Uuid
            | BaseType::Bytes
            | BaseType::Network
            | BaseType::Interval
            | BaseType::Enum
            | BaseType::Range
            | BaseType::Multirange => true,
            BaseType::Json => &*self.sql == "jsonb",
            BaseType::Array => false,
            BaseType::Other => PLAIN_EQUALITY.contains(&self.oid.0),
        }
    }
}

/// money, macaddr, macaddr8, bit, varbit, pg_lsn.
const PLAIN_EQUALITY: &[u32] = &[790, 829, 774, 1560, 1562, 3220];

/// A relation of the database, the system schemas included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// `pg_class.oid`.
    pub oid: Oid,
    /// `nspname`.
    pub schema: Box<str>,
    /// `relname`.
    pub name: Box<str>,
    /// `relkind`.
    pub kind: RelationKind,
    /// Columns in `attnum` order, without dropped ones.
    pub columns: Vec<Column>,
    /// `attnum`s of the primary key, empty without one.
    pub primary_key: Vec<i16>,
    /// Parents by `pg_inherits` (partition or inheritance), direct ones.
    pub parents: Vec<Oid>,
    /// The query of a view or materialised view with every name qualified: `pg_get_viewdef` under an empty search path.
    pub definition: Option<Box<str>>,
    /// Has a rewrite rule other than a view's own `_RETURN`. A trigger is none: it runs when its table is written, as INSTEAD OF for a view.
    pub has_rules: bool,
    /// `pg_class.reloftype`'s row type: the `pg_type` row of this relation's composite type.
    pub row_type: Oid,
    /// Who reads it, and through what.
    pub reading: Reading,
}

impl Column {
    /// A column of which nothing more is known.
    pub fn new(attnum: i16, name: &str, ty: ColumnType) -> Self {
        Self { name: name.into(), attnum, ty, not_null: false, generated_from: Vec::new() }
    }
}

impl Relation {
    /// A table of which nothing more is known.
    pub fn table(oid: Oid, schema: &str, name: &str, columns: Vec<Column>) -> Self {
        Self {
            oid,
            schema: schema.into(),
            name: name.into(),
            kind: RelationKind::Table,
            columns,
            primary_key: Vec::new(),
            parents: Vec::new(),
            definition: None,
            has_rules: false,
            row_type: Oid(0),
            reading: Reading::default(),
        }
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| &*column.name == name)
    }

    /// The column of that number.
    pub fn column_by_number(&self, attnum: i16) -> Option<&Column> {
        self.columns.iter().find(|column| column.attnum == attnum)
    }

    /// Belongs to one session alone.
    pub fn is_temporary(&self) -> bool {
        &*self.schema == temporary::SCHEMA
    }

    /// Belongs to the server itself: `pg_catalog`, `information_schema`, `pg_toast`.
    pub fn is_system(&self) -> bool {
        is_system_schema(&self.schema)
    }

    /// `schema.name`, quoted, as SQL.
    pub fn qualified(&self) -> String {
        format!("{}.{}", super::ident::Ident::quoted(&self.schema), super::ident::Ident::quoted(&self.name))
    }

    /// `schema.name` for people, quoted only where needed.
    pub fn display(&self) -> String {
        format!("{}.{}", super::ident::display_name(&self.schema), super::ident::display_name(&self.name))
    }
}

/// Whether a schema belongs to the server itself.
pub fn is_system_schema(schema: &str) -> bool {
    matches!(schema, "pg_catalog" | "information_schema" | "pg_toast")
}

/// A function, procedure or aggregate outside `pg_catalog`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserFunction {
    /// `nspname`.
    pub schema: Box<str>,
    /// `proname`.
    pub name: Box<str>,
    /// `pg_get_function_identity_arguments`.
    pub arguments: Box<str>,
    /// `lanname`: `sql`, `plpgsql`, `c`, `internal` …; `constructor` for the functions that come with a range type.
    pub language: Box<str>,
    /// The extension that owns it, if any.
    pub extension: Option<Box<str>>,
}

/// An operator outside `pg_catalog`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserOperator {
    /// `nspname`.
    pub schema: Box<str>,
    /// `oprname`.
    pub name: Box<str>,
    /// The function that implements it: `schema` and `name`.
    pub function: (Box<str>, Box<str>),
    /// Language of that function.
    pub language: Box<str>,
    /// The extension that owns it, if any.
    pub extension: Option<Box<str>>,
}

/// A type outside `pg_catalog`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserType {
    /// `pg_type.oid`: a Parse message declares parameters by it.
    pub oid: Oid,
    /// `nspname`.
    pub schema: Box<str>,
    /// `typname`.
    pub name: Box<str>,
    /// `typtype`: b base, c composite, d domain, e enum, r range, m multirange.
    pub kind: char,
    /// The array type that comes with it, 0 for none.
    pub array: Oid,
    /// A CHECK constraint runs when a value is made of it that calls more than computing functions of `pg_catalog`: its
    /// own, or that of a domain that it is built on.
    pub has_unclear_check: bool,
    /// Functions outside `pg_catalog` that run when a value of it is made or shown, of the types that it is built on as
    /// well: `schema` and `name`.
    pub runs: Vec<(Box<str>, Box<str>)>,
    /// The extension that owns it, if any.
    pub extension: Option<Box<str>>,
}

/// A function that may run wherever a value of a type is used: that of a cast which somebody has created. The server
/// calls it for `value::other`, and unasked where it looks for a type that fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CastFunction {
    /// The type that it casts from or to, or one that is made of it.
    pub ty: Oid,
    /// `nspname`.
    pub schema: Box<str>,
    /// `proname`.
    pub name: Box<str>,
    /// `castcontext` is implicit or assignment: it is made where the text has no cast.
    pub unasked: bool,
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

//! Tables, views and whatever else has columns.

use super::{Column, Oid};
use crate::model::ident::{Ident, display_name};
use crate::model::reading::Reading;
use crate::model::temporary;

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
        format!("{}.{}", Ident::quoted(&self.schema), Ident::quoted(&self.name))
    }

    /// `schema.name` for people, quoted only where needed.
    pub fn display(&self) -> String {
        format!("{}.{}", display_name(&self.schema), display_name(&self.name))
    }
}

/// Whether a schema belongs to the server itself.
pub fn is_system_schema(schema: &str) -> bool {
    matches!(schema, "pg_catalog" | "information_schema" | "pg_toast")
}

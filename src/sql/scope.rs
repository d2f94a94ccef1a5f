//! Range table and namespace, as PostgreSQL's parser keeps them: what may be named at one place.

use crate::model::catalog::ColumnId;
use crate::model::ident::Ident;

use super::access::RelationIndex;
use super::tree::Name;

/// One entry of a FROM clause that can be named.
#[derive(Debug, Clone)]
pub struct RangeItem {
    /// Alias, or the relation's own name; none for a subquery or join without one.
    pub name: Option<Name>,
    /// Schema by which an unaliased relation may be qualified.
    pub schema: Option<Ident>,
    /// The mention, for a relation.
    pub relation: Option<RelationIndex>,
    /// Its columns.
    pub columns: Columns,
    /// The name may be used; an alias over a join hides the names inside.
    pub visible: bool,
}

/// The columns of an entry.
#[derive(Debug, Clone)]
pub enum Columns {
    /// All of them, in order.
    Known(Vec<Column>),
    /// A function's result: any further name may be one of its columns; all depend on these.
    Open {
        /// Those that an alias list names.
        named: Vec<Column>,
        /// What every column depends on.
        sources: Vec<ColumnId>,
    },
}

/// One column of an entry.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name here.
    pub name: Ident,
    /// The relation's column, for an entry that is a relation.
    pub id: Option<ColumnId>,
    /// It is this column of some relation, unchanged.
    pub identity: Option<ColumnId>,
    /// What its value depends on.
    pub sources: Vec<ColumnId>,
}

/// Where a column of the namespace comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Index of the entry.
    pub item: usize,
    /// Index of its column.
    pub column: usize,
}

/// One column that may be named without a qualifier; a merged one has several places.
#[derive(Debug, Clone)]
pub struct VisibleColumn {
    /// Its name.
    pub name: Ident,
    /// Where it comes from.
    pub places: Vec<Place>,
}

/// The entries of one query level.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// All entries, in the order of FROM.
    pub items: Vec<RangeItem>,
    /// What may be named without a qualifier, in the order of `*`.
    pub columns: Vec<VisibleColumn>,
    /// Entries whose columns cannot be known.
    pub open: Vec<usize>,
}

/// The levels of a query, innermost last.
#[derive(Debug, Clone, Copy)]
pub struct Chain<'a> {
    /// This level.
    pub scope: &'a Scope,
    /// The level around it.
    pub outer: Option<&'a Chain<'a>>,
}

impl Columns {
    /// The columns whose names are known.
    pub fn known(&self) -> &[Column] {
        match self {
            Self::Known(columns) | Self::Open { named: columns, .. } => columns,
        }
    }
}

impl Scope {
    /// The column at a place.
    pub fn column(&self, place: Place) -> Option<&Column> {
        self.items.get(place.item)?.columns.known().get(place.column)
    }

    /// The entry of that name at this level.
    pub fn item(&self, name: &Ident) -> Option<(usize, &RangeItem)> {
        self.items
            .iter()
            .enumerate()
            .find(|(_, item)| item.visible && item.name.as_ref().is_some_and(|own| own.ident == *name))
    }

    /// The columns that an entry adds to the namespace.
    pub fn columns_of(&self, item: usize) -> Vec<VisibleColumn> {
        let Some(entry) = self.items.get(item) else {
            return Vec::new();
        };
        entry
            .columns
            .known()
            .iter()
            .enumerate()
            .map(|(column, known)| VisibleColumn { name: known.name.clone(), places: vec![Place { item, column }] })
            .collect()
    }
}

//! Names to numbers: which relation and which column each name of a statement means.
//!
//! Follows PostgreSQL's parse analysis: a range table with a namespace per query level, the innermost level first, columns
//! before whole rows, user columns before system columns. What it cannot explain is listed, never guessed.

mod dml;
mod expr;
mod from;
mod lookup;
mod query;

use std::collections::BTreeSet;

use super::access::{Clause, ColumnRef, ImplicitInsert, RelationIndex, RelationRef, Resolution, Role};
use super::scope::{Chain, Column};
use super::tree::{Name, Path, Query, Statement};
use crate::model::catalog::{Catalog, ColumnId, Oid, Relation, SearchPath};
use crate::model::ident::Ident;

/// Name of an output column that PostgreSQL derives from something other than a name.
pub const UNNAMED: &str = "?column?";

/// Recursive terms are resolved until their columns depend on nothing new; this many rounds at most.
const MAX_ROUNDS: usize = 64;

/// What a statement refers to, and where its output comes from.
#[derive(Debug, Clone, Default)]
pub struct Resolved {
    /// The references.
    pub resolution: Resolution,
    /// Output columns.
    pub outputs: Vec<Column>,
    /// Columns that decide which rows there are.
    pub indirect: BTreeSet<ColumnId>,
    /// Columns that decide what an aggregate sees, and in which order.
    pub sifted: BTreeSet<ColumnId>,
}

/// Resolves a statement against a catalog, along an effective search path.
pub fn resolve(statement: &Statement, catalog: &Catalog, search_path: &SearchPath) -> Resolved {
    resolve_without(statement, catalog, search_path, &|_| false)
}

/// Resolves a statement as if some columns had been dropped: their names mean what they will mean then.
pub fn resolve_without(
    statement: &Statement,
    catalog: &Catalog,
    search_path: &SearchPath,
    gone: &dyn Fn(ColumnId) -> bool,
) -> Resolved {
    let mut resolver = Resolver::new(catalog, search_path, gone);
    let outputs = match statement {
        Statement::Query(query)
        | Statement::CopyQuery(query)
        | Statement::Explain(query)
        | Statement::Prepare(query)
        | Statement::Declare(query) => resolver.query(query, None),
        Statement::CopyRelation { path, columns, to } => {
            resolver.copy(path, columns, *to);
            Vec::new()
        }
        Statement::Other => Vec::new(),
    };
    Resolved { resolution: resolver.out, outputs, indirect: resolver.indirect, sifted: resolver.sifted }
}

/// Resolves one query; the entry for view definitions.
pub fn resolve_query(query: &Query, catalog: &Catalog, search_path: &SearchPath) -> Resolved {
    let mut resolver = Resolver::new(catalog, search_path, &|_| false);
    let outputs = resolver.query(query, None);
    Resolved { resolution: resolver.out, outputs, indirect: resolver.indirect, sifted: resolver.sifted }
}

struct Resolver<'a> {
    catalog: &'a Catalog,
    search_path: &'a SearchPath,
    /// Columns that count as dropped.
    gone: &'a dyn Fn(ColumnId) -> bool,
    /// Common table expressions in scope, innermost last.
    ctes: Vec<(Ident, Vec<Column>)>,
    out: Resolution,
    indirect: BTreeSet<ColumnId>,
    sifted: BTreeSet<ColumnId>,
}

/// What an expression's value depends on.
#[derive(Debug, Clone, Default)]
struct Value {
    /// All columns that it depends on.
    sources: Vec<ColumnId>,
    /// It is this column, unchanged.
    identity: Option<ColumnId>,
    /// The name that it gives an output column.
    name: Option<Ident>,
}

/// Where an expression stands.
#[derive(Debug, Clone, Copy)]
struct Place {
    clause: Clause,
    /// It is a whole select or RETURNING entry without an alias.
    names_output: bool,
}

impl Place {
    fn inside(clause: Clause) -> Self {
        Self { clause, names_output: false }
    }
}

impl<'a> Resolver<'a> {
    fn new(catalog: &'a Catalog, search_path: &'a SearchPath, gone: &'a dyn Fn(ColumnId) -> bool) -> Self {
        Self {
            catalog,
            search_path,
            gone,
            ctes: Vec::new(),
            out: Resolution::default(),
            indirect: BTreeSet::new(),
            sifted: BTreeSet::new(),
        }
    }

    /// The relation that a path names.
    fn find_relation(&self, path: &Path) -> Option<&'a Relation> {
        let name = path.last.as_str();
        let found = match path.qualifier.as_slice() {
            [] => self.catalog.resolve(self.search_path, name),
            [schema] => self.catalog.find(schema.as_str(), name),
            [database, schema] if database.as_str() == &*self.catalog.database => {
                self.catalog.find(schema.as_str(), name)
            }
            _ => None,
        };
        found.map(|relation| &**relation)
    }

    /// Notes a mention of a relation.
    fn mention(&mut self, path: &Path, alias: Option<&Name>, alias_columns: Vec<Name>, role: Role) -> RelationIndex {
        self.out.relation_starts.push(path.span().start);
        let relation = self.find_relation(path).map(|relation| relation.oid);
        self.out.relations.push(RelationRef {
            relation,
            path: path.clone(),
            alias: alias.cloned(),
            alias_columns,
            role,
            system_columns: Vec::new(),
            sample: None,
        });
        RelationIndex(self.out.relations.len() - 1)
    }

    /// Notes a target column of INSERT, UPDATE, COPY or a column of USING: a name, not a value.
    fn name_column(&mut self, name: &Name, via: RelationIndex, clause: Clause) {
        let relation = self.out.relations.get(via.0).and_then(|mention| mention.relation);
        let column = relation.and_then(|oid| self.known_column(oid, name.as_str()));
        let path = Path { qualifier: Vec::new(), last: name.clone() };
        match (relation, column) {
            (Some(_), Some(column)) => {
                self.out.columns.push(ColumnRef { column, via, path, clause, names_output: false, is_value: false });
            }
            _ => {
                self.out.unresolved.push(super::access::Unresolved { path, of: Some(via), visible: vec![via], clause })
            }
        }
    }

    fn copy(&mut self, path: &Path, columns: &[Name], to: bool) {
        let (role, clause) = if to { (Role::CopyTo, Clause::Output) } else { (Role::CopyFrom, Clause::Insert) };
        let via = self.mention(path, None, Vec::new(), role);
        for name in columns {
            self.name_column(name, via, clause);
        }
        if !to && columns.is_empty() {
            let width = self.find_relation(path).map(|relation| self.columns_of(relation).len());
            self.out.implicit_inserts.push(ImplicitInsert {
                relation: via,
                width,
                insert_at: Some(path.last.span.end),
            });
        }
    }

    /// The column of a relation, unless it counts as dropped.
    fn known_column(&self, relation: Oid, name: &str) -> Option<ColumnId> {
        let column = self.catalog.relation(relation)?.column(name)?;
        let id = ColumnId { relation, attnum: column.attnum };
        (!(self.gone)(id)).then_some(id)
    }

    /// The columns of a relation as a range table entry has them.
    fn columns_of(&self, relation: &Relation) -> Vec<Column> {
        let ids =
            relation.columns.iter().map(|column| (column, ColumnId { relation: relation.oid, attnum: column.attnum }));
        ids.filter(|(_, id)| !(self.gone)(*id))
            .map(|(column, id)| {
                let name = Ident::quoted(&column.name);
                Column { name, id: Some(id), identity: Some(id), sources: vec![id] }
            })
            .collect()
    }

    fn depend(&mut self, sources: &[ColumnId]) {
        self.indirect.extend(sources.iter().copied());
    }
}

/// Gives the first columns the names of an alias's column list.
fn rename(columns: &mut [Column], names: &[Name]) {
    for (column, name) in columns.iter_mut().zip(names) {
        column.name = name.ident.clone();
    }
}

/// Every relation that can be named from here.
fn visible_relations(chain: Option<&Chain<'_>>) -> Vec<RelationIndex> {
    let mut found = Vec::new();
    let mut level = chain;
    while let Some(chain) = level {
        found.extend(chain.scope.items.iter().filter_map(|item| item.relation));
        level = chain.outer;
    }
    found
}

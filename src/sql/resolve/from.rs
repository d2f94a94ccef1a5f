//! FROM: fills the namespace of one query level.

use super::{Resolver, rename};
use crate::model::catalog::ColumnId;
use crate::model::ident::Ident;
use crate::sql::access::{Clause, Role};
use crate::sql::scope::{Chain, Column, Columns, Place, RangeItem, Scope, VisibleColumn};
use crate::sql::tree::{Alias, Constraint, Expr, From, Name, Path, Sample};

impl Resolver<'_> {
    /// Adds an entry, and its columns at the end of what may be named.
    pub(super) fn from(&mut self, from: &From, scope: &mut Scope, outer: Option<&Chain<'_>>) {
        match from {
            From::Relation { path, alias, sample } => self.relation(path, alias.as_ref(), *sample, scope),
            From::Derived { query, alias, lateral } => {
                let columns =
                    if *lateral { self.query(query, Some(&Chain { scope, outer })) } else { self.query(query, outer) };
                let name = alias.as_ref().map(|alias| alias.name.clone());
                add(scope, name, None, None, with_aliases(columns, alias.as_ref()));
            }
            From::Function { calls, columns, name, alias } => {
                let value = self.exprs(calls, Some(&Chain { scope, outer }), Clause::Output);
                self.depend(&value.sources);
                let rows = Rows { columns: columns.as_deref(), sources: value.sources };
                function(name.as_ref(), alias.as_ref(), rows, scope);
            }
            From::Join { left, right, constraint, alias } => {
                let first_item = scope.items.len();
                let start = scope.columns.len();
                self.join([left, right], constraint, scope, outer);
                if let Some(alias) = alias {
                    self.out.has_aliased_join = true;
                    hide_behind(alias, scope, first_item, start);
                }
            }
        }
    }

    fn relation(&mut self, path: &Path, alias: Option<&Alias>, sample: Option<Sample>, scope: &mut Scope) {
        let visible = alias.map_or(&path.last, |alias| &alias.name).clone();
        if path.qualifier.is_empty() {
            let cte = self.ctes.iter().rev().find(|(name, _)| *name == path.last.ident);
            if let Some((_, columns)) = cte {
                let columns = with_aliases(columns.clone(), alias);
                self.out.relation_starts.push(path.span().start);
                add(scope, Some(visible), None, None, columns);
                return;
            }
        }
        let aliases = alias.map(|alias| alias.columns.clone()).unwrap_or_default();
        let index = self.mention(path, alias.map(|alias| &alias.name), aliases, Role::Source);
        if let Some(mention) = self.out.relations.get_mut(index.0) {
            mention.sample = sample;
        }
        match self.find_relation(path) {
            Some(relation) => {
                let schema = alias.is_none().then(|| Ident::quoted(&relation.schema));
                let columns = with_aliases(self.columns_of(relation), alias);
                add(scope, Some(visible), schema, Some(index), columns);
            }
            None => {
                add(scope, Some(visible), None, Some(index), Columns::Open { named: Vec::new(), sources: Vec::new() })
            }
        }
    }

    fn join(
        &mut self,
        [left, right]: [&From; 2],
        constraint: &Constraint,
        scope: &mut Scope,
        outer: Option<&Chain<'_>>,
    ) {
        let start = scope.columns.len();
        self.from(left, scope, outer);
        let middle = scope.columns.len();
        self.from(right, scope, outer);
        match constraint {
            Constraint::None => {}
            Constraint::On(on) => {
                let value = self.exprs(std::slice::from_ref(on), Some(&Chain { scope, outer }), Clause::Join);
                self.depend(&value.sources);
            }
            Constraint::Using { columns, alias } => {
                let merged = self.merge(columns, scope, start, middle);
                if let Some(alias) = alias {
                    add_merged(alias, merged, scope);
                }
            }
            Constraint::Natural => {
                let names = common_names(scope, start, middle);
                self.merge(&names, scope, start, middle);
            }
        }
    }

    /// USING: the named columns come first, once, and may be named without a qualifier.
    fn merge(&mut self, names: &[Name], scope: &mut Scope, start: usize, middle: usize) -> Vec<VisibleColumn> {
        let right: Vec<_> = scope.columns.drain(middle..).collect();
        let left: Vec<_> = scope.columns.drain(start..).collect();
        let mut merged = Vec::new();
        for name in names {
            let mut places = Vec::new();
            for side in [&left, &right] {
                places.extend(
                    side.iter().filter(|column| column.name == name.ident).flat_map(|column| column.places.clone()),
                );
            }
            self.note_merged(name, &places, scope);
            merged.push(VisibleColumn { name: name.ident.clone(), places });
        }
        let is_merged = |column: &VisibleColumn| names.iter().any(|name| name.ident == column.name);
        let rest = left.into_iter().chain(right).filter(|column| !is_merged(column));
        let rest: Vec<_> = rest.collect();
        scope.columns.extend(merged.iter().cloned().chain(rest));
        merged
    }

    fn note_merged(&mut self, name: &Name, places: &[Place], scope: &Scope) {
        for place in places {
            let Some(item) = scope.items.get(place.item) else { continue };
            let Some(column) = scope.column(*place) else { continue };
            let sources = column.sources.clone();
            if let (Some(via), Some(id)) = (item.relation, column.id) {
                let path = Path { qualifier: Vec::new(), last: name.clone() };
                self.out.columns.push(crate::sql::access::ColumnRef {
                    column: id,
                    via,
                    path,
                    clause: Clause::Join,
                    names_output: false,
                    is_value: false,
                });
            }
            self.depend(&sources);
        }
    }
}

/// What a function in FROM, or something like it, gives.
struct Rows<'a> {
    /// Its columns, where the text defines them.
    columns: Option<&'a [Ident]>,
    /// What each of them depends on.
    sources: Vec<ColumnId>,
}

fn function(name: Option<&Name>, alias: Option<&Alias>, rows: Rows<'_>, scope: &mut Scope) {
    let Rows { columns, sources } = rows;
    let visible = alias.map(|alias| &alias.name).or(name).cloned();
    let column = |name: Ident| Column { name, id: None, identity: None, sources: sources.clone() };
    if let Some(defined) = columns {
        let columns = defined.iter().cloned().map(column).collect();
        add(scope, visible, None, None, with_aliases(columns, alias));
        return;
    }
    let listed: Vec<_> = match alias {
        Some(alias) if !alias.columns.is_empty() => alias.columns.iter().map(|name| name.ident.clone()).collect(),
        // A function with a scalar result has one column, named like the entry.
        _ => visible.iter().map(|name| name.ident.clone()).collect(),
    };
    let named = listed.into_iter().map(column).collect();
    add(scope, visible, None, None, Columns::Open { named, sources });
}

/// USING (…) AS alias: the merged columns once more, under that name only.
fn add_merged(alias: &Name, merged: Vec<VisibleColumn>, scope: &mut Scope) {
    let columns = merged.iter().map(|column| merged_column(column, scope)).collect();
    let visible = scope.columns.len();
    add(scope, Some(alias.clone()), None, None, Columns::Known(columns));
    scope.columns.truncate(visible);
}

/// A column of the namespace as one of an entry of its own.
fn merged_column(visible: &VisibleColumn, scope: &Scope) -> Column {
    let mut sources = Vec::new();
    let mut identity = None;
    for place in &visible.places {
        if let Some(found) = scope.column(*place) {
            sources.extend(found.sources.iter().copied());
            identity = found.identity;
        }
    }
    Column { name: visible.name.clone(), id: None, identity, sources }
}

/// Names that both sides of a natural join have, in the order of the left side. They stand nowhere in the text.
fn common_names(scope: &Scope, start: usize, middle: usize) -> Vec<Name> {
    let left = scope.columns.get(start..middle).unwrap_or_default();
    let right = scope.columns.get(middle..).unwrap_or_default();
    left.iter()
        .filter(|column| right.iter().any(|other| other.name == column.name))
        .map(|column| Name { ident: column.name.clone(), span: crate::sql::tree::Span::default() })
        .collect()
}

/// An alias over a join hides the entries inside and names their columns anew.
fn hide_behind(alias: &Alias, scope: &mut Scope, first_item: usize, start: usize) {
    let visible: Vec<_> = scope.columns.drain(start..).collect();
    let mut columns: Vec<Column> = visible.iter().map(|column| merged_column(column, scope)).collect();
    rename(&mut columns, &alias.columns);
    let open: Vec<_> = scope.open.iter().copied().filter(|index| *index >= first_item).collect();
    for item in scope.items.iter_mut().skip(first_item) {
        item.visible = false;
    }
    let columns = if open.is_empty() {
        Columns::Known(columns)
    } else {
        let sources = open
            .iter()
            .filter_map(|index| scope.items.get(*index))
            .flat_map(|item| match &item.columns {
                Columns::Open { sources, .. } => sources.clone(),
                Columns::Known(_) => Vec::new(),
            })
            .collect();
        Columns::Open { named: columns, sources }
    };
    add(scope, Some(alias.name.clone()), None, None, columns);
}

fn with_aliases(mut columns: Vec<Column>, alias: Option<&Alias>) -> Columns {
    if let Some(alias) = alias {
        rename(&mut columns, &alias.columns);
    }
    Columns::Known(columns)
}

fn add(
    scope: &mut Scope,
    name: Option<Name>,
    schema: Option<Ident>,
    relation: Option<crate::sql::access::RelationIndex>,
    columns: Columns,
) {
    let index = scope.items.len();
    if matches!(columns, Columns::Open { .. }) {
        scope.open.push(index);
    }
    scope.items.push(RangeItem { name, schema, relation, columns, visible: true });
    let visible = scope.columns_of(index);
    scope.columns.extend(visible);
}

/// Adds the target of a data-modifying statement, or the rows that INSERT proposes, to the namespace.
pub(super) fn add_target(
    scope: &mut Scope,
    name: Name,
    schema: Option<Ident>,
    relation: crate::sql::access::RelationIndex,
    columns: Vec<Column>,
) {
    add(scope, Some(name), schema, Some(relation), Columns::Known(columns));
}

/// Names an expression list's position, as GROUP BY and ORDER BY may.
pub(super) fn ordinal(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Number { text, .. } => text.parse::<usize>().ok()?.checked_sub(1),
        Expr::Column(_)
        | Expr::Call { .. }
        | Expr::Subquery(_)
        | Expr::Star(_)
        | Expr::Field { .. }
        | Expr::Deciding(..)
        | Expr::Combined(_) => None,
    }
}

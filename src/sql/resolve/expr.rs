//! Expressions and select lists.

use super::lookup::star_item;
use super::{Place, Resolver, UNNAMED, Value, visible_relations};
use crate::model::ident::Ident;
use crate::sql::access::{Clause, ColumnCall, InheritedOutput, StarColumn, StarRef, Unresolved};
use crate::sql::functions;
use crate::sql::scope::{Chain, Column, Scope, VisibleColumn};
use crate::sql::tree::{Decides, Expr, Item, Path, Span};

impl Resolver<'_> {
    pub(super) fn exprs(&mut self, exprs: &[Expr], chain: Option<&Chain<'_>>, clause: Clause) -> Value {
        let mut all = Value::default();
        for expr in exprs {
            all.sources.extend(self.expr(expr, chain, Place::inside(clause)).sources);
        }
        all
    }

    pub(super) fn expr(&mut self, expr: &Expr, chain: Option<&Chain<'_>>, place: Place) -> Value {
        match expr {
            Expr::Column(path) => self.column(path, chain, place),
            Expr::Number { .. } => Value::default(),
            Expr::Combined(parts) => self.exprs(parts, chain, place.clause),
            Expr::Call { path, args } => {
                if let Some(row) = self.called_column(path, args, chain) {
                    let row = row.clone();
                    self.out.column_calls.push(ColumnCall { name: path.last.clone(), row: row.span() });
                    return self.field_of_row(&row, &path.last, chain, place);
                }
                self.out.functions.push(path.clone());
                if let ("pg_get_expr", Some(Expr::Column(tree))) = (path.last.as_str(), args.first()) {
                    self.out.shown_trees.push(tree.span().start);
                }
                let value = self.exprs(args, chain, place.clause);
                if functions::makes_rows(path.last.as_str()) {
                    self.depend(&value.sources);
                }
                Value { name: Some(path.last.ident.clone()), ..value }
            }
            Expr::Deciding(Decides::Rows, parts) => {
                let value = self.exprs(parts, chain, place.clause);
                self.depend(&value.sources);
                value
            }
            Expr::Deciding(Decides::Aggregate, parts) => {
                let value = self.exprs(parts, chain, place.clause);
                self.sifted.extend(value.sources.iter().copied());
                value
            }
            Expr::Subquery(query) => {
                let outputs = self.query(query, chain);
                let name = outputs.first().map(|column| column.name.clone());
                let sources = outputs.into_iter().flat_map(|column| column.sources).collect();
                Value { sources, identity: None, name }
            }
            Expr::Star(path) => self.star_value(path, chain, place.clause),
            Expr::Field { base, field } => {
                self.out.fields.push(field.clone());
                match &**base {
                    Expr::Column(path) => self.field_of_row(path, field, chain, place),
                    other => {
                        let value = self.expr(other, chain, Place::inside(place.clause));
                        Value { sources: value.sources, identity: None, name: Some(field.ident.clone()) }
                    }
                }
            }
        }
    }

    /// The row that a column is called on like a function, where no function has its name.
    fn called_column<'e>(&self, path: &Path, args: &'e [Expr], chain: Option<&Chain<'_>>) -> Option<&'e Path> {
        let name = path.last.as_str();
        let mut said = args.iter().filter(|argument| !argument.says_nothing());
        let (Some(Expr::Column(row)), None) = (said.next(), said.next()) else { return None };
        let function =
            functions::is_known(name) || self.catalog.functions.iter().any(|function| &*function.name == name);
        let placed = path.last.span != Span::default() && path.qualifier.is_empty();
        (placed && !function && self.row_has(row, name, chain)).then_some(row)
    }

    /// `t.*` as an argument: the columns of the row.
    fn star_value(&mut self, path: &Path, chain: Option<&Chain<'_>>, clause: Clause) -> Value {
        let columns = self.qualified_star(path, path.span(), chain, clause);
        let sources = columns.into_iter().flat_map(|column| column.sources).collect();
        Value { sources, ..Value::default() }
    }

    /// The output columns of a select or RETURNING list.
    pub(super) fn items(&mut self, items: &[Item], chain: &Chain<'_>, clause: Clause) -> Vec<Column> {
        let mut outputs = Vec::new();
        for item in items {
            match item {
                Item::Expr { expr, alias, inherits } => {
                    let place = Place { clause, names_output: alias.is_none() };
                    let first = self.out.columns.len();
                    let value = self.expr(expr, Some(chain), place);
                    let inherited = inherits.as_ref().map(|inherited| inherited.name.clone());
                    if let Some(found) = inherits.as_ref().filter(|_| clause == Clause::Returning) {
                        let columns = first..self.out.columns.len();
                        let name = found.name.clone();
                        self.out.inherited_names.push(InheritedOutput { name, end: found.end, columns });
                    }
                    let name = alias.as_ref().map(|alias| alias.ident.clone()).or(inherited).or(value.name);
                    outputs.push(Column {
                        name: name.unwrap_or_else(|| Ident::quoted(UNNAMED)),
                        id: None,
                        identity: value.identity,
                        sources: value.sources,
                    });
                }
                Item::Star(span) => outputs.extend(self.star(*span, chain, clause)),
                Item::QualifiedStar { path, span } => {
                    outputs.extend(self.qualified_star(path, *span, Some(chain), clause));
                }
                Item::ExprStar(expr) => {
                    let value = self.expr(expr, Some(chain), Place::inside(clause));
                    outputs.push(Column {
                        name: Ident::quoted(UNNAMED),
                        id: None,
                        identity: None,
                        sources: value.sources,
                    });
                }
            }
        }
        outputs
    }

    fn star(&mut self, span: Span, chain: &Chain<'_>, clause: Clause) -> Vec<Column> {
        self.out.column_starts.push(span.start);
        let scope = chain.scope;
        let relations = scope.items.iter().filter_map(|item| item.relation).collect();
        let columns = scope.open.is_empty().then(|| expanded(scope, &scope.columns));
        self.out.stars.push(StarRef { span, clause, columns, relations });
        let open = scope.open.iter().filter_map(|index| scope.items.get(*index)).flat_map(open_column);
        scope.columns.iter().map(|column| output(scope, column)).chain(open).collect()
    }

    fn qualified_star(&mut self, path: &Path, span: Span, chain: Option<&Chain<'_>>, clause: Clause) -> Vec<Column> {
        self.out.column_starts.push(span.start);
        let Some((scope, index)) = chain.and_then(|chain| star_item(path, chain)) else {
            let visible = visible_relations(chain);
            self.out.unresolved.push(Unresolved { path: path.clone(), of: None, visible, clause });
            return Vec::new();
        };
        let visible = scope.columns_of(index);
        let is_open = scope.open.contains(&index);
        let item = scope.items.get(index);
        let relations = item.and_then(|item| item.relation).into_iter().collect();
        let columns = (!is_open).then(|| expanded(scope, &visible));
        self.out.stars.push(StarRef { span, clause, columns, relations });
        let open = item.into_iter().filter(|_| is_open).flat_map(open_column);
        visible.iter().map(|column| output(scope, column)).chain(open).collect()
    }
}

fn expanded(scope: &Scope, columns: &[VisibleColumn]) -> Vec<StarColumn> {
    columns
        .iter()
        .map(|visible| {
            let single = if visible.places.len() == 1 { visible.places.first() } else { None };
            let item = single.and_then(|place| scope.items.get(place.item));
            let column = single.and_then(|place| scope.column(*place));
            StarColumn {
                qualifier: item.and_then(|item| item.name.clone()),
                name: visible.name.as_str().to_owned(),
                column: item
                    .and_then(|item| item.relation)
                    .and_then(|relation| Some((column.and_then(|column| column.id)?, relation))),
            }
        })
        .collect()
}

fn output(scope: &Scope, visible: &VisibleColumn) -> Column {
    let mut sources = Vec::new();
    let mut identity = None;
    for place in &visible.places {
        if let Some(column) = scope.column(*place) {
            sources.extend(column.sources.iter().copied());
            identity = if visible.places.len() == 1 { column.identity } else { None };
        }
    }
    Column { name: visible.name.clone(), id: None, identity, sources }
}

/// Stands for the columns of an entry that cannot be known.
fn open_column(item: &crate::sql::scope::RangeItem) -> Option<Column> {
    match &item.columns {
        crate::sql::scope::Columns::Known(_) => None,
        crate::sql::scope::Columns::Open { named: _, sources } => {
            Some(Column { name: Ident::quoted(UNNAMED), id: None, identity: None, sources: sources.clone() })
        }
    }
}

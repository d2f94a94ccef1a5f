//! Queries: WITH, set operations, SELECT.

use super::from::ordinal;
use super::{MAX_ROUNDS, Place, Resolver, UNNAMED, Value, rename};
use crate::model::catalog::ColumnId;
use crate::model::ident::Ident;
use crate::sql::access::{Clause, Grouping, RelationIndex};
use crate::sql::scope::{Chain, Column, Scope};
use crate::sql::tree::{Body, Cte, DerivedColumn, Distinct, Expr, Item, Query, Select};

impl Resolver<'_> {
    /// Resolves a query and gives its output columns.
    pub(super) fn query(&mut self, query: &Query, outer: Option<&Chain<'_>>) -> Vec<Column> {
        let known = self.ctes.len();
        for cte in &query.ctes {
            let columns = if query.recursive { self.recursive(cte, outer) } else { self.cte(cte, outer) };
            self.ctes.push((cte.name.ident.clone(), columns));
        }
        let outputs = match &query.body {
            Body::Select(select) => self.select(select, &query.order_by, outer),
            body => {
                let outputs = self.body(body, outer);
                self.order_by_outputs(&query.order_by, &outputs, outer);
                outputs
            }
        };
        let limits = self.exprs(&query.limits, outer, Clause::Output);
        self.depend(&limits.sources);
        self.ctes.truncate(known);
        outputs
    }

    fn cte(&mut self, cte: &Cte, outer: Option<&Chain<'_>>) -> Vec<Column> {
        let mut columns = self.query(&cte.query, outer);
        rename(&mut columns, &cte.columns);
        for DerivedColumn { name, from } in &cte.derived {
            let of = |column: &&Column| from.contains(&column.name);
            let sources: Vec<_> = columns.iter().filter(of).flat_map(|column| column.sources.iter().copied()).collect();
            // It decides what comes first, and where the recursion ends.
            self.depend(&sources);
            columns.push(Column { name: name.clone(), id: None, identity: None, sources });
        }
        columns
    }

    /// A recursive query: its columns depend on what they depended on in the round before.
    fn recursive(&mut self, cte: &Cte, outer: Option<&Chain<'_>>) -> Vec<Column> {
        let mut columns: Vec<Column> = Vec::new();
        for _ in 0..MAX_ROUNDS {
            let before = self.out.clone();
            self.ctes.push((cte.name.ident.clone(), columns.clone()));
            let mut next = self.cte(cte, outer);
            self.ctes.pop();
            for (column, known) in next.iter_mut().zip(&columns) {
                column.sources.extend(known.sources.iter().copied());
                column.sources.sort_unstable();
                column.sources.dedup();
            }
            let same = next.len() == columns.len()
                && next.iter().zip(&columns).all(|(column, known)| column.sources == known.sources);
            columns = next;
            if same {
                break;
            }
            self.out = before;
        }
        columns
    }

    fn body(&mut self, body: &Body, outer: Option<&Chain<'_>>) -> Vec<Column> {
        match body {
            Body::Select(select) => self.select(select, &[], outer),
            Body::Nested(query) => self.query(query, outer),
            Body::SetOperation { left, right, union_all } => {
                let mut outputs = self.body(left, outer);
                for (column, other) in outputs.iter_mut().zip(self.body(right, outer)) {
                    column.sources.extend(other.sources);
                    column.identity = None;
                }
                if !union_all {
                    self.depend_on_all(&outputs);
                }
                outputs
            }
            Body::Values(rows) => self.values(rows, outer),
            Body::Dml(dml) => self.dml(dml, outer),
        }
    }

    fn values(&mut self, rows: &[Vec<Expr>], outer: Option<&Chain<'_>>) -> Vec<Column> {
        let mut outputs: Vec<Column> = Vec::new();
        for row in rows {
            for (index, expr) in row.iter().enumerate() {
                let value = self.expr(expr, outer, Place::inside(Clause::Output));
                match outputs.get_mut(index) {
                    Some(column) => column.sources.extend(value.sources),
                    None => outputs.push(Column {
                        name: Ident::quoted(&format!("column{}", index + 1)),
                        id: None,
                        identity: None,
                        sources: value.sources,
                    }),
                }
            }
        }
        outputs
    }

    fn depend_on_all(&mut self, outputs: &[Column]) {
        for column in outputs {
            self.indirect.extend(column.sources.iter().copied());
        }
    }

    fn select(&mut self, select: &Select, order_by: &[Expr], outer: Option<&Chain<'_>>) -> Vec<Column> {
        let first_column = self.out.columns.len();
        let first_star = self.out.stars.len();
        let mut scope = Scope::default();
        for from in &select.from {
            self.from(from, &mut scope, outer);
        }
        let chain = Chain { scope: &scope, outer };
        let outputs = self.items(&select.items, &chain, Clause::Output);
        self.filter(select.selection.as_ref(), &chain);
        let grouped = self.group_by(select, &outputs, &chain);
        self.filter(select.having.as_ref(), &chain);
        let windows = self.exprs(&select.windows, Some(&chain), Clause::OrderGroup);
        self.depend(&windows.sources);
        match &select.distinct {
            Distinct::No => {}
            Distinct::Row => self.depend_on_all(&outputs),
            Distinct::On(exprs) => self.order_by(exprs, &outputs, &chain),
        }
        self.order_by(order_by, &outputs, &chain);
        if !select.grouping_sets {
            self.note_groupings(&scope, &grouped, first_column, first_star);
        }
        outputs
    }

    fn filter(&mut self, filter: Option<&Expr>, chain: &Chain<'_>) {
        if let Some(expr) = filter {
            let value = self.expr(expr, Some(chain), Place::inside(Clause::Filter));
            self.depend(&value.sources);
        }
    }

    /// GROUP BY: a name is an input column first, an output column otherwise; a number is an output column.
    fn group_by(
        &mut self,
        select: &Select,
        outputs: &[Column],
        chain: &Chain<'_>,
    ) -> Vec<(ColumnId, RelationIndex, u32)> {
        let mut keys = Vec::new();
        let mut grouped = Vec::new();
        for expr in &select.group_by {
            let first = self.out.columns.len();
            let mut end = None;
            let value = match (ordinal(expr), expr) {
                (Some(at), Expr::Number { span, .. }) => {
                    keys.extend(self.key_at(select, at, span.end, chain));
                    let sources = outputs.get(at).map(|column| column.sources.clone()).unwrap_or_default();
                    Value { sources, ..Value::default() }
                }
                _ => match output_named(expr, outputs) {
                    Some(column) if !self.is_input(expr, chain) => {
                        self.skip_output_name(expr);
                        Value { sources: column.sources.clone(), ..Value::default() }
                    }
                    _ => {
                        end = if let Expr::Column(path) = expr { Some(path.span().end) } else { None };
                        self.expr(expr, Some(chain), Place::inside(Clause::OrderGroup))
                    }
                },
            };
            if let Some(end) = end {
                keys.extend(
                    self.out.columns.get(first..).into_iter().flatten().map(|found| (found.column, found.via, end)),
                );
            }
            grouped.extend(value.sources);
        }
        // Even a column that the primary key beside it decides counts: the order in which groups come out depends on it.
        self.depend(&grouped);
        keys
    }

    /// The column that an output position means, where it is one, for its number only: what stands in the text was noted
    /// before.
    fn key_at(
        &mut self,
        select: &Select,
        at: usize,
        end: u32,
        chain: &Chain<'_>,
    ) -> Vec<(ColumnId, RelationIndex, u32)> {
        let Some(Item::Expr { expr: Expr::Column(path), .. }) = item_at(select, at) else { return Vec::new() };
        let before = self.out.clone();
        let first = before.columns.len();
        self.column(path, Some(chain), Place::inside(Clause::OrderGroup));
        let found = std::mem::replace(&mut self.out, before).columns;
        found.get(first..).into_iter().flatten().map(|found| (found.column, found.via, end)).collect()
    }

    fn is_input(&mut self, expr: &Expr, chain: &Chain<'_>) -> bool {
        let Expr::Column(path) = expr else { return false };
        chain.scope.columns.iter().any(|column| column.name == path.last.ident)
    }

    /// An output column's name stands where a column may stand, and refers to nothing new.
    fn skip_output_name(&mut self, expr: &Expr) {
        if let Expr::Column(path) = expr {
            self.out.column_starts.push(path.span().start);
        }
    }

    /// ORDER BY and DISTINCT ON: a bare name is an output column first, an input column otherwise.
    fn order_by(&mut self, exprs: &[Expr], outputs: &[Column], chain: &Chain<'_>) {
        for expr in exprs {
            let position = ordinal(expr).and_then(|at| outputs.get(at));
            let named = output_named(expr, outputs);
            let sources = match position.or(named) {
                Some(column) => {
                    self.skip_output_name(expr);
                    column.sources.clone()
                }
                None => self.expr(expr, Some(chain), Place::inside(Clause::OrderGroup)).sources,
            };
            self.depend(&sources);
        }
    }

    /// ORDER BY over a set operation sees output columns only.
    fn order_by_outputs(&mut self, exprs: &[Expr], outputs: &[Column], outer: Option<&Chain<'_>>) {
        let scope = Scope::default();
        self.order_by(exprs, outputs, &Chain { scope: &scope, outer });
    }

    fn note_groupings(
        &mut self,
        scope: &Scope,
        grouped: &[(ColumnId, RelationIndex, u32)],
        first_column: usize,
        first_star: usize,
    ) {
        for relation in scope.items.iter().filter_map(|item| item.relation) {
            let oid = self.out.relations.get(relation.0).and_then(|mention| mention.relation);
            let Some(found) = oid.and_then(|oid| self.catalog.relation(oid)) else { continue };
            let keys: Vec<_> = grouped.iter().filter(|(_, via, _)| *via == relation).collect();
            let complete = !found.primary_key.is_empty()
                && found.primary_key.iter().all(|key| keys.iter().any(|(column, ..)| column.attnum == *key));
            if !complete {
                continue;
            }
            let columns = self.out.columns.get(first_column..).unwrap_or_default();
            let mut used: Vec<i16> =
                columns.iter().filter(|column| column.via == relation).map(|column| column.column.attnum).collect();
            let stars = self.out.stars.get(first_star..).unwrap_or_default();
            if stars.iter().any(|star| star.relations.contains(&relation)) {
                used.extend(found.columns.iter().map(|column| column.attnum));
            }
            used.sort_unstable();
            used.dedup();
            self.out.groupings.push(Grouping {
                relation,
                insert_at: keys.iter().map(|(_, _, end)| *end).max().unwrap_or_default(),
                grouped: keys.iter().map(|(column, ..)| column.attnum).collect(),
                used,
            });
        }
    }
}

/// The entry of the select list at a position, where no star shifts the count.
fn item_at(select: &Select, at: usize) -> Option<&Item> {
    let before = select.items.get(..=at)?;
    let countable = before.iter().all(|item| matches!(item, Item::Expr { .. }));
    before.last().filter(|_| countable)
}

/// The output column that a bare name means.
fn output_named<'a>(expr: &Expr, outputs: &'a [Column]) -> Option<&'a Column> {
    let Expr::Column(path) = expr else { return None };
    if !path.qualifier.is_empty() || path.last.as_str() == UNNAMED {
        return None;
    }
    outputs.iter().find(|column| column.name == path.last.ident)
}

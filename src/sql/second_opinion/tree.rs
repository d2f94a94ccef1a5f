//! The walk over PostgreSQL's tree: statements and queries.
//!
//! Typed and explicit: each node kind that a query may hold is listed with its children, and any other goes to
//! [`Visitor::unknown`]. The walk also keeps which common table expressions are in scope, since a name without a
//! schema means one of those before it means a relation.

mod changes;
mod sources;

use pg_raw_parse::Node;
use pg_raw_parse::list::NodeList;
use pg_raw_parse::nodes::{
    Alias, ColumnRef, FuncCall, LockingClause, RangeSubselect, RangeVar, ResTarget, SelectStmt, TypeName, WithClause,
};

use super::outline::Verb;

/// How deep a tree may be. The caps on tokens keep texts below it; this is the last line.
const MAX_DEPTH: u32 = 4000;

/// How a relation is used.
#[derive(Clone, Copy)]
pub(super) struct Role<'a> {
    /// What is done with it.
    pub(super) verb: Verb,
    /// The name is a common table expression in scope.
    pub(super) cte: bool,
    /// It is all of the FROM list of this query, which is itself a FROM item in parentheses.
    pub(super) wrapper: Option<&'a SelectStmt>,
    /// Where the method of its TABLESAMPLE stands.
    pub(super) sampled_at: Option<i32>,
}

impl Role<'_> {
    /// Of a relation that no query surrounds.
    pub(super) fn alone(verb: Verb) -> Self {
        Self { verb, cte: false, wrapper: None, sampled_at: None }
    }
}

/// Is told what the walk meets.
pub(super) trait Visitor<'a> {
    /// What ends the walk early.
    type Stop;

    fn relation(&mut self, relation: &'a RangeVar, role: Role<'a>) -> Result<(), Self::Stop>;
    fn column(&mut self, column: &'a ColumnRef) -> Result<(), Self::Stop>;
    fn function(&mut self, call: &'a FuncCall) -> Result<(), Self::Stop>;
    fn type_name(&mut self, name: &'a TypeName) -> Result<(), Self::Stop>;
    /// An operator as written.
    fn operator(&mut self, names: &'a NodeList) -> Result<(), Self::Stop>;
    /// An operator that a construct of the grammar stands for.
    fn implied_operator(&mut self, name: &'static str) -> Result<(), Self::Stop>;
    /// A name behind a point.
    fn attribute(&mut self, name: &'a str) -> Result<(), Self::Stop>;
    /// A column that a conflict is looked for in.
    fn arbiter(&mut self, column: &'a str) -> Result<(), Self::Stop>;
    fn parameter(&mut self, number: i32) -> Result<(), Self::Stop>;
    /// SELECT … INTO.
    fn into(&mut self, relation: Option<&'a RangeVar>) -> Result<(), Self::Stop>;
    /// A table that a statement makes.
    fn created(&mut self, relation: &'a RangeVar) -> Result<(), Self::Stop>;
    /// A table that a statement changes, other than by its rows.
    fn changed(&mut self, relation: &'a RangeVar) -> Result<(), Self::Stop>;
    /// A table or an index that a statement drops; names without a place.
    fn dropped(&mut self, names: &'a NodeList) -> Result<(), Self::Stop>;
    fn locking(&mut self, clause: &'a LockingClause) -> Result<(), Self::Stop>;
    /// A column that a change writes.
    fn assigned(&mut self, target: &'a ResTarget) -> Result<(), Self::Stop>;
    /// A change begins; what follows up to `leave_change` belongs to it.
    fn enter_change(&mut self, target: &'a RangeVar) -> Result<(), Self::Stop>;
    fn leave_change(&mut self);
    /// RETURNING WITH gives the row before or after the change a name.
    fn row_name(&mut self, name: &'a str) -> Result<(), Self::Stop>;
    /// A query begins.
    fn enter_query(&mut self);
    fn leave_query(&mut self);
    /// A condition on the rows of a query or of a change: WHERE or ON. Its parts follow.
    fn condition(&mut self, condition: Node<'a>) -> Result<(), Self::Stop>;
    /// A sub-query in FROM; what is in it came before.
    fn subselect(&mut self, subselect: &'a RangeSubselect) -> Result<(), Self::Stop>;
    /// A join has an alias of its own.
    fn aliased_join(&mut self) -> Result<(), Self::Stop>;
    /// A column that USING merges.
    fn merged(&mut self, column: &'a str) -> Result<(), Self::Stop>;
    /// An output expression, or a value that is assigned.
    fn output(&mut self, target: &'a ResTarget) -> Result<(), Self::Stop>;
    /// A construct that the walk does not know.
    fn unknown(&mut self, what: &'static str) -> Result<(), Self::Stop>;
}

/// A walk in progress.
pub(super) struct Tree<'a, 'v, V> {
    pub(super) visitor: &'v mut V,
    scopes: Vec<&'a str>,
    depth: u32,
}

impl<'a, 'v, V: Visitor<'a>> Tree<'a, 'v, V> {
    pub(super) fn new(visitor: &'v mut V) -> Self {
        Self { visitor, scopes: Vec::new(), depth: 0 }
    }

    /// One level deeper.
    pub(super) fn deeper(&mut self, walk: impl FnOnce(&mut Self) -> Result<(), V::Stop>) -> Result<(), V::Stop> {
        if self.depth >= MAX_DEPTH {
            return self.visitor.unknown("nesting");
        }
        self.depth += 1;
        let outcome = walk(self);
        self.depth -= 1;
        outcome
    }

    /// A query, or a statement that changes rows.
    pub(super) fn query(&mut self, node: Node<'a>) -> Result<(), V::Stop> {
        match node {
            Node::None => Ok(()),
            Node::SelectStmt(select) => self.select(select, false),
            Node::InsertStmt(insert) => self.scoped(insert.with_clause(), |tree| tree.insert(insert)),
            Node::UpdateStmt(update) => self.scoped(update.with_clause(), |tree| tree.update(update)),
            Node::DeleteStmt(delete) => self.scoped(delete.with_clause(), |tree| tree.delete(delete)),
            Node::MergeStmt(merge) => self.scoped(merge.with_clause(), |tree| tree.merge(merge)),
            _ => self.visitor.unknown("statement within a statement"),
        }
    }

    /// Walks what a WITH list belongs to, with its names in scope.
    fn scoped(
        &mut self,
        with: Option<&'a WithClause>,
        walk: impl FnOnce(&mut Self) -> Result<(), V::Stop>,
    ) -> Result<(), V::Stop> {
        self.deeper(|tree| {
            let outer = tree.scopes.len();
            let outcome = match with {
                Some(with) => tree.with(with),
                None => Ok(()),
            };
            let outcome = outcome.and_then(|()| walk(tree));
            tree.scopes.truncate(outer);
            outcome
        })
    }

    /// A WITH list. With RECURSIVE each of its queries sees all its names, else those before it.
    fn with(&mut self, with: &'a WithClause) -> Result<(), V::Stop> {
        if with.recursive {
            self.scopes.extend(with.ctes().iter().filter_map(|cte| cte.ctename()));
        }
        for cte in with.ctes() {
            self.query(cte.ctequery())?;
            if let Some(cycle) = cte.cycle_clause() {
                self.expression(cycle.cycle_mark_value())?;
                self.expression(cycle.cycle_mark_default())?;
            }
            if !with.recursive {
                self.scopes.extend(cte.ctename());
            }
        }
        Ok(())
    }

    /// A SELECT, VALUES or TABLE; `in_from` if it is a FROM item in parentheses.
    pub(super) fn select(&mut self, select: &'a SelectStmt, in_from: bool) -> Result<(), V::Stop> {
        self.visitor.enter_query();
        let outcome = self.scoped(select.with_clause(), |tree| tree.select_body(select, in_from));
        self.visitor.leave_query();
        outcome
    }

    fn select_body(&mut self, select: &'a SelectStmt, in_from: bool) -> Result<(), V::Stop> {
        if let Some(into) = select.into_clause() {
            self.visitor.into(into.rel())?;
        }
        for arm in [select.larg(), select.rarg()].into_iter().flatten() {
            self.select(arm, false)?;
        }
        let from = select.from_clause();
        let wrapper = if in_from && from.len() == 1 { Some(select) } else { None };
        for item in from {
            self.source(item, wrapper)?;
        }
        for target in select.target_list() {
            self.target(target)?;
        }
        self.expressions(select.distinct_clause())?;
        self.condition(select.where_clause())?;
        self.expressions(select.group_clause())?;
        self.expression(select.having_clause())?;
        self.expressions(select.window_clause())?;
        self.expressions(select.values_lists())?;
        for sort in select.sort_clause() {
            self.sort(sort)?;
        }
        self.expression(select.limit_offset())?;
        self.expression(select.limit_count())?;
        for clause in select.locking_clause() {
            // Its names are aliases of FROM items.
            self.visitor.locking(clause)?;
        }
        Ok(())
    }

    /// An output expression or an assigned value, with the subscripts of what it is assigned to.
    fn target(&mut self, target: &'a ResTarget) -> Result<(), V::Stop> {
        self.visitor.output(target)?;
        self.indirection(target.indirection())?;
        self.expression(target.val())
    }

    fn condition(&mut self, condition: Node<'a>) -> Result<(), V::Stop> {
        self.visitor.condition(condition)?;
        self.expression(condition)
    }
}

/// The name under which a relation is visible.
pub(super) fn visible_name(relation: &RangeVar) -> Option<&str> {
    relation.alias().and_then(Alias::aliasname).or_else(|| relation.relname())
}

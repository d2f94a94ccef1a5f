//! Changes of rows: INSERT, UPDATE, DELETE, MERGE, and what comes with them.

use pg_raw_parse::Node;
use pg_raw_parse::list::NodeList;
use pg_raw_parse::nodes::{DeleteStmt, InsertStmt, MergeStmt, OnConflictClause, RangeVar, ReturningClause, UpdateStmt};

use super::{Role, Tree, Visitor};
use crate::sql::second_opinion::outline::Verb;

impl<'a, V: Visitor<'a>> Tree<'a, '_, V> {
    /// A change of rows, between its begin and its end. Its target is a relation whatever WITH names there are. The rows
    /// that INSERT takes from a query are made without the target in sight.
    fn change(
        &mut self,
        target: Option<&'a RangeVar>,
        verb: Verb,
        source: Option<Node<'a>>,
        walk: impl FnOnce(&mut Self) -> Result<(), V::Stop>,
    ) -> Result<(), V::Stop> {
        let Some(target) = target else { return self.visitor.unknown("change without a target") };
        self.visitor.relation(target, Role::alone(verb))?;
        if let Some(source) = source {
            self.query(source)?;
        }
        self.visitor.enter_change(target)?;
        let outcome = walk(self);
        self.visitor.leave_change();
        outcome
    }

    pub(super) fn insert(&mut self, insert: &'a InsertStmt) -> Result<(), V::Stop> {
        self.change(insert.relation(), Verb::Insert, Some(insert.select_stmt()), |tree| {
            tree.assignments(insert.cols())?;
            if let Some(conflict) = insert.on_conflict_clause() {
                tree.on_conflict(conflict)?;
            }
            tree.returning(insert.returning_clause())
        })
    }

    pub(super) fn update(&mut self, update: &'a UpdateStmt) -> Result<(), V::Stop> {
        self.change(update.relation(), Verb::Update, None, |tree| {
            for target in update.target_list() {
                tree.visitor.assigned(target)?;
                tree.target(target)?;
            }
            for item in update.from_clause() {
                tree.source(item, None)?;
            }
            tree.condition(update.where_clause())?;
            tree.returning(update.returning_clause())
        })
    }

    pub(super) fn delete(&mut self, delete: &'a DeleteStmt) -> Result<(), V::Stop> {
        self.change(delete.relation(), Verb::Delete, None, |tree| {
            for item in delete.using_clause() {
                tree.source(item, None)?;
            }
            tree.condition(delete.where_clause())?;
            tree.returning(delete.returning_clause())
        })
    }

    pub(super) fn merge(&mut self, merge: &'a MergeStmt) -> Result<(), V::Stop> {
        self.change(merge.relation(), Verb::Merge, None, |tree| {
            tree.source(merge.source_relation(), None)?;
            tree.expression(merge.join_condition())?;
            for when in merge.merge_when_clauses() {
                tree.expression(when.condition())?;
                tree.assignments(when.target_list())?;
                tree.expressions(when.values())?;
            }
            tree.returning(merge.returning_clause())
        })
    }

    fn assignments(&mut self, targets: &'a NodeList) -> Result<(), V::Stop> {
        for target in targets {
            match target {
                Node::ResTarget(target) => {
                    self.visitor.assigned(target)?;
                    self.target(target)?;
                }
                _ => return self.visitor.unknown("assignment"),
            }
        }
        Ok(())
    }

    fn on_conflict(&mut self, conflict: &'a OnConflictClause) -> Result<(), V::Stop> {
        if let Some(infer) = conflict.infer() {
            for element in infer.index_elems() {
                match element {
                    Node::IndexElem(element) => {
                        if let Some(column) = element.name() {
                            self.visitor.arbiter(column)?;
                        }
                        self.expression(element.expr())?;
                    }
                    _ => return self.visitor.unknown("conflict target"),
                }
            }
            self.expression(infer.where_clause())?;
        }
        for target in conflict.target_list() {
            self.visitor.assigned(target)?;
            self.target(target)?;
        }
        self.expression(conflict.where_clause())
    }

    fn returning(&mut self, returning: Option<&'a ReturningClause>) -> Result<(), V::Stop> {
        let Some(returning) = returning else { return Ok(()) };
        for option in returning.options() {
            self.visitor.row_name(option.value().unwrap_or_default())?;
        }
        for expression in returning.exprs() {
            match expression {
                Node::ResTarget(target) => self.target(target)?,
                _ => return self.visitor.unknown("RETURNING item"),
            }
        }
        Ok(())
    }
}

//! Takes down what the walk over one statement meets.

use std::convert::Infallible;

use pg_raw_parse::Node;
use pg_raw_parse::list::NodeList;
use pg_raw_parse::nodes::{ColumnRef, FuncCall, LockingClause, RangeSubselect, RangeVar, ResTarget, TypeName};

use super::parts;
use crate::sql::second_opinion::constants::constants;
use crate::sql::second_opinion::lookups::lookups;
use crate::sql::second_opinion::offset;
use crate::sql::second_opinion::outline::{Lookup, NamedObject, NamedRelation, OutlineStatement, Verb};
use crate::sql::second_opinion::tree::{Role, Visitor};

/// What was met so far, and where the walk is.
pub(super) struct Collector {
    found: OutlineStatement,
    /// The queries that the walk is in, by number; the statement itself is 0.
    levels: Vec<u32>,
    next_level: u32,
    /// Queries with a join under an alias.
    aliased: Vec<u32>,
}

impl Collector {
    pub(super) fn new(found: OutlineStatement) -> Self {
        Self { found, levels: Vec::new(), next_level: 1, aliased: Vec::new() }
    }

    pub(super) fn finish(mut self) -> OutlineStatement {
        self.found.lookups.retain(|lookup| !self.aliased.contains(&lookup.level));
        self.found
    }

    fn level(&self) -> u32 {
        self.levels.last().copied().unwrap_or(0)
    }

    fn enter(&mut self) {
        self.levels.push(self.next_level);
        self.next_level += 1;
    }
}

impl<'a> Visitor<'a> for Collector {
    type Stop = Infallible;

    fn relation(&mut self, relation: &'a RangeVar, role: Role<'a>) -> Result<(), Infallible> {
        self.found.relations.push(NamedRelation {
            schema: relation.schemaname().map(str::to_owned),
            name: relation.relname().unwrap_or_default().to_owned(),
            start: offset(relation.location).unwrap_or(0),
            verb: role.verb,
            level: self.level(),
        });
        Ok(())
    }

    fn column(&mut self, column: &'a ColumnRef) -> Result<(), Infallible> {
        // TABLE stands for a star that has no place of its own.
        self.found.columns.extend(offset(column.location));
        Ok(())
    }

    fn function(&mut self, call: &'a FuncCall) -> Result<(), Infallible> {
        self.found.functions.push(NamedObject {
            parts: parts(call.funcname()),
            start: offset(call.location),
            constants: constants(call),
        });
        Ok(())
    }

    fn type_name(&mut self, name: &'a TypeName) -> Result<(), Infallible> {
        self.found.types.push(NamedObject {
            parts: name.names().iter().filter_map(|name| name.sval().map(str::to_owned)).collect(),
            start: offset(name.location),
            constants: Vec::new(),
        });
        Ok(())
    }

    fn operator(&mut self, _names: &'a NodeList) -> Result<(), Infallible> {
        Ok(())
    }

    fn implied_operator(&mut self, _name: &'static str) -> Result<(), Infallible> {
        Ok(())
    }

    fn attribute(&mut self, _name: &'a str) -> Result<(), Infallible> {
        Ok(())
    }

    fn arbiter(&mut self, _column: &'a str) -> Result<(), Infallible> {
        Ok(())
    }

    fn parameter(&mut self, _number: i32) -> Result<(), Infallible> {
        Ok(())
    }

    fn into(&mut self, _relation: Option<&'a RangeVar>) -> Result<(), Infallible> {
        Ok(())
    }

    fn created(&mut self, _relation: &'a RangeVar) -> Result<(), Infallible> {
        Ok(())
    }

    fn changed(&mut self, relation: &'a RangeVar) -> Result<(), Infallible> {
        self.relation(relation, Role::alone(Verb::Other))
    }

    fn dropped(&mut self, _names: &'a NodeList) -> Result<(), Infallible> {
        Ok(())
    }

    fn locking(&mut self, _clause: &'a LockingClause) -> Result<(), Infallible> {
        Ok(())
    }

    fn assigned(&mut self, _target: &'a ResTarget) -> Result<(), Infallible> {
        Ok(())
    }

    fn enter_change(&mut self, target: &'a RangeVar) -> Result<(), Infallible> {
        self.enter();
        let level = self.level();
        // It was named before.
        let start = offset(target.location);
        if let Some(named) = self.found.relations.iter_mut().rev().find(|named| Some(named.start) == start) {
            named.level = level;
        }
        Ok(())
    }

    fn leave_change(&mut self) {
        self.levels.pop();
    }

    fn row_name(&mut self, _name: &'a str) -> Result<(), Infallible> {
        Ok(())
    }

    fn enter_query(&mut self) {
        self.enter();
    }

    fn leave_query(&mut self) {
        self.levels.pop();
    }

    fn condition(&mut self, condition: Node<'a>) -> Result<(), Infallible> {
        let level = self.level();
        for lookup in lookups(condition) {
            let names =
                |name: &&TypeName| name.names().iter().filter_map(|part| part.sval().map(str::to_owned)).collect();
            let types = lookup.types.iter().map(names).collect();
            self.found.lookups.extend(offset(lookup.column.location).map(|column| Lookup { column, level, types }));
        }
        Ok(())
    }

    fn subselect(&mut self, _subselect: &'a RangeSubselect) -> Result<(), Infallible> {
        Ok(())
    }

    fn aliased_join(&mut self) -> Result<(), Infallible> {
        self.aliased.push(self.level());
        Ok(())
    }

    fn merged(&mut self, _column: &'a str) -> Result<(), Infallible> {
        Ok(())
    }

    fn output(&mut self, _target: &'a ResTarget) -> Result<(), Infallible> {
        Ok(())
    }

    fn unknown(&mut self, _what: &'static str) -> Result<(), Infallible> {
        Ok(())
    }
}

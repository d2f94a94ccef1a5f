//! Collects the outline of a text.

use std::convert::Infallible;

use pg_raw_parse::list::NodeList;
use pg_raw_parse::nodes::{ColumnRef, LockingClause, RangeVar, ResTarget, TypeName};
use pg_raw_parse::{Node, ParseResult};

use super::kinds::kind;
use super::offset;
use super::outline::{NamedObject, NamedRelation, Outline, OutlineStatement, Verb};
use super::tree::{Role, Tree, Visitor};

/// The outline of a parsed text.
pub(super) fn collect(sql: &str, parsed: &ParseResult) -> Outline {
    let length = u32::try_from(sql.len()).unwrap_or(u32::MAX);
    let statements = parsed
        .iter()
        .map(|raw| {
            let start = offset(raw.stmt_location).unwrap_or(0);
            let end = match offset(raw.stmt_len) {
                None | Some(0) => length,
                Some(bytes) => start.saturating_add(bytes),
            };
            statement(start, end, raw.stmt())
        })
        .collect();
    Outline { statements }
}

fn statement(start: u32, end: u32, node: Node<'_>) -> OutlineStatement {
    let mut collector = Collector(OutlineStatement {
        start,
        end,
        kind: kind(node),
        relations: Vec::new(),
        columns: Vec::new(),
        functions: Vec::new(),
        types: Vec::new(),
    });
    let mut tree = Tree::new(&mut collector);
    // What the walk does not know is left out here; the check of the final text refuses it.
    let walked: Result<(), Infallible> = match node {
        Node::CopyStmt(copy) => {
            let relation = copy.relation().map_or(Ok(()), |relation| {
                let verb = if copy.is_from { Verb::Insert } else { Verb::Read };
                tree.visitor.relation(relation, Role::alone(verb))
            });
            relation.and_then(|()| tree.query(copy.query())).and_then(|()| tree.expression(copy.where_clause()))
        }
        Node::ExplainStmt(explain) => tree.query(explain.query()),
        Node::PrepareStmt(prepare) => tree.types(prepare.argtypes()).and_then(|()| tree.query(prepare.query())),
        Node::ExecuteStmt(execute) => tree.expressions(execute.params()),
        Node::DeclareCursorStmt(declare) => tree.query(declare.query()),
        Node::CreateTableAsStmt(create) => tree.query(create.query()),
        Node::ViewStmt(view) => tree.query(view.query()),
        Node::SelectStmt(_) | Node::InsertStmt(_) | Node::UpdateStmt(_) | Node::DeleteStmt(_) | Node::MergeStmt(_) => {
            tree.query(node)
        }
        other => named_by_utility(&mut tree, other),
    };
    match walked {
        Ok(()) => collector.0,
    }
}

/// The relation that a statement without a query is about.
fn named_by_utility<'a>(tree: &mut Tree<'a, '_, Collector>, node: Node<'a>) -> Result<(), Infallible> {
    let relation = match node {
        Node::AlterTableStmt(alter) => alter.relation(),
        Node::IndexStmt(index) => index.relation(),
        Node::RenameStmt(rename) => rename.relation(),
        Node::CreateTrigStmt(trigger) => trigger.relation(),
        Node::RuleStmt(rule) => rule.relation(),
        Node::RefreshMatViewStmt(refresh) => refresh.relation(),
        _ => None,
    };
    match relation {
        Some(relation) => tree.visitor.relation(relation, Role::alone(Verb::Other)),
        None => Ok(()),
    }
}

struct Collector(OutlineStatement);

fn parts(names: &NodeList) -> Vec<String> {
    names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

impl<'a> Visitor<'a> for Collector {
    type Stop = Infallible;

    fn relation(&mut self, relation: &'a RangeVar, role: Role<'a>) -> Result<(), Infallible> {
        self.0.relations.push(NamedRelation {
            schema: relation.schemaname().map(str::to_owned),
            name: relation.relname().unwrap_or_default().to_owned(),
            start: offset(relation.location).unwrap_or(0),
            verb: role.verb,
        });
        Ok(())
    }

    fn column(&mut self, column: &'a ColumnRef) -> Result<(), Infallible> {
        // TABLE stands for a star that has no place of its own.
        self.0.columns.extend(offset(column.location));
        Ok(())
    }

    fn function(&mut self, names: &'a NodeList, location: i32) -> Result<(), Infallible> {
        self.0.functions.push(NamedObject { parts: parts(names), start: offset(location) });
        Ok(())
    }

    fn type_name(&mut self, name: &'a TypeName) -> Result<(), Infallible> {
        self.0.types.push(NamedObject {
            parts: name.names().iter().filter_map(|name| name.sval().map(str::to_owned)).collect(),
            start: offset(name.location),
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

    fn locking(&mut self, _clause: &'a LockingClause) -> Result<(), Infallible> {
        Ok(())
    }

    fn assigned(&mut self, _target: &'a ResTarget) -> Result<(), Infallible> {
        Ok(())
    }

    fn enter_change(&mut self, _target: &'a RangeVar) -> Result<(), Infallible> {
        Ok(())
    }

    fn leave_change(&mut self) {}

    fn row_name(&mut self, _name: &'a str) -> Result<(), Infallible> {
        Ok(())
    }

    fn enter_query(&mut self) {}

    fn leave_query(&mut self) {}

    fn unknown(&mut self, _what: &'static str) -> Result<(), Infallible> {
        Ok(())
    }
}

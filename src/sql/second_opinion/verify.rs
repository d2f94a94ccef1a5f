//! Judges a text that is about to be sent, by PostgreSQL's own tree of it.

mod checker;
mod visit;

use pg_raw_parse::list::NodeList;
use pg_raw_parse::{Node, ParseResult};

use self::checker::Checker;
use super::admission::{Admission, Fragment, Objection, ObjectionKind};
use super::kinds::kind;
use super::offset;
use super::outline::Verb;
use super::raw::RawColumns;
use super::tree::{Tree, Visitor};

/// Every statement of a text against the admission.
pub(super) fn verify(parsed: &ParseResult, generated: &[Fragment], admission: &dyn Admission) -> Result<(), Objection> {
    for raw in parsed.iter() {
        let node = raw.stmt();
        let kind = kind(node);
        if !admission.statement(&kind) {
            return Err(objection(ObjectionKind::Statement, kind.as_str(), offset(raw.stmt_location)));
        }
        let mut checker =
            Checker { generated, admission, changes: Vec::new(), queries: 0, raw: RawColumns::default(), fills: false };
        let mut tree = Tree::new(&mut checker);
        match node {
            Node::CopyStmt(copy) => {
                if let Some(relation) = copy.relation() {
                    let verb = if copy.is_from { Verb::Insert } else { Verb::Read };
                    tree.visitor.copied(relation, verb)?;
                }
                tree.query(copy.query())?;
                tree.expression(copy.where_clause())?;
            }
            Node::ExplainStmt(explain) => tree.query(explain.query())?,
            Node::PrepareStmt(prepare) => {
                tree.types(prepare.argtypes())?;
                tree.query(prepare.query())?;
            }
            // Its arguments are expressions that the server evaluates.
            Node::ExecuteStmt(execute) => tree.expressions(execute.params())?,
            Node::DeclareCursorStmt(declare) => tree.query(declare.query())?,
            Node::SelectStmt(select) => {
                tree.visitor.fills = select.into_clause().is_some();
                tree.query(node)?;
            }
            Node::LockStmt(lock) => {
                for relation in lock.relations() {
                    match relation {
                        Node::RangeVar(relation) => tree.visitor.admitted(relation).map(drop)?,
                        _ => tree.visitor.unknown("LOCK of something else")?,
                    }
                }
            }
            Node::CallStmt(call) => match call.funccall() {
                Some(call) => tree.expression(Node::FuncCall(call))?,
                None => tree.visitor.unknown("CALL of nothing")?,
            },
            Node::CreateTableAsStmt(create) => tree.create_table_as(create)?,
            Node::CreateStmt(_)
            | Node::DropStmt(_)
            | Node::AlterTableStmt(_)
            | Node::RenameStmt(_)
            | Node::IndexStmt(_)
            | Node::TruncateStmt(_)
            | Node::VacuumStmt(_) => tree.table_change(node)?,
            Node::InsertStmt(_) | Node::UpdateStmt(_) | Node::DeleteStmt(_) | Node::MergeStmt(_) => tree.query(node)?,
            // These hold neither a query nor an expression.
            Node::DeallocateStmt(_)
            | Node::FetchStmt(_)
            | Node::ClosePortalStmt(_)
            | Node::TransactionStmt(_)
            | Node::VariableSetStmt(_)
            | Node::VariableShowStmt(_)
            | Node::DiscardStmt(_)
            | Node::ListenStmt(_)
            | Node::UnlistenStmt(_)
            | Node::NotifyStmt(_)
            | Node::ConstraintsSetStmt(_) => {}
            // Any other may reach further than this walk.
            _ => return Err(objection(ObjectionKind::Statement, kind.as_str(), offset(raw.stmt_location))),
        }
    }
    Ok(())
}

fn objection(kind: ObjectionKind, name: &str, position: Option<u32>) -> Objection {
    Objection { kind, name: name.to_owned(), position }
}

fn parts(names: &NodeList) -> Vec<&str> {
    names.iter().filter_map(|name| name.as_str()).collect()
}

/// Schema and name; none for anything longer.
fn qualified<'a>(names: &[&'a str]) -> Option<(Option<&'a str>, &'a str)> {
    match names {
        [name] => Some((None, name)),
        [schema, name] => Some((Some(schema), name)),
        _ => None,
    }
}

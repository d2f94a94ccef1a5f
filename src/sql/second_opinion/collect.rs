//! Collects the outline of a text.

mod collector;

use std::convert::Infallible;

use pg_raw_parse::list::NodeList;
use pg_raw_parse::nodes::IntoClause;
use pg_raw_parse::{Node, ParseResult};

use self::collector::Collector;
use super::by_name::by_name;
use super::ddl::ddl;
use super::kinds::{StatementKind, kind};
use super::offset;
use super::outline::{Created, Others, Outline, OutlineStatement, Verb};
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
    let mut collector = Collector::new(OutlineStatement {
        start,
        end,
        kind: kind(node),
        relations: Vec::new(),
        ddl: ddl(node),
        by_name: by_name(node),
        created: created(node),
        columns: Vec::new(),
        functions: Vec::new(),
        types: Vec::new(),
        lookups: Vec::new(),
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
        Node::CreateTableAsStmt(create) => tree.create_table_as(create),
        Node::CallStmt(call) => call.funccall().map_or(Ok(()), |call| tree.expression(Node::FuncCall(call))),
        Node::CreateStmt(_)
        | Node::DropStmt(_)
        | Node::AlterTableStmt(_)
        | Node::IndexStmt(_)
        | Node::TruncateStmt(_)
        | Node::VacuumStmt(_) => tree.table_change(node),
        Node::RenameStmt(_) if matches!(kind(node), StatementKind::Table(_)) => tree.table_change(node),
        Node::ViewStmt(view) => tree.query(view.query()),
        Node::SelectStmt(_) | Node::InsertStmt(_) | Node::UpdateStmt(_) | Node::DeleteStmt(_) | Node::MergeStmt(_) => {
            tree.query(node)
        }
        other => named_by_utility(&mut tree, other),
    };
    match walked {
        Ok(()) => collector.finish(),
    }
}

/// The table that a statement makes.
fn created(node: Node<'_>) -> Option<Created> {
    let filled = |into: &IntoClause| {
        let name = into.rel()?.relname()?.to_owned();
        Some(Created { name, columns: parts(into.col_names()), others: Others::Query })
    };
    match node {
        Node::SelectStmt(select) => filled(select.into_clause()?),
        Node::CreateTableAsStmt(create) => filled(create.into()?),
        Node::CreateStmt(create) => {
            let mut columns = Vec::new();
            let tied = !create.inh_relations().is_empty() || create.of_typename().is_some();
            let mut others = if tied { Others::Elsewhere } else { Others::None };
            for element in create.table_elts() {
                match element {
                    Node::ColumnDef(column) => columns.extend(column.colname().map(str::to_owned)),
                    Node::Constraint(_) => {}
                    _ => others = Others::Elsewhere,
                }
            }
            let name = create.relation()?.relname()?.to_owned();
            Some(Created { name, columns, others })
        }
        _ => None,
    }
}

/// The relation that a statement without a query is about.
fn named_by_utility<'a>(tree: &mut Tree<'a, '_, Collector>, node: Node<'a>) -> Result<(), Infallible> {
    if let Node::LockStmt(lock) = node {
        for relation in lock.relations() {
            if let Node::RangeVar(relation) = relation {
                tree.visitor.changed(relation)?;
            }
        }
        return Ok(());
    }
    let relation = match node {
        Node::RenameStmt(rename) => rename.relation(),
        Node::AlterObjectSchemaStmt(moved) => moved.relation(),
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

fn parts(names: &NodeList) -> Vec<String> {
    names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

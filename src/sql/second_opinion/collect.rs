//! Collects the outline of a text.

use std::convert::Infallible;

use pg_raw_parse::list::NodeList;
use pg_raw_parse::nodes::{
    ColumnRef, FuncCall, IntoClause, LockingClause, RangeSubselect, RangeVar, ResTarget, TypeName,
};
use pg_raw_parse::{Node, ParseResult};

use super::by_name::by_name;
use super::constants::constants;
use super::ddl::ddl;
use super::kinds::{StatementKind, kind};
use super::lookups::lookups;
use super::offset;
use super::outline::{Created, Lookup, NamedObject, NamedRelation, Others, Outline, OutlineStatement, Verb};
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

struct Collector {
    found: OutlineStatement,
    /// The queries that the walk is in, by number; the statement itself is 0.
    levels: Vec<u32>,
    next_level: u32,
    /// Queries with a join under an alias.
    aliased: Vec<u32>,
}

impl Collector {
    fn new(found: OutlineStatement) -> Self {
        Self { found, levels: Vec::new(), next_level: 1, aliased: Vec::new() }
    }

    fn finish(mut self) -> OutlineStatement {
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

fn parts(names: &NodeList) -> Vec<String> {
    names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()
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
        self.relation(relation, Role { verb: Verb::Other, cte: false, wrapper: None, sampled_at: None })
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

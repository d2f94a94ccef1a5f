//! Says of a text that would be sent whether anything in it could show what is protected, by PostgreSQL's own tree of it.
//!
//! It shares no code with the checker that the engine uses: it walks generically, knows what protected tables and
//! their masks are, and accepts only what it can account for.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use pg_raw_parse::nodes::{ColumnRef, FuncCall, RangeVar, ResTarget, SelectStmt, WithClause};
use pg_raw_parse::walk::{Recurse, walk_manual};
use pg_raw_parse::{Node, parse};
use pgcovenant::model::catalog::Catalog;
use pgcovenant::policy::view::{Effect, MaskExpression, SubjectView};

/// Calls that no text of a governed session may hold.
const NEVER: &[&str] = &[
    "query_to_xml",
    "table_to_xml",
    "schema_to_xml",
    "cursor_to_xml",
    "pg_read_file",
    "pg_read_binary_file",
    "pg_ls_dir",
    "lo_import",
    "lo_export",
    "lo_get",
    "ts_stat",
    "pg_logical_emit_message",
    "dblink",
];

/// Settings that decide who asks, or how a text is read.
const NEVER_SET: &[&str] = &[
    "session_authorization",
    "standard_conforming_strings",
    "backslash_quote",
    "client_encoding",
    "client_min_messages",
    "debug_print_plan",
    "log_statement",
    "session_preload_libraries",
    "session_replication_role",
];

/// Whether the server would take a text for SQL at all.
pub fn is_sql(text: &str) -> bool {
    parse(text).is_ok()
}

/// What is protected of one table.
struct Table {
    columns: HashSet<String>,
    masks: HashMap<String, Arc<MaskExpression>>,
}

/// What is protected.
pub struct Oracle {
    tables: HashMap<String, Table>,
}

type Verdict = Result<(), String>;

impl Oracle {
    /// From the rules of one subject.
    pub fn new(catalog: &Catalog, view: &SubjectView) -> Self {
        let mut oracle = Self { tables: HashMap::new() };
        for relation in catalog.relations().filter(|relation| view.protects(relation.oid)) {
            let mut table = Table { columns: HashSet::new(), masks: HashMap::new() };
            for column in &relation.columns {
                let rules = view.relations.get(&relation.oid).and_then(|rules| rules.columns.get(&column.attnum));
                match rules.map(|rule| &rule.effect) {
                    Some(Effect::Deny) => {
                        table.columns.insert(column.name.to_string());
                    }
                    Some(Effect::Mask(mask)) => {
                        table.columns.insert(column.name.to_string());
                        table.masks.insert(column.name.to_string(), Arc::clone(mask));
                    }
                    Some(Effect::Allow) | None => {}
                }
            }
            oracle.tables.insert(relation.name.to_string(), table);
        }
        assert!(oracle.tables.len() >= 2, "the policy protects too little to prove anything");
        oracle
    }

    /// Accounts for everything in a text, or says what is wrong with it.
    pub fn judge(&self, original: &str, sent: &str) -> Verdict {
        let before = parse(original).map_err(|error| format!("the original does not parse: {error}"))?;
        let after = parse(sent).map_err(|error| format!("it does not parse: {error}"))?;
        if before.iter().count() != after.iter().count() {
            return Err("the number of statements changed".to_owned());
        }
        after.iter().try_for_each(|raw| self.statement(sent, raw.stmt()))
    }

    fn statement(&self, text: &str, node: Node<'_>) -> Verdict {
        match node {
            Node::SelectStmt(_)
            | Node::InsertStmt(_)
            | Node::UpdateStmt(_)
            | Node::DeleteStmt(_)
            | Node::MergeStmt(_) => self.query(text, node),
            Node::PrepareStmt(prepare) => self.query(text, prepare.query()),
            Node::DeclareCursorStmt(declare) => self.query(text, declare.query()),
            Node::ExplainStmt(explain) => {
                let mut names = Vec::new();
                walk_manual::<()>(explain.query(), |node| {
                    if let Node::RangeVar(relation) = node {
                        names.push(relation.relname().unwrap_or_default().to_owned());
                    }
                    Recurse::yes()
                });
                match names.iter().find(|name| self.tables.contains_key(*name)) {
                    Some(name) => Err(format!("a plan over {name}")),
                    None => self.query(text, explain.query()),
                }
            }
            Node::CopyStmt(copy) => {
                if copy.is_program || copy.filename().is_some() {
                    return Err("COPY with a file".to_owned());
                }
                match copy.relation() {
                    Some(relation) if relation.schemaname().is_none() => Err("COPY without a schema".to_owned()),
                    Some(relation) if !copy.is_from && self.protects(relation) => Err("COPY of a table".to_owned()),
                    Some(_) => Ok(()),
                    None => self.query(text, copy.query()),
                }
            }
            Node::VariableSetStmt(set) => {
                let name = set.name().unwrap_or_default().to_ascii_lowercase();
                // In words it sets only what is harmless; that is looked at where a call sets it.
                if name == "session_authorization" { Err(format!("sets {name}")) } else { Ok(()) }
            }
            Node::ExecuteStmt(execute) => {
                execute.params().iter().try_for_each(|argument| self.expressions(text, argument, &Place::default()))
            }
            Node::CreateTableAsStmt(create) => {
                if !create.into().is_some_and(|into| is_temporary(into.rel())) {
                    return Err("a table that stays".to_owned());
                }
                match create.query() {
                    Node::ExecuteStmt(_) => Ok(()),
                    query => self.query(text, query),
                }
            }
            // A lock shows nothing, and what is told to others stands in the text.
            Node::LockStmt(_) | Node::NotifyStmt(_) => Ok(()),
            Node::DeallocateStmt(_)
            | Node::FetchStmt(_)
            | Node::ClosePortalStmt(_)
            | Node::TransactionStmt(_)
            | Node::VariableShowStmt(_)
            | Node::DiscardStmt(_)
            | Node::ConstraintsSetStmt(_)
            | Node::UnlistenStmt(_) => Ok(()),
            other => Err(format!("a statement of another kind: {other:?}").chars().take(200).collect()),
        }
    }

    fn query(&self, text: &str, node: Node<'_>) -> Verdict {
        self.step(text, node, &Place::default())
    }

    /// A node that may open a scope, and all below it.
    fn step<'a>(&self, text: &str, node: Node<'a>, outer: &Place<'a>) -> Verdict {
        let mut place = outer.clone();
        let with = match node {
            Node::SelectStmt(select) => select.with_clause(),
            Node::InsertStmt(insert) => insert.with_clause(),
            Node::UpdateStmt(update) => update.with_clause(),
            Node::DeleteStmt(delete) => delete.with_clause(),
            Node::MergeStmt(merge) => merge.with_clause(),
            other => return Err(format!("an unexpected statement: {other:?}").chars().take(200).collect()),
        };
        if let Some(with) = with {
            self.with(text, with, &mut place)?;
        }
        let target = match node {
            Node::InsertStmt(insert) => insert.relation(),
            Node::UpdateStmt(update) => update.relation(),
            Node::DeleteStmt(delete) => delete.relation(),
            Node::MergeStmt(merge) => merge.relation(),
            _ => None,
        };
        if let Some(target) = target {
            if target.schemaname() != Some("public") {
                return Err("a target without its schema".to_owned());
            }
            place.seen.insert(target.location);
            place.targets.push(target);
        }
        place.wrapper = false;
        place.query = matches!(node, Node::SelectStmt(_));
        if let Node::SelectStmt(select) = node {
            if let Some(into) = select.into_clause() {
                if !is_temporary(into.rel()) {
                    return Err("SELECT INTO a table that stays".to_owned());
                }
                place.seen.extend(into.rel().map(|relation| relation.location));
            }
            place.wrapper = self.is_wrapper(text, select)?;
            self.denied_outputs(select)?;
        }
        self.below(text, node, &place)
    }

    fn with<'a>(&self, text: &str, with: &'a WithClause, place: &mut Place<'a>) -> Verdict {
        let mut inside = place.clone();
        if with.recursive {
            inside.names.extend(with.ctes().iter().filter_map(|cte| cte.ctename()));
        }
        for cte in with.ctes() {
            self.step(text, cte.ctequery(), &inside)?;
            inside.names.extend(cte.ctename());
        }
        place.names = inside.names;
        Ok(())
    }

    fn expressions<'a>(&self, text: &str, node: Node<'a>, place: &Place<'a>) -> Verdict {
        self.node(text, node, place)?;
        self.below(text, node, place)
    }

    fn below<'a>(&self, text: &str, node: Node<'a>, place: &Place<'a>) -> Verdict {
        let failed = walk_manual(node, |child| {
            let (outcome, recurse) = match child {
                // Walked with their own scopes; names of locks are aliases.
                Node::WithClause(_) | Node::LockingClause(_) => (Ok(()), false),
                Node::SelectStmt(_)
                | Node::InsertStmt(_)
                | Node::UpdateStmt(_)
                | Node::DeleteStmt(_)
                | Node::MergeStmt(_) => (self.step(text, child, place), false),
                other => (self.node(text, other, place), true),
            };
            match outcome {
                Err(why) => std::ops::ControlFlow::Break(why),
                Ok(()) => Recurse::recurse_if(recurse),
            }
        });
        failed.map_or(Ok(()), Err)
    }

    fn node<'a>(&self, text: &str, node: Node<'a>, place: &Place<'a>) -> Verdict {
        match node {
            Node::RangeVar(relation) => self.relation(relation, place),
            Node::ColumnRef(column) => self.column(text, column, place),
            Node::FuncCall(call) => {
                let names: Vec<&str> = call.funcname().iter().filter_map(|name| name.as_str()).collect();
                match names.as_slice() {
                    ["pg_catalog", "set_config"] => set_by_call(call),
                    ["pg_catalog", name] if !NEVER.contains(name) => Ok(()),
                    // With several arguments it is a construct of FROM, and has no schema.
                    ["unnest"] => Ok(()),
                    other => Err(format!("calls {}", other.join("."))),
                }
            }
            Node::A_Expr(operation) => {
                let names: Vec<&str> = operation.name().iter().filter_map(|name| name.as_str()).collect();
                match names.as_slice() {
                    [_] | ["pg_catalog", _] => Ok(()),
                    other => Err(format!("operator {}", other.join("."))),
                }
            }
            _ => Ok(()),
        }
    }

    fn protects(&self, relation: &RangeVar) -> bool {
        relation.relname().is_some_and(|name| self.tables.contains_key(name))
    }

    fn relation(&self, relation: &RangeVar, place: &Place<'_>) -> Verdict {
        let name = relation.relname().unwrap_or_default();
        match relation.schemaname() {
            None if place.names.contains(&name) || place.seen.contains(&relation.location) => Ok(()),
            None => Err(format!("{name} has no schema")),
            Some("public") if !self.protects(relation) => Ok(()),
            Some("public") if place.wrapper || place.seen.contains(&relation.location) => Ok(()),
            Some(schema) => Err(format!("{schema}.{name} stands open")),
        }
    }

    /// Whether a query is a projection of a protected table and nothing else; an error if it reads one otherwise.
    fn is_wrapper(&self, text: &str, select: &SelectStmt) -> Result<bool, String> {
        let mut from = select.from_clause().iter();
        let (Some(only), None) = (from.next(), from.next()) else { return Ok(false) };
        let Some(relation) = projected_relation(only) else { return Ok(false) };
        let Some(table) = relation.relname().and_then(|name| self.tables.get(name)) else { return Ok(false) };
        if relation.schemaname().is_none() {
            return Ok(false);
        }
        let bare = matches!(select.where_clause(), Node::None)
            && matches!(select.having_clause(), Node::None)
            && matches!(select.limit_count(), Node::None)
            && matches!(select.limit_offset(), Node::None)
            && select.group_clause().is_empty()
            && select.sort_clause().is_empty()
            && select.distinct_clause().is_empty()
            && select.locking_clause().is_empty()
            && select.window_clause().is_empty()
            && select.with_clause().is_none()
            && relation.alias().is_none();
        if !bare || select.target_list().is_empty() {
            return Err("a protected table in a query of its own".to_owned());
        }
        for target in select.target_list() {
            self.projected(text, table, target)?;
        }
        Ok(true)
    }

    /// A denied column of the only table in FROM is refused by us, not looked for by the server.
    fn denied_outputs(&self, select: &SelectStmt) -> Verdict {
        let mut from = select.from_clause().iter();
        let (Some(Node::RangeSubselect(inner)), None) = (from.next(), from.next()) else { return Ok(()) };
        let (Node::SelectStmt(projection), Some(alias)) = (inner.subquery(), inner.alias()) else { return Ok(()) };
        let Some(relation) = projection.from_clause().iter().next().and_then(projected_relation) else { return Ok(()) };
        let Some(table) = relation.relname().and_then(|name| self.tables.get(name)) else { return Ok(()) };
        if !alias.colnames().is_empty() || relation.schemaname().is_none() {
            return Ok(());
        }
        for target in select.target_list() {
            let Node::ColumnRef(column) = target.val() else { continue };
            let fields: Vec<Option<&str>> = column.fields().iter().map(|field| field.as_str()).collect();
            let [Some(name)] = fields.as_slice() else { continue };
            // A bare name may also be the alias.
            let closed = table.columns.contains(*name) && !table.masks.contains_key(*name);
            if closed && alias.aliasname() != Some(name) {
                return Err(format!("names {name}"));
            }
        }
        Ok(())
    }

    /// An entry of a projection: a column that is clear, or the mask of the column whose name it gives.
    fn projected(&self, text: &str, table: &Table, target: &ResTarget) -> Verdict {
        if let Node::ColumnRef(column) = target.val() {
            let fields: Vec<Option<&str>> = column.fields().iter().map(|field| field.as_str()).collect();
            return match fields.as_slice() {
                [Some(name)] if !table.columns.contains(*name) => Ok(()),
                _ => Err("a projection shows a protected column".to_owned()),
            };
        }
        let name = target.name().unwrap_or_default();
        let expected = table.masks.get(name).map(|mask| mask.render(&format!("\"{name}\"")));
        let written = usize::try_from(target.location).ok().and_then(|at| text.get(at..)).unwrap_or_default();
        match expected {
            Some(expected) if written.starts_with(&format!("{expected} AS \"{name}\"")) => Ok(()),
            _ => Err(format!("a projection shows {name} without its mask")),
        }
    }

    fn column(&self, text: &str, column: &ColumnRef, place: &Place<'_>) -> Verdict {
        let fields: Vec<Option<&str>> = column.fields().iter().map(|field| field.as_str()).collect();
        if place.wrapper {
            return Ok(());
        }
        let last = fields.last().copied().flatten();
        let qualifier = fields.len().checked_sub(2).and_then(|at| fields[at]);
        for target in place.targets.iter().filter(|target| self.protects(target)) {
            let visible = target.alias().and_then(|alias| alias.aliasname()).or(target.relname()).unwrap_or_default();
            let is_row = |name: &str| name == visible || ["excluded", "old", "new"].contains(&name);
            let names_target = qualifier.is_none_or(is_row);
            if !names_target {
                continue;
            }
            if last.is_none() && qualifier.is_none() && place.query {
                continue;
            }
            let Some(name) = last else { return Err("a star over the target of a change".to_owned()) };
            if fields.len() == 1 && is_row(name) {
                return Err("the row of the target of a change".to_owned());
            }
            let table = &self.tables[target.relname().unwrap_or_default()];
            if table.columns.contains(name)
                && !stands_in_mask(text, column, name, table.masks.get(name).map(|mask| &**mask))
            {
                return Err(format!("{name} of the target of a change without its mask"));
            }
        }
        Ok(())
    }
}

/// `set_config` with a setting that is known before it runs, and that is none of the dangerous ones.
fn set_by_call(call: &FuncCall) -> Verdict {
    let Some(Node::A_Const(constant)) = call.args().first() else { return Err("sets what is computed".to_owned()) };
    let name = constant.val().and_then(|value| value.string_value().map(str::to_ascii_lowercase)).unwrap_or_default();
    if name.is_empty() || NEVER_SET.contains(&name.as_str()) { Err(format!("sets {name}")) } else { Ok(()) }
}

/// The relation that a projection is of; a sample of it may be taken by constants.
fn projected_relation(from: Node<'_>) -> Option<&RangeVar> {
    match from {
        Node::RangeVar(relation) => Some(relation),
        Node::RangeTableSample(sample) => match sample.relation() {
            Node::RangeVar(relation) => {
                let constant = |node: Node<'_>| matches!(node, Node::None | Node::A_Const(_) | Node::ParamRef(_));
                let plain = sample.args().iter().all(constant) && constant(sample.repeatable());
                plain.then_some(relation)
            }
            _ => None,
        },
        _ => None,
    }
}

/// A table that nobody else sees and that ends with the session.
fn is_temporary(relation: Option<&RangeVar>) -> bool {
    relation.is_some_and(|relation| u8::try_from(relation.relpersistence) == Ok(b't'))
}

/// The reference is part of the mask's expression over itself.
fn stands_in_mask(text: &str, column: &ColumnRef, name: &str, mask: Option<&MaskExpression>) -> bool {
    let (Some(mask), Ok(at)) = (mask, usize::try_from(column.location)) else { return false };
    let quoted = format!("\"{name}\"");
    let Some(rest) = text.get(at..) else { return false };
    // The alias before it may be of the same name.
    rest.match_indices(&quoted).take(2).any(|(length, _)| {
        let rendered = mask.render(&rest[..length + quoted.len()]);
        text.match_indices(&rendered).any(|(start, found)| (start..start + found.len()).contains(&at))
    })
}

/// Where a node stands.
#[derive(Clone, Default)]
struct Place<'a> {
    /// Common table expressions in scope.
    names: Vec<&'a str>,
    /// Targets of the changes around it.
    targets: Vec<&'a RangeVar>,
    /// Places of those targets.
    seen: HashSet<i32>,
    /// Directly in a projection.
    wrapper: bool,
    /// In a query, whose stars are about its own FROM.
    query: bool,
}

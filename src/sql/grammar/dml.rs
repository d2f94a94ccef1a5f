//! INSERT, UPDATE, DELETE, MERGE.

use pg_raw_parse::Node;
use pg_raw_parse::list::NodeList;
use pg_raw_parse::nodes::{
    DeleteStmt, InsertStmt, MergeStmt, MergeWhenClause, OnConflictClause, RangeVar, ResTarget, ReturningClause,
    UpdateStmt, WithClause,
};
use pg_raw_parse::raw::{CmdType, MergeMatchKind, ReturningOptionKind};

use super::places::Places;
use super::query::{items, optional, query, with};
use super::{Lowered, Unsupported, expr, from};
use crate::sql::tree::{
    Body, Conflict, Dml, Expr, Item, MergeAction, MergeRows, MergeWhen, Name, Path, Query, RowNames, Verb,
};

pub(super) fn statement(places: &Places<'_>, node: Node<'_>) -> Lowered<Query> {
    match node {
        Node::InsertStmt(found) => with_list(places, found.with_clause(), insert(places, found)?),
        Node::UpdateStmt(found) => with_list(places, found.with_clause(), update(places, found)?),
        Node::DeleteStmt(found) => with_list(places, found.with_clause(), delete(places, found)?),
        Node::MergeStmt(found) => with_list(places, found.with_clause(), merge(places, found)?),
        _ => Err(Unsupported("statement of another kind")),
    }
}

fn with_list(places: &Places<'_>, list: Option<&WithClause>, dml: Dml) -> Lowered<Query> {
    let (recursive, ctes) = with(places, list)?;
    Ok(Query {
        recursive,
        ctes,
        body: Body::Dml(Box::new(dml)),
        order_by: Vec::new(),
        limits: Vec::new(),
        locks: false,
    })
}

/// The relation that is written to, and its alias.
fn target(places: &Places<'_>, relation: Option<&RangeVar>) -> Lowered<(Path, Option<Name>)> {
    let relation = relation.ok_or(Unsupported("change without a target"))?;
    let (path, after) = places.relation(relation)?;
    let after = places.after_decoration(after, places.at(relation.location)?);
    match relation.alias().map(|alias| places.alias(after, alias)).transpose()? {
        None => Ok((path, None)),
        Some((alias, _)) if alias.columns.is_empty() => Ok((path, Some(alias.name))),
        Some(_) => Err(Unsupported("target with a column list")),
    }
}

/// Columns that get a value, and what their subscripts read.
fn assigned<'a>(places: &Places<'_>, targets: impl Iterator<Item = &'a ResTarget>) -> Lowered<(Vec<Name>, Vec<Expr>)> {
    let mut columns = Vec::new();
    let mut values = Vec::new();
    for target in targets {
        columns.push(places.name_at(target.location, target.name())?);
        values.extend(expr::subscripts(places, target.indirection())?);
        values.push(expr::expr(places, target.val())?);
    }
    Ok((columns, values))
}

fn res_targets(list: &NodeList) -> Lowered<Vec<&ResTarget>> {
    list.iter()
        .map(|node| match node {
            Node::ResTarget(target) => Ok(target),
            _ => Err(Unsupported("assignment of another kind")),
        })
        .collect()
}

fn returning(places: &Places<'_>, clause: Option<&ReturningClause>) -> Lowered<(RowNames, Vec<Item>)> {
    let mut names = RowNames::default();
    let Some(clause) = clause else { return Ok((names, Vec::new())) };
    for option in clause.options() {
        let name = option.value().map(|name| places.unplaced(name));
        match option.option {
            ReturningOptionKind::RETURNING_OPTION_OLD => names.old = name,
            ReturningOptionKind::RETURNING_OPTION_NEW => names.new = name,
            _ => return Err(Unsupported("RETURNING WITH")),
        }
    }
    let targets = res_targets(clause.exprs())?;
    Ok((names, items(places, targets.into_iter())?))
}

fn insert(places: &Places<'_>, insert: &InsertStmt) -> Lowered<Dml> {
    let (target, alias) = target(places, insert.relation())?;
    let (columns, subscripts) = assigned(places, res_targets(insert.cols())?.into_iter())?;
    let source = match insert.select_stmt() {
        Node::None => None,
        Node::SelectStmt(select) if select.into_clause().is_none() => Some(query(places, select)?),
        _ => return Err(Unsupported("INSERT of another kind")),
    };
    let (rows, returning) = returning(places, insert.returning_clause())?;
    Ok(Dml {
        columns,
        source,
        values: subscripts,
        conflict: insert.on_conflict_clause().map(|clause| conflict(places, clause)).transpose()?,
        rows,
        returning,
        ..Dml::new(Verb::Insert, target, alias)
    })
}

fn conflict(places: &Places<'_>, clause: &OnConflictClause) -> Lowered<Conflict> {
    let mut target = Vec::new();
    let mut arbiters = Vec::new();
    if let Some(infer) = clause.infer() {
        for element in infer.index_elems() {
            let Node::IndexElem(element) = element else { return Err(Unsupported("conflict target")) };
            match element.name() {
                Some(name) => target.push(places.unplaced(name)),
                None => arbiters.push(expr::expr(places, element.expr())?),
            }
        }
        arbiters.extend(optional(places, infer.where_clause())?);
    }
    let (columns, values) = assigned(places, clause.target_list().iter())?;
    Ok(Conflict { target, arbiters, columns, values, selection: optional(places, clause.where_clause())? })
}

fn update(places: &Places<'_>, update: &UpdateStmt) -> Lowered<Dml> {
    let (target, alias) = target(places, update.relation())?;
    let (columns, values) = assigned(places, update.target_list().iter())?;
    let (rows, returning) = returning(places, update.returning_clause())?;
    Ok(Dml {
        columns,
        values,
        from: from::sources(places, update.from_clause())?,
        selection: optional(places, update.where_clause())?,
        rows,
        returning,
        ..Dml::new(Verb::Update, target, alias)
    })
}

fn delete(places: &Places<'_>, delete: &DeleteStmt) -> Lowered<Dml> {
    let (target, alias) = target(places, delete.relation())?;
    let (rows, returning) = returning(places, delete.returning_clause())?;
    Ok(Dml {
        from: from::sources(places, delete.using_clause())?,
        selection: optional(places, delete.where_clause())?,
        rows,
        returning,
        ..Dml::new(Verb::Delete, target, alias)
    })
}

fn merge(places: &Places<'_>, merge: &MergeStmt) -> Lowered<Dml> {
    let (target, alias) = target(places, merge.relation())?;
    let (rows, returning) = returning(places, merge.returning_clause())?;
    Ok(Dml {
        from: vec![from::source(places, merge.source_relation())?],
        selection: optional(places, merge.join_condition())?,
        merge: merge.merge_when_clauses().iter().map(|clause| when(places, clause)).collect::<Lowered<_>>()?,
        rows,
        returning,
        ..Dml::new(Verb::Merge, target, alias)
    })
}

fn when(places: &Places<'_>, clause: &MergeWhenClause) -> Lowered<MergeWhen> {
    let sees = match clause.match_kind {
        MergeMatchKind::MERGE_WHEN_MATCHED => MergeRows::Both,
        MergeMatchKind::MERGE_WHEN_NOT_MATCHED_BY_SOURCE => MergeRows::Target,
        MergeMatchKind::MERGE_WHEN_NOT_MATCHED_BY_TARGET => MergeRows::Source,
        _ => return Err(Unsupported("WHEN of another kind")),
    };
    let action = match clause.command_type {
        CmdType::CMD_UPDATE => MergeAction::Update,
        CmdType::CMD_INSERT => MergeAction::Insert,
        CmdType::CMD_DELETE => MergeAction::Delete,
        CmdType::CMD_NOTHING => MergeAction::Nothing,
        _ => return Err(Unsupported("action of another kind")),
    };
    let (columns, mut values) = assigned(places, res_targets(clause.target_list())?.into_iter())?;
    let given = expr::list(places, clause.values())?;
    // INSERT without a column list fills the first columns; DEFAULT VALUES fills none.
    let width = (action == MergeAction::Insert && columns.is_empty()).then_some(given.len());
    values.extend(given);
    Ok(MergeWhen { sees, action, condition: optional(places, clause.condition())?, columns, values, width })
}

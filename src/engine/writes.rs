//! What a governed session may write: only what the policy lists.

use super::decide::Case;
use super::objection::Objection;
use super::retired;
use super::rewrite::targets;
use crate::model::catalog::{ColumnId, Relation, RelationKind};
use crate::model::ident::display_name;
use crate::sql::access::{Clause, RelationIndex, RelationRef, Role};
use crate::sql::tree::Verb;

/// Every write of the statement is listed.
pub(super) fn admit(case: &Case<'_>) -> Result<(), Objection> {
    for (index, mention) in targets(case) {
        let Some(relation) = case.relation(mention).filter(|relation| !relation.is_temporary()) else { continue };
        let start = mention.path.span().start;
        match relation.kind {
            // A view that the server writes through leads to one table; if it cannot, the server says so.
            RelationKind::Table
            | RelationKind::Partitioned
            | RelationKind::Foreign
            | RelationKind::View
            | RelationKind::MaterializedView
                if !relation.has_rules => {}
            _ => {
                return Err(Objection::denied_write(format!(
                    "writing through {}, which is not a plain table",
                    display_name(&relation.name)
                ))
                .at(start));
            }
        }
        target(case, index, mention, relation).map_err(|objection| objection.or_at(start))?;
    }
    Ok(())
}

fn target(case: &Case<'_>, index: RelationIndex, mention: &RelationRef, relation: &Relation) -> Result<(), Objection> {
    let verb = match mention.role {
        Role::Target(verb) => verb,
        Role::CopyFrom => Verb::Insert,
        Role::Source | Role::CopyTo => return Ok(()),
    };
    match verb {
        Verb::Delete => delete(case, index, relation),
        Verb::Update => columns(case, index, relation),
        Verb::Insert => insert(case, index, relation),
        Verb::Merge => {
            delete(case, index, relation)?;
            if inserts(case, index) { insert(case, index, relation) } else { columns(case, index, relation) }
        }
    }
}

fn delete(case: &Case<'_>, index: RelationIndex, relation: &Relation) -> Result<(), Objection> {
    if case.resolution.deletes.contains(&index) && !case.view.writes.delete.contains(&relation.oid) {
        return Err(Objection::denied_write(format!("DELETE on {}", display_name(&relation.name))));
    }
    Ok(())
}

/// Whether some clause of a MERGE inserts.
fn inserts(case: &Case<'_>, index: RelationIndex) -> bool {
    let resolution = case.resolution;
    resolution.implicit_inserts.iter().any(|insert| insert.relation == index)
        || resolution.columns.iter().any(|found| found.via == index && found.clause == Clause::Insert)
}

/// INSERT gives values to listed columns; ON CONFLICT DO UPDATE sets columns that UPDATE may set.
fn insert(case: &Case<'_>, index: RelationIndex, relation: &Relation) -> Result<(), Objection> {
    let writes = &case.view.writes;
    if !relation.columns.iter().any(|column| writes.insert.contains(&id(relation, column.attnum))) {
        return Err(Objection::denied_write(format!("INSERT into {}", display_name(&relation.name))));
    }
    for insert in case.resolution.implicit_inserts.iter().filter(|insert| insert.relation == index) {
        let shown = relation.columns.iter().filter(|column| !retired::is_gone(case.view, id(relation, column.attnum)));
        for column in shown.take(insert.width.unwrap_or(0)) {
            let others = retired::written_with(case.view, relation, column);
            for column in others.into_iter().chain([column]) {
                if !writes.insert.contains(&id(relation, column.attnum)) {
                    return Err(denied_column("INSERT", &column.name, relation));
                }
            }
        }
    }
    columns(case, index, relation)
}

/// Each column is listed for the way in which it is written.
fn columns(case: &Case<'_>, index: RelationIndex, relation: &Relation) -> Result<(), Objection> {
    for found in case.resolution.columns.iter().filter(|found| found.via == index) {
        let (listed, verb) = match found.clause {
            Clause::Insert => (&case.view.writes.insert, "INSERT"),
            Clause::Set => (&case.view.writes.update, "UPDATE"),
            Clause::Output | Clause::Filter | Clause::Join | Clause::OrderGroup | Clause::Returning => continue,
        };
        let Some(column) = relation.column_by_number(found.column.attnum) else { continue };
        // A value that goes to another column, too, is written there.
        for column in [column].into_iter().chain(retired::written_with(case.view, relation, column)) {
            if !listed.contains(&id(relation, column.attnum)) {
                return Err(denied_column(verb, &column.name, relation).at(found.path.span().start));
            }
        }
    }
    Ok(())
}

fn denied_column(verb: &str, column: &str, relation: &Relation) -> Objection {
    Objection::denied_write(format!(
        "{verb} of column {} of relation {}",
        display_name(column),
        display_name(&relation.name)
    ))
}

fn id(relation: &Relation, attnum: i16) -> ColumnId {
    ColumnId { relation: relation.oid, attnum }
}

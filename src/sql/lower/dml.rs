//! INSERT, UPDATE, DELETE.

use sqlparser::ast;

use super::{Lowered, Unsupported, absent, expr, from, name, names, path, plain_name, query};
use crate::sql::tree::{Conflict, Dml, From, Name, Path, Verb};

pub(super) fn dml(statement: &ast::Statement) -> Lowered<Dml> {
    match statement {
        ast::Statement::Insert(inner) => insert(inner),
        ast::Statement::Update(inner) => update(inner),
        ast::Statement::Delete(inner) => delete(inner),
        _ => Err(Unsupported("statement of another kind")),
    }
}

fn insert(insert: &ast::Insert) -> Lowered<Dml> {
    let ast::Insert {
        insert_token: _,
        optimizer_hints: _,
        or,
        ignore,
        into: _,
        table,
        table_alias,
        columns,
        overwrite,
        source,
        assignments,
        partitioned,
        after_columns,
        has_table_keyword,
        on,
        returning,
        output,
        replace_into,
        priority,
        insert_alias,
        settings,
        format_clause,
        multi_table_insert_type,
        multi_table_into_clauses,
        multi_table_when_clauses,
        multi_table_else_clause,
    } = insert;
    absent(or.is_none() && !ignore && !overwrite && !has_table_keyword && !replace_into, "foreign INSERT")?;
    absent(assignments.is_empty() && partitioned.is_none() && after_columns.is_empty(), "foreign INSERT")?;
    absent(output.is_none() && priority.is_none() && insert_alias.is_none(), "foreign INSERT")?;
    absent(settings.is_none() && format_clause.is_none() && multi_table_insert_type.is_none(), "foreign INSERT")?;
    absent(multi_table_into_clauses.is_empty() && multi_table_when_clauses.is_empty(), "foreign INSERT")?;
    absent(multi_table_else_clause.is_none(), "foreign INSERT")?;
    let target = match table {
        ast::TableObject::TableName(object) => path(object)?,
        ast::TableObject::TableFunction(_) | ast::TableObject::TableQuery(_) => {
            return Err(Unsupported("INSERT into an expression"));
        }
    };
    let alias = match table_alias {
        None => None,
        Some(ast::TableAliasWithoutColumns { explicit: _, alias }) => Some(name(alias)?),
    };
    Ok(Dml {
        columns: columns.iter().map(plain_name).collect::<Lowered<_>>()?,
        source: source.as_deref().map(query::query).transpose()?,
        conflict: on.as_ref().map(conflict).transpose()?,
        returning: query::returning(returning.as_deref())?,
        ..Dml::new(Verb::Insert, target, alias)
    })
}

fn conflict(on: &ast::OnInsert) -> Lowered<Conflict> {
    let ast::OnInsert::OnConflict(ast::OnConflict { conflict_target, action }) = on else {
        return Err(Unsupported("ON DUPLICATE KEY"));
    };
    let target = match conflict_target {
        None | Some(ast::ConflictTarget::OnConstraint(_)) => Vec::new(),
        Some(ast::ConflictTarget::Columns(columns)) => names(columns)?,
    };
    Ok(match action {
        ast::OnConflictAction::DoNothing => {
            Conflict { target, arbiters: Vec::new(), columns: Vec::new(), values: Vec::new(), selection: None }
        }
        ast::OnConflictAction::DoUpdate(ast::DoUpdate { assignments, selection }) => {
            let (columns, values) = assigned(assignments)?;
            let arbiters = Vec::new();
            Conflict { target, arbiters, columns, values, selection: selection.as_ref().map(expr::expr).transpose()? }
        }
    })
}

/// The columns on the left and the values on the right of SET.
fn assigned(assignments: &[ast::Assignment]) -> Lowered<(Vec<Name>, Vec<crate::sql::tree::Expr>)> {
    let mut columns = Vec::new();
    let mut values = Vec::new();
    for ast::Assignment { target, value } in assignments {
        match target {
            ast::AssignmentTarget::ColumnName(object) => columns.push(plain_name(object)?),
            ast::AssignmentTarget::Tuple(objects) => {
                columns.extend(objects.iter().map(plain_name).collect::<Lowered<Vec<_>>>()?);
            }
        }
        values.push(expr::expr(value)?);
    }
    Ok((columns, values))
}

fn update(update: &ast::Update) -> Lowered<Dml> {
    let ast::Update {
        update_token: _,
        optimizer_hints: _,
        table,
        assignments,
        from: sources,
        selection,
        returning,
        output,
        or,
        order_by,
        limit,
    } = update;
    absent(output.is_none() && or.is_none() && order_by.is_empty() && limit.is_none(), "foreign UPDATE")?;
    let (target, alias) = single_target(table)?;
    let (columns, values) = assigned(assignments)?;
    let sources = match sources {
        None => Vec::new(),
        Some(ast::UpdateTableFromKind::AfterSet(sources)) => joined(sources)?,
        Some(ast::UpdateTableFromKind::BeforeSet(_)) => return Err(Unsupported("foreign UPDATE")),
    };
    Ok(Dml {
        columns,
        values,
        from: sources,
        selection: selection.as_ref().map(expr::expr).transpose()?,
        returning: query::returning(returning.as_deref())?,
        ..Dml::new(Verb::Update, target, alias)
    })
}

fn delete(delete: &ast::Delete) -> Lowered<Dml> {
    let ast::Delete {
        delete_token: _,
        optimizer_hints: _,
        tables,
        from: target,
        using,
        selection,
        returning,
        output,
        order_by,
        limit,
    } = delete;
    absent(tables.is_empty() && output.is_none(), "foreign DELETE")?;
    absent(order_by.is_empty() && limit.is_none(), "foreign DELETE")?;
    let ast::FromTable::WithFromKeyword(targets) = target else {
        return Err(Unsupported("foreign DELETE"));
    };
    let [table] = targets.as_slice() else {
        return Err(Unsupported("foreign DELETE"));
    };
    let (target, alias) = single_target(table)?;
    Ok(Dml {
        from: using.as_deref().map_or_else(|| Ok(Vec::new()), joined)?,
        selection: selection.as_ref().map(expr::expr).transpose()?,
        returning: query::returning(returning.as_deref())?,
        ..Dml::new(Verb::Delete, target, alias)
    })
}

fn joined(sources: &[ast::TableWithJoins]) -> Lowered<Vec<From>> {
    sources.iter().map(from::table_with_joins).collect()
}

fn single_target(table: &ast::TableWithJoins) -> Lowered<(Path, Option<Name>)> {
    match from::table_with_joins(table)? {
        From::Relation { path, alias: None, sample: None } => Ok((path, None)),
        From::Relation { path, alias: Some(alias), sample: None } if alias.columns.is_empty() => {
            Ok((path, Some(alias.name)))
        }
        From::Relation { .. } | From::Derived { .. } | From::Function { .. } | From::Join { .. } => {
            Err(Unsupported("target that is not a relation"))
        }
    }
}

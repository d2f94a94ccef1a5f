//! Queries: WITH, set operations, SELECT.

use sqlparser::ast;

use super::{Lowered, Unsupported, absent, dml, expr, from, name};
use crate::sql::tree::{Body, Cte, Distinct, Expr, Item, Name, Query, Select};

pub(super) fn query(query: &ast::Query) -> Lowered<Query> {
    let ast::Query {
        with,
        body: set_expr,
        order_by,
        limit_clause,
        fetch,
        locks,
        for_clause,
        settings,
        format_clause,
        pipe_operators,
    } = query;
    absent(for_clause.is_none(), "FOR XML or JSON")?;
    absent(settings.is_none() && format_clause.is_none(), "SETTINGS or FORMAT")?;
    absent(pipe_operators.is_empty(), "pipe operators")?;
    let (recursive, ctes) = match with {
        None => (false, Vec::new()),
        Some(ast::With { with_token: _, recursive, cte_tables }) => {
            (*recursive, cte_tables.iter().map(cte).collect::<Lowered<_>>()?)
        }
    };
    let mut limits = limit_expressions(limit_clause.as_ref())?;
    if let Some(ast::Fetch { with_ties: _, percent, quantity }) = fetch {
        absent(!percent, "FETCH PERCENT")?;
        limits.extend(quantity.iter().map(expr::expr).collect::<Lowered<Vec<_>>>()?);
    }
    Ok(Query {
        recursive,
        ctes,
        body: body(set_expr)?,
        order_by: order_by.as_ref().map_or_else(|| Ok(Vec::new()), order_by_clause)?,
        limits,
        locks: !locks.is_empty(),
    })
}

fn cte(cte: &ast::Cte) -> Lowered<Cte> {
    let ast::Cte { alias, query: inner, from, materialized: _, closing_paren_token: _ } = cte;
    absent(from.is_none(), "CTE with FROM")?;
    let alias = from::alias(alias)?;
    Ok(Cte { name: alias.name, columns: alias.columns, query: query(inner)?, derived: Vec::new() })
}

fn limit_expressions(clause: Option<&ast::LimitClause>) -> Lowered<Vec<Expr>> {
    match clause {
        None => Ok(Vec::new()),
        Some(ast::LimitClause::LimitOffset { limit, offset, limit_by }) => {
            absent(limit_by.is_empty(), "LIMIT BY")?;
            let offset = offset.as_ref().map(|ast::Offset { value, rows: _ }| value);
            limit.iter().chain(offset).map(expr::expr).collect()
        }
        Some(ast::LimitClause::OffsetCommaLimit { .. }) => Err(Unsupported("LIMIT a, b")),
    }
}

fn order_by_clause(clause: &ast::OrderBy) -> Lowered<Vec<Expr>> {
    let ast::OrderBy { kind, interpolate } = clause;
    absent(interpolate.is_none(), "INTERPOLATE")?;
    match kind {
        ast::OrderByKind::All(_) => Err(Unsupported("ORDER BY ALL")),
        ast::OrderByKind::Expressions(list) => order_by_list(list),
    }
}

pub(super) fn order_by_list(list: &[ast::OrderByExpr]) -> Lowered<Vec<Expr>> {
    list.iter()
        .map(|ast::OrderByExpr { expr: inner, options: ast::OrderByOptions { sort: _, nulls_first: _ }, with_fill }| {
            absent(with_fill.is_none(), "WITH FILL")?;
            expr::expr(inner)
        })
        .collect()
}

fn body(set_expr: &ast::SetExpr) -> Lowered<Body> {
    Ok(match set_expr {
        ast::SetExpr::Select(inner) => Body::Select(Box::new(select(inner)?)),
        ast::SetExpr::Query(inner) => Body::Nested(Box::new(query(inner)?)),
        ast::SetExpr::SetOperation { left, op, set_quantifier, right } => Body::SetOperation {
            left: Box::new(body(left)?),
            right: Box::new(body(right)?),
            union_all: union_all(*op, *set_quantifier)?,
        },
        ast::SetExpr::Values(ast::Values { explicit_row, value_keyword, rows }) => {
            absent(!explicit_row && !value_keyword, "VALUE or ROW lists")?;
            Body::Values(
                rows.iter()
                    .map(|ast::Parens { opening_token: _, content, closing_token: _ }| expr::list(content))
                    .collect::<Lowered<_>>()?,
            )
        }
        ast::SetExpr::Insert(inner) | ast::SetExpr::Update(inner) | ast::SetExpr::Delete(inner) => {
            Body::Dml(Box::new(dml::dml(inner)?))
        }
        ast::SetExpr::Merge(_) => return Err(Unsupported("MERGE")),
        ast::SetExpr::Table(_) => return Err(Unsupported("TABLE")),
    })
}

fn union_all(op: ast::SetOperator, quantifier: ast::SetQuantifier) -> Lowered<bool> {
    let all = match quantifier {
        ast::SetQuantifier::All => true,
        ast::SetQuantifier::Distinct | ast::SetQuantifier::None => false,
        ast::SetQuantifier::ByName | ast::SetQuantifier::AllByName | ast::SetQuantifier::DistinctByName => {
            return Err(Unsupported("BY NAME"));
        }
    };
    match op {
        ast::SetOperator::Union => Ok(all),
        ast::SetOperator::Except | ast::SetOperator::Intersect => Ok(false),
        ast::SetOperator::Minus => Err(Unsupported("MINUS")),
    }
}

fn select(select: &ast::Select) -> Lowered<Select> {
    let ast::Select {
        select_token: _,
        optimizer_hints: _,
        distinct,
        select_modifiers,
        top,
        top_before_distinct: _,
        projection,
        exclude,
        into,
        from: tables,
        lateral_views,
        prewhere,
        selection,
        connect_by,
        group_by,
        cluster_by,
        distribute_by,
        sort_by,
        having,
        named_window,
        qualify,
        window_before_qualify: _,
        value_table_mode,
        flavor,
    } = select;
    absent(select_modifiers.is_none() && top.is_none() && exclude.is_none(), "select modifiers")?;
    absent(into.is_none(), "SELECT INTO")?;
    absent(lateral_views.is_empty() && prewhere.is_none() && connect_by.is_empty(), "foreign clauses")?;
    absent(cluster_by.is_empty() && distribute_by.is_empty() && sort_by.is_empty(), "foreign sorting")?;
    absent(qualify.is_none() && value_table_mode.is_none(), "QUALIFY")?;
    match flavor {
        ast::SelectFlavor::Standard => {}
        ast::SelectFlavor::FromFirst | ast::SelectFlavor::FromFirstNoSelect => return Err(Unsupported("FROM first")),
    }
    let (group_by, grouping_sets) = group_by_clause(group_by)?;
    let mut windows = Vec::new();
    for ast::NamedWindowDefinition(_, definition) in named_window {
        match definition {
            ast::NamedWindowExpr::NamedWindow(_) => {}
            ast::NamedWindowExpr::WindowSpec(spec) => windows.extend(expr::window(spec)?),
        }
    }
    Ok(Select {
        distinct: distinct_clause(distinct.as_ref())?,
        items: items(projection)?,
        from: tables.iter().map(from::table_with_joins).collect::<Lowered<_>>()?,
        selection: selection.as_ref().map(expr::expr).transpose()?,
        group_by,
        grouping_sets,
        having: having.as_ref().map(expr::expr).transpose()?,
        windows,
    })
}

fn distinct_clause(distinct: Option<&ast::Distinct>) -> Lowered<Distinct> {
    Ok(match distinct {
        None | Some(ast::Distinct::All) => Distinct::No,
        Some(ast::Distinct::Distinct) => Distinct::Row,
        Some(ast::Distinct::On(list)) => Distinct::On(expr::list(list)?),
    })
}

/// The expressions of GROUP BY, and whether they form grouping sets.
fn group_by_clause(clause: &ast::GroupByExpr) -> Lowered<(Vec<Expr>, bool)> {
    let ast::GroupByExpr::Expressions(list, modifiers) = clause else {
        return Err(Unsupported("GROUP BY ALL"));
    };
    absent(modifiers.is_empty(), "GROUP BY … WITH")?;
    let mut flat = Vec::new();
    let mut sets = false;
    for entry in list {
        match entry {
            ast::Expr::GroupingSets(groups) | ast::Expr::Cube(groups) | ast::Expr::Rollup(groups) => {
                sets = true;
                for group in groups {
                    flat.extend(expr::list(group)?);
                }
            }
            other => flat.push(expr::expr(other)?),
        }
    }
    Ok((flat, sets))
}

/// RETURNING: a mask takes the place of the column there, so the name that an expression takes from a column must be
/// known, and this tree does not say where such an expression ends.
pub(super) fn returning(list: Option<&[ast::SelectItem]>) -> Lowered<Vec<Item>> {
    let list = list.unwrap_or_default();
    for item in list {
        if let ast::SelectItem::UnnamedExpr(inner) = item {
            let plain = matches!(
                inner,
                ast::Expr::Identifier(_)
                    | ast::Expr::CompoundIdentifier(_)
                    | ast::Expr::Value(_)
                    | ast::Expr::BinaryOp { .. }
                    | ast::Expr::Function(_)
            );
            absent(plain, "RETURNING of an expression that may have the name of a column")?;
        }
    }
    items(list)
}

pub(super) fn items(list: &[ast::SelectItem]) -> Lowered<Vec<Item>> {
    list.iter().map(item).collect()
}

fn item(item: &ast::SelectItem) -> Lowered<Item> {
    Ok(match item {
        ast::SelectItem::UnnamedExpr(ast::Expr::Nested(inner)) => {
            // A name behind the column would stand inside the parentheses.
            Item::Expr { expr: Expr::Combined(vec![expr::expr(inner)?]), alias: None, inherits: None }
        }
        ast::SelectItem::UnnamedExpr(inner) => Item::Expr { expr: expr::expr(inner)?, alias: None, inherits: None },
        ast::SelectItem::ExprWithAlias { expr: inner, alias } => {
            Item::Expr { expr: expr::expr(inner)?, alias: Some(name(alias)?), inherits: None }
        }
        ast::SelectItem::ExprWithAliases { .. } => return Err(Unsupported("several aliases")),
        ast::SelectItem::Wildcard(options) => Item::Star(wildcard(options)?),
        ast::SelectItem::QualifiedWildcard(kind, options) => {
            let star = wildcard(options)?;
            match kind {
                ast::SelectItemQualifiedWildcardKind::ObjectName(object) => {
                    let path = super::path(object)?;
                    Item::QualifiedStar { span: path.span().to(star), path }
                }
                ast::SelectItemQualifiedWildcardKind::Expr(inner) => Item::ExprStar(expr::expr(inner)?),
            }
        }
    })
}

fn wildcard(options: &ast::WildcardAdditionalOptions) -> Lowered<crate::sql::tree::Span> {
    let ast::WildcardAdditionalOptions {
        wildcard_token,
        opt_ilike,
        opt_exclude,
        opt_except,
        opt_replace,
        opt_rename,
        opt_alias,
    } = options;
    absent(opt_ilike.is_none() && opt_exclude.is_none() && opt_except.is_none(), "star with options")?;
    absent(opt_replace.is_none() && opt_rename.is_none() && opt_alias.is_none(), "star with options")?;
    super::span(wildcard_token.0.span)
}

/// The names of an alias's column list. One with types defines the columns of a function.
pub(super) fn alias_columns(columns: &[ast::TableAliasColumnDef]) -> Lowered<Vec<Name>> {
    columns
        .iter()
        .map(|ast::TableAliasColumnDef { name: column, data_type }| {
            absent(data_type.is_none(), "a column list with types")?;
            name(column)
        })
        .collect()
}

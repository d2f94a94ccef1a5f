//! Queries: WITH, set operations, SELECT.

use pg_raw_parse::Node;
use pg_raw_parse::list::{CastNodeList, NodeList};
use pg_raw_parse::nodes::{CommonTableExpr, RangeVar, ResTarget, SelectStmt, SortBy, WithClause};
use pg_raw_parse::raw::{GroupingSetKind, SetOperation};

use super::places::{Places, fields, strings};
use super::{Lowered, Unsupported, expr, from, query_of};
use crate::model::ident::Ident;
use crate::sql::tree::{Body, Cte, DerivedColumn, Distinct, Expr, InheritedName, Item, Query, Select};

pub(super) fn query(places: &Places<'_>, select: &SelectStmt) -> Lowered<Query> {
    let (recursive, ctes) = with(places, select.with_clause())?;
    let mut limits = Vec::new();
    for limit in [select.limit_offset(), select.limit_count()] {
        limits.push(expr::expr(places, limit)?);
    }
    Ok(Query {
        recursive,
        ctes,
        body: body(places, select)?,
        order_by: sort_list(places, select.sort_clause())?,
        limits,
        locks: !select.locking_clause().is_empty(),
    })
}

/// WITH: whether it is recursive, and its queries.
pub(super) fn with(places: &Places<'_>, with: Option<&WithClause>) -> Lowered<(bool, Vec<Cte>)> {
    let Some(with) = with else { return Ok((false, Vec::new())) };
    Ok((with.recursive, with.ctes().iter().map(|found| cte(places, found)).collect::<Lowered<_>>()?))
}

fn cte(places: &Places<'_>, cte: &CommonTableExpr) -> Lowered<Cte> {
    let mut derived = Vec::new();
    if let Some(search) = cte.search_clause() {
        derived.extend(derived_column(search.search_seq_column(), search.search_col_list()));
    }
    if let Some(cycle) = cte.cycle_clause() {
        for added in [cycle.cycle_mark_column(), cycle.cycle_path_column()] {
            derived.extend(derived_column(added, cycle.cycle_col_list()));
        }
        for value in [cycle.cycle_mark_value(), cycle.cycle_mark_default()] {
            if !matches!(expr::expr(places, value)?, Expr::Combined(parts) if parts.is_empty()) {
                return Err(Unsupported("CYCLE with marks that are no constants"));
            }
        }
    }
    Ok(Cte {
        name: places.name_at(cte.location, cte.ctename())?,
        columns: strings(cte.aliascolnames()).into_iter().map(|name| places.unplaced(name)).collect(),
        query: query_of(places, cte.ctequery())?,
        derived,
    })
}

fn derived_column(name: Option<&str>, from: &NodeList) -> Option<DerivedColumn> {
    let from = strings(from).into_iter().map(Ident::quoted).collect();
    Some(DerivedColumn { name: Ident::quoted(name?), from })
}

pub(super) fn sort_list(places: &Places<'_>, list: &CastNodeList<SortBy>) -> Lowered<Vec<Expr>> {
    list.iter().map(|sort| expr::expr(places, sort.node())).collect()
}

fn body(places: &Places<'_>, select: &SelectStmt) -> Lowered<Body> {
    if select.op != SetOperation::SETOP_NONE {
        let (Some(left), Some(right)) = (select.larg(), select.rarg()) else {
            return Err(Unsupported("set operation without operands"));
        };
        return Ok(Body::SetOperation {
            left: Box::new(operand(places, left)?),
            right: Box::new(operand(places, right)?),
            union_all: select.all && select.op == SetOperation::SETOP_UNION,
        });
    }
    if !select.values_lists().is_empty() {
        let rows = select.values_lists().iter().map(|row| match row.as_node_list() {
            Some(row) => expr::list(places, row),
            None => Err(Unsupported("VALUES of another kind")),
        });
        return Ok(Body::Values(rows.collect::<Lowered<_>>()?));
    }
    Ok(Body::Select(Box::new(simple(places, select)?)))
}

/// A side of a set operation; with clauses of its own it stood in parentheses.
fn operand(places: &Places<'_>, select: &SelectStmt) -> Lowered<Body> {
    if select.into_clause().is_some() {
        return Err(Unsupported("INTO within a query"));
    }
    let plain = select.with_clause().is_none()
        && select.sort_clause().is_empty()
        && select.locking_clause().is_empty()
        && matches!((select.limit_offset(), select.limit_count()), (Node::None, Node::None));
    if plain { body(places, select) } else { Ok(Body::Nested(Box::new(query(places, select)?))) }
}

fn simple(places: &Places<'_>, select: &SelectStmt) -> Lowered<Select> {
    let (group_by, grouping_sets) = group_by(places, select.group_clause())?;
    let from: Vec<_> = select.from_clause().iter().collect();
    Ok(Select {
        distinct: distinct(places, select.distinct_clause())?,
        items: match table_star(places, select, &from)? {
            Some(star) => vec![star],
            None => items(places, select.target_list().iter())?,
        },
        from: from.into_iter().map(|source| from::source(places, source)).collect::<Lowered<_>>()?,
        selection: optional(places, select.where_clause())?,
        group_by,
        grouping_sets,
        having: optional(places, select.having_clause())?,
        windows: expr::list(places, select.window_clause())?,
    })
}

/// An expression where there is one.
pub(super) fn optional(places: &Places<'_>, node: Node<'_>) -> Lowered<Option<Expr>> {
    if matches!(node, Node::None) { Ok(None) } else { expr::expr(places, node).map(Some) }
}

/// DISTINCT: the grammar writes a list of nothing for a plain one.
fn distinct(places: &Places<'_>, clause: &NodeList) -> Lowered<Distinct> {
    Ok(match clause.first() {
        None => Distinct::No,
        Some(Node::None) => Distinct::Row,
        Some(_) => Distinct::On(expr::list(places, clause)?),
    })
}

/// The expressions of GROUP BY, and whether they form grouping sets.
fn group_by(places: &Places<'_>, clause: &NodeList) -> Lowered<(Vec<Expr>, bool)> {
    let mut flat = Vec::new();
    let mut sets = false;
    for entry in clause {
        match entry {
            Node::GroupingSet(set) => {
                sets |= set.kind != GroupingSetKind::GROUPING_SET_SIMPLE;
                let (inner, _) = group_by(places, set.content())?;
                flat.extend(inner);
            }
            other => flat.push(expr::expr(places, other)?),
        }
    }
    Ok((flat, sets))
}

/// The star that TABLE stands for has no place in the tree; the word does.
fn table_star(places: &Places<'_>, select: &SelectStmt, from: &[Node<'_>]) -> Lowered<Option<Item>> {
    let mut targets = select.target_list().iter();
    let (Some(only), None, [Node::RangeVar(relation)]) = (targets.next(), targets.next(), from) else {
        return Ok(None);
    };
    match only.val() {
        Node::ColumnRef(column) if column.location < 0 => Ok(Some(Item::Star(word_table(places, relation)?))),
        _ => Ok(None),
    }
}

fn word_table(places: &Places<'_>, relation: &RangeVar) -> Lowered<crate::sql::tree::Span> {
    let mut at = places.at(relation.location)?;
    // ONLY and its parenthesis may stand between.
    for _ in 0..3 {
        at = at.checked_sub(1).ok_or(Unsupported("a star without a place"))?;
        if places.is_word(at, "table") {
            return places.span(at, at);
        }
    }
    Err(Unsupported("a star without a place"))
}

pub(super) fn items<'a>(places: &Places<'_>, targets: impl Iterator<Item = &'a ResTarget>) -> Lowered<Vec<Item>> {
    targets.map(|target| item(places, target)).collect()
}

fn item(places: &Places<'_>, target: &ResTarget) -> Lowered<Item> {
    match target.val() {
        Node::ColumnRef(column) if fields(column.fields()).1 => {
            star(places, column.location, &fields(column.fields()).0)
        }
        Node::A_Indirection(access) if ends_in_star(access.indirection()) => {
            Ok(Item::ExprStar(expr::indirection(places, access)?))
        }
        value => {
            let alias = target.name().map(|name| places.unplaced(name));
            let whole = matches!(value, Node::ColumnRef(column) if column.location == target.location);
            let inherits = if alias.is_some() || whole { None } else { inherited_name(places, target)? };
            let lowered = expr::expr(places, value)?;
            // Parentheses around a column are no node.
            let expr = if inherits.is_some() { Expr::Combined(vec![lowered]) } else { lowered };
            Ok(Item::Expr { expr, alias, inherits })
        }
    }
}

fn inherited_name(places: &Places<'_>, target: &ResTarget) -> Lowered<Option<InheritedName>> {
    let Some(name) = name_of_column(target.val()) else { return Ok(None) };
    Ok(Some(InheritedName { name: Ident::quoted(name), end: places.end_of_entry(places.at(target.location)?)? }))
}

/// The column that gives an output expression its name, by the rules of the server.
fn name_of_column(node: Node<'_>) -> Option<&str> {
    match node {
        Node::ColumnRef(column) => fields(column.fields()).0.last().copied(),
        Node::TypeCast(cast) => name_of_column(cast.arg()),
        Node::CollateClause(collate) => name_of_column(collate.arg()),
        // A field would give its own name, which nothing replaces.
        Node::A_Indirection(access) if access.indirection().iter().all(|part| matches!(part, Node::A_Indices(_))) => {
            name_of_column(access.arg())
        }
        Node::CaseExpr(case) => name_of_column(case.defresult()),
        _ => None,
    }
}

fn ends_in_star(indirection: &NodeList) -> bool {
    indirection.iter().next_back().is_some_and(|part| matches!(part, Node::A_Star(_)))
}

fn star(places: &Places<'_>, location: i32, qualifier: &[&str]) -> Lowered<Item> {
    let misplaced = Unsupported("a star that stands elsewhere");
    if qualifier.is_empty() {
        let at = places.at(location)?;
        return if places.is_symbol(at, "*") { Ok(Item::Star(places.span(at, at)?)) } else { Err(misplaced) };
    }
    let (path, at) = places.path(location, qualifier)?;
    if !(places.is_symbol(at, ".") && places.is_symbol(at + 1, "*")) {
        return Err(misplaced);
    }
    Ok(Item::QualifiedStar { span: path.span().to(places.span(at + 1, at + 1)?), path })
}

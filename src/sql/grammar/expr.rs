//! Expressions: what names they hold, and nothing else.

use pg_raw_parse::Node;
use pg_raw_parse::list::NodeList;
use pg_raw_parse::nodes::{A_Indirection, CaseExpr, ColumnRef, FuncCall, SubLink, WindowDef};
use pg_raw_parse::raw::CoercionForm;

use super::places::{Places, fields, strings};
use super::{Lowered, Unsupported, query, query_of, values};
use crate::sql::tree::{Decides, Expr, Path};

pub(super) fn list(places: &Places<'_>, nodes: &NodeList) -> Lowered<Vec<Expr>> {
    nodes.iter().map(|node| expr(places, node)).collect()
}

fn combined(places: &Places<'_>, nodes: &[Node<'_>]) -> Lowered<Expr> {
    Ok(Expr::Combined(nodes.iter().map(|node| expr(places, *node)).collect::<Lowered<_>>()?))
}

fn all(places: &Places<'_>, nodes: &NodeList) -> Lowered<Expr> {
    list(places, nodes).map(Expr::Combined)
}

/// An expression, or one of the pieces that stand where expressions do.
pub(super) fn expr(places: &Places<'_>, node: Node<'_>) -> Lowered<Expr> {
    match node {
        Node::None
        | Node::SQLValueFunction(_)
        | Node::SetToDefault(_)
        | Node::CurrentOfExpr(_)
        | Node::MergeSupportFunc(_)
        | Node::ParamRef(_) => Ok(Expr::constant()),
        Node::A_Const(constant) => Ok(match places.integer(constant.location) {
            Some((text, span)) => Expr::Number { text, span },
            None => Expr::constant(),
        }),
        Node::ColumnRef(found) => column(places, found),
        Node::FuncCall(found) => call(places, found),
        Node::A_Indirection(access) => indirection(places, access),
        Node::SubLink(link) => sub_link(places, link),
        Node::CaseExpr(found) => case(places, found),
        Node::WindowDef(found) => window(places, found),
        Node::SortBy(sort) => expr(places, sort.node()),
        Node::NodeList(nodes) => all(places, nodes),
        Node::A_Expr(operation) => combined(places, &[operation.lexpr(), operation.rexpr()]),
        Node::TypeCast(cast) => combined(places, &[cast.arg()]),
        _ => simple(places, node),
    }
}

/// Kinds that only hold other expressions.
fn simple(places: &Places<'_>, node: Node<'_>) -> Lowered<Expr> {
    match node {
        Node::BoolExpr(found) => all(places, found.args()),
        Node::RowExpr(row) => all(places, row.args()),
        Node::A_ArrayExpr(array) => all(places, array.elements()),
        Node::CoalesceExpr(coalesce) => all(places, coalesce.args()),
        Node::MinMaxExpr(extreme) => all(places, extreme.args()),
        Node::GroupingFunc(grouping) => all(places, grouping.args()),
        Node::NullTest(test) => combined(places, &[test.arg()]),
        Node::BooleanTest(test) => combined(places, &[test.arg()]),
        Node::NamedArgExpr(argument) => expr(places, argument.arg()),
        Node::CollateClause(collate) => combined(places, &[collate.arg()]),
        // Each column of `(a, b) = (…)` refers to the same source.
        Node::MultiAssignRef(assigned) if assigned.colno > 1 => Ok(Expr::constant()),
        Node::MultiAssignRef(assigned) => expr(places, assigned.source()),
        _ => values::value(places, node),
    }
}

/// A column, a whole row, or the columns of a row.
fn column(places: &Places<'_>, column: &ColumnRef) -> Lowered<Expr> {
    let (parts, star) = fields(column.fields());
    if parts.is_empty() {
        return Err(Unsupported("star in an expression"));
    }
    let (path, at) = places.path(column.location, &parts)?;
    if !star {
        return Ok(Expr::Column(path));
    }
    if places.is_symbol(at, ".") && places.is_symbol(at + 1, "*") {
        return Ok(Expr::Star(path));
    }
    Err(Unsupported("a star that stands elsewhere"))
}

/// `a.b[1]`, `(row).field`, `(f(x)).field[2]`.
pub(super) fn indirection(places: &Places<'_>, access: &A_Indirection) -> Lowered<Expr> {
    let mut base = expr(places, access.arg())?;
    for part in access.indirection() {
        base = match part {
            Node::String(field) => Expr::Field {
                base: Box::new(base),
                field: places.unplaced(field.sval().ok_or(Unsupported("field without a name"))?),
            },
            Node::A_Star(_) => base,
            Node::A_Indices(indices) => {
                Expr::Combined(vec![base, expr(places, indices.lidx())?, expr(places, indices.uidx())?])
            }
            _ => return Err(Unsupported("field of another kind")),
        };
    }
    Ok(base)
}

/// Subscripts and fields of a column that is assigned to: what they read.
pub(super) fn subscripts(places: &Places<'_>, list: &NodeList) -> Lowered<Vec<Expr>> {
    let mut reads = Vec::new();
    for part in list {
        match part {
            Node::String(_) => {}
            Node::A_Indices(indices) => {
                reads.push(expr(places, indices.lidx())?);
                reads.push(expr(places, indices.uidx())?);
            }
            _ => return Err(Unsupported("target of another kind")),
        }
    }
    Ok(reads)
}

fn sub_link(places: &Places<'_>, link: &SubLink) -> Lowered<Expr> {
    let rows = Expr::Subquery(Box::new(query_of(places, link.subselect())?));
    match link.testexpr() {
        Node::None => Ok(rows),
        tested => Ok(Expr::Combined(vec![expr(places, tested)?, rows])),
    }
}

fn case(places: &Places<'_>, case: &CaseExpr) -> Lowered<Expr> {
    let mut parts = vec![expr(places, case.arg())?, expr(places, case.defresult())?];
    for when in case.args() {
        let Node::CaseWhen(when) = when else { return Err(Unsupported("CASE branch")) };
        parts.push(expr(places, when.expr())?);
        parts.push(expr(places, when.result())?);
    }
    Ok(Expr::Combined(parts))
}

fn window(places: &Places<'_>, window: &WindowDef) -> Lowered<Expr> {
    let mut parts = list(places, window.partition_clause())?;
    parts.extend(query::sort_list(places, window.order_clause())?);
    parts.push(expr(places, window.start_offset())?);
    parts.push(expr(places, window.end_offset())?);
    Ok(Expr::Combined(parts))
}

/// OVER: the order in which rows come out of the window.
pub(super) fn over_window(places: &Places<'_>, over: &WindowDef) -> Lowered<Expr> {
    Ok(Expr::Deciding(Decides::Rows, vec![window(places, over)?]))
}

fn call(places: &Places<'_>, call: &FuncCall) -> Lowered<Expr> {
    let mut args = list(places, call.args())?;
    if call.agg_distinct {
        args = vec![Expr::Deciding(Decides::Aggregate, args)];
    }
    let mut deciding = query::sort_list(places, call.agg_order())?;
    deciding.push(expr(places, call.agg_filter())?);
    args.push(Expr::Deciding(Decides::Aggregate, deciding));
    args.extend(call.over().map(|over| over_window(places, over)).transpose()?);
    if call.funcformat == CoercionForm::COERCE_SQL_SYNTAX {
        // Its name is that of a function which the construct stands for.
        return Ok(Expr::Combined(args));
    }
    let parts = strings(call.funcname());
    if let Ok((path, _)) = places.path(call.location, &parts) {
        return Ok(Expr::Call { path, args });
    }
    let mut names: Vec<_> = parts.into_iter().map(|name| places.unplaced(name)).collect();
    let last = names.pop().ok_or(Unsupported("call without a name"))?;
    Ok(Expr::Call { path: Path { qualifier: names, last }, args })
}

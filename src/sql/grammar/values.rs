//! The constructs of XML and of SQL/JSON: what names they hold.

use pg_raw_parse::Node;
use pg_raw_parse::nodes::{JsonAggConstructor, JsonBehavior, JsonFuncExpr, JsonKeyValue, JsonValueExpr, XmlExpr};

use super::expr::{expr, list, over_window};
use super::places::Places;
use super::{Lowered, Unsupported, query_of};
use crate::sql::tree::{Decides, Expr};

/// The last of the lists of known kinds; what is not in it is not known.
pub(super) fn value(places: &Places<'_>, node: Node<'_>) -> Lowered<Expr> {
    match node {
        Node::XmlExpr(xml) => xml_value(places, xml),
        Node::XmlSerialize(xml) => expr(places, xml.expr()),
        Node::JsonValueExpr(found) => json_value(places, Some(found)),
        Node::JsonArgument(argument) => json_value(places, argument.val()),
        Node::JsonKeyValue(found) => pair(places, Some(found)),
        Node::JsonObjectConstructor(object) => collected(object.exprs().iter().map(|found| pair(places, Some(found)))),
        Node::JsonArrayConstructor(array) => {
            collected(array.exprs().iter().map(|found| json_value(places, Some(found))))
        }
        Node::JsonArrayQueryConstructor(array) => Ok(Expr::Subquery(Box::new(query_of(places, array.query())?))),
        Node::JsonObjectAgg(aggregate) => {
            Ok(Expr::Combined(vec![pair(places, aggregate.arg())?, constructor(places, aggregate.constructor())?]))
        }
        Node::JsonArrayAgg(aggregate) => Ok(Expr::Combined(vec![
            json_value(places, aggregate.arg())?,
            constructor(places, aggregate.constructor())?,
        ])),
        Node::JsonIsPredicate(predicate) => Ok(Expr::Combined(vec![expr(places, predicate.expr())?])),
        Node::JsonParseExpr(parse) => json_value(places, parse.expr()),
        Node::JsonScalarExpr(scalar) => expr(places, scalar.expr()),
        Node::JsonSerializeExpr(serialize) => json_value(places, serialize.expr()),
        Node::JsonFuncExpr(function) => json_function(places, function),
        _ => Err(Unsupported("expression of another kind")),
    }
}

fn collected(parts: impl Iterator<Item = Lowered<Expr>>) -> Lowered<Expr> {
    Ok(Expr::Combined(parts.collect::<Lowered<_>>()?))
}

fn xml_value(places: &Places<'_>, xml: &XmlExpr) -> Lowered<Expr> {
    let mut parts = list(places, xml.args())?;
    for argument in xml.named_args() {
        parts.push(match argument {
            Node::ResTarget(target) => expr(places, target.val())?,
            other => expr(places, other)?,
        });
    }
    Ok(Expr::Combined(parts))
}

pub(super) fn json_value(places: &Places<'_>, value: Option<&JsonValueExpr>) -> Lowered<Expr> {
    let Some(value) = value else { return Ok(Expr::constant()) };
    Ok(Expr::Combined(vec![expr(places, value.raw_expr())?, expr(places, value.formatted_expr())?]))
}

fn pair(places: &Places<'_>, pair: Option<&JsonKeyValue>) -> Lowered<Expr> {
    let Some(pair) = pair else { return Ok(Expr::constant()) };
    Ok(Expr::Combined(vec![expr(places, pair.key())?, json_value(places, pair.value())?]))
}

pub(super) fn json_behaviour(places: &Places<'_>, behaviour: Option<&JsonBehavior>) -> Lowered<Expr> {
    behaviour.map_or_else(|| Ok(Expr::constant()), |behaviour| expr(places, behaviour.expr()))
}

fn constructor(places: &Places<'_>, aggregate: Option<&JsonAggConstructor>) -> Lowered<Expr> {
    let Some(aggregate) = aggregate else { return Ok(Expr::constant()) };
    let mut deciding = list(places, aggregate.agg_order())?;
    deciding.push(expr(places, aggregate.agg_filter())?);
    let mut parts = vec![Expr::Deciding(Decides::Aggregate, deciding)];
    parts.extend(aggregate.over().map(|over| over_window(places, over)).transpose()?);
    Ok(Expr::Combined(parts))
}

fn json_function(places: &Places<'_>, function: &JsonFuncExpr) -> Lowered<Expr> {
    let mut parts = vec![json_value(places, function.context_item())?, expr(places, function.pathspec())?];
    parts.extend(list(places, function.passing())?);
    parts.push(json_behaviour(places, function.on_empty())?);
    parts.push(json_behaviour(places, function.on_error())?);
    Ok(Expr::Combined(parts))
}

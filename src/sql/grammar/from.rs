//! FROM: relations, subqueries, functions and joins.

use pg_raw_parse::Node;
use pg_raw_parse::list::{CastNodeList, NodeList};
use pg_raw_parse::nodes::{
    Alias, ColumnDef, JoinExpr, JsonTable, JsonTableColumn, RangeFunction, RangeSubselect, RangeTableFunc,
    RangeTableSample, RangeVar,
};

use super::places::Places;
use super::{Lowered, Unsupported, expr, query, values};
use crate::model::ident::Ident;
use crate::sql::tree::{Constraint, Expr, From, Sample};

pub(super) fn source(places: &Places<'_>, node: Node<'_>) -> Lowered<From> {
    match node {
        Node::RangeVar(found) => relation(places, found),
        Node::RangeSubselect(found) => derived(places, found),
        Node::RangeFunction(found) => function(places, found),
        Node::RangeTableFunc(found) => xml_table(places, found),
        Node::RangeTableSample(found) => sampled(places, found),
        Node::JoinExpr(found) => join(places, found),
        Node::JsonTable(found) => json_table(places, found),
        _ => Err(Unsupported("FROM item of another kind")),
    }
}

pub(super) fn sources(places: &Places<'_>, list: &NodeList) -> Lowered<Vec<From>> {
    list.iter().map(|node| source(places, node)).collect()
}

fn relation(places: &Places<'_>, relation: &RangeVar) -> Lowered<From> {
    let (path, after) = places.relation(relation)?;
    let after = places.after_decoration(after, places.at(relation.location)?);
    let alias = relation.alias().map(|alias| places.alias(after, alias)).transpose()?;
    Ok(From::Relation { path, alias: alias.map(|(alias, _)| alias), sample: None })
}

/// TABLESAMPLE: from its word to the end of its arguments, which must be constants.
fn sampled(places: &Places<'_>, sample: &RangeTableSample) -> Lowered<From> {
    let Node::RangeVar(inner) = sample.relation() else { return Err(Unsupported("TABLESAMPLE of another kind")) };
    let From::Relation { path, alias, sample: None } = relation(places, inner)? else {
        return Err(Unsupported("TABLESAMPLE of another kind"));
    };
    let method = places.at(sample.location)?;
    let mut open = method;
    while !places.is_symbol(open, "(") {
        // A method's name may have a schema.
        if open > method + 2 {
            return Err(Unsupported("TABLESAMPLE of another kind"));
        }
        open += 1;
    }
    let mut after = places.after_group(open)?;
    if places.is_word(after, "repeatable") {
        after = places.after_group(after + 1)?;
    }
    let first = method.checked_sub(1).filter(|word| places.is_word(*word, "tablesample"));
    let span = places.span(first.ok_or(Unsupported("TABLESAMPLE of another kind"))?, after.saturating_sub(1))?;
    for argument in sample.args().iter().chain([sample.repeatable()]) {
        if !is_constant(argument) {
            return Err(Unsupported("TABLESAMPLE with an argument that is no constant"));
        }
    }
    Ok(From::Relation { path, alias, sample: Some(Sample { span }) })
}

fn is_constant(node: Node<'_>) -> bool {
    match node {
        Node::None | Node::A_Const(_) | Node::ParamRef(_) => true,
        Node::TypeCast(cast) => is_constant(cast.arg()),
        _ => false,
    }
}

fn derived(places: &Places<'_>, subselect: &RangeSubselect) -> Lowered<From> {
    let Node::SelectStmt(select) = subselect.subquery() else { return Err(Unsupported("subquery of another kind")) };
    if select.into_clause().is_some() {
        return Err(Unsupported("INTO within a query"));
    }
    Ok(From::Derived {
        query: Box::new(query::query(places, select)?),
        alias: subselect.alias().map(|alias| places.unplaced_alias(alias)),
        lateral: subselect.lateral,
    })
}

fn function(places: &Places<'_>, function: &RangeFunction) -> Lowered<From> {
    let mut calls = Vec::new();
    let mut listed: Vec<Ident> = Vec::new();
    let mut open = false;
    for pair in function.functions() {
        // Each is a list of the call and of its own column definitions.
        let pair = pair.as_node_list().ok_or(Unsupported("function in FROM"))?;
        let mut defined = None;
        for part in pair {
            match part {
                Node::NodeList(definitions) => defined = Some(defined_columns(definitions)?),
                Node::None => {}
                call => calls.push(expr::expr(places, call)?),
            }
        }
        match defined.filter(|columns| !columns.is_empty()) {
            Some(columns) => listed.extend(columns),
            None => open = true,
        }
    }
    let own: Vec<Ident> = function.coldeflist().iter().filter_map(ColumnDef::colname).map(Ident::quoted).collect();
    if !own.is_empty() {
        listed = own;
        open = false;
    }
    if function.ordinality {
        listed.push(Ident::quoted("ordinality"));
    }
    let name = match calls.as_slice() {
        [Expr::Call { path, .. }] => Some(path.last.clone()),
        _ => None,
    };
    let alias = function.alias().map(|alias| places.unplaced_alias(alias));
    Ok(From::Function { calls, columns: (!open).then_some(listed), name, alias })
}

fn defined_columns(definitions: &NodeList) -> Lowered<Vec<Ident>> {
    definitions
        .iter()
        .map(|definition| match definition {
            Node::ColumnDef(column) => {
                column.colname().map(Ident::quoted).ok_or(Unsupported("column definition without a name"))
            }
            _ => Err(Unsupported("column definition")),
        })
        .collect()
}

/// Something that reads values and has columns of its own.
fn rows(places: &Places<'_>, reads: Vec<Expr>, columns: Vec<Ident>, name: &str, alias: Option<&Alias>) -> From {
    From::Function {
        calls: reads,
        columns: Some(columns),
        name: Some(places.unplaced(name)),
        alias: alias.map(|alias| places.unplaced_alias(alias)),
    }
}

fn xml_table(places: &Places<'_>, table: &RangeTableFunc) -> Lowered<From> {
    let mut reads = vec![expr::expr(places, table.docexpr())?, expr::expr(places, table.rowexpr())?];
    for namespace in table.namespaces() {
        match namespace {
            Node::ResTarget(target) => reads.push(expr::expr(places, target.val())?),
            _ => return Err(Unsupported("XML namespace")),
        }
    }
    let mut columns = Vec::new();
    for column in table.columns() {
        columns.push(Ident::quoted(column.colname().unwrap_or_default()));
        reads.push(expr::expr(places, column.colexpr())?);
        reads.push(expr::expr(places, column.coldefexpr())?);
    }
    Ok(rows(places, reads, columns, "xmltable", table.alias()))
}

fn json_table(places: &Places<'_>, table: &JsonTable) -> Lowered<From> {
    let mut reads = vec![values::json_value(places, table.context_item())?];
    if let Some(path) = table.pathspec() {
        reads.push(expr::expr(places, path.string())?);
    }
    reads.push(Expr::Combined(expr::list(places, table.passing())?));
    reads.push(values::json_behaviour(places, table.on_error())?);
    let mut columns = Vec::new();
    json_columns(places, table.columns(), &mut reads, &mut columns)?;
    Ok(rows(places, reads, columns, "json_table", table.alias()))
}

fn json_columns(
    places: &Places<'_>,
    found: &CastNodeList<JsonTableColumn>,
    reads: &mut Vec<Expr>,
    columns: &mut Vec<Ident>,
) -> Lowered<()> {
    found.iter().try_for_each(|column| json_column(places, column, reads, columns))
}

/// A column, or the columns that are nested in a path.
fn json_column(
    places: &Places<'_>,
    column: &JsonTableColumn,
    reads: &mut Vec<Expr>,
    columns: &mut Vec<Ident>,
) -> Lowered<()> {
    columns.extend(column.name().map(Ident::quoted));
    if let Some(path) = column.pathspec() {
        reads.push(expr::expr(places, path.string())?);
    }
    reads.push(values::json_behaviour(places, column.on_empty())?);
    reads.push(values::json_behaviour(places, column.on_error())?);
    for nested in column.columns() {
        match nested {
            Node::JsonTableColumn(nested) => json_column(places, nested, reads, columns)?,
            _ => return Err(Unsupported("JSON_TABLE column")),
        }
    }
    Ok(())
}

fn join(places: &Places<'_>, join: &JoinExpr) -> Lowered<From> {
    let left = source(places, join.larg())?;
    let right = source(places, join.rarg())?;
    let constraint = if join.is_natural {
        Constraint::Natural
    } else if !join.using_clause().is_empty() {
        let columns = join.using_clause().iter().filter_map(pg_raw_parse::nodes::String::sval);
        Constraint::Using {
            columns: columns.map(|name| places.unplaced(name)).collect(),
            alias: join.join_using_alias().and_then(Alias::aliasname).map(|name| places.unplaced(name)),
        }
    } else {
        query::optional(places, join.quals())?.map_or(Constraint::None, Constraint::On)
    };
    Ok(From::Join {
        left: Box::new(left),
        right: Box::new(right),
        constraint,
        alias: join.alias().map(|alias| places.unplaced_alias(alias)),
    })
}

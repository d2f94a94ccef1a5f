//! FROM: relations, subqueries, functions and joins.

use sqlparser::ast;

use super::{Lowered, Unsupported, absent, expr, name, path, query};
use crate::sql::tree::{Alias, Constraint, Expr, From, Path};

pub(super) fn table_with_joins(table: &ast::TableWithJoins) -> Lowered<From> {
    let ast::TableWithJoins { relation, joins } = table;
    let mut left = factor(relation)?;
    for ast::Join { relation, global, join_operator } in joins {
        absent(!global, "GLOBAL JOIN")?;
        let right = factor(relation)?;
        let constraint = constraint(join_operator)?;
        left = From::Join { left: Box::new(left), right: Box::new(right), constraint, alias: None };
    }
    Ok(left)
}

fn constraint(operator: &ast::JoinOperator) -> Lowered<Constraint> {
    use ast::JoinOperator as Op;
    let constraint = match operator {
        Op::Join(constraint)
        | Op::Inner(constraint)
        | Op::Left(constraint)
        | Op::LeftOuter(constraint)
        | Op::Right(constraint)
        | Op::RightOuter(constraint)
        | Op::FullOuter(constraint)
        | Op::CrossJoin(constraint) => constraint,
        Op::Semi(_)
        | Op::LeftSemi(_)
        | Op::RightSemi(_)
        | Op::Anti(_)
        | Op::LeftAnti(_)
        | Op::RightAnti(_)
        | Op::CrossApply
        | Op::OuterApply
        | Op::AsOf { .. }
        | Op::StraightJoin(_)
        | Op::ArrayJoin
        | Op::LeftArrayJoin
        | Op::InnerArrayJoin => return Err(Unsupported("foreign join")),
    };
    Ok(match constraint {
        ast::JoinConstraint::On(on) => Constraint::On(expr::expr(on)?),
        ast::JoinConstraint::Using(columns) => {
            Constraint::Using { columns: columns.iter().map(super::plain_name).collect::<Lowered<_>>()?, alias: None }
        }
        ast::JoinConstraint::Natural => Constraint::Natural,
        ast::JoinConstraint::None => Constraint::None,
    })
}

pub(super) fn alias(alias: &ast::TableAlias) -> Lowered<Alias> {
    let ast::TableAlias { explicit: _, name: alias_name, columns, at } = alias;
    absent(at.is_none(), "alias AT")?;
    Ok(Alias { name: name(alias_name)?, columns: query::alias_columns(columns)? })
}

fn optional_alias(given: Option<&ast::TableAlias>) -> Lowered<Option<Alias>> {
    given.map(alias).transpose()
}

fn factor(factor: &ast::TableFactor) -> Lowered<From> {
    use ast::TableFactor as F;
    match factor {
        F::Table {
            name: object,
            alias: given,
            args,
            with_hints,
            version,
            with_ordinality,
            partitions,
            json_path,
            sample,
            index_hints,
        } => {
            absent(with_hints.is_empty() && version.is_none() && partitions.is_empty(), "table options")?;
            absent(json_path.is_none() && index_hints.is_empty(), "table options")?;
            absent(sample.is_none(), "TABLESAMPLE")?;
            let path = path(object)?;
            let alias = optional_alias(given.as_ref())?;
            match args {
                None => {
                    absent(!with_ordinality, "WITH ORDINALITY of a table")?;
                    Ok(From::Relation { path, alias, sample: None })
                }
                Some(ast::TableFunctionArgs { args, settings }) => {
                    absent(settings.is_none(), "SETTINGS")?;
                    function(path, args, alias)
                }
            }
        }
        F::Derived { lateral, subquery, alias: given, sample } => {
            absent(sample.is_none(), "TABLESAMPLE")?;
            Ok(From::Derived {
                query: Box::new(query::query(subquery)?),
                alias: optional_alias(given.as_ref())?,
                lateral: *lateral,
            })
        }
        F::Function { lateral: _, name: object, args, with_ordinality: _, alias: given } => {
            function(path(object)?, args, optional_alias(given.as_ref())?)
        }
        F::UNNEST { alias: given, array_exprs, with_offset, with_offset_alias, with_ordinality: _ } => {
            absent(!with_offset && with_offset_alias.is_none(), "WITH OFFSET")?;
            let calls = expr::list(array_exprs)?;
            Ok(From::Function { calls, columns: None, name: None, alias: optional_alias(given.as_ref())? })
        }
        F::NestedJoin { table_with_joins: inner, alias: given } => {
            let inner = table_with_joins(inner)?;
            match optional_alias(given.as_ref())? {
                None => Ok(inner),
                Some(outer) => aliased_join(inner, outer),
            }
        }
        F::XmlTable { .. } | F::JsonTable { .. } => Err(Unsupported("XMLTABLE or JSON_TABLE")),
        F::TableFunction { .. }
        | F::OpenJsonTable { .. }
        | F::Pivot { .. }
        | F::Unpivot { .. }
        | F::UnpivotExpr { .. }
        | F::MatchRecognize { .. }
        | F::SemanticView { .. } => Err(Unsupported("foreign table expression")),
    }
}

fn function(path: Path, args: &[ast::FunctionArg], alias: Option<Alias>) -> Lowered<From> {
    let name = Some(path.last.clone());
    let calls = vec![Expr::Call { path, args: expr::function_args(args)? }];
    Ok(From::Function { calls, columns: None, name, alias })
}

fn aliased_join(inner: From, outer: Alias) -> Lowered<From> {
    match inner {
        From::Join { left, right, constraint, alias: None } => {
            Ok(From::Join { left, right, constraint, alias: Some(outer) })
        }
        From::Join { .. } | From::Relation { .. } | From::Derived { .. } | From::Function { .. } => {
            Err(Unsupported("alias of parentheses"))
        }
    }
}

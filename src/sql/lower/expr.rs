//! Expressions: what names they hold, and nothing else.

use sqlparser::ast;

use super::{Lowered, Unsupported, absent, name, path, path_of, query};
use crate::sql::tree::{Decides, Expr, Path};

pub(super) fn list(exprs: &[ast::Expr]) -> Lowered<Vec<Expr>> {
    exprs.iter().map(expr).collect()
}

fn combined(exprs: &[&ast::Expr]) -> Lowered<Expr> {
    Ok(Expr::Combined(exprs.iter().map(|inner| expr(inner)).collect::<Lowered<_>>()?))
}

fn combined_with(first: &ast::Expr, rest: &[ast::Expr]) -> Lowered<Expr> {
    let all: Vec<_> = std::iter::once(first).chain(rest).collect();
    combined(&all)
}

fn optional<'a>(first: &'a ast::Expr, rest: &[&'a Option<Box<ast::Expr>>]) -> Vec<&'a ast::Expr> {
    std::iter::once(first).chain(rest.iter().filter_map(|inner| inner.as_deref())).collect()
}

fn subquery(inner: &ast::Query) -> Lowered<Expr> {
    Ok(Expr::Subquery(Box::new(query::query(inner)?)))
}

#[expect(clippy::too_many_lines, reason = "one exhaustive match over every kind of expression")]
pub(super) fn expr(node: &ast::Expr) -> Lowered<Expr> {
    use ast::Expr as E;
    match node {
        E::Identifier(ident) if is_value_keyword(ident) => Ok(Expr::constant()),
        E::Identifier(ident) => Ok(Expr::Column(Path { qualifier: Vec::new(), last: name(ident)? })),
        E::CompoundIdentifier(parts) => Ok(Expr::Column(path_of(super::names(parts)?)?)),
        E::CompoundFieldAccess { root, access_chain } => field_access(root, access_chain),
        E::IsFalse(inner)
        | E::IsNotFalse(inner)
        | E::IsTrue(inner)
        | E::IsNotTrue(inner)
        | E::IsNull(inner)
        | E::IsNotNull(inner)
        | E::IsUnknown(inner)
        | E::IsNotUnknown(inner) => combined(&[inner]),
        E::Nested(inner) => expr(inner),
        E::IsJson { expr: inner, kind: _, unique_keys: _, negated: _ }
        | E::IsNormalized { expr: inner, form: _, negated: _ }
        | E::UnaryOp { op: _, expr: inner }
        | E::Collate { expr: inner, collation: _ }
        | E::Extract { field: _, syntax: _, expr: inner } => combined(&[inner]),
        E::Ceil { expr: inner, field } | E::Floor { expr: inner, field } => {
            match field {
                ast::CeilFloorKind::DateTimeField(_) => {}
                ast::CeilFloorKind::Scale(_) => return Err(Unsupported("CEIL with a scale")),
            }
            combined(&[inner])
        }
        E::IsDistinctFrom(left, right) | E::IsNotDistinctFrom(left, right) => combined(&[left, right]),
        E::BinaryOp { left, op: _, right } => combined(&[left, right]),
        E::InList { expr: inner, list, negated: _ } => combined_with(inner, list),
        E::InSubquery { expr: inner, subquery: rows, negated: _ } => {
            Ok(Expr::Combined(vec![expr(inner)?, subquery(rows)?]))
        }
        E::Between { expr: inner, negated: _, low, high } => combined(&[inner, low, high]),
        E::Like { negated: _, any: _, expr: inner, pattern, escape_char }
        | E::ILike { negated: _, any: _, expr: inner, pattern, escape_char }
        | E::SimilarTo { negated: _, expr: inner, pattern, escape_char } => {
            let mut all = vec![&**inner, &**pattern];
            all.extend(escape_char.as_deref());
            combined(&all)
        }
        E::AnyOp { left, compare_op: _, right, is_some: _ } | E::AllOp { left, compare_op: _, right } => {
            combined(&[left, right])
        }
        E::Cast { kind, expr: inner, data_type: _, format } => {
            absent(format.is_none(), "CAST … FORMAT")?;
            match kind {
                ast::CastKind::Cast | ast::CastKind::DoubleColon => combined(&[inner]),
                ast::CastKind::TryCast | ast::CastKind::SafeCast => Err(Unsupported("TRY_CAST")),
            }
        }
        E::AtTimeZone { timestamp, time_zone } => combined(&[timestamp, time_zone]),
        E::Position { expr: inner, r#in } => combined(&[inner, r#in]),
        E::Substring { expr: inner, substring_from, substring_for, special: _, shorthand: _ } => {
            combined(&optional(inner, &[substring_from, substring_for]))
        }
        E::Trim { trim_where: _, trim_what, expr: inner, trim_characters } => {
            let mut all = optional(inner, &[trim_what]);
            all.extend(trim_characters.iter().flatten());
            combined(&all)
        }
        E::Overlay { expr: inner, overlay_what, overlay_from, overlay_for } => {
            let mut all = vec![&**inner, &**overlay_what, &**overlay_from];
            all.extend(overlay_for.as_deref());
            combined(&all)
        }
        E::Value(ast::ValueWithSpan { value, span }) => match value {
            ast::Value::Number(text, _) => Ok(Expr::Number { text: text.clone(), span: super::span(*span)? }),
            _ => Ok(Expr::constant()),
        },
        E::TypedString(ast::TypedString { data_type: _, value: _, uses_odbc_syntax }) => {
            absent(!uses_odbc_syntax, "ODBC literal")?;
            Ok(Expr::constant())
        }
        E::Function(function) => call(function),
        E::Case { case_token: _, end_token: _, operand, conditions, else_result } => {
            let mut all: Vec<&ast::Expr> = operand.as_deref().into_iter().chain(else_result.as_deref()).collect();
            for ast::CaseWhen { condition, result } in conditions {
                all.extend([condition, result]);
            }
            combined(&all)
        }
        E::Exists { subquery: rows, negated: _ } => subquery(rows),
        E::Subquery(rows) => subquery(rows),
        E::Tuple(inner) => Ok(Expr::Combined(list(inner)?)),
        E::Array(ast::Array { elem, named: _ }) => Ok(Expr::Combined(list(elem)?)),
        E::Interval(ast::Interval {
            value,
            leading_field: _,
            leading_precision: _,
            last_field: _,
            fractional_seconds_precision: _,
        }) => expr(value),
        E::QualifiedWildcard(object, _) => Ok(Expr::Star(path(object)?)),
        E::Wildcard(_) => Err(Unsupported("star in an expression")),
        E::GroupingSets(_) | E::Cube(_) | E::Rollup(_) => Err(Unsupported("nested grouping sets")),
        E::JsonAccess { .. }
        | E::InUnnest { .. }
        | E::RLike { .. }
        | E::Convert { .. }
        | E::Prefixed { .. }
        | E::Struct { .. }
        | E::Named { .. }
        | E::Dictionary(_)
        | E::Map(_)
        | E::MatchAgainst { .. }
        | E::OuterJoin(_)
        | E::Prior(_)
        | E::Lambda(_)
        | E::MemberOf(_) => Err(Unsupported("foreign expression")),
    }
}

/// Reserved words that stand for a value, and that the parser takes for columns.
fn is_value_keyword(ident: &ast::Ident) -> bool {
    const KEYWORDS: &[&str] = &["default", "current_role", "current_schema", "localtime", "localtimestamp"];
    ident.quote_style.is_none() && KEYWORDS.iter().any(|keyword| ident.value.eq_ignore_ascii_case(keyword))
}

/// `a.b.c[1]`, `(row).field`, `(f(x)).field[2]`.
fn field_access(root: &ast::Expr, chain: &[ast::AccessExpr]) -> Lowered<Expr> {
    // A bare name followed by dotted names is a column reference with a subscript behind it, not a field of a row.
    let mut chain = chain;
    let mut base = match root {
        ast::Expr::Identifier(ident) => {
            let mut parts = vec![name(ident)?];
            while let Some((ast::AccessExpr::Dot(ast::Expr::Identifier(next)), rest)) = chain.split_first() {
                parts.push(name(next)?);
                chain = rest;
            }
            Expr::Column(path_of(parts)?)
        }
        other => expr(other)?,
    };
    for access in chain {
        base = match access {
            ast::AccessExpr::Dot(ast::Expr::Identifier(field)) => {
                Expr::Field { base: Box::new(base), field: name(field)? }
            }
            ast::AccessExpr::Dot(_) => return Err(Unsupported("field of another kind")),
            ast::AccessExpr::Subscript(ast::Subscript::Index { index }) => Expr::Combined(vec![base, expr(index)?]),
            ast::AccessExpr::Subscript(ast::Subscript::Slice { lower_bound, upper_bound, stride }) => {
                absent(stride.is_none(), "slice with a stride")?;
                let mut all = vec![base];
                for bound in lower_bound.iter().chain(upper_bound) {
                    all.push(expr(bound)?);
                }
                Expr::Combined(all)
            }
        };
    }
    Ok(base)
}

fn call(function: &ast::Function) -> Lowered<Expr> {
    let ast::Function {
        name: object,
        uses_odbc_syntax,
        parameters,
        args,
        within_group,
        filter,
        null_treatment: _,
        over,
    } = function;
    absent(!uses_odbc_syntax, "ODBC call")?;
    match parameters {
        ast::FunctionArguments::None => {}
        ast::FunctionArguments::Subquery(_) | ast::FunctionArguments::List(_) => {
            return Err(Unsupported("parametric function"));
        }
    }
    let mut all = match args {
        ast::FunctionArguments::None => Vec::new(),
        ast::FunctionArguments::Subquery(rows) => vec![subquery(rows)?],
        ast::FunctionArguments::List(arguments) => argument_list(arguments)?,
    };
    let mut deciding = query::order_by_list(within_group)?;
    deciding.extend(filter.iter().map(|inner| expr(inner)).collect::<Lowered<Vec<_>>>()?);
    all.push(Expr::Deciding(Decides::Aggregate, deciding));
    match over {
        None | Some(ast::WindowType::NamedWindow(_)) => {}
        Some(ast::WindowType::WindowSpec(spec)) => all.push(Expr::Deciding(Decides::Rows, window(spec)?)),
    }
    Ok(Expr::Call { path: path(object)?, args: all })
}

fn argument_list(arguments: &ast::FunctionArgumentList) -> Lowered<Vec<Expr>> {
    use ast::FunctionArgumentClause as Clause;
    let ast::FunctionArgumentList { duplicate_treatment, args, clauses } = arguments;
    let mut all = function_args(args)?;
    match duplicate_treatment {
        None | Some(ast::DuplicateTreatment::All) => {}
        Some(ast::DuplicateTreatment::Distinct) => all = vec![Expr::Deciding(Decides::Aggregate, all)],
    }
    for clause in clauses {
        match clause {
            Clause::OrderBy(order) => all.push(Expr::Deciding(Decides::Aggregate, query::order_by_list(order)?)),
            Clause::JsonNullClause(_) | Clause::JsonReturningClause(_) => {}
            Clause::IgnoreOrRespectNulls(_)
            | Clause::Where(_)
            | Clause::Limit(_)
            | Clause::OnOverflow(_)
            | Clause::Having(_)
            | Clause::Separator(_) => return Err(Unsupported("foreign argument clause")),
        }
    }
    Ok(all)
}

pub(super) fn function_args(args: &[ast::FunctionArg]) -> Lowered<Vec<Expr>> {
    use ast::FunctionArgExpr as Arg;
    let mut all = Vec::new();
    for arg in args {
        let inner = match arg {
            ast::FunctionArg::Named { name: _, arg, operator: _ } => arg,
            // `name => value`: a name there is the parameter's own; behind a colon it is a key, and may be a column.
            ast::FunctionArg::ExprNamed {
                name: ast::Expr::Identifier(_),
                arg,
                operator: ast::FunctionArgOperator::RightArrow | ast::FunctionArgOperator::Assignment,
            } => arg,
            ast::FunctionArg::ExprNamed { .. } => return Err(Unsupported("argument named by an expression")),
            ast::FunctionArg::Unnamed(arg) => arg,
        };
        match inner {
            Arg::Expr(inner) => all.push(expr(inner)?),
            Arg::QualifiedWildcard(object) => all.push(Expr::Star(path(object)?)),
            Arg::Wildcard => {}
            Arg::WildcardWithOptions(_) => return Err(Unsupported("star with options")),
        }
    }
    Ok(all)
}

pub(super) fn window(spec: &ast::WindowSpec) -> Lowered<Vec<Expr>> {
    let ast::WindowSpec { window_name: _, partition_by, order_by, window_frame } = spec;
    let mut all = list(partition_by)?;
    all.extend(query::order_by_list(order_by)?);
    if let Some(ast::WindowFrame { units: _, start_bound, end_bound }) = window_frame {
        for bound in std::iter::once(start_bound).chain(end_bound) {
            match bound {
                ast::WindowFrameBound::CurrentRow => {}
                ast::WindowFrameBound::Preceding(offset) | ast::WindowFrameBound::Following(offset) => {
                    all.extend(offset.iter().map(|inner| expr(inner)).collect::<Lowered<Vec<_>>>()?);
                }
            }
        }
    }
    Ok(all)
}

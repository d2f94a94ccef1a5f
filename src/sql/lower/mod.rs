//! From sqlparser's tree to ours: every node is understood, or the statement is not.
//!
//! All matches are exhaustive and all structs are taken apart by name, so that a construct which a later sqlparser learns
//! is a compile error here and not a hole.

mod dml;
mod expr;
mod from;
mod query;
mod statement;

use sqlparser::ast;

pub use statement::statement;

use super::tree::{Name, Path, Span};
use crate::model::ident::Ident;

/// A construct that has no place in our tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unsupported(pub &'static str);

type Lowered<T> = Result<T, Unsupported>;

/// Refuses a clause of another database's dialect.
fn absent(is_absent: bool, what: &'static str) -> Lowered<()> {
    if is_absent { Ok(()) } else { Err(Unsupported(what)) }
}

fn span(span: sqlparser::tokenizer::Span) -> Lowered<Span> {
    let offset = |column: u64| u32::try_from(column.saturating_sub(1)).map_err(|_| Unsupported("text too long"));
    if span.start.line == 0 {
        return Err(Unsupported("name without a position"));
    }
    Ok(Span { start: offset(span.start.column)?, end: offset(span.end.column)? })
}

fn name(ident: &ast::Ident) -> Lowered<Name> {
    let ast::Ident { value, quote_style, span: at } = ident;
    let ident = match quote_style {
        None => Ident::unquoted(value),
        Some('"') => Ident::quoted(value),
        Some(_) => return Err(Unsupported("foreign quoting")),
    };
    Ok(Name { ident, span: span(*at)? })
}

fn names(idents: &[ast::Ident]) -> Lowered<Vec<Name>> {
    idents.iter().map(name).collect()
}

fn path_of(mut parts: Vec<Name>) -> Lowered<Path> {
    let last = parts.pop().ok_or(Unsupported("empty name"))?;
    Ok(Path { qualifier: parts, last })
}

fn path(object: &ast::ObjectName) -> Lowered<Path> {
    let ast::ObjectName(parts) = object;
    path_of(
        parts
            .iter()
            .map(|part| match part {
                ast::ObjectNamePart::Identifier(ident) => name(ident),
                ast::ObjectNamePart::Function(_) => Err(Unsupported("name made by a function")),
            })
            .collect::<Lowered<_>>()?,
    )
}

/// A column name that must not be qualified.
fn plain_name(object: &ast::ObjectName) -> Lowered<Name> {
    let path = path(object)?;
    absent(path.qualifier.is_empty(), "qualified or composite target column")?;
    Ok(path.last)
}

//! Calls that give the text of a stored definition: literals that are more than a word are left out. People write values into
//! definitions, and not only into those of the relation that holds them.
//!
//! A scalar subquery keeps the name that the call would give an output column. The text of a function is shown for those of the
//! server itself, and is NULL for others: literals in it cannot be told from the rest, since it can be in any language.

use super::calls::misfit;
use super::judge::Text;
use super::objection::Objection;
use crate::policy::system::{DEFINITION_AFTER, DEFINITION_BEFORE};
use crate::sql::functions;
use crate::sql::lexer::Token;
use crate::sql::splice::{Generated, Splicer};
use crate::sql::tree::Span;

/// Puts what is left of a definition's text in the place of the call of `name` that starts there.
pub(super) fn redact(text: &Text<'_>, (name, start): (&str, u32), splicer: &mut Splicer<'_>) -> Result<(), Objection> {
    let call = Call::at(text, start).ok_or_else(|| Objection::not_understood("a call without parentheses"))?;
    if functions::tells_source(name) {
        return show_own(&call, (name, start), splicer);
    }
    let prefix = if call.is_qualified { "" } else { "pg_catalog." };
    splicer.insert_before(start, format!("(SELECT {DEFINITION_BEFORE}{prefix}")).map_err(misfit)?;
    splicer.insert_after(call.close.end, format!("{DEFINITION_AFTER} AS {name})")).map_err(misfit)
}

/// Functions below this number are the server's own.
fn show_own(call: &Call, (name, start): (&str, u32), splicer: &mut Splicer<'_>) -> Result<(), Objection> {
    let before = format!(
        "(SELECT CASE WHEN CAST(d.a AS pg_catalog.oid) OPERATOR(pg_catalog.<) CAST(16384 AS pg_catalog.oid) \
         THEN pg_catalog.{name}(CAST(d.a AS pg_catalog.oid)) END AS {name} FROM (SELECT "
    );
    splicer.replace(Span { start, end: call.open_end }, before, Generated::Plain).map_err(misfit)?;
    splicer.replace(call.close, ") AS d (a))".to_owned(), Generated::Plain).map_err(misfit)
}

/// A call in the text.
struct Call {
    is_qualified: bool,
    /// After its opening parenthesis.
    open_end: u32,
    /// Its closing parenthesis.
    close: Span,
}

impl Call {
    fn at(text: &Text<'_>, start: u32) -> Option<Self> {
        let sql = text.sql;
        let first = text.tokens.binary_search_by_key(&start, |token| token.start).ok()?;
        let tokens = text.tokens.get(first..)?;
        let open = tokens.iter().position(|token| token.text(sql) == "(")?;
        let mut depth = 0usize;
        let ends = |token: &Token| {
            match token.text(sql) {
                "(" | "[" => depth += 1,
                ")" | "]" => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0
        };
        let close = open + tokens.get(open..)?.iter().position(ends)?;
        let (opening, closing) = (tokens.get(open)?, tokens.get(close)?);
        Some(Self {
            is_qualified: open > 1,
            open_end: opening.end,
            close: Span { start: closing.start, end: closing.end },
        })
    }
}

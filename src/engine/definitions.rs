//! Calls that give the text of a stored definition: literals that are more than a word are left out, unless the definition is that
//! of a relation of which nothing is protected.
//!
//! `pg_get_viewdef(v)` becomes
//! `(SELECT CASE WHEN v is protected THEN redacted ELSE pg_get_viewdef(v) END AS pg_get_viewdef FROM (SELECT v) AS d (a))`. A
//! scalar subquery keeps the name that the call would give an output column. The relation is found by the number that the
//! function is given; where that cannot be done, the text is always redacted.
//!
//! The text of a function is shown for those of the server itself, and is NULL for others: literals in it cannot be told from
//! the rest, since it can be in any language.

use super::calls::misfit;
use super::judge::Text;
use super::objection::Objection;
use crate::model::catalog::Catalog;
use crate::policy::system::{DEFINITION_AFTER, DEFINITION_BEFORE, MANY_RELATIONS};
use crate::sql::functions;
use crate::sql::lexer::{Token, TokenKind};
use crate::sql::second_opinion::WrapperEnd;
use crate::sql::splice::{Generated, Splicer};
use crate::sql::tree::Span;

/// Where the relation that a definition belongs to is found.
enum Owner {
    /// An expression over the argument `d.a`.
    Argument(&'static str),
    /// A catalog's column with the relation, and the one with the number that is the argument.
    Listed { catalog: &'static str, relation: &'static str, number: &'static str },
}

impl Owner {
    fn of(function: &str) -> Option<Self> {
        let listed = |catalog, relation, number| Some(Self::Listed { catalog, relation, number });
        match function {
            "pg_get_partkeydef" | "pg_get_partition_constraintdef" => {
                Some(Self::Argument("CAST(d.a AS pg_catalog.oid)"))
            }
            // Its argument may be a name, too; the cast of a text would not take a number.
            "pg_get_viewdef" => Some(Self::Argument(
                "CAST(pg_catalog.regclassin(pg_catalog.textout(CAST(d.a AS pg_catalog.text))) AS pg_catalog.oid)",
            )),
            "pg_get_indexdef" => listed("pg_index", "indrelid", "indexrelid"),
            "pg_get_constraintdef" => listed("pg_constraint", "conrelid", "oid"),
            "pg_get_statisticsobjdef" => listed("pg_statistic_ext", "stxrelid", "oid"),
            "pg_get_triggerdef" => listed("pg_trigger", "tgrelid", "oid"),
            "pg_get_ruledef" => listed("pg_rewrite", "ev_class", "oid"),
            _ => None,
        }
    }

    /// The relation's number as SQL, with the place of the catalog in it.
    fn sql(&self, before: &str) -> (String, Generated) {
        match self {
            Self::Argument(expression) => (format!("{before}{expression}"), Generated::Plain),
            Self::Listed { catalog, relation, number } => {
                let head = format!("{before}(SELECT o.{relation} FROM ");
                let select = format!("(SELECT \"{relation}\", \"{number}\" FROM ");
                let offset = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
                let name = format!("\"pg_catalog\".\"{catalog}\")");
                let generated = Generated::Wrapper {
                    open: offset(head.len()),
                    first_target: offset(head.len() + "(SELECT ".len()),
                    relation: offset(head.len() + select.len()),
                    close: offset(head.len() + select.len() + name.len()),
                    ends: WrapperEnd::Parenthesis,
                };
                let same = format!(" AS o WHERE o.{number} OPERATOR(pg_catalog.=) CAST(d.a AS pg_catalog.oid))");
                (format!("{head}{select}{name}{same}"), generated)
            }
        }
    }
}

/// Puts what is left of a definition's text in the place of the call of `name` that starts there.
pub(super) fn redact(text: &Text<'_>, (name, start): (&str, u32), splicer: &mut Splicer<'_>) -> Result<(), Objection> {
    let call = Call::at(text, start).ok_or_else(|| Objection::not_understood("a call without parentheses"))?;
    let protected = protected(text);
    if protected.as_ref().is_some_and(Vec::is_empty) {
        return match call.is_qualified {
            true => Ok(()),
            false => splicer.insert_before(start, "pg_catalog.".to_owned()).map_err(misfit),
        };
    }
    if functions::tells_source(name) {
        return show_own(&call, (name, start), splicer);
    }
    let (Some(owner), Some(arguments), Some(protected)) = (Owner::of(name), &call.arguments, protected) else {
        let prefix = if call.is_qualified { "" } else { "pg_catalog." };
        splicer.insert_before(start, format!("(SELECT {DEFINITION_BEFORE}{prefix}")).map_err(misfit)?;
        return splicer.insert_after(call.close.end, format!("{DEFINITION_AFTER} AS {name})")).map_err(misfit);
    };
    for (at, argument) in arguments.iter().enumerate() {
        if let Some(span) = argument.untyped {
            splicer.insert_before(span.start, "CAST(".to_owned()).map_err(misfit)?;
            splicer.insert_after(span.end, format!(" AS pg_catalog.{})", type_of(name, at))).map_err(misfit)?;
        }
    }
    let names = ["a", "b", "c"].get(..arguments.len()).unwrap_or_default();
    let qualified: Vec<String> = names.iter().map(|name| format!("d.{name}")).collect();
    let whole = format!("pg_catalog.{name}({})", qualified.join(", "));
    // What belongs to no relation, as that of a domain, has 0 or none: it is redacted.
    let numbers = protected.iter().fold("0".to_owned(), |list, oid| format!("{list},{oid}"));
    let (relation, generated) = owner.sql("(SELECT CASE WHEN ");
    let before = format!(
        "{relation} OPERATOR(pg_catalog.<>) ALL (CAST('{{{numbers}}}' AS pg_catalog.oid[])) \
         THEN {whole} ELSE {DEFINITION_BEFORE}{whole}{DEFINITION_AFTER} END AS {name} FROM (SELECT "
    );
    let after = format!(") AS d ({}))", names.join(", "));
    splicer.replace(Span { start, end: call.open_end }, before, generated).map_err(misfit)?;
    splicer.replace(call.close, after, Generated::Plain).map_err(misfit)
}

/// Functions below this number are the server's own.
fn show_own(call: &Call, (name, start): (&str, u32), splicer: &mut Splicer<'_>) -> Result<(), Objection> {
    let one = call.arguments.as_deref();
    if !matches!(one, Some([Argument { untyped: None }])) {
        return Err(Objection::not_understood(format!("{name} is not called with the number of a function")));
    }
    let before = format!(
        "(SELECT CASE WHEN CAST(d.a AS pg_catalog.oid) OPERATOR(pg_catalog.<) CAST(16384 AS pg_catalog.oid) \
         THEN pg_catalog.{name}(CAST(d.a AS pg_catalog.oid)) END AS {name} FROM (SELECT "
    );
    splicer.replace(Span { start, end: call.open_end }, before, Generated::Plain).map_err(misfit)?;
    splicer.replace(call.close, ") AS d (a))".to_owned(), Generated::Plain).map_err(misfit)
}

/// The relations of which something is protected; none if they are too many to be named.
fn protected(text: &Text<'_>) -> Option<Vec<u32>> {
    let empty = Catalog::default();
    let catalog = text.catalog.unwrap_or(&empty);
    let of_users =
        |oid: &&crate::model::catalog::Oid| catalog.relation(**oid).is_none_or(|relation| !relation.is_system());
    let rules = text.facts.view.relations.iter().filter(|(_, rules)| rules.protects());
    let mut found: Vec<u32> = rules.map(|(oid, _)| oid).filter(of_users).map(|oid| oid.0).collect();
    found.sort_unstable();
    (found.len() <= MANY_RELATIONS).then_some(found)
}

/// A call in the text.
struct Call {
    is_qualified: bool,
    /// After its opening parenthesis.
    open_end: u32,
    /// Its closing parenthesis.
    close: Span,
    /// Its arguments; none where they cannot be moved into a list of output columns.
    arguments: Option<Vec<Argument>>,
}

struct Argument {
    /// Where it stands, if its type would be found by what it is an argument of.
    untyped: Option<Span>,
}

/// The type that an argument without one of its own is given.
fn type_of(function: &str, at: usize) -> &'static str {
    match (function, at) {
        // Of two functions the server takes the one for a text.
        ("pg_get_viewdef", 0) => "text",
        (_, 0) => "oid",
        ("pg_get_indexdef", 1) => "int4",
        _ => "bool",
    }
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
            arguments: arguments(sql, tokens.get(open + 1..close)?),
        })
    }
}

/// The arguments that stand there; none where one cannot be an output column.
fn arguments(sql: &str, tokens: &[Token]) -> Option<Vec<Argument>> {
    let mut depth = 0usize;
    let mut is_comma = |token: &Token| {
        match token.text(sql) {
            "(" | "[" => depth += 1,
            ")" | "]" => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && token.text(sql) == ","
    };
    let argument = |tokens: &[Token]| match tokens {
        [] => None,
        [alone] => {
            let typed = match alone.kind {
                TokenKind::Word => !alone.is_word(sql, "null"),
                TokenKind::Integer | TokenKind::QuotedIdent => true,
                _ => false,
            };
            let untyped = (!typed).then_some(Span { start: alone.start, end: alone.end });
            Some(Argument { untyped })
        }
        [first, second, ..] => {
            let named = matches!(second.kind, TokenKind::EqualsGreater | TokenKind::ColonEquals);
            (!first.is_word(sql, "variadic") && !named).then_some(Argument { untyped: None })
        }
    };
    let arguments: Vec<Argument> = tokens.split(&mut is_comma).map(argument).collect::<Option<_>>()?;
    (arguments.len() <= 3).then_some(arguments)
}

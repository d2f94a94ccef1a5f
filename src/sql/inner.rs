//! The query inside a statement: what EXPLAIN explains, PREPARE prepares, DECLARE opens and COPY copies.
//!
//! Only the query is given to sqlparser. The words around it are PostgreSQL's own and are cut off by token; its grammar has
//! accepted them before.

use super::lexer::{self, Token, TokenKind};
use super::tree::{Name, Path, Query, Span, Statement};
use super::{lower, parse};

/// What surrounds the query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Around {
    /// Nothing.
    Plain,
    /// EXPLAIN.
    Explain,
    /// PREPARE name (types) AS, CREATE TABLE name AS: everything up to the first AS.
    As,
    /// INTO name, within the query.
    Into,
    /// DECLARE name … CURSOR … FOR.
    Declare,
    /// COPY.
    Copy,
}

/// The statement that these tokens make up, as sqlparser reads it.
///
/// # Errors
/// Why it is not understood.
pub fn statement(text: &str, tokens: &[Token], around: Around) -> Result<Statement, String> {
    match around {
        Around::Plain => query(text, tokens).map(Statement::Query),
        Around::Explain => query(text, after_explain(text, tokens)).map(Statement::Explain),
        Around::As => query(text, before_data(text, after_word(text, tokens, "as")?)).map(Statement::Prepare),
        Around::Into => query(text, &without_into(text, tokens)?).map(Statement::Query),
        Around::Declare => query(text, after_word(text, tokens, "for")?).map(Statement::Declare),
        Around::Copy => copy(text, tokens),
    }
}

fn query(text: &str, tokens: &[Token]) -> Result<Query, String> {
    let parsed = parse::statement(text, tokens).map_err(|error| error.to_string())?;
    lower::statement(&parsed).map_err(|error| format!("{error} is not known"))
}

/// Behind EXPLAIN, its list of options or its two words.
fn after_explain<'a>(text: &str, tokens: &'a [Token]) -> &'a [Token] {
    let mut rest = tokens.get(1..).unwrap_or_default();
    if rest.first().is_some_and(|token| token.text(text) == "(") && !starts_query(text, rest.get(1)) {
        rest = after_group(text, rest);
    }
    while rest.first().is_some_and(|token| token.is_word(text, "analyze") || token.is_word(text, "verbose")) {
        rest = rest.get(1..).unwrap_or_default();
    }
    rest
}

/// Before the WITH [NO] DATA of CREATE TABLE AS; no query ends so.
fn before_data<'a>(text: &str, tokens: &'a [Token]) -> &'a [Token] {
    let is = |token: &Token, word: &str| token.is_word(text, word);
    match tokens {
        [rest @ .., with, no, data] if is(with, "with") && is(no, "no") && is(data, "data") => rest,
        [rest @ .., with, data] if is(with, "with") && is(data, "data") => rest,
        _ => tokens,
    }
}

/// Without INTO and the name behind it. INTO is reserved: it is a name only behind AS or a point.
fn without_into(text: &str, tokens: &[Token]) -> Result<Vec<Token>, String> {
    let is_into = |at: usize| {
        let follows_name = at.checked_sub(1).and_then(|before| tokens.get(before));
        tokens.get(at).is_some_and(|token| token.is_word(text, "into"))
            && !follows_name.is_some_and(|token| token.is_word(text, "as") || token.text(text) == ".")
    };
    let at = (0..tokens.len()).find(|at| is_into(*at)).ok_or("no INTO in the statement")?;
    let (before, from) = tokens.split_at(at);
    let mut rest = from.get(1..).unwrap_or_default();
    while let [word, next, ..] = rest
        && ["local", "global", "temporary", "temp", "table"].iter().any(|known| word.is_word(text, known))
        && next.text(text) != "."
    {
        rest = rest.get(1..).unwrap_or_default();
    }
    let (_, after) = dotted(text, rest)?;
    Ok([before, after].concat())
}

/// A dotted name that is all of a text.
pub fn name(text: &str) -> Option<Path> {
    let tokens = lexer::lex(text).ok()?;
    dotted(text, &tokens).ok().filter(|(_, rest)| rest.is_empty()).map(|(path, _)| path)
}

/// The names behind DROP TABLE or DROP INDEX.
///
/// # Errors
/// The statement is of another form.
pub fn dropped(text: &str, tokens: &[Token]) -> Result<Vec<Path>, String> {
    let mut rest = tokens.get(2..).unwrap_or_default();
    for word in ["concurrently", "if", "exists"] {
        if let [first, second, ..] = rest
            && first.is_word(text, word)
            && !matches!(second.text(text), "," | ".")
        {
            rest = rest.get(1..).unwrap_or_default();
        }
    }
    let mut names = Vec::new();
    loop {
        let (path, after) = dotted(text, rest)?;
        names.push(path);
        match after.split_first() {
            Some((comma, after)) if comma.text(text) == "," => rest = after,
            _ => return Ok(names),
        }
    }
}

fn starts_query(text: &str, token: Option<&Token>) -> bool {
    token.is_some_and(|token| {
        token.text(text) == "(" || ["select", "with", "values", "table"].iter().any(|word| token.is_word(text, word))
    })
}

/// Behind the parentheses that open here.
fn after_group<'a>(text: &str, tokens: &'a [Token]) -> &'a [Token] {
    let mut depth = 0usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.text(text) {
            "(" if token.kind == TokenKind::Punctuation => depth += 1,
            ")" if token.kind == TokenKind::Punctuation => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return tokens.get(at + 1..).unwrap_or_default();
                }
            }
            _ => {}
        }
    }
    &[]
}

/// Behind the first such word outside of parentheses.
fn after_word<'a>(text: &str, tokens: &'a [Token], word: &str) -> Result<&'a [Token], String> {
    let mut rest = tokens;
    while let Some((token, tail)) = rest.split_first() {
        if token.is_word(text, word) {
            return Ok(tail);
        }
        rest = if token.text(text) == "(" { after_group(text, rest) } else { tail };
    }
    Err(format!("no {} in the statement", word.to_uppercase()))
}

fn copy(text: &str, tokens: &[Token]) -> Result<Statement, String> {
    let rest = tokens.get(1..).unwrap_or_default();
    if rest.first().is_some_and(|token| token.text(text) == "(") {
        let after = after_group(text, rest);
        let inside = rest.get(1..rest.len().saturating_sub(after.len() + 1)).unwrap_or_default();
        return query(text, inside).map(Statement::CopyQuery);
    }
    let (path, mut rest) = dotted(text, rest)?;
    let mut columns = Vec::new();
    if rest.first().is_some_and(|token| token.text(text) == "(") {
        let after = after_group(text, rest);
        let inside = rest.get(1..rest.len().saturating_sub(after.len() + 1)).unwrap_or_default();
        for token in inside.iter().filter(|token| token.text(text) != ",") {
            columns.push(named(text, token)?);
        }
        rest = after;
    }
    let direction = rest.first().ok_or("COPY without a direction")?;
    match (direction.is_word(text, "to"), direction.is_word(text, "from")) {
        (true, _) => Ok(Statement::CopyRelation { path, columns, to: true }),
        (_, true) => Ok(Statement::CopyRelation { path, columns, to: false }),
        _ => Err("COPY of a form that is not known".to_owned()),
    }
}

fn dotted<'a>(text: &str, tokens: &'a [Token]) -> Result<(Path, &'a [Token]), String> {
    let mut parts = Vec::new();
    let mut rest = tokens;
    loop {
        let (token, tail) = rest.split_first().ok_or("no name")?;
        parts.push(named(text, token)?);
        match tail.split_first() {
            Some((dot, after)) if dot.text(text) == "." => rest = after,
            _ => {
                let last = parts.pop().ok_or("no name")?;
                return Ok((Path { qualifier: parts, last }, tail));
            }
        }
    }
}

fn named(text: &str, token: &Token) -> Result<Name, String> {
    let ident = match token.kind {
        TokenKind::Word | TokenKind::QuotedIdent | TokenKind::UnicodeIdent => lexer::ident(text, token),
        _ => None,
    };
    let ident = ident.ok_or_else(|| format!("`{}` is not a name", token.text(text)))?;
    Ok(Name { ident, span: Span { start: token.start, end: token.end } })
}

//! From PostgreSQL's own tree to ours: the second way, for what sqlparser does not know.
//!
//! The tree of the server's grammar says where a name starts and not where it ends, so the places of names are completed
//! from our tokens (`places`). A name must stand there as the tree has it, or the statement is not understood. What a
//! match does not list is not understood either; the walk that checks the final text is another one, and the places of all
//! names that it meets must be those that were found here.

mod dml;
mod expr;
mod from;
mod places;
mod query;
mod values;

use std::panic::{AssertUnwindSafe, catch_unwind};

use pg_raw_parse::{Node, ParseResult};

use super::inner::Around;
use super::lexer::{self, Token};
use super::tree::{Query, Statement};
use places::Places;

/// PostgreSQL's grammar does not accept a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrammarError {
    /// Primary message, in PostgreSQL's words.
    pub message: String,
    /// Byte offset, where it is known.
    pub position: Option<u32>,
}

impl std::fmt::Display for GrammarError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for GrammarError {}

/// A construct that has no place in our tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
struct Unsupported(&'static str);

type Lowered<T> = Result<T, Unsupported>;

/// Parses a text and does something with the tree; a panic in either is an error.
///
/// # Errors
/// PostgreSQL's grammar does not accept the text, or it could not be analysed.
pub fn guarded<T>(sql: &str, then: impl FnOnce(&ParseResult) -> T) -> Result<T, GrammarError> {
    let outcome = catch_unwind(AssertUnwindSafe(|| match pg_raw_parse::parse(sql) {
        Ok(parsed) => Ok(then(&parsed)),
        // In the server's words, without those of the library.
        Err(pg_raw_parse::Error::Parse(error)) => Err(error.to_string()),
        Err(error) => Err(error.to_string()),
    }));
    match outcome {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(message)) => Err(GrammarError { message, position: lexer::lex(sql).err().map(|error| error.position) }),
        Err(_) => Err(GrammarError { message: "statement could not be analysed".to_owned(), position: None }),
    }
}

/// The one statement that these tokens of `text` make up.
///
/// # Errors
/// Why it is not understood.
pub fn statement(text: &str, tokens: &[Token], around: Around) -> Result<Statement, String> {
    let (Some(first), Some(last)) = (tokens.first(), tokens.last()) else { return Err("no statement".to_owned()) };
    // The grammar found the statement between these bytes, so it reads the same without what stands around it.
    let alone = text.get(first.start as usize..last.end as usize).unwrap_or_default();
    let lowered = guarded(alone, |parsed| {
        let places = Places::new(text, tokens, first.start);
        let mut statements = parsed.iter();
        match (statements.next(), statements.next()) {
            (Some(one), None) => around_query(&places, one.stmt(), around),
            _ => Err(Unsupported("several statements")),
        }
    });
    match lowered {
        Ok(Ok(statement)) => Ok(statement),
        Ok(Err(unsupported)) => Err(format!("{unsupported} is not known")),
        Err(error) => Err(error.message),
    }
}

fn around_query(places: &Places<'_>, node: Node<'_>, around: Around) -> Lowered<Statement> {
    let of = |inner: Node<'_>| query_of(places, inner);
    match (around, node) {
        (Around::Plain | Around::Into, node) => of(node).map(Statement::Query),
        (Around::Explain, Node::ExplainStmt(explain)) => of(explain.query()).map(Statement::Explain),
        (Around::As, Node::PrepareStmt(prepare)) => of(prepare.query()).map(Statement::Prepare),
        (Around::As, Node::CreateTableAsStmt(create)) => of(create.query()).map(Statement::Prepare),
        (Around::Declare, Node::DeclareCursorStmt(declare)) => of(declare.query()).map(Statement::Declare),
        (Around::Copy, Node::CopyStmt(copy)) => of(copy.query()).map(Statement::CopyQuery),
        _ => Err(Unsupported("statement of another kind")),
    }
}

/// A query or data-modifying statement; both come back as a query, since both may carry WITH.
fn query_of(places: &Places<'_>, node: Node<'_>) -> Lowered<Query> {
    match node {
        Node::SelectStmt(select) => query::query(places, select),
        Node::InsertStmt(_) | Node::UpdateStmt(_) | Node::DeleteStmt(_) | Node::MergeStmt(_) => {
            dml::statement(places, node)
        }
        _ => Err(Unsupported("statement of another kind")),
    }
}

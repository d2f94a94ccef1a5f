//! Limits that a text must keep before any parser sees it.
//!
//! Parsers recurse: a few kilobytes of nested joins, of a long chain of operators or of a construct that is tried
//! twice at each level can exhaust a stack or a processor. What a parser would need is bounded here from the tokens
//! alone, in one pass: an upper bound of the depth of the tree, the number of statements, sub-queries and joins, and
//! the nesting of the two constructs whose cost doubles at each level. Commas separate, they never nest, so a list of
//! ten thousand elements or rows is fine.

mod walk;

use std::fmt;

use self::walk::{Before, Walk};
use super::tokens::Token;

/// How large and how deep a text may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Bytes of the whole text, literals and all.
    pub text_bytes: u32,
    /// Bytes outside of literals: what a tokenizer turns into many small things.
    pub code_bytes: u32,
    /// Tokens.
    pub tokens: u32,
    /// Statements.
    pub statements: u32,
    /// Levels of `(`, `[` and CASE … END.
    pub nesting: u32,
    /// JOIN words of one statement.
    pub joins: u32,
    /// Depth of operators, set operations and whatever else makes a tree deeper, brackets included.
    pub chain: u32,
    /// SELECT, VALUES and TABLE words of the text.
    pub queries: u32,
    /// Levels of `POSITION(` and of `(VALUES`, which cost a parser twice as much at each level.
    pub doubling: u32,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            text_bytes: 16 << 20,
            code_bytes: 1 << 20,
            tokens: 200_000,
            statements: 64,
            nesting: 48,
            joins: 200,
            chain: 1000,
            queries: 1000,
            doubling: 4,
        }
    }
}

/// Which limit a text exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cap {
    /// [`Caps::text_bytes`].
    TextBytes,
    /// [`Caps::code_bytes`].
    CodeBytes,
    /// [`Caps::tokens`].
    Tokens,
    /// [`Caps::statements`].
    Statements,
    /// [`Caps::nesting`].
    Nesting,
    /// [`Caps::joins`].
    Joins,
    /// [`Caps::chain`].
    Chain,
    /// [`Caps::queries`].
    Queries,
    /// [`Caps::doubling`].
    Doubling,
}

/// A text is larger or deeper than it may be: SQLSTATE 54001.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CapExceeded {
    /// The limit.
    pub cap: Cap,
    /// Its value.
    pub limit: u32,
    /// Byte offset of the token that exceeds it.
    pub position: u32,
}

impl fmt::Display for CapExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.cap {
            Cap::TextBytes => "bytes of text",
            Cap::CodeBytes => "bytes outside of literals",
            Cap::Tokens => "tokens",
            Cap::Statements => "statements",
            Cap::Nesting => "levels of parentheses, brackets and CASE",
            Cap::Joins => "joins in one statement",
            Cap::Chain => "operators and set operations in one chain",
            Cap::Queries => "sub-queries",
            Cap::Doubling => "levels of POSITION or VALUES",
        };
        write!(f, "statement is too complex: more than {} {what}", self.limit)
    }
}

impl std::error::Error for CapExceeded {}

impl Caps {
    /// Says which limit a text exceeds first, if any.
    pub fn check(&self, tokens: &[Token], text: &str) -> Result<(), CapExceeded> {
        let end = text.len() as u64;
        let literals: u64 =
            tokens.iter().filter(|token| token.kind.is_string()).map(|token| u64::from(token.end - token.start)).sum();
        within(end, self.text_bytes, Cap::TextBytes, 0)?;
        within(end.saturating_sub(literals), self.code_bytes, Cap::CodeBytes, 0)?;
        within(tokens.len() as u64, self.tokens, Cap::Tokens, 0)?;
        let mut walk = Walk::new(self);
        let mut before = Before::Start;
        for token in tokens {
            before = walk.step(token, text, before)?;
        }
        Ok(())
    }
}

fn within(value: u64, limit: u32, cap: Cap, position: u32) -> Result<(), CapExceeded> {
    if value > u64::from(limit) { Err(CapExceeded { cap, limit, position }) } else { Ok(()) }
}

#[cfg(test)]
mod tests;

//! Replacing exact ranges of a text, and nothing else.
//!
//! A splice is anchored to tokens, not to bytes: two texts that differ only in literals and comments have the same tokens
//! at the same indexes, so the splices found for one of them fit the other. What is not replaced stays byte for byte, except
//! that a comment between two tokens becomes a space.

mod apply;

pub use apply::apply;

use super::lexer::Token;
use super::second_opinion::WrapperEnd;
use super::tree::Span;

/// What a replacement is, for the check of the final text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Generated {
    /// Holds `(SELECT … FROM relation)`: offsets from the start of the replacement.
    Wrapper {
        /// Where the opening parenthesis stands.
        open: u32,
        /// Where the first entry of the select list starts.
        first_target: u32,
        /// Where the relation's name starts.
        relation: u32,
        /// After the closing parenthesis, or after the relation's name where the client's TABLESAMPLE follows.
        close: u32,
        /// Which of both.
        ends: WrapperEnd,
    },
    /// The query of a view, and what was generated in it, by offsets from the start of the replacement.
    Query(Vec<(u32, Generated)>),
    /// The qualified name of the target of a data-modifying statement.
    Target,
    /// A masked value that stands for a column of the target of a data-modifying statement.
    Expression,
    /// A qualified name, a column list, an alias.
    Plain,
}

/// One replacement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splice {
    from: Edge,
    to: Edge,
    /// What stands there instead.
    pub text: String,
    /// A piece of the original that stands there once more.
    copied: Option<Copied>,
    /// What that is.
    pub generated: Generated,
}

/// A piece of the original, with the replacements made in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Copied {
    /// Where in the text of the replacement it stands.
    at: usize,
    from: Edge,
    to: Edge,
}

/// A place between bytes: the start or the end of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Edge {
    token: u32,
    after: bool,
}

/// A replacement in the final text, a comment that was left out included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// First byte in the final text.
    pub start: usize,
    /// After its last byte.
    pub end: usize,
    /// Characters of the original that it stands for.
    pub replaced: usize,
    /// What it is.
    pub generated: Generated,
}

/// Where a character of the final text stands in the original, both counted from one as in error messages. The start of a
/// replacement is the start of what it stands for; what lies further in it has no place.
pub fn original_position(text: &str, placed: &[Placed], position: usize) -> Option<usize> {
    let before = position.checked_sub(1)?;
    let byte = text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(before)?;
    let (mut added, mut removed) = (0, 0);
    for place in placed.iter().take_while(|place| place.start < byte) {
        if byte < place.end {
            return None;
        }
        added += text.get(place.start..place.end)?.chars().count();
        removed += place.replaced;
    }
    (position + removed).checked_sub(added)
}

/// Replacements do not fit the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a rewrite does not fit the statement")]
pub struct SpliceError;

/// Collects replacements for one text.
#[derive(Debug)]
pub struct Splicer<'a> {
    tokens: &'a [Token],
    splices: Vec<Splice>,
}

impl<'a> Splicer<'a> {
    /// For a text with these tokens.
    pub fn new(tokens: &'a [Token]) -> Self {
        Self { tokens, splices: Vec::new() }
    }

    /// Replaces a range that starts and ends with a token.
    ///
    /// # Errors
    /// It does not.
    pub fn replace(&mut self, span: Span, text: String, generated: Generated) -> Result<(), SpliceError> {
        let from = self.starting_at(span.start)?;
        let to = self.ending_at(span.end)?;
        self.splices.push(Splice {
            from: Edge { token: from, after: false },
            to: Edge { token: to, after: true },
            text,
            copied: None,
            generated,
        });
        Ok(())
    }

    /// Inserts after the token that ends there, with a piece of the original between two texts. Texts of one shape may
    /// have other literals there: the piece is cut from the text at hand.
    ///
    /// # Errors
    /// No token ends there, or the piece does not start and end with one.
    pub fn insert_copy(&mut self, end: u32, before: &str, piece: Span, after: &str) -> Result<(), SpliceError> {
        let edge = Edge { token: self.ending_at(end)?, after: true };
        let copied = Copied {
            at: before.len(),
            from: Edge { token: self.starting_at(piece.start)?, after: false },
            to: Edge { token: self.ending_at(piece.end)?, after: true },
        };
        let text = format!("{before}{after}");
        self.splices.push(Splice { from: edge, to: edge, text, copied: Some(copied), generated: Generated::Plain });
        Ok(())
    }

    /// Inserts before the token that starts there.
    ///
    /// # Errors
    /// No token starts there.
    pub fn insert_before(&mut self, start: u32, text: String) -> Result<(), SpliceError> {
        let edge = Edge { token: self.starting_at(start)?, after: false };
        self.splices.push(Splice { from: edge, to: edge, text, copied: None, generated: Generated::Plain });
        Ok(())
    }

    /// Inserts after the token that ends there.
    ///
    /// # Errors
    /// No token ends there.
    pub fn insert_after(&mut self, end: u32, text: String) -> Result<(), SpliceError> {
        let edge = Edge { token: self.ending_at(end)?, after: true };
        self.splices.push(Splice { from: edge, to: edge, text, copied: None, generated: Generated::Plain });
        Ok(())
    }

    /// The index of the token that starts there.
    ///
    /// # Errors
    /// None does.
    pub fn starting_at(&self, start: u32) -> Result<u32, SpliceError> {
        let at = self.tokens.binary_search_by_key(&start, |token| token.start).map_err(|_| SpliceError)?;
        u32::try_from(at).map_err(|_| SpliceError)
    }

    fn ending_at(&self, end: u32) -> Result<u32, SpliceError> {
        let at = self.tokens.binary_search_by_key(&end, |token| token.end).map_err(|_| SpliceError)?;
        u32::try_from(at).map_err(|_| SpliceError)
    }

    /// The replacements in the order of the text.
    ///
    /// # Errors
    /// Two of them overlap.
    pub fn finish(mut self) -> Result<Vec<Splice>, SpliceError> {
        self.splices.sort_by_key(|splice| (splice.from, splice.to));
        let overlap = self.splices.windows(2).any(|pair| match pair {
            [first, second] => second.from < first.to,
            _ => false,
        });
        if overlap { Err(SpliceError) } else { Ok(self.splices) }
    }
}

#[cfg(test)]
mod tests;

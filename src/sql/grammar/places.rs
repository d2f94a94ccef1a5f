//! Where names stand: the tree has the start of a name at best, the tokens have the rest.

use pg_raw_parse::Node;
use pg_raw_parse::list::NodeList;
use pg_raw_parse::nodes::RangeVar;

use super::{Lowered, Unsupported};
use crate::model::ident::Ident;
use crate::sql::lexer::{self, Token, TokenKind};
use crate::sql::tree::{Alias, Name, Path, Span};

/// The tokens of one statement, and how the tree's offsets relate to them.
pub(super) struct Places<'t> {
    text: &'t str,
    tokens: &'t [Token],
    base: u32,
}

impl<'t> Places<'t> {
    /// For a tree whose offsets count from `base`.
    pub(super) fn new(text: &'t str, tokens: &'t [Token], base: u32) -> Self {
        Self { text, tokens, base }
    }

    /// The index of the token that starts at a location of the tree.
    pub(super) fn at(&self, location: i32) -> Lowered<usize> {
        let offset = u32::try_from(location).ok().and_then(|offset| offset.checked_add(self.base));
        offset
            .and_then(|offset| self.tokens.binary_search_by_key(&offset, |token| token.start).ok())
            .ok_or(Unsupported("a name without a place"))
    }

    fn token(&self, at: usize) -> Option<&'t Token> {
        self.tokens.get(at)
    }

    pub(super) fn is_word(&self, at: usize, word: &str) -> bool {
        self.token(at).is_some_and(|token| token.is_word(self.text, word))
    }

    pub(super) fn is_symbol(&self, at: usize, symbol: &str) -> bool {
        self.token(at).is_some_and(|token| token.is_symbol(self.text, symbol))
    }

    /// From the first byte of a token to the last of another.
    pub(super) fn span(&self, first: usize, last: usize) -> Lowered<Span> {
        match (self.token(first), self.token(last)) {
            (Some(first), Some(last)) => Ok(Span { start: first.start, end: last.end }),
            _ => Err(Unsupported("a name without a place")),
        }
    }

    /// The whole number that stands there, as written.
    pub(super) fn integer(&self, location: i32) -> Option<(String, Span)> {
        let token = self.token(self.at(location).ok()?)?;
        let span = Span { start: token.start, end: token.end };
        (token.kind == TokenKind::Integer).then(|| (token.text(self.text).to_owned(), span))
    }

    /// The name that must stand at a token, and the index of the token after it.
    pub(super) fn name(&self, at: usize, expected: &str) -> Lowered<(Name, usize)> {
        let mismatch = Unsupported("a name that stands elsewhere");
        let token = self.token(at).ok_or(mismatch)?;
        // The meaning of U&"…" UESCAPE '…' is taken from the tree.
        let escaped = token.kind == TokenKind::UnicodeIdent && self.is_word(at + 1, "uescape");
        let last = if escaped { at + 2 } else { at };
        let written = match token.kind {
            TokenKind::UnicodeIdent if escaped => Some(Ident::quoted(expected)),
            TokenKind::Word | TokenKind::QuotedIdent | TokenKind::UnicodeIdent => lexer::ident(self.text, token),
            _ => None,
        };
        match written {
            Some(ident) if ident.as_str() == expected => Ok((Name { ident, span: self.span(at, last)? }, last + 1)),
            _ => Err(mismatch),
        }
    }

    /// A name of which the tree has the location.
    pub(super) fn name_at(&self, location: i32, expected: Option<&str>) -> Lowered<Name> {
        let expected = expected.ok_or(Unsupported("a place without a name"))?;
        Ok(self.name(self.at(location)?, expected)?.0)
    }

    /// A name that stands nowhere in particular: the tree does not say where.
    pub(super) fn unplaced(&self, name: &str) -> Name {
        Name { ident: Ident::quoted(name), span: Span { start: self.base, end: self.base } }
    }

    /// A dotted name, and the index of the token after it.
    pub(super) fn path(&self, location: i32, parts: &[&str]) -> Lowered<(Path, usize)> {
        let mut at = self.at(location)?;
        let mut names = Vec::with_capacity(parts.len());
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                if !self.is_symbol(at, ".") {
                    return Err(Unsupported("a name that stands elsewhere"));
                }
                at += 1;
            }
            let (name, after) = self.name(at, part)?;
            names.push(name);
            at = after;
        }
        let last = names.pop().ok_or(Unsupported("an empty name"))?;
        Ok((Path { qualifier: names, last }, at))
    }

    /// The name of a relation, and the index of the token after it.
    pub(super) fn relation(&self, relation: &RangeVar) -> Lowered<(Path, usize)> {
        let parts: Vec<&str> =
            [relation.catalogname(), relation.schemaname(), relation.relname()].into_iter().flatten().collect();
        self.path(relation.location, &parts)
    }

    /// What closes `ONLY (t)` or marks `t *`: the index of the token after it.
    pub(super) fn after_decoration(&self, at: usize, first: usize) -> usize {
        let in_parentheses = first.checked_sub(2).is_some_and(|only| self.is_word(only, "only"))
            && first.checked_sub(1).is_some_and(|open| self.is_symbol(open, "("));
        let decorated = self.is_symbol(at, "*") || (in_parentheses && self.is_symbol(at, ")"));
        if decorated { at + 1 } else { at }
    }

    /// The alias of a relation, which begins at a token, and the index of the token after it.
    pub(super) fn alias(&self, at: usize, alias: &pg_raw_parse::nodes::Alias) -> Lowered<(Alias, usize)> {
        let at = if self.is_word(at, "as") { at + 1 } else { at };
        let (name, mut at) = self.name(at, alias.aliasname().unwrap_or_default())?;
        let mut columns = Vec::new();
        for column in alias.colnames() {
            // Before the first stands a parenthesis, before each other a comma.
            if !self.is_symbol(at, if columns.is_empty() { "(" } else { "," }) {
                return Err(Unsupported("a name that stands elsewhere"));
            }
            let (column, after) = self.name(at + 1, column.as_str().unwrap_or_default())?;
            columns.push(column);
            at = after;
        }
        Ok((Alias { name, columns: columns.clone() }, if columns.is_empty() { at } else { at + 1 }))
    }

    /// An alias of which only the names matter.
    pub(super) fn unplaced_alias(&self, alias: &pg_raw_parse::nodes::Alias) -> Alias {
        Alias {
            name: self.unplaced(alias.aliasname().unwrap_or_default()),
            columns: strings(alias.colnames()).into_iter().map(|name| self.unplaced(name)).collect(),
        }
    }

    /// Where the entry of a RETURNING list that begins at a token ends: only another entry can follow.
    pub(super) fn end_of_entry(&self, first: usize) -> Lowered<u32> {
        let mut depth = 0usize;
        let mut end = None;
        for token in self.tokens.iter().skip(first) {
            let written = if token.kind == TokenKind::Punctuation { token.text(self.text) } else { "" };
            match written {
                "(" | "[" => depth += 1,
                ")" | "]" | "," | ";" if depth == 0 => break,
                ")" | "]" => depth -= 1,
                _ => {}
            }
            end = Some(token.end);
        }
        end.ok_or(Unsupported("a name without a place"))
    }

    /// After the parentheses that open at a token.
    pub(super) fn after_group(&self, at: usize) -> Lowered<usize> {
        let mut depth = 0usize;
        for (index, token) in self.tokens.iter().enumerate().skip(at) {
            if token.is_symbol(self.text, "(") {
                depth += 1;
            } else if token.is_symbol(self.text, ")") {
                depth = depth.saturating_sub(1);
            }
            if depth == 0 {
                return Ok(index + 1);
            }
        }
        Err(Unsupported("parentheses without an end"))
    }
}

/// The strings of a list.
pub(super) fn strings(list: &NodeList) -> Vec<&str> {
    list.iter().filter_map(|node| node.as_str()).collect()
}

/// The parts of a column reference, and whether a star follows.
pub(super) fn fields(list: &NodeList) -> (Vec<&str>, bool) {
    (strings(list), list.iter().any(|node| matches!(node, Node::A_Star(_))))
}

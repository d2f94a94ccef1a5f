//! The parts of a data-modifying statement by their tokens: lists, rows, assignments. PostgreSQL's grammar has accepted the
//! statement before, so that its commas and keywords outside of parentheses say where each part ends.

use std::ops::Range;

use super::lexer::{self, Token, TokenKind};
use super::tree::Span;
use crate::model::ident::Ident;

/// A text and its tokens. Places are numbers of tokens.
#[derive(Debug, Clone, Copy)]
pub struct Clauses<'a> {
    text: &'a str,
    tokens: &'a [Token],
}

/// An assignment of SET.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The columns: one, or those in parentheses.
    pub names: Vec<Target>,
    /// The parentheses around the columns.
    pub multiple: bool,
    /// What stands behind the equals sign.
    pub value: Range<usize>,
}

/// A column that gets a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its name.
    pub name: Ident,
    /// The token of the name.
    pub at: usize,
    /// Only an element or a field of it gets a value.
    pub is_part: bool,
}

impl<'a> Clauses<'a> {
    /// Over these tokens of the text.
    pub fn new(text: &'a str, tokens: &'a [Token]) -> Self {
        Self { text, tokens }
    }

    /// The token that starts there or behind.
    pub fn from(&self, start: u32) -> usize {
        self.tokens.partition_point(|token| token.start < start)
    }

    /// It is that keyword: not a name behind a point, nor an alias.
    pub fn is(&self, at: usize, word: &str) -> bool {
        let is = |at: usize, word: &str| self.tokens.get(at).is_some_and(|token| token.is_word(self.text, word));
        let before = at.checked_sub(1);
        is(at, word)
            && !before.is_some_and(|before| is(before, "as") && word != "select" || self.is_symbol(before, "."))
    }

    /// It is that punctuation.
    pub fn is_symbol(&self, at: usize, symbol: &str) -> bool {
        self.tokens.get(at).is_some_and(|token| token.is_symbol(self.text, symbol))
    }

    /// The name that a token is.
    pub fn name(&self, at: usize) -> Option<Ident> {
        lexer::ident(self.text, self.tokens.get(at)?)
    }

    /// The bytes of some tokens.
    pub fn span(&self, range: &Range<usize>) -> Option<Span> {
        let first = self.tokens.get(range.start)?;
        let last = self.tokens.get(range.end.checked_sub(1)?)?;
        Some(Span { start: first.start, end: last.end })
    }

    /// Where what begins here ends: before a closing parenthesis, a semicolon, or a token outside of parentheses and CASE
    /// for which `stops` holds.
    pub fn end(&self, from: usize, stops: &dyn Fn(usize) -> bool) -> usize {
        let mut depth = 0_usize;
        let mut at = from;
        while at < self.tokens.len() {
            if depth == 0
                && (self.is_symbol(at, ")") || self.is_symbol(at, "]") || self.is_symbol(at, ";") || stops(at))
            {
                return at;
            }
            if self.is_symbol(at, "(") || self.is_symbol(at, "[") || self.is(at, "case") {
                depth += 1;
            } else if self.is_symbol(at, ")") || self.is_symbol(at, "]") || self.is(at, "end") {
                depth = depth.saturating_sub(1);
            }
            at += 1;
        }
        at
    }

    /// The parenthesis that closes the one that opens here.
    pub fn closing(&self, open: usize) -> Option<usize> {
        let close = self.end(open + 1, &|_| false);
        (self.is_symbol(open, "(") && self.is_symbol(close, ")")).then_some(close)
    }

    /// What commas outside of parentheses part.
    pub fn items(&self, range: Range<usize>) -> Vec<Range<usize>> {
        let mut items = Vec::new();
        let mut from = range.start;
        while from < range.end {
            let end = self.end(from, &|at| self.is_symbol(at, ",")).min(range.end);
            items.push(from..end);
            from = end + 1;
        }
        items
    }

    /// The first place from here, outside of parentheses and CASE, where these keywords stand in a row.
    pub fn find(&self, from: usize, words: &[&str]) -> Option<usize> {
        let stands = |at: usize| words.iter().enumerate().all(|(step, word)| self.is(at + step, word));
        let at = self.end(from, &stands);
        stands(at).then_some(at)
    }

    /// ON CONFLICT begins here, not the condition of a join.
    pub fn is_conflict(&self, at: usize) -> bool {
        let constraint = self.is(at + 2, "on") && self.is(at + 3, "constraint");
        let goes_on = self.is_symbol(at + 2, "(") || self.is(at + 2, "do") || constraint;
        self.is(at, "on") && self.is(at + 1, "conflict") && goes_on
    }

    /// A list of columns between these parentheses.
    pub fn targets(&self, open: usize, close: usize) -> Option<Vec<Target>> {
        self.items(open + 1..close).into_iter().map(|item| self.target(&item)).collect()
    }

    fn target(&self, item: &Range<usize>) -> Option<Target> {
        Some(Target { name: self.name(item.start)?, at: item.start, is_part: item.len() > 1 })
    }

    /// The assignments behind SET.
    pub fn assignments(&self, from: usize) -> Option<Vec<Assignment>> {
        let stops = |at: usize| {
            let distinct = at.checked_sub(1).is_some_and(|before| self.is(before, "distinct"));
            self.is(at, "where")
                || self.is(at, "returning")
                || self.is(at, "when")
                || (self.is(at, "from") && !distinct)
        };
        let end = self.end(from, &stops);
        self.items(from..end).into_iter().map(|item| self.assignment(item)).collect()
    }

    fn assignment(&self, item: Range<usize>) -> Option<Assignment> {
        let equals = self.end(item.start, &|at| self.is_symbol(at, "="));
        if equals >= item.end {
            return None;
        }
        let multiple = self.is_symbol(item.start, "(");
        let names = if multiple {
            self.targets(item.start, self.closing(item.start)?)?
        } else {
            vec![self.target(&(item.start..equals))?]
        };
        Some(Assignment { names, multiple, value: equals + 1..item.end })
    }

    /// The expressions of `(a, b)` or `ROW(a, b)`; none for anything else, such as a query.
    pub fn row(&self, value: &Range<usize>) -> Option<Vec<Range<usize>>> {
        let open = if self.is(value.start, "row") { value.start + 1 } else { value.start };
        let close = self.closing(open).filter(|close| close + 1 == value.end)?;
        (!self.is_query(open + 1)).then(|| self.items(open + 1..close))
    }

    /// A query begins here.
    pub fn is_query(&self, at: usize) -> bool {
        let begins = ["select", "with", "table"].iter().any(|word| self.is(at, word));
        begins || (self.is(at, "values") && self.is_symbol(at + 1, "("))
    }

    /// A literal, a parameter or NULL alone, perhaps in parentheses: its type is that of the place where it stands.
    pub fn is_constant(&self, item: &Range<usize>) -> bool {
        if item.len() == 1 {
            let kind = self.tokens.get(item.start).map(|token| token.kind);
            return self.is(item.start, "null")
                || kind.is_some_and(|kind| kind.is_literal() || kind == TokenKind::Param);
        }
        match self.closing(item.start) {
            Some(close) if close + 1 == item.end => self.is_constant(&(item.start + 1..close)),
            _ => false,
        }
    }

    /// A value that a row may have only where it is inserted or assigned.
    pub fn is_default(&self, item: &Range<usize>) -> bool {
        item.len() == 1 && self.is(item.start, "default")
    }

    /// Something in it is asked of the database.
    pub fn has_query(&self, item: &Range<usize>) -> bool {
        item.clone().any(|at| self.is(at, "select") || self.is(at, "table"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::lexer::lex;

    fn words(text: &str, ranges: &[Range<usize>], clauses: &Clauses<'_>) -> Vec<String> {
        ranges.iter().map(|range| text[clauses.span(range).unwrap().range()].to_owned()).collect()
    }

    #[test]
    fn assignments_end_where_the_grammar_ends_them() {
        let text = "UPDATE t SET a = CASE WHEN x IS DISTINCT FROM y THEN 1 ELSE 2 END, (b, c[1]) = ROW(f(1, 2), 'x,y'), \
                    d = (SELECT 1 WHERE true) FROM s WHERE b = 1";
        let tokens = lex(text).unwrap();
        let clauses = Clauses::new(text, &tokens);
        let found = clauses.assignments(clauses.find(0, &["set"]).unwrap() + 1).unwrap();
        let values: Vec<_> = found.iter().map(|assignment| assignment.value.clone()).collect();
        assert_eq!(
            words(text, &values, &clauses),
            ["CASE WHEN x IS DISTINCT FROM y THEN 1 ELSE 2 END", "ROW(f(1, 2), 'x,y')", "(SELECT 1 WHERE true)"]
        );
        assert_eq!(words(text, &clauses.row(&values[1]).unwrap(), &clauses), ["f(1, 2)", "'x,y'"]);
        assert_eq!(clauses.row(&values[2]), None);
        let names: Vec<_> = found[1].names.iter().map(|target| (target.name.as_str(), target.is_part)).collect();
        assert_eq!(names, [("b", false), ("c", true)]);
    }

    #[test]
    fn rows_are_parted_by_commas_outside_of_brackets() {
        let text = "(1, ARRAY[1, 2], (SELECT a, b FROM t), ($1), NULL)";
        let tokens = lex(text).unwrap();
        let clauses = Clauses::new(text, &tokens);
        let items = clauses.items(1..clauses.closing(0).unwrap());
        assert_eq!(words(text, &items, &clauses), ["1", "ARRAY[1, 2]", "(SELECT a, b FROM t)", "($1)", "NULL"]);
        let constant: Vec<_> = items.iter().map(|item| clauses.is_constant(item)).collect();
        assert_eq!(constant, [true, false, false, true, true]);
    }
}

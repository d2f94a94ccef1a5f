//! The pass over the tokens that bounds what a parser would make of them, without a tree.

use super::{Cap, CapExceeded, Caps, within};
use crate::sql::lexer::tokens::{Token, TokenKind};

/// What an opened level is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Opener {
    Statement,
    Bracket,
    Case,
}

/// One open bracket or CASE, with an upper bound of the depth of the tree under it.
///
/// Depth adds up along a chain (`a + b + c`), and is the greatest of its parts across commas. A bracket in a chain
/// adds its own depth once, whatever stands beside it.
struct Level {
    opener: Opener,
    /// Counts for [`Caps::doubling`].
    doubles: bool,
    /// Operators since the last comma.
    chain: u32,
    /// Depth of the deepest bracket since the last comma.
    child: u32,
    /// Depth of the deepest stretch between commas that is complete.
    stretch: u32,
    /// Set operations: the queries that they join may hold commas.
    set_operations: u32,
}

impl Level {
    fn new(opener: Opener, doubles: bool) -> Self {
        Self { opener, doubles, chain: 0, child: 0, stretch: 0, set_operations: 0 }
    }

    fn depth(&self) -> u32 {
        self.set_operations + self.stretch.max(self.chain + self.child)
    }

    fn separate(&mut self) {
        self.stretch = self.stretch.max(self.chain + self.child);
        self.chain = 0;
        self.child = 0;
    }
}

/// The token before, as far as it matters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    Start,
    Dot,
    Position,
    Bracket,
    Other,
}

/// Words that make a tree deeper or wider.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Case,
    End,
    Branch,
    Join,
    SetOperation,
    Chain,
    Query,
    Values,
    Position,
    Plain,
}

fn classify(word: &str) -> Word {
    let mut lower = [0_u8; 16];
    let Some(buffer) = lower.get_mut(..word.len()) else { return Word::Plain };
    buffer.copy_from_slice(word.as_bytes());
    buffer.make_ascii_lowercase();
    match &*buffer {
        b"case" => Word::Case,
        b"end" => Word::End,
        b"when" | b"then" | b"else" => Word::Branch,
        b"join" | b"straight_join" | b"apply" => Word::Join,
        b"union" | b"intersect" | b"except" | b"minus" => Word::SetOperation,
        b"and" | b"or" | b"xor" | b"not" | b"collate" | b"at" | b"is" | b"isnull" | b"notnull" | b"like" | b"ilike"
        | b"similar" | b"rlike" | b"regexp" | b"between" | b"in" | b"any" | b"some" | b"operator" | b"overlaps"
        | b"escape" | b"interval" | b"prior" | b"pivot" | b"unpivot" | b"match_recognize" | b"explain" | b"div"
        | b"member" | b"over" | b"within" | b"filter" | b"array" => Word::Chain,
        b"select" | b"table" => Word::Query,
        b"values" => Word::Values,
        b"position" => Word::Position,
        _ => Word::Plain,
    }
}

/// How far the pass has come.
pub(super) struct Walk<'a> {
    caps: &'a Caps,
    levels: Vec<Level>,
    doubling: u32,
    joins: u32,
    statements: u32,
    queries: u32,
    /// A semicolon ended the statement before, and nothing came since.
    between: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(caps: &'a Caps) -> Self {
        let mut levels = Vec::with_capacity(8);
        levels.push(Level::new(Opener::Statement, false));
        Self { caps, levels, doubling: 0, joins: 0, statements: 0, queries: 0, between: true }
    }

    /// Takes one token more; what it is to the next one.
    pub(super) fn step(&mut self, token: &Token, text: &str, before: Before) -> Result<Before, CapExceeded> {
        let at = token.start;
        let first = text.as_bytes().get(at as usize).copied().unwrap_or(0);
        if token.kind == TokenKind::Punctuation && first == b';' {
            self.end_statement();
            return Ok(Before::Start);
        }
        if self.between {
            self.between = false;
            self.statements += 1;
            within(u64::from(self.statements), self.caps.statements, Cap::Statements, at)?;
        }
        match token.kind {
            TokenKind::Word if before == Before::Dot => {}
            TokenKind::Word => return self.word(classify(token.text(text)), at, before),
            TokenKind::Punctuation => match first {
                b'(' => {
                    self.open(Opener::Bracket, before == Before::Position, at)?;
                    return Ok(Before::Bracket);
                }
                b'[' => {
                    self.deeper(at)?;
                    self.open(Opener::Bracket, false, at)?;
                }
                b')' | b']' => self.close_bracket(at)?,
                b',' => self.separate(),
                b'.' => return Ok(Before::Dot),
                _ => self.deeper(at)?,
            },
            TokenKind::Operator | TokenKind::TypeCast => self.deeper(at)?,
            TokenKind::QuotedIdent
            | TokenKind::UnicodeIdent
            | TokenKind::String
            | TokenKind::EscapeString
            | TokenKind::UnicodeString
            | TokenKind::NationalString
            | TokenKind::BitString
            | TokenKind::HexString
            | TokenKind::DollarString
            | TokenKind::Integer
            | TokenKind::Numeric
            | TokenKind::NewNumber
            | TokenKind::Param
            | TokenKind::ColonEquals
            | TokenKind::EqualsGreater
            | TokenKind::DotDot => {}
        }
        Ok(Before::Other)
    }

    fn word(&mut self, word: Word, at: u32, before: Before) -> Result<Before, CapExceeded> {
        match word {
            Word::Case => self.open(Opener::Case, false, at)?,
            Word::End => self.close_case(at)?,
            Word::Branch => {
                if self.top_is(Opener::Case) {
                    self.separate();
                }
            }
            Word::Join => {
                self.joins += 1;
                within(u64::from(self.joins), self.caps.joins, Cap::Joins, at)?;
            }
            Word::SetOperation => {
                if let Some(level) = self.levels.last_mut() {
                    level.set_operations += 1;
                }
                self.check_depth(at)?;
            }
            Word::Chain => self.deeper(at)?,
            Word::Query => self.query(at)?,
            Word::Values => {
                self.query(at)?;
                if before == Before::Bracket {
                    self.double(at)?;
                }
            }
            Word::Position => return Ok(Before::Position),
            Word::Plain => {}
        }
        Ok(Before::Other)
    }

    fn query(&mut self, at: u32) -> Result<(), CapExceeded> {
        self.queries += 1;
        within(u64::from(self.queries), self.caps.queries, Cap::Queries, at)
    }

    /// The innermost level turns out to be one that costs twice.
    fn double(&mut self, at: u32) -> Result<(), CapExceeded> {
        if let Some(level) = self.levels.last_mut()
            && !level.doubles
        {
            level.doubles = true;
            self.doubling += 1;
        }
        within(u64::from(self.doubling), self.caps.doubling, Cap::Doubling, at)
    }

    fn top_is(&self, opener: Opener) -> bool {
        self.levels.last().is_some_and(|level| level.opener == opener)
    }

    fn open(&mut self, opener: Opener, doubles: bool, at: u32) -> Result<(), CapExceeded> {
        within(self.levels.len() as u64, self.caps.nesting, Cap::Nesting, at)?;
        self.levels.push(Level::new(opener, false));
        if doubles { self.double(at) } else { Ok(()) }
    }

    /// Closes a bracket with whatever CASE is still open in it.
    fn close_bracket(&mut self, at: u32) -> Result<(), CapExceeded> {
        while self.top_is(Opener::Case) {
            self.close(at)?;
        }
        if self.top_is(Opener::Bracket) { self.close(at) } else { Ok(()) }
    }

    /// END closes a CASE only if that is innermost: elsewhere it is a label.
    fn close_case(&mut self, at: u32) -> Result<(), CapExceeded> {
        if self.top_is(Opener::Case) { self.close(at) } else { Ok(()) }
    }

    fn close(&mut self, at: u32) -> Result<(), CapExceeded> {
        let Some(closed) = self.levels.pop() else { return Ok(()) };
        if closed.doubles {
            self.doubling = self.doubling.saturating_sub(1);
        }
        if let Some(level) = self.levels.last_mut() {
            level.child = level.child.max(closed.depth() + 1);
        }
        self.check_depth(at)
    }

    fn separate(&mut self) {
        if let Some(level) = self.levels.last_mut() {
            level.separate();
        }
    }

    fn deeper(&mut self, at: u32) -> Result<(), CapExceeded> {
        if let Some(level) = self.levels.last_mut() {
            level.chain += 1;
        }
        self.check_depth(at)
    }

    fn check_depth(&self, at: u32) -> Result<(), CapExceeded> {
        let depth = self.levels.last().map_or(0, Level::depth);
        within(u64::from(depth), self.caps.chain, Cap::Chain, at)
    }

    /// No bracket and no CASE reaches over a semicolon.
    fn end_statement(&mut self) {
        self.levels.clear();
        self.levels.push(Level::new(Opener::Statement, false));
        self.doubling = 0;
        self.joins = 0;
        self.between = true;
    }
}

//! The normalised key of a text: what decides its verdict, and nothing else.
//!
//! Applications send the same statement with other literals, other comments and other white space. PostgreSQL's
//! grammar sees tokens only, so two texts with the same tokens mean the same, and where a literal's value cannot
//! change which objects are named, two texts that differ in literals only share a verdict. The key holds every
//! token's kind and, except for such literals, its bytes; unquoted words in lower case. A verdict's splices can
//! therefore be applied again by token index.
//!
//! What stays in the key although it is a literal:
//!
//! - integers within ORDER BY, GROUP BY and DISTINCT ON, brackets included: `ORDER BY 1` names an output column, and so do
//!   `ORDER BY (1)` and even `ORDER BY - - 1`;
//! - every literal of a *literal-sensitive* text: one with a statement that is not a query, a change of rows, a cursor
//!   or a transaction command (SET, COPY, EXPLAIN, EXECUTE … take names, options or SQL as literals), or with a word
//!   that may turn a literal into the name of an object, of a setting or into SQL (`'t'::regclass`, `nextval('s')`,
//!   `set_config`, `query_to_xml`), or with a U& identifier, whose UESCAPE literal decides its name.

use super::fingerprint::fingerprint;
use super::tokens::{Token, TokenKind};

/// What is known of a normalised text, beside its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Stable across processes; same for texts that differ in literals, parameters, comments, letter case of unquoted
    /// words, and in the length of lists of literals. It identifies a statement to people, never to the verdict cache.
    pub fingerprint: u64,
    /// The key holds the literals too.
    pub literal_sensitive: bool,
}

/// Writes the key of a text into a vector that keeps its memory between texts.
pub fn shape(text: &str, tokens: &[Token], key: &mut Vec<u8>) -> Shape {
    Shape { literal_sensitive: write_key(text, tokens, key), fingerprint: fingerprint(text, tokens) }
}

/// The same without the fingerprint. Returns whether the key holds the literals too.
pub fn write_key(text: &str, tokens: &[Token], key: &mut Vec<u8>) -> bool {
    let mut writer = Writer { text, key, literals: Literals::Out };
    let literal_sensitive = writer.write(tokens);
    if literal_sensitive {
        writer.literals = Literals::Kept;
        writer.write(tokens);
    }
    literal_sensitive
}

/// Whether literals go into the key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Literals {
    Out,
    Kept,
}

/// A token's kind in the key; no token of any kind holds a zero byte, so zero ends each.
fn kind_byte(kind: TokenKind) -> u8 {
    match kind {
        TokenKind::Word => 1,
        TokenKind::QuotedIdent => 2,
        TokenKind::UnicodeIdent => 3,
        TokenKind::String => 4,
        TokenKind::EscapeString => 5,
        TokenKind::UnicodeString => 6,
        TokenKind::NationalString => 7,
        TokenKind::BitString => 8,
        TokenKind::HexString => 9,
        TokenKind::DollarString => 10,
        TokenKind::Integer => 11,
        TokenKind::Numeric => 12,
        TokenKind::Param => 13,
        TokenKind::Punctuation => 14,
        TokenKind::TypeCast => 15,
        TokenKind::ColonEquals => 16,
        TokenKind::EqualsGreater => 17,
        TokenKind::DotDot => 18,
        TokenKind::Operator => 19,
        TokenKind::NewNumber => 20,
    }
}

struct Writer<'a> {
    text: &'a str,
    key: &'a mut Vec<u8>,
    literals: Literals,
}

impl Writer<'_> {
    /// Writes the key anew; returns whether the text is literal-sensitive.
    fn write(&mut self, tokens: &[Token]) -> bool {
        self.key.clear();
        let mut sensitive = false;
        let mut places = Places::default();
        let mut at_start = true;
        let mut previous: &[u8] = b"";
        for (index, token) in tokens.iter().enumerate() {
            let bytes = self.text.as_bytes().get(token.start as usize..token.end as usize).unwrap_or_default();
            self.key.push(kind_byte(token.kind));
            let from = self.key.len();
            let kept = !token.kind.is_literal()
                || self.literals == Literals::Kept
                || (token.kind == TokenKind::Integer && places.is_positional())
                // Some servers read two tokens here.
                || token.kind == TokenKind::NewNumber;
            if kept {
                self.key.extend_from_slice(bytes);
            }
            if token.kind == TokenKind::Word
                && let Some(word) = self.key.get_mut(from..)
            {
                word.make_ascii_lowercase();
            }
            let written = self.key.get(from..).unwrap_or_default();
            sensitive |= match token.kind {
                TokenKind::Word if at_start => !is_plain_statement(written),
                TokenKind::Word => {
                    names_something(written) || interval_precision(written, tokens.get(index + 1), self.text)
                }
                TokenKind::QuotedIdent => {
                    names_something(bytes.get(1..bytes.len().saturating_sub(1)).unwrap_or_default())
                }
                TokenKind::UnicodeIdent => true,
                TokenKind::Punctuation => false,
                _ if at_start => true,
                _ => false,
            };
            places.step(token.kind, written, previous);
            previous = if token.kind == TokenKind::Word { last_word(written) } else { symbol(bytes) };
            at_start = match token.kind {
                TokenKind::Punctuation => bytes == b";" || (at_start && bytes == b"("),
                _ => false,
            };
            self.key.push(0);
        }
        sensitive
    }
}

/// The words that matter when they come before another token.
fn last_word(word: &[u8]) -> &'static [u8] {
    match word {
        b"order" => b"order",
        b"group" => b"group",
        b"distinct" => b"distinct",
        _ => b"",
    }
}

fn symbol(bytes: &[u8]) -> &'static [u8] {
    if bytes == b"." { b"." } else { b"" }
}

/// Statements whose literals are values: queries, changes of rows, cursors and transaction commands.
fn is_plain_statement(word: &[u8]) -> bool {
    matches!(
        word,
        b"select"
            | b"with"
            | b"values"
            | b"table"
            | b"insert"
            | b"update"
            | b"delete"
            | b"merge"
            | b"declare"
            | b"fetch"
            | b"move"
            | b"close"
            | b"begin"
            | b"start"
            | b"commit"
            | b"end"
            | b"rollback"
            | b"abort"
            | b"savepoint"
            | b"release"
    )
}

/// A function, type or clause that may turn a literal into a name, a setting or SQL.
fn names_something(word: &[u8]) -> bool {
    let Some(first) = word.first() else { return false };
    // One letter rules most words out.
    match first {
        b'c' => {
            word.starts_with(b"current_setting")
                || word == b"currval"
                || word.starts_with(b"crosstab")
                || word == b"connectby"
                || word.starts_with(b"cursor_to_xml")
        }
        b'd' => word.starts_with(b"dblink") || word.starts_with(b"database_to_xml"),
        b'h' => word.starts_with(b"has_"),
        b'l' => word == b"lastval" || word.starts_with(b"lo_") || word == b"loread" || word == b"lowrite",
        b'n' => word == b"nextval",
        // `pg_catalog` names nothing by itself, and what it qualifies is looked at on its own.
        b'p' => (word.starts_with(b"pg_") && word != b"pg_catalog") || word == b"prepared",
        b'q' => word.starts_with(b"query_to_xml"),
        b'r' => {
            matches!(
                word,
                b"regclass"
                    | b"regproc"
                    | b"regprocedure"
                    | b"regoper"
                    | b"regoperator"
                    | b"regtype"
                    | b"regrole"
                    | b"regnamespace"
                    | b"regconfig"
                    | b"regdictionary"
                    | b"regcollation"
            )
        }
        b's' => matches!(word, b"set_config" | b"setval") || word.starts_with(b"schema_to_xml"),
        b't' => {
            word.starts_with(b"to_reg")
                || word.starts_with(b"table_to_xml")
                || word.starts_with(b"ts_stat")
                || word.starts_with(b"ts_rewrite")
                || word.starts_with(b"txid_")
        }
        b'u' => word == b"uescape",
        b'x' => word.starts_with(b"xpath_table"),
        _ => false,
    }
}

/// `interval(p) '…'`: the literal before the value is part of the type.
fn interval_precision(word: &[u8], next: Option<&Token>, text: &str) -> bool {
    word == b"interval" && next.is_some_and(|next| next.is_symbol(text, "("))
}

/// Which open brackets stand in a list where an integer is the number of an output column.
#[derive(Default)]
struct Places {
    /// Whether the innermost level is in such a list.
    positional: bool,
    outer: Vec<bool>,
}

impl Places {
    fn is_positional(&self) -> bool {
        self.positional
    }

    fn step(&mut self, kind: TokenKind, written: &[u8], previous: &[u8]) {
        match kind {
            TokenKind::Punctuation => match written {
                b"(" | b"[" => self.outer.push(self.positional),
                b")" | b"]" => self.positional = self.outer.pop().unwrap_or(false),
                b";" => {
                    self.outer.clear();
                    self.positional = false;
                }
                _ => {}
            },
            TokenKind::Word if previous != b"." => match written {
                b"by" if previous == b"order" || previous == b"group" => self.positional = true,
                b"on" if previous == b"distinct" => self.positional = true,
                // `a IS DISTINCT FROM b` may stand within such a list.
                b"from" if previous == b"distinct" => {}
                // Reserved words that cannot stand within such a list, other than behind a point.
                b"limit" | b"offset" | b"fetch" | b"for" | b"having" | b"window" | b"union" | b"intersect"
                | b"except" | b"from" | b"where" => self.positional = false,
                _ => {}
            },
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;

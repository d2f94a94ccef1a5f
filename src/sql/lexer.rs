//! PostgreSQL's own way to cut a text into tokens (`scan.l`, with `standard_conforming_strings` on).

/// One token; whitespace and comments are not tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Byte offset of its first byte.
    pub start: u32,
    /// Byte offset after its last byte.
    pub end: u32,
}

/// The kinds of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// Unquoted identifier or keyword.
    Word,
    /// `"…"`.
    QuotedIdent,
    /// `U&"…"`.
    UnicodeIdent,
    /// `'…'`, continuation lines included.
    String,
    /// `E'…'`.
    EscapeString,
    /// `U&'…'`.
    UnicodeString,
    /// `N'…'`.
    NationalString,
    /// `B'…'`.
    BitString,
    /// `X'…'`.
    HexString,
    /// `$tag$…$tag$`.
    DollarString,
    /// Integer literal, decimal or 0x, 0o, 0b.
    Integer,
    /// Numeric literal with a point or an exponent.
    Numeric,
    /// `$1`.
    Param,
    /// One of `( ) [ ] , ; . :`.
    Punctuation,
    /// `::`
    TypeCast,
    /// `:=`
    ColonEquals,
    /// `=>`
    EqualsGreater,
    /// `..`
    DotDot,
    /// Any other operator, cut as scan.l cuts it; `*`, `=`, `<` and friends as well.
    Operator,
}

/// The identifier that a word or quoted identifier names.
pub fn ident(_text: &str, _token: &Token) -> Option<crate::model::ident::Ident> {
    None
}

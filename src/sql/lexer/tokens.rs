//! What the lexer hands out: tokens with byte ranges, and errors in PostgreSQL's words.

use std::fmt;

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
    /// Integer literal in decimal digits.
    Integer,
    /// Numeric literal with a point or an exponent.
    Numeric,
    /// `0x1F`, `0o17`, `0b1`, `1_000`: a number from PostgreSQL 16 on, and something else before.
    NewNumber,
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

impl Token {
    /// The bytes of the token in the text that it was cut from; empty if the text is another one.
    pub fn text<'a>(&self, text: &'a str) -> &'a str {
        text.get(self.start as usize..self.end as usize).unwrap_or("")
    }

    /// It is the unquoted word `lower_case`, in whatever case it was written.
    pub fn is_word(&self, text: &str, lower_case: &str) -> bool {
        self.kind == TokenKind::Word && self.text(text).eq_ignore_ascii_case(lower_case)
    }

    /// It is exactly this piece of punctuation or this operator.
    pub fn is_symbol(&self, text: &str, symbol: &str) -> bool {
        self.kind.is_symbol() && self.text(text) == symbol
    }
}

impl TokenKind {
    /// A literal whose value may change without changing the tokens around it.
    pub fn is_literal(self) -> bool {
        match self {
            Self::String
            | Self::EscapeString
            | Self::UnicodeString
            | Self::NationalString
            | Self::BitString
            | Self::HexString
            | Self::DollarString
            | Self::Integer
            | Self::Numeric
            | Self::NewNumber => true,
            Self::Word
            | Self::QuotedIdent
            | Self::UnicodeIdent
            | Self::Param
            | Self::Punctuation
            | Self::TypeCast
            | Self::ColonEquals
            | Self::EqualsGreater
            | Self::DotDot
            | Self::Operator => false,
        }
    }

    /// A literal between quotes or dollar tags.
    pub fn is_string(self) -> bool {
        self.is_literal() && !matches!(self, Self::Integer | Self::Numeric | Self::NewNumber)
    }

    /// Punctuation or an operator of any sort.
    pub fn is_symbol(self) -> bool {
        matches!(
            self,
            Self::Punctuation
                | Self::TypeCast
                | Self::ColonEquals
                | Self::EqualsGreater
                | Self::DotDot
                | Self::Operator
        )
    }
}

/// Why a text cannot be cut into tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LexErrorKind {
    /// `/*` without its `*/`.
    UnterminatedComment,
    /// A string literal, also E'', U&'' and N'', without its end.
    UnterminatedString,
    /// `B'…` without its end.
    UnterminatedBitString,
    /// `X'…` without its end.
    UnterminatedHexString,
    /// `$tag$…` without its end.
    UnterminatedDollarString,
    /// `"…` without its end.
    UnterminatedIdentifier,
    /// `""` names nothing.
    ZeroLengthIdentifier,
    /// `\u` or `\U` in an E'' string without its hexadecimal digits.
    InvalidUnicodeEscape,
    /// `123abc`, `1e+`.
    JunkAfterNumber,
    /// `$1a`.
    JunkAfterParameter,
    /// `$99999999999`.
    ParameterTooLarge,
    /// An operator of 64 characters or more.
    OperatorTooLong,
    /// `0x`, `0b2`: the start of a number or two tokens, depending on the server's version.
    NewNumericSyntax,
    /// A vertical tab between tokens: white space or an error, depending on the server's version.
    VerticalTab,
    /// A zero byte, which no message can carry.
    NulByte,
    /// A character that begins no token.
    UnexpectedCharacter,
    /// More bytes than a token can point at.
    TextTooLong,
}

/// A text that PostgreSQL's scanner rejects, or that servers of different versions would read differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LexError {
    /// What is wrong.
    pub kind: LexErrorKind,
    /// Byte offset where PostgreSQL would point.
    pub position: u32,
    /// Byte offset after the offending piece.
    pub end: u32,
}

impl LexError {
    /// The primary message, without the place.
    pub fn message(&self) -> &'static str {
        match self.kind {
            LexErrorKind::UnterminatedComment => "unterminated /* comment",
            LexErrorKind::UnterminatedString => "unterminated quoted string",
            LexErrorKind::UnterminatedBitString => "unterminated bit string literal",
            LexErrorKind::UnterminatedHexString => "unterminated hexadecimal string literal",
            LexErrorKind::UnterminatedDollarString => "unterminated dollar-quoted string",
            LexErrorKind::UnterminatedIdentifier => "unterminated quoted identifier",
            LexErrorKind::ZeroLengthIdentifier => "zero-length delimited identifier",
            LexErrorKind::InvalidUnicodeEscape => "invalid Unicode escape",
            LexErrorKind::JunkAfterNumber => "trailing junk after numeric literal",
            LexErrorKind::JunkAfterParameter => "trailing junk after parameter",
            LexErrorKind::ParameterTooLarge => "parameter number too large",
            LexErrorKind::OperatorTooLong => "operator too long",
            LexErrorKind::NewNumericSyntax => "numeric literal reads differently on servers of different versions",
            LexErrorKind::VerticalTab => "vertical tab reads differently on servers of different versions",
            LexErrorKind::NulByte => "invalid byte sequence for encoding \"UTF8\": 0x00",
            LexErrorKind::UnexpectedCharacter => "syntax error",
            LexErrorKind::TextTooLong => "statement text is too long",
        }
    }

    /// The message with the offending piece quoted, as PostgreSQL words it.
    pub fn describe(&self, text: &str) -> String {
        match text.get(self.position as usize..self.end as usize) {
            Some(near) if !near.is_empty() => format!("{} at or near \"{near}\"", self.message()),
            _ => self.message().to_owned(),
        }
    }
}

impl fmt::Display for LexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.message(), self.position)
    }
}

impl std::error::Error for LexError {}

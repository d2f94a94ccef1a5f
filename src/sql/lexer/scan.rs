//! The scanner: one pass over the bytes, one table look-up per token start.

use super::tokens::{LexError, LexErrorKind, Token, TokenKind};

/// Cuts a text into tokens.
pub fn lex(text: &str) -> Result<Vec<Token>, LexError> {
    let mut tokens = Vec::with_capacity(text.len() / 4 + 8);
    lex_into(text, &mut tokens)?;
    Ok(tokens)
}

/// Cuts a text into tokens, into a vector that keeps its memory between texts.
pub fn lex_into(text: &str, tokens: &mut Vec<Token>) -> Result<(), LexError> {
    tokens.clear();
    if u32::try_from(text.len()).is_err() {
        return Err(LexError { kind: LexErrorKind::TextTooLong, position: 0, end: 0 });
    }
    let mut scanner = Scanner { bytes: text.as_bytes(), at: 0 };
    while let Some(token) = scanner.next_token()? {
        tokens.push(token);
    }
    Ok(())
}

/// What a token that starts with this byte may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Other,
    Space,
    Word,
    /// A letter that may also begin a prefixed literal: b e n u x.
    Prefix,
    Digit,
    Operator,
    Punctuation,
    Dot,
    Colon,
    Quote,
    DoubleQuote,
    Dollar,
}

const CLASSES: [Class; 256] = {
    let mut table = [Class::Other; 256];
    let mut at = 0;
    while at < 256 {
        #[allow(clippy::indexing_slicing, reason = "evaluated at compile time: an index out of range does not compile")]
        {
            table[at] = class_of(at as u8);
        }
        at += 1;
    }
    table
};

const fn class_of(byte: u8) -> Class {
    match byte {
        b' ' | b'\t' | b'\n' | b'\r' | 0x0c => Class::Space,
        b'b' | b'B' | b'e' | b'E' | b'n' | b'N' | b'u' | b'U' | b'x' | b'X' => Class::Prefix,
        b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80..=0xff => Class::Word,
        b'0'..=b'9' => Class::Digit,
        b'~' | b'!' | b'@' | b'#' | b'^' | b'&' | b'|' | b'`' | b'?' | b'+' | b'-' | b'*' | b'/' | b'%' | b'<'
        | b'>' | b'=' => Class::Operator,
        b'(' | b')' | b'[' | b']' | b',' | b';' => Class::Punctuation,
        b'.' => Class::Dot,
        b':' => Class::Colon,
        b'\'' => Class::Quote,
        b'"' => Class::DoubleQuote,
        b'$' => Class::Dollar,
        _ => Class::Other,
    }
}

fn class(byte: u8) -> Class {
    CLASSES.get(byte as usize).copied().unwrap_or(Class::Other)
}

/// `ident_start` of scan.l.
fn starts_word(byte: u8) -> bool {
    matches!(class(byte), Class::Word | Class::Prefix)
}

/// `ident_cont` of scan.l.
fn continues_word(byte: u8) -> bool {
    matches!(class(byte), Class::Word | Class::Prefix | Class::Digit | Class::Dollar)
}

/// Longest operator that PostgreSQL accepts, in bytes.
const MAX_OPERATOR_BYTES: usize = 63;

/// A position in a text.
pub(super) struct Scanner<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
}

impl Scanner<'_> {
    /// The byte at a position; 0 after the end, which is safe since a zero byte within the text is an error.
    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    fn error(&self, kind: LexErrorKind, start: usize, end: usize) -> LexError {
        let end = end.min(self.bytes.len());
        LexError { kind, position: start as u32, end: end as u32 }
    }

    /// An error for something that runs into the end of the text.
    fn unterminated(&self, kind: LexErrorKind, start: usize) -> LexError {
        self.error(kind, start, self.bytes.len())
    }

    /// The next token, or nothing at the end of the text.
    pub(super) fn next_token(&mut self) -> Result<Option<Token>, LexError> {
        self.skip_blank()?;
        let start = self.at;
        let Some(&first) = self.bytes.get(start) else { return Ok(None) };
        let kind = match class(first) {
            Class::Word => self.word(),
            Class::Prefix => self.prefixed(first)?,
            Class::Digit => self.number()?,
            Class::Operator => self.operator()?,
            Class::Punctuation => self.take(1, TokenKind::Punctuation),
            Class::Dot => match self.byte(start + 1) {
                b'.' => self.take(2, TokenKind::DotDot),
                b'0'..=b'9' => self.number()?,
                _ => self.take(1, TokenKind::Punctuation),
            },
            Class::Colon => match self.byte(start + 1) {
                b':' => self.take(2, TokenKind::TypeCast),
                b'=' => self.take(2, TokenKind::ColonEquals),
                _ => self.take(1, TokenKind::Punctuation),
            },
            Class::Quote => {
                self.at += 1;
                self.quoted(Quoting::Doubled, start, LexErrorKind::UnterminatedString)?;
                TokenKind::String
            }
            Class::DoubleQuote => {
                self.at += 1;
                self.quoted_identifier(start)?;
                TokenKind::QuotedIdent
            }
            Class::Dollar => self.dollar()?,
            Class::Space | Class::Other => return Err(self.unexpected(first, start)),
        };
        Ok(Some(Token { kind, start: start as u32, end: self.at as u32 }))
    }

    fn unexpected(&self, byte: u8, start: usize) -> LexError {
        let kind = match byte {
            0 => LexErrorKind::NulByte,
            0x0b => LexErrorKind::VerticalTab,
            _ => LexErrorKind::UnexpectedCharacter,
        };
        self.error(kind, start, start + 1)
    }

    fn take(&mut self, length: usize, kind: TokenKind) -> TokenKind {
        self.at += length;
        kind
    }

    /// Skips white space and comments.
    pub(super) fn skip_blank(&mut self) -> Result<(), LexError> {
        while let Some(&byte) = self.bytes.get(self.at) {
            if class(byte) == Class::Space {
                self.at += 1;
            } else if byte == b'-' && self.byte(self.at + 1) == b'-' {
                self.at = self.line_end(self.at)?;
            } else if byte == b'/' && self.byte(self.at + 1) == b'*' {
                self.block_comment()?;
            } else {
                break;
            }
        }
        Ok(())
    }

    /// Where the line comment that starts at `at` ends: before \n or \r, or at the end of the text.
    fn line_end(&self, mut at: usize) -> Result<usize, LexError> {
        while let Some(&byte) = self.bytes.get(at) {
            match byte {
                b'\n' | b'\r' => break,
                0 => return Err(self.error(LexErrorKind::NulByte, at, at + 1)),
                _ => at += 1,
            }
        }
        Ok(at)
    }

    /// Skips a comment with everything nested in it.
    fn block_comment(&mut self) -> Result<(), LexError> {
        let start = self.at;
        self.at += 2;
        let mut depth = 1_usize;
        while depth > 0 {
            match (self.bytes.get(self.at), self.byte(self.at + 1)) {
                (None, _) => return Err(self.unterminated(LexErrorKind::UnterminatedComment, start)),
                (Some(b'/'), b'*') => {
                    depth += 1;
                    self.at += 2;
                }
                (Some(b'*'), b'/') => {
                    depth -= 1;
                    self.at += 2;
                }
                (Some(0), _) => return Err(self.error(LexErrorKind::NulByte, self.at, self.at + 1)),
                (Some(_), _) => self.at += 1,
            }
        }
        Ok(())
    }

    fn word(&mut self) -> TokenKind {
        self.at += 1;
        while self.bytes.get(self.at).is_some_and(|byte| continues_word(*byte)) {
            self.at += 1;
        }
        TokenKind::Word
    }

    /// A word, or a literal that begins with a letter.
    fn prefixed(&mut self, first: u8) -> Result<TokenKind, LexError> {
        let start = self.at;
        let lower = first.to_ascii_lowercase();
        match (lower, self.byte(start + 1)) {
            (b'u', b'&') => match self.byte(start + 2) {
                b'\'' => {
                    self.at += 3;
                    self.quoted(Quoting::Doubled, start, LexErrorKind::UnterminatedString)?;
                    return Ok(TokenKind::UnicodeString);
                }
                b'"' => {
                    self.at += 3;
                    self.quoted_identifier(start)?;
                    return Ok(TokenKind::UnicodeIdent);
                }
                _ => {}
            },
            (b'b', b'\'') => {
                self.at += 2;
                self.quoted(Quoting::Plain, start, LexErrorKind::UnterminatedBitString)?;
                return Ok(TokenKind::BitString);
            }
            (b'x', b'\'') => {
                self.at += 2;
                self.quoted(Quoting::Plain, start, LexErrorKind::UnterminatedHexString)?;
                return Ok(TokenKind::HexString);
            }
            (b'e', b'\'') => {
                self.at += 2;
                self.quoted(Quoting::Escaped, start, LexErrorKind::UnterminatedString)?;
                return Ok(TokenKind::EscapeString);
            }
            (b'n', b'\'') => {
                self.at += 2;
                self.quoted(Quoting::Doubled, start, LexErrorKind::UnterminatedString)?;
                return Ok(TokenKind::NationalString);
            }
            _ => {}
        }
        Ok(self.word())
    }

    /// The rest of a literal whose opening quote has been read, with its continuation lines.
    fn quoted(&mut self, quoting: Quoting, start: usize, unterminated: LexErrorKind) -> Result<(), LexError> {
        loop {
            match self.bytes.get(self.at) {
                None => return Err(self.unterminated(unterminated, start)),
                Some(b'\'') if quoting != Quoting::Plain && self.byte(self.at + 1) == b'\'' => self.at += 2,
                Some(b'\'') => {
                    self.at += 1;
                    match self.continuation() {
                        Some(next) => self.at = next,
                        None => return Ok(()),
                    }
                }
                Some(b'\\') if quoting == Quoting::Escaped => self.escape(start)?,
                Some(0) => return Err(self.error(LexErrorKind::NulByte, self.at, self.at + 1)),
                Some(_) => self.at += 1,
            }
        }
    }

    /// A backslash in an E'' string: it takes the next byte with it, whatever that is.
    fn escape(&mut self, start: usize) -> Result<(), LexError> {
        let digits = match self.bytes.get(self.at + 1) {
            None => return Err(self.unterminated(LexErrorKind::UnterminatedString, start)),
            Some(0) => return Err(self.error(LexErrorKind::NulByte, self.at + 1, self.at + 2)),
            Some(b'u') => 4,
            Some(b'U') => 8,
            Some(_) => 0,
        };
        let complete = self
            .bytes
            .get(self.at + 2..self.at + 2 + digits)
            .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        if digits > 0 && !complete {
            return Err(self.error(LexErrorKind::InvalidUnicodeEscape, self.at, self.at + 2));
        }
        self.at += 2 + digits;
        Ok(())
    }

    /// After a closing quote: white space with a newline in it, and then a quote, continues the literal.
    ///
    /// Returns the position after that quote. Line comments count as white space here, block comments do not.
    pub(super) fn continuation(&self) -> Option<usize> {
        let mut at = self.at;
        let mut newline = false;
        loop {
            match self.bytes.get(at) {
                Some(b'\n' | b'\r') => {
                    newline = true;
                    at += 1;
                }
                Some(b' ' | b'\t' | 0x0c) => at += 1,
                Some(b'-') if self.byte(at + 1) == b'-' => at = self.line_end(at).ok()?,
                Some(b'\'') if newline => return Some(at + 1),
                _ => return None,
            }
        }
    }

    /// The rest of an identifier whose opening double quote has been read.
    fn quoted_identifier(&mut self, start: usize) -> Result<(), LexError> {
        let content = self.at;
        loop {
            match self.bytes.get(self.at) {
                None => return Err(self.unterminated(LexErrorKind::UnterminatedIdentifier, start)),
                Some(b'"') if self.byte(self.at + 1) == b'"' => self.at += 2,
                Some(b'"') => break,
                Some(0) => return Err(self.error(LexErrorKind::NulByte, self.at, self.at + 1)),
                Some(_) => self.at += 1,
            }
        }
        let empty = self.at == content;
        self.at += 1;
        if empty { Err(self.error(LexErrorKind::ZeroLengthIdentifier, start, self.at)) } else { Ok(()) }
    }

    /// `$1`, or a dollar-quoted string.
    fn dollar(&mut self) -> Result<TokenKind, LexError> {
        let start = self.at;
        if self.byte(start + 1).is_ascii_digit() {
            return self.parameter();
        }
        let mut end = start + 1;
        if starts_word(self.byte(end)) {
            while continues_word(self.byte(end)) && self.byte(end) != b'$' {
                end += 1;
            }
        }
        if self.byte(end) != b'$' {
            return Err(self.error(LexErrorKind::UnexpectedCharacter, start, start + 1));
        }
        end += 1;
        let delimiter = self.bytes.get(start..end).unwrap_or_default();
        let length = delimiter.len();
        self.at = end;
        loop {
            match self.bytes.get(self.at) {
                None => return Err(self.unterminated(LexErrorKind::UnterminatedDollarString, start)),
                Some(b'$') if self.bytes.get(self.at..self.at + length) == Some(delimiter) => break,
                Some(0) => return Err(self.error(LexErrorKind::NulByte, self.at, self.at + 1)),
                Some(_) => self.at += 1,
            }
        }
        self.at += length;
        Ok(TokenKind::DollarString)
    }

    fn parameter(&mut self) -> Result<TokenKind, LexError> {
        let start = self.at;
        self.at += 1;
        let mut number = 0_u64;
        while self.byte(self.at).is_ascii_digit() {
            number = number.saturating_mul(10).saturating_add(u64::from(self.byte(self.at) - b'0'));
            self.at += 1;
        }
        if starts_word(self.byte(self.at)) {
            return Err(self.junk(LexErrorKind::JunkAfterParameter, start));
        }
        if number > i32::MAX as u64 {
            return Err(self.error(LexErrorKind::ParameterTooLarge, start, self.at));
        }
        Ok(TokenKind::Param)
    }

    /// An error for a literal with letters glued to it; both together are the offending piece.
    fn junk(&mut self, kind: LexErrorKind, start: usize) -> LexError {
        while continues_word(self.byte(self.at)) {
            self.at += 1;
        }
        self.error(kind, start, self.at)
    }

    /// Decimal digits, which single underscores may group; whether any did.
    fn digits(&mut self) -> bool {
        self.grouped(|byte| byte.is_ascii_digit())
    }

    fn grouped(&mut self, is_digit: impl Fn(u8) -> bool) -> bool {
        let start = self.at;
        let mut grouped = false;
        loop {
            let next = self.byte(self.at);
            if is_digit(next) {
                self.at += 1;
            } else if next == b'_' && self.at > start && is_digit(self.byte(self.at + 1)) {
                grouped = true;
                self.at += 2;
            } else {
                return grouped;
            }
        }
    }

    fn number(&mut self) -> Result<TokenKind, LexError> {
        let start = self.at;
        if self.byte(start) == b'0' && matches!(self.byte(start + 1), b'x' | b'X' | b'o' | b'O' | b'b' | b'B') {
            return self.with_radix();
        }
        let mut kind = TokenKind::Integer;
        let mut grouped = self.digits();
        // `1..2` is an integer and a range, as in PL/pgSQL's loops.
        if self.byte(self.at) == b'.' && self.byte(self.at + 1) != b'.' {
            kind = TokenKind::Numeric;
            self.at += 1;
            grouped |= self.digits();
        }
        if matches!(self.byte(self.at), b'e' | b'E') {
            let signed = matches!(self.byte(self.at + 1), b'+' | b'-');
            let exponent = self.at + 1 + usize::from(signed);
            if self.byte(exponent).is_ascii_digit() {
                kind = TokenKind::Numeric;
                self.at = exponent;
                grouped |= self.digits();
            } else if signed {
                self.at = exponent;
                return Err(self.error(LexErrorKind::JunkAfterNumber, start, self.at));
            }
        }
        if starts_word(self.byte(self.at)) {
            return Err(self.junk(LexErrorKind::JunkAfterNumber, start));
        }
        Ok(if grouped { TokenKind::NewNumber } else { kind })
    }

    /// `0x1F`, `0o17`, `0b1`.
    fn with_radix(&mut self) -> Result<TokenKind, LexError> {
        let start = self.at;
        let letter = self.byte(start + 1).to_ascii_lowercase();
        let is_digit = |byte: u8| match letter {
            b'x' => byte.is_ascii_hexdigit(),
            b'o' => (b'0'..=b'7').contains(&byte),
            _ => matches!(byte, b'0' | b'1'),
        };
        // An underscore may stand right behind the letter.
        self.at += if self.byte(start + 2) == b'_' { 3 } else { 2 };
        let digits = self.at;
        self.grouped(is_digit);
        if self.at == digits || starts_word(self.byte(self.at)) || self.byte(self.at).is_ascii_digit() {
            return Err(self.junk(LexErrorKind::NewNumericSyntax, start));
        }
        Ok(TokenKind::NewNumber)
    }

    /// An operator, cut before a comment and without a trailing sign that belongs to what follows.
    fn operator(&mut self) -> Result<TokenKind, LexError> {
        let start = self.at;
        let mut end = start;
        let mut special = false;
        while let Some(&byte) = self.bytes.get(end) {
            let comment = matches!((byte, self.byte(end + 1)), (b'-', b'-') | (b'/', b'*'));
            if class(byte) != Class::Operator || comment {
                break;
            }
            end += 1;
            if matches!(byte, b'~' | b'!' | b'@' | b'#' | b'^' | b'&' | b'|' | b'`' | b'?' | b'%') {
                special = true;
            }
        }
        // A trailing + or - is a sign, unless a character that is in no SQL operator came before it.
        while !special && end > start + 1 && matches!(self.byte(end - 1), b'+' | b'-') {
            end -= 1;
        }
        self.at = end;
        if end - start > MAX_OPERATOR_BYTES {
            return Err(self.error(LexErrorKind::OperatorTooLong, start, end));
        }
        Ok(match self.bytes.get(start..end) {
            Some(b"=>") => TokenKind::EqualsGreater,
            _ => TokenKind::Operator,
        })
    }
}

/// What a quote or a backslash means within a literal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quoting {
    /// A doubled quote is a quote.
    Doubled,
    /// A doubled quote is a quote, and a backslash escapes.
    Escaped,
    /// Nothing is special: B'' and X''.
    Plain,
}

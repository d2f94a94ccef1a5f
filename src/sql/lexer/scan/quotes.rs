//! Literals and identifiers between quotes of any kind.

use super::*;

impl Scanner<'_> {
    /// A word, or a literal that begins with a letter.
    pub(super) fn prefixed(&mut self, first: u8) -> Result<TokenKind, LexError> {
        let start = self.at;
        let lower = first.to_ascii_lowercase();
        match (lower, self.byte(start + 1)) {
            (b'u', b'&') => match self.byte(start + 2) {
                b'\'' => {
                    self.at += 3;
                    self.string(start)?;
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
                self.string(start)?;
                return Ok(TokenKind::NationalString);
            }
            _ => {}
        }
        Ok(self.word())
    }

    /// The rest of a plain literal.
    pub(super) fn string(&mut self, start: usize) -> Result<(), LexError> {
        self.quoted(Quoting::Doubled, start, LexErrorKind::UnterminatedString)
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
    pub(in crate::sql::lexer) fn continuation(&self) -> Option<usize> {
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
    pub(super) fn quoted_identifier(&mut self, start: usize) -> Result<(), LexError> {
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
    pub(super) fn dollar(&mut self) -> Result<TokenKind, LexError> {
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

//! Numbers, and the numbers of parameters.

use super::*;

impl Scanner<'_> {
    pub(super) fn parameter(&mut self) -> Result<TokenKind, LexError> {
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

    pub(super) fn number(&mut self) -> Result<TokenKind, LexError> {
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
}

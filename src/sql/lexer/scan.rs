//! The scanner: one pass over the bytes, one table look-up per token start.

mod numbers;
mod quotes;

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
                self.string(start)?;
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

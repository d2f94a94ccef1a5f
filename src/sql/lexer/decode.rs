//! What literals and identifiers mean: the value that the server's scanner makes of them.

use std::borrow::Cow;

use crate::model::ident::Ident;

use super::scan::Scanner;
use super::tokens::{Token, TokenKind};

/// The value of a literal between quotes or dollar tags; of B'' and X'' the digits.
///
/// Nothing for other tokens, for values that the server rejects, and for U&'' with its own escape character.
pub fn decode_string<'a>(text: &'a str, token: &Token) -> Option<Cow<'a, str>> {
    let written = token.text(text);
    match token.kind {
        TokenKind::String => segments(text, token, 1),
        TokenKind::NationalString | TokenKind::BitString | TokenKind::HexString => segments(text, token, 2),
        TokenKind::EscapeString => escaped(&raw_segments(text, token, 2)?.concat()).map(Cow::Owned),
        TokenKind::UnicodeString if followed_by_uescape(text, token) => None,
        TokenKind::UnicodeString => unicode(&segments(text, token, 3)?).map(Cow::Owned),
        TokenKind::DollarString => {
            let tag = written.get(1..)?.find('$')? + 2;
            written.get(tag..written.len().checked_sub(tag)?).map(Cow::Borrowed)
        }
        TokenKind::Word
        | TokenKind::QuotedIdent
        | TokenKind::UnicodeIdent
        | TokenKind::Integer
        | TokenKind::Numeric
        | TokenKind::NewNumber
        | TokenKind::Param
        | TokenKind::Punctuation
        | TokenKind::TypeCast
        | TokenKind::ColonEquals
        | TokenKind::EqualsGreater
        | TokenKind::DotDot
        | TokenKind::Operator => None,
    }
}

/// The name that an identifier token stands for.
///
/// Nothing for other tokens, and for U&"" that the server rejects or that has its own escape character.
pub fn ident(text: &str, token: &Token) -> Option<Ident> {
    let written = token.text(text);
    match token.kind {
        TokenKind::Word => Some(Ident::unquoted(written)),
        TokenKind::QuotedIdent => Some(Ident::quoted(&undouble(written.get(1..written.len().checked_sub(1)?)?, '"'))),
        TokenKind::UnicodeIdent if followed_by_uescape(text, token) => None,
        TokenKind::UnicodeIdent => {
            let content = undouble(written.get(3..written.len().checked_sub(1)?)?, '"');
            unicode(&content).map(|name| Ident::quoted(&name))
        }
        TokenKind::String
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
        | TokenKind::Punctuation
        | TokenKind::TypeCast
        | TokenKind::ColonEquals
        | TokenKind::EqualsGreater
        | TokenKind::DotDot
        | TokenKind::Operator => None,
    }
}

/// Undoes doubled quotes.
fn undouble(content: &str, quote: char) -> Cow<'_, str> {
    if content.contains(quote) {
        let pair: String = [quote, quote].iter().collect();
        Cow::Owned(content.replace(&pair, quote.encode_utf8(&mut [0; 4])))
    } else {
        Cow::Borrowed(content)
    }
}

/// The text between the quotes, continuation lines joined, doubled quotes undone.
fn segments<'a>(text: &'a str, token: &Token, prefix: usize) -> Option<Cow<'a, str>> {
    let pieces = raw_segments(text, token, prefix)?;
    match pieces.as_slice() {
        [only] => Some(undouble(only, '\'')),
        _ => Some(Cow::Owned(pieces.iter().map(|piece| undouble(piece, '\'')).collect())),
    }
}

/// The pieces of a literal: what stands between its opening quote and its closing one, and between those of each
/// continuation line, as written.
fn raw_segments<'a>(text: &'a str, token: &Token, prefix: usize) -> Option<Vec<&'a str>> {
    let end = token.end as usize;
    let mut scanner = Scanner { bytes: text.as_bytes().get(..end)?, at: token.start as usize + prefix };
    let escapes = token.kind == TokenKind::EscapeString;
    let doubles = !matches!(token.kind, TokenKind::BitString | TokenKind::HexString);
    let mut pieces = Vec::new();
    let mut from = scanner.at;
    loop {
        match (scanner.bytes.get(scanner.at)?, scanner.bytes.get(scanner.at + 1)) {
            (b'\\', Some(_)) if escapes => scanner.at += 2,
            (b'\'', Some(b'\'')) if doubles => scanner.at += 2,
            (b'\'', _) => {
                pieces.push(text.get(from..scanner.at)?);
                scanner.at += 1;
                if scanner.at == end {
                    return Some(pieces);
                }
                from = scanner.continuation()?;
                scanner.at = from;
            }
            _ => scanner.at += 1,
        }
    }
}

/// The word UESCAPE comes next, and changes what the token means.
fn followed_by_uescape(text: &str, token: &Token) -> bool {
    let mut scanner = Scanner { bytes: text.as_bytes(), at: token.end as usize };
    matches!(scanner.next_token(), Ok(Some(next)) if next.is_word(text, "uescape"))
}

/// Undoes the escapes of an E'' string. Doubled quotes are undone here as well.
fn escaped(content: &str) -> Option<String> {
    let mut value = Vec::with_capacity(content.len());
    let bytes = content.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte == b'\'' {
            value.push(byte);
            at += 2;
        } else if byte == b'\\' {
            at = one_escape(bytes, at + 1, &mut value)?;
        } else {
            value.push(byte);
            at += 1;
        }
    }
    let value = String::from_utf8(value).ok()?;
    if value.contains('\0') { None } else { Some(value) }
}

/// Reads one escape, the backslash already read; returns where it ends.
fn one_escape(bytes: &[u8], at: usize, value: &mut Vec<u8>) -> Option<usize> {
    let letter = *bytes.get(at)?;
    let plain = match letter {
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        b'0'..=b'7' => return Some(digits_of_radix(bytes, at, 3, 8, value)),
        b'x' if bytes.get(at + 1).is_some_and(u8::is_ascii_hexdigit) => {
            return Some(digits_of_radix(bytes, at + 1, 2, 16, value));
        }
        b'u' | b'U' => {
            let (character, next) = escaped_character(bytes, at, &[(b'u', 4), (b'U', 8)], b'\\')?;
            value.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            return Some(next);
        }
        other => other,
    };
    value.push(plain);
    Some(at + 1)
}

/// Reads up to `most` digits as one byte; larger values lose their high bits, as in the server.
fn digits_of_radix(bytes: &[u8], mut at: usize, most: usize, radix: u32, value: &mut Vec<u8>) -> usize {
    let mut number = 0_u32;
    for _ in 0..most {
        let Some(digit) = bytes.get(at).and_then(|byte| char::from(*byte).to_digit(radix)) else { break };
        number = number * radix + digit;
        at += 1;
    }
    value.push((number & 0xff) as u8);
    at
}

/// Reads `X…` where a letter says how many hexadecimal digits follow, and the second half of a surrogate pair if the
/// first half was read. Returns the character and where it ends.
fn escaped_character(bytes: &[u8], at: usize, forms: &[(u8, usize)], escape: u8) -> Option<(char, usize)> {
    let (first, next) = code_unit(bytes, at, forms)?;
    if !(0xD800..0xE000).contains(&first) {
        return char::from_u32(first).map(|character| (character, next));
    }
    if bytes.get(next) != Some(&escape) {
        return None;
    }
    let (second, next) = code_unit(bytes, next + 1, forms)?;
    let pair = (0xD800..0xDC00).contains(&first) && (0xDC00..0xE000).contains(&second);
    let code = if pair { 0x10000 + ((first & 0x3ff) << 10) + (second & 0x3ff) } else { first };
    char::from_u32(code).map(|character| (character, next))
}

fn code_unit(bytes: &[u8], at: usize, forms: &[(u8, usize)]) -> Option<(u32, usize)> {
    let letter = *bytes.get(at)?;
    let (from, digits) = match forms.iter().find(|(form, _)| *form == letter) {
        Some((_, digits)) => (at + 1, *digits),
        // Forms without a letter are written as 0.
        None => (at, forms.iter().find(|(form, _)| *form == 0)?.1),
    };
    let written = std::str::from_utf8(bytes.get(from..from + digits)?).ok()?;
    if !written.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    Some((u32::from_str_radix(written, 16).ok()?, from + digits))
}

/// Undoes the escapes of U&'' and U&"" with the escape character `\`.
fn unicode(content: &str) -> Option<String> {
    let mut value = String::with_capacity(content.len());
    let bytes = content.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let rest = content.get(at..)?;
        let (plain, escape) = rest.split_at_checked(rest.find('\\').unwrap_or(rest.len()))?;
        value.push_str(plain);
        at += plain.len();
        if escape.is_empty() {
            break;
        }
        if bytes.get(at + 1) == Some(&b'\\') {
            value.push('\\');
            at += 2;
        } else {
            let (character, next) = escaped_character(bytes, at + 1, &[(b'+', 6), (0, 4)], b'\\')?;
            value.push(character);
            at = next;
        }
    }
    if value.contains('\0') { None } else { Some(value) }
}

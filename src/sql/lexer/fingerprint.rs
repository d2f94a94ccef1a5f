//! What identifies a statement to people: a number and a text that are the same whatever its values are.

use super::tokens::{Token, TokenKind};

/// [`super::Shape::fingerprint`]: FNV-1a over the tokens, with literals and parameters as one mark, and lists of them as one.
pub fn fingerprint(text: &str, tokens: &[Token]) -> u64 {
    let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
    for (_, token) in told_apart(text, tokens) {
        if is_value(token) {
            hash.byte(b'?');
        } else {
            let fold = token.kind == TokenKind::Word;
            for byte in token.text(text).bytes() {
                hash.byte(if fold { byte.to_ascii_lowercase() } else { byte });
            }
        }
        hash.byte(0);
    }
    hash.0
}

/// The text of a shape for people: as first written, but with a mark for every literal and parameter, one for lists of them, without
/// comments, and cut off after about that many bytes.
pub fn shape_text(text: &str, tokens: &[Token], at_most: usize) -> String {
    let mut shown = String::new();
    for (index, token) in told_apart(text, tokens) {
        let before = index.checked_sub(1).and_then(|before| tokens.get(before));
        if before.is_some_and(|before| before.end < token.start) {
            shown.push(' ');
        }
        let written = if is_value(token) { "?" } else { token.text(text) };
        if shown.len() + written.len() > at_most {
            shown.push('…');
            break;
        }
        shown.push_str(written);
    }
    shown
}

/// The tokens that make the difference, with their indexes: of a list of values the first.
fn told_apart<'t>(text: &str, tokens: &'t [Token]) -> impl Iterator<Item = (usize, &'t Token)> {
    let value = |at: usize| tokens.get(at).is_some_and(is_value);
    let comma = move |at: usize| tokens.get(at).is_some_and(|token| token.is_symbol(text, ","));
    let mut next = 0;
    std::iter::from_fn(move || {
        let mut at: usize = next;
        while at.checked_sub(1).is_some_and(value) && value(at + 1) && comma(at) {
            at += 2;
        }
        next = at + 1;
        Some((at, tokens.get(at)?))
    })
}

fn is_value(token: &Token) -> bool {
    token.kind.is_literal() || token.kind == TokenKind::Param
}

struct Fnv(u64);

impl Fnv {
    fn byte(&mut self, byte: u8) {
        self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::lexer::lex;

    #[test]
    fn a_fingerprint_sees_no_values() {
        let mark = |text: &str| fingerprint(text, &lex(text).unwrap());
        let one = mark("SELECT a FROM t WHERE b IN (1, 2, 3) AND c = 'x'");
        assert_eq!(one, mark("select a from t where b in ($1, $2) and c = $3 -- x"));
        assert_eq!(one, mark("SELECT a FROM t WHERE b IN (7) AND c = 1.5"));
        assert_ne!(one, mark("SELECT a FROM t WHERE b IN (1) AND d = 'x'"));
        // Kept over releases: audit records hold it.
        assert_eq!(mark("SELECT 1"), 0x5795_5f1a_2bad_3868);
    }

    #[test]
    fn the_text_of_a_shape_has_no_literal_and_no_comment() {
        let shown = |text: &str, at_most| shape_text(text, &lex(text).unwrap(), at_most);
        assert_eq!(
            shown(
                "SELECT  a.\"B\" /* x */ FROM t -- y\n WHERE a IN (1, 'two', $3,4.5) AND b=$$six$$ OR c = E'7'::text",
                4096
            ),
            "SELECT a.\"B\" FROM t WHERE a IN (?) AND b=? OR c = ?::text"
        );
        assert_eq!(shown("VALUES (U&'one', x'02', b'11', N'four')", 4096), "VALUES (?)");
        assert_eq!(shown("SELECT aaaaaaaaaa, bbbbbbbbbb", 20), "SELECT aaaaaaaaaa, …");
    }
}

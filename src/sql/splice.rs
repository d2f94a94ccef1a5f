//! Replacing exact ranges of a text, and nothing else.
//!
//! A splice is anchored to tokens, not to bytes: two texts that differ only in literals and comments have the same tokens
//! at the same indexes, so the splices found for one of them fit the other. What is not replaced stays byte for byte, except
//! that a comment between two tokens becomes a space.

use super::lexer::Token;
use super::second_opinion::WrapperEnd;
use super::tree::Span;

/// What a replacement is, for the check of the final text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Generated {
    /// Holds `(SELECT … FROM relation)`: offsets from the start of the replacement.
    Wrapper {
        /// Where the opening parenthesis stands.
        open: u32,
        /// Where the first entry of the select list starts.
        first_target: u32,
        /// Where the relation's name starts.
        relation: u32,
        /// After the closing parenthesis, or after the relation's name where the client's TABLESAMPLE follows.
        close: u32,
        /// Which of both.
        ends: WrapperEnd,
    },
    /// The query of a view, and what was generated in it, by offsets from the start of the replacement.
    Query(Vec<(u32, Generated)>),
    /// The qualified name of the target of a data-modifying statement.
    Target,
    /// A masked value that stands for a column of the target of a data-modifying statement.
    Expression,
    /// A qualified name, a column list, an alias.
    Plain,
}

/// One replacement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splice {
    from: Edge,
    to: Edge,
    /// What stands there instead.
    pub text: String,
    /// A piece of the original that stands there once more.
    copied: Option<Copied>,
    /// What that is.
    pub generated: Generated,
}

/// A piece of the original, with the replacements made in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Copied {
    /// Where in the text of the replacement it stands.
    at: usize,
    from: Edge,
    to: Edge,
}

/// A place between bytes: the start or the end of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Edge {
    token: u32,
    after: bool,
}

/// A replacement in the final text, a comment that was left out included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// First byte in the final text.
    pub start: usize,
    /// After its last byte.
    pub end: usize,
    /// Characters of the original that it stands for.
    pub replaced: usize,
    /// What it is.
    pub generated: Generated,
}

/// Where a character of the final text stands in the original, both counted from one as in error messages. The start of a
/// replacement is the start of what it stands for; what lies further in it has no place.
pub fn original_position(text: &str, placed: &[Placed], position: usize) -> Option<usize> {
    let before = position.checked_sub(1)?;
    let byte = text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(before)?;
    let (mut added, mut removed) = (0, 0);
    for place in placed.iter().take_while(|place| place.start < byte) {
        if byte < place.end {
            return None;
        }
        added += text.get(place.start..place.end)?.chars().count();
        removed += place.replaced;
    }
    (position + removed).checked_sub(added)
}

/// Replacements do not fit the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a rewrite does not fit the statement")]
pub struct SpliceError;

/// Collects replacements for one text.
#[derive(Debug)]
pub struct Splicer<'a> {
    tokens: &'a [Token],
    splices: Vec<Splice>,
}

impl<'a> Splicer<'a> {
    /// For a text with these tokens.
    pub fn new(tokens: &'a [Token]) -> Self {
        Self { tokens, splices: Vec::new() }
    }

    /// Replaces a range that starts and ends with a token.
    ///
    /// # Errors
    /// It does not.
    pub fn replace(&mut self, span: Span, text: String, generated: Generated) -> Result<(), SpliceError> {
        let from = self.starting_at(span.start)?;
        let to = self.ending_at(span.end)?;
        self.splices.push(Splice {
            from: Edge { token: from, after: false },
            to: Edge { token: to, after: true },
            text,
            copied: None,
            generated,
        });
        Ok(())
    }

    /// Inserts after the token that ends there, with a piece of the original between two texts. Texts of one shape may
    /// have other literals there: the piece is cut from the text at hand.
    ///
    /// # Errors
    /// No token ends there, or the piece does not start and end with one.
    pub fn insert_copy(&mut self, end: u32, before: &str, piece: Span, after: &str) -> Result<(), SpliceError> {
        let edge = Edge { token: self.ending_at(end)?, after: true };
        let copied = Copied {
            at: before.len(),
            from: Edge { token: self.starting_at(piece.start)?, after: false },
            to: Edge { token: self.ending_at(piece.end)?, after: true },
        };
        let text = format!("{before}{after}");
        self.splices.push(Splice { from: edge, to: edge, text, copied: Some(copied), generated: Generated::Plain });
        Ok(())
    }

    /// Inserts before the token that starts there.
    ///
    /// # Errors
    /// No token starts there.
    pub fn insert_before(&mut self, start: u32, text: String) -> Result<(), SpliceError> {
        let edge = Edge { token: self.starting_at(start)?, after: false };
        self.splices.push(Splice { from: edge, to: edge, text, copied: None, generated: Generated::Plain });
        Ok(())
    }

    /// Inserts after the token that ends there.
    ///
    /// # Errors
    /// No token ends there.
    pub fn insert_after(&mut self, end: u32, text: String) -> Result<(), SpliceError> {
        let edge = Edge { token: self.ending_at(end)?, after: true };
        self.splices.push(Splice { from: edge, to: edge, text, copied: None, generated: Generated::Plain });
        Ok(())
    }

    /// The index of the token that starts there.
    ///
    /// # Errors
    /// None does.
    pub fn starting_at(&self, start: u32) -> Result<u32, SpliceError> {
        let at = self.tokens.binary_search_by_key(&start, |token| token.start).map_err(|_| SpliceError)?;
        u32::try_from(at).map_err(|_| SpliceError)
    }

    fn ending_at(&self, end: u32) -> Result<u32, SpliceError> {
        let at = self.tokens.binary_search_by_key(&end, |token| token.end).map_err(|_| SpliceError)?;
        u32::try_from(at).map_err(|_| SpliceError)
    }

    /// The replacements in the order of the text.
    ///
    /// # Errors
    /// Two of them overlap.
    pub fn finish(mut self) -> Result<Vec<Splice>, SpliceError> {
        self.splices.sort_by_key(|splice| (splice.from, splice.to));
        let overlap = self.splices.windows(2).any(|pair| match pair {
            [first, second] => second.from < first.to,
            _ => false,
        });
        if overlap { Err(SpliceError) } else { Ok(self.splices) }
    }
}

/// The text with the replacements made, and where they ended up.
///
/// # Errors
/// The tokens are not those of a text of the same shape.
pub fn apply(text: &str, tokens: &[Token], splices: &[Splice]) -> Result<(String, Vec<Placed>), SpliceError> {
    let length = text.len() + splices.iter().map(|splice| splice.text.len()).sum::<usize>();
    let mut out = Out { text: String::with_capacity(length), placed: Vec::with_capacity(splices.len()) };
    let mut position = Position { text, tokens, byte: 0, next: 0 };
    for splice in splices {
        position.copy_to(splice.from, &mut out)?;
        let start = out.text.len();
        match splice.copied {
            None => out.text.push_str(&splice.text),
            Some(copied) => {
                let (before, after) = splice.text.split_at_checked(copied.at).ok_or(SpliceError)?;
                let piece = piece(text, tokens, splices, copied)?;
                out.text.extend([before, &piece, after]);
            }
        }
        let replaced = position.skip_to(splice.to)?;
        out.placed.push(Placed { start, end: out.text.len(), replaced, generated: splice.generated.clone() });
    }
    position.copy_rest(&mut out)?;
    Ok((out.text, out.placed))
}

/// A piece of the final text, without what is copied into it.
fn piece(text: &str, tokens: &[Token], splices: &[Splice], copied: Copied) -> Result<String, SpliceError> {
    let first = copied.from.token as usize;
    let mut out = Out { text: String::new(), placed: Vec::new() };
    let byte = tokens.get(first).ok_or(SpliceError)?.start;
    let mut position = Position { text, tokens, byte, next: first };
    let within = |splice: &&Splice| splice.copied.is_none() && copied.from <= splice.from && splice.to <= copied.to;
    for splice in splices.iter().filter(within) {
        position.copy_to(splice.from, &mut out)?;
        out.text.push_str(&splice.text);
        position.skip_to(splice.to)?;
    }
    position.copy_to(copied.to, &mut out)?;
    Ok(out.text)
}

/// The final text as far as it goes.
struct Out {
    text: String,
    placed: Vec<Placed>,
}

/// How far the text has been copied: all tokens before `next` are done, and all bytes before `byte`.
struct Position<'a> {
    text: &'a str,
    tokens: &'a [Token],
    byte: u32,
    next: usize,
}

impl Position<'_> {
    /// Copies up to an edge; what lies between tokens is copied before the token it precedes.
    fn copy_to(&mut self, edge: Edge, out: &mut Out) -> Result<(), SpliceError> {
        let whole = edge.token as usize + usize::from(edge.after);
        while self.next < whole {
            self.copy_token(out)?;
        }
        if !edge.after {
            let start = self.tokens.get(edge.token as usize).ok_or(SpliceError)?.start;
            self.copy_gap(start, out)?;
        }
        Ok(())
    }

    fn copy_token(&mut self, out: &mut Out) -> Result<(), SpliceError> {
        let token = self.tokens.get(self.next).ok_or(SpliceError)?;
        self.copy_gap(token.start, out)?;
        out.text.push_str(self.slice(token.start, token.end)?);
        self.byte = token.end;
        self.next += 1;
        Ok(())
    }

    fn copy_gap(&mut self, until: u32, out: &mut Out) -> Result<(), SpliceError> {
        let gap = self.slice(self.byte, until)?;
        if gap.contains("--") || gap.contains("/*") {
            let start = out.text.len();
            out.text.push(' ');
            let replaced = gap.chars().count();
            out.placed.push(Placed { start, end: start + 1, replaced, generated: Generated::Plain });
        } else {
            out.text.push_str(gap);
        }
        self.byte = until;
        Ok(())
    }

    /// Returns how many characters were skipped.
    fn skip_to(&mut self, edge: Edge) -> Result<usize, SpliceError> {
        let token = self.tokens.get(edge.token as usize).ok_or(SpliceError)?;
        let (byte, next) =
            if edge.after { (token.end, edge.token as usize + 1) } else { (token.start, edge.token as usize) };
        if byte < self.byte {
            return Err(SpliceError);
        }
        let skipped = self.slice(self.byte, byte)?.chars().count();
        self.byte = byte;
        self.next = next;
        Ok(skipped)
    }

    fn copy_rest(&mut self, out: &mut Out) -> Result<(), SpliceError> {
        while self.next < self.tokens.len() {
            self.copy_token(out)?;
        }
        let end = u32::try_from(self.text.len()).map_err(|_| SpliceError)?;
        self.copy_gap(end, out)
    }

    fn slice(&self, from: u32, to: u32) -> Result<&str, SpliceError> {
        self.text.get(from as usize..to as usize).ok_or(SpliceError)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sql::lexer::lex;

    #[test]
    fn splices_found_for_one_text_fit_another_of_its_shape() {
        let first = "SELECT a /* x */ FROM t WHERE b = 'long literal' -- end";
        let tokens = lex(first).unwrap();
        let mut splicer = Splicer::new(&tokens);
        let at = first.find("t WHERE").unwrap() as u32;
        splicer
            .replace(Span { start: at, end: at + 1 }, "(SELECT a, b FROM s.t) AS t".into(), Generated::Plain)
            .unwrap();
        splicer.insert_before(first.find("a /*").unwrap() as u32, "x.".into()).unwrap();
        let splices = splicer.finish().unwrap();
        let (text, placed) = apply(first, &tokens, &splices).unwrap();
        assert_eq!(text, "SELECT x.a FROM (SELECT a, b FROM s.t) AS t WHERE b = 'long literal' ");
        let written = |at: usize| text.get(placed[at].start..placed[at].end).unwrap();
        assert_eq!((written(1), written(2)), (" ", "(SELECT a, b FROM s.t) AS t"), "a comment is one, too");
        let position = |word: &str| original_position(&text, &placed, text.find(word).unwrap() + 1);
        assert_eq!(position("WHERE"), Some(first.find("WHERE").unwrap() + 1));
        assert_eq!(position("'long"), Some(first.find("'long").unwrap() + 1));
        assert_eq!(position("x.a"), Some(first.find("a /*").unwrap() + 1), "what was put before a word starts with it");
        assert_eq!(position("b FROM"), None, "generated");
        let second = "SELECT a FROM t WHERE b = ''";
        let (text, _) = apply(second, &lex(second).unwrap(), &splices).unwrap();
        assert_eq!(text, "SELECT x.a FROM (SELECT a, b FROM s.t) AS t WHERE b = ''");
    }

    #[test]
    fn overlapping_replacements_are_refused() {
        let text = "SELECT a.b";
        let tokens = lex(text).unwrap();
        let mut splicer = Splicer::new(&tokens);
        splicer.replace(Span { start: 7, end: 10 }, "x".into(), Generated::Plain).unwrap();
        splicer.replace(Span { start: 9, end: 10 }, "y".into(), Generated::Plain).unwrap();
        assert_eq!(splicer.finish(), Err(SpliceError));
    }

    /// Texts of many tokens, some with literals and comments that hold what looks like SQL.
    fn text() -> impl Strategy<Value = String> {
        let piece = proptest::sample::select(vec![
            "SELECT",
            "a",
            "\"B c\"",
            "t.x",
            ",",
            "(",
            ")",
            "'it''s'",
            "E'\\''",
            "$$ a, b $$",
            "$q$ ' $q$",
            "/* ' */",
            "/* /* */ */",
            "-- '\n",
            "17",
            "1.5",
            "$1",
            "::",
            "<=",
            "+",
            "é",
            "U&\"\\0061\"",
            ";",
        ]);
        let gap = proptest::sample::select(vec![" ", "  ", "\n", "\t "]);
        proptest::collection::vec((piece, gap), 1..30)
            .prop_map(|pieces| pieces.into_iter().flat_map(|(piece, gap)| [piece, gap]).collect())
    }

    /// The tokens as written.
    fn words(text: &str) -> Vec<&str> {
        lex(text).unwrap().iter().map(|token| token.text(text)).collect()
    }

    proptest! {
        /// What no replacement covers is kept, token by token and in order; each replacement stands where it is said to.
        #[test]
        fn everything_else_stays(text in text(), choices in proptest::collection::vec((0usize..4, 1usize..4), 30)) {
            let tokens = lex(&text).unwrap();
            let mut splicer = Splicer::new(&tokens);
            let mut expected: Vec<&str> = Vec::new();
            let (mut at, mut made) = (0, 0);
            while at < tokens.len() {
                let (what, count) = choices[at % choices.len()];
                let end = (at + count).min(tokens.len());
                let range = Span { start: tokens[at].start, end: tokens[end - 1].end };
                let kept = tokens[at..end].iter().map(|token| token.text(&text));
                match what {
                    0 => {
                        splicer.replace(range, " new ".to_owned(), Generated::Plain).unwrap();
                        expected.push("new");
                    }
                    1 => {
                        splicer.insert_before(range.start, " new ".to_owned()).unwrap();
                        expected.push("new");
                        expected.extend(kept);
                    }
                    2 => {
                        splicer.insert_after(range.end, " new ".to_owned()).unwrap();
                        expected.extend(kept);
                        expected.push("new");
                    }
                    _ => expected.extend(kept),
                }
                made += usize::from(what < 3);
                at = end;
            }
            let splices = splicer.finish().unwrap();
            let (out, placed) = apply(&text, &tokens, &splices).unwrap();
            prop_assert_eq!(words(&out), expected);
            let new: Vec<_> = placed.iter().filter(|place| out.get(place.start..place.end) != Some(" ")).collect();
            prop_assert_eq!(new.len(), made);
            for place in new {
                prop_assert_eq!(out.get(place.start..place.end).unwrap().trim(), "new");
            }
            // Whatever was kept is found where it stood.
            for (token, word) in lex(&out).unwrap().iter().map(|token| (token, token.text(&out))).filter(|(_, word)| *word != "new") {
                let position = out[..token.start as usize].chars().count() + 1;
                let original = original_position(&out, &placed, position).unwrap();
                let there: String = text.chars().skip(original - 1).collect();
                prop_assert!(there.starts_with(word), "{} at {}", word, original);
            }
            // Comments are gone: only literals can hold what looks like one.
            let gaps = lex(&out).unwrap().windows(2).any(|pair| out[pair[0].end as usize..pair[1].start as usize].contains("/*"));
            prop_assert!(!gaps, "{}", out);
        }

        /// Splices found for one text give the same text for another of its shape, but for literals and gaps.
        #[test]
        fn splices_fit_every_text_of_the_shape(text in text(), choices in proptest::collection::vec(0usize..3, 30)) {
            let tokens = lex(&text).unwrap();
            let mut splicer = Splicer::new(&tokens);
            for (at, token) in tokens.iter().enumerate() {
                if choices[at % choices.len()] == 0 {
                    let span = Span { start: token.start, end: token.end };
                    splicer.replace(span, format!(" new{at} "), Generated::Plain).unwrap();
                }
            }
            let splices = splicer.finish().unwrap();
            let mut other = String::new();
            for token in &tokens {
                let word = token.text(&text);
                other.push_str(match token.kind {
                    crate::sql::lexer::TokenKind::String => "'a; b -- /*'",
                    crate::sql::lexer::TokenKind::Integer => "42",
                    _ => word,
                });
                other.push_str(" /* gap */ ");
            }
            let keys = [&text, &other].map(|text| {
                let mut key = Vec::new();
                crate::sql::lexer::shape(text, &lex(text).unwrap(), &mut key);
                key
            });
            prop_assume!(keys[0] == keys[1]);
            let (first, _) = apply(&text, &tokens, &splices).unwrap();
            let (second, _) = apply(&other, &lex(&other).unwrap(), &splices).unwrap();
            let without_literals = |text: &str| -> Vec<String> {
                let tokens = lex(text).unwrap();
                tokens.iter().map(|token| if token.kind.is_literal() { "?".to_owned() } else { token.text(text).to_owned() }).collect()
            };
            prop_assert_eq!(without_literals(&first), without_literals(&second));
        }
    }
}

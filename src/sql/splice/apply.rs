//! Making the replacements: the final text is copied from the original, token by token, around what stands there instead.

use super::{Copied, Edge, Generated, Placed, Splice, SpliceError};
use crate::sql::lexer::Token;

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

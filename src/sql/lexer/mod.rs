//! PostgreSQL's own way to cut a text into tokens (`scan.l`, with `standard_conforming_strings` on).
//!
//! Everything else in this room stands on these tokens: where statements end, what may be replaced, how large a text
//! may be before a parser sees it, and the normalised key under which a verdict is remembered. So the rules are the
//! server's rules byte for byte, and a text that servers of different versions would read differently is an error.

mod caps;
mod decode;
mod fingerprint;
mod normalise;
mod scan;
mod tokens;

#[cfg(test)]
mod tests;

pub use caps::{Cap, CapExceeded, Caps};
pub use decode::{decode_string, ident};
pub use fingerprint::{fingerprint, shape_text};
pub use normalise::{Shape, shape, write_key};
pub use scan::{lex, lex_into};
pub use tokens::{LexError, LexErrorKind, Token, TokenKind};

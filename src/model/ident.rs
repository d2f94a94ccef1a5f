//! Identifiers as PostgreSQL folds, truncates and quotes them. Folding and quoting happen here and nowhere else.

use std::fmt;

/// Longest identifier in bytes: NAMEDATALEN - 1 of a stock server build.
pub const MAX_IDENTIFIER_BYTES: usize = 63;

/// A folded identifier: what the catalog holds in a `name` column.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ident(Box<str>);

impl Ident {
    /// The identifier that an unquoted word names: ASCII letters in lower case, cut to 63 bytes.
    ///
    /// Non-ASCII letters stay as they are, which is what a server with a multi-byte encoding does.
    pub fn unquoted(word: &str) -> Self {
        Self(truncate(word).to_ascii_lowercase().into())
    }

    /// The identifier between double quotes, with doubled quotes already undone, cut to 63 bytes.
    pub fn quoted(text: &str) -> Self {
        Self(truncate(text).into())
    }

    /// The name as stored in the catalog.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Ident {
    /// Writes the identifier so that PostgreSQL reads the same name back; quoted always, which is never wrong.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('"', "\"\""))
    }
}

impl From<&str> for Ident {
    fn from(name: &str) -> Self {
        Self::quoted(name)
    }
}

/// Quotes a catalog name only where PostgreSQL would need it, for texts that people read.
pub fn display_name(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain { name.to_owned() } else { Ident::quoted(name).to_string() }
}

/// Writes `text` as a standard string literal; with backslashes it becomes an E'' literal, which reads the same under every setting.
pub fn literal(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if text.contains('\\') { format!("E'{}'", doubled.replace('\\', "\\\\")) } else { format!("'{doubled}'") }
}

/// Cuts at the last character boundary that keeps the text within 63 bytes, as `pg_mbcliplen` does.
fn truncate(text: &str) -> &str {
    if text.len() <= MAX_IDENTIFIER_BYTES {
        return text;
    }
    let mut end = MAX_IDENTIFIER_BYTES;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_ascii_only_and_cuts_at_63_bytes() {
        assert_eq!(Ident::unquoted("EmaiL").as_str(), "email");
        assert_eq!(Ident::unquoted("ÜNÏ").as_str(), "ÜnÏ");
        let long = "w".repeat(90);
        assert_eq!(Ident::unquoted(&long).as_str().len(), 63);
        let wide = "é".repeat(40);
        assert_eq!(Ident::quoted(&wide).as_str().len(), 62);
    }

    #[test]
    fn quoting_is_reversible() {
        assert_eq!(Ident::quoted("a\"b").to_string(), "\"a\"\"b\"");
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\\b"), "E'a\\\\b'");
    }
}

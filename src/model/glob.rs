//! Words with `*` in them.

/// A pattern in which `*` stands for any characters, none included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob(Box<str>);

impl Glob {
    /// The pattern as written.
    pub fn new(pattern: &str) -> Self {
        Self(pattern.into())
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it stands for one word only.
    pub fn is_exact(&self) -> bool {
        !self.0.contains('*')
    }

    /// Whether it stands for this word.
    pub fn matches(&self, word: &str) -> bool {
        let mut pieces = self.0.split('*');
        let Some(mut rest) = pieces.next().and_then(|first| word.strip_prefix(first)) else { return false };
        let Some(last) = pieces.next_back() else { return rest.is_empty() };
        for piece in pieces {
            match rest.split_once(piece) {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, word, expected) in [
            ("email", "email", true),
            ("email", "emails", false),
            ("*", "", true),
            ("*_email", "work_email", true),
            ("*_email", "email", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(Glob::new(pattern).matches(word), expected, "{pattern} {word}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_plain_definition(pattern in "[ab*]{0,6}", word in "[ab]{0,8}") {
            fn slow(pattern: &[u8], word: &[u8]) -> bool {
                match pattern.split_first() {
                    None => word.is_empty(),
                    Some((b'*', rest)) => (0..=word.len()).any(|skip| slow(rest, &word[skip..])),
                    Some((c, rest)) => word.first() == Some(c) && slow(rest, &word[1..]),
                }
            }
            prop_assert_eq!(Glob::new(&pattern).matches(&word), slow(pattern.as_bytes(), word.as_bytes()));
        }
    }
}

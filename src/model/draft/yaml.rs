//! Scalars that YAML reads back as they were.

/// A string as a scalar, in quotes only where it needs them; it may stand in a flow collection as well.
pub fn scalar(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { quoted(text) }
}

/// A string in double quotes.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A comment, which must stay on its line.
pub fn comment(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn is_plain(text: &str) -> bool {
    const WORDS: &[&str] = &["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"];
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && !text.ends_with(' ')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ' | '(' | ')' | '/'))
        && !WORDS.contains(&text.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::source::{Problems, SourceFile, parse};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_text_is_read_back_as_it_was(text in "\\PC{0,40}|[ -~\n\t]{0,40}|(true|No|null|1|~)[ -~]{0,2}") {
            for form in [scalar(&text), quoted(&text)] {
                for document in [format!("a: {form}\n"), format!("a: {{b: {form}, c: 1}}\n"), format!("a: [{form}]\n")] {
                    let file = SourceFile::new("t", &document);
                    let mut problems = Problems::new(&file);
                    let node = parse(&file, &mut problems).unwrap();
                    let value = node.get("a").unwrap();
                    let value = value.items().first().or(value.get("b")).unwrap_or(value);
                    prop_assert_eq!(value.as_str(), Some(text.as_str()), "{}", document);
                }
            }
        }
    }
}

//! The span of the application that a text belongs to: `traceparent` of a comment as sqlcommenter writes it.
//!
//! The comment stands before or behind the statement, where no literal can look like it, and holds `key='value'` pairs
//! with the values URL-encoded and quotes escaped by a backslash. What follows neither this nor W3C Trace Context to the
//! letter is none: a wrong parent is worse than no parent.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem;
use memchr::memmem::Finder;
use percent_encoding::percent_decode;

use crate::observe::event::TraceParent;

const KEY: &[u8] = b"traceparent";

/// Every text is searched: what can be prepared for that is prepared once.
static IN_TEXT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(KEY));

/// Comments that are looked through at each end of a text.
const COMMENTS: usize = 8;

/// The span that a text says it belongs to. Costs one search for a word where there is none.
pub fn parent_of(text: &[u8]) -> Option<TraceParent> {
    IN_TEXT.find(text)?;
    behind(text).or_else(|| before(text))
}

/// In the comments behind the statement.
fn behind(text: &[u8]) -> Option<TraceParent> {
    let mut rest = text;
    for _ in 0..COMMENTS {
        rest = rest.trim_ascii_end();
        while let Some(shorter) = rest.strip_suffix(b";") {
            rest = shorter.trim_ascii_end();
        }
        let inner = rest.strip_suffix(b"*/")?;
        let begin = memmem::rfind(inner, b"/*")?;
        let (before, comment) = inner.split_at_checked(begin)?;
        if let Some(parent) = within(comment.get(2..)?) {
            return Some(parent);
        }
        rest = before;
    }
    None
}

/// In the comments before it.
fn before(text: &[u8]) -> Option<TraceParent> {
    let mut rest = text;
    for _ in 0..COMMENTS {
        let inner = rest.trim_ascii_start().strip_prefix(b"/*")?;
        let end = memmem::find(inner, b"*/")?;
        let (comment, after) = inner.split_at_checked(end)?;
        if let Some(parent) = within(comment) {
            return Some(parent);
        }
        rest = after.get(2..)?;
    }
    None
}

/// In the pairs of one comment; none if it is no such comment, or says it twice.
fn within(comment: &[u8]) -> Option<TraceParent> {
    let mut found = None;
    let mut rest = comment.trim_ascii();
    if memmem::find(rest, b"*/").is_some() || memmem::find(rest, b"/*").is_some() {
        return None;
    }
    loop {
        let (key, value, after) = pair(rest)?;
        if key == KEY && found.replace(value).is_some() {
            return None;
        }
        match after.split_first() {
            None => break,
            Some((b',', next)) => rest = next.trim_ascii_start(),
            Some(_) => return None,
        }
    }
    let decoded: Cow<'_, [u8]> = percent_decode(found?).into();
    traceparent(&decoded)
}

/// The first pair: key, value without its quotes, and what follows.
fn pair(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let equals = memchr::memchr(b'=', text)?;
    let (key, rest) = text.split_at_checked(equals)?;
    let rest = rest.get(1..)?.trim_ascii_start().strip_prefix(b"'")?;
    let mut at = 0;
    let end = loop {
        match rest.get(at)? {
            b'\\' => at += 2,
            b'\'' => break at,
            _ => at += 1,
        }
    };
    let (value, after) = rest.split_at_checked(end)?;
    Some((key.trim_ascii(), value, after.get(1..)?.trim_ascii_start()))
}

/// The value of the header `traceparent`. Versions to come may be longer, but begin like this one.
pub fn traceparent(value: &[u8]) -> Option<TraceParent> {
    let mut parts = value.splitn(5, |byte| *byte == b'-');
    let (version, trace) = (hex(parts.next()?, 2)?, hex(parts.next()?, 32)?);
    let (span, flags) = (hex(parts.next()?, 16)?, hex(parts.next()?, 2)?);
    let more = parts.next();
    if version == 0xff || version == 0 && more.is_some() || trace == 0 || span == 0 {
        return None;
    }
    Some(TraceParent { trace, span: u64::try_from(span).ok()?, flags: u8::try_from(flags).ok()? })
}

/// So many digits, in lower case.
fn hex(digits: &[u8], count: usize) -> Option<u128> {
    if digits.len() != count {
        return None;
    }
    digits.iter().try_fold(0, |number: u128, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PARENT: &str = "00-5bd66ef5095369c7b0d1f8f4bd33716a-c532cb4098ac3dd2-01";

    fn of(text: &str) -> Option<TraceParent> {
        parent_of(text.as_bytes())
    }

    #[test]
    fn comments_as_sqlcommenter_writes_them_are_understood() {
        let expected = traceparent(PARENT.as_bytes());
        assert_eq!(
            expected,
            Some(TraceParent { trace: 0x5bd66ef5095369c7b0d1f8f4bd33716a, span: 0xc532cb4098ac3dd2, flags: 1 })
        );
        for text in [
            format!(
                "SELECT * FROM foo /*action='%2Fparam*d',controller='index',traceparent='{PARENT}',tracestate='a%3Db'*/"
            ),
            format!("SELECT 1 /*traceparent='{PARENT}'*/;"),
            format!("SELECT 1; /* traceparent='{PARENT}' , route='x' */ ;\n "),
            format!("/*traceparent='{PARENT}'*/ SELECT 1"),
            format!("/* hint */ /*db_driver='a\\'b',traceparent='{PARENT}'*/ SELECT '*/'"),
            format!("SELECT 1 /*traceparent='{PARENT}'*/ /* and more */"),
            format!("SELECT 1 /*traceparent='{}'*/", PARENT.replace('-', "%2D")),
            format!("SELECT 1 /*traceparent='{}'*/", PARENT.replace("00-", "cc-") + "-more-to-come"),
        ] {
            assert_eq!(of(&text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_to_the_letter_is_no_parent() {
        let zeros = |from: usize, to: usize| format!("{}{}{}", &PARENT[..from], "0".repeat(to - from), &PARENT[to..]);
        for value in [
            zeros(3, 35),
            zeros(36, 52),
            PARENT.replace("00-", "ff-"),
            PARENT.to_uppercase(),
            PARENT.replace("00-", ""),
            format!("{PARENT}-more"),
            format!("{PARENT}0"),
            format!(" {PARENT}"),
            PARENT.replace("-01", "-1"),
            PARENT.replace('-', "_"),
            String::new(),
        ] {
            assert_eq!(of(&format!("SELECT 1 /*traceparent='{value}'*/")), None, "{value}");
        }
        for text in [
            format!("SELECT '/*traceparent=''{PARENT}''*/'"),
            format!("SELECT $$/*traceparent='{PARENT}'*/$$"),
            format!("SELECT /*traceparent='{PARENT}'*/ 1"),
            format!("SELECT 1 /*traceparent={PARENT}*/"),
            format!("SELECT 1 /*traceparent=\"{PARENT}\"*/"),
            format!("SELECT 1 /*Traceparent='{PARENT}'*/"),
            format!("SELECT 1 /*xtraceparent='{PARENT}'*/"),
            format!("SELECT 1 /*traceparent='{PARENT}',traceparent='{PARENT}'*/"),
            format!("SELECT 1 /*traceparent='{PARENT}' and words*/"),
            format!("SELECT 1 /*words, traceparent='{PARENT}'*/"),
            format!("SELECT 1 /*traceparent='{PARENT}"),
            format!("SELECT 1 /* /*traceparent='{PARENT}'*/ */"),
            format!("traceparent='{PARENT}'"),
            "*/ /* traceparent */ /**/".to_owned(),
        ] {
            assert_eq!(of(&text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_parent_is_found_behind_any_statement(
            trace in 1_u128.., span in 1_u64.., flags: u8, before in "[ -~]{0,40}", value in "[a-z%0-9]{0,9}",
        ) {
            let text = format!("{before} /*a='{value}',traceparent='00-{trace:032x}-{span:016x}-{flags:02x}'*/");
            prop_assert_eq!(parent_of(text.as_bytes()), Some(TraceParent { trace, span, flags }));
        }

        #[test]
        fn no_text_is_too_strange(pieces in proptest::collection::vec(piece(), 0..24)) {
            let text = pieces.concat();
            if let Some(parent) = parent_of(&text) {
                prop_assert!(parent.trace != 0 && parent.span != 0);
                let written = format!("{:032x}-{:016x}-{:02x}", parent.trace, parent.span, parent.flags);
                let encoded = written.replace('-', "%2D");
                let holds = |what: &str| memmem::find(&text, what.as_bytes()).is_some();
                prop_assert!(holds(&written) || holds(&encoded));
            }
        }
    }

    /// What such texts are made of, and what they are not.
    fn piece() -> impl Strategy<Value = Vec<u8>> {
        let whole = format!("traceparent='{PARENT}'");
        let words = ["/*", "*/", "'", "\\", ",", "=", ";", " ", "traceparent", "SELECT 1", "%", "%2D", PARENT, &whole];
        let words: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        prop_oneof![4 => proptest::sample::select(words), 1 => proptest::collection::vec(any::<u8>(), 0..4)]
    }
}

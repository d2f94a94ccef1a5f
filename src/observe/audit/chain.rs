//! The chain: every line holds the hash of the one before, and a hash of its own.
//!
//! A line is a JSON object whose last two members are `prev` and `hash`. Its hash is SHA-256, or HMAC-SHA-256 with a key, of the
//! bytes of the line as they would be without `hash`: up to and including the quote that ends `prev`, and a closing brace.

use std::fmt::Write as _;

use jiff::Timestamp;
use ring::{digest, hmac};
use serde::{Deserialize, Serialize};

/// Version of the form of a line.
pub const VERSION: u32 = 1;

/// Characters of a hash.
const HEX: usize = 64;

const BEFORE_PREV: &[u8] = br#","prev":""#;
const BEFORE_HASH: &[u8] = br#","hash":""#;

/// How hashes are made.
#[derive(Debug, Clone)]
pub enum Sealer {
    /// Anybody can.
    Plain,
    /// Whoever has the key can.
    Keyed(hmac::Key),
}

impl Sealer {
    /// With this key, if there is one.
    pub fn new(key: Option<&[u8]>) -> Self {
        key.map_or(Self::Plain, |key| Self::Keyed(hmac::Key::new(hmac::HMAC_SHA256, key)))
    }

    /// Its name in the records.
    pub const fn algorithm(&self) -> &'static str {
        match self {
            Self::Plain => "sha256",
            Self::Keyed(_) => "hmac-sha256",
        }
    }

    /// The hash of an object without its closing brace.
    fn hash(&self, open: &[u8]) -> String {
        match self {
            Self::Plain => {
                let mut context = digest::Context::new(&digest::SHA256);
                context.update(open);
                context.update(b"}");
                hex(context.finish().as_ref())
            }
            Self::Keyed(key) => {
                let mut context = hmac::Context::with_key(key);
                context.update(open);
                context.update(b"}");
                hex(context.sign().as_ref())
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(HEX), |mut text, byte| {
        // Writing to a string cannot fail.
        _ = write!(text, "{byte:02x}");
        text
    })
}

/// SHA-256 of parts, each with its length before it, in hexadecimal digits.
pub fn digest_of<'a>(parts: impl Iterator<Item = &'a [u8]>) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    hex(context.finish().as_ref())
}

/// Where the chain stands: what the next line refers to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Number of the last line.
    pub seq: u64,
    /// Its hash.
    pub hash: String,
}

impl Link {
    /// Before the first line.
    pub fn start() -> Self {
        Self { seq: 0, hash: "0".repeat(HEX) }
    }
}

#[derive(Serialize)]
struct Line<'a, B> {
    v: u32,
    seq: u64,
    time: String,
    #[serde(rename = "type")]
    kind: &'a str,
    process: u32,
    #[serde(flatten)]
    body: &'a B,
}

/// What a line is about: `type` and `time`.
#[derive(Debug, Clone, Copy)]
pub struct Heading {
    /// The kind of record.
    pub kind: &'static str,
    /// When it happened.
    pub time: Timestamp,
}

/// A time as records have it: RFC 3339 with microseconds.
pub fn written(time: Timestamp) -> String {
    format!("{time:.6}")
}

/// Appends a line with this body, its end included, and moves the link on. Nothing happens where the body cannot be written.
///
/// # Errors
/// The body cannot be written as a JSON object.
pub fn append<B: Serialize>(
    link: &mut Link,
    sealer: &Sealer,
    heading: Heading,
    body: &B,
    out: &mut Vec<u8>,
) -> serde_json::Result<()> {
    let seq = link.seq + 1;
    let line = line(seq, &link.hash, sealer, heading, body)?;
    *link = Link { seq, hash: line.1 };
    out.extend_from_slice(&line.0);
    Ok(())
}

/// One line with its end, and its hash.
fn line<B: Serialize>(
    seq: u64,
    prev: &str,
    sealer: &Sealer,
    heading: Heading,
    body: &B,
) -> serde_json::Result<(Vec<u8>, String)> {
    let Heading { kind, time } = heading;
    let process = std::process::id();
    let mut text = serde_json::to_vec(&Line { v: VERSION, seq, time: written(time), kind, process, body })?;
    text.pop();
    text.extend_from_slice(BEFORE_PREV);
    text.extend_from_slice(prev.as_bytes());
    text.push(b'"');
    let hash = sealer.hash(&text);
    text.extend_from_slice(BEFORE_HASH);
    text.extend_from_slice(hash.as_bytes());
    text.extend_from_slice(b"\"}\n");
    Ok((text, hash))
}

/// A line that says where the chain stands, to be kept beside it: it is sealed, and no part of the chain.
///
/// # Errors
/// It cannot be written as a JSON object.
pub fn checkpoint<B: Serialize>(
    link: &Link,
    sealer: &Sealer,
    time: Timestamp,
    body: &B,
) -> serde_json::Result<Vec<u8>> {
    Ok(line(link.seq, &link.hash, sealer, Heading { kind: "checkpoint", time }, body)?.0)
}

/// What a line says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stated {
    /// Its number.
    pub seq: u64,
    /// Its time.
    pub time: String,
    /// Its kind.
    pub kind: String,
    /// The hash of the line before.
    pub prev: String,
    /// Its own hash.
    pub hash: String,
    /// The hash that its bytes have.
    pub computed: String,
}

impl Stated {
    /// Whether it is as it was written.
    pub fn is_whole(&self) -> bool {
        self.hash == self.computed
    }

    /// The link to the next line.
    pub fn link(&self) -> Link {
        Link { seq: self.seq, hash: self.hash.clone() }
    }
}

#[derive(Deserialize)]
struct Head {
    v: u32,
    seq: u64,
    time: String,
    #[serde(rename = "type")]
    kind: String,
}

/// Reads a line without its end; none if it does not have the form of one.
pub fn read(line: &[u8], sealer: &Sealer) -> Option<Stated> {
    let rest = line.strip_suffix(b"\"}")?;
    let (rest, hash) = split_hash(rest)?;
    let open = rest.strip_suffix(BEFORE_HASH)?;
    let (rest, prev) = split_hash(open.strip_suffix(b"\"")?)?;
    rest.strip_suffix(BEFORE_PREV)?;
    let head: Head = serde_json::from_slice(line).ok().filter(|head: &Head| head.v == VERSION)?;
    let computed = sealer.hash(open);
    Some(Stated { seq: head.seq, time: head.time, kind: head.kind, prev, hash, computed })
}

/// Takes a hash off the end.
fn split_hash(text: &[u8]) -> Option<(&[u8], String)> {
    let (rest, hash) = text.split_at_checked(text.len().checked_sub(HEX)?)?;
    let digits = hash.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !digits {
        return None;
    }
    Some((rest, String::from_utf8(hash.to_vec()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(sealer: &Sealer) -> Vec<Stated> {
        let (mut link, mut out) = (Link::start(), Vec::new());
        for number in 0..3 {
            let heading = Heading { kind: "start", time: Timestamp::UNIX_EPOCH };
            append(&mut link, sealer, heading, &serde_json::json!({"number": number}), &mut out).unwrap();
        }
        out.split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| read(line, sealer).unwrap())
            .collect()
    }

    #[test]
    fn each_line_holds_the_hash_of_the_one_before() {
        let key = Sealer::new(Some(b"secret"));
        for sealer in [&Sealer::Plain, &key] {
            let lines = lines(sealer);
            assert_eq!(lines.iter().map(|line| line.seq).collect::<Vec<_>>(), [1, 2, 3]);
            assert!(lines.iter().all(Stated::is_whole));
            assert_eq!(lines[0].prev, Link::start().hash);
            assert_eq!([&lines[1].prev, &lines[2].prev], [&lines[0].hash, &lines[1].hash]);
            assert_eq!(lines[0].time, "1970-01-01T00:00:00.000000Z");
        }
        assert_ne!(lines(&Sealer::Plain)[0].hash, lines(&key)[0].hash);
    }

    #[test]
    fn the_line_that_the_documentation_shows_is_a_real_one() {
        let page = include_str!("../../../docs/audit.md");
        let shown = page.split("```json\n").nth(1).and_then(|block| block.lines().next()).unwrap();
        assert!(read(shown.as_bytes(), &Sealer::Plain).unwrap().is_whole());
    }

    #[test]
    fn only_the_key_makes_the_hashes_of_the_key() {
        let mut out = Vec::new();
        let heading = Heading { kind: "stop", time: Timestamp::UNIX_EPOCH };
        append(&mut Link::start(), &Sealer::new(Some(b"a")), heading, &serde_json::json!({}), &mut out).unwrap();
        out.pop();
        assert!(read(&out, &Sealer::new(Some(b"a"))).unwrap().is_whole());
        assert!(!read(&out, &Sealer::new(Some(b"b"))).unwrap().is_whole());
        assert!(!read(&out, &Sealer::Plain).unwrap().is_whole());
    }
}

//! A conversation played twice, directly and through the proxy: every message must be the same, byte for byte.

use super::raw::Raw;
use super::{Proxy, Shop};

/// What a client waits for before it goes on.
#[derive(Debug, Clone, Copy)]
pub enum Await {
    /// So many ReadyForQuery.
    Ready(usize),
    /// A message of this type.
    Message(u8),
    /// The end of the connection.
    End,
}

/// Frames that are sent in one write, and what is waited for then.
#[derive(Debug, Clone)]
pub struct Turn {
    bytes: Vec<u8>,
    until: Await,
}

/// Frames after which so many ReadyForQuery come.
pub fn turn(frames: &[Vec<u8>], ready: usize) -> Turn {
    until(frames, Await::Ready(ready))
}

/// Frames and what to wait for.
pub fn until(frames: &[Vec<u8>], until: Await) -> Turn {
    Turn { bytes: frames.concat(), until }
}

impl Turn {
    /// What is sent.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Sends and collects, turn by turn.
pub fn play(raw: &mut Raw, turns: &[Turn]) -> Vec<String> {
    let mut seen = Vec::new();
    for turn in turns {
        match turn.until {
            Await::End => raw.write_if_open(&turn.bytes),
            Await::Ready(_) | Await::Message(_) => raw.write(&turn.bytes),
        }
        listen(raw, turn.until, &mut seen);
    }
    seen
}

fn listen(raw: &mut Raw, until: Await, seen: &mut Vec<String>) {
    let mut ready = 0;
    loop {
        match until {
            Await::Ready(wanted) if ready == wanted => return,
            Await::Ready(_) | Await::Message(_) | Await::End => {}
        }
        let Some((kind, body)) = raw.next() else {
            seen.push("(closed)".to_owned());
            return;
        };
        ready += usize::from(kind == b'Z');
        seen.push(show(kind, body));
        if matches!(until, Await::Message(wanted) if wanted == kind) {
            return;
        }
    }
}

/// A message as text: everything in it but what differs from one session or table to the next.
fn show(kind: u8, mut body: Vec<u8>) -> String {
    match kind {
        b'T' => forget_tables(&mut body),
        // The process that notifies.
        b'A' => body[..4].fill(0),
        _ => {}
    }
    let shown: String =
        body.iter().take(300).flat_map(|byte| std::ascii::escape_default(*byte)).map(char::from).collect();
    if body.len() <= 300 {
        return format!("{} {shown}", char::from(kind));
    }
    let sum = body.iter().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    format!("{} {shown}... {} bytes, sum {sum}", char::from(kind), body.len())
}

/// Takes the oids of tables out of a RowDescription: temporary ones differ.
fn forget_tables(body: &mut [u8]) {
    let mut at = 2;
    while at < body.len() {
        let name = body[at..].iter().position(|byte| *byte == 0).expect("a name ends");
        at += name + 1;
        body[at..at + 4].fill(0);
        at += 18;
    }
}

/// Plays it directly and through the proxy, with a new session each: not a byte may differ.
pub fn same(shop: &Shop, proxy: &Proxy, user: &str, name: &str, turns: &[Turn]) {
    let (expected, seen) = both(shop, proxy, user, turns);
    alike(name, &expected, &seen);
}

/// The same for a governed session, whose errors and notices come without the fields that can tell values.
pub fn same_governed(shop: &Shop, proxy: &Proxy, user: &str, name: &str, turns: &[Turn]) {
    let (expected, seen) = both(shop, proxy, user, turns);
    alike(name, &conditions(expected), &conditions(seen));
}

fn both(shop: &Shop, proxy: &Proxy, user: &str, turns: &[Turn]) -> (Vec<String>, Vec<String>) {
    let expected = play(&mut Raw::connect(shop.cluster.port(), user, &shop.database), turns);
    (expected, play(&mut Raw::connect(proxy.port(), user, &shop.database), turns))
}

/// Errors and notices as severity and SQLSTATE.
pub fn conditions(lines: Vec<String>) -> Vec<String> {
    lines
        .into_iter()
        .map(|line| {
            let Some((first, rest)) = line.split_once(' ').filter(|(kind, _)| matches!(*kind, "E" | "N")) else {
                return line;
            };
            let fields = rest.split("\\x00").filter(|field| field.starts_with(['V', 'C'])).take(2);
            fields.fold(first.to_owned(), |line, field| line + " " + field)
        })
        .collect()
}

/// Fails at the first message that differs.
pub fn alike(name: &str, expected: &[String], seen: &[String]) {
    for (number, pair) in expected.iter().zip(seen).enumerate() {
        let before = &expected[number.saturating_sub(3)..number];
        assert_eq!(pair.0, pair.1, "{name}, message {number} after {before:#?}");
    }
    assert_eq!(expected.len(), seen.len(), "{name}: {expected:#?} is not {seen:#?}");
}

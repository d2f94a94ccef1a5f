//! The answers of A and B beside each other: what must be the same in them, and where they differ.

use crate::wire::Message;
use crate::world::{A, B};

/// What must be the same in A and B.
pub fn alike(messages: &[Message]) -> Vec<Message> {
    let same = |(kind, body): &Message| {
        let mut body = replaced(body, B.as_bytes(), A.as_bytes());
        match kind {
            // The process that notifies, and the numbers of tables, of which temporary ones have another each time.
            b'A' => body[..4].fill(0),
            b'T' => forget_tables(&mut body),
            _ => {}
        }
        (*kind, body)
    };
    messages.iter().map(same).collect()
}

fn forget_tables(body: &mut [u8]) {
    let mut at = 2;
    while at < body.len() {
        at += body[at..].iter().position(|byte| *byte == 0).expect("a name ends") + 1;
        body[at..at + 4].fill(0);
        at += 18;
    }
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut found = bytes.to_vec();
    for at in 0..(bytes.len() + 1).saturating_sub(from.len()) {
        if &bytes[at..at + from.len()] == from {
            found[at..at + from.len()].copy_from_slice(to);
        }
    }
    found
}

/// Process numbers, times, positions in the log: what differs from one moment to the next.
pub fn without_numbers(messages: &[Message]) -> Vec<Message> {
    let hide = |byte: u8| if byte.is_ascii_hexdigit() { b'0' } else { byte };
    alike(messages).into_iter().map(|(kind, body)| (kind, body.into_iter().map(hide).collect())).collect()
}

pub fn difference(in_a: &[Message], in_b: &[Message]) -> String {
    let (a, b) = (alike(in_a), alike(in_b));
    let at = a.iter().zip(&b).position(|(one, other)| one != other).unwrap_or(a.len().min(b.len()));
    let show = |messages: &[Message]| match messages.get(at) {
        Some((kind, body)) => {
            let text: String = String::from_utf8_lossy(body).chars().filter(|c| !c.is_control()).take(160).collect();
            format!("{} {text}", char::from(*kind))
        }
        None => "nothing".to_owned(),
    };
    format!("A answers `{}`, B `{}`", show(&a), show(&b))
}

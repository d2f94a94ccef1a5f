//! Any bytes from either side: no panic, no more sent on than came in, and nothing but whole, known messages.

use bolero::TypeGenerator;
use pgcovenant::wire::frame::{self, Header};

use crate::messages::{Message, framed};
use crate::table::{Rules, Table};
use crate::{A_MOMENT, ITERATIONS};

/// What a hostile peer may write.
#[derive(Debug, TypeGenerator)]
enum Piece {
    /// A message as it should be, of either side.
    Good(Message),
    /// One of this type, with anything in it.
    Framed(u8, Vec<u8>),
    /// One with another byte at some place.
    Changed(Message, u16, u8),
    /// One with another one hidden in its body.
    Hiding(Message, Message),
    /// A length that has nothing to do with what follows.
    Lying(u8, u32, Vec<u8>),
    /// Anything.
    Raw(Vec<u8>),
}

impl Piece {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Good(message) => message.frame().1,
            Self::Framed(tag, body) => framed(*tag, body),
            Self::Changed(message, place, byte) => {
                let mut bytes = message.frame().1;
                let place = usize::from(*place) % bytes.len();
                bytes[place] = *byte;
                bytes
            }
            Self::Hiding(outer, inner) => {
                let (outer, inner) = (outer.frame().1, inner.frame().1);
                framed(outer[0], &[&outer[5..], &inner].concat())
            }
            Self::Lying(tag, length, rest) => [&[*tag][..], &length.to_be_bytes(), rest].concat(),
            Self::Raw(bytes) => bytes.clone(),
        }
    }
}

fn written(pieces: &[Piece]) -> Vec<u8> {
    pieces.iter().flat_map(Piece::bytes).collect()
}

/// The whole messages at the front of what left for the server.
fn sent(mut wire: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut found = Vec::new();
    while let Some(frame) = frame::cut(wire).expect("only messages leave") {
        found.push((frame.tag, frame.body.to_vec()));
        wire = &wire[frame.bytes.len()..];
    }
    if let Ok(Some(header)) = Header::read(wire) {
        // What streams by unread is data, or a text that is let through unread.
        assert!(b"BdFQP".contains(&header.tag), "half a message of type {}", header.tag);
    }
    found
}

#[test]
fn any_bytes_of_a_client() {
    let check = bolero::check!().with_type::<Vec<Piece>>().with_test_time(A_MOMENT).with_iterations(ITERATIONS);
    check.for_each(|pieces| {
        let bytes = &written(pieces)[..];
        let mut observed = Table::new(Rules::Observed);
        // The result says whether the session goes on; what has left is right in both cases.
        let _ = observed.client(bytes);
        assert!(bytes.starts_with(&observed.to_server), "an observed session adds nothing");
        assert!(observed.to_client.is_empty());
        let mut governed = Table::new(Rules::Governed);
        let _ = governed.client(bytes);
        for (tag, _) in sent(&governed.to_server) {
            assert!(b"QPBDECSHXdcfF".contains(&tag), "{tag}");
        }
    });
}

#[test]
fn any_bytes_of_a_server() {
    let check = bolero::check!().with_type::<Vec<Piece>>().with_test_time(A_MOMENT).with_iterations(ITERATIONS);
    check.for_each(|pieces| {
        let bytes = &written(pieces)[..];
        for rules in [Rules::Observed, Rules::Governed] {
            let mut table = Table::new(rules);
            table.client(b"Q\0\0\0\x0dSELECT 1\0P\0\0\0\x10\0SELECT 2\0\0\0S\0\0\0\x04").unwrap();
            let _ = table.server(bytes);
            if rules == Rules::Observed {
                assert!(bytes.starts_with(&table.to_client));
            }
        }
    });
}

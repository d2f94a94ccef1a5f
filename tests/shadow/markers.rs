//! Protected values, and the search for them in what came back.
//!
//! Every protected value holds something that occurs nowhere else. It is looked for in any case, backwards, in hexadecimal, in
//! base64, as a list of character codes, with one letter a row, and as numbers, dates and addresses in binary.

use std::collections::HashMap;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::wire::{Message, Wire, raw_fields};

/// Where each table keeps what a mask takes away or a rule denies: a label and a query of texts.
const TEXTS: &[(&str, &str)] = &[
    ("patients.email", "SELECT substr(email, 2, 10) FROM patients"),
    ("patients.handle", "SELECT substr(handle, 2, 10) FROM patients"),
    ("patients.phone", "SELECT substr(phone, 4, 7) FROM patients"),
    ("patients.ssn", "SELECT ssn FROM patients"),
    ("patients.token", "SELECT token::text FROM patients"),
    ("patients.born", "SELECT born::text FROM patients"),
    ("patients.born", "SELECT to_char(born, 'DD/MM/YYYY') FROM patients"),
    ("patients.seen", "SELECT left((seen AT TIME ZONE 'UTC')::text, 16) FROM patients"),
    ("patients.contact", "SELECT unnest(ARRAY[(contact).phone, (contact).street]) FROM patients"),
    ("patients.aliases", "SELECT unnest(aliases) FROM patients"),
    ("patients.history", "SELECT history ->> 'what' FROM patients"),
    ("patients.photo", "SELECT convert_from(photo, 'UTF8') FROM patients"),
    ("patients.home", "SELECT host(home) FROM patients"),
    ("patients.stay", "SELECT stay::text FROM patients"),
    ("patients.note", "SELECT unnest(string_to_array(note, ' ')) FROM patients"),
    ("staff.wage", "SELECT wage::text FROM staff"),
    ("staff.pin", "SELECT pin FROM staff"),
    ("visits.diagnosis", "SELECT diagnosis FROM visits"),
    ("measures.raw", "SELECT raw ->> 'raw' FROM measures"),
    ("ledger.memo", "SELECT memo FROM ledger"),
    ("tickets.contact", "SELECT contact FROM tickets"),
    ("changes", "SELECT unnest(ARRAY[before ->> 'email', after ->> 'email']) FROM changes"),
    ("vault.secret", "SELECT secret FROM vault"),
    ("a large object", "SELECT convert_from(lo_get(4711), 'UTF8')"),
    ("a user mapping", "SELECT 'Zq8-mapping'"),
];

/// The same as the binary format has it.
const BINARIES: &[(&str, &str)] = &[
    ("patients.token", "SELECT int8send(token) FROM patients"),
    ("patients.seen", "SELECT timestamptz_send(seen) FROM patients"),
    ("patients.home", "SELECT inet_send(home) FROM patients"),
    ("patients.score", "SELECT float8send(score) FROM patients"),
    ("staff.wage", "SELECT int4send(wage) FROM staff"),
];

/// What must not be seen.
#[derive(Debug, Default)]
pub struct Markers {
    texts: Kind,
    binaries: Kind,
}

/// Byte strings by how they begin: most places of a text are passed over at a glance.
#[derive(Debug, Default)]
struct Kind {
    by_start: HashMap<[u8; 3], Vec<(Vec<u8>, &'static str)>>,
}

impl Kind {
    fn add(&mut self, marker: Vec<u8>, label: &'static str) {
        let start = [marker[0], marker[1], marker[2]];
        self.by_start.entry(start).or_default().push((marker, label));
    }

    /// The first marker in these bytes that the client has not sent itself.
    fn find(&self, bytes: &[u8], sent: &[u8]) -> Option<(&'static str, Vec<u8>)> {
        (0..bytes.len().saturating_sub(2)).find_map(|at| {
            let known = self.by_start.get(&bytes[at..at + 3])?;
            let (marker, label) = known.iter().find(|(marker, _)| bytes[at..].starts_with(marker))?;
            let echo = sent.windows(marker.len()).any(|own| own == marker);
            (!echo).then(|| (*label, marker.clone()))
        })
    }
}

impl Markers {
    /// All values of a database, read as the superuser.
    pub fn read(admin: &mut Wire) -> Self {
        let mut markers = Self::default();
        for (label, sql) in TEXTS {
            let rows = admin.values(sql);
            assert!(!rows.is_empty(), "{sql}");
            for value in rows.into_iter().flatten().flatten().filter(|value| value.len() >= 5) {
                markers.texts.add(value.to_ascii_lowercase().into_bytes(), label);
            }
        }
        for (label, sql) in BINARIES {
            for value in admin.values(sql).into_iter().flatten().flatten() {
                let digits = value.trim_start_matches("\\x").as_bytes();
                markers.binaries.add(unhex(digits), label);
            }
        }
        markers
    }

    /// Adds those of another database.
    pub fn extend(&mut self, other: Self) {
        for (mine, theirs) in [(&mut self.texts, other.texts), (&mut self.binaries, other.binaries)] {
            theirs.by_start.into_values().flatten().for_each(|(marker, label)| mine.add(marker, label));
        }
    }

    /// A protected value in what came back, and how it was hidden there.
    pub fn search(&self, messages: &[Message], sent: &[u8]) -> Option<String> {
        let whole: Vec<u8> = messages.iter().flat_map(|(_, body)| body.iter().copied().chain([0])).collect();
        let sent = sent.to_ascii_lowercase();
        if let Some((label, _)) = self.binaries.find(&whole, &sent) {
            return Some(format!("{label} in binary"));
        }
        let backwards: Vec<u8> = whole.iter().rev().copied().collect();
        let mut views = vec![("", whole.clone()), (" backwards", backwards)];
        views.push((
            " in hexadecimal",
            runs(&whole, u8::is_ascii_hexdigit).iter().flat_map(|run| both_halves(run)).collect(),
        ));
        views.push((" in base64", runs(&whole, is_base64).iter().flat_map(|run| unbase64(run)).collect()));
        views.push((" as character codes", codes(&whole)));
        views.push((" down the rows", columns(messages)));
        views.iter().find_map(|(how, bytes)| {
            let (label, marker) = self.texts.find(&bytes.to_ascii_lowercase(), &sent)?;
            Some(format!("{label}{how}: {}", String::from_utf8_lossy(&marker)))
        })
    }
}

fn unhex(digits: &[u8]) -> Vec<u8> {
    let value = |digit: u8| char::from(digit).to_digit(16).unwrap_or(0);
    digits.chunks_exact(2).map(|pair| u8::try_from(value(pair[0]) * 16 + value(pair[1])).unwrap()).collect()
}

/// Longest stretches of bytes of a kind.
fn runs(bytes: &[u8], belongs: impl Fn(&u8) -> bool) -> Vec<&[u8]> {
    bytes.split(|byte| !belongs(byte)).filter(|run| run.len() >= 10).collect()
}

/// A run may begin in the middle of a byte.
fn both_halves(run: &[u8]) -> Vec<u8> {
    [unhex(run), vec![0], unhex(&run[1..]), vec![0]].concat()
}

fn is_base64(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
}

fn unbase64(run: &[u8]) -> Vec<u8> {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let engine = GeneralPurpose::new(&STANDARD, config);
    let mut found = Vec::new();
    for skip in 0..4 {
        let part = &run[skip.min(run.len())..];
        let part = &part[..part.len() - usize::from(part.len() % 4 == 1)];
        found.extend(engine.decode(part).unwrap_or_default());
        found.push(0);
    }
    found
}

/// Numbers that are codes of printable characters, as these characters.
fn codes(bytes: &[u8]) -> Vec<u8> {
    let numbers = bytes.split(|byte| !byte.is_ascii_digit()).filter(|run| (2..=3).contains(&run.len()));
    numbers.filter_map(|run| std::str::from_utf8(run).ok()?.parse().ok()).collect()
}

/// Each column of the rows, read downwards.
fn columns(messages: &[Message]) -> Vec<u8> {
    let mut found: Vec<Vec<u8>> = Vec::new();
    for (_, body) in messages.iter().filter(|(kind, body)| *kind == b'D' && body.len() >= 2) {
        for (at, value) in raw_fields(body).into_iter().enumerate() {
            if found.len() <= at {
                found.resize(at + 1, Vec::new());
            }
            // Cells of more than a few letters are seen by the other views.
            found[at].extend(value.filter(|value| value.len() <= 3).unwrap_or_default());
        }
    }
    found.join(&0)
}

#[test]
fn a_value_is_found_however_it_is_written() {
    let mut markers = Markers::default();
    markers.texts.add(b"ghjkmnpqrs".to_vec(), "x");
    markers.binaries.add(vec![0x3f, 0x21, 0x9a, 0x07], "y");
    let row = |values: &[&[u8]]| {
        let mut body = u16::try_from(values.len()).unwrap().to_be_bytes().to_vec();
        for value in values {
            body.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
            body.extend_from_slice(value);
        }
        (b'D', body)
    };
    for shown in [
        &b"a ghjkmnpqrs b"[..],
        b"GHJKMNPQRS",
        b"srqpnmkjhg",
        b"\\x67686a6b6d6e70717273",
        b"aZ2hqa21ucHFycw==",
        b"{103,104,106,107,109,110,112,113,114,115}",
        &[0x3f, 0x21, 0x9a, 0x07],
    ] {
        assert!(markers.search(&[row(&[b"1", shown])], b"").is_some(), "{:?}", String::from_utf8_lossy(shown));
    }
    let letters: Vec<Message> = b"ghjkmnpqrs".iter().map(|letter| row(&[b"7", &[*letter]])).collect();
    assert!(markers.search(&letters, b"").is_some());
    assert_eq!(markers.search(&[row(&[b"ghjkmnpqr", b"innocent"])], b""), None);
    assert_eq!(markers.search(&[row(&[b"ghjkmnpqrs"])], b"WHERE x = 'ghjkmnpqrs'"), None);
}

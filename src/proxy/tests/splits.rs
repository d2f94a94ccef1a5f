//! Properties: whatever is sent, however it is cut.

use proptest::prelude::*;

use super::*;

fn value(data: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 1][..], &(data.len() as u32).to_be_bytes(), data].concat()
}

fn call(argument: &[u8]) -> Vec<u8> {
    message(b'F', &[&[0, 0, 0, 7][..], &value(argument), &[0, 1]].concat())
}

fn bind_value(data: &[u8]) -> Vec<u8> {
    message(b'B', &[b"\0\0".as_slice(), &value(data), &[0, 0]].concat())
}

fn valid_traffic() -> impl Strategy<Value = Vec<u8>> {
    let text = "[ -~]{0,30}";
    let one = prop_oneof![
        text.prop_map(|text| query(&text)),
        ("[a-c]?", text).prop_map(|(name, text)| parse(&name, &text)),
        ("[a-c]?", "[a-c]?").prop_map(|(portal, name)| bind(&portal, &name)),
        "[a-c]?".prop_map(|portal| execute(&portal)),
        "[a-c]?".prop_map(|name| message(b'D', format!("S{name}\0").as_bytes())),
        "[a-c]?".prop_map(|name| message(b'C', format!("P{name}\0").as_bytes())),
        Just(sync()),
        Just(message(b'H', b"")),
        proptest::collection::vec(any::<u8>(), 0..2000).prop_map(|data| message(b'd', &data)),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(|data| call(&data)),
        proptest::collection::vec(any::<u8>(), 0..400).prop_map(|data| bind_value(&data)),
        Just(message(b'c', b"")),
        Just(message(b'f', b"no\0")),
        Just(query(&"y".repeat(1500))),
    ];
    proptest::collection::vec(one, 0..30).prop_map(|messages| messages.concat())
}

fn valid_replies() -> impl Strategy<Value = Vec<u8>> {
    let one = prop_oneof![
        proptest::sample::select(vec![
            b'D', b'd', b'T', b'1', b'2', b'3', b'n', b't', b's', b'I', b'V', b'H', b'A', b'N'
        ])
        .prop_flat_map(|tag| proptest::collection::vec(any::<u8>(), 0..300).prop_map(move |body| message(tag, &body))),
        Just(message(b'C', b"SELECT 3\0")),
        Just(error("42703")),
        Just(ready(b'I')),
        Just(ready(b'T')),
        Just(message(b'S', b"TimeZone\0UTC\0")),
    ];
    proptest::collection::vec(one, 0..30).prop_map(|messages| messages.concat())
}

fn pieces(bytes: &[u8], cuts: &[usize]) -> Vec<Vec<u8>> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| bytes[pair[0]..pair[1]].to_vec()).collect()
}

proptest! {
    #[test]
    fn observed_traffic_passes_byte_for_byte_however_it_is_split(
        sent in valid_traffic(), replies in valid_replies(),
        cuts in proptest::collection::vec(any::<usize>(), 0..12), other in proptest::collection::vec(any::<usize>(), 0..12)
    ) {
        let mut table = Table::new(false);
        for piece in pieces(&sent, &cuts) {
            table.client(&piece).unwrap();
        }
        prop_assert_eq!(&table.to_server[..], &sent[..]);
        for piece in pieces(&replies, &other) {
            table.server(&piece).unwrap();
        }
        prop_assert_eq!(&table.to_client[..], &replies[..]);
    }

    #[test]
    fn no_bytes_make_it_panic(
        sent in proptest::collection::vec(any::<u8>(), 0..300), replies in proptest::collection::vec(any::<u8>(), 0..300),
        governed in any::<bool>(), valid in valid_traffic()
    ) {
        let mut table = Table::new(governed);
        let _ = table.client(&valid);
        let _ = table.server(&replies);
        let _ = table.client(&sent);
    }

    #[test]
    fn a_governed_text_never_leaves_unjudged(traffic in valid_traffic(), cuts in proptest::collection::vec(any::<usize>(), 0..12)) {
        let mut table = Table::new(true);
        let marked = [traffic, query("select ssn"), parse("z", "select ssn"), sync()].concat();
        for piece in pieces(&marked, &cuts) {
            if table.client(&piece).is_err() { break }
        }
        prop_assert!(!table.to_server.windows(10).any(|part| part == b"select ssn"));
    }
}

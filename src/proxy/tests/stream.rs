//! COPY, large messages, and messages that are none.

use super::*;

#[test]
fn syncs_ahead_of_copy_data_are_ignored_as_the_server_ignores_them() {
    let mut table = Table::new(false);
    table.client(&[parse("", "copy t from stdin"), bind("", ""), execute(""), sync()].concat()).unwrap();
    table.server(&[message(b'1', b""), message(b'2', b""), message(b'G', b"\0\0\0")].concat()).unwrap();
    assert!(table.mind.dialogue.copy_in);
    table.client(&[message(b'd', b"1\n"), message(b'c', b""), sync()].concat()).unwrap();
    table.server(&[message(b'C', b"COPY 1\0"), ready(b'I')].concat()).unwrap();
    assert!(table.mind.dialogue.quiet());
    assert_eq!(table.log(), ["ok 1"]);
}

#[test]
fn a_query_in_the_middle_of_a_copy_ends_the_session() {
    let mut table = Table::new(false);
    table.client(&query("copy t from stdin")).unwrap();
    table.server(&message(b'G', b"\0\0\0")).unwrap();
    assert!(table.client(&query("select 1")).is_err());
}

#[test]
fn a_large_text_streams_or_is_dropped_without_being_collected() {
    let long = "x".repeat(5000);
    let mut observed = Table::new(false);
    let bytes = query(&long);
    observed.client(&bytes[..100]).unwrap();
    assert!(observed.unread_client.is_empty());
    observed.client(&bytes[100..]).unwrap();
    assert_eq!(&observed.to_server[..], &bytes[..]);
    let mut governed = Table::new(true);
    governed.client(&bytes[..100]).unwrap();
    governed.client(&bytes[100..]).unwrap();
    assert!(governed.to_server.is_empty());
    assert_eq!(governed.shown().len(), 2);
}

#[test]
fn hidden_bytes_and_unknown_messages_end_the_session() {
    let hidden = query("drop table x");
    let behind = |body: &[u8]| [body, &hidden].concat();
    let bodies: &[(u8, &[u8])] = &[
        (b'Q', b"select 1\0"),
        (b'P', b"\0select 1\0\0\0"),
        (b'B', b"\0\0\0\0\0\0\0\0"),
        (b'B', b"\0\0\0\0\0\x01\0\0\0\x01x\0\0"),
        (b'D', b"S\0"),
        (b'C', b"P\0"),
        (b'E', b"\0\0\0\0\0"),
        (b'F', b"\0\0\0\x01\0\0\0\0\0\0"),
        (b'S', b""),
        (b'H', b""),
        (b'X', b""),
        (b'c', b""),
        (b'f', b"no\0"),
    ];
    for (tag, body) in bodies {
        for governed in [false, true] {
            let mut table = Table::new(governed);
            table.client(&message(*tag, body)).unwrap();
            let mut table = Table::new(governed);
            assert_eq!(table.client(&message(*tag, &behind(body))).unwrap_err().code, "08P01", "{}", *tag as char);
            assert!(table.to_server.is_empty(), "{}", *tag as char);
            let short = body.len().saturating_sub(1);
            if short > 0 {
                assert_eq!(table.client(&message(*tag, &body[..short])).unwrap_err().code, "08P01");
            }
        }
    }
    for bytes in [message(b'?', b""), message(b'p', b"x\0"), message(0, b""), vec![b'Q', 0, 0, 0, 3]] {
        assert_eq!(Table::new(false).client(&bytes).unwrap_err().code, "08P01");
    }
}

#[test]
fn bytes_hidden_behind_a_value_that_streams_by_do_not_leave() {
    let value = vec![b'v'; 100_000];
    let body = [&b"\0\0\0\0\0\x01"[..], &(value.len() as u32).to_be_bytes(), &value, b"\0\0", &query("drop")].concat();
    let wire = message(b'B', &body);
    let mut table = Table::new(false);
    for piece in wire.chunks(3000) {
        if table.client(piece).is_err() {
            break;
        }
    }
    assert!(table.to_server.len() > 90_000, "it streams");
    assert!(!table.to_server.windows(4).any(|part| part == b"drop"));
}

#[test]
fn a_long_error_streams_by_and_is_counted() {
    let mut table = Table::new(false);
    table.client(&query("select 1")).unwrap();
    let long = format!("SERROR\0VERROR\0C22012\0M{}\0\0", "e".repeat(100_000));
    let wire = [message(b'E', long.as_bytes()), ready(b'I')].concat();
    for piece in wire.chunks(5000) {
        table.server(piece).unwrap();
        assert!(table.unread_server.len() < 10_000, "it is collected");
    }
    assert_eq!(&table.to_client[..], &wire[..]);
    assert_eq!(table.log(), ["22012 0"]);
    assert!(table.mind.dialogue.quiet());
}

#[test]
fn a_server_that_does_not_speak_the_protocol_is_believed_nothing() {
    let garbage: &[&[u8]] =
        &[b"Z\0\0\0\x03", b"E\xff\xff\xff\xff", b"D\x80\0\0\0", b"Z\0\0\0\x04", b"Z\0\0\0\x06II", b"Z\0\0\0\x05x"];
    for bytes in garbage {
        for governed in [false, true] {
            let mut table = Table::new(governed);
            table.client(&query("select 1")).unwrap();
            assert_eq!(table.server(bytes).unwrap_err().code, "08P01");
        }
    }
}

#[test]
fn statements_beyond_what_is_kept_run_but_are_not_remembered() {
    let mut table = Table::new(true);
    let types = [&60_000_u16.to_be_bytes()[..], &[0; 240_000]].concat();
    for number in 0..200 {
        let body = [format!("s{number}\0select 1\0").as_bytes(), &types].concat();
        table.client(&[message(b'P', &body), sync()].concat()).unwrap();
        table.server(&[message(b'1', b""), ready(b'I')].concat()).unwrap();
        table.to_server.clear();
        table.to_client.clear();
    }
    let known = |table: &Table, name: &str| table.mind.dialogue.statement(name.as_bytes()).is_some();
    assert!(known(&table, "s0") && !known(&table, "s199"));
    table.client(&[bind("", "s199"), sync()].concat()).unwrap();
    assert!(table.sent()[0].starts_with('B'));
    table.mind.judge.next_epoch = 2;
    table.client(&[bind("", "s199"), sync()].concat()).unwrap();
    assert!(table.sent()[0].contains("pgcovenant refused"));
    table.client(&[message(b'C', b"Ss0\0"), parse("s0", "select 1"), sync()].concat()).unwrap();
    assert!(known(&table, "s0"), "there is room again");
}

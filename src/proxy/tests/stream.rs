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
    for bytes in
        [message(b'Q', b"select 1\0; drop\0"), message(b'?', b""), message(b'p', b"x\0"), vec![b'Q', 0, 0, 0, 3]]
    {
        assert_eq!(Table::new(false).client(&bytes).unwrap_err().code, "08P01");
    }
}

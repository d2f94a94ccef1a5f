//! When a governed session knows its search path, and when it has to ask.

use super::*;

#[test]
fn a_statement_is_judged_again_when_the_search_path_has_changed() {
    let mut table = Table::new(true);
    table.client(&[parse("s", "select rel"), sync()].concat()).unwrap();
    table.server(&[message(b'1', b""), ready(b'I')].concat()).unwrap();
    table.client(&[bind("", "s"), sync()].concat()).unwrap();
    table.server(&[message(b'2', b""), ready(b'I')].concat()).unwrap();
    table.sent();
    table.shown();
    let batch = [parse("", "set path"), bind("", ""), execute(""), bind("", "s"), execute(""), sync()];
    assert_eq!(table.client(&batch.concat()), Ok(Stop::Waits));
    assert!(table.sent()[3].contains("current_schemas"), "the path matters to it");
    table.server(&[message(b'1', b""), message(b'2', b""), message(b'C', b"SET\0"), error("57014")].concat()).unwrap();
    assert_eq!(table.shown().len(), 4, "a cancel that hit our question was meant for the batch");
    table.client(b"").unwrap();
    let sent = table.sent();
    assert!(sent[0].starts_with("P pgcovenant refused"), "{sent:?}");
}

#[test]
fn the_unnamed_statement_survives_our_own_question() {
    let mut table = Table::new(true);
    table.client(&[parse("", "select rel"), sync()].concat()).unwrap();
    table.server(&[message(b'1', b""), ready(b'I')].concat()).unwrap();
    table.sent();
    table.shown();
    table.mind.path = None;
    assert_eq!(table.client(&[bind("", ""), execute(""), sync()].concat()), Ok(Stop::Waits));
    assert!(table.sent()[0].contains("current_schemas"));
    let json = b"{\"path\":[\"pg_catalog\",\"public\"]}";
    let row = [&[0, 1, 0, 0, 0, json.len() as u8][..], json].concat();
    table.server(&[message(b'D', &row), message(b'C', b"SELECT 1\0"), ready(b'I')].concat()).unwrap();
    table.client(b"").unwrap();
    let sent = table.sent();
    assert_eq!(sent[0], "P select rel", "{sent:?}");
    assert!(sent[1].starts_with('B'));
    table
        .server(&[message(b'1', b""), message(b'2', b""), message(b'C', b"SELECT 1\0"), ready(b'I')].concat())
        .unwrap();
    assert_eq!(table.shown(), ["2", "C SELECT 1", "Z I"]);
}

#[test]
fn a_governed_session_asks_for_its_path_once_and_keeps_the_client_waiting() {
    let mut table = Table::new(true);
    table.mind.path = None;
    assert_eq!(table.client(&query("select rel")), Ok(Stop::Waits));
    assert!(table.sent()[0].contains("current_schemas"));
    let json = b"{\"path\":[\"pg_catalog\",\"shop\"]}";
    let mut row = vec![0, 1, 0, 0, 0, json.len() as u8];
    row.extend_from_slice(json);
    let answer = [message(b'T', b"\0\x01x"), message(b'D', &row), message(b'C', b"SELECT 1\0"), ready(b'I')];
    table.server(&answer.concat()).unwrap();
    assert!(table.shown().is_empty(), "the client does not see our question");
    assert_eq!(table.client(b""), Ok(Stop::NeedsMore));
    assert_eq!(table.sent(), ["Q select rel"]);
    assert_eq!(table.mind.path, Some(SearchPath::new(["pg_catalog", "shop"])));
}

#[test]
fn within_an_open_batch_the_path_is_asked_for_where_it_matters() {
    let mut table = Table::new(true);
    let batch = [parse("", "set x"), bind("", ""), execute(""), parse("", "select"), parse("", "select rel"), sync()];
    assert_eq!(table.client(&batch.concat()), Ok(Stop::Waits));
    let sent = table.sent();
    assert_eq!(sent[3], "P select");
    assert!(sent[4].contains("current_schemas"), "{sent:?}");
    assert_eq!(sent[5..].iter().map(|sent| &sent[..1]).collect::<String>(), "BECCH");
    let json = b"{\"path\":[\"pg_catalog\",\"shop\"]}";
    let row = [&[0, 1, 0, 0, 0, json.len() as u8][..], json].concat();
    let before = [message(b'1', b""), message(b'2', b""), message(b'C', b"SET\0"), message(b'1', b"")];
    let ours = [message(b'1', b""), message(b'2', b""), message(b'D', &row), message(b'C', b"SELECT 1\0")];
    table.server(&[before.concat(), ours.concat()].concat()).unwrap();
    assert_eq!(table.shown(), ["1", "2", "C SET", "1"]);
    assert_eq!(table.client(b""), Ok(Stop::NeedsMore));
    assert_eq!(table.sent(), ["P select rel", "S"]);
    table.server(&[message(b'3', b""), message(b'3', b""), message(b'1', b""), ready(b'I')].concat()).unwrap();
    assert_eq!(table.shown(), ["1", "Z I"]);
}

#[test]
fn a_failed_transaction_makes_the_path_unknown_again() {
    let mut table = Table::new(true);
    table.client(&query("set search_path = x")).unwrap();
    assert_eq!(table.mind.path, None);
    table.mind.path = Some(SearchPath::default());
    table.server(&[error("22012"), ready(b'E')].concat()).unwrap();
    assert_eq!(table.mind.path, None);
}

#[test]
fn a_path_that_a_transaction_set_is_forgotten_when_its_end_is_sent() {
    let mut table = Table::new(true);
    for text in ["begin", "set search_path = x"] {
        table.client(&query(text)).unwrap();
        table.server(&[message(b'C', b"OK\0"), ready(b'T')].concat()).unwrap();
    }
    table.mind.path = Some(SearchPath::new(["x"]));
    table.client(&query("rollback")).unwrap();
    assert_eq!(table.client(&query("select rel")), Ok(Stop::Waits), "judged under the path that ROLLBACK takes away");
}

#[test]
fn an_earlier_reply_does_not_settle_what_is_still_in_flight() {
    let mut table = Table::new(true);
    table.client(&[query("select 1"), query("begin"), query("set search_path = x")].concat()).unwrap();
    for status in *b"ITT" {
        table.server(&[message(b'C', b"OK\0"), ready(status)].concat()).unwrap();
    }
    table.mind.path = Some(SearchPath::new(["x"]));
    table.client(&query("rollback")).unwrap();
    assert_eq!(table.mind.path, None);
}

#[test]
fn rolling_back_to_a_savepoint_leaves_the_path_unless_the_transaction_has_set_it() {
    let mut table = Table::new(true);
    let undo = query("rollback to a; -- set, for the fake engine");
    table.client(&[query("begin"), undo.clone()].concat()).unwrap();
    assert!(table.mind.path.is_some());
    table.client(&query("set search_path = x")).unwrap();
    table.mind.path = Some(SearchPath::default());
    table.client(&undo).unwrap();
    assert_eq!(table.mind.path, None);
}

//! What an observed session is asked, and given, for a change of the structure. The engine of these tests wants a
//! `lock_timeout` for every text with `alter`, and has one given for `give`.

use super::*;

fn answer(json: &str) -> Vec<u8> {
    let row = [&[0, 1, 0, 0, 0, json.len() as u8][..], json.as_bytes()].concat();
    [message(b'T', b"\0\x01x"), message(b'D', &row), message(b'C', b"SELECT 1\0")].concat()
}

const HAS_NONE: &str = r#"{"lock_timeout":"0","path":["pg_catalog"]}"#;
const HAS_SOME: &str = r#"{"lock_timeout":"2s","path":["pg_catalog"]}"#;
const GIVEN: &str = r#"{"lock_timeout":"0","given":"5s","path":["pg_catalog"]}"#;

#[test]
fn a_session_is_asked_for_its_lock_timeout_unseen() {
    for (found, sent) in [(HAS_SOME, vec!["Q alter x"]), (HAS_NONE, vec![])] {
        let mut table = Table::new(false);
        assert_eq!(table.client(&query("alter x")), Ok(Stop::Waits));
        let question = table.sent();
        assert!(question.len() == 1 && question[0].contains("current_setting('lock_timeout')"), "{question:?}");
        assert!(!question[0].contains("set_config"), "{question:?}");
        table.server(&[answer(found), ready(b'I')].concat()).unwrap();
        assert!(table.shown().is_empty(), "the client does not see our question");
        assert_eq!(table.client(b""), Ok(Stop::NeedsMore));
        assert_eq!(table.sent(), sent);
        assert_eq!(table.shown().len(), if sent.is_empty() { 2 } else { 0 });
    }
}

#[test]
fn what_else_it_sends_is_forwarded_without_a_question() {
    let mut table = Table::new(false);
    assert_eq!(table.client(&query("select 1")), Ok(Stop::NeedsMore));
    assert_eq!(table.sent(), ["Q select 1"]);
}

#[test]
fn a_lock_timeout_that_was_given_is_taken_back_before_anything_else_runs() {
    let mut table = Table::new(false);
    assert_eq!(table.client(&query("alter give")), Ok(Stop::Waits));
    assert!(table.sent()[0].contains("set_config('lock_timeout', '5000', false)"));
    table.server(&[answer(GIVEN), ready(b'I')].concat()).unwrap();
    table.client(b"").unwrap();
    assert_eq!(table.sent(), ["Q alter give"]);
    table.server(&[message(b'C', b"ALTER TABLE\0"), ready(b'I')].concat()).unwrap();
    assert_eq!(table.shown(), ["C ALTER TABLE", "Z I"]);
    table.client(&query("select 1")).unwrap();
    let sent = table.sent();
    assert!(sent[0].contains("set_config('lock_timeout', '0', false)") && sent[0].contains("'5s'"), "{sent:?}");
    assert_eq!(sent[1], "Q select 1");
    table.server(&[answer("0"), ready(b'I'), message(b'C', b"SELECT 1\0"), ready(b'I')].concat()).unwrap();
    assert_eq!(table.shown(), ["C SELECT 1", "Z I"]);
    table.client(&query("select 2")).unwrap();
    assert_eq!(table.sent(), ["Q select 2"], "it is taken back once");
}

#[test]
fn what_comes_before_the_change_is_over_waits_for_that() {
    let mut table = Table::new(false);
    table.client(&query("alter give")).unwrap();
    table.server(&[answer(GIVEN), ready(b'I')].concat()).unwrap();
    table.client(b"").unwrap();
    table.sent();
    table.server(&error("55P03")).unwrap();
    assert_eq!(table.client(&query("show lock_timeout")), Ok(Stop::Waits));
    assert!(table.sent().is_empty());
    table.server(&ready(b'I')).unwrap();
    table.client(b"").unwrap();
    assert!(table.sent()[0].contains("set_config('lock_timeout', '0', false)"));
}

#[test]
fn in_a_transaction_a_lock_timeout_is_given_until_its_end() {
    let mut table = Table::new(false);
    table.client(&query("begin")).unwrap();
    table.server(&[message(b'C', b"BEGIN\0"), ready(b'T')].concat()).unwrap();
    table.sent();
    assert_eq!(table.client(&query("alter give")), Ok(Stop::Waits));
    assert!(table.sent()[0].contains("set_config('lock_timeout', '5000', true)"));
    table.server(&[answer(GIVEN), ready(b'T')].concat()).unwrap();
    table.client(b"").unwrap();
    assert_eq!(table.sent(), ["Q alter give"]);
    table.server(&[message(b'C', b"ALTER TABLE\0"), ready(b'T')].concat()).unwrap();
    table.client(&query("rollback")).unwrap();
    assert_eq!(table.sent(), ["Q rollback"]);
    table.server(&[message(b'C', b"ROLLBACK\0"), ready(b'I')].concat()).unwrap();
    table.client(&query("select 1")).unwrap();
    assert_eq!(table.sent(), ["Q select 1"], "nothing is to be taken back");
}

#[test]
fn in_the_extended_protocol_it_is_asked_before_the_batch() {
    let mut table = Table::new(false);
    let batch = [parse("", "alter give"), bind("", ""), execute(""), sync()].concat();
    assert_eq!(table.client(&batch), Ok(Stop::Waits));
    assert_eq!(table.sent().len(), 1);
    table.server(&[answer(GIVEN), ready(b'I')].concat()).unwrap();
    assert_eq!(table.client(b""), Ok(Stop::NeedsMore));
    let tags: String = table.sent().iter().map(|sent| &sent[..1]).collect::<String>();
    assert_eq!(tags, "PBES", "once for the whole batch");
}

#[test]
fn a_prepared_change_is_judged_again_whenever_it_runs() {
    let mut table = Table::new(false);
    table.client(&[parse("s", "alter x"), sync()].concat()).unwrap();
    table.server(&[answer(HAS_SOME), ready(b'I')].concat()).unwrap();
    table.client(b"").unwrap();
    table.server(&[message(b'1', b""), ready(b'I')].concat()).unwrap();
    table.sent();
    table.shown();
    assert_eq!(table.client(&[bind("", "s"), execute(""), sync()].concat()), Ok(Stop::Waits));
    assert!(table.sent()[0].contains("lock_timeout"));
    table.server(&[answer(HAS_NONE), ready(b'I')].concat()).unwrap();
    table.client(b"").unwrap();
    assert!(table.sent()[0].starts_with("P pgcovenant refused"));
}

#[test]
fn within_a_batch_that_has_run_something_it_is_asked_there() {
    let mut table = Table::new(false);
    let batch =
        [parse("", "set x"), bind("", ""), execute(""), parse("", "alter give"), bind("", ""), execute(""), sync()];
    assert_eq!(table.client(&batch.concat()), Ok(Stop::Waits));
    let sent = table.sent();
    assert_eq!(sent.iter().map(|sent| &sent[..1]).collect::<String>(), "PBEPBECCH");
    assert!(sent[3].contains("set_config('lock_timeout', '5000', true)"), "{sent:?}");
    let before = [message(b'1', b""), message(b'2', b""), message(b'C', b"SET\0")].concat();
    let ours = [message(b'1', b""), message(b'2', b"")].concat();
    let row = [&[0, 1, 0, 0, 0, GIVEN.len() as u8][..], GIVEN.as_bytes()].concat();
    let rest = [message(b'D', &row), message(b'C', b"SELECT 1\0"), message(b'3', b""), message(b'3', b"")].concat();
    table.server(&[before, ours, rest].concat()).unwrap();
    assert_eq!(table.shown(), ["1", "2", "C SET"]);
    assert_eq!(table.client(b""), Ok(Stop::NeedsMore));
    assert_eq!(table.sent().iter().map(|sent| &sent[..1]).collect::<String>(), "PBES");
}

#[test]
fn after_a_change_the_catalog_is_read_before_what_it_may_concern() {
    let mut table = Table::new(false);
    // A mask makes the fake engine write the text anew; observed sessions have that where `*` leaves a column out.
    assert_eq!(table.client(&[query("create x"), query("select mask")].concat()), Ok(Stop::Waits));
    assert_eq!(table.sent(), ["Q create x"]);
    table.server(&[message(b'C', b"CREATE\0"), ready(b'I')].concat()).unwrap();
    assert_eq!(table.client(b""), Ok(Stop::Learns));
    assert!(table.log().ends_with(&["learns".to_owned()]));
    table.client(b"").unwrap();
    assert_eq!(table.sent(), ["Q SELECT MASK"]);
    table.server(&[message(b'C', b"SELECT 0\0"), ready(b'I')].concat()).unwrap();
    table.client(&query("select mask")).unwrap();
    assert_eq!(table.sent(), ["Q SELECT MASK"], "once is enough");
}

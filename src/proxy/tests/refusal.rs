//! What a refusal looks like from both ends, and what a governed client does not get to see.

use super::*;

#[test]
fn an_idle_refusal_is_answered_here() {
    let mut table = Table::new(true);
    table.client(&query("select ssn")).unwrap();
    assert!(table.sent().is_empty());
    let shown = table.shown();
    assert!(shown[0].contains("42501") && shown[1] == "Z I", "{shown:?}");
    assert_eq!(table.log(), ["refused"]);
}

#[test]
fn a_refusal_waits_for_its_turn_behind_what_is_in_flight() {
    let mut table = Table::new(true);
    table.client(&[query("select 1"), query("select ssn"), query("select 2")].concat()).unwrap();
    let sent = table.sent();
    assert_eq!(sent.len(), 3);
    assert!(sent[1].contains("pgcovenant refused") && !sent[1].contains("ssn"), "{sent:?}");
    table.server(&[message(b'C', b"SELECT 1\0"), ready(b'I'), error("42703"), ready(b'I')].concat()).unwrap();
    let shown = table.shown();
    assert!(shown[2].contains("permission denied") && !shown[2].contains("42703"), "{shown:?}");
    table.server(&[message(b'C', b"SELECT 7\0"), ready(b'I')].concat()).unwrap();
    assert_eq!(table.log(), ["refused", "ok 1", "ok 7"]);
    assert!(table.mind.dialogue.quiet());
}

#[test]
fn a_refused_parse_is_poisoned_in_place_and_its_error_replaced() {
    let mut table = Table::new(true);
    table.client(&[parse("", "select ssn"), bind("", ""), execute(""), sync()].concat()).unwrap();
    let tags: String = table.sent().iter().map(|sent| sent.chars().next().unwrap()).collect();
    assert_eq!(tags, "PBES");
    table.server(&[error("42703"), ready(b'I')].concat()).unwrap();
    let shown = table.shown();
    assert!(shown[0].contains("42501"), "{shown:?}");
    assert!(table.mind.dialogue.quiet());
}

#[test]
fn an_error_before_the_poison_is_the_servers_own() {
    let mut table = Table::new(true);
    table
        .client(&[parse("", "select 1/0"), bind("", ""), execute(""), parse("", "select ssn"), sync()].concat())
        .unwrap();
    table.server(&[message(b'1', b""), message(b'2', b""), error("22012"), ready(b'I')].concat()).unwrap();
    let shown = table.shown();
    assert!(shown[2].contains("22012"), "{shown:?}");
    assert!(table.mind.dialogue.quiet());
}

#[test]
fn a_fatal_error_is_never_replaced() {
    let mut table = Table::new(true);
    table.client(&[query("select 1"), query("select ssn")].concat()).unwrap();
    table
        .server(
            &[message(b'C', b"SELECT 1\0"), ready(b'I'), message(b'E', b"SFATAL\0VFATAL\0C57P01\0Mgone\0\0")].concat(),
        )
        .unwrap();
    assert!(table.shown().last().unwrap().contains("57P01"));
}

#[test]
fn a_governed_greeting_has_no_notice_of_a_function() {
    let key = message(b'K', b"12345678");
    let kept = crate::proxy::server_side::governed_greeting(
        &[message(b'N', b"SNOTICE\0Mx 123\0WPL\0\0"), key.clone(), ready(b'I')].concat(),
    );
    assert_eq!(&kept.unwrap()[..], &[key, ready(b'I')].concat()[..]);
}

#[test]
fn values_in_server_errors_do_not_reach_a_governed_client() {
    let mut table = Table::new(true);
    table.client(&query("select 1")).unwrap();
    let body = b"SERROR\0VERROR\0C23505\0Mduplicate key\0DKey (ssn)=(123).\0\0";
    table
        .server(
            &[message(b'N', b"SNOTICE\0Mx 123\0WPL\0\0"), message(b'A', b"\0\0\0\x01c\x00123\0"), message(b'E', body)]
                .concat(),
        )
        .unwrap();
    let shown = table.shown();
    assert_eq!(shown.len(), 1);
    assert!(!shown[0].contains("123"), "{shown:?}");
}

#[test]
fn a_warning_comes_once_and_before_the_completion() {
    let mut table = Table::new(false);
    for round in 0..2 {
        table.client(&query("select old")).unwrap();
        table.server(&[message(b'C', b"SELECT 1\0"), ready(b'I')].concat()).unwrap();
        let shown = table.shown();
        assert_eq!(shown.len(), 3 - round, "{shown:?}");
        assert_eq!(shown[0].contains("01P01"), round == 0);
    }
}

#[test]
fn an_error_that_is_not_the_poisons_is_the_servers_own() {
    let mut table = Table::new(true);
    table.client(&[query("select 1"), query("select ssn"), message(b'F', &[0; 10])].concat()).unwrap();
    assert!(table.sent()[2].starts_with("F"));
    let cancelled =
        [message(b'C', b"SELECT 1\0"), ready(b'T'), error("57014"), ready(b'E'), error("25P02"), ready(b'E')];
    table.server(&cancelled.concat()).unwrap();
    let shown = table.shown();
    assert!(shown[2].contains("57014") && shown[4].contains("25P02"), "{shown:?}");
    assert!(table.mind.dialogue.quiet());
}

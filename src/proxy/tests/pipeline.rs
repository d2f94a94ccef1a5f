//! Which replies are due, and what an error takes back.

use super::*;

#[test]
fn what_a_failed_pipeline_prepared_is_taken_back() {
    let mut table = Table::new(false);
    table.client(&[parse("kept", "select 1"), sync()].concat()).unwrap();
    table.server(&[message(b'1', b""), ready(b'I')].concat()).unwrap();
    table.client(&[parse("kept", "select 2"), parse("new", "select 3"), sync()].concat()).unwrap();
    assert_eq!(&*table.mind.dialogue.statement(b"kept").unwrap().text, b"select 2");
    table.server(&[error("42P05"), ready(b'I')].concat()).unwrap();
    assert_eq!(&*table.mind.dialogue.statement(b"kept").unwrap().text, b"select 1");
    assert!(table.mind.dialogue.statement(b"new").is_none());
}

#[test]
fn an_error_without_a_sync_skips_until_one_comes() {
    let mut table = Table::new(false);
    table.client(&parse("", "bad")).unwrap();
    table.server(&error("42601")).unwrap();
    assert!(table.mind.dialogue.skipping);
    table.client(&[bind("", ""), execute(""), query("select 1"), sync()].concat()).unwrap();
    assert!(!table.mind.dialogue.skipping);
    table.server(&ready(b'I')).unwrap();
    assert!(table.mind.dialogue.quiet());
}

#[test]
fn ddl_is_announced_when_its_transaction_ends() {
    let mut table = Table::new(false);
    table.client(&query("create table t()")).unwrap();
    table.server(&[message(b'C', b"CREATE TABLE\0"), ready(b'T')].concat()).unwrap();
    assert_eq!(table.log(), ["ok 0"]);
    table.client(&query("commit")).unwrap();
    table.server(&[message(b'C', b"COMMIT\0"), ready(b'I')].concat()).unwrap();
    assert!(table.log().contains(&"catalog".to_owned()));
}

#[test]
fn a_query_costs_the_unnamed_statement_even_if_it_is_refused() {
    let mut table = Table::new(true);
    table.client(&[parse("", "select 1"), sync()].concat()).unwrap();
    table.server(&[message(b'1', b""), ready(b'I')].concat()).unwrap();
    table.sent();
    table.client(&query("select ssn")).unwrap();
    assert!(table.sent()[0].contains("pgcovenant refused"), "the server must let the statement go");
    table.server(&[error("42601"), ready(b'I')].concat()).unwrap();
    assert!(table.mind.dialogue.statement(b"").is_none());
    table.client(&query("select ssn")).unwrap();
    assert!(table.sent().is_empty(), "now there is nothing that the server would have to let go");
}

#[test]
fn a_flood_of_texts_is_judged_a_few_at_a_time() {
    let mut table = Table::new(false);
    table.unread_client = query("select 1").repeat(100);
    assert_eq!(table.client_at_once(), Ok(Stop::Yields));
    assert_eq!(table.sent().len(), 16);
    assert_eq!(table.client(b""), Ok(Stop::NeedsMore));
    assert_eq!(table.sent().len(), 84);
}

//! What a session tells of itself.

use std::sync::Arc;

use super::*;
use crate::observe::sessions::{Opened, Sessions, Snapshot, State};

/// A conversation that tells, and where it tells.
fn told() -> (Table, Sessions) {
    let sessions = Sessions::default();
    let mut table = Table::new(false);
    table.mind.pulse.follow(Some(sessions.open(Opened { number: 1, subject: Arc::default(), backend: None })));
    (table, sessions)
}

fn now(sessions: &Sessions) -> Snapshot {
    sessions.overview().sessions.remove(0)
}

#[test]
fn the_state_is_the_one_that_the_server_has() {
    let (mut table, sessions) = told();
    let state = || now(&sessions).state;
    assert_eq!(state(), State::Idle);
    table.client(&query("begin")).unwrap();
    assert_eq!(state(), State::Active);
    table.server(&[message(b'C', b"BEGIN\0"), ready(b'T')].concat()).unwrap();
    assert_eq!(state(), State::IdleInTransaction);
    let since = now(&sessions).in_transaction.unwrap();
    // A batch is active up to its Sync, whatever has been answered.
    table.client(&parse("", "select 1")).unwrap();
    table.server(&message(b'1', b"")).unwrap();
    assert_eq!(state(), State::Active);
    assert!(now(&sessions).in_transaction.unwrap() > since, "it is the same transaction");
    table.client(&[bind("", ""), execute(""), sync()].concat()).unwrap();
    table.server(&[error("22012"), ready(b'E')].concat()).unwrap();
    assert_eq!((state(), now(&sessions).in_transaction.is_some()), (State::Aborted, true));
    table.client(&query("rollback")).unwrap();
    table.server(&[message(b'C', b"ROLLBACK\0"), ready(b'I')].concat()).unwrap();
    assert_eq!((state(), now(&sessions).in_transaction), (State::Idle, None));
}

#[test]
fn a_pipeline_is_active_from_one_answer_to_the_next_and_each_has_its_own_transaction() {
    let (mut table, sessions) = told();
    table.client(&[query("select 1"), query("select 2")].concat()).unwrap();
    let first = now(&sessions);
    table.server(&[message(b'C', b"SELECT 1\0"), ready(b'I')].concat()).unwrap();
    let second = now(&sessions);
    assert_eq!((first.state, second.state), (State::Active, State::Active));
    table.server(&[message(b'C', b"SELECT 1\0"), ready(b'I')].concat()).unwrap();
    assert_eq!(now(&sessions).state, State::Idle);
}

#[test]
fn what_is_refused_here_changes_nothing() {
    let sessions = Sessions::default();
    let mut table = Table::new(true);
    table.mind.pulse.follow(Some(sessions.open(Opened { number: 1, subject: Arc::default(), backend: None })));
    table.client(&query("select ssn")).unwrap();
    assert_eq!(now(&sessions).state, State::Idle);
}

#[test]
fn a_session_whose_end_of_the_line_is_gone_is_told_of_no_more() {
    let (table, sessions) = told();
    drop(table);
    assert!(sessions.overview().sessions.is_empty());
}

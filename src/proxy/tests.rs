//! A conversation without sockets, engine or clock: bytes in, bytes out.

use std::cell::RefCell;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use proptest::prelude::*;

use super::client_side::Stop;
use super::judge::{Ending, Judge, Judged};
use super::outbox::Outbox;
use super::session::{Conversation, Fatal, Pins};
use super::splice::Splice;
use crate::engine::check::Protocol;
use crate::engine::refusal::{Refusal, SqlState};
use crate::engine::report::{Effects, Notice, Operation, Report, StatementReport};
use crate::engine::unreadable::Unreadable;
use crate::engine::verdict::{Admitted, Verdict};
use crate::model::catalog::SearchPath;
use crate::wire::backend::Status;
use crate::wire::frame::{self, put};

/// Refuses texts with `ssn`, and `later` from the second epoch on; rewrites `mask`, and `soon` from then on.
struct Fake {
    epoch: u64,
    next_epoch: u64,
    governed: bool,
    log: RefCell<Vec<String>>,
}

impl Judge for Fake {
    fn refresh(&mut self) {
        self.epoch = self.next_epoch;
    }
    fn epoch(&self) -> u64 {
        self.epoch
    }
    fn governed(&self) -> bool {
        self.governed
    }
    fn text(&self, sql: &str, _: Protocol, path: Option<&SearchPath>) -> Verdict {
        let mut report = Report {
            statements: operation(sql)
                .map(|operation| StatementReport {
                    operation,
                    fingerprint: 0,
                    relations: Vec::new(),
                    columns: Vec::new(),
                    unanalysed: None,
                })
                .into_iter()
                .collect(),
            effects: Effects { search_path_may_change: sql.contains("set"), ddl: sql.contains("create") },
            ..Report::default()
        };
        if sql.contains("old") {
            let message = "column old is deprecated".to_owned();
            report.notices.push(Notice { fingerprint: 1, message, detail: None, hint: None });
        }
        if self.governed
            && (sql.contains("ssn")
                || (sql.contains("later") && self.epoch > 1)
                || (sql.contains("rel") && path.is_none()))
        {
            return Verdict::Refuse(refusal());
        }
        let rewritten = sql.contains("mask") || (sql.contains("soon") && self.epoch > 1);
        let text = rewritten.then(|| sql.to_uppercase());
        Verdict::Admit(Admitted::for_test(text.as_deref(), report))
    }
    fn unreadable(&self, _: Unreadable) -> Verdict {
        if self.governed {
            Verdict::Refuse(refusal())
        } else {
            Verdict::Admit(Admitted::for_test(None, Report::default()))
        }
    }
    fn parameter_types(&self, _: &[u8]) -> Option<Refusal> {
        None
    }
    fn function_call(&self) -> Verdict {
        self.unreadable(Unreadable::NotUtf8)
    }
    fn refused(&self, _: &Refusal, _: Duration) {
        self.log.borrow_mut().push("refused".to_owned());
    }
    fn over(&self, _: &Judged, ending: &Ending) {
        let code = ending.sqlstate.map_or("ok".into(), |code| String::from_utf8_lossy(&code).into_owned());
        self.log.borrow_mut().push(format!("{code} {}", ending.rows));
    }
    fn catalog_changed(&self) {
        self.log.borrow_mut().push("catalog".to_owned());
    }
    fn statement_limit(&self) -> usize {
        1000
    }
}

fn operation(sql: &str) -> Option<Operation> {
    match sql.split(' ').next()? {
        "begin" | "rollback" => Some(Operation::Transaction),
        "prepare" | "execute" | "deallocate" => Some(Operation::Prepare),
        "declare" | "fetch" | "close" => Some(Operation::Cursor),
        _ => None,
    }
}

fn refusal() -> Refusal {
    Refusal {
        sqlstate: SqlState::InsufficientPrivilege,
        message: "permission denied for column ssn".to_owned(),
        detail: None,
        hint: None,
        position: None,
        report: Default::default(),
    }
}

/// A conversation and the bytes that left it.
struct Table {
    mind: Conversation<Fake>,
    to_server: BytesMut,
    to_client: BytesMut,
    unread_client: Vec<u8>,
    unread_server: Vec<u8>,
}

impl Table {
    fn new(governed: bool) -> Self {
        let fake = Fake { epoch: 1, next_epoch: 1, governed, log: RefCell::default() };
        let pins = Pins { utf8: true, standard_strings: true };
        let mut mind = Conversation::new(fake, pins, Status::Idle, SearchPath::default());
        // Most tests are not about the path.
        mind.path = Some(SearchPath::default());
        Self {
            mind,
            to_server: BytesMut::new(),
            to_client: BytesMut::new(),
            unread_client: Vec::new(),
            unread_server: Vec::new(),
        }
    }

    fn client(&mut self, bytes: &[u8]) -> Result<Stop, Fatal> {
        self.unread_client.extend_from_slice(bytes);
        let input = std::mem::take(&mut self.unread_client);
        let mut outbox = Outbox::new(&input, &mut self.to_server);
        let stop = self.mind.from_client(&mut outbox, &mut self.to_client);
        let (consumed, run) = outbox.finish();
        self.to_server.extend_from_slice(run);
        self.unread_client = input[consumed..].to_vec();
        stop
    }

    fn server(&mut self, bytes: &[u8]) -> Result<(), Fatal> {
        self.unread_server.extend_from_slice(bytes);
        let input = std::mem::take(&mut self.unread_server);
        let mut splice = Splice::new(&input, &mut self.to_client);
        let result = self.mind.from_server(&mut splice);
        let (consumed, run) = splice.finish();
        self.to_client.extend_from_slice(run);
        self.unread_server = input[consumed..].to_vec();
        result
    }

    /// The messages that left for the server since the last call: tag and readable body.
    fn sent(&mut self) -> Vec<String> {
        readable(&self.to_server.split())
    }

    fn shown(&mut self) -> Vec<String> {
        readable(&self.to_client.split())
    }

    fn log(&self) -> Vec<String> {
        self.mind.judge.log.take()
    }
}

fn readable(mut wire: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    while let Some(frame) = frame::cut(wire).unwrap() {
        let body: String = frame
            .body
            .iter()
            .filter(|byte| byte.is_ascii_graphic() || **byte == b' ')
            .map(|byte| *byte as char)
            .collect();
        found.push(format!("{} {body}", frame.tag as char).trim_end().to_owned());
        wire = &wire[frame.bytes.len()..];
    }
    assert!(wire.is_empty(), "half a message was sent");
    found
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    put(&mut out, tag, |out| out.put_slice(body));
    out.to_vec()
}

fn query(text: &str) -> Vec<u8> {
    message(b'Q', format!("{text}\0").as_bytes())
}

fn parse(name: &str, text: &str) -> Vec<u8> {
    message(b'P', format!("{name}\0{text}\0\0\0").as_bytes())
}

fn bind(portal: &str, statement: &str) -> Vec<u8> {
    message(b'B', format!("{portal}\0{statement}\0\0\0\0\0\0\0").as_bytes())
}

fn execute(portal: &str) -> Vec<u8> {
    message(b'E', format!("{portal}\0\0\0\0\0").as_bytes())
}

fn sync() -> Vec<u8> {
    message(b'S', b"")
}

fn ready(status: u8) -> Vec<u8> {
    message(b'Z', &[status])
}

fn error(code: &str) -> Vec<u8> {
    message(b'E', format!("SERROR\0VERROR\0C{code}\0Msyntax error\0P1\0\0").as_bytes())
}

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
    table.server(&[message(b'C', b"SELECT 1\0"), ready(b'I'), error("42601"), ready(b'I')].concat()).unwrap();
    let shown = table.shown();
    assert!(shown[2].contains("permission denied") && !shown[2].contains("42601"), "{shown:?}");
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
    table.server(&[error("42601"), ready(b'I')].concat()).unwrap();
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
fn a_statement_that_a_new_policy_refuses_is_refused_at_bind() {
    let mut table = Table::new(true);
    table.client(&[parse("s", "select later"), sync()].concat()).unwrap();
    table.server(&[message(b'1', b""), ready(b'I')].concat()).unwrap();
    table.sent();
    table.mind.judge.next_epoch = 2;
    table.mind.refresh().unwrap();
    table.mind.path = Some(SearchPath::default());
    table.client(&[bind("", "s"), execute(""), sync()].concat()).unwrap();
    let sent = table.sent();
    assert!(sent[0].starts_with('P') && sent[0].contains("pgcovenant refused"), "{sent:?}");
    table.shown();
    table.server(&[error("42601"), ready(b'I')].concat()).unwrap();
    assert!(table.shown()[0].contains("42501"));
}

#[test]
fn a_statement_that_a_new_policy_rewrites_is_prepared_again_unseen() {
    let mut table = Table::new(false);
    table.client(&[parse("s", "select soon"), sync()].concat()).unwrap();
    table.server(&[message(b'1', b""), ready(b'I')].concat()).unwrap();
    table.sent();
    table.shown();
    table.mind.judge.next_epoch = 2;
    table.client(&[bind("", "s"), execute(""), sync()].concat()).unwrap();
    let sent = table.sent();
    assert_eq!(sent[..3], ["D Ss", "C Ss", "P sSELECT SOON"]);
    let answers = [
        message(b't', b"\0\0"),
        message(b'T', b"\0\0"),
        message(b'3', b""),
        message(b'1', b""),
        message(b'2', b""),
        message(b'C', b"SELECT 1\0"),
        ready(b'I'),
    ];
    table.server(&answers.concat()).unwrap();
    assert_eq!(table.shown(), ["2", "C SELECT 1", "Z I"]);
    table.client(&[bind("", "s"), sync()].concat()).unwrap();
    assert_eq!(table.sent().len(), 2, "once is enough");
}

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
    let json = b"[\"pg_catalog\",\"public\"]";
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
fn a_governed_greeting_has_no_notice_of_a_function() {
    let key = message(b'K', b"12345678");
    let kept = super::server_side::governed_greeting(
        &[message(b'N', b"SNOTICE\0Mx 123\0WPL\0\0"), key.clone(), ready(b'I')].concat(),
    );
    assert_eq!(&kept.unwrap()[..], &[key, ready(b'I')].concat()[..]);
}

#[test]
fn an_open_portal_does_not_outlive_its_policy() {
    let mut table = Table::new(true);
    table.client(&[parse("", "select soon"), bind("p", ""), sync()].concat()).unwrap();
    table.server(&[message(b'1', b""), message(b'2', b""), ready(b'T')].concat()).unwrap();
    table.sent();
    table.mind.judge.next_epoch = 2;
    table.client(&[execute("p"), sync()].concat()).unwrap();
    assert!(table.sent()[0].contains("pgcovenant refused"));
}

#[test]
fn a_governed_session_asks_for_its_path_once_and_keeps_the_client_waiting() {
    let mut table = Table::new(true);
    table.mind.path = None;
    assert_eq!(table.client(&query("select rel")), Ok(Stop::Waits));
    assert!(table.sent()[0].contains("current_schemas"));
    let json = b"[\"pg_catalog\",\"shop\"]";
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
    let json = b"[\"pg_catalog\",\"shop\"]";
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
fn what_sql_prepared_or_opened_does_not_outlive_its_policy() {
    for (make, uses, gives_up) in [("prepare x", "execute x", "deallocate x"), ("declare c", "fetch c", "close c")] {
        let mut table = Table::new(true);
        table.client(&query(make)).unwrap();
        table.server(&[message(b'C', b"OK\0"), ready(b'I')].concat()).unwrap();
        table.mind.judge.next_epoch = 2;
        table.mind.refresh().unwrap();
        table.mind.path = Some(SearchPath::default());
        table.sent();
        table.shown();
        table.client(&query(uses)).unwrap();
        assert!(table.sent().is_empty() && table.shown()[0].contains("55000"));
        table.client(&query(gives_up)).unwrap();
        assert_eq!(table.sent(), [format!("Q {gives_up}")]);
    }
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
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(|data| message(b'F', &data)),
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
        Just(error("42601")),
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

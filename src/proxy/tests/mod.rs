//! A conversation without sockets, engine or clock: bytes in, bytes out.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, BytesMut};

use crate::engine::check::Protocol;
use crate::engine::refusal::{Refusal, SqlState};
use crate::engine::report::{Depends, Effects, Notice, Operation, Report, StatementReport};
use crate::engine::unreadable::Unreadable;
use crate::engine::verdict::{Admitted, Verdict};
use crate::model::catalog::SearchPath;
use crate::proxy::client_side::Stop;
use crate::proxy::judge::{Ending, Judge, Judged, Learning};
use crate::proxy::outbox::Outbox;
use crate::proxy::session::{Conversation, Fatal, Pins};
use crate::proxy::splice::Splice;
use crate::wire::backend::Status;
use crate::wire::frame::{self, put};

mod lock_timeout;
mod pipeline;
mod pulse;
mod refusal;
mod search_path;
mod size;
mod splits;
mod stream;
mod swap;

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
    fn text(&self, sql: &str, _: Protocol, path: Option<&SearchPath>, has_lock_timeout: bool) -> Verdict {
        let mut report = Report {
            statements: operation(sql)
                .map(|operation| StatementReport {
                    operation,
                    fingerprint: 0,
                    relations: Vec::new(),
                    columns: Vec::new(),
                    unanalysed: None,
                    touched: Default::default(),
                })
                .into_iter()
                .collect(),
            effects: Effects {
                search_path_may_change: sql.contains("set"),
                temporary_may_change: sql.contains("temp"),
                ddl: sql.contains("create"),
                names_unknown: sql.contains("unheard"),
                judged_anew: sql.contains("alter"),
                depends: Depends {
                    on_session: sql.contains("alter"),
                    lock_timeout: sql.contains("give").then_some(5000),
                },
            },
            ..Report::default()
        };
        if sql.contains("old") {
            let message = "column old is deprecated".to_owned();
            report.notices.push(Notice { fingerprint: 1, message, detail: None, hint: None });
        }
        if sql.contains("alter") && !has_lock_timeout {
            return Verdict::Refuse(Refusal { report: Arc::new(report), ..refusal() });
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
    fn refused(&self, _: &Refusal, _: Duration, _: Option<std::sync::Arc<crate::observe::event::TraceParent>>) {
        self.log.borrow_mut().push("refused".to_owned());
    }
    fn over(&self, _: &Judged, ending: &Ending) {
        let code = ending.sqlstate.map_or("ok".into(), |code| String::from_utf8_lossy(&code).into_owned());
        self.log.borrow_mut().push(format!("{code} {}", ending.rows));
    }
    fn catalog_changed(&self) {
        self.log.borrow_mut().push("catalog".to_owned());
    }
    fn learning(&self, _: bool) -> Option<Learning> {
        self.log.borrow_mut().push("learns".to_owned());
        Some(Learning(Box::pin(std::future::ready(()))))
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
        loop {
            match self.client_at_once() {
                Ok(Stop::Yields) => {}
                stop => return stop,
            }
        }
    }

    fn client_at_once(&mut self) -> Result<Stop, Fatal> {
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

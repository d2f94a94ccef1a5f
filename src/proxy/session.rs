//! What one session knows beside the replies that are due: its search path, the settings that a governed session is
//! pinned to, and the warnings it has had.

use std::collections::HashSet;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;

use super::client_side::Stop;
use super::extended::Dialogue;
use super::in_sql::InSql;
use super::judge::{Judge, Learning};
use super::pulse::Pulse;
use crate::engine::refusal::Refusal;
use crate::engine::report::{Operation, Report, StatementReport};
use crate::engine::verdict::Verdict;
use crate::model::catalog::SearchPath;
use crate::wire::backend::Status;
use crate::wire::response::{self, Problem, Severity};

/// Why a session has to end, as the client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fatal {
    /// SQLSTATE.
    pub code: &'static str,
    /// Primary message.
    pub message: String,
    /// What to do about it.
    pub hint: Option<&'static str>,
}

impl Fatal {
    /// Without a hint.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    /// Somebody does not keep to the protocol.
    pub fn protocol(message: impl Into<String>) -> Self {
        Self::new("08P01", message)
    }

    /// Appends the message to the client.
    pub fn put(&self, out: &mut BytesMut) {
        response::put_error(out, &Problem { hint: self.hint, ..Problem::fatal(self.code, &self.message) });
    }
}

/// The settings that decide how a text is read, as the server reports them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pins {
    /// `client_encoding` is UTF8.
    pub utf8: bool,
    /// `standard_conforming_strings` is on.
    pub standard_strings: bool,
}

impl Pins {
    /// Takes note of a ParameterStatus.
    pub fn note(&mut self, name: &[u8], value: &[u8]) {
        match name {
            b"client_encoding" => self.utf8 = value.eq_ignore_ascii_case(b"UTF8"),
            b"standard_conforming_strings" => self.standard_strings = value == b"on",
            _ => {}
        }
    }

    /// What is wrong for a session whose statements must be understood.
    pub fn violation(self) -> Option<Fatal> {
        let (message, hint) = match (self.utf8, self.standard_strings) {
            (true, true) => return None,
            (false, _) => {
                ("client_encoding must be UTF8 while a policy protects columns", "Set client_encoding to UTF8.")
            }
            (true, false) => (
                "standard_conforming_strings must be on while a policy protects columns",
                "Set standard_conforming_strings to on for this role and database.",
            ),
        };
        Some(Fatal { code: "0A000", message: message.to_owned(), hint: Some(hint) })
    }
}

/// What an observed session was asked.
#[derive(Debug)]
pub struct Known {
    /// Where it looks names up, with its own temporary tables.
    pub path: SearchPath,
    /// `lock_timeout` is some time.
    pub has_lock_timeout: bool,
}

/// Warnings that are remembered as given; a session that has had so many gets them anew.
const MAX_WARNED: usize = 10_000;

/// An epoch that no snapshot has: what carries it is stale.
const NEVER: u64 = 0;

/// One session's mind: everything that decides what happens to the next message.
#[derive(Debug)]
pub struct Conversation<J> {
    /// The line to the engine.
    pub judge: J,
    /// Replies that are due, statements, portals.
    pub dialogue: Dialogue,
    /// How texts are read.
    pub pins: Pins,
    /// Effective search path; none while it is not known. Observed sessions keep their first guess.
    pub path: Option<SearchPath>,
    /// The message at hand waits for the catalog to be read.
    pub(super) learning: Option<Learning>,
    /// It has been read for the message at hand.
    learned: bool,
    /// The server could not answer the question for the path: not to be asked twice for one statement.
    pub question_failed: bool,
    /// What an observed session was asked for a change of the structure: it holds until something else runs.
    pub(super) known: Option<Known>,
    /// A `lock_timeout` that we have given it for that.
    pub(super) given: Option<Box<str>>,
    /// Whether the one that we give lasts only until the transaction ends.
    pub(super) gives_locally: bool,
    /// A `lock_timeout` that we have given it, and that it needs no more.
    pub(super) owes: Option<Box<str>>,
    /// It has changed the structure, and its statements are still judged by an older catalog.
    is_behind: bool,
    /// No policy governed it once: what it has in its temporary schema can be anything.
    pub was_observed: bool,
    /// The open transaction can change the path when it ends.
    path_touched: bool,
    /// DDL ran in the open transaction.
    ddl_ran: bool,
    /// Epoch of the oldest admitted text that can have prepared a statement in SQL; stale for good once the search path has
    /// changed since.
    pub prepared_in_sql: Option<u64>,
    /// Epoch of the oldest admitted text that can have opened a cursor.
    pub cursor_in_sql: Option<u64>,
    /// What of that touches what.
    pub(super) in_sql: InSql,
    warned: HashSet<(u64, u64)>,
    /// When the bytes at hand came, once somebody has asked.
    pub(super) moment: Option<Instant>,
    /// Texts judged since bytes came.
    pub(super) judged: u32,
    hasher: foldhash::fast::RandomState,
    /// Where it tells what it is doing.
    pub pulse: Pulse,
    /// Rest of a message of the client that streams by.
    pub(super) client_body: super::client_side::Streaming,
    /// Bytes left of a server message that streams by.
    pub(super) server_body: usize,
}

impl<J: Judge> Conversation<J> {
    /// Right after login.
    pub fn new(judge: J, pins: Pins, status: Status, guess: SearchPath) -> Self {
        let path = (!judge.governed()).then_some(guess);
        Self {
            judge,
            dialogue: Dialogue::new(status),
            pins,
            path,
            learning: None,
            learned: false,
            question_failed: false,
            known: None,
            given: None,
            gives_locally: false,
            owes: None,
            is_behind: false,
            was_observed: false,
            path_touched: false,
            ddl_ran: false,
            prepared_in_sql: None,
            cursor_in_sql: None,
            in_sql: InSql::default(),
            warned: HashSet::new(),
            moment: None,
            judged: 0,
            hasher: foldhash::fast::RandomState::default(),
            pulse: Pulse::default(),
            client_body: super::client_side::Streaming::Nothing,
            server_body: 0,
        }
    }

    /// Takes over the policy in force; what is known of the path may come from another catalog.
    pub fn refresh(&mut self) -> Result<(), Fatal> {
        let before = self.judge.epoch();
        let observed = !self.judge.governed();
        self.judge.refresh();
        if before == self.judge.epoch() {
            return Ok(());
        }
        if self.judge.governed() {
            self.was_observed |= observed;
            if self.dialogue.quiet() {
                self.path = None;
            } else {
                self.path_touched = true;
            }
            self.check_pins()?;
        } else if self.path.is_none() {
            self.path = Some(SearchPath::default());
        }
        Ok(())
    }

    /// A governed session ends when texts would be read otherwise than they are analysed.
    pub fn check_pins(&self) -> Result<(), Fatal> {
        match self.pins.violation() {
            Some(fatal) if self.judge.governed() => Err(fatal),
            _ => Ok(()),
        }
    }

    /// What names something unknown waits for the catalog to be read once more, and is judged again. So does the first
    /// statement after a session has changed the structure, if what it names is unknown or was written anew by the columns
    /// that there were. In a transaction that has changed the structure itself, a reading would not see that.
    pub(super) fn must_learn(&mut self, verdict: &Verdict) -> Option<Stop> {
        let (report, rewritten) = match verdict {
            Verdict::Admit(admitted) => (&admitted.report, admitted.rewritten_text().is_some()),
            Verdict::Refuse(refusal) => (&refusal.report, false),
        };
        let unknown = report.effects.names_unknown;
        let outdated = !self.judge.governed() && (self.is_behind || self.ddl_ran) && (unknown || rewritten);
        let between = !(self.dialogue.batch_open || self.dialogue.skipping || self.dialogue.copy_in);
        if outdated && self.ddl_ran && between && !self.dialogue.quiet() {
            // The change is still in flight.
            return Some(Stop::Waits);
        }
        if (outdated || (unknown && self.judge.governed())) && !self.ddl_ran && !self.learned {
            self.learning = self.judge.learning(std::mem::take(&mut self.is_behind));
            self.learned = self.learning.is_some();
            return self.learned.then_some(Stop::Learns);
        }
        self.learned = false;
        None
    }

    /// The server is about to run this.
    pub fn will_run(&mut self, report: &Arc<Report>) {
        if self.dialogue.skipping {
            // It is not: the server discards everything up to the next Sync.
            return;
        }
        self.tells(report);
        self.forget_known();
        self.in_sql.forwarded(report);
        // Rolling back to a savepoint changes the path only if the transaction had changed it.
        let other = |statement: &StatementReport| statement.operation != Operation::Transaction;
        let sets = report.statements.is_empty() || report.statements.iter().any(other);
        let may_change = report.effects.search_path_may_change && (self.path_touched || sets) || report.effects.ddl;
        if (may_change || report.effects.temporary_may_change) && self.judge.governed() {
            self.path = None;
            self.path_touched = true;
        }
        if may_change && self.judge.governed() {
            // The server looks the names of prepared statements up again under another path. Temporary tables make no
            // difference to those that have been judged: every name of a relation in them has its schema.
            self.prepared_in_sql = self.prepared_in_sql.map(|_| NEVER);
        }
        self.ddl_ran |= report.effects.ddl;
        let ends = report.statements.iter().any(|statement| statement.operation == Operation::Transaction);
        if ends && self.path_touched && self.judge.governed() {
            // COMMIT or ROLLBACK is on its way: what comes behind it runs under the path that it leaves.
            self.path = None;
        }
        let epoch = self.judge.epoch();
        for statement in &report.statements {
            let unknown = statement.unanalysed.is_some();
            if unknown || statement.operation == Operation::Prepare {
                self.prepared_in_sql.get_or_insert(epoch);
            }
            if unknown || statement.operation == Operation::Cursor {
                self.cursor_in_sql.get_or_insert(epoch);
            }
        }
    }

    /// Whether the path is known to hold only up to the middle of a text.
    pub fn path_ends_within(&self, report: &Report) -> bool {
        let ends = |statement: &StatementReport| statement.operation == Operation::Transaction;
        let before_last = report.statements.split_last().map(|(_, before)| before).unwrap_or_default();
        self.path_touched && self.judge.governed() && before_last.iter().any(ends)
    }

    /// A Sync or a Query is on its way, which can end a transaction, or one was undone, or a part of it: so may be what it
    /// had set.
    pub fn path_may_revert(&mut self) {
        self.forget_known();
        if self.path_touched && self.judge.governed() {
            self.path = None;
        }
    }

    /// ReadyForQuery came.
    pub fn settled(&mut self, status: Status) {
        if status != Status::Idle {
            return;
        }
        // What else is in flight can have touched it too, and has yet to settle.
        let all = self.dialogue.quiet();
        if all {
            self.in_sql.transaction_is_over();
        }
        if self.path_touched {
            self.path_touched = !all;
            if self.judge.governed() {
                self.path = None;
            }
        }
        if self.ddl_ran {
            self.ddl_ran = !all;
            self.is_behind = true;
            self.judge.catalog_changed();
        }
    }

    /// Something runs: what the session was asked before may be otherwise afterwards.
    pub(super) fn forget_known(&mut self) {
        self.known = None;
        if let Some(given) = self.given.take() {
            self.owes = Some(given);
        }
    }

    /// Whether a question of ours has found no answer.
    pub(super) fn is_without_answer(&self) -> bool {
        if self.judge.governed() { self.path.is_none() } else { self.known.is_none() }
    }

    /// Appends the warnings that the session has not had yet.
    pub fn put_notices(&mut self, report: &Report, out: &mut BytesMut) {
        if self.warned.len() > MAX_WARNED {
            self.warned.clear();
        }
        for notice in &report.notices {
            if self.warned.insert((notice.fingerprint, self.hasher.hash_one(&notice.message))) {
                response::put_notice(
                    out,
                    &Problem {
                        severity: Severity::Warning,
                        code: "01P01",
                        message: &notice.message,
                        detail: notice.detail.as_deref(),
                        hint: notice.hint.as_deref(),
                        position: None,
                    },
                );
            }
        }
    }
}

/// Appends the warnings about changes of the structure.
pub fn put_cautions(report: &Report, out: &mut BytesMut) {
    for caution in &report.cautions {
        response::put_notice(
            out,
            &Problem {
                severity: Severity::Warning,
                code: "01000",
                message: &caution.message,
                detail: caution.detail.as_deref(),
                hint: caution.hint.as_deref(),
                position: None,
            },
        );
    }
}

/// Appends a refusal as the error that the client sees.
pub fn put_refusal(out: &mut BytesMut, refusal: &Refusal) {
    response::put_error(
        out,
        &Problem {
            severity: Severity::Error,
            code: refusal.sqlstate.code(),
            message: &refusal.message,
            detail: refusal.detail.as_deref(),
            hint: refusal.hint.as_deref(),
            position: refusal.position,
        },
    );
}

/// The effective path of an observed session that asked for `search_path` when it connected.
pub fn guess_path(setting: Option<&[u8]>, user: &str) -> SearchPath {
    let Some(setting) = setting.and_then(|setting| std::str::from_utf8(setting).ok()) else {
        return SearchPath::default();
    };
    let named: Vec<String> = setting
        .split(',')
        .map(str::trim)
        .map(|name| match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
            Some("$user") => user.to_owned(),
            Some(quoted) => quoted.replace("\"\"", "\""),
            None if name == "$user" => user.to_owned(),
            None => name.to_lowercase(),
        })
        .collect();
    let implicit = (!named.iter().any(|name| name == "pg_catalog")).then_some("pg_catalog");
    SearchPath::new(implicit.into_iter().chain(named.iter().map(String::as_str)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_the_startup_packet_is_read_as_the_server_reads_it() {
        let path = guess_path(Some(b"\"$user\", Shop ,\"Odd\"\"Name\""), "ann");
        assert_eq!(path, SearchPath::new(["pg_catalog", "ann", "shop", "Odd\"Name"]));
        assert_eq!(guess_path(Some(b"a, pg_catalog"), "x"), SearchPath::new(["a", "pg_catalog"]));
        assert_eq!(guess_path(None, "x"), SearchPath::default());
    }

    #[test]
    fn pins_name_what_is_wrong() {
        let mut pins = Pins { utf8: true, standard_strings: true };
        assert_eq!(pins.violation(), None);
        pins.note(b"client_encoding", b"LATIN1");
        assert!(pins.violation().unwrap().message.contains("client_encoding"));
        pins.note(b"client_encoding", b"UTF8");
        pins.note(b"standard_conforming_strings", b"off");
        assert!(pins.violation().unwrap().message.contains("standard_conforming_strings"));
    }
}

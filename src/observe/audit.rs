//! The audit: one JSON line for every statement that was refused, or in which a policy changed what was seen.
//!
//! A line says who, when, from where, under which policy and rule, which columns and what became of them. It holds no SQL text and no
//! value; statements are told apart by the fingerprint of their shape.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use metrics::Counter;
use serde::Serialize;

use super::event::{Decision, Event};
use crate::engine::report::{ColumnUse, DdlReport, Outcome};

/// Records that may wait for the writer.
const QUEUE: usize = 8192;

/// How long a record may stay in memory.
const FLUSH: Duration = Duration::from_millis(200);

/// How long a file that could not be opened is left alone.
const RETRY: Duration = Duration::from_secs(1);

/// A policy by name and version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyVersion {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.version`.
    pub version: String,
}

/// Which policies were in force from which epoch on.
#[derive(Debug, Default)]
pub struct PolicyHistory(Mutex<Vec<(u64, Arc<[PolicyVersion]>)>>);

impl PolicyHistory {
    /// How many changes are remembered: more than the queue can be behind.
    const LENGTH: usize = 64;

    /// From `epoch` on, these are in force.
    pub fn add(&self, epoch: u64, policies: Vec<PolicyVersion>) {
        let mut history = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        history.push((epoch, policies.into()));
        if history.len() > Self::LENGTH {
            history.remove(0);
        }
    }

    fn at(&self, epoch: u64) -> Option<Arc<[PolicyVersion]>> {
        let history = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, policies) = history.iter().rev().find(|(from, _)| *from <= epoch)?;
        Some(Arc::clone(policies))
    }
}

/// How many records went where.
#[derive(Debug, Clone)]
pub struct AuditCounters {
    /// Given to the file.
    pub written: Counter,
    /// The queue was full.
    pub dropped: Counter,
    /// The file could not be written.
    pub failed: Counter,
}

/// The end of the queue that statements see.
#[derive(Debug)]
pub struct Audit {
    sender: SyncSender<Message>,
    reopen: Arc<AtomicBool>,
    dropped: Counter,
    writer: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
enum Message {
    Record(Timestamp, Event),
    Stop,
}

impl Audit {
    /// Opens the file for appending (mode 0640 if it is new) and starts the writer.
    ///
    /// # Errors
    /// The file cannot be opened or the thread cannot be started.
    pub fn open(path: &Path, history: Arc<PolicyHistory>, counters: AuditCounters) -> io::Result<Self> {
        let file = open(path)?;
        let (sender, receiver) = sync_channel(QUEUE);
        let reopen = Arc::new(AtomicBool::new(false));
        let dropped = counters.dropped.clone();
        let writer = Writer {
            path: path.to_owned(),
            file: Some(BufWriter::new(file)),
            history,
            counters,
            reopen: Arc::clone(&reopen),
            retry_at: Instant::now(),
            pending: 0,
        };
        let handle = thread::Builder::new().name("audit".to_owned()).spawn(move || writer.run(&receiver))?;
        Ok(Self { sender, reopen, dropped, writer: Mutex::new(Some(handle)) })
    }

    /// Hands an event to the writer if it is one for the audit; drops and counts it if the queue is full.
    pub fn record(&self, event: &Event) {
        if is_relevant(event) && self.sender.try_send(Message::Record(Timestamp::now(), event.clone())).is_err() {
            self.dropped.increment(1);
        }
    }

    /// The file was moved away: opens it anew at the next flush.
    pub fn reopen(&self) {
        self.reopen.store(true, Ordering::Release);
    }

    /// Writes what is in the queue and ends the writer. Blocks until that is done.
    pub fn close(&self) {
        let handle = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(handle) = handle
            && self.sender.send(Message::Stop).is_ok()
        {
            drop(handle.join());
        }
    }
}

/// Refusals, changes of the structure, and statements in which a rule of a policy changed what was seen, or would have in
/// shadow mode. Those who see everything read protected columns all day, and are counted by the metrics; so are system
/// catalogs shown in part.
fn is_relevant(event: &Event) -> bool {
    let mut columns = event.report.statements.iter().flat_map(|statement| &statement.columns);
    let by_policy = |column: &ColumnUse| column.outcome != Outcome::Clear && column.rule.as_deref() != Some("system");
    event.decision == Decision::Deny || !event.report.ddl.is_empty() || columns.any(by_policy)
}

/// Opens for appending. A line that was cut off by a crash or a full disk is ended, so that the next one stands alone.
fn open(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o640).open(path)?;
    let metadata = file.metadata()?;
    let mut last = [b'\n'];
    if metadata.is_file() && metadata.len() > 0 {
        file.read_exact_at(&mut last, metadata.len() - 1)?;
    }
    if last != *b"\n" {
        file.write_all(b"\n")?;
    }
    Ok(file)
}

struct Writer {
    path: PathBuf,
    /// None after a failure, until it can be opened again.
    file: Option<BufWriter<File>>,
    history: Arc<PolicyHistory>,
    counters: AuditCounters,
    reopen: Arc<AtomicBool>,
    /// Not before this moment is it tried again.
    retry_at: Instant,
    /// Records that the buffer holds.
    pending: u64,
}

impl Writer {
    fn run(mut self, queue: &Receiver<Message>) {
        let mut flush_at: Option<Instant> = None;
        loop {
            let wait = flush_at.map_or(FLUSH, |at| at.saturating_duration_since(Instant::now()));
            match queue.recv_timeout(wait) {
                Ok(Message::Record(time, event)) => {
                    self.write(time, &event);
                    flush_at.get_or_insert_with(|| Instant::now() + FLUSH);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => break,
            }
            if flush_at.is_some_and(|at| at <= Instant::now()) {
                self.flush();
                flush_at = None;
            }
            if self.reopen.swap(false, Ordering::Acquire) {
                self.flush();
                self.file = None;
                self.retry_at = Instant::now();
                self.ensure_open();
            }
        }
        self.flush();
    }

    fn ensure_open(&mut self) {
        if self.file.is_none() && self.retry_at <= Instant::now() {
            self.retry_at = Instant::now() + RETRY;
            match open(&self.path) {
                Ok(file) => self.file = Some(BufWriter::new(file)),
                Err(error) => tracing::error!(path = %self.path.display(), %error, "cannot open the audit file"),
            }
        }
    }

    fn write(&mut self, time: Timestamp, event: &Event) {
        let policies = self.history.at(event.epoch);
        let record = Record::new(time, event, policies.as_deref().unwrap_or_default());
        let Ok(mut line) = serde_json::to_vec(&record) else {
            self.counters.failed.increment(1);
            return;
        };
        line.push(b'\n');
        self.ensure_open();
        let Some(file) = &mut self.file else {
            self.counters.failed.increment(1);
            return;
        };
        self.pending += 1;
        if let Err(error) = file.write_all(&line) {
            self.lost(&error);
        }
    }

    fn flush(&mut self) {
        match self.file.as_mut().map_or(Ok(()), io::Write::flush) {
            Ok(()) => self.counters.written.increment(std::mem::take(&mut self.pending)),
            Err(error) => self.lost(&error),
        }
    }

    /// Gives up what the buffer holds: it cannot be known how much of it reached the file.
    fn lost(&mut self, error: &io::Error) {
        tracing::error!(path = %self.path.display(), %error, records = self.pending, "cannot write the audit file");
        self.counters.failed.increment(std::mem::take(&mut self.pending));
        if let Some(file) = self.file.take() {
            // Dropping the buffer as it is would try to write again.
            drop(file.into_parts());
        }
    }
}

/// One line of the audit.
#[derive(Debug, Serialize)]
struct Record<'a> {
    time: String,
    session: u64,
    user: &'a str,
    roles: Vec<&'a str>,
    database: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<&'a str>,
    application: &'a str,
    epoch: u64,
    policies: &'a [PolicyVersion],
    rules: Vec<&'a str>,
    decision: &'static str,
    operations: Vec<&'static str>,
    relations: Vec<String>,
    columns: Vec<Column<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ddl: Vec<Ddl<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unanalysed: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sqlstate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    fingerprints: Vec<String>,
    rows: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_seconds: Option<f64>,
    checked_in_seconds: f64,
}

/// One statement that changes the structure.
#[derive(Debug, Serialize)]
struct Ddl<'a> {
    command: &'a str,
    changes: Vec<Change<'a>>,
}

#[derive(Debug, Serialize)]
struct Change<'a> {
    action: &'a str,
    object: &'a str,
}

impl<'a> Ddl<'a> {
    fn new(ddl: &'a DdlReport) -> Self {
        let changes = ddl.changes.iter().map(|change| Change { action: change.action, object: &change.object });
        Self { command: ddl.command, changes: changes.collect() }
    }
}

#[derive(Debug, Serialize)]
struct Column<'a> {
    schema: &'a str,
    relation: &'a str,
    column: &'a str,
    access: &'static str,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    classification: Option<&'a str>,
}

impl<'a> Column<'a> {
    fn new(used: &'a ColumnUse) -> Self {
        Self {
            schema: &used.schema,
            relation: &used.relation,
            column: &used.name,
            access: used.access.as_str(),
            outcome: used.outcome.as_str(),
            rule: used.rule.as_deref(),
            phase: used.phase,
            classification: used.classification.as_deref(),
        }
    }
}

impl<'a> Record<'a> {
    fn new(time: Timestamp, event: &'a Event, policies: &'a [PolicyVersion]) -> Self {
        let statements = &event.report.statements;
        let used = || statements.iter().flat_map(|statement| &statement.columns);
        let named = statements.iter().flat_map(|statement| &statement.relations);
        Self {
            time: time.to_string(),
            session: event.session,
            user: &event.subject.user,
            roles: event.subject.roles.iter().map(|role| &**role).collect(),
            database: &event.subject.database,
            client_address: event.subject.address.map(|address| address.to_string()),
            certificate: event.subject.certificate.as_deref(),
            application: &event.subject.application,
            epoch: event.epoch,
            policies,
            rules: distinct(used().filter_map(|column| column.rule.as_deref())),
            decision: event.decision.as_str(),
            operations: statements.iter().map(|statement| statement.operation.as_str()).collect(),
            relations: distinct(named.map(|relation| format!("{}.{}", relation.schema, relation.name))),
            columns: used().map(Column::new).collect(),
            ddl: event.report.ddl.iter().map(Ddl::new).collect(),
            unanalysed: statements.iter().filter_map(|statement| statement.unanalysed).collect(),
            sqlstate: event.sqlstate.map(|code| String::from_utf8_lossy(&code).into_owned()),
            message: event.refusal.as_deref().map(|message| safe_message(message, event.sqlstate)),
            fingerprints: statements.iter().map(|statement| format!("{:016x}", statement.fingerprint)).collect(),
            rows: event.rows,
            duration_seconds: event.duration.map(|duration| duration.as_secs_f64()),
            checked_in_seconds: event.checked_in.as_secs_f64(),
        }
    }
}

/// A syntax error quotes the text near which it happened, which may be a literal.
fn safe_message(message: &str, sqlstate: Option<[u8; 5]>) -> &str {
    if sqlstate == Some(*b"42601") { "syntax error" } else { message }
}

fn distinct<T: Ord>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.collect();
    values.sort();
    values.dedup();
    values
}

//! The audit: one JSON line for every statement that was refused, or in which a policy changed what was seen, in a chain of hashes.
//!
//! A line says who, when, from where, under which policy and rule, which columns and what became of them. It holds no SQL text and no
//! value; statements are told apart by the fingerprint of their shape. Sessions hand records to a bounded queue and never wait.

pub mod chain;
pub mod checkpoint;
mod compress;
pub mod files;
mod lines;
mod log;
pub mod record;
mod rotate;
mod shared;
pub mod verify;
mod writer;

use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use jiff::Timestamp;
use metrics::Counter;
use serde::Serialize;

use super::event::{Decision, Event};
use crate::engine::report::{ColumnUse, Outcome, Report};
use crate::model::audit::{AuditSettings, WhenUnwritable};
use crate::policy::subject::Subject;
use chain::Sealer;
use log::Log;
use record::Note;
use shared::Shared;
pub use shared::{Head, QUEUE};
use writer::Writer;

/// SQLSTATE of what is refused because it could not be audited: io_error.
pub const REFUSED: &[u8; 5] = b"58030";

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

    pub(super) fn at(&self, epoch: u64) -> Option<Arc<[PolicyVersion]>> {
        let history = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, policies) = history.iter().rev().find(|(from, _)| *from <= epoch)?;
        Some(Arc::clone(policies))
    }
}

/// How many records went where.
#[derive(Debug, Clone)]
pub struct AuditCounters {
    /// In the file, and on the disk where that is asked for.
    pub written: Counter,
    /// The queue was full.
    pub dropped: Counter,
    /// The file could not be written for so long that the queue was full, or up to the end of the process.
    pub failed: Counter,
    /// Statements, not records: refused because they could not be audited.
    pub refused: Counter,
}

/// How the audit is kept, and the key of its chain.
#[derive(Debug, Clone)]
pub struct AuditOptions {
    /// What the configuration says.
    pub settings: AuditSettings,
    /// How hashes are made.
    pub sealer: Sealer,
}

impl AuditOptions {
    /// The defaults, for a file.
    pub fn of(path: &Path) -> Self {
        Self { settings: AuditSettings::of(path), sealer: Sealer::Plain }
    }
}

/// How the audit is doing.
#[derive(Debug, Clone)]
pub struct AuditStatus {
    /// The last attempt to write has succeeded.
    pub writable: bool,
    /// Statements that have to be audited are refused at present.
    pub refusing: bool,
    /// Records that are not in the file yet.
    pub queued: usize,
    /// When something was last written.
    pub last_write: Option<Timestamp>,
    /// Where the chain stands.
    pub head: Option<Head>,
}

/// The end of the queue that statements see.
#[derive(Debug)]
pub struct Audit {
    sender: Sender<Entry>,
    shared: Arc<Shared>,
    counters: AuditCounters,
    sessions: bool,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// What waits to be written.
#[derive(Debug)]
enum Entry {
    Statement(Timestamp, Box<Event>),
    Session { time: Timestamp, session: u64, subject: Arc<Subject>, began: bool },
    Note(Timestamp, Note),
}

impl Entry {
    fn time(&self) -> Timestamp {
        match self {
            Self::Statement(time, _) | Self::Note(time, _) | Self::Session { time, .. } => *time,
        }
    }

    /// Whether it counts as a record of what somebody did, rather than of the audit itself.
    fn is_record(&self) -> bool {
        !matches!(self, Self::Note(..))
    }
}

impl Audit {
    /// Opens the file for appending (mode 0640 if it is new), writes that the process has started, and starts the writer.
    ///
    /// # Errors
    /// The file cannot be opened or written, or the thread cannot be started.
    pub fn open(options: AuditOptions, history: Arc<PolicyHistory>, counters: AuditCounters) -> io::Result<Self> {
        let AuditOptions { settings, sealer } = options;
        let opened = Log::open(&settings.path, &sealer, None)?;
        let shared = Arc::new(Shared::new(settings.when_unwritable == WhenUnwritable::Refuse));
        let sessions = settings.sessions;
        let mut writer = Writer::new(settings, sealer, opened, history, Arc::clone(&shared), counters.clone());
        writer.begin()?;
        let (sender, receiver) = channel();
        let handle = thread::Builder::new().name("audit".to_owned()).spawn(move || writer.run(&receiver))?;
        Ok(Self { sender, shared, counters, sessions, writer: Mutex::new(Some(handle)) })
    }

    /// Hands an event to the writer if it is one for the audit; drops and counts it if the queue is full.
    pub fn record(&self, event: &Event) {
        if event.decision == Decision::Deny && event.sqlstate.as_ref() == Some(REFUSED) {
            // Whoever tries again and again must not fill the queue; the writer tells how many there were.
            self.shared.refuse();
            self.counters.refused.increment(1);
        } else if event.decision == Decision::Deny || is_audited(&event.report) {
            self.enter(|now| Entry::Statement(now, Box::new(event.clone())));
        }
    }

    /// Whether a statement with this report must not run, because it could not be audited.
    #[inline]
    pub fn refuses(&self, report: &Report) -> bool {
        self.shared.is_closed() && is_audited(report)
    }

    /// A session has begun or ended.
    pub fn session(&self, session: u64, subject: &Arc<Subject>, began: bool) {
        if self.sessions {
            self.enter(|time| Entry::Session { time, session, subject: Arc::clone(subject), began });
        }
    }

    /// Policies and contracts are in force from an epoch on; `digest` is of all their files.
    pub fn policies(&self, epoch: u64, policies: Vec<PolicyVersion>, digest: Option<String>) {
        self.enter(|now| Entry::Note(now, Note::Policies { epoch, policies, digest }));
    }

    fn enter(&self, entry: impl FnOnce(Timestamp) -> Entry) {
        let place = self.shared.enter();
        if place && self.sender.send(entry(Timestamp::now())).is_ok() {
            return;
        }
        if place {
            self.shared.leave();
        }
        self.shared.lose();
        let counters = &self.counters;
        if self.shared.is_writable() { &counters.dropped } else { &counters.failed }.increment(1);
    }

    /// The file was moved away: opens it anew at the next flush.
    pub fn reopen(&self) {
        self.shared.reopen.store(true, Ordering::Release);
    }

    /// How it is doing.
    pub fn status(&self) -> AuditStatus {
        AuditStatus {
            writable: self.shared.is_writable(),
            refusing: self.shared.is_closed(),
            queued: self.shared.queued.load(Ordering::Acquire),
            last_write: self.shared.last_write(),
            head: self.shared.head(),
        }
    }

    /// Writes what is in the queue and ends the writer. Blocks until that is done.
    pub fn close(&self) {
        let handle = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(handle) = handle {
            self.shared.stop.store(true, Ordering::Release);
            drop(handle.join());
        }
    }
}

/// Changes of the structure, and statements in which a rule of a policy changed what was seen, or would have in shadow mode;
/// whatever is refused is audited beside them. Those who see everything read protected columns all day, and are counted by
/// the metrics; so are system catalogs shown in part.
pub fn is_audited(report: &Report) -> bool {
    let mut columns = report.statements.iter().flat_map(|statement| &statement.columns);
    let by_policy = |column: &ColumnUse| column.outcome != Outcome::Clear && column.rule.as_deref() != Some("system");
    !report.ddl.is_empty() || columns.any(by_policy)
}

#[cfg(test)]
mod tests;

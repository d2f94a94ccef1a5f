//! What the proxy reports about one statement after it is over. Recording can neither delay nor change a verdict.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::sessions::{Line, Live, Opened};
use crate::engine::report::Report;
use crate::model::catalog::SearchPath;
use crate::policy::subject::Subject;

/// One text that was judged, and what the server made of it.
#[derive(Debug, Clone)]
pub struct Event {
    /// Who sent it.
    pub subject: Arc<Subject>,
    /// Number of the session, unique in this process.
    pub session: u64,
    /// Epoch of the snapshot that judged it.
    pub epoch: u64,
    /// What was understood of it.
    pub report: Arc<Report>,
    /// What was decided.
    pub decision: Decision,
    /// From forwarding the request to the server's completion; none for a refusal.
    pub duration: Option<Duration>,
    /// Time spent in the engine.
    pub checked_in: Duration,
    /// Rows of the command tag, summed over the statements.
    pub rows: u64,
    /// SQLSTATE of the error that ended it, ours or the server's.
    pub sqlstate: Option<[u8; 5]>,
    /// Message of the refusal, for the audit.
    pub refusal: Option<Arc<str>>,
    /// The span of the application that it belongs to, if the text says so and anybody wants to know.
    pub parent: Option<Arc<TraceParent>>,
}

/// The span that a statement belongs to, from the `traceparent` of a comment in its text (W3C Trace Context).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    /// Trace.
    pub trace: u128,
    /// Span of the application.
    pub span: u64,
    /// Flags; the lowest bit says that the trace is recorded.
    pub flags: u8,
}

/// A statement with everything that it takes to ask the server how it would run it. It holds values: it never leaves the
/// process but for the server that was to have them anyway.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Who runs it.
    pub subject: Arc<Subject>,
    /// Epoch of the snapshot that judged it.
    pub epoch: u64,
    /// What was understood of it.
    pub report: Arc<Report>,
    /// The text that the server has, rewritten if that was necessary.
    pub text: Box<str>,
    /// What is bound to its parameters, if it came in the extended protocol.
    pub bound: Option<Bound>,
    /// Where the session looks names up, as far as that is known.
    pub path: Option<SearchPath>,
}

/// Parameters of the extended protocol, as they came.
#[derive(Debug, Clone)]
pub struct Bound {
    /// Types of the Parse message: an oid of four bytes each, zero or missing where the server finds it out.
    pub types: Box<[u8]>,
    /// The body of the Bind message after its two names.
    pub values: Box<[u8]>,
}

/// The decision on a text: label `decision`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Forwarded as it came.
    Allow,
    /// Forwarded with masks.
    Mask,
    /// Forwarded with a warning about a deprecated column.
    Warn,
    /// Refused.
    Deny,
    /// Forwarded, though a rule in shadow mode would have masked or refused it.
    WouldDeny,
}

impl Decision {
    /// The label value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Mask => "mask",
            Self::Warn => "warn",
            Self::Deny => "deny",
            Self::WouldDeny => "would_deny",
        }
    }
}

/// Takes what the proxy reports. Calls must return at once: they are made on the tasks that serve clients.
pub trait Recorder: Send + Sync + 'static {
    /// A statement is over.
    fn statement(&self, event: &Event);
    /// A session has logged in.
    fn session_opened(&self, subject: &Subject);
    /// A session that had logged in is over.
    fn session_closed(&self, subject: &Subject);
    /// A connection ended before it became a session; `reason` is one of a fixed set of words.
    fn connection_failed(&self, reason: &'static str);
    /// Whether the next run of a text with this report is to be handed to [`Recorder::sample`]. Asked for every statement.
    fn wants_sample(&self, _report: &Report) -> bool {
        false
    }
    /// A statement is about to run, and was wanted.
    fn sample(&self, _sample: Sample) {}
    /// Whether a statement with this report must not run, because it could not be audited. Asked for every statement.
    fn refuses(&self, _report: &Report) -> bool {
        false
    }
    /// A connection to the server is open, with this end of ours; what is returned is dropped when it is closed.
    fn line(&self, _address: SocketAddr) -> Option<Line> {
        None
    }
    /// Where a session that has logged in tells what it is doing, if anybody wants to know; dropped when it is over.
    fn follow(&self, _opened: Opened) -> Option<Arc<Live>> {
        None
    }
    /// A session with this number has begun or ended.
    fn session(&self, _number: u64, _subject: &Arc<Subject>, _began: bool) {}
    /// The span that a text says it belongs to, if spans are recorded. Asked for every text.
    fn parent_of(&self, _sql: &[u8]) -> Option<Arc<TraceParent>> {
        None
    }
}

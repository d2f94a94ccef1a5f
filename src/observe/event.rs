//! What the proxy reports about one statement after it is over. Recording can neither delay nor change a verdict.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::report::Report;
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
}

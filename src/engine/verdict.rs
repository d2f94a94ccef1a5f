//! The answer to one text: what may be sent, or what the client is told.

use std::sync::Arc;

use super::refusal::Refusal;
use super::report::Report;

/// The one answer of `engine::check`.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// Send this.
    Admit(Admitted),
    /// Make the server refuse, and tell the client this.
    Refuse(Refusal),
}

/// Permission to send a text to the server. Only the engine makes one; the upstream writer takes SQL in no other form.
#[derive(Debug, Clone)]
pub struct Admitted {
    text: Option<Arc<str>>,
    /// What the statements do and touch.
    pub report: Arc<Report>,
}

impl Admitted {
    pub(super) fn unchanged(report: Arc<Report>) -> Self {
        Self { text: None, report }
    }

    pub(super) fn rewritten(text: Arc<str>, report: Arc<Report>) -> Self {
        Self { text: Some(text), report }
    }

    /// The text to send instead of the client's; none means: forward the bytes that came.
    pub fn rewritten_text(&self) -> Option<&str> {
        self.text.as_deref()
    }
}

#[cfg(test)]
impl Admitted {
    /// For the tests of the rooms below, which need an engine that answers as told.
    pub(crate) fn for_test(text: Option<&str>, report: Report) -> Self {
        Self { text: text.map(Arc::from), report: Arc::new(report) }
    }
}

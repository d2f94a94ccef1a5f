//! The answer to one text: what may be sent, or what the client is told.

use std::sync::Arc;

use super::refusal::Refusal;
use super::report::Report;
use crate::sql::splice::{self, Placed};

/// The one answer of `engine::check`.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// Send this.
    Admit(Admitted),
    /// Make the server refuse, and tell the client this.
    Refuse(Refusal),
}

impl Verdict {
    /// What was understood of the text.
    pub fn report(&self) -> &Arc<Report> {
        match self {
            Self::Admit(admitted) => &admitted.report,
            Self::Refuse(refusal) => &refusal.report,
        }
    }
}

/// Permission to send a text to the server. Only the engine makes one; the upstream writer takes SQL in no other form.
#[derive(Debug, Clone)]
pub struct Admitted {
    sent: Option<Arc<Rewritten>>,
    /// What the statements do and touch.
    pub report: Arc<Report>,
}

impl Admitted {
    pub(super) fn unchanged(report: Arc<Report>) -> Self {
        Self { sent: None, report }
    }

    pub(super) fn rewritten(text: String, placed: Vec<Placed>, report: Arc<Report>) -> Self {
        Self { sent: Some(Arc::new(Rewritten { text, placed })), report }
    }

    /// The text to send instead of the client's; none means: forward the bytes that came.
    pub fn rewritten_text(&self) -> Option<&str> {
        self.sent.as_ref().map(|sent| sent.text.as_str())
    }

    /// The same, for as long as the server may complain about it.
    pub fn sent_instead(&self) -> Option<&Arc<Rewritten>> {
        self.sent.as_ref()
    }
}

/// A text that is sent instead of the client's.
#[derive(Debug)]
pub struct Rewritten {
    text: String,
    placed: Vec<Placed>,
}

impl Rewritten {
    /// What is sent.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where a character of it, counted from one, stands in the client's text, if the client has written it.
    pub fn client_position(&self, position: usize) -> Option<usize> {
        splice::original_position(&self.text, &self.placed, position)
    }
}

#[cfg(test)]
impl Admitted {
    /// For the tests of the rooms below, which need an engine that answers as told.
    pub(crate) fn for_test(text: Option<&str>, report: Report) -> Self {
        let sent = text.map(|text| Arc::new(Rewritten { text: text.to_owned(), placed: Vec::new() }));
        Self { sent, report: Arc::new(report) }
    }
}

//! What a session tells of itself while it runs, for those who look from outside.

use std::sync::Arc;

use super::judge::Judge;
use super::session::Conversation;
use crate::engine::report::Report;
use crate::observe::sessions::{Live, State};
use crate::wire::backend::Status;

/// Where a session tells what it is doing; nowhere, if nobody wants to know.
#[derive(Debug, Default)]
pub struct Pulse {
    live: Option<Arc<Live>>,
    /// A request is on its way, and has been told of.
    is_active: bool,
    /// Where the statement lies that was told last: it stays there for as long as it is the last one.
    told: usize,
}

impl Pulse {
    /// Tells there from now on.
    pub fn follow(&mut self, live: Option<Arc<Live>>) {
        self.live = live;
    }

    /// This statement has come.
    #[inline]
    fn runs(&mut self, report: &Arc<Report>) {
        let place = Arc::as_ptr(report).addr();
        if place != self.told
            && let Some(live) = &self.live
            && live.runs(report)
        {
            self.told = place;
        }
    }
}

/// The word for a session of which nothing is due.
fn at_rest(status: Status) -> State {
    match status {
        Status::Idle => State::Idle,
        Status::Transaction => State::IdleInTransaction,
        Status::Failed => State::Aborted,
    }
}

impl<J: Judge> Conversation<J> {
    /// This statement is sent to the server, or is refused.
    #[inline]
    pub(super) fn tells(&mut self, report: &Arc<Report>) {
        self.pulse.runs(report);
    }

    /// The client's bytes have been dealt with: something may be on its way now.
    #[inline]
    pub(super) fn tells_begin(&mut self) {
        if self.pulse.is_active || self.dialogue.quiet() {
            return;
        }
        self.pulse.is_active = true;
        let now = self.now();
        if let Some(live) = &self.pulse.live {
            live.begins(self.dialogue.status != Status::Idle, now);
        }
    }

    /// ReadyForQuery came.
    #[inline]
    pub(super) fn tells_ready(&mut self, status: Status) {
        let now = self.now();
        let more = !self.dialogue.quiet();
        self.pulse.is_active = more;
        let Some(live) = &self.pulse.live else { return };
        if more {
            live.begins(status != Status::Idle, now);
        } else {
            live.rests(at_rest(status), now);
        }
    }

    /// COMMIT has succeeded; what follows in the same request is another transaction.
    pub(super) fn tells_commit(&mut self) {
        let now = self.now();
        self.pulse.live.iter().for_each(|live| live.transaction_ends(now));
    }
}

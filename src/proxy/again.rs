//! What a session goes on with although it was judged earlier, under another policy or search path, and how it learns
//! the path. No I/O.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::client_side::Stop;
use super::extended::{Expected, Kind, Portal, Statement};
use super::judge::{Judge, Judged};
use super::outbox::{Gift, Outbox};
use super::session::Conversation;
use crate::engine::check::Protocol;
use crate::engine::refusal::{Refusal, SqlState};
use crate::engine::report::{Operation, Report};
use crate::engine::verdict::{Admitted, Verdict};
use crate::model::catalog::SearchPath;
use crate::wire::backend::Status;
use crate::wire::frontend::Parse;

/// What a prepared statement is looked at for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It is about to run.
    Run,
    /// Only its form is asked for.
    Describe,
}

/// What a statement that was judged under an earlier policy means now.
pub(super) enum Again {
    /// It goes on as it is.
    Unchanged,
    /// It has to be prepared again with another text.
    Changed,
    /// It is refused.
    Refused(Refusal),
    /// The path has to be known first.
    Waits(Stop),
}

impl<J: Judge> Conversation<J> {
    /// A portal that was bound under an earlier policy may run for a governed session only if that makes no difference.
    pub(super) fn portal_is_stale(&mut self, portal: Option<&Portal>) -> Option<Refusal> {
        if !self.judge.governed() {
            return None;
        }
        let Some(Portal { statement }) = portal else {
            let stale = self.cursor_in_sql.is_some_and(|epoch| epoch != self.judge.epoch());
            return stale.then(|| earlier_policy("portal", Arc::default()));
        };
        if statement.judged.epoch == self.judge.epoch() {
            return None;
        }
        let text = Some(&*statement.text).filter(|text| text.len() <= self.judge.statement_limit());
        match self.judge_text(text, Protocol::Extended).0 {
            Verdict::Refuse(refusal) => Some(refusal),
            Verdict::Admit(admitted) if admitted.rewritten_text() == statement.judged.sent_text() => None,
            Verdict::Admit(admitted) => Some(earlier_policy("portal", admitted.report)),
        }
    }

    /// The path that a governed session's statements are judged under.
    pub(super) fn governing_path(&self) -> Option<SearchPath> {
        self.path.clone().filter(|_| self.judge.governed())
    }

    /// Judges the statement of that name again, if the policy or the search path has changed since it was prepared.
    pub(super) fn judge_again(&mut self, name: &[u8], purpose: Purpose, outbox: &mut Outbox<'_, '_>) -> Again {
        let Some(statement) = self.dialogue.statement(name).cloned() else {
            // Prepared by SQL, or not at all.
            let stale = self.prepared_in_sql.is_some_and(|epoch| epoch != self.judge.epoch());
            if !(self.judge.governed() && stale) {
                return Again::Unchanged;
            }
            let refusal = earlier_policy("prepared statement", Arc::default());
            self.judge.refused(&refusal, Duration::ZERO, None);
            return Again::Refused(refusal);
        };
        let lost = |mind: &Self| name.is_empty() && mind.dialogue.unnamed_lost;
        // A verdict on a change of the structure holds for one moment only.
        let anew = purpose == Purpose::Run && statement.judged.report.effects.judged_anew;
        let same_epoch = statement.judged.epoch == self.judge.epoch() && !anew;
        if !lost(self) && same_epoch && statement.path.is_none() {
            return Again::Unchanged;
        }
        if let Some(stop) = self.path_is_due(outbox) {
            return Again::Waits(stop);
        }
        if !lost(self) && same_epoch && statement.path == self.path {
            return Again::Unchanged;
        }
        let text = Some(&*statement.text).filter(|text| text.len() <= self.judge.statement_limit());
        let (verdict, checked_in, now) = self.judge_text(text, Protocol::Extended);
        if let Some(stop) = self.path_matters(&verdict, Protocol::Extended, outbox) {
            return Again::Waits(stop);
        }
        if let Some(stop) = self.session_matters(&verdict, Protocol::Extended, outbox) {
            return Again::Waits(stop);
        }
        let admitted = match verdict {
            Verdict::Refuse(refusal) => {
                self.judge.refused(&refusal, checked_in, None);
                self.forget_known();
                return Again::Refused(refusal);
            }
            Verdict::Admit(admitted) => admitted,
        };
        let judged = Judged::new(&admitted, self.judge.epoch(), checked_in);
        let renewed = Arc::new(Statement {
            text: statement.text.clone(),
            types: statement.types.clone(),
            path: self.governing_path(),
            judged: judged.clone(),
            reported: AtomicBool::new(false),
        });
        if !lost(self) && renewed.judged.sent_text() == statement.judged.sent_text() {
            self.dialogue.renew(name, renewed);
            return Again::Unchanged;
        }
        self.dialogue.batch_open = true;
        // A statement whose table has gone cannot be looked for: the server would plan it anew.
        let temporary = |path: &Option<SearchPath>| path.as_ref().is_some_and(|path| !path.temporary().is_empty());
        let there = !lost(self) && !temporary(&statement.path);
        if there {
            // Where SQL has deallocated the statement, this is the error that the client would have had.
            self.dialogue.expect(Expected::plain(Kind::DescribeOurs));
        }
        if !name.is_empty() {
            self.dialogue.prepare(name, None, Expected::plain(Kind::CloseAgain));
        }
        self.dialogue.prepare(name, Some(renewed), Expected::judged(Kind::ParseAgain, judged, now));
        if there {
            outbox.look_for_statement(name);
        }
        outbox.prepare_again(Parse { name, text: &statement.text, types: &statement.types }, &admitted);
        Again::Changed
    }

    /// A governed session may not run what SQL prepared or opened under an earlier policy; it may let go of it,
    /// and prepare or open others.
    pub(super) fn uses_what_is_stale(&self, sql: &str, admitted: &Admitted) -> Option<Refusal> {
        if !self.judge.governed() {
            return None;
        }
        let epoch = self.judge.epoch();
        let alone = admitted.report.statements.len() == 1;
        let begins = |word: &str| {
            alone && sql.trim_start().get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
        };
        let stale = |made: Option<u64>| made.is_some_and(|made| made != epoch);
        let statements = || stale(self.prepared_in_sql) || self.dialogue.has_stale_statement(epoch, self.path.as_ref());
        let cursors = || stale(self.cursor_in_sql) || self.dialogue.has_stale_portal(epoch);
        admitted
            .report
            .statements
            .iter()
            .find_map(|statement| match statement.operation {
                Operation::Prepare if !begins("deallocate") && !begins("prepare") && statements() => {
                    Some("prepared statement")
                }
                Operation::Cursor if !begins("close") && !begins("declare") && cursors() => Some("cursor"),
                _ => None,
            })
            .map(|what| earlier_policy(what, Arc::clone(&admitted.report)))
    }

    /// Whether a governed session must first learn its search path, and how to go on then. Where it cannot be learned
    /// the statement is judged without, and refused if that matters.
    pub(super) fn path_is_due(&mut self, outbox: &mut Outbox<'_, '_>) -> Option<Stop> {
        if self.dialogue.asking() {
            // To the end of the answer, so that what follows does not depend on how it arrives.
            return Some(Stop::Waits);
        }
        if self.path.is_some() || !self.judge.governed() {
            return None;
        }
        // In the middle of a batch we ask only where it turns out to matter: some statements must be the first of theirs.
        if self.dialogue.skipping || self.dialogue.copy_in || self.dialogue.batch_open {
            return None;
        }
        if std::mem::take(&mut self.question_failed) {
            return None;
        }
        if !self.dialogue.quiet() {
            return Some(Stop::Waits);
        }
        if self.dialogue.status == Status::Failed {
            return None;
        }
        outbox.ask_search_path();
        self.dialogue.unnamed_lost = self.dialogue.statement(b"").is_some();
        self.dialogue.expect(Expected::plain(Kind::Question));
        Some(Stop::Waits)
    }

    /// Whether a verdict may be another one once the search path is known, which can be asked for in the middle of a batch.
    pub(super) fn path_matters(
        &mut self,
        verdict: &Verdict,
        protocol: Protocol,
        outbox: &mut Outbox<'_, '_>,
    ) -> Option<Stop> {
        if self.path.is_some() || !self.judge.governed() || matches!(verdict, Verdict::Admit(_)) {
            return None;
        }
        let within = self.dialogue.batch_open && !self.dialogue.skipping && !self.dialogue.copy_in;
        if !within || self.dialogue.status == Status::Failed || std::mem::take(&mut self.question_failed) {
            return None;
        }
        if protocol == Protocol::Simple && !self.dialogue.batch_executes {
            // The client's own Query is about to end the batch, in which nothing has run. An Execute of ours would begin a
            // transaction in it, which from PostgreSQL 18 on a Query does not end.
            outbox.ask_search_path();
            self.dialogue.batch_open = false;
            self.dialogue.unnamed_lost = self.dialogue.statement(b"").is_some();
            self.dialogue.expect(Expected::plain(Kind::Question));
            return Some(Stop::Waits);
        }
        outbox.ask_search_path_within_batch();
        self.dialogue.asks_within_batch();
        Some(Stop::Waits)
    }
}

impl<J: Judge> Conversation<J> {
    /// Whether a verdict on a change of the structure may be another one once an observed session has been asked where it looks
    /// names up and for its `lock_timeout`, or has been given one; and how to go on then. Where it cannot be asked, it is
    /// judged by what can be guessed.
    pub(super) fn session_matters(
        &mut self,
        verdict: &Verdict,
        protocol: Protocol,
        outbox: &mut Outbox<'_, '_>,
    ) -> Option<Stop> {
        let depends = verdict.report().effects.depends;
        if !depends.on_session || self.judge.governed() || self.known.is_some() {
            return None;
        }
        if self.dialogue.skipping || self.dialogue.copy_in || std::mem::take(&mut self.question_failed) {
            return None;
        }
        let ends_batch = protocol == Protocol::Simple && !self.dialogue.batch_executes;
        let within = self.dialogue.batch_open && !ends_batch;
        if !within && !self.dialogue.batch_open && !self.dialogue.quiet() {
            return Some(Stop::Waits);
        }
        if self.dialogue.status == Status::Failed {
            return None;
        }
        let ends = verdict.report().statements.iter().any(|statement| statement.operation == Operation::Transaction);
        let local = !ends && (within || self.dialogue.status == Status::Transaction);
        self.gives_locally = local;
        let gift = depends.lock_timeout.map(|time| Gift { time, local });
        if within {
            outbox.ask_lock_timeout_within_batch(gift);
            self.dialogue.asks_within_batch();
        } else {
            outbox.ask_lock_timeout(gift);
            self.dialogue.batch_open = false;
            self.dialogue.unnamed_lost = self.dialogue.statement(b"").is_some();
            self.dialogue.expect(Expected::plain(Kind::Question));
        }
        Some(Stop::Waits)
    }

    /// Takes back a `lock_timeout` that we have given for a change of the structure, before anything else runs: what the
    /// client sends behind that waits until it is over.
    pub(super) fn take_back(&mut self, outbox: &mut Outbox<'_, '_>) -> Option<Stop> {
        self.owes.as_ref()?;
        if self.dialogue.batch_open || self.dialogue.skipping || self.dialogue.copy_in {
            return None;
        }
        if !self.dialogue.quiet() {
            return Some(Stop::Waits);
        }
        if self.dialogue.status != Status::Idle {
            return None;
        }
        let given = self.owes.take().filter(|given| given.bytes().all(|byte| byte.is_ascii_alphanumeric()))?;
        outbox.take_back_lock_timeout(&given);
        self.dialogue.unnamed_lost = self.dialogue.statement(b"").is_some();
        self.dialogue.expect(Expected::plain(Kind::TakingBack));
        None
    }
}

fn earlier_policy(what: &str, report: Arc<Report>) -> Refusal {
    Refusal {
        sqlstate: SqlState::ObjectNotInPrerequisiteState,
        message: format!("{what} was made under an earlier policy or search path"),
        detail: Some("What it means now has not been checked.".to_owned()),
        hint: Some("Prepare and run the statement again.".to_owned()),
        position: None,
        report,
    }
}

//! The session's line to the engine: keeps the snapshot and the subject's rules at hand, and reports what happened.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::shared::Collaborators;
use crate::engine::check::{Facts, Moment, Protocol, check_at};
use crate::engine::function_call::check_function_call;
use crate::engine::parameters::check_parameter_types;
use crate::engine::refusal::{Refusal, SqlState};
use crate::engine::report::{Outcome, Report};
use crate::engine::unreadable::{Unreadable, check_unreadable};
use crate::engine::verdict::{Admitted, Rewritten, Verdict};
use crate::model::catalog::SearchPath;
use crate::observe::event::{Bound, Decision, Event, Sample, TraceParent};
use crate::policy::snapshot::Snapshot;
use crate::policy::subject::Subject;
use crate::policy::view::SubjectView;

/// What an admitted text was judged to be, kept until its replies have come.
#[derive(Debug, Clone)]
pub struct Judged {
    /// What was understood.
    pub report: Arc<Report>,
    /// What was decided.
    pub decision: Decision,
    /// Epoch of the snapshot that judged.
    pub epoch: u64,
    /// The text that the server has instead of the client's, if another.
    pub sent: Option<Arc<Rewritten>>,
    /// Time spent in the engine.
    pub checked_in: Duration,
    /// The span that the text says it belongs to.
    pub parent: Option<Arc<TraceParent>>,
}

/// How a judged request ended.
#[derive(Debug, Clone, Copy)]
pub struct Ending {
    /// From forwarding to completion.
    pub duration: Duration,
    /// Rows of the command tags.
    pub rows: u64,
    /// SQLSTATE of an error.
    pub sqlstate: Option<[u8; 5]>,
}

/// Is over when the catalog has been read anew, or will not be.
pub struct Learning(pub Pin<Box<dyn Future<Output = ()> + Send>>);

impl std::fmt::Debug for Learning {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Learning")
    }
}

/// What the conversation asks. A trait, so that the conversation is tested without engine, policy or clock.
pub trait Judge {
    /// Takes over the snapshot in force, if it is another one.
    fn refresh(&mut self);
    /// Epoch of the snapshot that the next verdict comes from.
    fn epoch(&self) -> u64;
    /// Whether a policy protects anything from the subject.
    fn governed(&self) -> bool;
    /// Judges a text.
    fn text(&self, sql: &str, protocol: Protocol, path: Option<&SearchPath>, has_lock_timeout: bool) -> Verdict;
    /// Judges the parameter types of a Parse message, four bytes each.
    fn parameter_types(&self, types: &[u8]) -> Option<Refusal>;
    /// Judges a text that cannot be read.
    fn unreadable(&self, why: Unreadable) -> Verdict;
    /// Judges a FunctionCall.
    fn function_call(&self) -> Verdict;
    /// Why a text that was admitted earlier must not run now, if so: it could not be audited.
    fn unaudited(&self, _report: &Arc<Report>) -> Option<Refusal> {
        None
    }
    /// A request was refused, which belongs to that span.
    fn refused(&self, refusal: &Refusal, checked_in: Duration, parent: Option<Arc<TraceParent>>);
    /// An admitted request is over.
    fn over(&self, judged: &Judged, ending: &Ending);
    /// The structure of the database has changed.
    fn catalog_changed(&self);
    /// Has the catalog read again, because the structure has changed or because something is not known; none where that
    /// cannot be done.
    fn learning(&self, changed: bool) -> Option<Learning>;
    /// The largest text that is judged.
    fn statement_limit(&self) -> usize;
    /// Whether somebody wants to look at the next run of a text with this report.
    fn wants_sample(&self, _report: &Report) -> bool {
        false
    }
    /// A text that was wanted is about to run, in the form that the server has.
    fn sample(&self, _report: &Arc<Report>, _text: &str, _bound: Option<Bound>, _path: Option<&SearchPath>) {}
    /// The span that a text says it belongs to.
    fn parent_of(&self, _text: &[u8]) -> Option<Arc<TraceParent>> {
        None
    }
}

impl Judged {
    /// The text that the server has instead of the client's, if another.
    pub fn sent_text(&self) -> Option<&str> {
        self.sent.as_ref().map(|sent| sent.text())
    }

    /// Of an admitted text.
    pub fn new(admitted: &Admitted, epoch: u64, checked_in: Duration) -> Self {
        Self {
            report: Arc::clone(&admitted.report),
            decision: decision(&admitted.report),
            epoch,
            sent: admitted.sent_instead().cloned(),
            checked_in,
            parent: None,
        }
    }

    /// The same, of a text that touches more than it says itself.
    #[must_use]
    pub fn touching(self, report: Arc<Report>) -> Self {
        Self { decision: decision(&report), report, ..self }
    }

    /// Of what SQL has opened, and the protocol runs.
    pub fn opened_in_sql(report: Arc<Report>, epoch: u64) -> Self {
        Self { decision: decision(&report), report, epoch, sent: None, checked_in: Duration::ZERO, parent: None }
    }

    /// The same, belonging to this span.
    #[must_use]
    pub fn within(self, parent: Option<Arc<TraceParent>>) -> Self {
        Self { parent, ..self }
    }
}

fn decision(report: &Report) -> Decision {
    let mut would = false;
    for column in report.statements.iter().flat_map(|statement| &statement.columns) {
        match column.outcome {
            Outcome::Masked => return Decision::Mask,
            Outcome::WouldMask | Outcome::WouldDeny => would = true,
            Outcome::Clear | Outcome::Denied => {}
        }
    }
    match (report.notices.is_empty(), would) {
        (false, _) => Decision::Warn,
        (true, true) => Decision::WouldDeny,
        (true, false) => Decision::Allow,
    }
}

/// The engine, for one session.
pub struct EngineJudge {
    collaborators: Arc<Collaborators>,
    session: u64,
    subject: Arc<Subject>,
    snapshot: Arc<Snapshot>,
    view: Arc<SubjectView>,
}

impl std::fmt::Debug for EngineJudge {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("EngineJudge").field("session", &self.session).finish_non_exhaustive()
    }
}

impl EngineJudge {
    /// For a subject whose roles are still to be looked up.
    pub fn new(collaborators: Arc<Collaborators>, session: u64, subject: Subject) -> Self {
        let snapshot = collaborators.store.load();
        let subject = with_roles(&snapshot, &Arc::new(subject));
        let view = snapshot.view(&subject);
        Self { collaborators, session, subject, snapshot, view }
    }

    /// Who is served.
    pub fn subject(&self) -> &Arc<Subject> {
        &self.subject
    }

    /// The verdict, unless the text would have to be audited and cannot be: verdicts are remembered, this is not.
    fn audited(&self, verdict: Verdict) -> Verdict {
        match &verdict {
            Verdict::Admit(admitted) => self.unaudited(&admitted.report).map_or(verdict, Verdict::Refuse),
            Verdict::Refuse(_) => verdict,
        }
    }

    fn event(&self, report: &Arc<Report>, decision: Decision, checked_in: Duration) -> Event {
        Event {
            subject: Arc::clone(&self.subject),
            session: self.session,
            epoch: self.snapshot.epoch,
            report: Arc::clone(report),
            decision,
            duration: None,
            checked_in,
            rows: 0,
            sqlstate: None,
            refusal: None,
            parent: None,
        }
    }
}

/// Where the audit cannot be written, and nothing may happen without it.
fn unaudited(report: Arc<Report>) -> Refusal {
    Refusal {
        sqlstate: SqlState::IoError,
        message: "could not write the audit record of this statement".to_owned(),
        detail: Some("What a policy is about does not run without an audit.".to_owned()),
        hint: Some("Try again when the audit of the proxy can be written; its operators are told.".to_owned()),
        position: None,
        report,
    }
}

/// The subject with the memberships that the catalog knows.
fn with_roles(snapshot: &Snapshot, subject: &Arc<Subject>) -> Arc<Subject> {
    let known = snapshot.database(&subject.database).and_then(|database| database.catalog.roles.get(&subject.user));
    let mut roles: BTreeSet<Box<str>> = known.map(|role| role.member_of.clone()).unwrap_or_default();
    roles.insert(subject.user.clone());
    if roles == subject.roles {
        return Arc::clone(subject);
    }
    Arc::new(Subject { roles, ..Subject::clone(subject) })
}

impl Judge for EngineJudge {
    #[inline]
    fn refresh(&mut self) {
        if self.collaborators.store.epoch() == self.snapshot.epoch {
            return;
        }
        self.snapshot = self.collaborators.store.load();
        self.subject = with_roles(&self.snapshot, &self.subject);
        self.view = self.snapshot.view(&self.subject);
    }

    fn epoch(&self) -> u64 {
        self.snapshot.epoch
    }

    fn governed(&self) -> bool {
        self.view.governed
    }

    fn text(&self, sql: &str, protocol: Protocol, path: Option<&SearchPath>, has_lock_timeout: bool) -> Verdict {
        let facts = Facts { database: &self.subject.database, view: &self.view, search_path: path, protocol };
        let verdict = self.collaborators.cache.check(&self.snapshot, &facts, sql);
        if !verdict.report().effects.judged_anew {
            return self.audited(verdict);
        }
        self.audited(check_at(&self.snapshot, &facts, Moment { now: Timestamp::now(), has_lock_timeout }, sql))
    }

    fn parameter_types(&self, types: &[u8]) -> Option<Refusal> {
        let oids = types.chunks_exact(4).filter_map(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
        let database = self.snapshot.database(&self.subject.database);
        check_parameter_types(&self.view, database.map(|database| &*database.catalog), oids)
    }

    fn unreadable(&self, why: Unreadable) -> Verdict {
        self.audited(check_unreadable(&self.view, why))
    }

    fn function_call(&self) -> Verdict {
        self.audited(check_function_call(&self.view))
    }

    #[inline]
    fn unaudited(&self, report: &Arc<Report>) -> Option<Refusal> {
        self.collaborators.recorder.refuses(report).then(|| unaudited(Arc::clone(report)))
    }

    fn refused(&self, refusal: &Refusal, checked_in: Duration, parent: Option<Arc<TraceParent>>) {
        let mut event = self.event(&refusal.report, Decision::Deny, checked_in);
        event.sqlstate = refusal.sqlstate.code().as_bytes().try_into().ok();
        event.refusal = Some(Arc::from(refusal.message.as_str()));
        event.parent = parent;
        self.collaborators.recorder.statement(&event);
    }

    fn over(&self, judged: &Judged, ending: &Ending) {
        let mut event = self.event(&judged.report, judged.decision, judged.checked_in);
        event.epoch = judged.epoch;
        event.duration = Some(ending.duration);
        event.rows = ending.rows;
        event.sqlstate = ending.sqlstate;
        event.parent.clone_from(&judged.parent);
        self.collaborators.recorder.statement(&event);
    }

    fn catalog_changed(&self) {
        self.collaborators.keeper.changed(&self.subject.database);
    }

    fn learning(&self, changed: bool) -> Option<Learning> {
        let read = self.collaborators.keeper.read_from_now(&self.subject.database, changed)?;
        Some(Learning(Box::pin(read)))
    }

    fn statement_limit(&self) -> usize {
        self.collaborators.config.limits.statement_bytes
    }

    #[inline]
    fn wants_sample(&self, report: &Report) -> bool {
        self.collaborators.recorder.wants_sample(report)
    }

    fn sample(&self, report: &Arc<Report>, text: &str, bound: Option<Bound>, path: Option<&SearchPath>) {
        self.collaborators.recorder.sample(Sample {
            subject: Arc::clone(&self.subject),
            epoch: self.snapshot.epoch,
            report: Arc::clone(report),
            text: text.into(),
            bound,
            path: path.cloned(),
        });
    }

    #[inline]
    fn parent_of(&self, text: &[u8]) -> Option<Arc<TraceParent>> {
        self.collaborators.recorder.parent_of(text)
    }
}

/// A verdict and the time that it took.
pub fn timed(ask: impl FnOnce() -> Verdict) -> (Verdict, Duration, Instant) {
    let before = Instant::now();
    let verdict = ask();
    let after = Instant::now();
    (verdict, after.duration_since(before), after)
}

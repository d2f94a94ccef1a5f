//! What one session is in the middle of: an ordered queue of the replies that are due, its prepared statements and its
//! portals. No I/O. Statements and portals are entered when the request is forwarded, so that a pipeline can refer to
//! them, and taken back when the server turns the request down.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::judge::{Ending, Judge, Judged};
use crate::engine::refusal::Refusal;
use crate::engine::report::Report;
use crate::engine::verdict::Rewritten;
use crate::model::catalog::SearchPath;
use crate::wire::backend::Status;

type Map<V> = HashMap<Box<[u8]>, V, foldhash::fast::RandomState>;

/// Bytes of a name that count for the server: longer names mean the same as their beginning.
const NAME: usize = 63;

/// Bytes of texts that are kept of one session's statements. What is prepared beyond is not remembered: it runs, but
/// under another policy it would have to be prepared again.
const MAX_KEPT: usize = 32 << 20;

fn key(name: &[u8]) -> &[u8] {
    name.get(..NAME).unwrap_or(name)
}

/// A prepared statement of the protocol level.
#[derive(Debug)]
pub struct Statement {
    /// The client's own text.
    pub text: Box<[u8]>,
    /// Its parameter types as they came.
    pub types: Box<[u8]>,
    /// The effective search path that it was judged under, in a governed session: the server looks names up again when
    /// the path changes.
    pub path: Option<SearchPath>,
    /// What it was judged to be, and when.
    pub judged: Judged,
    /// The time that judging took was reported with an execution: it is spent once, however often the statement runs.
    pub reported: AtomicBool,
}

impl Statement {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.text.len() + self.types.len() + self.judged.sent_text().map_or(0, str::len)
    }
}

/// What a portal runs.
#[derive(Debug, Clone)]
pub struct Portal {
    /// The statement at the time of Bind.
    pub statement: Arc<Statement>,
}

/// What a due reply answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Query: anything, up to ReadyForQuery.
    Query,
    /// FunctionCall: a response or an error, and ReadyForQuery.
    FunctionCall,
    /// Parse.
    Parse,
    /// Bind.
    Bind,
    /// Describe.
    Describe,
    /// Execute.
    Execute,
    /// Close.
    Close,
    /// Sync: ReadyForQuery.
    Sync,
    /// CopyDone or CopyFail outside a copy that is known to run: answered by nothing.
    CopyEnd,
    /// A Parse of our own; the client does not hear of it unless it fails.
    ParseAgain,
    /// A Bind of our own.
    BindOurs,
    /// A Describe of our own, of a prepared statement.
    DescribeOurs,
    /// A Close of our own.
    CloseAgain,
    /// Our own question for the search path.
    Question,
    /// The same question within a batch: the Execute of it.
    QuestionWithin,
    /// A Query of ours that takes a setting back; nobody needs its answer.
    TakingBack,
}

/// One due reply.
#[derive(Debug)]
pub struct Expected {
    /// To what.
    pub kind: Kind,
    /// The request was poisoned, and this is what the client is told.
    pub refusal: Option<Box<Refusal>>,
    /// What it was judged to be, where there is a text behind it.
    pub judged: Option<Judged>,
    /// When it was forwarded.
    pub sent: Option<Instant>,
    /// Rows counted so far.
    pub rows: u64,
    /// SQLSTATE of the error that ended it.
    pub sqlstate: Option<[u8; 5]>,
    /// The client has had the warnings about changes of the structure.
    pub cautioned: bool,
    undo: Undo,
}

/// How to take back what was entered for a request that did not succeed.
#[derive(Debug)]
enum Undo {
    Nothing,
    Statement(Box<[u8]>, Option<Arc<Statement>>),
    Portal(Box<[u8]>, Option<Portal>),
}

impl Expected {
    /// A reply without anything behind it.
    pub fn plain(kind: Kind) -> Self {
        Self {
            kind,
            refusal: None,
            judged: None,
            sent: None,
            rows: 0,
            sqlstate: None,
            cautioned: false,
            undo: Undo::Nothing,
        }
    }

    /// A reply to a request with a judged text.
    pub fn judged(kind: Kind, judged: Judged, sent: Instant) -> Self {
        Self { judged: Some(judged), sent: Some(sent), ..Self::plain(kind) }
    }

    /// The error of a poisoned request.
    pub fn refused(kind: Kind, refusal: Refusal) -> Self {
        Self { refusal: Some(Box::new(refusal)), ..Self::plain(kind) }
    }

    /// The text that the server has instead of the client's, if another.
    pub fn sent_instead(&self) -> Option<&Rewritten> {
        self.judged.as_ref()?.sent.as_deref()
    }

    /// Reports the end of a judged request, which came at that moment.
    pub fn report(&self, judge: &impl Judge, now: Instant) {
        if let (Some(judged), Some(sent)) = (&self.judged, self.sent) {
            let duration = now.saturating_duration_since(sent);
            judge.over(judged, &Ending { duration, rows: self.rows, sqlstate: self.sqlstate });
        }
    }
}

/// The state of a session's dialogue with the server.
#[derive(Debug)]
pub struct Dialogue {
    queue: VecDeque<Expected>,
    /// The server discards everything up to a Sync that the client has not sent yet.
    pub skipping: bool,
    /// The server reads copy data, and the client has not ended them.
    pub copy_in: bool,
    /// Messages of the extended protocol were sent since the last Sync: a Query would commit what they did.
    pub batch_open: bool,
    /// An Execute is among them: the server has begun a transaction that lasts until the Sync.
    pub batch_executes: bool,
    /// Status of the last ReadyForQuery.
    pub status: Status,
    statements: Map<Arc<Statement>>,
    /// Bytes that the named statements take.
    kept: usize,
    unnamed: Option<Arc<Statement>>,
    /// A question of ours has cost the server its unnamed statement, as any Query does; the client does not know.
    pub unnamed_lost: bool,
    portals: Map<Portal>,
    unnamed_portal: Option<Portal>,
}

impl Dialogue {
    /// Right after login.
    pub fn new(status: Status) -> Self {
        Self {
            queue: VecDeque::new(),
            skipping: false,
            copy_in: false,
            batch_open: false,
            batch_executes: false,
            status,
            statements: Map::default(),
            kept: 0,
            unnamed: None,
            unnamed_lost: false,
            portals: Map::default(),
            unnamed_portal: None,
        }
    }

    /// Nothing is due and no request is half done.
    #[inline]
    pub fn quiet(&self) -> bool {
        self.queue.is_empty() && !self.skipping && !self.copy_in && !self.batch_open
    }

    /// Nothing that is due makes, runs or drops anything.
    pub fn nothing_runs(&self) -> bool {
        self.queue.iter().all(|expected| matches!(expected.kind, Kind::Sync | Kind::Describe | Kind::CopyEnd))
    }

    /// Whether the end of a text with this report is due.
    pub fn is_due(&self, report: &Arc<Report>) -> bool {
        let is_this =
            |expected: &Expected| expected.judged.as_ref().is_some_and(|judged| Arc::ptr_eq(&judged.report, report));
        self.queue.iter().any(is_this)
    }

    /// How many replies are due.
    #[inline]
    pub fn due(&self) -> usize {
        self.queue.len()
    }

    /// Whether a question of ours is under way.
    pub fn asking(&self) -> bool {
        self.queue.iter().any(|expected| matches!(expected.kind, Kind::Question | Kind::QuestionWithin))
    }

    /// A question of ours was sent within a batch.
    pub fn asks_within_batch(&mut self) {
        use Kind::{BindOurs, CloseAgain, ParseAgain, QuestionWithin};
        for kind in [ParseAgain, BindOurs, QuestionWithin, CloseAgain, CloseAgain] {
            self.expect(Expected::plain(kind));
        }
    }

    /// A request was forwarded.
    #[inline]
    pub fn expect(&mut self, expected: Expected) {
        // While the server discards, nothing is answered.
        if !self.skipping {
            self.queue.push_back(expected);
        }
    }

    /// A Query was forwarded, which costs the server its unnamed statement whatever becomes of the Query.
    pub fn expect_query(&mut self, expected: Expected) {
        if !self.skipping {
            self.batch_open = false;
            self.batch_executes = false;
        }
        self.prepare(b"", None, expected);
    }

    /// What the next reply belongs to.
    #[inline]
    pub fn front_kind(&self) -> Option<Kind> {
        self.queue.front().map(|expected| expected.kind)
    }

    /// The entry that the next reply belongs to.
    #[inline]
    pub fn front(&mut self) -> Option<&mut Expected> {
        self.queue.front_mut()
    }

    /// The next reply has come in full.
    #[inline]
    pub fn pop(&mut self) -> Option<Expected> {
        self.queue.pop_front()
    }

    /// Ends of copies that the server had no use for are answered by nothing.
    #[inline]
    pub fn forget_copy_ends(&mut self) {
        while self.front_kind() == Some(Kind::CopyEnd) {
            self.queue.pop_front();
        }
    }

    /// A Sync was forwarded. While the server reads copy data it ignores it.
    pub fn sync(&mut self) {
        if !self.copy_in {
            self.skipping = false;
            self.batch_open = false;
            self.batch_executes = false;
            self.queue.push_back(Expected::plain(Kind::Sync));
        }
    }

    /// CopyDone or CopyFail was forwarded.
    pub fn copy_end(&mut self) {
        if self.copy_in {
            self.copy_in = false;
        } else if !self.queue.is_empty() {
            self.expect(Expected::plain(Kind::CopyEnd));
        }
    }

    /// CopyInResponse: the server now reads copy data. It ignores the Syncs that the client sent ahead of them, and
    /// fails at any other message. Returns whether the client had sent such a one.
    pub fn copy_begins(&mut self) -> bool {
        self.copy_in = true;
        // What was sent after the copy itself, in front.
        let after = 1;
        while let Some(kind) = self.queue.get(after).map(|expected| expected.kind) {
            match kind {
                Kind::Sync => {
                    self.queue.remove(after);
                    self.batch_open = true;
                }
                Kind::CopyEnd => {
                    self.queue.remove(after);
                    self.copy_in = false;
                    break;
                }
                _ => return false,
            }
        }
        true
    }

    /// An error came for the entry in front. In the extended protocol the server skips to the next Sync: what was
    /// entered for the skipped requests is taken back.
    pub fn fail(&mut self, sqlstate: Option<[u8; 5]>, judge: &impl Judge, now: Instant) {
        self.copy_in = false;
        let Some(front) = self.queue.front_mut() else { return };
        front.sqlstate = sqlstate;
        match front.kind {
            Kind::Query | Kind::FunctionCall | Kind::Sync | Kind::Question | Kind::TakingBack | Kind::CopyEnd => return,
            Kind::Parse
            | Kind::Bind
            | Kind::Describe
            | Kind::Execute
            | Kind::Close
            | Kind::ParseAgain
            | Kind::BindOurs
            | Kind::DescribeOurs
            | Kind::CloseAgain
            | Kind::QuestionWithin => {}
        }
        if front.refusal.is_none() {
            front.report(judge, now);
        }
        let drops_unnamed = front.kind == Kind::Parse;
        let until = self.queue.iter().position(|expected| expected.kind == Kind::Sync);
        self.skipping = until.is_none();
        let skipped: Vec<Expected> = self.queue.drain(..until.unwrap_or(self.queue.len())).collect();
        let failed_unnamed = drops_unnamed
            && skipped.first().is_some_and(|first| matches!(&first.undo, Undo::Statement(name, _) if name.is_empty()));
        for expected in skipped.into_iter().rev() {
            match expected.undo {
                Undo::Nothing => {}
                Undo::Statement(name, previous) => self.set_statement(name, previous),
                Undo::Portal(name, previous) => self.set_portal(name, previous),
            }
        }
        if failed_unnamed {
            // The server lets the old unnamed statement go before it reads the new text.
            self.unnamed = None;
        }
    }

    /// ReadyForQuery came: returns the entry that it ends.
    pub fn ready(&mut self, status: Status) -> Option<Expected> {
        self.status = status;
        if status == Status::Idle && !(self.portals.is_empty() && self.unnamed_portal.is_none()) {
            self.unnamed_portal = None;
            self.portals.clear();
        }
        while let Some(expected) = self.queue.pop_front() {
            match expected.kind {
                Kind::Query | Kind::FunctionCall | Kind::Sync | Kind::Question | Kind::TakingBack => {
                    self.forget_copy_ends();
                    return Some(expected);
                }
                Kind::Parse
                | Kind::Bind
                | Kind::Describe
                | Kind::Execute
                | Kind::Close
                | Kind::ParseAgain
                | Kind::BindOurs
                | Kind::DescribeOurs
                | Kind::CloseAgain
                | Kind::QuestionWithin
                | Kind::CopyEnd => {}
            }
        }
        None
    }

    /// The prepared statement of that name, as it will be when the server comes to the next message.
    #[inline]
    pub fn statement(&self, name: &[u8]) -> Option<&Arc<Statement>> {
        if name.is_empty() { self.unnamed.as_ref() } else { self.statements.get(key(name)) }
    }

    /// The portal of that name.
    #[inline]
    pub fn portal(&self, name: &[u8]) -> Option<&Portal> {
        if name.is_empty() { self.unnamed_portal.as_ref() } else { self.portals.get(key(name)) }
    }

    /// Whether a statement of this size can be remembered.
    pub fn has_room_for(&self, statement: &Statement) -> bool {
        self.kept + statement.bytes() <= MAX_KEPT
    }

    /// Whether a named statement was judged under another policy or search path: SQL can run it by its name. Temporary tables
    /// make no difference to it, for every name of a relation in it has its schema.
    pub fn has_stale_statement(&self, epoch: u64, path: Option<&SearchPath>) -> bool {
        let same = |judged: Option<&SearchPath>| match (judged, path) {
            (Some(judged), Some(now)) => judged.lasting().eq(now.lasting()),
            (judged, now) => judged == now,
        };
        self.statements.values().any(|statement| statement.judged.epoch != epoch || !same(statement.path.as_ref()))
    }

    /// Whether a portal was bound under another policy: SQL can fetch from it by its name.
    pub fn has_stale_portal(&self, epoch: u64) -> bool {
        self.portals.values().any(|portal| portal.statement.judged.epoch != epoch)
    }

    /// Enters a statement and the reply that will confirm it.
    pub fn prepare(&mut self, name: &[u8], statement: Option<Arc<Statement>>, mut expected: Expected) {
        if self.skipping {
            return;
        }
        let previous = self.swap_statement(name, statement);
        expected.undo = Undo::Statement(name.into(), previous);
        self.queue.push_back(expected);
    }

    /// Enters a portal and the reply that will confirm it.
    pub fn bind(&mut self, name: &[u8], portal: Option<Portal>, mut expected: Expected) {
        if self.skipping {
            return;
        }
        let previous = if name.is_empty() {
            std::mem::replace(&mut self.unnamed_portal, portal)
        } else {
            match portal {
                Some(portal) => self.portals.insert(key(name).into(), portal),
                None => self.portals.remove(key(name)),
            }
        };
        expected.undo = Undo::Portal(name.into(), previous);
        self.queue.push_back(expected);
    }

    /// A statement was judged again, with the same text to send.
    pub fn renew(&mut self, name: &[u8], statement: Arc<Statement>) {
        self.swap_statement(name, Some(statement));
    }

    /// The server has dropped all prepared statements.
    pub fn forget_statements(&mut self) {
        self.statements.clear();
        self.kept = 0;
        self.unnamed = None;
    }

    fn swap_statement(&mut self, name: &[u8], statement: Option<Arc<Statement>>) -> Option<Arc<Statement>> {
        if name.is_empty() {
            self.unnamed_lost = false;
            return std::mem::replace(&mut self.unnamed, statement);
        }
        self.kept += statement.as_ref().map_or(0, |statement| statement.bytes());
        let previous = match statement {
            Some(statement) => self.statements.insert(key(name).into(), statement),
            None => self.statements.remove(key(name)),
        };
        self.kept -= previous.as_ref().map_or(0, |statement| statement.bytes());
        previous
    }

    fn set_statement(&mut self, name: Box<[u8]>, statement: Option<Arc<Statement>>) {
        self.swap_statement(&name, statement);
    }

    fn set_portal(&mut self, name: Box<[u8]>, portal: Option<Portal>) {
        if name.is_empty() {
            self.unnamed_portal = portal;
        } else if let Some(portal) = portal {
            self.portals.insert(key(&name).into(), portal);
        } else {
            self.portals.remove(key(&name));
        }
    }
}

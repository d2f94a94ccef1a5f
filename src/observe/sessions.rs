//! Sessions that are open: what each is doing, since when, and in which statement.
//!
//! A session tells by storing into its own [`Live`], which nobody else writes to: two stores when a request goes out, one
//! when the server is ready again. Everything else is done when somebody asks.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use dashmap::{DashMap, DashSet};
use jiff::Timestamp;

use super::shapes::shape::Form;
use crate::engine::report::Report;
use crate::model::bypass::Held;
use crate::policy::subject::Subject;

/// What a session is doing, in the words of `pg_stat_activity`: label `state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// The server is at work for it, or waits for more of a request.
    Active,
    /// It waits for the client, outside of a transaction.
    Idle,
    /// It waits for the client, and a transaction is open.
    IdleInTransaction,
    /// The same, and the transaction has failed.
    Aborted,
}

impl State {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Active, Self::Idle, Self::IdleInTransaction, Self::Aborted];

    /// PostgreSQL's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Idle => "idle",
            Self::IdleInTransaction => "idle in transaction",
            Self::Aborted => "idle in transaction (aborted)",
        }
    }

    const fn number(self) -> u64 {
        match self {
            Self::Active => 0,
            Self::Idle => 1,
            Self::IdleInTransaction => 2,
            Self::Aborted => 3,
        }
    }

    fn of(number: u64) -> Self {
        Self::ALL.into_iter().find(|state| state.number() == number).unwrap_or(Self::Active)
    }
}

/// Bits of a state beside the time at which it began.
const STATE_BITS: u32 = 2;

/// No transaction has begun yet.
const NONE: u64 = u64::MAX;

/// A session that has logged in.
#[derive(Debug, Clone)]
pub struct Opened {
    /// Its number, unique in this process.
    pub number: u64,
    /// Who it is.
    pub subject: Arc<Subject>,
    /// Process number of the server's backend, as the server has told it.
    pub backend: Option<u32>,
}

/// An open session. It is listed for as long as somebody holds it.
#[derive(Debug)]
pub struct Live {
    opened: Opened,
    began: Instant,
    /// State, and when it began: nanoseconds since the list was begun.
    state: AtomicU64,
    /// When the transaction began; it says nothing while the session is idle.
    transaction: AtomicU64,
    /// What runs, or came last. Only who looks waits for the lock, which is cheaper than a pointer that is swapped: that
    /// would have to ask all threads whether they read it.
    statement: Mutex<Option<Arc<Report>>>,
    list: Arc<List>,
}

#[derive(Debug)]
struct List {
    began: Instant,
    sessions: DashMap<u64, Weak<Live>, foldhash::fast::RandomState>,
    lines: DashSet<SocketAddr, foldhash::fast::RandomState>,
}

impl Live {
    /// A request goes to the server; outside of a transaction, one begins with it.
    #[inline]
    pub fn begins(&self, in_transaction: bool, now: Instant) {
        let at = self.list.nanos(now);
        if !in_transaction {
            self.transaction.store(at, Ordering::Relaxed);
        }
        self.state.store(at << STATE_BITS | State::Active.number(), Ordering::Release);
    }

    /// The server is ready for the next request, and there is none.
    #[inline]
    pub fn rests(&self, state: State, now: Instant) {
        self.state.store(self.list.nanos(now) << STATE_BITS | state.number(), Ordering::Release);
    }

    /// The transaction is over within a request: what follows belongs to another one.
    pub fn transaction_ends(&self, now: Instant) {
        self.transaction.store(self.list.nanos(now), Ordering::Relaxed);
    }

    /// This statement is sent to the server, or is refused. Returns whether that could be told: not while somebody looks.
    #[inline]
    pub fn runs(&self, report: &Arc<Report>) -> bool {
        let Ok(mut place) = self.statement.try_lock() else { return false };
        let before = place.replace(Arc::clone(report));
        drop(place);
        // It may be the last one to hold it, and whoever looks shall not wait for that.
        drop(before);
        true
    }

    fn statement(&self) -> Option<Arc<Report>> {
        self.statement.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn look(&self, now: Instant) -> Snapshot {
        let (state, at) = {
            let both = self.state.load(Ordering::Acquire);
            (State::of(both & ((1 << STATE_BITS) - 1)), both >> STATE_BITS)
        };
        let transaction = self.transaction.load(Ordering::Relaxed);
        let is_open = state != State::Idle && transaction != NONE;
        let passed = |since: u64| Duration::from_nanos(self.list.nanos(now).saturating_sub(since));
        Snapshot {
            number: self.opened.number,
            subject: Arc::clone(&self.opened.subject),
            backend: self.opened.backend,
            state,
            in_state: passed(at),
            in_transaction: is_open.then(|| passed(transaction)),
            connected: now.saturating_duration_since(self.began),
            statement: self.statement().as_deref().and_then(Statement::of),
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.list.sessions.remove(&self.opened.number);
    }
}

impl List {
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "enough for centuries")]
    fn nanos(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.began).as_nanos() as u64
    }
}

/// A connection to the server: our end of it.
#[derive(Debug)]
pub struct Line {
    address: SocketAddr,
    list: Arc<List>,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.list.lines.remove(&self.address);
    }
}

/// An address of version 4 as such, however the socket has it.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// All sessions that are open.
#[derive(Debug, Clone)]
pub struct Sessions(Arc<List>);

impl Default for Sessions {
    fn default() -> Self {
        Self(Arc::new(List { began: Instant::now(), sessions: DashMap::default(), lines: DashSet::default() }))
    }
}

impl Sessions {
    /// Lists a session, idle from now on, until what is returned is dropped.
    pub fn open(&self, opened: Opened) -> Arc<Live> {
        let began = Instant::now();
        let number = opened.number;
        let live = Arc::new(Live {
            opened,
            began,
            state: AtomicU64::new(self.0.nanos(began) << STATE_BITS | State::Idle.number()),
            transaction: AtomicU64::new(NONE),
            statement: Mutex::default(),
            list: Arc::clone(&self.0),
        });
        self.0.sessions.insert(number, Arc::downgrade(&live));
        live
    }

    /// All of them. They are held only once the list is not: the last one to hold a session takes it off the list.
    fn held(&self) -> Vec<Arc<Live>> {
        self.0.sessions.iter().filter_map(|entry| entry.value().upgrade()).collect()
    }

    /// What each is doing, in no order.
    pub fn overview(&self) -> Overview {
        let held = self.held();
        let now = Instant::now();
        Overview { at: Timestamp::now(), sessions: held.iter().map(|live| live.look(now)).collect() }
    }

    /// Who is in which state.
    pub(super) fn states(&self, mut each: impl FnMut(&Subject, State)) {
        for live in self.held() {
            let number = live.state.load(Ordering::Relaxed) & ((1 << STATE_BITS) - 1);
            each(&live.opened.subject, State::of(number));
        }
    }

    /// Lists a connection to the server, with or without a session yet, until what is returned is dropped.
    pub fn line(&self, address: SocketAddr) -> Line {
        let address = canonical(address);
        self.0.lines.insert(address);
        Line { address, list: Arc::clone(&self.0) }
    }

    /// What the server can know our connections by.
    pub fn held_at_server(&self) -> Held {
        Held {
            backends: self.held().iter().filter_map(|live| live.opened.backend).collect(),
            addresses: self.0.lines.iter().map(|line| *line).collect(),
        }
    }
}

/// All sessions at one moment.
#[derive(Debug)]
pub struct Overview {
    /// The moment.
    pub at: Timestamp,
    /// The sessions.
    pub sessions: Vec<Snapshot>,
}

/// One session at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Its number, as in the audit.
    pub number: u64,
    /// Who it is.
    pub subject: Arc<Subject>,
    /// Process number of the server's backend.
    pub backend: Option<u32>,
    /// What it is doing.
    pub state: State,
    /// For how long.
    pub in_state: Duration,
    /// For how long its transaction has been open.
    pub in_transaction: Option<Duration>,
    /// For how long it has been logged in.
    pub connected: Duration,
    /// What runs, or came last.
    pub statement: Option<Statement>,
}

/// A statement without its literals.
#[derive(Debug, Clone)]
pub struct Statement {
    /// As in the audit and at `/api/v1/shapes`.
    pub fingerprint: u64,
    /// The verb, or `multiple`.
    pub operation: &'static str,
    /// The normalised text.
    pub text: Arc<str>,
}

impl Statement {
    fn of(report: &Report) -> Option<Self> {
        let Form { fingerprint, text, operation, single, .. } = Form::of(report)?;
        Some(Self { fingerprint, text, operation: if single { operation.as_str() } else { "multiple" } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(sessions: &Sessions, number: u64) -> Arc<Live> {
        sessions.open(Opened { number, subject: Arc::default(), backend: Some(7) })
    }

    fn only(sessions: &Sessions) -> Snapshot {
        let mut all = sessions.overview().sessions;
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    #[test]
    fn a_session_is_listed_while_it_is_held() {
        let sessions = Sessions::default();
        let (one, other) = (open(&sessions, 1), open(&sessions, 2));
        assert_eq!(sessions.overview().sessions.len(), 2);
        drop(one);
        assert_eq!(only(&sessions).number, 2);
        drop(other);
        assert!(sessions.overview().sessions.is_empty() && sessions.0.sessions.is_empty());
    }

    #[test]
    fn a_transaction_lasts_from_its_first_request_until_the_session_is_idle() {
        let sessions = Sessions::default();
        let live = open(&sessions, 1);
        assert_eq!((only(&sessions).state, only(&sessions).in_transaction), (State::Idle, None));
        let began = Instant::now();
        let later = |seconds| began + Duration::from_secs(seconds);
        let at = |seconds| live.look(later(seconds));
        live.begins(false, began);
        live.rests(State::IdleInTransaction, later(1));
        live.begins(true, later(5));
        let snapshot = at(6);
        assert_eq!((snapshot.state, snapshot.in_state.as_secs()), (State::Active, 1));
        assert_eq!(snapshot.in_transaction.map(|time| time.as_secs()), Some(6));
        live.rests(State::Aborted, later(7));
        assert_eq!(at(9).in_transaction.map(|time| time.as_secs()), Some(9));
        live.transaction_ends(later(8));
        assert_eq!(at(9).in_transaction.map(|time| time.as_secs()), Some(1));
        live.rests(State::Idle, later(10));
        assert_eq!((at(11).state, at(11).in_transaction), (State::Idle, None));
    }

    #[test]
    fn a_connection_is_ours_before_and_after_its_session() {
        let sessions = Sessions::default();
        let line = sessions.line("[::ffff:10.0.0.1]:4000".parse().unwrap());
        let live = open(&sessions, 1);
        let held = sessions.held_at_server();
        assert_eq!((held.backends, held.addresses), ([7].into(), ["10.0.0.1:4000".parse().unwrap()].into()));
        drop((live, line));
        let held = sessions.held_at_server();
        assert!(held.backends.is_empty() && held.addresses.is_empty());
    }

    #[test]
    fn whoever_looks_may_be_the_last_to_hold_a_session() {
        let sessions = Sessions::default();
        let turns = 2000;
        std::thread::scope(|scope| {
            scope.spawn(|| (0..turns).for_each(|number| drop(open(&sessions, number))));
            scope.spawn(|| (0..turns).for_each(|_| drop(sessions.overview())));
        });
        assert!(sessions.0.sessions.is_empty());
    }
}

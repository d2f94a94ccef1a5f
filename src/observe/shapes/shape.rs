//! One statement shape: what is known of it, and what is counted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
use jiff::Timestamp;

use super::versions::InForce;
use crate::engine::report::{Operation, RelationUse, Report};
use crate::model::usage::OTHER;
use crate::observe::event::{Decision, Event};
use crate::observe::histogram::{Histogram, STATEMENT_BOUNDS};

/// Applications that are told apart for one shape.
const APPLICATIONS: usize = 16;

/// Bytes of the text of several statements in one request.
const TEXT_BYTES: usize = 4096;

/// About what a shape takes beside its text and its relations: counters, histogram, place in the table.
const OVERHEAD: usize = 640;

/// What makes a shape: a single statement, or all statements of one request.
#[derive(Debug, Clone)]
pub(in crate::observe) struct Form {
    pub fingerprint: u64,
    pub text: Arc<str>,
    pub operation: Operation,
    pub single: bool,
    pub relations: Vec<RelationUse>,
}

impl Form {
    /// The fingerprint alone, which is all that it takes to find a shape that is known; none for a text that could not be
    /// cut into statements.
    pub(super) fn fingerprint_of(report: &Report) -> Option<u64> {
        match report.statements.as_slice() {
            [] => None,
            [statement] => (!statement.touched.shape.is_empty()).then_some(statement.fingerprint),
            several => {
                // The same statement many times over, as drivers send batches, is one shape however many there are.
                let mut hash = 0xcbf2_9ce4_8422_2325_u64;
                let mut previous = None;
                for statement in several {
                    if previous != Some(statement.fingerprint) {
                        hash = (hash.rotate_left(5) ^ statement.fingerprint).wrapping_mul(0x0100_0000_01b3);
                    }
                    previous = Some(statement.fingerprint);
                }
                several.iter().any(|statement| !statement.touched.shape.is_empty()).then_some(hash)
            }
        }
    }

    /// All of it.
    pub(in crate::observe) fn of(report: &Report) -> Option<Self> {
        let fingerprint = Self::fingerprint_of(report)?;
        if let [statement] = report.statements.as_slice() {
            return Some(Self {
                fingerprint,
                text: Arc::clone(&statement.touched.shape),
                operation: statement.operation,
                single: true,
                relations: statement.relations.clone(),
            });
        }
        let mut relations: Vec<RelationUse> = Vec::new();
        let mut parts = Vec::new();
        let mut previous = None;
        for statement in &report.statements {
            if previous != Some(statement.fingerprint) {
                parts.push(&*statement.touched.shape);
            }
            previous = Some(statement.fingerprint);
            for named in &statement.relations {
                if !relations.contains(named) {
                    relations.push(named.clone());
                }
            }
        }
        let mut text = parts.join("; ");
        if parts.len() == 1 {
            // Otherwise it would look like the single statement.
            text.push_str("; …");
        }
        if text.len() > TEXT_BYTES {
            text.truncate(text.floor_char_boundary(TEXT_BYTES));
            text.push('…');
        }
        let operation = report.statements.first()?.operation;
        Some(Self { fingerprint, text: text.into(), operation, single: false, relations })
    }
}

/// One statement shape of one database.
#[derive(Debug)]
pub struct Shape {
    /// The database.
    pub database: Arc<str>,
    /// Hash of the normalised text.
    pub fingerprint: u64,
    /// The normalised text: literals and comments out.
    pub text: Arc<str>,
    /// What it does; the first statement's verb if there are several.
    pub operation: Operation,
    /// It is one statement; otherwise it is a request of several, which are timed together.
    pub single: bool,
    /// The relations that it names.
    pub relations: Vec<RelationUse>,
    /// When it was first seen, by this process or, where the record of usage knows that, by an earlier one.
    pub first_seen: Timestamp,
    /// What was in force when it was first seen; none if the record of usage alone knows of that.
    pub first_seen_under: Option<Arc<InForce>>,
    /// Runs that ended in an error of the server.
    pub errors: AtomicU64,
    /// Statements that the proxy refused: they are no runs.
    pub refusals: AtomicU64,
    /// Runs with masks.
    pub masked: AtomicU64,
    /// Rows of its command tags.
    pub rows: AtomicU64,
    /// Time at the server of those that came to an end.
    pub time: Arc<Histogram>,
    /// The next run is to be looked at more closely.
    pub sample_wanted: AtomicBool,
    /// The plan that was seen last.
    pub last_plan: ArcSwapOption<Plan>,
    /// Plans that were seen.
    pub plan_samples: AtomicU64,
    /// Those of them with a sequential scan.
    pub plan_samples_seq: AtomicU64,
    /// The table has dropped it; whoever still counts into it brings it back.
    pub(super) evicted: AtomicBool,
    shortest: AtomicU64,
    longest: AtomicU64,
    last_error: AtomicU64,
    /// Microseconds since 1970, as of the last time that usage was folded.
    last_seen: AtomicI64,
    applications: Mutex<BTreeMap<Box<str>, Used>>,
}

/// How a statement of the shape was run when that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// When.
    pub at: Timestamp,
    /// How rows are found: `index`, `index_only`, `bitmap`, `seq`, `tid` or `other`.
    pub access_path: Box<str>,
    /// The plan, without literals.
    pub text: Box<str>,
}

/// What an application did with a shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Used {
    /// Runs.
    pub calls: u64,
    /// Refusals.
    pub refusals: u64,
}

/// The error that was seen last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastError {
    /// SQLSTATE.
    pub sqlstate: [u8; 5],
    /// The proxy refused it; it was the server's otherwise.
    pub refused: bool,
}

impl Shape {
    pub(super) fn new(
        database: Arc<str>,
        form: Form,
        first_seen: Timestamp,
        first_seen_under: Option<Arc<InForce>>,
    ) -> Self {
        let Form { fingerprint, text, operation, single, relations } = form;
        Self {
            database,
            fingerprint,
            text,
            operation,
            single,
            relations,
            first_seen,
            first_seen_under,
            errors: AtomicU64::new(0),
            refusals: AtomicU64::new(0),
            masked: AtomicU64::new(0),
            rows: AtomicU64::new(0),
            time: Arc::new(Histogram::new(STATEMENT_BOUNDS)),
            sample_wanted: AtomicBool::new(false),
            last_plan: ArcSwapOption::empty(),
            plan_samples: AtomicU64::new(0),
            plan_samples_seq: AtomicU64::new(0),
            evicted: AtomicBool::new(false),
            shortest: AtomicU64::new(u64::MAX),
            longest: AtomicU64::new(0),
            last_error: AtomicU64::new(0),
            last_seen: AtomicI64::new(Timestamp::now().as_microsecond()),
            applications: Mutex::default(),
        }
    }

    /// About how much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        OVERHEAD + self.text.len() + self.relations.len() * size_of::<RelationUse>()
    }

    /// Its verb, or `multiple` for a request of several statements.
    pub fn operation_word(&self) -> &'static str {
        if self.single { self.operation.as_str() } else { "multiple" }
    }

    /// Counts a statement that is over: a few additions, no clock, no lock.
    #[inline]
    pub(super) fn over(&self, event: &Event) {
        let refused = event.decision == Decision::Deny;
        if let Some(took) = event.duration {
            self.time.record(took);
            let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
            if nanos < self.shortest.load(Ordering::Relaxed) {
                self.shortest.fetch_min(nanos, Ordering::Relaxed);
            }
            if nanos > self.longest.load(Ordering::Relaxed) {
                self.longest.fetch_max(nanos, Ordering::Relaxed);
            }
            if event.rows > 0 {
                self.rows.fetch_add(event.rows, Ordering::Relaxed);
            }
        }
        match event.decision {
            Decision::Deny => _ = self.refusals.fetch_add(1, Ordering::Relaxed),
            Decision::Mask => _ = self.masked.fetch_add(1, Ordering::Relaxed),
            Decision::Allow | Decision::Warn | Decision::WouldDeny => {}
        }
        if let Some([a, b, c, d, e]) = event.sqlstate {
            self.errors.fetch_add(u64::from(!refused), Ordering::Relaxed);
            let packed = u64::from_be_bytes([0, 1, u8::from(refused), a, b, c, d, e]);
            self.last_error.store(packed, Ordering::Relaxed);
        }
    }

    /// A plan of it was seen. The text must hold no literals.
    pub fn planned(&self, access_path: &str, text: &str) {
        self.plan_samples.fetch_add(1, Ordering::Relaxed);
        self.plan_samples_seq.fetch_add(u64::from(access_path == "seq"), Ordering::Relaxed);
        let plan = Plan { at: Timestamp::now(), access_path: access_path.into(), text: text.into() };
        self.last_plan.store(Some(Arc::new(plan)));
    }

    /// An application has used it until then. Called when usage is folded, not for every statement.
    pub(in crate::observe) fn used_by(&self, application: &str, used: Used, last: Timestamp) {
        self.last_seen.fetch_max(last.as_microsecond(), Ordering::Relaxed);
        let mut applications = self.applications();
        let known = applications.contains_key(application) || applications.len() < APPLICATIONS;
        let name = if known { application } else { OTHER };
        let sum = match applications.get_mut(name) {
            Some(sum) => sum,
            None => applications.entry(name.into()).or_default(),
        };
        sum.calls += used.calls;
        sum.refusals += used.refusals;
    }

    /// Who has used it, in the order of their names; those beyond the first sixteen as `__other__`.
    pub fn users(&self) -> Vec<(Box<str>, Used)> {
        self.applications().iter().map(|(name, used)| (name.clone(), *used)).collect()
    }

    fn applications(&self) -> MutexGuard<'_, BTreeMap<Box<str>, Used>> {
        self.applications.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The shortest and the longest run, in nanoseconds; none without runs.
    pub fn extremes(&self) -> Option<(u64, u64)> {
        let shortest = self.shortest.load(Ordering::Relaxed);
        (shortest != u64::MAX).then(|| (shortest, self.longest.load(Ordering::Relaxed).max(shortest)))
    }

    /// When it was seen last, as far as usage has been folded.
    pub fn last_seen(&self) -> Timestamp {
        Timestamp::from_microsecond(self.last_seen.load(Ordering::Relaxed)).unwrap_or(self.first_seen)
    }

    /// The error that was seen last.
    pub fn last_error(&self) -> Option<LastError> {
        let [_, known, refused, sqlstate @ ..] = self.last_error.load(Ordering::Relaxed).to_be_bytes();
        (known == 1).then_some(LastError { sqlstate, refused: refused == 1 })
    }
}

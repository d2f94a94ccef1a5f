//! What sessions and the writer know of each other: atomics only, where statements pass.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use super::chain::Link;

/// Records that may wait to be written.
pub const QUEUE: usize = 8192;

/// From so many on, statements that have to be audited are refused, if any are: the rest is for those that run already.
const HIGH: usize = QUEUE / 4 * 3;

/// From so few on they are let in again.
const LOW: usize = QUEUE / 2;

/// Where the chain stands, for those who ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The file that is written.
    pub file: String,
    /// The last line.
    pub link: Link,
}

/// How many of something, the first and the last of them.
#[derive(Debug, Default)]
pub(super) struct Tally {
    count: AtomicU64,
    from: AtomicI64,
    until: AtomicI64,
}

/// The same, taken.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counted {
    pub(super) count: u64,
    from: i64,
    until: i64,
}

impl Tally {
    fn add(&self, time: Timestamp) {
        let time = time.as_microsecond();
        // Whoever comes first has the time; the others find another value than none.
        _ = self.from.compare_exchange(0, time, Ordering::AcqRel, Ordering::Acquire);
        self.until.fetch_max(time, Ordering::AcqRel);
        self.count.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn take(&self) -> Counted {
        if self.count.load(Ordering::Acquire) == 0 {
            return Counted::default();
        }
        Counted {
            count: self.count.swap(0, Ordering::AcqRel),
            from: self.from.swap(0, Ordering::AcqRel),
            until: self.until.swap(0, Ordering::AcqRel),
        }
    }
}

impl Counted {
    pub(super) fn add(&mut self, more: Self) {
        if more.count > 0 {
            self.from = if self.count == 0 || self.from == 0 { more.from } else { self.from };
            self.until = self.until.max(more.until);
            self.count += more.count;
        }
    }

    /// The first and the last, if there is any.
    pub(super) fn times(&self) -> Option<(Timestamp, Timestamp)> {
        let time = |at: i64| Timestamp::from_microsecond(at).unwrap_or_default();
        (self.count > 0).then(|| (time(self.from), time(self.until)))
    }
}

/// What both ends of the queue see.
#[derive(Debug)]
pub(super) struct Shared {
    /// Records that were taken and are not in the file.
    pub(super) queued: AtomicUsize,
    /// Whether statements are refused rather than run without an audit.
    pub(super) fails_closed: bool,
    writable: AtomicBool,
    /// Statements that have to be audited must not run.
    closed: AtomicBool,
    pub(super) reopen: AtomicBool,
    pub(super) stop: AtomicBool,
    pub(super) lost: Tally,
    pub(super) refused: Tally,
    /// Microseconds since 1970; zero for never.
    last_write: AtomicI64,
    head: Mutex<Option<Head>>,
}

impl Shared {
    pub(super) fn new(fails_closed: bool) -> Self {
        Self {
            queued: AtomicUsize::new(0),
            fails_closed,
            writable: AtomicBool::new(true),
            closed: AtomicBool::new(false),
            reopen: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            lost: Tally::default(),
            refused: Tally::default(),
            last_write: AtomicI64::new(0),
            head: Mutex::new(None),
        }
    }

    /// Takes a place in the queue, if there is one.
    pub(super) fn enter(&self) -> bool {
        let waiting = self.queued.fetch_add(1, Ordering::AcqRel) + 1;
        if waiting >= HIGH && self.fails_closed {
            self.closed.store(true, Ordering::Release);
        }
        if waiting > QUEUE {
            self.leave();
        }
        waiting <= QUEUE
    }

    /// Gives a place back.
    pub(super) fn leave(&self) {
        self.queued.fetch_sub(1, Ordering::AcqRel);
    }

    /// A record is lost.
    pub(super) fn lose(&self) {
        self.lost.add(Timestamp::now());
    }

    /// A statement was refused.
    pub(super) fn refuse(&self) {
        self.refused.add(Timestamp::now());
    }

    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(super) fn is_writable(&self) -> bool {
        self.writable.load(Ordering::Acquire)
    }

    pub(super) fn set_writable(&self) {
        self.writable.store(true, Ordering::Release);
        if self.queued.load(Ordering::Acquire) < LOW {
            self.closed.store(false, Ordering::Release);
        }
    }

    pub(super) fn set_unwritable(&self) {
        self.writable.store(false, Ordering::Release);
        self.closed.store(self.fails_closed, Ordering::Release);
    }

    pub(super) fn set_head(&self, head: Head, now: Timestamp) {
        self.last_write.store(now.as_microsecond(), Ordering::Release);
        *self.head.lock().unwrap_or_else(PoisonError::into_inner) = Some(head);
    }

    pub(super) fn head(&self) -> Option<Head> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn last_write(&self) -> Option<Timestamp> {
        Some(self.last_write.load(Ordering::Acquire))
            .filter(|at| *at > 0)
            .and_then(|at| Timestamp::from_microsecond(at).ok())
    }
}

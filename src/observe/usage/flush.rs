//! Brings what was counted to the store, on a thread of its own: no session ever waits for it.
//!
//! A batch that could not be written is sent again as it was, under its key, until the store says that it has it. What is counted
//! meanwhile waits in bounded memory.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::book::Book;
use super::{Bounds, Usage};
use crate::model::usage::{Batch, BatchKey, Filter, RETENTION_DAYS, StoreError, UsageStore};

/// The longest pause between attempts to reach a store that fails.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Told after every attempt.
pub type Tell = Arc<dyn Fn(Result<(), &StoreError>) + Send + Sync>;

/// Who writes.
#[derive(Debug, Clone)]
pub struct Writer {
    /// The machine.
    pub node: Box<str>,
    /// The process on it.
    pub boot: Box<str>,
}

impl Writer {
    /// This process.
    pub fn this() -> Self {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
        let node = host.as_deref().map(str::trim).filter(|name| !name.is_empty()).unwrap_or("unknown").into();
        // Two processes of the same number cannot have begun in the same nanosecond.
        let boot = format!("{:x}-{:x}", Timestamp::now().as_nanosecond(), std::process::id()).into();
        Self { node, boot }
    }
}

/// The thread.
#[derive(Debug)]
pub struct Flusher {
    thread: Option<JoinHandle<()>>,
    stop: Option<Sender<()>>,
    ready: Receiver<Result<(), StoreError>>,
}

impl Flusher {
    /// Begins to flush so often; without a store the counts are kept in memory only.
    ///
    /// # Errors
    /// No thread can be made.
    pub fn start(
        usage: Arc<Usage>,
        store: Option<Box<dyn UsageStore>>,
        every: Duration,
        tell: Tell,
    ) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let (tell_ready, ready) = mpsc::channel();
        let mut work = Work {
            usage,
            store,
            every,
            tell,
            writer: Writer::this(),
            sequence: 0,
            unwritten: None,
            prepared: false,
            expired: None,
            others: None,
            failures: 0,
        };
        let thread = std::thread::Builder::new().name("usage".to_owned()).spawn(move || {
            let begun = work.prepare();
            // Nobody may be waiting any more.
            _ = tell_ready.send(begun);
            work.run(&stopped);
        })?;
        Ok(Self { thread: Some(thread), stop: Some(stop), ready })
    }

    /// Waits until the store has been read for the first time.
    ///
    /// # Errors
    /// The store cannot be used now, or takes longer.
    pub fn wait(&self, at_most: Duration) -> Result<(), StoreError> {
        let late = |_| StoreError { place: String::new(), cause: "no answer yet".to_owned() };
        self.ready.recv_timeout(at_most).map_err(late)?
    }

    /// Writes what is left, and ends.
    pub fn stop(mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

struct Work {
    usage: Arc<Usage>,
    store: Option<Box<dyn UsageStore>>,
    every: Duration,
    tell: Tell,
    writer: Writer,
    sequence: i64,
    /// A batch that the store may not have.
    unwritten: Option<Batch>,
    prepared: bool,
    expired: Option<Date>,
    /// What [`UsageStore::written_by_others`] said last.
    others: Option<i64>,
    failures: u32,
}

impl Work {
    fn run(&mut self, stopped: &Receiver<()>) {
        while stopped.recv_timeout(self.pause()) == Err(RecvTimeoutError::Timeout) {
            self.attempt();
        }
        // The first may write a batch that was left over, the second what came after it. Nobody waits for a store that is away.
        while self.attempt() && self.usage.waiting() > 0 {}
    }

    fn pause(&self) -> Duration {
        let longer = self.every.saturating_mul(1 << self.failures.min(6));
        if self.failures == 0 { self.every } else { longer.min(LONGEST_PAUSE.max(self.every)) }
    }

    /// Whether it worked.
    fn attempt(&mut self) -> bool {
        let result = self.flush();
        self.failures = if result.is_ok() { 0 } else { self.failures.saturating_add(1) };
        (self.tell)(result.as_ref().copied());
        result.is_ok()
    }

    /// Makes the tables and learns what they hold.
    fn prepare(&mut self) -> Result<(), StoreError> {
        let Some(store) = self.store.as_mut().filter(|_| !self.prepared) else { return Ok(()) };
        store.prepare()?;
        self.others = store.written_by_others(&self.writer.boot)?;
        self.usage.learn(known(&mut **store)?);
        self.prepared = true;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.prepare()?;
        let batch = self.unwritten.take().unwrap_or_else(|| {
            self.sequence += 1;
            let Writer { node, boot } = self.writer.clone();
            self.usage.cut(BatchKey { node, boot, sequence: self.sequence })
        });
        let Some(store) = &mut self.store else {
            self.usage.settled(None);
            return Ok(());
        };
        if let Err(error) = store.write(&batch) {
            self.unwritten = Some(batch);
            return Err(error);
        }
        // It is written: whatever fails now, it must not be sent under another key.
        let others = store.written_by_others(&self.writer.boot);
        let read = match others {
            Ok(now) if now == self.others => Ok(None),
            Ok(now) => known(&mut **store).map(|book| {
                self.others = now;
                Some(book)
            }),
            Err(error) => Err(error),
        };
        let failed =
            read.as_ref().err().map(|error| StoreError { place: error.place.clone(), cause: error.cause.clone() });
        self.usage.settled(read.unwrap_or_default());
        let today = batch.until.to_zoned(TimeZone::UTC).date();
        if failed.is_none() && self.expired != Some(today) {
            store.expire(first_day(today))?;
            self.expired = Some(today);
        }
        failed.map_or(Ok(()), Err)
    }
}

fn first_day(today: Date) -> Date {
    today.checked_sub(Span::new().days(RETENTION_DAYS)).unwrap_or(today)
}

fn known(store: &mut dyn UsageStore) -> Result<Book, StoreError> {
    Ok(Book::of(&store.uses(&Filter::default())?, Bounds::default().ledger))
}

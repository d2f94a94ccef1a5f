//! The log of slow statements: one warning each, without literals, and not more of them than anybody can read.
//!
//! Nothing is written on the thread that serves the client: a line waits for whoever reads the log.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::event::Event;
use super::labels::clean;
use super::traces::shapes;

/// Lines of one second.
const RATE: u64 = 10;

/// Statements that may wait for the log.
const QUEUE: usize = 64;

/// The end of the queue that statements see.
#[derive(Debug)]
pub struct SlowLog {
    limit: Duration,
    began: Instant,
    /// The second that is counted, in the upper half, and its lines, in the lower.
    taken: AtomicU64,
    left_out: Arc<AtomicU64>,
    sender: SyncSender<Option<Event>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl SlowLog {
    /// Statements are slow that take so long.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn start(limit: Duration) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(QUEUE);
        let left_out = Arc::<AtomicU64>::default();
        let counted = Arc::clone(&left_out);
        let handle = thread::Builder::new().name("slow-log".to_owned()).spawn(move || write(&receiver, &counted))?;
        let (began, taken) = (Instant::now(), AtomicU64::new(0));
        Ok(Self { limit, began, taken, left_out, sender, writer: Mutex::new(Some(handle)) })
    }

    /// Logs a statement that is over, if it was slow.
    pub fn record(&self, event: &Event) {
        if event.duration.is_none_or(|took| took < self.limit) {
            return;
        }
        let may = self.may(self.began.elapsed().as_secs());
        if !may || self.sender.try_send(Some(event.clone())).is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether another line may be written in that second.
    fn may(&self, second: u64) -> bool {
        let count = |taken: u64| {
            let lines = if taken >> 32 == second { taken & u64::from(u32::MAX) } else { 0 };
            (lines < RATE).then_some(second << 32 | (lines + 1))
        };
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count).is_ok()
    }

    /// Writes what waits and ends the writer.
    pub fn close(&self) {
        let handle = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(handle) = handle
            && self.sender.send(None).is_ok()
        {
            drop(handle.join());
        }
    }
}

fn write(queue: &Receiver<Option<Event>>, left_out: &AtomicU64) {
    while let Ok(Some(event)) = queue.recv() {
        line(&event, left_out.swap(0, Ordering::Relaxed));
    }
}

fn line(event: &Event, left_out: u64) {
    let statements = &event.report.statements;
    let fingerprints: Vec<_> = statements.iter().take(8).map(|one| format!("{:016x}", one.fingerprint)).collect();
    let mut tables: Vec<_> = statements.iter().flat_map(|one| &one.relations).collect();
    tables.dedup_by(|one, other| one.relation == other.relation);
    let tables: Vec<_> = tables.iter().take(20).map(|named| format!("{}.{}", named.schema, named.name)).collect();
    tracing::warn!(
        database = clean(&event.subject.database),
        user = clean(&event.subject.user),
        application = clean(&event.subject.application),
        session = event.session,
        fingerprint = fingerprints.join(","),
        tables = tables.join(","),
        duration_seconds = event.duration.unwrap_or_default().as_secs_f64(),
        rows = event.rows,
        sqlstate = event.sqlstate.map(|code| String::from_utf8_lossy(&code).into_owned()),
        statement = shapes(&event.report).replace(|c: char| c.is_control(), " "),
        left_out,
        "slow statement"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_second_has_more_lines_than_somebody_can_read() {
        let log = SlowLog::start(Duration::from_secs(1)).unwrap();
        let lines = |second| (0..100).filter(|_| log.may(second)).count() as u64;
        assert_eq!((lines(0), lines(0), lines(1), lines(7)), (RATE, 0, RATE, RATE));
        log.close();
        log.close();
    }
}

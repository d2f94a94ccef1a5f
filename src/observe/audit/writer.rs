//! The thread that writes. What cannot be written stays in memory, up to the length of the queue, and is tried again.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::chain::{Sealer, written};
use super::compress::{Compressor, Removable};
use super::lines::{BATCH, batch};
use super::log::{Log, name_of};
use super::record::{Continues, Note};
use super::shared::{Counted, Head, Shared};
use super::{AuditCounters, Entry, PolicyHistory, checkpoint, rotate};
use crate::model::audit::{AuditSettings, Compress, Sync};

/// How long a record may stay in memory.
const FLUSH: Duration = Duration::from_millis(200);

/// How long a file that could not be written is left alone.
const RETRY: Duration = Duration::from_secs(1);

/// How often the checkpoint is written while there is anything new.
const CHECKPOINT: Duration = Duration::from_secs(5);

/// How long a rotation that failed is put off.
const ROTATE_AGAIN: Duration = Duration::from_secs(60);

pub(super) struct Writer {
    pub(super) settings: AuditSettings,
    pub(super) sealer: Sealer,
    pub(super) history: Arc<PolicyHistory>,
    pub(super) shared: Arc<Shared>,
    pub(super) counters: AuditCounters,
    /// None after a failure, until it can be opened again.
    log: Option<Log>,
    /// Where the chain stood in the file before.
    before: Option<Continues>,
    notes: VecDeque<(Timestamp, Note)>,
    pending: VecDeque<Entry>,
    /// When and why writing began to fail.
    failure: Option<(Timestamp, String)>,
    /// Records that were lost, and statements that were refused, and not told yet.
    lost: Counted,
    refused: Counted,
    flush_at: Instant,
    /// Not before this moment is it tried again.
    retry_at: Instant,
    rotate_at: Instant,
    /// Where rotated files are compressed.
    compressor: Option<Compressor>,
    sync_at: Option<Instant>,
    /// The last attempt to bring something to the disk has failed.
    unsynced: bool,
    checkpoint_at: Instant,
    checkpointed: u64,
}

impl Writer {
    pub(super) fn new(
        settings: AuditSettings,
        sealer: Sealer,
        (log, notes): (Log, Vec<Note>),
        history: Arc<PolicyHistory>,
        shared: Arc<Shared>,
        counters: AuditCounters,
    ) -> Self {
        let now = Instant::now();
        let mut writer = Self {
            settings,
            sealer,
            history,
            shared,
            counters,
            log: Some(log),
            before: None,
            notes: VecDeque::new(),
            pending: VecDeque::new(),
            failure: None,
            lost: Counted::default(),
            refused: Counted::default(),
            flush_at: now,
            retry_at: now,
            rotate_at: now,
            compressor: None,
            sync_at: None,
            unsynced: false,
            checkpoint_at: now,
            checkpointed: 0,
        };
        writer.note(notes);
        writer.note(vec![Note::Start { version: env!("CARGO_PKG_VERSION") }]);
        writer
    }

    /// Writes what was found when the file was opened, and that the process has started.
    pub(super) fn begin(&mut self) -> io::Result<()> {
        let begun = self.write_all();
        if let Some(log) = &self.log {
            log.unlock();
        }
        begun
    }

    pub(super) fn run(mut self, queue: &Receiver<Entry>) {
        if self.settings.rotation.compress == Compress::Gzip {
            let started = Compressor::start(&self.settings, &self.sealer);
            let failed = |error: &io::Error| tracing::error!(%error, "rotated files of the audit are not compressed");
            self.compressor = started.inspect_err(failed).ok();
        }
        let period = match self.settings.sync {
            Sync::Interval(time) => time.min(FLUSH),
            Sync::Never | Sync::Always => FLUSH,
        };
        while !self.shared.stop.load(Ordering::Acquire) {
            let wait = self.flush_at.saturating_duration_since(Instant::now());
            match queue.recv_timeout(wait) {
                Ok(entry) => self.pending.push_back(entry),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            while self.pending.len() < BATCH
                && let Ok(entry) = queue.try_recv()
            {
                self.pending.push_back(entry);
            }
            let now = Instant::now();
            let soon = self.settings.sync == Sync::Always && !self.pending.is_empty();
            if now >= self.flush_at || self.pending.len() >= BATCH || soon {
                self.turn(now);
                self.flush_at = now + period;
            }
        }
        if let Some(compressor) = self.compressor.take() {
            compressor.end();
        }
        self.pending.extend(queue.try_iter());
        // Behind everything that waits.
        self.shared.queued.fetch_add(1, Ordering::AcqRel);
        self.pending.push_back(Entry::Note(Timestamp::now(), Note::Stop {}));
        self.retry_at = Instant::now();
        self.turn(self.retry_at);
        self.finish();
        let left = self.pending.drain(..).chain(queue.try_iter()).filter(Entry::is_record).count() as u64;
        if left > 0 {
            self.counters.failed.increment(left);
            tracing::error!(records = left, "records of the audit are lost: it could not be written up to the end");
        }
    }

    fn note(&mut self, notes: Vec<Note>) {
        let now = Timestamp::now();
        self.notes.extend(notes.into_iter().map(|note| (now, note)));
    }

    fn turn(&mut self, now: Instant) {
        if self.retry_at > now {
            return;
        }
        let result = self.write_all();
        if let Some(log) = &self.log {
            log.unlock();
        }
        match result {
            Ok(()) => self.writable(),
            Err(error) => self.unwritable(&error),
        }
    }

    fn writable(&mut self) {
        if !self.shared.is_writable() {
            tracing::info!(path = %self.settings.path.display(), "the audit is written again");
        }
        self.shared.set_writable();
    }

    fn unwritable(&mut self, error: &io::Error) {
        self.retry_at = Instant::now() + RETRY;
        if self.failure.is_none() {
            self.failure = Some((Timestamp::now(), error.to_string()));
        }
        if self.shared.is_writable() {
            let waiting = self.pending.len();
            tracing::error!(path = %self.settings.path.display(), %error, waiting, "cannot write the audit");
        }
        self.shared.set_unwritable();
        self.leave();
        // Said again when it has been opened again.
        self.notes.retain(|(_, note)| !matches!(note, Note::Opened { .. }));
    }

    /// Lets go of the file, and remembers where the chain stands.
    fn leave(&mut self) {
        if let Some(mut log) = self.log.take() {
            // Another process may have gone on in it after it was moved away.
            if let Err(error) = log.lock(&self.sealer) {
                tracing::warn!(%error, "cannot look at the audit file once more");
            }
            self.before = Some(Continues { file: name_of(&log.path), link: log.link.clone() });
        }
    }

    fn write_all(&mut self) -> io::Result<()> {
        let reopen = self.shared.reopen.swap(false, Ordering::AcqRel);
        if self.log.as_ref().is_some_and(|log| reopen || !log.is_current()) {
            self.leave();
        }
        loop {
            self.open()?;
            let Some(log) = &mut self.log else { break };
            let found = log.lock(&self.sealer)?;
            // Another process may have rotated it away while we waited for the lock.
            let is_current = log.is_current();
            self.note(found);
            if is_current {
                break;
            }
            self.leave();
        }
        let old = self.compressor.as_ref().map(|compressor| compressor.removable().collect());
        self.remove(old.unwrap_or_default());
        if self.unsynced {
            self.sync()?;
        }
        self.tell_loss();
        while !(self.notes.is_empty() && self.pending.is_empty()) {
            self.write_some()?;
            self.rotate_if_due()?;
        }
        self.rotate_if_due()?;
        if self.sync_at.is_some_and(|at| at <= Instant::now()) {
            self.sync()?;
        }
        self.keep_checkpoint();
        Ok(())
    }

    fn open(&mut self) -> io::Result<()> {
        if self.log.is_none() {
            let (log, notes) = Log::open(&self.settings.path, &self.sealer, self.before.clone())?;
            self.log = Some(log);
            self.before = None;
            self.note(notes);
        }
        Ok(())
    }

    /// Prepares what is to be said of the time in which nothing could be written, as of now.
    fn tell_loss(&mut self) {
        self.lost.add(self.shared.lost.take());
        self.refused.add(self.shared.refused.take());
        self.notes.retain(|(_, note)| !matches!(note, Note::Lost { .. } | Note::Unwritable { .. }));
        if let Some(times) = self.lost.times() {
            let after = self.log.as_ref().map_or(0, |log| log.link.seq);
            self.note(vec![Note::lost(self.lost.count, after, times)]);
        }
        let queue = self.refused.times().map(|(from, _)| (from, "the queue is full".to_owned()));
        if let Some((from, error)) = self.failure.clone().or(queue) {
            let (from, until) = (written(from), written(Timestamp::now()));
            self.note(vec![Note::Unwritable { error, from, until, refused: self.refused.count }]);
        }
    }

    fn write_some(&mut self) -> io::Result<()> {
        let Some(log) = &mut self.log else { return Ok(()) };
        let batch = batch(&log.link, &self.sealer, (&self.notes, &self.pending), &self.history);
        let (lines, mut result) = log.write(&batch);
        let mut synced = true;
        if lines > 0 {
            match self.settings.sync {
                Sync::Never => {}
                Sync::Interval(time) => _ = self.sync_at.get_or_insert_with(|| Instant::now() + time),
                Sync::Always => {
                    let ended = log.sync();
                    synced = ended.is_ok();
                    self.unsynced = !synced;
                    result = result.and(ended);
                }
            }
            self.shared.set_head(Head { file: name_of(&log.path), link: log.link.clone() }, Timestamp::now());
        }
        self.done(lines, synced);
        result
    }

    /// So many lines are in the file.
    fn done(&mut self, lines: usize, synced: bool) {
        let notes = lines.min(self.notes.len());
        for (_, note) in self.notes.drain(..notes) {
            match note {
                Note::Lost { .. } => self.lost = Counted::default(),
                Note::Unwritable { .. } => {
                    self.failure = None;
                    self.refused = Counted::default();
                }
                _ => {}
            }
        }
        let entries = (lines - notes).min(self.pending.len());
        let records = self.pending.drain(..entries).filter(Entry::is_record).count() as u64;
        self.shared.queued.fetch_sub(entries, Ordering::AcqRel);
        if synced { &self.counters.written } else { &self.counters.failed }.increment(records);
    }

    fn rotate_if_due(&mut self) -> io::Result<()> {
        let now = Timestamp::now();
        let Some(log) = &mut self.log else { return Ok(()) };
        if self.rotate_at > Instant::now() || !rotate::is_due(&self.settings.rotation, log, now) {
            return Ok(());
        }
        let target = rotate::name(&log.path, log.first, now);
        let free = if target.exists() { Err(io::ErrorKind::AlreadyExists.into()) } else { Ok(()) };
        if let Err(error) = free.and_then(|()| fs::rename(&log.path, &target)) {
            tracing::warn!(path = %log.path.display(), %error, "cannot rotate the audit file; it goes on");
            self.rotate_at = Instant::now() + ROTATE_AGAIN;
            return Ok(());
        }
        let last = VecDeque::from([(now, Note::Rotated { file: name_of(&target) })]);
        let batch = batch(&log.link, &self.sealer, (&last, &VecDeque::new()), &self.history);
        let (_, ended) = log.write(&batch);
        let ended = ended.and_then(|()| if self.settings.sync == Sync::Never { Ok(()) } else { log.sync() });
        self.sync_at = None;
        self.before = Some(Continues { file: name_of(&target), link: log.link.clone() });
        log.unlock();
        self.log = None;
        // The chain goes on from the last line that could be written, whatever became of the one that says good-bye.
        ended?;
        self.open()?;
        if let Some(compressor) = &self.compressor {
            compressor.wake();
        } else if let Some(keep) = self.settings.rotation.keep {
            let old = rotate::removable(&self.settings.path, keep, &self.sealer);
            self.remove(old);
        }
        self.checkpoint_at = Instant::now();
        while !self.notes.is_empty() {
            self.write_some()?;
        }
        Ok(())
    }

    fn remove(&mut self, old: Vec<Removable>) {
        self.note(old.into_iter().filter_map(rotate::remove).collect());
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_at = None;
        let ended = self.log.as_ref().map_or(Ok(()), Log::sync);
        self.unsynced = ended.is_err();
        ended
    }

    fn keep_checkpoint(&mut self) {
        let Some(log) = self.log.as_ref().filter(|log| log.regular && log.link.seq != self.checkpointed) else {
            return;
        };
        if self.checkpoint_at > Instant::now() {
            return;
        }
        self.checkpoint_at = Instant::now() + CHECKPOINT;
        match checkpoint::write(&log.path, &log.link, &self.sealer, Timestamp::now()) {
            Ok(()) => self.checkpointed = log.link.seq,
            Err(error) => tracing::warn!(%error, "cannot write the checkpoint of the audit"),
        }
    }

    /// Everything is brought to the disk, where that is wanted at all.
    fn finish(&mut self) {
        if self.settings.sync != Sync::Never
            && let Err(error) = self.sync()
        {
            tracing::error!(%error, "cannot bring the audit to the disk");
        }
        self.checkpoint_at = Instant::now();
        self.keep_checkpoint();
    }
}

//! One thread with a runtime of its own for each processor, and every session on one of them at a time.
//!
//! Chosen: a session's two sockets, its buffers and its task are on one thread, so that no reply wakes a second one up.
//! Given up: work stealing. A statement that takes the engine long to understand for the first time holds up the sessions
//! on the same thread; the caps on the token stream keep that to milliseconds. Sessions begin on as few threads as carry
//! the load, and move, between two messages, when that changes: [`balance`] decides, [`Seat`] tells them.

pub mod balance;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle};

use balance::{Balance, Load};

/// How often the threads are looked at.
const MOMENT: Duration = Duration::from_millis(250);

/// What a session is taken to need before anything is known of it, in thousandths of a thread.
const TYPICAL: u32 = 10;

/// The threads that sessions run on. They live as long as the process.
#[derive(Debug)]
pub struct Workers {
    workers: Vec<Arc<Worker>>,
    first: Arc<Worker>,
    in_use: AtomicUsize,
    turn: AtomicUsize,
}

/// One thread.
#[derive(Debug)]
struct Worker {
    runtime: Handle,
    /// Where the kernel says how long the thread has run; none where it does not.
    schedstat: Option<PathBuf>,
    /// Processor time at the last look, nanoseconds.
    run: AtomicU64,
    /// Counts the looks.
    moment: AtomicU32,
    /// Sessions that had something to do since the last look.
    active: AtomicUsize,
    /// Sessions that may leave.
    leavers: AtomicUsize,
    /// Share of the thread that is taken, in thousandths: as it was, and what was added since.
    taken: AtomicU32,
}

/// A session's place on a thread.
#[derive(Debug)]
pub struct Seat {
    worker: Arc<Worker>,
    moment: u32,
}

impl Workers {
    /// Starts a thread for each processor.
    ///
    /// # Errors
    /// The system has no thread or no descriptor left.
    pub fn start(stack_bytes: usize) -> io::Result<Self> {
        let count = thread::available_parallelism().map_or(1, |count| count.get());
        let workers = (0..count).map(|number| start_one(number, stack_bytes).map(Arc::new));
        let workers = workers.collect::<io::Result<Vec<_>>>()?;
        let first = workers.first().cloned().ok_or(io::ErrorKind::NotFound)?;
        // Without knowing how busy a thread is, all of them serve.
        let in_use = if first.run_time().is_some() { 1 } else { count };
        Ok(Self { workers, first, in_use: AtomicUsize::new(in_use), turn: AtomicUsize::new(0) })
    }

    /// A thread for work that is soon over, such as a login; they take turns.
    pub fn any(&self) -> Handle {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        self.workers.get(turn % self.workers.len()).unwrap_or(&self.first).runtime.clone()
    }

    /// A place for a session, on the thread in use that has the least to do.
    pub fn seat(&self) -> Seat {
        let in_use = self.workers.iter().take(self.in_use.load(Ordering::Relaxed));
        let worker = in_use.min_by_key(|worker| worker.taken.load(Ordering::Relaxed)).unwrap_or(&self.first);
        worker.taken.fetch_add(TYPICAL, Ordering::Relaxed);
        Seat { worker: Arc::clone(worker), moment: worker.moment.load(Ordering::Relaxed) }
    }

    /// Keeps the sessions on as many threads as they need, for ever.
    pub async fn keep_balance(&self) {
        let mut balance = Balance::new(self.in_use.load(Ordering::Relaxed));
        let mut ticks = tokio::time::interval(MOMENT);
        let mut last = Instant::now();
        loop {
            ticks.tick().await;
            let now = Instant::now();
            let loads: Option<Vec<Load>> =
                self.workers.iter().map(|worker| worker.look(now.duration_since(last))).collect();
            last = now;
            let Some(loads) = loads else { continue };
            let moving = balance.look(&loads);
            // Those who move find their new place by this.
            self.in_use.store(balance.in_use, Ordering::Relaxed);
            for (worker, moving) in self.workers.iter().zip(moving) {
                worker.leavers.store(moving, Ordering::Relaxed);
            }
        }
    }
}

fn start_one(number: usize, stack_bytes: usize) -> io::Result<Worker> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    thread::Builder::new().name(format!("sessions-{number}")).stack_size(stack_bytes).spawn(move || {
        // Nobody listens only if the process is ending already.
        let _ = tell.send(std::fs::read_link("/proc/thread-self").ok());
        runtime.block_on(std::future::pending::<()>());
    })?;
    let thread = told.recv().ok().flatten();
    Ok(Worker {
        runtime: handle,
        schedstat: thread.map(|thread| PathBuf::from("/proc").join(thread).join("schedstat")),
        run: AtomicU64::new(0),
        moment: AtomicU32::new(0),
        active: AtomicUsize::new(0),
        leavers: AtomicUsize::new(0),
        taken: AtomicU32::new(0),
    })
}

impl Worker {
    /// Processor time of the thread so far, in nanoseconds.
    fn run_time(&self) -> Option<u64> {
        let text = std::fs::read_to_string(self.schedstat.as_ref()?).ok()?;
        text.split_ascii_whitespace().next()?.parse().ok()
    }

    /// What the thread did since the last look, `passed` ago.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 1000")]
    fn look(&self, passed: Duration) -> Option<Load> {
        let active = self.active.swap(0, Ordering::Relaxed);
        self.moment.fetch_add(1, Ordering::Relaxed);
        let run = self.run_time()?;
        let before = self.run.swap(run, Ordering::Relaxed);
        let spent = run.saturating_sub(before) as f64;
        let busy = (spent / passed.as_nanos().max(1) as f64).min(1.0);
        self.taken.store((busy * 1000.0) as u32, Ordering::Relaxed);
        Some(Load { busy, active })
    }
}

impl Seat {
    /// The runtime to sit on.
    pub fn runtime(&self) -> &Handle {
        &self.worker.runtime
    }

    /// The session has something to do. Returns whether it should move to another thread.
    #[inline]
    pub fn taken_up(&mut self) -> bool {
        let moment = self.worker.moment.load(Ordering::Relaxed);
        if moment == self.moment {
            return false;
        }
        self.moment = moment;
        self.worker.active.fetch_add(1, Ordering::Relaxed);
        let leave = |left: usize| left.checked_sub(1);
        self.worker.leavers.fetch_update(Ordering::Relaxed, Ordering::Relaxed, leave).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_told_once_in_a_moment_and_only_as_many_as_may_leave() {
        let workers = Workers::start(256 << 10).unwrap();
        let mut seats: Vec<Seat> = (0..3).map(|_| workers.seat()).collect();
        let worker = Arc::clone(&workers.workers[0]);
        assert!(seats.iter_mut().all(|seat| !seat.taken_up()), "nothing has been looked at");
        worker.look(MOMENT);
        worker.leavers.store(2, Ordering::Relaxed);
        let told: Vec<bool> = seats.iter_mut().map(|seat| seat.taken_up()).collect();
        assert_eq!(told, [true, true, false]);
        assert!(seats.iter_mut().all(|seat| !seat.taken_up()));
        assert_eq!(worker.look(MOMENT).map(|load| load.active), Some(3));
    }

    #[test]
    fn the_kernel_tells_how_long_a_thread_has_run() {
        let workers = Workers::start(256 << 10).unwrap();
        let worker = &workers.workers[0];
        let before = worker.run_time().unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        worker.runtime.spawn(async move {
            let began = Instant::now();
            while began.elapsed() < Duration::from_millis(30) {}
            tell.send(()).unwrap();
        });
        told.recv().unwrap();
        assert!(worker.run_time().unwrap() > before + 1_000_000);
    }
}

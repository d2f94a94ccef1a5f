//! Sessions sit on as few threads as carry them, and move while they are at work.

use std::time::{Duration, Instant};

use crate::support::raw::{self, Raw};
use crate::support::{Proxy, shop};

const SESSIONS: usize = 6;

/// Requests sent at once.
const BATCH: usize = 400;

/// Processor time of each session thread of the proxy, in nanoseconds.
fn session_threads(proxy: &Proxy) -> Vec<u64> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", proxy.pid())).unwrap();
    let read = |task: &std::path::Path, file: &str| std::fs::read_to_string(task.join(file)).unwrap_or_default();
    tasks
        .map(|task| task.unwrap().path())
        .filter(|task| read(task, "comm").starts_with("sessions-"))
        .map(|task| read(&task, "schedstat").split(' ').next().and_then(|run| run.parse().ok()).unwrap_or_default())
        .collect()
}

/// Lets a session ask for what the proxy itself refuses, so that the proxy is what is busy.
fn keep_busy(port: u16, database: String, until: Instant) {
    let mut session = Raw::connect(port, "support", &database);
    let batch: Vec<Vec<u8>> = vec![raw::query("SELECT ssn FROM customers"); BATCH];
    while Instant::now() < until {
        let trace = session.exchange(&batch, BATCH);
        assert_eq!(trace.len(), 2 * BATCH);
        assert!(trace.chunks(2).all(|answer| answer == ["E 42501", "Z I"]), "{trace:?}");
        let trace = session.exchange(&[raw::extended("SELECT count(*) FROM payments"), raw::sync()], 1);
        assert_eq!(trace.last().map(String::as_str), Some("Z I"), "{trace:?}");
    }
}

#[test]
fn busy_sessions_spread_over_the_processors_without_losing_a_message() {
    let Some(shop) = shop("threads") else { return };
    let (proxy, _policies) = shop.proxy();
    let quiet = session_threads(&proxy);
    if quiet.len() < 2 {
        eprintln!("skipped: one processor");
        return;
    }
    let began = Instant::now();
    let until = began + Duration::from_secs(4);
    let sessions: Vec<_> = (0..SESSIONS)
        .map(|_| {
            let (port, database) = (proxy.port(), shop.database.clone());
            std::thread::spawn(move || keep_busy(port, database, until))
        })
        .collect();
    let mut idle = Raw::connect(proxy.port(), "support", &shop.database);
    for session in sessions {
        session.join().unwrap();
    }
    assert_eq!(idle.exchange(&[raw::query("SELECT 1")], 1).last().map(String::as_str), Some("Z I"));
    let ran = session_threads(&proxy);
    // Where the machine had no more to give than one thread takes, nothing is gained by a second one.
    let share = ran.iter().sum::<u64>() as f64 / began.elapsed().as_nanos() as f64;
    let at_work = ran.iter().filter(|run| **run > 100_000_000).count();
    assert!(at_work >= 2 || share < 0.85, "{quiet:?} {ran:?}");
}

//! A forwarder that cuts what passes at random places, in both directions, with random pauses between the pieces: what
//! a slow or lossy network does to a stream of bytes.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Forwards from a port of its own to another one until it is dropped.
#[derive(Debug)]
pub struct Splitter {
    port: u16,
    stopped: Arc<AtomicBool>,
}

impl Splitter {
    /// In front of this port of 127.0.0.1; the same seed cuts at the same places.
    pub fn start(target: u16, seed: u64) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let stopped = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopped);
        thread::spawn(move || {
            for (number, client) in (0_u64..).zip(listener.incoming()) {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(("127.0.0.1", target))) else { continue };
                let seed = seed.wrapping_add(number * 2);
                forward(client.try_clone().expect("clone"), server.try_clone().expect("clone"), seed);
                forward(server, client, seed + 1);
            }
        });
        Self { port, stopped }
    }

    /// Where to connect.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Splitter {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Wakes the listener up.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, seed: u64) {
    to.set_nodelay(true).expect("nodelay");
    let mut random = Random(seed);
    thread::spawn(move || {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let mut rest = &buffer[..count];
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(random.piece(rest.len()));
                if to.write_all(piece).is_err() {
                    break;
                }
                rest = after;
                random.pause();
            }
        }
        // The other side may be gone already.
        let _ = to.shutdown(Shutdown::Write);
    });
}

/// Knuth's linear congruential generator: good enough to cut with, and the same everywhere.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    /// Often a few bytes, sometimes all that is there.
    fn piece(&mut self, available: usize) -> usize {
        let wanted = match self.below(4) {
            0 => 1 + self.below(4),
            1 => 1 + self.below(40),
            2 => 1 + self.below(2000),
            _ => available as u64,
        };
        available.min(wanted as usize)
    }

    fn pause(&mut self) {
        match self.below(8) {
            0 => thread::sleep(Duration::from_micros(self.below(200))),
            1..4 => thread::yield_now(),
            _ => {}
        }
    }
}

//! A wire tap: passes bytes on between a client and a port, and keeps a copy of both directions.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Everything that has passed, in either direction.
pub type Traffic = Arc<Mutex<Vec<u8>>>;

/// Listens on a port of its own; each connection is passed on to `port`. Lives as long as the test.
pub fn tap(port: u16) -> (u16, Traffic) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().port();
    let traffic = Traffic::default();
    let kept = Arc::clone(&traffic);
    thread::spawn(move || {
        for client in listener.incoming() {
            let (Ok(client), Ok(server)) = (client, TcpStream::connect(("127.0.0.1", port))) else { return };
            copy(client.try_clone().unwrap(), server.try_clone().unwrap(), &kept);
            copy(server, client, &kept);
        }
    });
    (own, traffic)
}

fn copy(mut from: TcpStream, mut to: TcpStream, traffic: &Traffic) {
    let traffic = Arc::clone(traffic);
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            traffic.lock().unwrap().extend_from_slice(&buffer[..count]);
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
}

/// Whether a text has passed.
pub fn heard(traffic: &Traffic, text: &str) -> bool {
    traffic.lock().unwrap().windows(text.len()).any(|window| window == text.as_bytes())
}

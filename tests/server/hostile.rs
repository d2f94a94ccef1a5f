//! Hostile clients: frames that lie, floods of tiny messages, clients that do not read or only half leave.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::conversation::{Await, Turn, play, until};
use crate::support::raw::{self, Raw, bind, describe_of, extended, flush, frame, function_call, parse, query, sync};
use crate::support::{self, ClusterOptions, Proxy, ProxyOptions, Shop, shop};

/// A statement that shows whether the server has run it, as a frame to hide in another one's body.
fn hidden() -> Vec<u8> {
    query("CREATE TABLE hidden ()")
}

/// Frames that are not what they claim to be.
fn lies() -> Vec<(&'static str, Vec<u8>)> {
    let hide = |kind: u8, body: &[u8]| frame(kind, [body, &hidden()].concat());
    let announced = |kind: u8, length: u32| [&[kind][..], &length.to_be_bytes(), &hidden()].concat();
    let mut all = vec![
        ("a Query with an embedded NUL", hide(b'Q', b"SELECT 1\0")),
        ("a Query without an end", frame(b'Q', b"SELECT 1".to_vec())),
        ("an empty Query frame", frame(b'Q', Vec::new())),
        ("a Parse with bytes behind it", hide(b'P', b"\0SELECT 1\0\0\0")),
        ("a Parse with more types than it announces", hide(b'P', b"\0SELECT 1\0\0\x01\0\0\0\x17")),
        ("a Parse with fewer types than it announces", frame(b'P', b"\0SELECT 1\0\0\x05\0\0\0\x17".to_vec())),
        ("a Bind with bytes behind it", hide(b'B', &bind("", "s")[5..])),
        ("a Bind with fewer values than it announces", frame(b'B', b"\0s\0\0\0\0\x07\0\0\0\x01x\0\0".to_vec())),
        ("a Bind with a value longer than itself", frame(b'B', b"\0s\0\0\0\0\x01\0\0\xff\xffx\0\0".to_vec())),
        ("a Bind with a negative length", frame(b'B', b"\0s\0\0\0\0\x01\xff\xff\xff\x00x\0\0".to_vec())),
        ("a Bind without an end of names", frame(b'B', b"nothing ends here".to_vec())),
        ("a Describe of neither", frame(b'D', b"Xs\0".to_vec())),
        ("a Describe with bytes behind it", hide(b'D', b"Ss\0")),
        ("a Close with bytes behind it", hide(b'C', b"Ss\0")),
        ("an Execute with bytes behind it", hide(b'E', b"\0\0\0\0\0")),
        ("an Execute without a limit", frame(b'E', b"\0\0".to_vec())),
        ("a Sync with bytes in it", hide(b'S', b"")),
        ("a Flush with bytes in it", hide(b'H', b"")),
        ("a CopyDone with bytes in it", hide(b'c', b"")),
        ("a CopyFail with bytes behind it", hide(b'f', b"no\0")),
        ("a Terminate with bytes in it", hide(b'X', b"")),
        ("a FunctionCall with bytes behind it", hide(b'F', &function_call(2026)[5..])),
        ("tag 0", announced(0, 4)),
        ("an unknown tag", frame(b'y', Vec::new())),
        ("a password after the login", frame(b'p', b"x\0".to_vec())),
        ("messages of the server", frame(b'Z', b"I".to_vec())),
        ("a huge Describe", announced(b'D', 1 << 20)),
    ];
    for length in [0, 1, 2, 3, 0x4000_0004, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
        all.push(("a length that cannot be", announced(b'Q', length)));
        all.push(("a length of data that cannot be", announced(b'd', length)));
    }
    all
}

#[test]
fn frames_that_lie_end_the_session_and_nothing_hidden_runs() {
    let Some(shop) = shop("hostile_frames") else { return };
    shop.sql("GRANT CREATE ON SCHEMA public TO PUBLIC");
    let (proxy, _policies) = shop.proxy();
    for (name, lie) in lies() {
        for user in ["shop_app", "support"] {
            for before in [Vec::new(), extended("SELECT 1"), query("BEGIN")] {
                let turns: [Turn; 1] = [until(&[before, lie.clone(), sync(), hidden(), sync()], Await::End)];
                let seen = play(&mut Raw::connect(proxy.port(), user, &shop.database), &turns);
                let last = seen.len() - 2;
                let fatal = seen[last].starts_with("E SFATAL\\x00VFATAL\\x00C08P01");
                assert!(fatal || name == "a Terminate with bytes in it", "{name}: {seen:#?}");
                assert_eq!(seen[last + 1], "(closed)", "{name}");
            }
        }
        assert_eq!(shop.sql("SELECT to_regclass('hidden') IS NULL"), "t", "{name}");
    }
    // The same frames make the server itself complain, in one way or another: none of them is legal.
    for (name, lie) in lies() {
        // The server does not look into these: it takes no harm from them, and no more do others that would.
        if name.starts_with("a Terminate") || name.starts_with("a Copy") {
            continue;
        }
        let mut direct = Raw::connect(shop.cluster.port(), "support", &shop.database);
        direct.exchange(&[parse("s", "SELECT 1"), sync()], 1);
        direct.write_if_open(&[lie, query("SELECT 'still here'")].concat());
        // It may have closed the connection already.
        let _ = direct.stream().shutdown(Shutdown::Write);
        let seen = play(&mut direct, &[until(&[], Await::End)]);
        let complains = seen.iter().any(|line| line.contains("C08P01")) || seen == ["(closed)"];
        assert!(complains, "{name}: {seen:#?}");
    }
}

#[test]
fn a_frame_that_never_ends_keeps_nobody_else_waiting() {
    let Some(shop) = shop("hostile_slow") else { return };
    let (proxy, _policies) = shop.proxy();
    let mut slow: Vec<Raw> = (0..20).map(|_| Raw::connect(proxy.port(), "support", &shop.database)).collect();
    for (number, session) in slow.iter_mut().enumerate() {
        // As much of a text as may be collected, and never the rest of it.
        session.write(&query(&"x".repeat(900_000))[..number * 40_000 + 1]);
    }
    let mut other = Raw::connect(proxy.port(), "support", &shop.database);
    assert_eq!(other.exchange(&[query("SELECT 1")], 1).last().unwrap(), "Z I");
    for session in &slow {
        session.stream().shutdown(Shutdown::Both).unwrap();
    }
    assert_eq!(other.exchange(&[query("SELECT 1")], 1).last().unwrap(), "Z I");
}

/// What a proxy may use at its peak while it is flooded, in MiB.
const PEAK: u64 = 64;

/// Writes the frame over and over, without ever reading, until so many thousand are gone or nobody takes more.
fn flood(port: u16, database: &str, user: &str, (thousands, small): (usize, &[u8])) -> Raw {
    let session = Raw::connect(port, user, database);
    let mut stream = session.stream();
    stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let thousand = small.repeat(1000);
    for _ in 0..thousands {
        if stream.write_all(&thousand).is_err() {
            break;
        }
    }
    session
}

/// How long ordinary sessions mostly wait for an answer while the flood goes on: a busy machine may hold up any single one.
fn usual_wait(
    proxy: &Proxy,
    shop: &Shop,
    floods: &[(&'static str, usize, Vec<u8>)],
) -> Vec<(&'static str, Duration, u64)> {
    let mut found = Vec::new();
    for (name, thousands, small) in floods {
        for user in ["shop_app", "support"] {
            let flooding = AtomicBool::new(true);
            let mut others: Vec<Raw> = (0..4).map(|_| Raw::connect(proxy.port(), "shop_app", &shop.database)).collect();
            let mut waits = Vec::new();
            std::thread::scope(|scope| {
                let _session = scope.spawn(|| {
                    let session = flood(proxy.port(), &shop.database, user, (*thousands, small));
                    flooding.store(false, Ordering::Release);
                    session
                });
                while flooding.load(Ordering::Acquire) {
                    for other in &mut others {
                        let began = Instant::now();
                        assert_eq!(other.exchange(&[query("SELECT 1")], 1).last().unwrap(), "Z I");
                        waits.push(began.elapsed());
                    }
                }
            });
            waits.sort();
            let usual = waits.get(waits.len() / 2).copied().unwrap_or_default();
            found.push((*name, usual, proxy.memory("VmHWM")));
        }
    }
    found
}

#[test]
fn a_million_tiny_frames_fill_no_memory_and_starve_nobody() {
    let Some(shop) = shop("hostile_flood") else { return };
    let (proxy, _policies) = shop.proxy();
    let floods = [
        ("Sync", 1000, sync()),
        ("Flush", 1000, flush()),
        ("Describe", 1000, describe_of(b'S', "")),
        ("Execute", 1000, raw::execute("", 0)),
        ("Close", 1000, raw::close(b'S', "")),
        ("CopyData", 1000, raw::copy_data("")),
        ("CopyDone", 1000, raw::copy_done()),
        ("Parse", 50, parse("", "")),
        ("Parse and Sync", 50, [parse("", ""), sync()].concat()),
        ("Bind", 50, bind("", "")),
        ("Query", 50, query("")),
        ("FunctionCall", 50, function_call(2026)),
        ("a refused Query", 50, query("SELECT ssn FROM customers")),
        ("a refused Parse", 50, [parse("", "SELECT ssn FROM customers"), sync()].concat()),
    ];
    let seen = usual_wait(&proxy, &shop, &floods);
    for (name, wait, peak) in &seen {
        assert!(*wait < Duration::from_millis(500) && *peak <= PEAK, "{name}: {wait:?}, {peak} MiB\n{seen:#?}");
    }
}

#[test]
fn a_client_that_never_reads_is_waited_for_without_collecting() {
    let Some(shop) = shop("hostile_deaf") else { return };
    let (proxy, _policies) = shop.proxy();
    let mut deaf: Vec<Raw> = (0..8).map(|_| Raw::connect(proxy.port(), "shop_app", &shop.database)).collect();
    let rows = "SELECT repeat('x', 1000) FROM generate_series(1, 200000)";
    for session in &mut deaf {
        session.write(&[query(rows), query(rows)].concat());
    }
    let mut other = Raw::connect(proxy.port(), "shop_app", &shop.database);
    for _ in 0..50 {
        let began = Instant::now();
        other.exchange(&[query("SELECT pg_sleep(0.01)")], 1);
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
    let peak = proxy.memory("VmHWM");
    assert!(peak <= PEAK, "{peak} MiB");
    // Whoever reads at last gets everything.
    let trace = deaf[0].until_ready(2);
    assert_eq!(trace.iter().filter(|line| line.starts_with("D ")).count(), 400_000);
}

#[test]
fn a_client_that_stops_sending_gets_the_rest_of_its_answers() {
    let Some(shop) = shop("hostile_half") else { return };
    let (proxy, _policies) = shop.proxy();
    for port in [shop.cluster.port(), proxy.port()] {
        let mut half = Raw::connect(port, "shop_app", &shop.database);
        half.write(&[query("SELECT pg_sleep(0.2)"), extended("SELECT 2"), sync()].concat());
        half.stream().shutdown(Shutdown::Write).unwrap();
        let trace = half.until_ready(2);
        assert!(trace.contains(&"C SELECT 1".to_owned()), "{trace:?}");
        assert!(half.is_closed());
    }
    for cut in [1, 4, 5, 9] {
        let mut half = Raw::connect(proxy.port(), "support", &shop.database);
        half.write(&query("SELECT 1")[..cut]);
        half.stream().shutdown(Shutdown::Write).unwrap();
        assert!(half.is_closed(), "half a message of {cut} bytes");
    }
}

/// A server that logs everybody in and answers the first request with these bytes.
fn scripted_server(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut length = [0; 4];
            if stream.read_exact(&mut length).is_err() {
                continue;
            }
            let mut packet = vec![0; u32::from_be_bytes(length) as usize - 4];
            stream.read_exact(&mut packet).unwrap();
            stream.write_all(&[frame(b'R', vec![0; 4]), frame(b'Z', b"I".to_vec())].concat()).unwrap();
            let _ = stream.read(&mut length);
            // The proxy may be gone before it has taken everything.
            let _ = stream.write_all(answer);
        }
    });
    port
}

#[test]
fn a_server_that_sends_garbage_is_reported_and_the_proxy_lives_on() {
    let Some(cluster) = support::cluster(ClusterOptions::default()) else { return };
    for garbage in [&b"Z\0\0\0\x03"[..], b"E\xff\xff\xff\xff", b"Z\0\0\0\x06II", b"HTTP/1.1 400 Bad Request\r\n\r\n"] {
        let options = ProxyOptions { upstream_port: Some(scripted_server(garbage)), ..ProxyOptions::default() };
        let proxy = Proxy::start_unready(&cluster, options);
        for _ in 0..3 {
            let mut session = Raw::connect(proxy.port(), "anybody", "anything");
            session.write(&query("SELECT 1"));
            let seen = play(&mut session, &[until(&[], Await::End)]);
            assert!(seen[seen.len() - 2].starts_with("E SFATAL\\x00VFATAL\\x00C08P01"), "{seen:?}");
        }
    }
}

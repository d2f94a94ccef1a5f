//! Messages of hundreds of megabytes stream through: the proxy's memory does not grow with them.

use std::io::{Read, Write};

use crate::support::raw::{self, Raw, bind, describe_of, execute, extended, parse, query, sync};
use crate::support::{Proxy, Shop, shop};

const MIB: usize = 1 << 20;
const LARGE: usize = 300 * MIB;

/// What a proxy in front of one busy session may use at its peak, in MiB. Most of it is the program itself.
const PEAK: u64 = 64;

fn start(name: &str) -> Option<(Shop, Proxy, Raw)> {
    let shop = shop(name)?;
    let (proxy, _policies) = shop.proxy();
    let session = Raw::connect(proxy.port(), "shop_app", &shop.database);
    Some((shop, proxy, session))
}

/// A message whose body is `before`, so many letters, and `after`, written without being made.
fn write_large(session: &mut Raw, kind: u8, before: &[u8], letters: usize, after: &[u8]) {
    let length = u32::try_from(before.len() + letters + after.len() + 4).unwrap();
    session.write(&[&[kind][..], &length.to_be_bytes(), before].concat());
    let chunk = vec![b'x'; MIB];
    for _ in 0..letters / MIB {
        session.write(&chunk);
    }
    session.write(after);
}

fn value_of_next_row(session: &mut Raw) -> String {
    let trace = session.until(b'Z');
    trace.iter().find(|line| line.starts_with("D ")).unwrap_or_else(|| panic!("no row in {trace:?}")).clone()
}

fn assert_small(proxy: &Proxy) {
    let peak = proxy.memory("VmHWM");
    assert!(peak <= PEAK, "the proxy took {peak} MiB");
}

#[test]
fn a_parameter() {
    let Some((_shop, proxy, mut session)) = start("large_parameter") else { return };
    session.write(&parse("", "SELECT length($1)"));
    let value = [&[0, 0, 0, 0, 0, 1][..], &(LARGE as u32).to_be_bytes()].concat();
    write_large(&mut session, b'B', &value, LARGE, &[0, 0]);
    session.write(&[execute("", 0), sync()].concat());
    assert!(value_of_next_row(&mut session).contains(&LARGE.to_string()));
    assert_small(&proxy);
}

#[test]
fn a_row() {
    let Some((_shop, proxy, mut session)) = start("large_row") else { return };
    session.write(&query(&format!("SELECT repeat('x', {LARGE})")));
    assert_eq!(session.message().0, b'T');
    let mut head = [0; 5 + 6];
    let mut stream = session.stream();
    stream.read_exact(&mut head).unwrap();
    assert_eq!((head[0], u32::from_be_bytes([head[7], head[8], head[9], head[10]])), (b'D', LARGE as u32));
    let mut chunk = vec![0; MIB];
    for _ in 0..LARGE / MIB {
        stream.read_exact(&mut chunk).unwrap();
        assert!(chunk.iter().all(|byte| *byte == b'x'));
    }
    assert_eq!(session.until(b'Z'), ["C SELECT 1", "Z I"]);
    assert_small(&proxy);
}

#[test]
fn a_line_of_a_copy() {
    let Some((_shop, proxy, mut session)) = start("large_copy") else { return };
    session.exchange(&[query("CREATE TEMP TABLE t (a text)")], 1);
    session.write(&query("COPY t FROM STDIN WHERE length(a) = 1"));
    assert_eq!(session.message().0, b'G');
    write_large(&mut session, b'd', b"", LARGE, b"\n");
    let trace =
        session.exchange(&[raw::copy_data("y\n"), raw::copy_done(), query("SELECT count(*), max(a) FROM t")], 2);
    assert_eq!(trace[..2], ["C COPY 1", "Z I"], "{trace:?}");
    assert_small(&proxy);
}

#[test]
fn texts_beyond_the_limit() {
    let Some((shop, proxy, mut session)) = start("large_text") else { return };
    let letters = 100 * MIB;
    write_large(&mut session, b'Q', b"SELECT length('", letters, b"')\0");
    assert!(value_of_next_row(&mut session).contains(&letters.to_string()));
    write_large(&mut session, b'P', b"name\0SELECT length('", letters, b"')\0\0\0");
    session.write(&[describe_of(b'S', "name"), bind("", "name"), execute("", 0), sync()].concat());
    assert!(value_of_next_row(&mut session).contains(&letters.to_string()));
    let mut governed = Raw::connect(proxy.port(), "support", &shop.database);
    for _ in 0..2 {
        write_large(&mut governed, b'Q', b"SELECT length('", letters, b"')\0");
        assert_eq!(governed.until(b'Z'), ["E 54000", "Z I"]);
        governed.write(&query("BEGIN"));
        assert_eq!(governed.until(b'Z'), ["C BEGIN", "Z T"]);
        write_large(&mut governed, b'P', b"name\0SELECT length('", letters, b"')\0\0\0");
        governed.write(
            &[bind("", "name"), execute("", 0), sync(), query("ROLLBACK"), extended("SELECT 1"), sync()].concat(),
        );
        assert_eq!(governed.until_ready(2), ["E 54000", "Z E", "C ROLLBACK", "Z I"]);
        assert_eq!(governed.until_ready(1).last().unwrap(), "Z I");
    }
    assert_small(&proxy);
}

#[test]
fn an_error_and_a_notice() {
    let Some((shop, proxy, _session)) = start("large_error") else { return };
    let letters = 70 * MIB;
    let raise = query(&format!(
        "DO $$ BEGIN RAISE NOTICE '%', repeat('n', {letters}); RAISE EXCEPTION '%', repeat('e', {letters}); END $$"
    ));
    let sizes = |port: u16| {
        let mut session = Raw::connect(port, "shop_app", &shop.database);
        session.write(&raise);
        let sizes: Vec<(u8, usize)> =
            (0..3).map(|_| session.message()).map(|(kind, body)| (kind, body.len())).collect();
        assert_eq!(session.exchange(&[query("SELECT 1")], 1).last().unwrap(), "Z I");
        sizes
    };
    assert_eq!(sizes(shop.cluster.port()), sizes(proxy.port()));
    assert_small(&proxy);
}

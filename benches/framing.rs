//! What it costs to find the frames in what clients and servers send.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use bytes::BytesMut;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pgcovenant::wire::frame::{self, Header};
use pgcovenant::wire::frontend;
use std::hint::black_box;

/// A result of 1 000 rows with three short columns, as a server sends it.
fn rows() -> Vec<u8> {
    let mut out = BytesMut::new();
    for row in 0..1000_u32 {
        frame::put(&mut out, b'D', |body| {
            body.extend_from_slice(&3_u16.to_be_bytes());
            for value in [row.to_string(), "some name".to_owned(), "2025-01-01 00:00:00+00".to_owned()] {
                body.extend_from_slice(&u32::try_from(value.len()).unwrap().to_be_bytes());
                body.extend_from_slice(value.as_bytes());
            }
        });
    }
    frame::put(&mut out, b'C', |body| body.extend_from_slice(b"SELECT 1000\0"));
    frame::put(&mut out, b'Z', |body| body.extend_from_slice(b"I"));
    out.to_vec()
}

/// Bind, Describe, Execute and Sync: what a driver sends for a prepared statement.
fn prepared() -> Vec<u8> {
    let mut out = BytesMut::new();
    frame::put(&mut out, b'B', |body| body.extend_from_slice(b"\0statement\0\0\0\0\x01\0\0\0\x0217\0\0"));
    frame::put(&mut out, b'D', |body| body.extend_from_slice(b"P\0"));
    frame::put(&mut out, b'E', |body| body.extend_from_slice(b"\0\0\0\0\0"));
    frame::put(&mut out, b'S', |_| {});
    out.to_vec()
}

fn scan_headers(mut input: &[u8]) -> usize {
    let mut frames = 0;
    while let Ok(Some(header)) = Header::read(input) {
        frames += 1;
        input = input.get(header.total()..).unwrap_or_default();
    }
    frames
}

fn cut_all(mut input: &[u8]) -> usize {
    let mut bodies = 0;
    while let Ok(Some(frame)) = frame::cut(input) {
        bodies += frame.body.len();
        input = input.get(frame.bytes.len()..).unwrap_or_default();
    }
    bodies
}

fn benches(criterion: &mut Criterion) {
    let rows = rows();
    let mut group = criterion.benchmark_group("framing");
    group.throughput(Throughput::Bytes(rows.len() as u64));
    group.bench_function("headers of 1000 rows", |bencher| bencher.iter(|| scan_headers(black_box(&rows))));
    let prepared = prepared();
    group.throughput(Throughput::Elements(4));
    group.bench_function("frames of a prepared statement", |bencher| bencher.iter(|| cut_all(black_box(&prepared))));
    let mut query = BytesMut::new();
    frontend::put_query(&mut query, b"SELECT id, name, email FROM customers WHERE id = 17");
    group.throughput(Throughput::Elements(1));
    group.bench_function("text of a query", |bencher| {
        bencher.iter(|| {
            let frame = frame::cut(black_box(&query)).expect("a frame").expect("a whole frame");
            frontend::query(frame.body).expect("a query").len()
        });
    });
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);

//! What recording usage costs a statement.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use pgcovenant::engine::report::{Operation, Report, StatementReport, Touches};
use pgcovenant::observe::event::{Decision, Event};
use pgcovenant::observe::usage::Usage;
use pgcovenant::policy::subject::Subject;

/// Shapes that each session uses in turn.
const SHAPES: u64 = 50;
const SESSIONS: usize = 8;

fn event(subject: &Arc<Subject>, fingerprint: u64) -> Event {
    let statement = StatementReport {
        operation: Operation::Select,
        fingerprint,
        relations: Vec::new(),
        columns: Vec::new(),
        unanalysed: None,
        touched: Touches::default(),
    };
    Event {
        subject: Arc::clone(subject),
        session: 1,
        epoch: 1,
        report: Arc::new(Report { statements: vec![statement], ..Report::default() }),
        decision: Decision::Allow,
        duration: None,
        checked_in: Duration::ZERO,
        rows: 1,
        sqlstate: None,
        refusal: None,
        parent: None,
    }
}

fn record(criterion: &mut Criterion) {
    let subjects: Vec<_> = (0..SESSIONS).map(|_| Arc::new(Subject::default())).collect();
    let events: Vec<Event> =
        subjects.iter().flat_map(|subject| (0..SHAPES).map(|shape| event(subject, shape))).collect();
    let usage = Usage::default();
    let mut turn = events.iter().cycle();
    criterion.bench_function("usage/record", |bencher| {
        bencher.iter(|| usage.record(black_box(turn.next().expect("a cycle has no end"))));
    });
}

criterion_group!(benches, record);
criterion_main!(benches);

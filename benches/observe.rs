//! What recording one statement costs that was seen before: everything that is counted, usage included.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use pgcovenant::engine::report::{
    Access, ColumnUse, Operation, Outcome, RelationUse, Report, StatementReport, Touches,
};
use pgcovenant::model::caps::Caps;
use pgcovenant::model::catalog::{ColumnId, Oid};
use pgcovenant::observe::event::{Decision, Event, Recorder};
use pgcovenant::observe::observer::Observer;
use pgcovenant::policy::subject::Subject;

const APPLICATIONS: [&str; 3] = ["checkout", "helpdesk", "reports"];

fn column(attnum: i16) -> ColumnUse {
    ColumnUse {
        column: ColumnId { relation: Oid(1), attnum },
        schema: "public".into(),
        relation: "customers".into(),
        name: format!("column_{attnum}").into(),
        access: Access::Explicit,
        outcome: Outcome::Masked,
        rule: Some("support-masked".into()),
        phase: None,
        classification: Some("restricted".into()),
        decided: true,
    }
}

/// One text as each of several applications sends it.
fn events(columns: i16) -> Vec<Event> {
    let relation = RelationUse {
        relation: Oid(1),
        schema: "public".into(),
        name: "customers".into(),
        operation: Operation::Select,
    };
    let statement = StatementReport {
        operation: Operation::Select,
        fingerprint: 1,
        relations: vec![relation],
        columns: (1..=columns).map(column).collect(),
        unanalysed: None,
        touched: Touches::default(),
    };
    let report = Arc::new(Report { statements: vec![statement], ..Report::default() });
    let subject = |application: &str| {
        Arc::new(Subject { database: "shop".into(), application: application.into(), ..Subject::default() })
    };
    let event = |application: &&str| Event {
        subject: subject(application),
        session: 1,
        epoch: 1,
        report: Arc::clone(&report),
        decision: if columns == 0 { Decision::Allow } else { Decision::Mask },
        duration: Some(Duration::from_micros(700)),
        checked_in: Duration::from_micros(2),
        rows: 1,
        sqlstate: None,
        refusal: None,
        parent: None,
    };
    APPLICATIONS.iter().map(event).collect()
}

fn record(criterion: &mut Criterion) {
    for (name, columns) in [("observe/one_table", 0), ("observe/ten_columns", 10)] {
        let observer = Observer::new(None, Caps::default()).expect("an observer without files");
        let events = events(columns);
        let mut turn = events.iter().cycle();
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| observer.statement(black_box(turn.next().expect("a cycle has no end"))));
        });
    }
}

criterion_group!(benches, record);
criterion_main!(benches);

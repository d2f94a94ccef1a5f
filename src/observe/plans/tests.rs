//! Tests of what is concluded from plans and times.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{DeclaredQuery, Waiting, Wanted};
use crate::engine::report::{Operation, RelationUse, Report, StatementReport, Touches};
use crate::model::caps::Caps;
use crate::model::catalog::Oid;
use crate::model::contract::queries::QueryAccess;
use crate::model::plan::{AccessPath, NoPlan, Plan, RelationAccess};
use crate::observe::event::Sample;
use crate::observe::observer::Observer;
use crate::observe::shapes::Shape;
use crate::policy::subject::Subject;

const EVERY: Duration = Duration::from_secs(600);

fn observer() -> Observer {
    Observer::new(None, Caps::default()).unwrap()
}

fn shape(observer: &Observer, fingerprint: u64) -> Arc<Shape> {
    let relation =
        RelationUse { relation: Oid(1), schema: "public".into(), name: "orders".into(), operation: Operation::Select };
    let statement = StatementReport {
        operation: Operation::Select,
        fingerprint,
        relations: vec![relation],
        columns: Vec::new(),
        unanalysed: None,
        touched: Touches { shape: "SELECT status FROM orders WHERE id = ?".into(), ..Touches::default() },
    };
    observer.shapes().of("shop", &Report { statements: vec![statement], ..Report::default() }).unwrap()
}

fn waiting(shape: &Arc<Shape>) -> Waiting {
    let subject = Subject {
        user: "ann".into(),
        database: "shop".into(),
        roles: ["ann"].map(Box::from).into(),
        address: None,
        certificate: None,
        application: "billing".into(),
    };
    let sample = Sample {
        subject: Arc::new(subject),
        epoch: 1,
        report: Arc::new(Report::default()),
        text: "SELECT status FROM orders WHERE id = 17".into(),
        bound: None,
        path: None,
    };
    Waiting { shape: Arc::clone(shape), sample }
}

fn plan(path: AccessPath, index: Option<&str>) -> Plan {
    let access = RelationAccess {
        schema: "public".into(),
        relation: "orders".into(),
        path,
        indexes: index.map(Box::from).into_iter().collect(),
        rows: 1.0,
    };
    let text = format!("{} orders {}", path.as_str(), index.unwrap_or_default());
    Plan { accesses: vec![access], text, cost: 8.0, rows: 1.0 }
}

fn runs(shape: &Shape, times: u64, took: Duration) {
    (0..times).for_each(|_| shape.time.record(took));
}

/// A shape whose index goes away: before and after.
fn turns_to_seq(observer: &Observer, before: (u64, Duration), after: (u64, Duration)) -> Arc<Shape> {
    let shape = shape(observer, 7);
    runs(&shape, before.0, before.1);
    observer.plans().flag_due(observer.shapes(), EVERY, Instant::now());
    observer.plan(&waiting(&shape), Ok(plan(AccessPath::Index, Some("orders_idx"))), EVERY);
    observer.plan(&waiting(&shape), Ok(plan(AccessPath::Seq, None)), EVERY);
    runs(&shape, after.0, after.1);
    observer.judge_plans();
    shape
}

/// At least one series of every metric about plans.
pub(crate) fn report_everything(observer: &Observer) {
    let wanted = Wanted {
        relations: vec![("public".into(), "orders".into())],
        access: QueryAccess::AnyIndex,
        index: Some("orders_idx".into()),
    };
    let (database, contract) = (Arc::from("shop"), "shop-contract".into());
    let query = DeclaredQuery { database, contract, name: "by_id".into(), fingerprint: 7, wanted };
    observer.plans().declare(vec![query]);
    let shape = turns_to_seq(observer, (30, Duration::from_millis(1)), (30, Duration::from_millis(9)));
    observer.plan(&waiting(&shape), Err(NoPlan::Timeout), EVERY);
}

#[test]
fn a_slower_sequential_scan_is_a_regression_until_an_index_is_used_again() {
    let observer = observer();
    report_everything(&observer);
    let text = observer.render();
    let regression =
        "pgcovenant_plan_regression_timestamp_seconds{datname=\"shop\",schemaname=\"public\",relname=\"orders\"}";
    assert!(text.contains(regression), "{text}");
    let query = "pgcovenant_declared_query_satisfied{datname=\"shop\",contract=\"shop-contract\",query=\"by_id\"}";
    assert!(text.contains(&format!("{query} 0\n")), "{text}");
    let told = observer.plans().json();
    assert!(!told.contains("id = 17"), "{told}");
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["shapes"][0]["changes"][0]["indexes_before"][0], "orders_idx", "{told:#}");
    assert_eq!(told["queries"][0]["satisfied"], false, "{told:#}");
    let again = plan(AccessPath::Bitmap, Some("orders_idx"));
    observer.plan(&waiting(&shape(&observer, 7)), Ok(again), EVERY);
    observer.judge_plans();
    let text = observer.render();
    assert!(!text.contains(regression) && text.contains(&format!("{query} 1\n")), "{text}");
    for change in ["index_to_seq", "seq_to_index"] {
        assert!(text.contains(&format!("change=\"{change}\"}} 1")), "{text}");
    }
}

#[test]
fn a_plan_that_is_as_fast_or_too_rare_is_no_regression() {
    let fast = (30, Duration::from_millis(1));
    for after in [(30, Duration::from_micros(1900)), (19, Duration::from_millis(50))] {
        let observer = observer();
        turns_to_seq(&observer, fast, after);
        assert!(!observer.render().contains("plan_regression_timestamp_seconds{"), "{after:?}");
    }
    let observer = observer();
    turns_to_seq(&observer, (30, Duration::from_micros(10)), (30, Duration::from_micros(900)));
    assert!(!observer.render().contains("plan_regression_timestamp_seconds{"), "less than a millisecond");
}

#[test]
fn the_busiest_shapes_are_flagged_and_only_as_many_as_can_wait() {
    let observer = observer();
    let shapes: Vec<_> = (0..20).map(|fingerprint| shape(&observer, fingerprint)).collect();
    for (number, shape) in (0..).zip(&shapes) {
        runs(shape, 2, Duration::from_millis(1 + number));
    }
    runs(&shape(&observer, 99), 1, Duration::from_secs(9));
    let now = Instant::now();
    observer.plans().flag_due(observer.shapes(), EVERY, now);
    let flagged = |shape: &Arc<Shape>| shape.sample_wanted.load(Ordering::Relaxed);
    let which: Vec<bool> = shapes.iter().map(flagged).collect();
    assert!(which[12..].iter().all(|flag| *flag) && !which[..12].iter().any(|flag| *flag), "{which:?}");
    assert!(!flagged(&shape(&observer, 99)), "it was seen once only");
    observer.plans().flag_due(observer.shapes(), EVERY, now);
    assert_eq!(shapes.iter().filter(|shape| flagged(shape)).count(), 8, "no more as long as these are waited for");
    observer.plans().flag_due(observer.shapes(), EVERY, now + Duration::from_secs(31));
    assert!(!flagged(&shapes[19]) && flagged(&shapes[11]), "what does not run again makes room");
}

#[test]
fn failures_are_tried_again_later_and_later() {
    let observer = observer();
    let shape = shape(&observer, 7);
    runs(&shape, 2, Duration::from_millis(1));
    let start = Instant::now();
    let flagged = |after: Duration| {
        observer.plans().flag_due(observer.shapes(), EVERY, start + after);
        shape.sample_wanted.swap(false, Ordering::Relaxed)
    };
    assert!(flagged(Duration::ZERO));
    observer.plan(&waiting(&shape), Err(NoPlan::Error), EVERY);
    assert!(!flagged(EVERY - Duration::from_secs(5)) && flagged(EVERY + Duration::from_secs(5)));
    observer.plan(&waiting(&shape), Err(NoPlan::Error), EVERY);
    assert!(!flagged(EVERY + Duration::from_secs(5)) && flagged(EVERY * 2 + Duration::from_secs(5)));
}

#[test]
fn a_full_queue_takes_no_more() {
    let observer = observer();
    let shape = shape(&observer, 7);
    let taken = (0..20).filter(|_| observer.plans().offer(&shape, waiting(&shape).sample)).count();
    assert_eq!(taken, 8);
    assert_eq!(std::iter::from_fn(|| observer.plans().take()).count(), 8);
}

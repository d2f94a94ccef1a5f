//! Tests of the table.

use std::sync::Arc;
use std::time::Duration;

use super::shape::Used;
use super::*;
use crate::engine::report::{Operation, Touches};
use crate::observe::event::Decision;
use crate::policy::subject::Subject;

fn report(texts: &[&str]) -> Arc<Report> {
    let statement = |text: &&str| StatementReport {
        operation: Operation::Select,
        fingerprint: text.bytes().fold(7_u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(byte))),
        relations: Vec::new(),
        columns: Vec::new(),
        unanalysed: None,
        touched: Touches { shape: Arc::from(*text), ..Touches::default() },
    };
    Arc::new(Report { statements: texts.iter().map(statement).collect(), ..Report::default() })
}

fn event(report: &Arc<Report>, decision: Decision, sqlstate: Option<&[u8; 5]>) -> Event {
    let refused = decision == Decision::Deny;
    Event {
        subject: Arc::new(Subject { database: "shop".into(), ..Subject::default() }),
        session: 1,
        epoch: 1,
        report: Arc::clone(report),
        decision,
        duration: (!refused).then_some(Duration::from_millis(2)),
        checked_in: Duration::ZERO,
        rows: if refused { 0 } else { 3 },
        sqlstate: sqlstate.copied(),
        refusal: None,
        parent: None,
    }
}

fn bounded(shapes: usize, bytes: usize) -> Shapes {
    Shapes::new(Bounds { shapes, bytes }, Arc::default())
}

/// Runs a text once, as a session does that has never seen it.
fn run(shapes: &Shapes, text: &str) -> Arc<Shape> {
    let report = report(&[text]);
    let shape = shapes.of("shop", &report);
    shapes.over(shape.as_ref(), &event(&report, Decision::Allow, None));
    shape.unwrap()
}

#[test]
fn runs_errors_and_refusals_are_told_apart() {
    let shapes = Shapes::default();
    let report = report(&["SELECT ?"]);
    let shape = shapes.of("shop", &report).unwrap();
    shapes.over(Some(&shape), &event(&report, Decision::Allow, None));
    shapes.over(Some(&shape), &event(&report, Decision::Mask, None));
    shapes.over(Some(&shape), &event(&report, Decision::Allow, Some(b"22012")));
    let told = |overview: snapshot::Overview| overview.shapes.into_iter().next().unwrap();
    let seen = told(shapes.overview());
    assert_eq!((seen.calls, seen.errors, seen.refusals, seen.masked, seen.rows), (3, 1, 0, 1, 9));
    assert_eq!(seen.last_error, Some(LastError { sqlstate: *b"22012", refused: false }));
    shapes.over(Some(&shape), &event(&report, Decision::Deny, Some(b"42501")));
    let seen = told(shapes.overview());
    assert_eq!((seen.calls, seen.errors, seen.refusals), (3, 1, 1), "a refusal is no run");
    assert_eq!(seen.last_error, Some(LastError { sqlstate: *b"42501", refused: true }));
    assert_eq!(seen.extremes, Some((0.002, 0.002)));
}

#[test]
fn those_that_were_not_seen_for_longest_make_room() {
    let shapes = bounded(40, 1 << 20);
    let mut all: Vec<_> = (0..40).map(|number| run(&shapes, &format!("SELECT a{number}"))).collect();
    let later = Timestamp::now() + Duration::from_secs(60);
    let (recent, _) = all.split_at(5);
    recent.iter().for_each(|shape| shape.used_by("web", Used::default(), later));
    run(&shapes, "SELECT another");
    let kept: Vec<_> = shapes.all().iter().map(|shape| Arc::clone(&shape.text)).collect();
    assert_eq!(kept.len(), 39, "one in twenty has gone, and one has come");
    assert!(all.drain(..5).all(|shape| kept.contains(&shape.text)), "{kept:?}");
    assert!(kept.iter().any(|text| &**text == "SELECT another"), "{kept:?}");
    assert_eq!(shapes.overview().evicted, 2);
}

#[test]
fn the_bound_in_bytes_holds_as_well() {
    let shapes = bounded(1000, 64 << 10);
    let long = "x".repeat(4000);
    (0..100).for_each(|number| drop(run(&shapes, &format!("SELECT {number}{long}"))));
    let bytes: usize = shapes.all().iter().map(|shape| shape.bytes()).sum();
    assert!(bytes <= (64 << 10) + 5000, "{bytes}");
    assert!(shapes.all().len() > 5, "the table does not empty itself");
    assert_eq!(shapes.bytes.load(Ordering::Relaxed), bytes);
}

#[test]
fn a_shape_that_comes_back_has_its_counts_and_is_not_new() {
    let shapes = bounded(20, 1 << 20);
    let prepared = report(&["SELECT prepared"]);
    let handle = shapes.of("shop", &prepared).unwrap();
    shapes.over(Some(&handle), &event(&prepared, Decision::Allow, None));
    (0..60).for_each(|number| drop(run(&shapes, &format!("SELECT flood{number}"))));
    let find = || shapes.all().into_iter().filter(|shape| &*shape.text == "SELECT prepared").collect::<Vec<_>>();
    assert!(find().is_empty(), "it had to make room");
    let new_so_far = shapes.database("shop").new.load(Ordering::Relaxed);

    // A session that has the statement prepared goes on, and another one sends the text anew.
    shapes.over(Some(&handle), &event(&prepared, Decision::Allow, None));
    let other = run(&shapes, "SELECT prepared");
    assert!(Arc::ptr_eq(&handle, &other), "there is one shape, whoever holds it");
    assert_eq!(find().len(), 1);
    let seen = shapes.overview().shapes.into_iter().find(|shape| &*shape.text == "SELECT prepared").unwrap();
    assert_eq!(seen.calls, 3);
    assert_eq!(shapes.database("shop").new.load(Ordering::Relaxed), new_so_far);
}

#[test]
fn a_flood_of_shapes_leaves_neither_more_places_nor_more_memory() {
    let shapes = bounded(100, 1 << 20);
    (0..5000).for_each(|number| drop(run(&shapes, &format!("SELECT {number}"))));
    assert!(shapes.table.len() <= 110, "{} places", shapes.table.len());
    assert_eq!(shapes.known.load(Ordering::Relaxed), shapes.all().len());
}

#[test]
fn many_threads_that_evict_and_bring_back_lose_no_run() {
    let shapes = bounded(20, 1 << 20);
    let prepared: Vec<_> = (0..40).map(|number| report(&[&format!("SELECT p{number}")])).collect();
    let handles: Vec<_> = prepared.iter().map(|report| shapes.of("shop", report).unwrap()).collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..200 {
                    for (report, shape) in prepared.iter().zip(&handles) {
                        shapes.over(Some(shape), &event(report, Decision::Allow, None));
                    }
                }
            });
        }
    });
    let runs: u64 = handles.iter().map(|shape| shape.time.read().0.iter().sum::<u64>()).sum();
    assert_eq!(runs, 4 * 200 * 40);
    assert_eq!(shapes.known.load(Ordering::Relaxed), shapes.all().len());
    let bytes: usize = shapes.all().iter().map(|shape| shape.bytes()).sum();
    assert_eq!(shapes.bytes.load(Ordering::Relaxed), bytes);
    for (report, shape) in prepared.iter().zip(&handles) {
        shapes.over(Some(shape), &event(report, Decision::Allow, None));
        assert!(Arc::ptr_eq(&shapes.of("shop", report).unwrap(), shape));
    }
}

#[test]
fn several_statements_in_one_request_are_one_shape_however_often_they_repeat() {
    let shapes = Shapes::default();
    let batch = |texts: &[&str]| shapes.of("shop", &report(texts)).unwrap();
    let two = batch(&["BEGIN", "INSERT", "INSERT", "COMMIT"]);
    let three = batch(&["BEGIN", "INSERT", "INSERT", "INSERT", "COMMIT"]);
    assert!(Arc::ptr_eq(&two, &three));
    assert_eq!(&*two.text, "BEGIN; INSERT; COMMIT");
    assert_eq!((two.operation_word(), two.single), ("multiple", false), "nobody samples the plan of several");
    assert!(!Arc::ptr_eq(&two, &batch(&["INSERT", "BEGIN", "COMMIT"])), "the order tells them apart");
    assert!(!Arc::ptr_eq(&two, &batch(&["INSERT"])));
}

#[test]
fn a_text_that_cannot_be_cut_belongs_to_no_shape_and_is_counted() {
    let shapes = Shapes::default();
    let unreadable = report(&[""]);
    let shape = shapes.of("shop", &unreadable);
    assert!(shape.is_none());
    shapes.over(None, &event(&unreadable, Decision::Allow, None));
    assert_eq!(shapes.overview().shapeless, 1);
}

#[test]
fn applications_are_bounded_and_summed() {
    let shapes = Shapes::default();
    let shape = run(&shapes, "SELECT ?");
    for number in 0..30 {
        shape.used_by(&format!("app{number:02}"), Used { calls: 2, refusals: 1 }, Timestamp::now());
    }
    shape.used_by("app00", Used { calls: 1, refusals: 0 }, Timestamp::now());
    let users = shape.users();
    assert_eq!(users.len(), 17);
    assert_eq!(users.iter().map(|(_, used)| used.calls).sum::<u64>(), 61);
    let of = |name: &str| users.iter().find(|(user, _)| &**user == name).unwrap().1;
    assert_eq!((of("app00").calls, of("__other__").calls), (3, 28));
}

#[test]
fn new_is_what_was_first_seen_after_the_last_change_of_a_version() {
    let shapes = Shapes::default();
    let load = |version: &str| {
        let version = version.to_owned();
        let contract = ContractVersion { contract: "c".to_owned(), version, databases: vec!["shop".to_owned()] };
        shapes.in_force(vec![contract], &[]);
    };
    let new = || -> Vec<String> {
        let seen = shapes.overview().shapes;
        seen.iter().filter(|shape| shape.is_new).map(|shape| shape.text.to_string()).collect()
    };
    load("1");
    let first = run(&shapes, "SELECT one");
    assert_eq!(new(), ["SELECT one"]);
    load("1");
    assert_eq!(new(), ["SELECT one"], "the same version again is no change");
    load("2");
    assert!(new().is_empty());
    run(&shapes, "SELECT one");
    run(&shapes, "SELECT two");
    assert_eq!(new(), ["SELECT two"]);
    assert_eq!(first.first_seen_under.as_ref().unwrap().contracts_of("shop"), [("c", "1")]);
}

#[test]
fn plans_are_kept_and_those_with_sequential_scans_counted() {
    let shapes = Shapes::default();
    let shape = run(&shapes, "SELECT ?");
    shape.planned("index", "Index Scan using orders_pkey on orders");
    shape.planned("seq", "Seq Scan on orders");
    let seen = shapes.overview().shapes.into_iter().next().unwrap();
    assert_eq!(seen.plan_samples, (2, 1));
    assert_eq!(&*seen.plan.unwrap().access_path, "seq");
}

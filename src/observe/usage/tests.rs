//! Nothing is lost, and nothing is counted twice.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use proptest::prelude::*;

use super::book::Book;
use super::sqlite::SqliteStore;
use super::{Bounds, Usage};
use crate::engine::report::{Access, Blind, Operation, Report, StatementReport, Touched, Touches};
use crate::model::catalog::{Column, Oid, Relation};
use crate::model::consumers::{Ledger, Used};
use crate::model::contract::types::column_type;
use crate::model::lifecycle::Who;
use crate::model::usage::{BatchKey, Filter, OTHER, StoreError, UsageStore, Written};
use crate::observe::event::{Decision, Event};
use crate::policy::subject::Subject;

fn column(name: &str, attnum: i16) -> Column {
    Column::new(attnum, name, column_type("text"))
}

fn orders() -> Arc<Relation> {
    Arc::new(Relation {
        primary_key: vec![1],
        row_type: Oid(2),
        ..Relation::table(Oid(1), "public", "orders", vec![column("id", 1), column("status", 2)])
    })
}

fn subject(application: &str) -> Arc<Subject> {
    Arc::new(Subject {
        user: "ann".into(),
        database: "shop".into(),
        address: Some("10.0.3.7".parse().unwrap()),
        application: application.into(),
        ..Subject::default()
    })
}

fn report(fingerprint: u64, uses: &[(i16, Access)]) -> Arc<Report> {
    let uses =
        uses.iter().map(|(attnum, access)| Touched { relation: orders(), attnum: *attnum, access: *access, via: None });
    let touched = Touches { uses: uses.collect(), shape: "SELECT ? FROM orders".into(), blind: Blind::No };
    let statement = StatementReport {
        operation: Operation::Select,
        fingerprint,
        relations: Vec::new(),
        columns: Vec::new(),
        unanalysed: None,
        touched,
    };
    Arc::new(Report { statements: vec![statement], ..Report::default() })
}

fn event(subject: &Arc<Subject>, report: &Arc<Report>, decision: Decision) -> Event {
    Event {
        subject: Arc::clone(subject),
        session: 1,
        epoch: 1,
        report: Arc::clone(report),
        decision,
        duration: None,
        checked_in: std::time::Duration::ZERO,
        rows: 2,
        sqlstate: None,
        refusal: None,
        parent: None,
    }
}

fn key(sequence: i64) -> BatchKey {
    BatchKey { node: "n".into(), boot: "b".into(), sequence }
}

fn store() -> (SqliteStore, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::new(&folder.path().join("state.sqlite"));
    store.prepare().unwrap();
    (store, folder)
}

const STATUS: Used<'static> = Used { database: "shop", schema: "public", relation: "orders", column: Some("status") };

#[test]
fn the_ledger_knows_of_a_statement_at_once_and_across_flushes() {
    let usage = Usage::default();
    let (billing, explicit) = (subject("billing"), report(7, &[(0, Access::Explicit), (2, Access::Explicit)]));
    assert_eq!(usage.consumers(STATUS, Timestamp::UNIX_EPOCH), []);
    usage.record(&event(&billing, &explicit, Decision::Allow));
    let seen = usage.consumers(STATUS, Timestamp::UNIX_EPOCH);
    assert_eq!((seen.len(), &*seen[0].application, seen[0].uses, seen[0].star_only), (1, "billing", 1, false));
    for sequence in 1..4 {
        usage.record(&event(&billing, &explicit, Decision::Allow));
        drop(usage.cut(key(sequence)));
        usage.settled(None);
    }
    assert_eq!(usage.consumers(STATUS, Timestamp::UNIX_EPOCH)[0].uses, 4);
    assert_eq!(usage.consumers(Used { column: None, ..STATUS }, Timestamp::UNIX_EPOCH)[0].uses, 4);
    assert_eq!(usage.consumers(STATUS, Timestamp::now()), [], "nothing since then");
}

#[test]
fn a_statement_counts_once_for_a_column_however_often_it_names_it() {
    let usage = Usage::default();
    let both = report(7, &[(2, Access::Explicit), (2, Access::Filter), (2, Access::Star)]);
    usage.record(&event(&subject("billing"), &both, Decision::Allow));
    usage.record(&event(&subject("billing"), &report(8, &[(2, Access::Star)]), Decision::Allow));
    let seen = usage.consumers(STATUS, Timestamp::UNIX_EPOCH);
    assert_eq!((seen.len(), seen[0].uses, seen[0].shapes, seen[0].star_only), (1, 2, 2, false));
}

#[test]
fn who_was_refused_is_no_known_consumer_but_a_consumer() {
    let usage = Usage::default();
    let report = report(7, &[(2, Access::Star)]);
    let who = Who { application: "late", user: "ann" };
    usage.record(&event(&subject("late"), &report, Decision::Deny));
    assert!(!usage.was_known(STATUS, who, None));
    assert!(usage.consumers(STATUS, Timestamp::UNIX_EPOCH)[0].star_only);
    usage.record(&event(&subject("late"), &report, Decision::Allow));
    assert!(usage.was_known(STATUS, who, None));
    assert!(!usage.was_known(STATUS, who, Some(jiff::civil::date(2020, 1, 1))));
}

#[test]
fn who_changes_the_structure_is_no_consumer() {
    let (mut store, _folder) = store();
    let usage = Usage::default();
    let drop_column = report(7, &[(0, Access::Ddl), (2, Access::Ddl)]);
    usage.record(&event(&subject("migration"), &drop_column, Decision::Deny));
    assert_eq!(usage.consumers(STATUS, Timestamp::UNIX_EPOCH), []);
    store.write(&usage.cut(key(1))).unwrap();
    let recorded = store.uses(&Filter::default()).unwrap();
    assert_eq!(recorded.len(), 2, "it is recorded all the same");
    usage.settled(Some(Book::of(&recorded, 100)));
    assert_eq!(usage.consumers(STATUS, Timestamp::UNIX_EPOCH), []);
}

#[test]
fn what_does_not_fit_is_counted_under_other() {
    let usage = Usage::new(Bounds { pending: 10, consumers: 3, ledger: 5 });
    let report = report(7, &[(2, Access::Explicit)]);
    for number in 0..50 {
        usage.record(&event(&subject(&format!("job-{number}")), &report, Decision::Allow));
    }
    assert_eq!(usage.consumers(STATUS, Timestamp::UNIX_EPOCH).iter().map(|seen| seen.uses).sum::<u64>(), 50);
    let batch = usage.cut(key(1));
    assert_eq!(batch.uses.iter().map(|row| row.uses).sum::<i64>(), 50);
    assert_eq!(batch.totals.iter().map(|row| row.statements).sum::<i64>(), 50);
    assert!(batch.uses.len() <= 11 && batch.consumers.iter().any(|row| &*row.application == OTHER));
    assert!(usage.merged() >= 40);
}

#[test]
fn a_batch_that_comes_again_changes_nothing() {
    let (mut store, _folder) = store();
    let usage = Usage::default();
    usage.session_opened(&subject("billing"));
    usage.record(&event(&subject("billing"), &report(7, &[(2, Access::Explicit)]), Decision::Allow));
    let batch = usage.cut(key(1));
    assert_eq!(store.write(&batch).unwrap(), Written::Added);
    let (uses, totals) = (store.uses(&Filter::default()).unwrap(), store.totals(None).unwrap());
    assert_eq!(store.write(&batch).unwrap(), Written::Repeated);
    assert_eq!(store.uses(&Filter::default()).unwrap(), uses);
    assert_eq!(store.totals(None).unwrap(), totals);
    assert_eq!((uses.len(), &*uses[0].network, uses[0].uses, uses[0].rows), (1, "10.0.3.0/24", 1, 2));
    assert_eq!((totals[0].statements, totals[0].sessions), (1, 1));
    assert_eq!(store.spans().unwrap().len(), 1);
}

#[test]
fn old_days_are_forgotten_with_what_only_they_name() {
    let (mut store, _folder) = store();
    let usage = Usage::default();
    usage.record(&event(&subject("billing"), &report(7, &[(2, Access::Explicit)]), Decision::Allow));
    let mut batch = usage.cut(key(1));
    for day in batch.uses.iter_mut().map(|row| &mut row.day).chain(batch.totals.iter_mut().map(|row| &mut row.day)) {
        *day = jiff::civil::date(2020, 1, 1);
    }
    store.write(&batch).unwrap();
    store.expire(jiff::civil::date(2020, 1, 1)).unwrap();
    assert_eq!(store.uses(&Filter::default()).unwrap().len(), 1);
    store.expire(jiff::civil::date(2020, 1, 2)).unwrap();
    assert_eq!((store.uses(&Filter::default()).unwrap(), store.totals(None).unwrap()), (vec![], vec![]));
}

#[test]
fn only_the_owner_reads_the_store() {
    use std::os::unix::fs::PermissionsExt as _;
    let (mut store, folder) = store();
    store.write(&Usage::default().cut(key(1))).unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap()) {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
}

#[test]
fn a_store_of_a_later_version_is_not_touched() {
    let (mut store, folder) = store();
    let connection = rusqlite::Connection::open(folder.path().join("state.sqlite")).unwrap();
    connection.execute("UPDATE schema_version SET version = 99", []).unwrap();
    let StoreError { cause, .. } = store.prepare().unwrap_err();
    assert!(cause.contains("version 99"), "{cause}");
}

/// A statement of one of three applications and shapes, or a flush, which may be written twice.
#[derive(Debug, Clone)]
enum Step {
    Statement { application: usize, shape: usize, refused: bool },
    Flush { repeated: bool },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let statement = (0..3_usize, 0..3_usize, any::<bool>()).prop_map(|(application, shape, refused)| Step::Statement {
        application,
        shape,
        refused,
    });
    let flush = any::<bool>().prop_map(|repeated| Step::Flush { repeated });
    prop::collection::vec(prop_oneof![4 => statement, 1 => flush], 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn no_count_is_lost_between_flushes_and_none_is_counted_twice(steps in steps()) {
        let (mut store, _folder) = store();
        let usage = Usage::default();
        let subjects = ["web", "job", "report"].map(subject);
        let reports = [1, 2, 3].map(|shape| report(shape, &[(0, Access::Explicit), (2, Access::Explicit)]));
        let mut expected: BTreeMap<(String, i64, bool), i64> = BTreeMap::new();
        let mut sequence = 0;
        let mut flush = |repeated: bool| {
            sequence += 1;
            let batch = usage.cut(key(sequence));
            store.write(&batch).unwrap();
            if repeated {
                assert_eq!(store.write(&batch).unwrap(), Written::Repeated);
            }
            usage.settled(None);
        };
        for step in &steps {
            match step {
                Step::Statement { application, shape, refused } => {
                    let decision = if *refused { Decision::Deny } else { Decision::Allow };
                    let subject = &subjects[*application];
                    usage.record(&event(subject, &reports[*shape], decision));
                    let key = (subject.application.to_string(), *shape as i64 + 1, *refused);
                    *expected.entry(key).or_default() += 1;
                }
                Step::Flush { repeated } => flush(*repeated),
            }
        }
        flush(true);
        let filter = Filter { column: Some("status".to_owned()), ..Filter::default() };
        let rows = store.uses(&filter).unwrap();
        let found: BTreeMap<_, _> =
            rows.iter().map(|row| ((row.application.clone(), row.shape, row.refused), row.uses)).collect();
        prop_assert_eq!(&found, &expected);
        // What a process learns at its start is what the last one knew.
        let learned = Usage::default();
        learned.learn(Book::of(&store.uses(&Filter::default()).unwrap(), 1000));
        let summary = |usage: &Usage| {
            let mut all: Vec<_> = usage
                .consumers(STATUS, Timestamp::UNIX_EPOCH)
                .into_iter()
                .map(|seen| (seen.application, seen.uses, seen.shapes, seen.star_only))
                .collect();
            all.sort();
            all
        };
        prop_assert_eq!(summary(&learned), summary(&usage));
        for subject in &subjects {
            let who = Who { application: &subject.application, user: &subject.user };
            prop_assert_eq!(learned.was_known(STATUS, who, None), usage.was_known(STATUS, who, None));
        }
    }
}

//! Tests of the journal.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::model::activity::{Activity, DroppedIndex, IndexActivity};
use crate::model::caps::Caps;
use crate::model::migrations::{History, State, Tool};
use crate::observe::observer::DeprecatedColumn;

fn words(found: Vec<Change>) -> Vec<String> {
    found.into_iter().map(|change| format!("{}.{}: {}", change.schema, change.relation, change.what)).collect()
}

#[test]
fn the_journal_is_bounded_and_says_so() {
    let metrics = Metrics::new(Caps::default()).unwrap();
    let journal = Changes::new(&metrics);
    for number in 0..MOST {
        journal.add(&metrics, Change::new(Kind::Drift, number.to_string()).of("shop"));
    }
    let (latest, total) = journal.latest(2, |_| true);
    let latest: Vec<_> = latest.iter().map(|noted| noted.change.what.as_str()).collect();
    assert_eq!((latest, total, journal.forgotten()), (vec!["1999", "1998"], MOST, 1));
    let counted = format!("pgcovenant_changes_total{{datname=\"shop\",kind=\"drift\"}} {MOST}\n");
    assert!(metrics.render().contains(&counted));
}

fn index(name: &str, valid: bool) -> IndexActivity {
    IndexActivity {
        schema: "public".into(),
        table: "orders".into(),
        index: name.into(),
        valid,
        unused: Duration::ZERO,
        ..IndexActivity::default()
    }
}

fn activity(indexes: Vec<IndexActivity>, dropped: &[&str]) -> Activity {
    let gone = |name: &&str| DroppedIndex {
        schema: "public".into(),
        table: "orders".into(),
        index: (*name).into(),
        at: Timestamp::UNIX_EPOCH,
        bytes: None,
        scans: 0,
        is_news: true,
    };
    Activity { database: "shop".into(), indexes, dropped: dropped.iter().map(gone).collect(), ..Activity::default() }
}

#[test]
fn indexes_that_come_go_or_become_usable_are_changes_the_first_look_is_none() {
    let mut known = Known::default();
    let mut look = |indexes, dropped: &[&str]| words(known.indexes(&activity(indexes, dropped)));
    assert!(look(vec![index("a", true), index("b", false)], &[]).is_empty());
    assert!(look(vec![index("a", true), index("b", false)], &[]).is_empty());
    assert_eq!(
        look(vec![index("b", true), index("C", false)], &["a"]),
        [
            "public.orders: index a is gone",
            "public.orders: index \"C\" is new, and not usable yet",
            "public.orders: index b is usable now",
        ]
    );
    assert_eq!(
        look(vec![index("b", false), index("C", false)], &[]),
        ["public.orders: index b is not usable any more"]
    );
}

#[test]
fn a_server_is_lost_once_and_found_once() {
    let mut known = Known::default();
    let mut seen = |reachable| known.reachable(reachable).len();
    assert_eq!([true, true, false, false, true, true].map(&mut seen), [0, 0, 1, 0, 1, 0]);
    assert_eq!(Known::default().reachable(false).len(), 1, "at the start that is news");
}

#[test]
fn a_phase_that_the_date_or_an_edit_moves_is_a_change() {
    let column = |column: &str, phase| DeprecatedColumn {
        database: "shop".into(),
        schema: "public".into(),
        relation: "customers".into(),
        column: column.into(),
        phase,
        sunset: String::new(),
    };
    let mut known = Known::default();
    assert!(known.retiring(&[column("fax", "deprecated"), column("", "announced")]).is_empty());
    let next = known.retiring(&[column("fax", "sunset"), column("pager", "deprecated")]);
    assert_eq!(
        words(next),
        [
            "public.customers: column fax is sunset now, it was deprecated",
            "public.customers: column pager is deprecated now, it was active",
            "public.customers: the table is active now, it was announced",
        ]
    );
}

#[test]
fn a_migration_that_fails_is_a_change() {
    let history = |version: &str, state| History {
        tool: Tool::Flyway,
        table: ("public".into(), "flyway_schema_history".into()),
        version: version.into(),
        state,
        troubled: None,
        digest: "".into(),
        applied: BTreeMap::new(),
        failed: Default::default(),
        took: Default::default(),
    };
    let mut known = Known::default();
    let mut look = |histories: &[History]| {
        known.migrations("shop", histories).into_iter().map(|change| change.what).collect::<Vec<_>>()
    };
    assert!(look(&[history("7", State::Applied)]).is_empty());
    assert!(look(&[history("7", State::Applied)]).is_empty());
    assert_eq!(look(&[history("8", State::Failed)]), ["flyway: version 8, failed; it was version 7, applied"]);
}

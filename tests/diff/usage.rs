//! What recorded use does to the level of a removal.

use jiff::Timestamp;
use jiff::ToSpan;
use pgcovenant::model::consumers::{Consumer, Used};
use pgcovenant::model::diff::{Usage, UsageAnswer};

use super::{CONTRACT, POLICY, bundle, edited, found, line, now};

/// Answers the same about everything that is used under this name.
struct Recorded {
    column: &'static str,
    consumers: Vec<Consumer>,
    complete: bool,
}

impl Usage for Recorded {
    fn answer(&self, used: Used<'_>) -> Option<UsageAnswer> {
        assert_eq!((used.database, used.schema), ("shop", "public"));
        let is_it = used.column == Some(self.column);
        let consumers = if is_it { self.consumers.clone() } else { Vec::new() };
        Some(UsageAnswer { consumers, window_start: days_ago(92), complete: self.complete })
    }
}

fn days_ago(days: i64) -> Timestamp {
    now() - (days * 24).hours()
}

fn consumer(application: &str, shapes: u64, days: i64) -> Consumer {
    Consumer {
        application: application.into(),
        user: "app".into(),
        shapes,
        uses: 7,
        star_only: shapes == 1,
        first_seen: days_ago(90),
        last_seen: days_ago(days),
    }
}

/// The findings of one edit of the contract, each with its note.
fn told(edits: &[(&str, &str)], usage: &Recorded) -> Vec<String> {
    let old = bundle("old", CONTRACT, POLICY);
    let new = bundle("new", &edited(CONTRACT, edits), POLICY);
    let findings = found(&old, &new, Some(usage));
    findings.iter().map(|finding| format!("{} | {}", line(finding), finding.note.clone().unwrap_or_default())).collect()
}

const WITHOUT_NOTE: &[(&str, &str)] = &[("      - {name: note, physicalType: text, description: Free text.}\n", "")];

#[test]
fn a_removal_of_what_somebody_uses_is_an_error_that_names_them() {
    let consumers = vec![consumer("billing", 3, 1), consumer("", 1, 5)];
    let usage = Recorded { column: "note", consumers, complete: true };
    let who = "used by billing, 3 shapes, last seen yesterday; by app by `*` only, 1 shape, last seen 5 days ago";
    assert_eq!(
        told(WITHOUT_NOTE, &usage),
        [
            format!("error field-removed public.customers.note: text -> nothing | {who}"),
            format!("error removal-while-in-use public.customers.note: text -> nothing | {who}"),
        ]
    );
}

#[test]
fn a_removal_of_what_nobody_uses_is_harmless_where_the_evidence_is_complete() {
    let unused = Recorded { column: "note", consumers: Vec::new(), complete: true };
    assert_eq!(
        told(WITHOUT_NOTE, &unused),
        ["info field-removed public.customers.note: text -> nothing | unused 92 days"]
    );
    let unknown = Recorded { complete: false, ..unused };
    assert_eq!(
        told(WITHOUT_NOTE, &unknown),
        [
            "error field-removed public.customers.note: text -> nothing | no use recorded for 92 days, but the evidence is incomplete"
        ]
    );
}

#[test]
fn usage_decides_on_changes_of_types_but_not_on_safe_ones() {
    let used = Recorded { column: "code", consumers: vec![consumer("billing", 2, 0)], complete: true };
    let narrower = [("physicalType: varchar(20)", "physicalType: varchar(9)")];
    let wider = [("physicalType: varchar(20)", "physicalType: varchar(90)")];
    assert!(told(&narrower, &used)[0].starts_with("error type-changed"));
    assert!(told(&narrower, &used)[0].ends_with("| used by billing, 2 shapes, last seen today"));
    let unused = Recorded { consumers: Vec::new(), ..used };
    assert!(told(&narrower, &unused)[0].starts_with("info type-changed"));
    assert!(told(&wider, &unused)[0].ends_with("character varying(90) | "));
}

#[test]
fn past_its_sunset_a_column_may_go_unless_somebody_still_uses_it() {
    let gone = [(
        "      - name: legacy\n        physicalType: text\n        customProperties:\n          \
                  - {property: pgcovenantLifecycle, value: {since: 2026-01-01, sunset: 2026-07-01}}\n",
        "",
    )];
    let used = Recorded { column: "legacy", consumers: vec![consumer("report", 2, 20)], complete: true };
    let lines = told(&gone, &used);
    assert!(lines[0].starts_with("error removal-while-in-use public.orders.legacy"), "{lines:?}");
    assert!(lines[1].starts_with("info field-removed public.orders.legacy"), "{lines:?}");
    assert!(lines[1].ends_with("its sunset was announced for 2026-07-01"), "{lines:?}");
}

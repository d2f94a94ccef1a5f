//! Whatever a contract says: it does not differ from itself.

use std::fmt::Write as _;

use pgcovenant::model::diff::{Level, RULES};
use proptest::prelude::*;

use super::{bundle, found};

/// A column as somebody might write it.
fn column() -> impl Strategy<Value = String> {
    let types = prop::sample::select(vec![
        "text",
        "varchar(20)",
        "varchar",
        "integer",
        "bigint",
        "numeric(10,2)",
        "timestamptz",
        "mood",
        "text[]",
        "serial",
    ]);
    let class = prop::sample::select(vec![
        "",
        ", classification: internal",
        ", classification: restricted",
        ", classification: odd",
    ]);
    let more = prop::sample::subsequence(
        vec![
            ", required: true",
            ", unique: true",
            ", description: what it is",
            ", tags: [pii]",
            ", logicalType: string, logicalTypeOptions: {maxLength: 9}",
            ", quality: [{metric: invalidValues, arguments: {validValues: [a, b]}, mustBe: 0}]",
            ", customProperties: [{property: pgcovenantLifecycle, value: {since: 2026-01-01, sunset: 2027-01-01, replacedBy: x}}]",
        ],
        0..=7,
    );
    (types, class, more).prop_map(|(ty, class, more)| format!("physicalType: \"{ty}\"{class}{}", more.concat()))
}

fn contract() -> impl Strategy<Value = String> {
    let table = prop::collection::btree_map("[a-e]", column(), 1..5);
    let tables = prop::collection::btree_map("[t-w]", table, 1..4);
    (tables, 0..3u8).prop_map(|(tables, patch)| {
        let mut text = format!(
            "apiVersion: v3.1.0\nkind: DataContract\nid: i\nversion: 1.0.{patch}\nstatus: active\n\
             servers: [{{server: s, type: postgres, host: h, port: 5432, database: d, schema: public}}]\nschema:\n"
        );
        for (name, columns) in tables {
            _ = write!(text, "- name: {name}\n  properties:\n");
            for (name, column) in columns {
                _ = writeln!(text, "  - {{name: {name}, {column}}}");
            }
        }
        text
    })
}

fn policy() -> impl Strategy<Value = String> {
    let action = prop::sample::select(vec!["deny", "{mask: \"null\"}", "{mask: default}", "allow"]);
    let role = prop::sample::select(vec!["support", "analyst", "s*"]);
    let rule = (action, role, "[a-e*]", "[t-w*]", any::<bool>());
    prop::collection::vec(rule, 1..5).prop_map(|rules| {
        let mut text =
            "apiVersion: pgcovenant/v1\nkind: Policy\nmetadata: {name: p, version: 1}\nunmodelled: allow\nrules:\n"
                .to_owned();
        for (number, (action, role, column, table, by_tag)) in rules.into_iter().enumerate() {
            let columns =
                if by_tag { "{tags: [pii]}".to_owned() } else { format!("{{names: [\"public.{table}.{column}\"]}}") };
            _ = writeln!(
                text,
                "- {{name: r{number}, columns: {columns}, to: [{{role: \"{role}\"}}], action: {action}}}"
            );
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn nothing_differs_from_itself(contract in contract(), policy in policy()) {
        let (old, new) = (bundle("old", &contract, &policy), bundle("new", &contract, &policy));
        prop_assert_eq!(found(&old, &new, None), Vec::new());
    }

    #[test]
    fn what_comes_one_way_goes_the_other_way(one in contract(), other in contract(), policy in policy()) {
        let (one, other) = (bundle("one", &one, &policy), bundle("other", &other, &policy));
        let (there, back) = (found(&one, &other, None), found(&other, &one, None));
        prop_assert_eq!(there.is_empty(), back.is_empty());
        for finding in there.iter().chain(&back) {
            prop_assert!(RULES.iter().any(|rule| rule.id == finding.rule.id));
            prop_assert!(finding.level <= finding.rule.level && finding.level >= Level::Info);
        }
        let sorted = |findings: &[pgcovenant::model::diff::Finding]| findings.windows(2).all(|pair| pair[0].level >= pair[1].level);
        prop_assert!(sorted(&there) && sorted(&back));
    }
}

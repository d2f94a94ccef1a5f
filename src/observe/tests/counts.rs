//! What is counted.

use super::*;

#[test]
fn drift_is_counted_by_table_and_goes_when_it_is_gone() {
    let (observer, _folder) = observer(Caps::default());
    observer.drift("shop", &drift(), &histories(), jiff::Timestamp::UNIX_EPOCH);
    let text = observer.render();
    let found = series(&text);
    let item =
        r#"pgcovenant_drift_items{datname="shop",relname="customers",kind="missing_column",severity="breaking"}"#;
    assert_eq!(found.get(item), Some(&"2"), "{text}");
    let role = r#"pgcovenant_drift_items{datname="shop",relname="",kind="grant_bypass",severity="breaking"}"#;
    assert_eq!(found.get(role), Some(&"1"), "{text}");
    let version =
        r#"pgcovenant_schema_version_info{datname="shop",tool="flyway",schema_version="none",state="in_progress"}"#;
    assert_eq!(found.get(version), Some(&"1"), "{text}");
    observer.drift("shop", &[], &[], jiff::Timestamp::UNIX_EPOCH);
    let text = observer.render();
    assert!(!text.contains("drift_items") && !text.contains("schema_version_info"), "{text}");
    assert!(text.contains("pgcovenant_drift_last_check_timestamp_seconds{datname=\"shop\"} 0"), "{text}");
}

#[test]
fn counts_say_what_happened() {
    let (observer, _folder) = observer(Caps::default());
    report_everything(&observer);
    let text = observer.render();
    let series = series(&text);
    let table = r#"datname="shop",schemaname="public",relname="customers",operation="select""#;
    let expect = [
        (r#"pgcovenant_statements_total{datname="shop",application="billing",operation="select",decision="mask"}"#.to_owned(), "3"),
        (format!("pgcovenant_table_statements_total{{{table}}}"), "4"),
        (format!("pgcovenant_table_rows_total{{{table}}}"), "5"),
        (format!("pgcovenant_table_statement_duration_seconds_count{{{table},scope=\"single\"}}"), "1"),
        (format!("pgcovenant_table_overhead_seconds_count{{{table}}}"), "2"),
        (r#"pgcovenant_overhead_seconds_count{stage="check"}"#.to_owned(), "9"),
        (r#"pgcovenant_overhead_seconds_sum{stage="parse"}"#.to_owned(), "0.000003"),
        (r#"pgcovenant_analysis_total{result="analysed"}"#.to_owned(), "8"),
        (r#"pgcovenant_analysis_total{result="unanalyzable"}"#.to_owned(), "1"),
        (
            r#"pgcovenant_write_checks_total{datname="shop",schemaname="public",relname="customers",result="allowed"}"#
                .to_owned(),
            "1",
        ),
        (
            r#"pgcovenant_table_info{datname="shop",schemaname="public",relname="customers",contract="shop",contract_version="1.3.0",team="checkout",criticality="high"}"#.to_owned(),
            "1",
        ),
        (
            r#"pgcovenant_contract_info{contract="shop",contract_version="1.3.0",team="checkout",status="active"}"#
                .to_owned(),
            "1",
        ),
        (
            r#"pgcovenant_table_latency_target_seconds{datname="shop",schemaname="public",relname="customers"}"#
                .to_owned(),
            "0.05",
        ),
        (r#"pgcovenant_statement_duration_seconds_count{datname="shop",operation="multiple"}"#.to_owned(), "1"),
        (r#"pgcovenant_refusals_total{datname="shop",rule="support-masked",sqlstate="42501"}"#.to_owned(), "1"),
        (r#"pgcovenant_errors_total{datname="shop",application="billing",sqlstate_class="42",origin="proxy"}"#.to_owned(), "1"),
        (r#"pgcovenant_shadow_findings_total{rule="support-masked",action="mask"}"#.to_owned(), "1"),
        (
            r#"pgcovenant_deprecated_access_total{datname="shop",schemaname="public",relname="customers",column="fax",access="explicit",application="billing"}"#.to_owned(),
            "1",
        ),
        (
            r#"pgcovenant_sensitive_access_total{datname="shop",schemaname="public",relname="customers",column="email",classification="restricted",outcome="masked"}"#.to_owned(),
            "3",
        ),
        (
            r#"pgcovenant_column_access_total{datname="shop",schemaname="public",relname="customers",column="email",application="billing",access="explicit",outcome="masked"}"#.to_owned(),
            "3",
        ),
        (r#"pgcovenant_client_connections{datname="shop",application="billing",state="idle"}"#.to_owned(), "0"),
        (r#"pgcovenant_server_connections{datname="shop",state="idle"}"#.to_owned(), "0"),
        (r#"pgcovenant_label_values{label="application"}"#.to_owned(), "1"),
        (
            r#"pgcovenant_deprecated_column_sunset_timestamp_seconds{datname="shop",schemaname="public",relname="customers",column="fax"}"#.to_owned(),
            "1778803200",
        ),
        (r#"pgcovenant_policy_info{policy="shop-privacy",version="4"}"#.to_owned(), "1"),
        ("pgcovenant_policy_last_reload_successful".to_owned(), "0"),
    ];
    for (name, value) in expect {
        assert_eq!(series.get(&*name), Some(&value), "{name}\n{text}");
    }
}

#[test]
fn a_text_counts_the_same_the_first_time_and_later_and_for_every_application() {
    let (observer, _folder) = observer(Caps::default());
    let first =
        event(vec![statement(vec![relation(1, "customers")], vec![column("fax", Outcome::Clear)])], Decision::Allow);
    for application in ["billing", "support", "a", "b", "c", "d", "e", "f", "billing"] {
        for _ in 0..2 {
            observer.statement(&Event { subject: subject(application), ..first.clone() });
        }
    }
    let text = observer.render();
    let series = series(&text);
    let of = |application: &str| {
        format!(
            r#"pgcovenant_statements_total{{datname="shop",application="{application}",operation="select",decision="allow"}}"#
        )
    };
    for (application, count) in [("billing", "4"), ("support", "2"), ("a", "2"), ("f", "2")] {
        assert_eq!(series.get(&*of(application)), Some(&count), "{application}\n{text}");
    }
    let table = r#"pgcovenant_table_statements_total{datname="shop",schemaname="public",relname="customers",operation="select"}"#;
    assert_eq!(series.get(table), Some(&"18"));
    assert_eq!(series.get(r#"pgcovenant_analysis_total{result="cached"}"#), Some(&"17"));
    let last = r#"pgcovenant_sensitive_access_total{datname="shop",schemaname="public",relname="customers",column="fax",classification="restricted",outcome="clear_allowed"}"#;
    assert_eq!(series.get(last), Some(&"18"));
}

#[test]
fn no_count_is_lost_when_threads_meet_at_a_new_text() {
    let (observer, _folder) = observer(Caps { applications: 20, ..Caps::default() });
    let used = vec![column("fax", Outcome::Masked)];
    let first = event(vec![statement(vec![relation(1, "customers")], used)], Decision::Mask);
    let subjects: Vec<_> = (0..40).map(|number| subject(&format!("application-{number}"))).collect();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (observer, first, subjects) = (&observer, &first, &subjects);
            scope.spawn(move || {
                for number in 0..400 {
                    let subject = Arc::clone(&subjects[(number * 7 + thread) % subjects.len()]);
                    observer.statement(&Event { subject, ..first.clone() });
                }
            });
        }
    });
    let text = observer.render();
    let of = |start: &str| -> Vec<u32> {
        let found = text.lines().filter(|line| line.starts_with(&format!("pgcovenant_{start}{{")));
        found.map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap()).collect()
    };
    let statements = of("statements_total");
    assert_eq!((statements.len(), statements.iter().sum()), (21, 1600_u32), "20 applications and __other__");
    assert_eq!(of("column_access_total").iter().sum::<u32>(), 1600);
    assert_eq!((of("table_statements_total"), of("sensitive_access_total")), (vec![1600], vec![1600]));
}

#[test]
fn a_report_that_comes_with_another_decision_or_database_is_counted_as_what_it_is() {
    let (observer, _folder) = observer(Caps::default());
    let first = event(vec![statement(Vec::new(), Vec::new())], Decision::Allow);
    observer.statement(&first);
    observer.statement(&Event { decision: Decision::Deny, duration: None, ..first.clone() });
    let elsewhere = Subject { database: "other".into(), ..(*first.subject).clone() };
    observer.statement(&Event { subject: Arc::new(elsewhere), ..first });
    let text = observer.render();
    for (database, decision) in [("shop", "allow"), ("shop", "deny"), ("other", "allow")] {
        let name = format!(
            r#"pgcovenant_statements_total{{datname="{database}",application="billing",operation="select",decision="{decision}"}}"#
        );
        assert_eq!(series(&text).get(&*name), Some(&"1"), "{name}\n{text}");
    }
}

#[test]
fn a_classified_column_that_no_rule_is_about_is_shown_unexpectedly() {
    let (observer, _folder) = observer(Caps::default());
    let clear = || ColumnUse { decided: false, rule: None, ..column("ssn", Outcome::Clear) };
    let uses = [
        (ColumnUse { decided: true, ..clear() }, "clear_allowed"),
        (ColumnUse { access: Access::Write, ..clear() }, "clear_allowed"),
        (clear(), "clear_unexpected"),
        (ColumnUse { outcome: Outcome::WouldDeny, ..clear() }, "would_deny"),
        (ColumnUse { outcome: Outcome::Masked, ..clear() }, "masked"),
    ];
    for (used, outcome) in uses {
        let before = sensitive(&observer.render(), outcome);
        observer.statement(&event(vec![statement(Vec::new(), vec![used])], Decision::Allow));
        assert_eq!(sensitive(&observer.render(), outcome), before + 1, "{outcome}");
    }
}

fn sensitive(text: &str, outcome: &str) -> u32 {
    let name = format!(
        r#"pgcovenant_sensitive_access_total{{datname="shop",schemaname="public",relname="customers",column="ssn",classification="restricted",outcome="{outcome}"}}"#
    );
    series(text).get(&*name).map_or(0, |value| value.parse().unwrap())
}

#[test]
fn open_sessions_are_as_many_as_there_are() {
    let (observer, _folder) = observer(Caps { applications: 2, ..Caps::default() });
    let subjects: Vec<_> = ["a", "b", "c", "d", "a"].map(subject).into();
    let sessions = subjects.iter().enumerate().map(|(number, subject)| {
        observer.session_opened(subject);
        let opened = Opened { number: number as u64, subject: Arc::clone(subject), backend: None };
        observer.follow(opened).unwrap()
    });
    let mut sessions: Vec<_> = sessions.collect();
    let open = |application: &str, state: &str| {
        let text = observer.render();
        let labels = format!(r#"datname="shop",application="{application}",state="{state}""#);
        series(&text).get(&*format!("pgcovenant_client_connections{{{labels}}}")).map(|value| value.parse().unwrap())
    };
    let idle = |application| open(application, "idle");
    assert_eq!(["a", "b", "__other__"].map(idle), [Some(2), Some(1), Some(2)]);
    assert!(observer.render().contains("pgcovenant_server_connections{datname=\"shop\",state=\"idle\"} 5\n"));
    sessions[1].begins(false, Instant::now());
    assert_eq!((idle("b"), open("b", "active"), open("b", "idle in transaction")), (Some(0), Some(1), Some(0)));
    sessions[1].rests(State::Aborted, Instant::now());
    assert_eq!((open("b", "active"), open("b", "idle in transaction (aborted)")), (Some(0), Some(1)));
    sessions.clear();
    assert_eq!(["a", "b", "__other__"].map(idle), [Some(0); 3], "what was there once stays");
}

#[test]
fn an_error_is_told_of_the_tables_that_one_statement_alone_names() {
    let (observer, _folder) = observer(Caps::default());
    let failed = |statements| Event { sqlstate: Some(*b"23505"), ..event(statements, Decision::Allow) };
    let on = |names: &[&str]| {
        let relations = names.iter().zip(1..).map(|(name, oid)| relation(oid, name)).collect();
        statement(relations, Vec::new())
    };
    observer.statement(&failed(vec![on(&["orders", "customers"])]));
    observer.statement(&failed(vec![on(&[]), on(&["orders"]), on(&[])]));
    observer.statement(&failed(vec![on(&["orders"]), on(&["orders"])]));
    observer.statement(&event(vec![on(&["orders"])], Decision::Deny));
    observer.statement(&event(vec![on(&["orders"])], Decision::Allow));
    let text = observer.render();
    let errors = |relation: &str, class: &str, origin: &str| {
        let table = format!(r#"datname="shop",schemaname="public",relname="{relation}""#);
        let name = format!("pgcovenant_table_errors_total{{{table},sqlstate_class=\"{class}\",origin=\"{origin}\"}}");
        series(&text).get(&*name).map_or(0, |value| value.parse().unwrap())
    };
    assert_eq!((errors("orders", "23", "server"), errors("customers", "23", "server")), (2, 1));
    assert_eq!((errors("orders", "42", "proxy"), errors("orders", "42", "server")), (1, 0));
}

#[test]
fn rows_of_an_update_belong_to_the_update() {
    let (observer, _folder) = observer(Caps::default());
    let both = [Operation::Select, Operation::Update];
    let relations = both.map(|operation| RelationUse { operation, ..relation(1, "orders") }).to_vec();
    let update = StatementReport { operation: Operation::Update, ..statement(relations, Vec::new()) };
    observer.statement(&event(vec![update], Decision::Allow));
    let text = observer.render();
    let rows = |operation: &str| {
        let labels = r#"datname="shop",schemaname="public",relname="orders",operation="#;
        series(&text)[&*format!("pgcovenant_table_rows_total{{{labels}\"{operation}\"}}")].to_owned()
    };
    assert_eq!((rows("select").as_str(), rows("update").as_str()), ("0", "5"));
}

#[test]
fn a_pair_of_columns_that_is_no_more_leaves_no_series() {
    let (observer, _folder) = observer(Caps::default());
    report_everything(&observer);
    let labels = r#"datname="shop",schemaname="public",relname="customers",column="fax",replacement="phone""#;
    let text = observer.render();
    let before = series(&text);
    for (name, value) in [
        (format!("pgcovenant_divergent_rows{{{labels}}}"), "2"),
        (format!("pgcovenant_backfill_rows{{{labels},state=\"missing\"}}"), "3"),
        (format!("pgcovenant_backfill_rows{{{labels},state=\"done\"}}"), "40"),
        (format!("pgcovenant_divergence_sampled_ratio{{{labels}}}"), "0.25"),
    ] {
        assert_eq!(before.get(&*name), Some(&value), "{name}\n{text}");
    }
    assert_eq!(
        text.matches("pgcovenant_divergent_rows{").count(),
        1,
        "the other pair may differ, the third was never read"
    );
    observer.divergence(&Divergence { database: "shop".into(), pairs: Vec::new() });
    assert!(!observer.render().contains("pgcovenant_divergent_rows"));
}

#[test]
fn what_is_measured_of_the_data_goes_when_its_promise_or_its_slot_is_gone() {
    let (observer, _folder) = observer(Caps::default());
    report_everything(&observer);
    let table = r#"datname="shop",schemaname="public",relname="customers""#;
    let key = format!(r#"{table},relationship="agent -> agents.id""#);
    let text = observer.render();
    let before = series(&text);
    for (name, value) in [
        (format!("pgcovenant_orphan_rows{{{key}}}"), "7"),
        (format!("pgcovenant_orphan_sampled_ratio{{{key}}}"), "0.5"),
        (format!("pgcovenant_orphan_last_check_timestamp_seconds{{{key}}}"), "0"),
        (format!("pgcovenant_data_freshness_seconds{{{table}}}"), "12.5"),
        (format!("pgcovenant_data_freshness_target_seconds{{{table}}}"), "60"),
        (r#"pgcovenant_replication_slot_lag_bytes{datname="shop",slot="cdc"}"#.to_owned(), "4096"),
        (r#"pgcovenant_replication_slot_active{datname="shop",slot="cdc"}"#.to_owned(), "1"),
        (r#"pgcovenant_replication_slot_active{datname="",slot="standby"}"#.to_owned(), "0"),
    ] {
        assert_eq!(before.get(&*name), Some(&value), "{name}\n{text}");
    }
    assert_eq!(text.matches("pgcovenant_orphan_rows{").count(), 1, "what was never counted is not 0");
    assert_eq!(text.matches("pgcovenant_replication_slot_lag_bytes{").count(), 1, "nor is what is not known");
    observer.data_measured(&Measured { database: "shop".into(), ..Measured::default() });
    observer.replication_slots(&[]);
    let text = observer.render();
    for name in ["pgcovenant_orphan", "pgcovenant_data_freshness", "pgcovenant_replication_slot"] {
        assert!(!text.contains(name), "{name}\n{text}");
    }
}

#[test]
fn names_of_slots_are_bounded() {
    let (observer, _folder) = observer(Caps { slots: 2, ..Caps::default() });
    let slots: Vec<_> = (0..50).map(|number| slot(&format!("pg_1_sync_{number}"), "shop", Some(number))).collect();
    observer.replication_slots(&slots);
    let text = observer.render();
    assert_eq!(text.matches("pgcovenant_replication_slot_lag_bytes{").count(), 3, "{text}");
    let other = r#"pgcovenant_replication_slot_lag_bytes{datname="shop",slot="__other__"}"#;
    assert_eq!(series(&text).get(other), Some(&"49"), "the one that is behind most");
}

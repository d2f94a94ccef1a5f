//! Tests of the observer as a whole: what a scrape and the audit file show after events.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::audit::PolicyVersion;
use super::audit::chain::Sealer;
use super::audit::verify::verify;
use super::event::{Decision, Event, Recorder};
use super::metrics::Caps;
use super::observer::{DeprecatedColumn, Observer};
use super::registry::{METRICS, Metric};
use crate::engine::report::{
    Access, ColumnUse, DdlChange, DdlReport, Operation, Outcome, RelationUse, Report, StatementReport, Touches,
};
use crate::engine::stages::Stage;
use crate::model::activity::{Activity, DroppedIndex, IndexActivity, IndexKind, TableActivity};
use crate::model::catalog::{ColumnId, Oid};
use crate::model::divergence::{ColumnPair, Compared, Divergence};
use crate::model::drift::{Finding, Kind, Severity};
use crate::model::migrations::{History, HistoryTable, Tool, summarise};
use crate::model::source::SourceFile;
use crate::policy::compile::Bundle;
use crate::policy::subject::Subject;

const GOLDEN: &str = include_str!("../../tests/golden/metrics.txt");

pub(super) fn subject(application: &str) -> Arc<Subject> {
    Arc::new(Subject {
        user: "ann".into(),
        database: "shop".into(),
        roles: ["ann", "support"].map(Box::from).into(),
        address: Some("10.0.0.7".parse().unwrap()),
        certificate: None,
        application: application.into(),
    })
}

fn relation(oid: u32, name: &str) -> RelationUse {
    RelationUse { relation: Oid(oid), schema: "public".into(), name: name.into(), operation: Operation::Select }
}

pub(super) fn column(name: &str, outcome: Outcome) -> ColumnUse {
    ColumnUse {
        column: ColumnId { relation: Oid(1), attnum: 3 },
        schema: "public".into(),
        relation: "customers".into(),
        name: name.into(),
        access: Access::Explicit,
        outcome,
        rule: Some("support-masked".into()),
        phase: None,
        classification: Some("restricted".into()),
        decided: true,
    }
}

/// A contract about the table `customers`, and as many more as wanted.
fn bundle(more: &[&str]) -> Bundle {
    let mut text = "apiVersion: v3.1.0
kind: DataContract
id: 6f1a
name: shop
version: 1.3.0
status: active
team: {name: checkout}
slaProperties: [{property: p95, value: 50, unit: ms, element: customers}]
servers: [{server: s, type: postgresql, host: db, port: 5432, database: shop, schema: public}]
schema:
  - name: customers
    customProperties: [{property: pgcovenantCriticality, value: high}]
"
    .to_owned();
    more.iter().for_each(|table| text.push_str(&format!("  - {{name: {table}}}\n")));
    let (bundle, problems) = Bundle::from_sources(&[SourceFile::new("contract.odcs.yaml", &text)]);
    assert!(problems.is_empty(), "{problems:?}");
    bundle.unwrap()
}

pub(super) fn statement(relations: Vec<RelationUse>, columns: Vec<ColumnUse>) -> StatementReport {
    let touched = Touches::default();
    StatementReport { operation: Operation::Select, fingerprint: 0xabc, relations, columns, unanalysed: None, touched }
}

pub(super) fn event(statements: Vec<StatementReport>, decision: Decision) -> Event {
    let refused = decision == Decision::Deny;
    Event {
        subject: subject("billing"),
        session: 7,
        epoch: 3,
        report: Arc::new(Report { statements, ..Report::default() }),
        decision,
        duration: (!refused).then_some(Duration::from_millis(2)),
        checked_in: Duration::from_micros(3),
        rows: 5,
        sqlstate: refused.then_some(*b"42501"),
        refusal: refused.then(|| "permission denied for column ssn".into()),
        parent: None,
    }
}

/// Two changes of the structure in one request.
pub(super) fn changed(decision: Decision) -> Event {
    let change = DdlChange { action: "drop column", object: "public.orders.status".to_owned() };
    let ddl = vec![
        DdlReport { command: "ALTER TABLE", changes: vec![change] },
        DdlReport { command: "COMMENT", changes: Vec::new() },
    ];
    let report = Arc::new(Report { ddl, ..Report::default() });
    Event { report, ..event(Vec::new(), decision) }
}

fn pair(column: &str, replacement: &str) -> ColumnPair {
    let (schema, relation) = ("public".into(), "customers".into());
    ColumnPair { schema, relation, column: column.into(), replacement: replacement.into() }
}

fn compared(divergent: Option<u64>) -> Compared {
    Compared { at: jiff::Timestamp::UNIX_EPOCH, divergent, missing: 3, done: 40, share: 0.25 }
}

/// Reports at least one event for every metric there is.
fn report_everything(observer: &Observer) {
    let masked = || statement(vec![relation(1, "customers")], vec![column("email", Outcome::Masked)]);
    observer.statement(&event(vec![masked()], Decision::Mask));
    observer.statement(&event(vec![masked(), masked()], Decision::Mask));
    let denied = statement(vec![relation(1, "customers")], vec![column("ssn", Outcome::Denied)]);
    observer.statement(&event(vec![denied], Decision::Deny));
    let deprecated =
        ColumnUse { phase: Some("deprecated"), classification: None, rule: None, ..column("fax", Outcome::Clear) };
    observer.statement(&event(vec![statement(Vec::new(), vec![deprecated])], Decision::Warn));
    let shadow = column("phone", Outcome::WouldMask);
    observer.statement(&event(vec![statement(Vec::new(), vec![shadow])], Decision::WouldDeny));
    observer.statement(&changed(Decision::Allow));
    let write = RelationUse { operation: Operation::Update, ..relation(1, "customers") };
    let write = StatementReport { operation: Operation::Update, ..statement(vec![write], Vec::new()) };
    let mut report = Report { statements: vec![write], governed: true, ..Report::default() };
    report.stages.add(Stage::Parse, Duration::from_micros(3));
    observer.statement(&Event { report: Arc::new(report), ..event(Vec::new(), Decision::Allow) });
    let unanalysed = StatementReport { unanalysed: Some("do_block"), ..statement(Vec::new(), Vec::new()) };
    observer.statement(&event(vec![unanalysed], Decision::Allow));
    let touched = Touches { shape: "SELECT ?".into(), ..Touches::default() };
    observer.statement(&event(vec![StatementReport { touched, ..statement(Vec::new(), Vec::new()) }], Decision::Allow));
    super::plans::tests::report_everything(observer);
    observer.session_opened(&subject("billing"));
    observer.connection_failed("tls");
    observer.policy_loaded(3, vec![PolicyVersion { name: "shop-privacy".into(), version: "4".into() }]);
    observer.policy_refused();
    observer.names_known(&bundle(&[]));
    observer.contracts_loaded(&bundle(&[]));
    observer.catalog_read("shop", Ok(()), Duration::from_millis(80));
    observer.certificates_loaded(Some(jiff::Timestamp::UNIX_EPOCH));
    observer.certificates_refused();
    observer.upstream_reached();
    observer.upstream_lost();
    observer.usage_flushed(Ok(()));
    observer.deprecated_columns(&[DeprecatedColumn {
        database: "shop".into(),
        schema: "public".into(),
        relation: "customers".into(),
        column: "fax".into(),
        phase: "deprecated",
        sunset: "2026-05-15".into(),
    }]);
    observer.drift("shop", &drift(), &histories(), jiff::Timestamp::UNIX_EPOCH);
    observer.divergence(&Divergence {
        database: "shop".into(),
        pairs: vec![
            (pair("fax", "phone"), Some(compared(Some(2)))),
            (pair("mail", "email"), Some(compared(None))),
            (pair("never", "read"), None),
        ],
    });
    observer.activity(&activity());
}

fn activity() -> Activity {
    Activity {
        database: "shop".into(),
        tables: vec![TableActivity {
            schema: "public".into(),
            table: "customers".into(),
            seq_scans: 1,
            seq_rows: 2,
            index_scans: 3,
            index_rows: 4,
            bytes: Some(8192),
            rows: 2,
            waiters: 1,
        }],
        indexes: vec![IndexActivity {
            schema: "public".into(),
            table: "customers".into(),
            index: "customers_pkey".into(),
            scans: 3,
            rows: 4,
            bytes: Some(16384),
            kind: IndexKind::Primary,
            valid: true,
            unused: Duration::from_secs(7),
        }],
        dropped: vec![DroppedIndex {
            schema: "public".into(),
            table: "customers".into(),
            index: "customers_fax_idx".into(),
            at: jiff::Timestamp::UNIX_EPOCH,
            bytes: None,
            scans: 0,
            is_news: true,
        }],
    }
}

fn drift() -> Vec<Finding> {
    let finding = Finding {
        kind: Kind::MissingColumn,
        severity: Severity::Breaking,
        database: "shop".into(),
        schema: "public".into(),
        relation: "customers".into(),
        column: Some("fax".into()),
        expected: None,
        found: None,
        message: "public.customers.fax is promised and not there".to_owned(),
        help: String::new(),
    };
    let other = Finding { column: Some("phone".into()), ..finding.clone() };
    let role = Finding { kind: Kind::GrantBypass, relation: "".into(), column: None, ..finding.clone() };
    vec![finding, other, role]
}

fn histories() -> Vec<History> {
    let table = HistoryTable { schema: "public".into(), name: "h".into(), tool: Tool::Flyway, has_lock: false };
    vec![summarise(&table, &[], true)]
}

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

fn observer(caps: Caps) -> (Observer, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let observer = Observer::new(Some(&folder.path().join("audit.jsonl")), caps).unwrap();
    (observer.telling(Some(super::traces::tests::nowhere()), None).unwrap(), folder)
}

/// The records of statements in the text of an audit.
pub(super) fn statements(text: &str) -> Vec<serde_json::Value> {
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    lines.filter(|line| line["type"] == "statement").collect()
}

pub(super) fn until(complaint: &str, mut holds: impl FnMut() -> bool) {
    let began = std::time::Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(20), "{complaint}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Series of a rendered text: name with labels, and value.
pub(super) fn series(text: &str) -> BTreeMap<&str, &str> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' ')).collect()
}

#[test]
fn the_scrape_has_exactly_the_declared_metrics() {
    let (observer, _folder) = observer(Caps { applications: 0, ..Caps::default() });
    report_everything(&observer);
    let text = observer.render();
    let heads: Vec<&str> = text.lines().filter(|line| line.starts_with('#')).collect();
    let labels = METRICS.iter().map(|metric| format!("# LABELS {} {}", metric.name, metric.labels.join(",")));
    let mut lines: Vec<String> = heads.iter().map(|line| (*line).to_owned()).chain(labels).collect();
    lines.sort_by_key(|line| line.split(' ').nth(2).map(|name| (name.to_owned(), line.clone())));
    let listing: String = lines.iter().map(|line| format!("{}\n", line.trim_end())).collect();
    assert_eq!(listing, GOLDEN, "names, help and types are an interface: change tests/golden/metrics.txt on purpose");

    let declared: BTreeSet<_> = METRICS.iter().map(|metric| metric.name).collect();
    let rendered: BTreeSet<_> =
        heads.iter().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert_eq!(declared, rendered);
}

#[test]
fn the_documentation_lists_every_metric() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, _) = page.split_once("every_metric`. -->\n").expect("the mark before the list");
    let mut metrics = METRICS.to_vec();
    metrics.sort_by_key(|metric| metric.name);
    let line = |metric: &Metric| {
        let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let help = metric.help.replace("__other__", "`__other__`");
        format!("| `{}` | {} | {} | {help} |\n", metric.name, metric.kind.as_str(), labels.join(", "))
    };
    let list: String = metrics.iter().map(line).collect();
    let table = format!("| metric | type | labels | what it says |\n| --- | --- | --- | --- |\n{list}");
    let wanted = format!("{before}every_metric`. -->\n\n{table}");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    assert!(
        page == wanted || std::env::var_os("BLESS").is_some(),
        "docs/metrics.md is out of date: run this with BLESS=1"
    );
}

#[test]
fn every_series_has_the_declared_labels() {
    let (observer, _folder) = observer(Caps { applications: 0, ..Caps::default() });
    report_everything(&observer);
    for (name, _) in series(&observer.render()) {
        let (base, labels) = name.trim_end_matches('}').split_once('{').unwrap_or((name, ""));
        let metric = METRICS
            .iter()
            .find(|metric| ["", "_bucket", "_sum", "_count"].iter().any(|end| format!("{}{end}", metric.name) == base))
            .unwrap_or_else(|| panic!("{base} is not declared"));
        let keys: BTreeSet<_> = labels
            .split(',')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, _)| key)
            .filter(|key| *key != "le")
            .collect();
        assert_eq!(keys, metric.labels.iter().copied().collect(), "{name}");
    }
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
        (r#"pgcovenant_client_connections{datname="shop",application="billing"}"#.to_owned(), "1"),
        (r#"pgcovenant_server_connections{datname="shop"}"#.to_owned(), "1"),
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
fn names_of_a_contract_have_their_series_though_traffic_came_first() {
    let (observer, _folder) = observer(Caps { relations: 3, applications: 0, ..Caps::default() });
    let statement_on = |name: &str| event(vec![statement(vec![relation(1, name)], Vec::new())], Decision::Allow);
    for number in 0..10 {
        observer.statement(&statement_on(&format!("table_{number}")));
    }
    observer.statement(&statement_on("customers"));
    assert!(!observer.render().contains("relname=\"customers\""), "there are three already");
    observer.names_known(&bundle(&["orders"]));
    for name in ["customers", "orders", "table_9", "table_1"] {
        observer.statement(&statement_on(name));
    }
    let text = observer.render();
    let of = |name: &str| {
        let schema = if name == "__other__" { name } else { "public" };
        format!(
            r#"pgcovenant_table_statements_total{{datname="shop",schemaname="{schema}",relname="{name}",operation="select"}}"#
        )
    };
    for (name, count) in [("customers", "1"), ("orders", "1"), ("table_1", "2"), ("__other__", "9")] {
        assert_eq!(series(&text).get(&*of(name)), Some(&count), "{name}\n{text}");
    }
    assert_eq!(series(&text).get(r#"pgcovenant_label_values{label="relname"}"#), Some(&"5"));
}

#[test]
fn open_sessions_are_as_many_as_there_are() {
    let (observer, _folder) = observer(Caps { applications: 2, ..Caps::default() });
    let subjects: Vec<_> = ["a", "b", "c", "d", "a"].map(subject).into();
    subjects.iter().for_each(|subject| observer.session_opened(subject));
    let open = |application: &str| {
        let text = observer.render();
        let name = format!(r#"pgcovenant_client_connections{{datname="shop",application="{application}"}}"#);
        series(&text).get(&*name).map(|value| (*value).to_owned())
    };
    assert_eq!(["a", "b", "__other__"].map(open), ["2", "1", "2"].map(|open| Some(open.to_owned())));
    assert!(observer.render().contains("pgcovenant_server_connections{datname=\"shop\"} 5\n"));
    subjects.iter().for_each(|subject| observer.session_closed(subject));
    assert_eq!(["a", "b", "__other__"].map(open), [Some("0".to_owned()), Some("0".to_owned()), None]);
}

#[test]
fn one_series_stands_for_a_table_of_several_contracts() {
    let other = "apiVersion: v3.1.0\nkind: DataContract\nid: other\nversion: 9.0.0\nstatus: draft
servers: [{server: s, type: postgresql, host: db, port: 5432, database: shop, schema: public}]
schema: [{name: customers}]\n";
    let one = bundle(&[]);
    let files = [one.contracts().next().unwrap().file.clone(), SourceFile::new("b/other.odcs.yaml", other)];
    let both = Bundle::from_sources(&files).0.unwrap();
    let (observer, _folder) = observer(Caps::default());
    observer.contracts_loaded(&both);
    let text = observer.render();
    let tables: Vec<_> = text.lines().filter(|line| line.starts_with("pgcovenant_table_info{")).collect();
    assert_eq!(tables.len(), 1, "{tables:?}");
    assert!(tables[0].contains("contract=\"other\"") && tables[0].contains("team=\"none\""), "{tables:?}");
    assert_eq!(text.matches("pgcovenant_contract_info{").count(), 2);
    let digest = |bundle: &Bundle| super::in_force::digest(bundle);
    assert_ne!(digest(&one), digest(&both));
    let moved: Vec<_> =
        files.iter().rev().map(|file| SourceFile::new(&format!("/etc/{}", file.name()), &file.text)).collect();
    assert_eq!(digest(&both), digest(&Bundle::from_sources(&moved).0.unwrap()), "where the files lie does not matter");
}

#[test]
fn ten_thousand_applications_make_a_hundred_series() {
    let (observer, _folder) = observer(Caps::default());
    let deprecated = || ColumnUse { phase: Some("deprecated"), ..column("fax", Outcome::Clear) };
    for number in 0..10_000 {
        let subject = subject(&format!("worker-{number}\n\"{number}"));
        observer
            .statement(&Event { subject, ..event(vec![statement(Vec::new(), vec![deprecated()])], Decision::Warn) });
    }
    let text = observer.render();
    let series = series(&text);
    let accesses = series.keys().filter(|name| name.starts_with("pgcovenant_deprecated_access_total{")).count();
    assert_eq!(accesses, 101, "100 applications and __other__");
    assert_eq!(series.get(r#"pgcovenant_label_overflow_total{label="application"}"#), Some(&"9900"));
}

#[test]
fn relations_beyond_the_limit_share_one_series() {
    let (observer, _folder) = observer(Caps { relations: 3, ..Caps::default() });
    for number in 0..10 {
        let named = relation(number, &format!("table_{number}"));
        observer.statement(&event(vec![statement(vec![named], Vec::new())], Decision::Allow));
    }
    let text = observer.render();
    let series = series(&text);
    let tables = series.keys().filter(|name| name.starts_with("pgcovenant_table_statements_total{")).count();
    assert_eq!(tables, 4);
    let other = r#"pgcovenant_table_statements_total{datname="shop",schemaname="__other__",relname="__other__",operation="select"}"#;
    assert_eq!(series.get(other), Some(&"7"));
}

#[test]
fn a_renamed_relation_gets_its_new_name() {
    let (observer, _folder) = observer(Caps::default());
    for name in ["old_name", "new_name"] {
        observer.statement(&event(vec![statement(vec![relation(1, name)], Vec::new())], Decision::Allow));
    }
    let text = observer.render();
    assert!(text.contains(r#"relname="old_name""#) && text.contains(r#"relname="new_name""#), "{text}");
}

#[test]
fn the_audit_has_one_line_per_relevant_decision_and_no_more() {
    let (observer, folder) = observer(Caps::default());
    observer.policy_loaded(2, vec![PolicyVersion { name: "shop-privacy".into(), version: "4".into() }]);
    observer.policy_loaded(9, vec![PolicyVersion { name: "shop-privacy".into(), version: "5".into() }]);
    let plain = statement(vec![relation(2, "orders")], Vec::new());
    observer.statement(&event(vec![plain], Decision::Allow));
    let clear = statement(vec![relation(1, "customers")], vec![column("email", Outcome::Clear)]);
    observer.statement(&event(vec![clear], Decision::Allow));
    let masked = statement(vec![relation(1, "customers")], vec![column("email", Outcome::Masked)]);
    observer.statement(&event(vec![masked], Decision::Mask));
    let syntax = Event {
        sqlstate: Some(*b"42601"),
        refusal: Some("syntax error at or near \"'4111 1111'\"".into()),
        parent: None,
        ..event(Vec::new(), Decision::Deny)
    };
    observer.statement(&syntax);
    observer.shut_down();

    let text = std::fs::read_to_string(folder.path().join("audit.jsonl")).unwrap();
    let lines = statements(&text);
    assert_eq!(lines.len(), 2, "{text}");
    let first = &lines[0];
    assert!(first["time"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok());
    assert_eq!(first["user"], "ann");
    assert_eq!(first["client_address"], "10.0.0.7");
    assert_eq!(first["policies"], serde_json::json!([{"name": "shop-privacy", "version": "4"}]), "as of epoch 3");
    assert_eq!(first["rules"], serde_json::json!(["support-masked"]));
    assert_eq!(first["columns"][0]["outcome"], "masked");
    assert_eq!(first["relations"], serde_json::json!(["public.customers"]));
    assert_eq!(first["fingerprints"], serde_json::json!(["0000000000000abc"]));
    assert_eq!(first["duration_seconds"], 0.002);
    assert_eq!(lines[1]["message"], "syntax error");
    assert!(!text.contains("4111"));
    let written = r#"pgcovenant_audit_events_total{result="written"} 2"#;
    assert!(observer.render().contains(written), "{}", observer.render());
}

#[test]
fn every_change_of_the_structure_is_audited_and_counted() {
    let (observer, folder) = observer(Caps::default());
    observer.statement(&changed(Decision::Allow));
    observer.statement(&changed(Decision::Deny));
    observer.shut_down();
    let text = std::fs::read_to_string(folder.path().join("audit.jsonl")).unwrap();
    let lines = statements(&text);
    let decisions: Vec<_> = lines.iter().map(|line| line["decision"].as_str().unwrap()).collect();
    assert_eq!(decisions, ["allow", "deny"]);
    let change = serde_json::json!({"action": "drop column", "object": "public.orders.status"});
    let first = serde_json::json!({"command": "ALTER TABLE", "changes": [change]});
    assert_eq!(lines[0]["ddl"][0], first);
    let text = observer.render();
    for action in ["allowed", "refused"] {
        let name =
            format!("pgcovenant_ddl_statements_total{{datname=\"shop\",command=\"ALTER TABLE\",action=\"{action}\"}}");
        assert_eq!(series(&text).get(&*name), Some(&"1"));
    }
}

#[test]
fn the_audit_goes_on_in_a_new_file_after_reopening() {
    use std::os::unix::fs::PermissionsExt;
    let (observer, folder) = observer(Caps::default());
    let path = folder.path().join("audit.jsonl");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode & !0o640, 0, "no more than 0640, less where the umask says so");
    observer.statement(&event(Vec::new(), Decision::Deny));
    let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap_or_default();
    until("the record is not written", || statements(&read(&path)).len() == 1);
    let moved = folder.path().join("audit.jsonl.1");
    std::fs::rename(&path, &moved).unwrap();
    observer.reopen_audit();
    until("there is no new file", || path.exists());
    observer.statement(&event(Vec::new(), Decision::Deny));
    observer.shut_down();
    assert_eq!((statements(&read(&moved)).len(), statements(&read(&path)).len()), (1, 1));
    let verified = verify(&[path, moved.clone()], None, &Sealer::Plain).unwrap();
    assert_eq!(verified.findings, [], "the chain goes on over both");
    assert_eq!(verified.files[0], moved.display().to_string());
}

#[test]
fn a_line_that_was_cut_off_is_kept_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    std::fs::write(&path, "{\"time\":\"20").unwrap();
    let observer = Observer::new(Some(&path), Caps::default()).unwrap();
    observer.statement(&event(Vec::new(), Decision::Deny));
    observer.shut_down();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(statements(&text).len(), 1, "{text}");
    let torn = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let torn: Vec<_> = torn.filter(|line| line["type"] == "torn").collect();
    assert_eq!((torn.len(), &torn[0]["bytes"]), (1, &serde_json::json!(11)), "{text}");
    let kept = folder.path().join(torn[0]["file"].as_str().unwrap());
    assert_eq!(std::fs::read_to_string(kept).unwrap(), "{\"time\":\"20");
    assert_eq!(verify(&[path], None, &Sealer::Plain).unwrap().findings, []);
}

#[test]
fn a_full_queue_drops_and_counts_instead_of_waiting() {
    let (observer, folder) = observer(Caps::default());
    // Records that come faster than any writer takes them.
    let refusal = event(Vec::new(), Decision::Deny);
    let sent = 60_000;
    for _ in 0..sent {
        observer.statement(&refusal);
    }
    observer.shut_down();
    observer.statement(&refusal);
    let text = observer.render();
    let count = |result: &str| -> usize {
        let name = format!("pgcovenant_audit_events_total{{result=\"{result}\"}}");
        series(&text).get(&*name).unwrap().parse().unwrap()
    };
    assert_eq!(count("written") + count("dropped"), sent + 1);
    assert!(count("dropped") >= 1, "the one after the end at least");
    let text = std::fs::read_to_string(folder.path().join("audit.jsonl")).unwrap();
    assert_eq!(statements(&text).len(), count("written"));
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

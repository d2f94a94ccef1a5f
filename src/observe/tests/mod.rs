//! Tests of the observer as a whole: what a scrape and the audit file show after events.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::audit::PolicyVersion;
use super::audit::chain::Sealer;
use super::audit::verify::verify;
use super::event::{Decision, Event, Recorder};
use super::observer::{DeprecatedColumn, Observer};
use super::registry::{METRICS, Metric};
use super::sessions::{Opened, State};
use crate::engine::report::{
    Access, ColumnUse, DdlChange, DdlReport, Operation, Outcome, RelationUse, Report, StatementReport, Touches,
};
use crate::engine::stages::Stage;
use crate::model::activity::{Activity, DroppedIndex, IndexActivity, IndexKind, TableActivity};
use crate::model::caps::Caps;
use crate::model::catalog::{ColumnId, Oid};
use crate::model::data_checks::{Age, Measured, OrphanCount, Orphans, Slot, TableFreshness};
use crate::model::divergence::{ColumnPair, Compared, Divergence};
use crate::model::drift::{Finding, Kind, Severity};
use crate::model::migrations::{
    Event as MigrationEvent, History, HistoryTable, Outcome as MigrationOutcome, Tool, summarise,
};
use crate::model::source::SourceFile;
use crate::policy::compile::Bundle;
use crate::policy::subject::Subject;

mod audit;
mod bounds;
mod counts;
mod page;

const GOLDEN: &str = include_str!("../../../tests/golden/metrics.txt");

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
    observer.bypass(&[(Box::from("shop"), 1)].into());
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
    observer.deprecated_columns(&[fax()]);
    observer.drift("shop", &drift(), &histories(), jiff::Timestamp::UNIX_EPOCH);
    let took = Some(Duration::from_secs(3));
    observer.migrations(
        "shop",
        [Tool::Flyway],
        &[MigrationEvent { tool: Tool::Flyway, outcome: MigrationOutcome::Applied, took }],
    );
    observer.safe_to_drop("shop", &[(fax(), true)]);
    observer.divergence(&Divergence {
        database: "shop".into(),
        pairs: vec![
            (pair("fax", "phone"), Some(compared(Some(2)))),
            (pair("mail", "email"), Some(compared(None))),
            (pair("never", "read"), None),
        ],
    });
    observer.activity(&activity());
    observer.data_measured(&measured());
    observer.replication_slots(&[slot("cdc", "shop", Some(4096)), slot("standby", "", None)]);
}

fn measured() -> Measured {
    let at = jiff::Timestamp::UNIX_EPOCH;
    let orphans = |relationship: &str, counted| Orphans {
        schema: "public".into(),
        relation: "customers".into(),
        relationship: relationship.into(),
        counted,
    };
    let freshness = TableFreshness {
        schema: "public".into(),
        relation: "customers".into(),
        at_most: Duration::from_secs(60),
        newest: Some(Age { at, seconds: 12.5 }),
    };
    let count = OrphanCount { at, rows: 7, share: 0.5 };
    Measured {
        database: "shop".into(),
        orphans: vec![orphans("agent -> agents.id", Some(count)), orphans("never -> counted.id", None)],
        freshness: vec![freshness],
    }
}

fn slot(name: &str, database: &str, lag: Option<u64>) -> Slot {
    Slot { name: name.into(), database: database.into(), active: lag.is_some(), lag }
}

fn fax() -> DeprecatedColumn {
    DeprecatedColumn {
        database: "shop".into(),
        schema: "public".into(),
        relation: "customers".into(),
        column: "fax".into(),
        phase: "deprecated",
        sunset: "2026-05-15".into(),
    }
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

//! What a statement looks like as a span, and what becomes of spans that nobody takes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use metrics::{Counter, CounterFn};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;

use super::sampling::Ids;
use super::span::{Peer, Sampled, span};
use super::*;
use crate::engine::report::{Access, ColumnUse, Operation, Outcome, RelationUse, Report, StatementReport, Touches};
use crate::model::catalog::{ColumnId, Oid};
use crate::observe::event::{Decision, Event, TraceParent};
use crate::policy::subject::Subject;

fn statement(relations: &[(&str, &str)], shape: &str) -> StatementReport {
    let relation = |(schema, name): &(&str, &str)| RelationUse {
        relation: Oid(1),
        schema: (*schema).into(),
        name: (*name).into(),
        operation: Operation::Select,
    };
    let email = ColumnUse {
        column: ColumnId { relation: Oid(1), attnum: 3 },
        schema: "public".into(),
        relation: "customers".into(),
        name: "email".into(),
        access: Access::Explicit,
        outcome: Outcome::Masked,
        rule: Some("support-sees-masked".into()),
        phase: None,
        classification: None,
        decided: true,
    };
    StatementReport {
        operation: Operation::Select,
        fingerprint: 0xabc,
        relations: relations.iter().map(relation).collect(),
        columns: vec![email],
        unanalysed: None,
        touched: Touches { shape: shape.into(), ..Touches::default() },
    }
}

fn event(statements: Vec<StatementReport>) -> Event {
    let subject = Subject {
        user: "ann".into(),
        database: "shop".into(),
        address: Some("10.0.0.7".parse().unwrap()),
        application: "billing".into(),
        ..Subject::default()
    };
    Event {
        subject: Arc::new(subject),
        session: 7,
        epoch: 3,
        report: Arc::new(Report { statements, ..Report::default() }),
        decision: Decision::Mask,
        duration: Some(Duration::from_millis(2)),
        checked_in: Duration::from_micros(3),
        rows: 5,
        sqlstate: None,
        refusal: None,
        parent: None,
    }
}

fn made(event: Event) -> (Span, BTreeMap<String, String>) {
    let end = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
    let peer = Peer { host: "10.1.2.3".to_owned(), port: 5433 };
    let span = span(&Sampled { ids: Ids { trace: 0xa1, span: 0xb2 }, end, event }, &peer);
    let shown = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        Value::DoubleValue(number) => number.to_string(),
        Value::ArrayValue(list) => format!("{:?}", list.values.iter().map(|value| &value.value).collect::<Vec<_>>()),
        other => format!("{other:?}"),
    };
    let attributes = span.attributes.iter().map(|attribute| {
        let value = attribute.value.as_ref().and_then(|value| value.value.as_ref());
        (attribute.key.clone(), shown(value.unwrap()))
    });
    (span.clone(), attributes.collect())
}

#[test]
fn a_span_follows_the_conventions_for_databases() {
    let (span, attributes) = made(event(vec![statement(&[("public", "customers")], "SELECT email FROM customers")]));
    assert_eq!((span.name.as_str(), span.kind), ("SELECT customers", 3));
    assert_eq!((span.trace_id.len(), span.span_id.len(), span.parent_span_id.len()), (16, 8, 0));
    assert_eq!(span.end_time_unix_nano - span.start_time_unix_nano, 2_000_000);
    assert_eq!(span.flags, 1);
    assert_eq!(span.status.unwrap().code, 0, "unset");
    for (key, expected) in [
        ("db.system.name", "postgresql"),
        ("db.namespace", "shop|public"),
        ("db.operation.name", "SELECT"),
        ("db.collection.name", "customers"),
        ("db.query.summary", "SELECT customers"),
        ("db.query.text", "SELECT email FROM customers"),
        ("db.response.returned_rows", "5"),
        ("server.address", "10.1.2.3"),
        ("server.port", "5433"),
        ("network.peer.address", "10.1.2.3"),
        ("client.address", "10.0.0.7"),
        ("pgcovenant.decision", "mask"),
        ("pgcovenant.session", "7"),
        ("pgcovenant.epoch", "3"),
        ("pgcovenant.user", "ann"),
        ("pgcovenant.application", "billing"),
        ("pgcovenant.overhead", "0.000003"),
    ] {
        assert_eq!(attributes.get(key).map(String::as_str), Some(expected), "{key}");
    }
    assert!(attributes["pgcovenant.rules"].contains("support-sees-masked"));
    assert!(attributes["pgcovenant.masked_columns"].contains("public.customers.email"));
    for absent in ["error.type", "db.response.status_code", "db.operation.batch.size", "pgcovenant.origin"] {
        assert!(!attributes.contains_key(absent), "{absent}");
    }
}

#[test]
fn several_schemas_and_statements_are_told_as_such() {
    let one = statement(&[("public", "a"), ("audit", "b")], "SELECT 1");
    let (span, attributes) = made(event(vec![one.clone(), one]));
    assert_eq!(span.name, "SELECT a b; SELECT a b");
    assert_eq!(attributes["db.namespace"], "shop");
    assert_eq!(attributes["db.operation.name"], "BATCH SELECT");
    assert_eq!(attributes["db.operation.batch.size"], "2");
    assert_eq!(attributes["db.query.text"], "SELECT 1; SELECT 1");
    assert!(!attributes.contains_key("db.collection.name"));
    let (span, _) = made(event(Vec::new()));
    assert_eq!(span.name, "postgresql");
    let long = "x".repeat(4096);
    let (_, attributes) = made(event((0..9).map(|_| statement(&[], &long)).collect()));
    assert!(attributes["db.query.text"].len() < 8300, "statements without end do not make spans without end");
}

#[test]
fn an_error_says_whose_it_is_and_quotes_nothing() {
    let failed = |code: &[u8; 5], refusal: Option<&str>| {
        let (decision, duration) = match refusal {
            Some(_) => (Decision::Deny, None),
            None => (Decision::Allow, Some(Duration::from_millis(1))),
        };
        let refusal = refusal.map(Arc::from);
        made(Event { sqlstate: Some(*code), decision, duration, refusal, ..event(Vec::new()) })
    };
    let (span, attributes) = failed(b"23505", None);
    assert_eq!(span.status.unwrap().message, "the server answered with 23505");
    assert_eq!((attributes["error.type"].as_str(), attributes["pgcovenant.origin"].as_str()), ("23505", "server"));
    let (span, attributes) = failed(b"42501", Some("permission denied for setting x to Tell-Tale"));
    let status = span.status.unwrap();
    assert_eq!((status.code, status.message.as_str()), (2, "refused with 42501"));
    assert_eq!(attributes["pgcovenant.origin"], "proxy");
    assert!(!attributes.contains_key("db.response.returned_rows"));
    for fine in [b"00000", b"01004", b"02000"] {
        let (span, attributes) = failed(fine, None);
        assert_eq!(span.status.unwrap().code, 0);
        assert!(!attributes.contains_key("error.type") && attributes.contains_key("db.response.status_code"));
    }
}

#[test]
fn a_child_names_its_parent() {
    let parent = TraceParent { trace: 0xa1, span: 0xc3, flags: 1 };
    let (span, _) = made(Event { parent: Some(Arc::new(parent)), ..event(Vec::new()) });
    assert_eq!(span.parent_span_id, 0xc3_u64.to_be_bytes());
    assert_eq!(span.flags, 0x301, "sampled, and the parent is elsewhere");
}

/// Spans of nothing, and nobody who takes them.
pub fn nowhere() -> Settings {
    // Bound, but not listened on.
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    Settings {
        endpoint: format!("http://127.0.0.1:{nobody}/v1/traces"),
        headers: Vec::new(),
        trusted: Vec::new(),
        timeout: Duration::from_secs(1),
        sampling: Sampling { parent_based: false, roots: 0.0 },
        resource: Vec::new(),
        peer: Peer { host: "/run/postgresql".to_owned(), port: 5432 },
    }
}

#[derive(Debug, Default)]
struct Count(AtomicU64);

impl CounterFn for Count {
    fn increment(&self, by: u64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    fn absolute(&self, _: u64) {}
}

#[test]
fn a_collector_that_is_not_there_costs_spans_and_nothing_else() {
    let counts: [Arc<Count>; 3] = Default::default();
    let [exported, dropped, failed] = counts.each_ref().map(|count| Counter::from_arc(Arc::clone(count)));
    let settings = Settings { sampling: Sampling { parent_based: false, roots: 1.0 }, ..nowhere() };
    let traces = Traces::start(settings, SpanCounters { exported, dropped, failed }).unwrap();
    let total = 20_000;
    for _ in 0..total {
        traces.record(&event(Vec::new()));
    }
    traces.close();
    traces.close();
    let [exported, dropped, failed] = counts.map(|count| count.0.load(Ordering::Relaxed));
    assert_eq!((exported, dropped + failed), (0, total), "every span is accounted for");
    assert!(dropped > total - 2 * (QUEUE as u64 + 512), "{dropped}");
}

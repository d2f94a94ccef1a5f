//! One statement as a span, with the attributes of OpenTelemetry's database conventions.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};

use super::sampling::Ids;
use super::summary;
use crate::engine::report::{Operation, Outcome, Report};
use crate::observe::event::{Decision, Event};
use crate::observe::labels::clean;

/// Flags of a span: the trace is recorded; it is known where the parent is; that is elsewhere.
const SAMPLED: u32 = 0x1;
const REMOTE_KNOWN: u32 = 0x100;
const REMOTE: u32 = 0x200;

/// Most bytes of the statements that are shown; one alone is cut long before that.
const MOST_TEXT: usize = 8192;

/// The server behind us, as spans name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Host name, address, or directory of the socket.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// A statement that becomes a span, as it waits for the exporter.
#[derive(Debug)]
pub(super) struct Sampled {
    pub(super) ids: Ids,
    /// When it was over.
    pub(super) end: SystemTime,
    pub(super) event: Event,
}

/// The span.
pub(super) fn span(sampled: &Sampled, peer: &Peer) -> Span {
    let event = &sampled.event;
    let took = event.duration.unwrap_or(event.checked_in);
    let summary = summary::summary(&event.report);
    let name = if summary.is_empty() { "postgresql".to_owned() } else { summary.clone() };
    let parent = event.parent.as_deref();
    Span {
        trace_id: sampled.ids.trace.to_be_bytes().to_vec(),
        span_id: sampled.ids.span.to_be_bytes().to_vec(),
        parent_span_id: parent.map(|parent| parent.span.to_be_bytes().to_vec()).unwrap_or_default(),
        flags: SAMPLED | parent.map_or(0, |_| REMOTE_KNOWN | REMOTE),
        name,
        kind: SpanKind::Client.into(),
        start_time_unix_nano: nanoseconds(sampled.end.checked_sub(took).unwrap_or(sampled.end)),
        end_time_unix_nano: nanoseconds(sampled.end),
        attributes: attributes(event, peer, summary),
        status: Some(status(event)),
        ..Span::default()
    }
}

fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// Classes 00 to 02 say that all went well.
fn error_of(event: &Event) -> Option<String> {
    let code = event.sqlstate.filter(|code| !matches!(code, [b'0', b'0'..=b'2', ..]))?;
    Some(String::from_utf8_lossy(&code).into_owned())
}

/// Messages are not told: they quote what a statement says, those of a refusal too.
fn status(event: &Event) -> Status {
    let Some(code) = error_of(event) else { return Status::default() };
    let message = if event.decision == Decision::Deny {
        format!("refused with {code}")
    } else {
        format!("the server answered with {code}")
    };
    Status { message, code: StatusCode::Error.into() }
}

fn attributes(event: &Event, peer: &Peer, summary: String) -> Vec<KeyValue> {
    let mut found = Attributes(Vec::with_capacity(24));
    let report = &*event.report;
    found.text("db.system.name", "postgresql");
    found.text("db.namespace", namespace(event));
    found.text("db.operation.name", summary::operation(report));
    if report.statements.len() > 1 {
        found.number("db.operation.batch.size", report.statements.len() as u64);
    }
    if let [only] = &*entities(report, |_, name| name.to_owned()) {
        found.text("db.collection.name", only.as_str());
    }
    found.text("db.query.summary", summary);
    found.text("db.query.text", shapes(report));
    if let Some(code) = event.sqlstate {
        found.text("db.response.status_code", String::from_utf8_lossy(&code));
    }
    let error = error_of(event);
    if event.duration.is_some() && error.is_none() {
        found.rows(event);
    }
    found.text("error.type", error.unwrap_or_default());
    found.server(peer);
    found.text("client.address", event.subject.address.map(|address| address.to_string()).unwrap_or_default());
    found.ours(event);
    found.0
}

/// What the statements of a text look like without their literals.
pub(in crate::observe) fn shapes(report: &Report) -> String {
    let mut shown = String::new();
    for statement in &report.statements {
        if !shown.is_empty() {
            shown.push_str("; ");
        }
        if shown.len() + statement.touched.shape.len() > MOST_TEXT {
            shown.push('…');
            break;
        }
        shown.push_str(&statement.touched.shape);
    }
    shown
}

/// Database and schema; the database alone where there is not exactly one.
fn namespace(event: &Event) -> String {
    let database = &event.subject.database;
    match &*entities(&event.report, |schema, _| schema.to_owned()) {
        [schema] => format!("{database}|{schema}"),
        _ => database.to_string(),
    }
}

/// What the relations have in this respect, each once, in the order of the text.
fn entities(report: &Report, of: impl Fn(&str, &str) -> String) -> Vec<String> {
    let mut found = Vec::new();
    for named in report.statements.iter().flat_map(|statement| &statement.relations) {
        let value = of(&named.schema, &named.name);
        if !found.contains(&value) {
            found.push(value);
        }
    }
    found
}

/// Attributes that have a value.
struct Attributes(Vec<KeyValue>);

impl Attributes {
    fn add(&mut self, key: &str, value: Value) {
        let value = Some(AnyValue { value: Some(value) });
        self.0.push(KeyValue { key: key.to_owned(), value, ..KeyValue::default() });
    }

    fn text(&mut self, key: &str, value: impl Into<String>) {
        let value = value.into();
        if !value.is_empty() {
            self.add(key, Value::StringValue(value));
        }
    }

    fn number(&mut self, key: &str, value: u64) {
        self.add(key, Value::IntValue(i64::try_from(value).unwrap_or(i64::MAX)));
    }

    fn list(&mut self, key: &str, values: Vec<String>) {
        if values.is_empty() {
            return;
        }
        let values = values.into_iter().map(|value| AnyValue { value: Some(Value::StringValue(value)) });
        self.add(key, Value::ArrayValue(ArrayValue { values: values.collect() }));
    }

    /// Rows of the command tags: returned or changed, as all statements of the text do the one or the other.
    fn rows(&mut self, event: &Event) {
        let all = |kinds: &[Operation]| {
            let statements = &event.report.statements;
            !statements.is_empty() && statements.iter().all(|statement| kinds.contains(&statement.operation))
        };
        if all(&[Operation::Select, Operation::Cursor]) {
            self.number("db.response.returned_rows", event.rows);
        } else if all(&[Operation::Insert, Operation::Update, Operation::Delete, Operation::Merge, Operation::Copy]) {
            self.number("pgcovenant.affected_rows", event.rows);
        }
    }

    fn server(&mut self, peer: &Peer) {
        let Peer { host, port } = peer;
        if host.starts_with(['/', '@']) {
            let socket = format!("{host}/.s.PGSQL.{port}");
            self.text("server.address", socket.clone());
            self.text("network.peer.address", socket);
            return self.text("network.transport", "unix");
        }
        self.text("server.address", host.clone());
        self.number("server.port", u64::from(*port));
        // Of a name it is not known here which of its addresses the session has.
        if host.parse::<IpAddr>().is_ok() {
            self.text("network.peer.address", host.clone());
            self.number("network.peer.port", u64::from(*port));
        }
    }

    fn ours(&mut self, event: &Event) {
        self.text("pgcovenant.decision", event.decision.as_str());
        if error_of(event).is_some() {
            let origin = if event.decision == Decision::Deny { "proxy" } else { "server" };
            self.text("pgcovenant.origin", origin);
        }
        let used = || event.report.statements.iter().flat_map(|statement| &statement.columns);
        let rules = used().filter(|used| used.outcome != Outcome::Clear).filter_map(|used| used.rule.as_deref());
        self.list("pgcovenant.rules", distinct(rules.map(str::to_owned)));
        self.list("pgcovenant.entities", entities(&event.report, |schema, name| format!("{schema}.{name}")));
        for (key, outcome) in
            [("pgcovenant.masked_columns", Outcome::Masked), ("pgcovenant.denied_columns", Outcome::Denied)]
        {
            let columns = used().filter(|used| used.outcome == outcome);
            self.list(key, distinct(columns.map(|used| format!("{}.{}.{}", used.schema, used.relation, used.name))));
        }
        self.number("pgcovenant.session", event.session);
        self.number("pgcovenant.epoch", event.epoch);
        self.text("pgcovenant.user", clean(&event.subject.user));
        self.text("pgcovenant.application", clean(&event.subject.application));
        self.add("pgcovenant.overhead", Value::DoubleValue(event.checked_in.as_secs_f64()));
    }
}

fn distinct(values: impl Iterator<Item = String>) -> Vec<String> {
    let mut values: Vec<_> = values.collect();
    values.sort();
    values.dedup();
    values
}

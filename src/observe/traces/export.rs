//! The thread that makes spans of statements and sends them in batches.

use std::sync::mpsc::{Receiver, TryRecvError};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;

use super::collector::{Collector, Outcome};
use super::span::{Peer, Sampled, span};
use super::{Settings, SpanCounters};

/// Spans of one request.
const BATCH: usize = 512;

/// How long a span may wait for others.
const DELAY: Duration = Duration::from_secs(1);

/// How often the queue is looked at while a batch is filled: nobody who serves a client has to wake a thread up.
const LOOK: Duration = Duration::from_millis(50);

/// The first pause before a batch is sent again; the next ones are twice as long each, up to the last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(8));

/// So long a batch is tried.
const PATIENCE: Duration = Duration::from_secs(30);

/// What waits in the queue.
#[derive(Debug)]
pub(super) enum Message {
    Span(Sampled),
    Stop,
}

/// When everything must be over, once that is known.
#[derive(Debug, Default)]
pub(super) struct Closing {
    until: Mutex<Option<Instant>>,
    begins: Condvar,
}

impl Closing {
    /// The end comes within that time.
    pub(super) fn within(&self, time: Duration) {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until.get_or_insert_with(|| Instant::now() + time);
        self.begins.notify_all();
    }

    /// What is left, if the end is near.
    fn left(&self) -> Option<Duration> {
        let until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until.map(|until| until.saturating_duration_since(Instant::now()))
    }

    /// Waits, but not into the end.
    fn wait(&self, time: Duration) {
        let until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.begins.wait_timeout_while(until, time, |until| until.is_none()));
    }
}

pub(super) struct Exporter {
    collector: Collector,
    resource: Resource,
    peer: Peer,
    timeout: Duration,
    counters: SpanCounters,
    closing: Arc<Closing>,
    failing: bool,
}

impl Exporter {
    pub(super) fn new(collector: Collector, settings: Settings, counters: SpanCounters, closing: Arc<Closing>) -> Self {
        let Settings { resource, peer, timeout, .. } = settings;
        let attribute = |(key, value)| KeyValue {
            key,
            value: Some(AnyValue { value: Some(Value::StringValue(value)) }),
            ..KeyValue::default()
        };
        let resource = Resource { attributes: resource.into_iter().map(attribute).collect(), ..Resource::default() };
        Self { collector, resource, peer, timeout, counters, closing, failing: false }
    }

    pub(super) fn run(mut self, queue: &Receiver<Message>) {
        let mut goes_on = true;
        while goes_on {
            let Ok(Message::Span(first)) = queue.recv() else { return };
            let mut batch = vec![span(&first, &self.peer)];
            goes_on = self.fill(&mut batch, queue);
            self.export(batch);
        }
    }

    /// Takes what comes until the batch is full or has waited for long enough. Returns whether there may be more.
    fn fill(&self, batch: &mut Vec<Span>, queue: &Receiver<Message>) -> bool {
        let due = Instant::now() + DELAY;
        while batch.len() < BATCH {
            match queue.try_recv() {
                Ok(Message::Span(next)) => batch.push(span(&next, &self.peer)),
                Ok(Message::Stop) | Err(TryRecvError::Disconnected) => return false,
                Err(TryRecvError::Empty) if Instant::now() >= due => break,
                Err(TryRecvError::Empty) => thread::sleep(LOOK),
            }
        }
        true
    }

    fn export(&mut self, batch: Vec<Span>) {
        let count = batch.len() as u64;
        let body = self.request(batch).encode_to_vec();
        let give_up = Instant::now() + PATIENCE;
        let (mut pause, longest) = PAUSES;
        loop {
            let closing = self.closing.left();
            if closing.is_some_and(|left| left.is_zero()) {
                return self.counters.failed.increment(count);
            }
            let timeout = closing.map_or(self.timeout, |left| left.min(self.timeout));
            match self.collector.send(&body, timeout) {
                Outcome::Accepted(rejected, why) => {
                    let rejected = rejected.min(count);
                    self.counters.exported.increment(count - rejected);
                    return if rejected > 0 { self.lost(rejected, &why) } else { self.works_again() };
                }
                Outcome::Refused(why) => return self.lost(count, &why),
                Outcome::Again(wait, why) => {
                    let wait = wait.unwrap_or(pause);
                    self.complain(&why);
                    if closing.is_some() || Instant::now() + wait > give_up {
                        return self.lost(count, &why);
                    }
                    self.closing.wait(wait);
                    pause = (pause * 2).min(longest);
                }
            }
        }
    }

    fn request(&self, spans: Vec<Span>) -> ExportTraceServiceRequest {
        let scope = InstrumentationScope {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..InstrumentationScope::default()
        };
        let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, schema_url: String::new() }];
        let resource = Some(self.resource.clone());
        ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans { resource, scope_spans, schema_url: String::new() }],
        }
    }

    fn lost(&mut self, count: u64, why: &str) {
        self.counters.failed.increment(count);
        self.complain(why);
    }

    /// Once when it begins to fail, once when that is over.
    fn complain(&mut self, why: &str) {
        if !std::mem::replace(&mut self.failing, true) {
            tracing::warn!(why, "spans cannot be exported");
        }
    }

    fn works_again(&mut self) {
        if std::mem::replace(&mut self.failing, false) {
            tracing::info!("spans are exported again");
        }
    }
}

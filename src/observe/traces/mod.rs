//! Statements as OpenTelemetry spans, sent by OTLP.
//!
//! On the thread that serves the client it is only decided whether a statement becomes a span; one that does is put into a
//! bounded queue. A thread of the exporter makes spans of them, and sends these in batches.

mod collector;
mod export;
pub mod parent;
mod sampling;
mod span;
mod summary;
#[cfg(test)]
pub(super) mod tests;

use std::fmt;
use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use metrics::Counter;
use ring::rand::{SecureRandom as _, SystemRandom};
use rustls::pki_types::CertificateDer;

pub use sampling::Sampling;
pub use span::Peer;

use collector::Collector;
use export::{Closing, Exporter, Message};
use sampling::Sampler;
use span::Sampled;
pub(super) use span::shapes;

use super::event::Event;

/// Spans that may wait for the exporter.
const QUEUE: usize = 2048;

/// Where spans go, and which there are.
#[derive(Clone)]
pub struct Settings {
    /// The URL that batches are posted to, path included.
    pub endpoint: String,
    /// Headers of these requests; they may hold secrets.
    pub headers: Vec<(String, String)>,
    /// Authorities that may vouch for the collector.
    pub trusted: Vec<CertificateDer<'static>>,
    /// How long one request may take, and at the end all that is left.
    pub timeout: Duration,
    /// Which statements become spans.
    pub sampling: Sampling,
    /// Attributes of the resource, `service.name` among them.
    pub resource: Vec<(String, String)>,
    /// The server behind us.
    pub peer: Peer,
}

impl fmt::Debug for Settings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Settings").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// How many spans went where.
#[derive(Debug, Clone)]
pub struct SpanCounters {
    /// Accepted by the collector.
    pub exported: Counter,
    /// The queue was full.
    pub dropped: Counter,
    /// The collector did not accept them, or could not be reached for long.
    pub failed: Counter,
}

/// The end of the queue that statements see.
#[derive(Debug)]
pub struct Traces {
    sampler: Sampler,
    sender: SyncSender<Message>,
    dropped: Counter,
    closing: Arc<Closing>,
    timeout: Duration,
    exporter: Mutex<Option<JoinHandle<()>>>,
}

impl Traces {
    /// Starts the exporter.
    ///
    /// # Errors
    /// There is no thread or no random number to be had, or a header cannot be sent.
    pub fn start(settings: Settings, counters: SpanCounters) -> io::Result<Self> {
        let Settings { sampling, timeout, .. } = settings;
        let (sender, receiver) = sync_channel(QUEUE);
        let closing = Arc::new(Closing::default());
        let dropped = counters.dropped.clone();
        let sampler = Sampler::new(sampling, [random()?.max(1), random()?]);
        let exporter = Exporter::new(Collector::new(&settings)?, settings, counters, Arc::clone(&closing));
        let handle = thread::Builder::new().name("traces".to_owned()).spawn(move || exporter.run(&receiver))?;
        Ok(Self { sampler, sender, dropped, closing, timeout, exporter: Mutex::new(Some(handle)) })
    }

    /// Makes a span of a statement that is over, if it is to have one; drops and counts it if the queue is full.
    pub fn record(&self, event: &Event) {
        let Some(ids) = self.sampler.decide(event.parent.as_deref()) else { return };
        let sampled = Sampled { ids, end: SystemTime::now(), event: event.clone() };
        if self.sender.try_send(Message::Span(sampled)).is_err() {
            self.dropped.increment(1);
        }
    }

    /// Sends what is in the queue, as far as the timeout of a request allows, and ends the exporter.
    pub fn close(&self) {
        let handle = self.exporter.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.closing.within(self.timeout);
        if let Some(handle) = handle
            && self.sender.send(Message::Stop).is_ok()
        {
            drop(handle.join());
        }
    }
}

fn random() -> io::Result<u64> {
    let mut bytes = [0; 8];
    SystemRandom::new().fill(&mut bytes).map_err(|_| io::Error::other("the system has no random numbers"))?;
    Ok(u64::from_ne_bytes(bytes))
}

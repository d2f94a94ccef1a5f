//! The recorder of the running proxy: turns events into series and audit records.

mod files;
mod structure;

pub use files::DeprecatedColumn;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::audit::{Audit, AuditCounters, PolicyHistory};
use super::event::{Decision, Event, Recorder};
use super::handles::Handles;
use super::labels::OTHER;
use super::metrics::{Analysis, Caps, Guarded, Metrics};
use super::registry;
use super::shapes::Shapes;
use super::usage::Usage;
use crate::engine::report::{Outcome, Report};
use crate::model::activity::Activity;
use crate::policy::subject::Subject;

/// Why recording cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum ObserverError {
    /// The metrics exporter does not accept its settings.
    #[error("cannot set up metrics: {0}")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
    /// The audit file cannot be opened.
    #[error("cannot open the audit file \"{path}\": {cause}")]
    Audit {
        /// The file.
        path: String,
        /// What the system says.
        cause: io::Error,
    },
}

/// Counts and audits everything that is reported.
#[derive(Debug)]
pub struct Observer {
    metrics: Metrics,
    audit: Option<Audit>,
    history: Arc<PolicyHistory>,
    usage: Arc<Usage>,
    shapes: Shapes,
    merged: AtomicU64,
}

impl Observer {
    /// An observer that writes audit records to `audit`, if that is given.
    ///
    /// # Errors
    /// The audit file cannot be opened.
    pub fn new(audit: Option<&Path>, caps: Caps) -> Result<Self, ObserverError> {
        let metrics = Metrics::new(caps)?;
        // Series with few values are there from the start, so that the first event is an increase.
        for result in ["success", "failure"] {
            drop(metrics.counter(&registry::POLICY_RELOADS, &[result]));
        }
        let history = Arc::new(PolicyHistory::default());
        let audit = match audit {
            Some(path) => {
                let count = |result| metrics.counter(&registry::AUDIT_EVENTS, &[result]);
                let (written, dropped, failed) = (count("written"), count("dropped"), count("failed"));
                let counters = AuditCounters { written, dropped, failed };
                let opened = Audit::open(path, Arc::clone(&history), counters);
                let named = |cause| ObserverError::Audit { path: path.display().to_string(), cause };
                Some(opened.map_err(named)?)
            }
            None => None,
        };
        Ok(Self {
            metrics,
            audit,
            history,
            usage: Arc::default(),
            shapes: Shapes::default(),
            merged: AtomicU64::new(0),
        })
    }

    /// The record of usage.
    pub fn usage(&self) -> &Arc<Usage> {
        &self.usage
    }

    /// What runs how often and how long.
    pub fn shapes(&self) -> &Shapes {
        &self.shapes
    }

    /// Usage was brought to its store, or could not be.
    pub fn usage_flushed(&self, result: Result<(), ()>) {
        self.metrics.counter(&registry::USAGE_FLUSHES, &["failure"]).increment(u64::from(result.is_err()));
        self.metrics.counter(&registry::USAGE_FLUSHES, &["success"]).increment(u64::from(result.is_ok()));
        if result.is_ok() {
            self.metrics.gauge(&registry::USAGE_FLUSH_TIMESTAMP, &[]).set(seconds_now());
        }
        self.metrics.gauge(&registry::USAGE_PENDING, &[]).set(self.usage.waiting() as f64);
        let merged = self.usage.merged();
        let before = self.merged.swap(merged, Ordering::Relaxed);
        self.metrics.counter(&registry::USAGE_MERGED, &[]).increment(merged.saturating_sub(before));
    }

    /// The text of `/metrics`.
    pub fn render(&self) -> String {
        self.metrics.render()
    }

    /// To be called every five seconds or so.
    pub fn upkeep(&self) {
        self.metrics.upkeep();
    }

    /// The audit file was moved away (SIGHUP): go on in a new one.
    pub fn reopen_audit(&self) {
        if let Some(audit) = &self.audit {
            audit.reopen();
        }
    }

    /// Writes what is left of the audit. Blocks until that is done; nothing is audited afterwards.
    pub fn shut_down(&self) {
        if let Some(audit) = &self.audit {
            audit.close();
        }
    }

    /// The server can be reached.
    pub fn upstream_reached(&self) {
        self.metrics.gauge(&registry::UPSTREAM_UP, &[]).set(1.0);
    }

    /// The server cannot be reached.
    pub fn upstream_lost(&self) {
        self.metrics.gauge(&registry::UPSTREAM_UP, &[]).set(0.0);
    }

    /// A catalog was read, or could not be.
    pub fn catalog_read(&self, database: &str, result: Result<(), ()>, took: Duration) {
        let name = Arc::clone(&self.metrics.database(database).name);
        let (word, value) = if result.is_ok() { ("success", 1.0) } else { ("failure", 0.0) };
        self.metrics.counter(&registry::CATALOG_REFRESHES, &[&name, word]).increment(1);
        self.metrics.gauge(&registry::CATALOG_REFRESH_SUCCESSFUL, &[&name]).set(value);
        self.metrics.observe(&registry::CATALOG_REFRESH_DURATION, &[], took);
    }

    /// Tables and indexes were used.
    pub fn activity(&self, activity: &Activity) {
        let database = Arc::clone(&self.metrics.database(&activity.database).name);
        for used in &activity.tables {
            let [schema, table] =
                self.metrics.relation(Guarded::WatchedRelation, &activity.database, &used.schema, &used.table);
            let values = [&*database, &*schema, &*table];
            let counts = [
                (&registry::SEQ_SCANS, used.seq_scans),
                (&registry::SEQ_ROWS, used.seq_rows),
                (&registry::TABLE_INDEX_SCANS, used.index_scans),
                (&registry::TABLE_INDEX_ROWS, used.index_rows),
            ];
            for (metric, count) in counts {
                self.metrics.counter(metric, &values).increment(count);
            }
        }
        for used in &activity.indexes {
            let whole = format!("{}\0{}\0{}", activity.database, used.schema, used.index);
            let labels = match self.metrics.admit(Guarded::Index, &whole) {
                Some(_) => [&*used.schema, &*used.table, &*used.index],
                None => [OTHER; 3],
            };
            let [schema, table, index] = labels;
            self.metrics.counter(&registry::INDEX_SCANS, &[&database, schema, table, index]).increment(used.scans);
        }
    }

    /// A refusal, by the rule that decided.
    fn refusal(&self, event: &Event) {
        let database = self.metrics.database(&event.subject.database);
        let used = event.report.statements.iter().flat_map(|statement| &statement.columns);
        let rule = used.filter(|used| used.outcome == Outcome::Denied).find_map(|used| used.rule.as_deref());
        let rule = self.metrics.guard(Guarded::Rule, rule.unwrap_or("none"));
        let code = std::str::from_utf8(event.sqlstate.as_ref().unwrap_or(b"XX000")).unwrap_or_default();
        let code = self.metrics.guard(Guarded::SqlState, code);
        self.metrics.counter(&registry::REFUSALS, &[&database.name, &rule, &code]).increment(1);
    }
}

/// Unix time.
fn seconds_now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

impl Recorder for Observer {
    fn statement(&self, event: &Event) {
        let mut is_new = false;
        let look_up = || {
            is_new = true;
            Handles::new(&self.metrics, &self.shapes, event)
        };
        let other;
        let handles = match event.report.attached.get_or_init(look_up) {
            Some(handles) if handles.fit(event) => handles,
            Some(_) | None => {
                other = Handles::new(&self.metrics, &self.shapes, event);
                &other
            }
        };
        handles.count(&self.metrics, event, seconds_now);
        if let (Some(shape), Some(took)) = (&handles.shape, event.duration) {
            shape.ran(took, event.rows, event.sqlstate.is_some());
        }
        if is_new {
            self.metrics.spent(&event.report.stages);
        }
        // A prepared statement is judged once and executed many times.
        if !event.checked_in.is_zero() {
            let analysis = match (handles.is_analysed(), is_new) {
                (false, _) => Analysis::Unanalyzable,
                (true, true) => Analysis::Analysed,
                (true, false) => Analysis::Cached,
            };
            self.metrics.judged(analysis, event.checked_in);
        }
        if event.decision == Decision::Deny && event.sqlstate.is_some() {
            self.refusal(event);
        }
        self.usage.record(event);
        if let Some(audit) = &self.audit {
            audit.record(event);
        }
    }

    fn session_opened(&self, subject: &Subject) {
        self.metrics.session_opened(subject);
        self.usage.session_opened(subject);
    }

    fn session_closed(&self, subject: &Subject) {
        self.metrics.session_closed(subject);
    }

    fn wants_sample(&self, report: &Report) -> bool {
        let shape = report.attached.get::<Handles>().and_then(|handles| handles.shape.as_ref());
        shape.is_some_and(|shape| shape.sample_wanted.load(Ordering::Relaxed))
    }

    fn connection_failed(&self, reason: &'static str) {
        self.metrics.counter(&registry::CONNECTION_FAILURES, &[reason]).increment(1);
    }
}

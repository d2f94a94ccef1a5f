//! The recorder of the running proxy: turns events into series and audit records.

mod data_checks;
mod files;
mod journal;
mod structure;

pub use files::DeprecatedColumn;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::audit::{Audit, AuditCounters, AuditOptions, AuditStatus, PolicyHistory};
use super::changes::Changes;
use super::event::{Decision, Event, Recorder, Sample, TraceParent};
use super::handles::Handles;
use super::metrics::{Analysis, Guarded, Metrics};
use super::plans::{Plans, Waiting};
use super::registry;
use super::sessions::{Line, Live, Opened, Sessions};
use super::shapes::{Bounds, Shapes};
use super::slow::SlowLog;
use super::traces::{self, SpanCounters, Traces};
use super::usage::Usage;
use crate::engine::report::{Outcome, Report};
use crate::model::activity::Activity;
use crate::model::caps::Caps;
use crate::model::plan::{AccessPath, NoPlan, Plan};
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
    plans: Plans,
    changes: Changes,
    merged: AtomicU64,
    traces: Option<Traces>,
    slow: Option<SlowLog>,
}

impl Observer {
    /// An observer that writes audit records to `audit`, if that is given.
    ///
    /// # Errors
    /// The audit file cannot be opened.
    pub fn new(audit: Option<&Path>, caps: Caps) -> Result<Self, ObserverError> {
        Self::with_audit(audit.map(AuditOptions::of), caps)
    }

    /// The same, with an audit that is kept as the options say.
    ///
    /// # Errors
    /// The audit file cannot be opened.
    pub fn with_audit(audit: Option<AuditOptions>, caps: Caps) -> Result<Self, ObserverError> {
        let metrics = Metrics::new(caps)?;
        // Series with few values are there from the start, so that the first event is an increase.
        for result in ["success", "failure"] {
            drop(metrics.counter(&registry::POLICY_RELOADS, &[result]));
        }
        let history = Arc::new(PolicyHistory::default());
        let audit = match audit {
            Some(options) => {
                let count = |result| metrics.counter(&registry::AUDIT_EVENTS, &[result]);
                let (written, dropped, failed) = (count("written"), count("dropped"), count("failed"));
                let counters = AuditCounters { written, dropped, failed, refused: count("refused") };
                let path = options.settings.path.display().to_string();
                let opened = Audit::open(options, Arc::clone(&history), counters);
                let named = |cause| ObserverError::Audit { path, cause };
                Some(opened.map_err(named)?)
            }
            None => None,
        };
        let usage: Arc<Usage> = Arc::default();
        let changes = Changes::new(&metrics);
        Ok(Self {
            metrics,
            audit,
            history,
            shapes: Shapes::new(Bounds::default(), Arc::clone(&usage)),
            usage,
            plans: Plans::default(),
            changes,
            merged: AtomicU64::new(0),
            traces: None,
            slow: None,
        })
    }

    /// The same, with spans of statements where they have somewhere to go, and a log of those that take so long.
    ///
    /// # Errors
    /// There is no thread to be had for them, or the collector cannot be spoken to as the settings say.
    pub fn telling(self, traces: Option<traces::Settings>, slow: Option<Duration>) -> io::Result<Self> {
        let start = |settings| {
            let count = |result| self.metrics.counter(&registry::SPANS, &[result]);
            let (exported, dropped, failed) = (count("exported"), count("dropped"), count("failed"));
            Traces::start(settings, SpanCounters { exported, dropped, failed })
        };
        let (traces, slow) = (traces.map(start).transpose()?, slow.map(SlowLog::start).transpose()?);
        Ok(Self { traces, slow, ..self })
    }

    /// The record of usage.
    pub fn usage(&self) -> &Arc<Usage> {
        &self.usage
    }

    /// What runs how often and how long.
    pub fn shapes(&self) -> &Shapes {
        &self.shapes
    }

    /// Sessions that are open.
    pub fn sessions(&self) -> &Sessions {
        self.metrics.sessions()
    }

    /// How what runs is planned.
    pub fn plans(&self) -> &Plans {
        &self.plans
    }

    /// The server has told the plan of a sample, or there is none; its shape is asked for again after `every`.
    pub fn plan(&self, waiting: &Waiting, plan: Result<Plan, NoPlan>, every: Duration) {
        match plan {
            Ok(plan) => {
                // One sequential scan says more than any number of others.
                let is_seq = plan.accesses.iter().any(|access| access.path == AccessPath::Seq);
                let first = plan.accesses.first().map_or(AccessPath::Other, |access| access.path);
                let path = if is_seq { AccessPath::Seq } else { first };
                waiting.shape.planned(path.as_str(), &plan.text);
                let found = self.plans.seen(&self.metrics, waiting, plan, every);
                found.into_iter().for_each(|change| self.changed(change));
            }
            Err(why) => self.plans.failed(&self.metrics, waiting, why, every),
        }
    }

    /// To be called every second or so: looks which changes of plans have made something slower.
    pub fn judge_plans(&self) {
        self.plans.judge(&self.metrics).into_iter().for_each(|change| self.changed(change));
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
        self.shapes.tell(&self.metrics);
        self.measure_audit();
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

    /// Writes what is left of the audit, sends the last spans. Blocks until that is done; nothing is recorded afterwards.
    pub fn shut_down(&self) {
        self.slow.iter().for_each(SlowLog::close);
        self.traces.iter().for_each(Traces::close);
        if let Some(audit) = &self.audit {
            audit.close();
        }
    }

    /// How the audit is doing, if there is one.
    pub fn audit_status(&self) -> Option<AuditStatus> {
        self.audit.as_ref().map(Audit::status)
    }

    fn measure_audit(&self) {
        let Some(status) = self.audit_status() else { return };
        self.metrics.gauge(&registry::AUDIT_QUEUE, &[]).set(status.queued as f64);
        self.metrics.gauge(&registry::AUDIT_WRITABLE, &[]).set(if status.writable { 1.0 } else { 0.0 });
        if let Some(at) = status.last_write {
            self.metrics.gauge(&registry::AUDIT_LAST_WRITE, &[]).set(at.as_microsecond() as f64 / 1e6);
        }
    }

    /// The server can be reached.
    pub fn upstream_reached(&self) {
        self.metrics.gauge(&registry::UPSTREAM_UP, &[]).set(1.0);
        self.changes.learn(&self.metrics, |known| known.reachable(true));
    }

    /// The server cannot be reached.
    pub fn upstream_lost(&self) {
        self.metrics.gauge(&registry::UPSTREAM_UP, &[]).set(0.0);
        self.changes.learn(&self.metrics, |known| known.reachable(false));
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
        for gone in activity.dropped.iter().filter(|gone| gone.is_news) {
            self.plans.disturbed(&activity.database, &gone.schema, &gone.table, Instant::now());
        }
        super::statistics::count(&self.metrics, activity);
        self.changes.learn(&self.metrics, |known| known.indexes(activity));
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
        self.shapes.over(handles.shape.as_ref(), event);
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
        if !event.report.ddl.is_empty() {
            self.ddl(event);
        }
        self.usage.record(event);
        if let Some(audit) = &self.audit {
            audit.record(event);
        }
        self.traces.iter().for_each(|traces| traces.record(event));
        self.slow.iter().for_each(|slow| slow.record(event));
    }

    #[inline]
    fn parent_of(&self, sql: &[u8]) -> Option<Arc<TraceParent>> {
        self.traces.as_ref().and_then(|_| traces::parent::parent_of(sql)).map(Arc::new)
    }

    fn session_opened(&self, subject: &Subject) {
        self.metrics.session_opened(subject);
        self.usage.session_opened(subject);
        self.shapes.session_opened(&subject.database);
    }

    fn line(&self, address: SocketAddr) -> Option<Line> {
        Some(self.sessions().line(address))
    }

    fn follow(&self, opened: Opened) -> Option<Arc<Live>> {
        Some(self.sessions().open(opened))
    }

    fn session(&self, number: u64, subject: &Arc<Subject>, began: bool) {
        if let Some(audit) = &self.audit {
            audit.session(number, subject, began);
        }
    }

    #[inline]
    fn refuses(&self, report: &Report) -> bool {
        self.audit.as_ref().is_some_and(|audit| audit.refuses(report))
    }

    fn session_closed(&self, subject: &Subject) {
        self.shapes.session_closed(&subject.database);
    }

    fn wants_sample(&self, report: &Report) -> bool {
        let shape = report.attached.get::<Handles>().and_then(|handles| handles.shape.as_ref());
        shape.is_some_and(|shape| shape.single && shape.sample_wanted.load(Ordering::Relaxed))
    }

    fn sample(&self, sample: Sample) {
        let shape = sample.report.attached.get::<Handles>().and_then(|handles| handles.shape.as_ref()).map(Arc::clone);
        let Some(shape) = shape else { return };
        // One run is enough.
        if shape.sample_wanted.swap(false, Ordering::Relaxed) && !self.plans.offer(&shape, sample) {
            let database = self.metrics.database(&shape.database);
            let values = [&*database.name, NoPlan::Queue.as_str()];
            self.metrics.counter(&registry::PLAN_SAMPLE_FAILURES, &values).increment(1);
        }
    }

    fn connection_failed(&self, reason: &'static str) {
        self.metrics.counter(&registry::CONNECTION_FAILURES, &[reason]).increment(1);
    }
}

//! The series behind the registry: handles are made on first use and kept, so that counting is a look-up and an addition.

mod column;
mod database;
mod guard;
mod infos;
mod sessions;
mod table;

pub use column::{ColumnSeries, ConsumerSeries};
pub use database::{ApplicationSeries, DatabaseSeries};
pub use guard::{Guarded, KnownName};
pub use table::{Scope, TableSeries};

use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use metrics::{Counter, Gauge, Key, KeyName, Label, Level, Metadata, Recorder as _};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use super::divergence::PairSeries;
use super::histogram::{Family, Histogram, OVERHEAD_BOUNDS, STATEMENT_BOUNDS, TABLE_OVERHEAD_BOUNDS};
use super::in_force::{ContractInForce, TableInForce};
use super::labels::OTHER;
use super::registry::{self, Kind, METRICS, Metric};
use crate::engine::stages::{Stage, Stages};
use crate::model::caps::Caps;
use guard::Limits;
use infos::Infos;
use sessions::Known;

/// Bounds for migrations, in seconds: up to a day.
const MIGRATION_BOUNDS: &[f64] = &[0.01, 0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0];

/// Bounds of the histograms that the exporter keeps, in seconds.
const BACKGROUND_BOUNDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

const METADATA: Metadata<'static> = Metadata::new("pgcovenant", Level::INFO, None);

/// All series.
pub struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    statement_duration: Family,
    table_duration: Family,
    table_overhead: Family,
    overhead: Family,
    check: Arc<Histogram>,
    stages: [(Stage, Arc<Histogram>); Stage::ALL.len()],
    analysis: [Counter; 3],
    limits: Limits,
    databases: DashMap<Box<str>, Arc<DatabaseSeries>, foldhash::fast::RandomState>,
    other_databases: Arc<DatabaseSeries>,
    sessions: super::sessions::Sessions,
    known_sessions: Known,
    infos: Infos,
    pub(super) pairs: PairSeries,
    pub(super) gauges: super::gauges::Gauges,
}

/// What a verdict came from: label `result` of the texts that were judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Analysis {
    /// From memory.
    Cached,
    /// Found out now.
    Analysed,
    /// The text was not understood in full.
    Unanalyzable,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").field("databases", &self.databases.len()).finish_non_exhaustive()
    }
}

impl Metrics {
    /// All series at zero. Nothing is installed globally.
    ///
    /// # Errors
    /// The exporter does not accept its buckets.
    pub fn new(caps: Caps) -> Result<Self, BuildError> {
        let recorder = PrometheusBuilder::new()
            .set_buckets(BACKGROUND_BOUNDS)?
            .set_buckets_for_metric(Matcher::Full(registry::MIGRATION_DURATION.name.to_owned()), MIGRATION_BOUNDS)?
            .build_recorder();
        for metric in METRICS {
            let (name, help) = (KeyName::from_const_str(metric.name), metric.help.into());
            match metric.kind {
                Kind::Counter => recorder.describe_counter(name, None, help),
                Kind::Gauge => recorder.describe_gauge(name, None, help),
                Kind::Histogram => recorder.describe_histogram(name, None, help),
            }
        }
        let overhead = Family::new(registry::OVERHEAD, OVERHEAD_BOUNDS);
        let check = overhead.series(&["check"]);
        let stages = Stage::ALL.map(|stage| (stage, overhead.series(&[stage.as_str()])));
        let analysis =
            ["cached", "analysed", "unanalyzable"].map(|result| counter(&recorder, &registry::ANALYSIS, &[result]));
        let other_databases = Arc::new(DatabaseSeries::new(&recorder, OTHER.into()));
        Ok(Self {
            handle: recorder.handle(),
            recorder,
            statement_duration: Family::new(registry::STATEMENT_DURATION, STATEMENT_BOUNDS),
            table_duration: Family::new(registry::TABLE_DURATION, STATEMENT_BOUNDS),
            table_overhead: Family::new(registry::TABLE_OVERHEAD, TABLE_OVERHEAD_BOUNDS),
            overhead,
            check,
            stages,
            analysis,
            limits: Limits::new(caps),
            databases: DashMap::default(),
            other_databases,
            sessions: super::sessions::Sessions::default(),
            known_sessions: Known::default(),
            infos: Infos::default(),
            pairs: PairSeries::default(),
            gauges: super::gauges::Gauges::default(),
        })
    }

    /// The handle of a counter with these label values.
    pub fn counter(&self, metric: &Metric, values: &[&str]) -> Counter {
        counter(&self.recorder, metric, values)
    }

    /// The handle of a gauge with these label values.
    pub fn gauge(&self, metric: &Metric, values: &[&str]) -> Gauge {
        self.recorder.register_gauge(&key(metric, values), &METADATA)
    }

    /// Records a duration in a histogram of the exporter; not for the path of statements.
    pub fn observe(&self, metric: &Metric, values: &[&str], value: Duration) {
        self.recorder.register_histogram(&key(metric, values), &METADATA).record(value.as_secs_f64());
    }

    /// A text was judged: how, and in what time.
    pub fn judged(&self, analysis: Analysis, took: Duration) {
        let [cached, analysed, unanalyzable] = &self.analysis;
        let counter = match analysis {
            Analysis::Cached => cached,
            Analysis::Analysed => analysed,
            Analysis::Unanalyzable => unanalyzable,
        };
        counter.increment(1);
        self.check.record(took);
    }

    /// Where the time for a text that was judged anew went.
    pub fn spent(&self, stages: &Stages) {
        for (stage, series) in &self.stages {
            if let Some(took) = stages.of(*stage) {
                series.record(took);
            }
        }
    }

    /// Replaces the policies in force: name and version of each.
    pub fn set_policies(&self, policies: &[(String, String)]) {
        self.infos.set_policies(policies);
    }

    /// Replaces what is said of the contracts in force, and of their tables.
    pub fn set_contracts(&self, digest: &str, contracts: &[ContractInForce], tables: &[TableInForce]) {
        let labelled = tables.iter().map(|table| {
            let [schema, relation] = self.relation(Guarded::Relation, &table.database, &table.schema, &table.relation);
            ([self.guard(Guarded::Database, &table.database), schema, relation], table)
        });
        self.infos.set_contracts(digest, contracts, &labelled.collect::<Vec<_>>());
    }

    /// Replaces the list of deprecated columns, each as the values of the metric's labels.
    pub fn set_deprecated(&self, columns: &[[&str; 6]]) {
        self.infos.set_deprecated(columns);
    }

    /// Replaces what is said of the drift of one database: relation, kind and severity with their count, and tool,
    /// version and state of its migrations.
    pub fn set_drift(&self, database: &Arc<str>, items: &[([&str; 3], usize)], versions: &[[&str; 3]]) {
        self.infos.set_drift(database, items, versions);
    }

    /// Everything in the text exposition format, version 0.0.4.
    pub fn render(&self) -> String {
        let mut text = self.handle.render();
        self.infos.render(&mut text);
        self.render_sessions(&mut text);
        self.render_values(&mut text);
        self.pairs.render(&mut text);
        self.gauges.render(&mut text);
        for family in [&self.statement_duration, &self.table_duration, &self.table_overhead, &self.overhead] {
            family.render(&mut text);
        }
        text
    }

    /// To be called every few seconds: moves the samples of the exporter's histograms into their buckets.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }

    /// The labels behind handles may have changed: they are looked up anew. The series themselves stay.
    fn forget_handles(&self) {
        self.databases.clear();
    }
}

fn counter(recorder: &PrometheusRecorder, metric: &Metric, values: &[&str]) -> Counter {
    recorder.register_counter(&key(metric, values), &METADATA)
}

fn key(metric: &Metric, values: &[&str]) -> Key {
    let labels = metric.labels.iter().zip(values).map(|(key, value)| Label::new(*key, (*value).to_owned()));
    Key::from_parts(metric.name, labels.collect::<Vec<_>>())
}

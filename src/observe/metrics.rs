//! The series behind the registry: handles are made on first use and kept, so that counting is a look-up and an addition.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dashmap::DashMap;
use metrics::{Counter, Gauge, Key, KeyName, Label, Level, Metadata, Recorder as _};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use super::divergence::PairSeries;
use super::event::Decision;
use super::histogram::{Family, Histogram, OVERHEAD_BOUNDS, STATEMENT_BOUNDS};
use super::labels::{self, Limit, OTHER};
use super::registry::{self, Kind, METRICS, Metric};
use crate::engine::report::{ColumnUse, Operation, Outcome, RelationUse};
use crate::model::catalog::{ColumnId, Oid};

/// Bounds of the histograms that the exporter keeps, in seconds.
const BACKGROUND_BOUNDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

const METADATA: Metadata<'static> = Metadata::new("pgcovenant", Level::INFO, None);

/// How many values each label may have.
#[derive(Debug, Clone, Copy)]
pub struct Caps {
    /// Databases.
    pub databases: usize,
    /// Relations, over all databases.
    pub relations: usize,
    /// Applications.
    pub applications: usize,
    /// Columns, over all databases.
    pub columns: usize,
    /// Indexes, over all databases.
    pub indexes: usize,
    /// Rules.
    pub rules: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Self { databases: 100, relations: 500, applications: 100, columns: 1000, indexes: 1000, rules: 300 }
    }
}

/// A label whose values are bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarded {
    /// `datname`.
    Database,
    /// `relname`, together with `schemaname`.
    Relation,
    /// `relname` in the server's own statistics: a limit of its own, so that idle tables do not crowd out busy ones.
    WatchedRelation,
    /// `application`.
    Application,
    /// `column`.
    Column,
    /// `indexrelname`.
    Index,
    /// `rule`.
    Rule,
    /// `sqlstate` and its class.
    SqlState,
    /// `classification`.
    Classification,
}

impl Guarded {
    const fn label(self) -> &'static str {
        match self {
            Self::Database => "datname",
            Self::Relation | Self::WatchedRelation => "relname",
            Self::Application => "application",
            Self::Column => "column",
            Self::Index => "indexrelname",
            Self::Rule => "rule",
            Self::SqlState => "sqlstate",
            Self::Classification => "classification",
        }
    }
}

/// All series.
pub struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    statement_duration: Family,
    table_duration: Family,
    overhead: Family,
    check: Arc<Histogram>,
    limits: [(Guarded, Limit); 9],
    databases: DashMap<Box<str>, Arc<DatabaseSeries>, foldhash::fast::RandomState>,
    other_databases: Arc<DatabaseSeries>,
    infos: Mutex<Infos>,
    pub(super) pairs: PairSeries,
    pub(super) gauges: super::gauges::Gauges,
}

/// Series whose labels say everything and whose value is 1; replaced as a whole.
#[derive(Debug, Default)]
struct Infos {
    policies: Vec<String>,
    deprecated: Vec<String>,
    /// Counts of drift, by database.
    drift: BTreeMap<Arc<str>, Vec<(String, usize)>>,
    /// How far migrations have come, by database.
    versions: BTreeMap<Arc<str>, Vec<String>>,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").field("databases", &self.databases.len()).finish_non_exhaustive()
    }
}

/// The handles of one database.
pub struct DatabaseSeries {
    /// The label `datname`.
    pub name: Arc<str>,
    /// Sessions that are open.
    pub connections: Gauge,
    /// Sessions so far.
    pub sessions: Counter,
    statements: DashMap<(Operation, Decision), Counter, foldhash::fast::RandomState>,
    durations: DashMap<Option<Operation>, Arc<Histogram>, foldhash::fast::RandomState>,
    tables: DashMap<(Oid, Operation), Arc<TableSeries>, foldhash::fast::RandomState>,
    columns: DashMap<(ColumnId, Outcome), Arc<ColumnSeries>, foldhash::fast::RandomState>,
}

/// The labels and the handle of one column with one outcome.
pub struct ColumnSeries {
    /// What the handles were made for: the same column after a rename or another policy gets new ones.
    made_for: ColumnUse,
    /// `schemaname`, `relname`, `column`.
    pub labels: [Arc<str>; 3],
    /// Access to it, if it is classified or protected.
    pub sensitive: Option<Counter>,
}

/// The handles of one relation and operation.
pub struct TableSeries {
    schema: Arc<str>,
    relation: Arc<str>,
    /// Statements that name it.
    pub statements: Counter,
    /// Rows of statements that name only it.
    pub rows: Counter,
    /// Time of single statements.
    pub duration: Arc<Histogram>,
}

impl Metrics {
    /// All series at zero. Nothing is installed globally.
    ///
    /// # Errors
    /// The exporter does not accept its buckets.
    pub fn new(caps: Caps) -> Result<Self, BuildError> {
        let recorder = PrometheusBuilder::new().set_buckets(BACKGROUND_BOUNDS)?.build_recorder();
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
        let other_databases = Arc::new(DatabaseSeries::new(&recorder, OTHER.into()));
        Ok(Self {
            handle: recorder.handle(),
            recorder,
            statement_duration: Family::new(registry::STATEMENT_DURATION, STATEMENT_BOUNDS),
            table_duration: Family::new(registry::TABLE_DURATION, STATEMENT_BOUNDS),
            overhead,
            check,
            limits: limits(caps),
            databases: DashMap::default(),
            other_databases,
            infos: Mutex::default(),
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

    /// Time that the engine took for one text.
    pub fn checked_in(&self, took: Duration) {
        self.check.record(took);
    }

    /// The handles of a database.
    pub fn database(&self, name: &str) -> Arc<DatabaseSeries> {
        if let Some(series) = self.databases.get(name) {
            return Arc::clone(&series);
        }
        let label = self.guard(Guarded::Database, name);
        if &*label == OTHER {
            return Arc::clone(&self.other_databases);
        }
        let entry = self.databases.entry(name.into());
        Arc::clone(&entry.or_insert_with(|| Arc::new(DatabaseSeries::new(&self.recorder, label))))
    }

    /// Counts one statement.
    pub fn statement(&self, database: &DatabaseSeries, operation: Operation, decision: Decision) {
        let known = database.statements.get(&(operation, decision));
        if let Some(counter) = known {
            counter.increment(1);
            return;
        }
        let values = [&*database.name, operation.as_str(), decision.as_str()];
        let counter = self.counter(&registry::STATEMENTS, &values);
        counter.increment(1);
        database.statements.insert((operation, decision), counter);
    }

    /// Records the time of one request; no operation stands for several statements in one request.
    pub fn statement_took(&self, database: &DatabaseSeries, operation: Option<Operation>, took: Duration) {
        if let Some(series) = database.durations.get(&operation) {
            series.record(took);
            return;
        }
        let label = operation.map_or("multiple", Operation::as_str);
        let series = self.statement_duration.series(&[&database.name, label]);
        series.record(took);
        database.durations.insert(operation, series);
    }

    /// The handles of a relation. A relation that was renamed gets new ones.
    pub fn table(&self, database: &DatabaseSeries, named: &RelationUse) -> Arc<TableSeries> {
        let key = (named.relation, named.operation);
        if let Some(series) = database.tables.get(&key)
            && series.schema == named.schema
            && series.relation == named.name
        {
            return Arc::clone(&series);
        }
        let [schema, relation] = self.relation(Guarded::Relation, &database.name, &named.schema, &named.name);
        let values = [&*database.name, &*schema, &*relation, named.operation.as_str()];
        let series = Arc::new(TableSeries {
            schema: Arc::clone(&named.schema),
            relation: Arc::clone(&named.name),
            statements: self.counter(&registry::TABLE_STATEMENTS, &values),
            rows: self.counter(&registry::TABLE_ROWS, &values),
            duration: self.table_duration.series(&values),
        });
        database.tables.insert(key, Arc::clone(&series));
        series
    }

    /// The labels and the handle of a column.
    pub fn column(&self, database: &DatabaseSeries, used: &ColumnUse) -> Arc<ColumnSeries> {
        let key = (used.column, used.outcome);
        if let Some(series) = database.columns.get(&key)
            && series.is_for(used)
        {
            return Arc::clone(&series);
        }
        let labels = self.column_labels(&database.name, [&used.schema, &used.relation, &used.name]);
        let is_protected = used.outcome != Outcome::Clear && used.phase.is_none();
        let sensitive = (used.classification.is_some() || is_protected).then(|| {
            let classification = match &used.classification {
                Some(classification) => self.guard(Guarded::Classification, classification),
                None => "none".into(),
            };
            let [schema, relation, column] = &labels;
            let values = [&*database.name, schema, relation, column, &*classification, used.outcome.as_str()];
            self.counter(&registry::SENSITIVE_ACCESS, &values)
        });
        let series = Arc::new(ColumnSeries { made_for: used.clone(), labels, sensitive });
        database.columns.insert(key, Arc::clone(&series));
        series
    }

    /// The labels `schemaname`, `relname` and `column`. Beyond the limit of relations there is no column to tell apart, either.
    pub fn column_labels(&self, database: &str, path: [&str; 3]) -> [Arc<str>; 3] {
        let [schema, relation, column] = path;
        let whole = format!("{database}\0{}", path.join("\0"));
        let [schema, relation] = self.relation(Guarded::Relation, database, schema, relation);
        let column = if &*schema != OTHER && self.admit(Guarded::Column, &whole).is_some() {
            labels::clean(column).into()
        } else {
            OTHER.into()
        };
        [schema, relation, column]
    }

    /// The labels `schemaname` and `relname` of a relation.
    pub fn relation(&self, limit: Guarded, database: &str, schema: &str, relation: &str) -> [Arc<str>; 2] {
        let whole = format!("{database}\0{schema}\0{relation}");
        if self.admit(limit, &whole).is_some() {
            [labels::clean(schema).into(), labels::clean(relation).into()]
        } else {
            [OTHER.into(), OTHER.into()]
        }
    }

    /// The label for a value, or [`OTHER`] beyond the limit, which is counted.
    pub fn guard(&self, label: Guarded, value: &str) -> Arc<str> {
        self.admit(label, value).unwrap_or_else(|| OTHER.into())
    }

    /// Admits a value; a refused one is counted.
    pub fn admit(&self, label: Guarded, value: &str) -> Option<Arc<str>> {
        let (_, limit) = self.limits.iter().find(|(guarded, _)| *guarded == label)?;
        let admitted = limit.admit(value);
        if admitted.is_none() {
            self.counter(&registry::LABEL_OVERFLOW, &[label.label()]).increment(1);
        }
        admitted
    }

    /// Replaces the policies in force: name and version of each.
    pub fn set_policies(&self, policies: &[(String, String)]) {
        let series = |(name, version): &(String, String)| {
            labels::render(registry::POLICY_INFO.labels, &[&labels::clean(name), &labels::clean(version)])
        };
        self.infos().policies = policies.iter().map(series).collect();
    }

    /// Replaces the list of deprecated columns, each as the values of the metric's labels.
    pub fn set_deprecated(&self, columns: &[[&str; 6]]) {
        let series = |values: &[&str; 6]| labels::render(registry::DEPRECATED_COLUMN_INFO.labels, values);
        self.infos().deprecated = columns.iter().map(series).collect();
    }

    /// Replaces what is said of the drift of one database: relation, kind and severity with their count, and tool,
    /// version and state of its migrations.
    pub fn set_drift(&self, database: &Arc<str>, items: &[([&str; 3], usize)], versions: &[[&str; 3]]) {
        let item = |([relation, kind, severity], count): &([&str; 3], usize)| {
            (labels::render(registry::DRIFT_ITEMS.labels, &[database, relation, kind, severity]), *count)
        };
        let version = |[tool, version, state]: &[&str; 3]| {
            labels::render(registry::SCHEMA_VERSION_INFO.labels, &[database, tool, &labels::clean(version), state])
        };
        let mut infos = self.infos();
        infos.drift.insert(Arc::clone(database), items.iter().map(item).collect());
        infos.versions.insert(Arc::clone(database), versions.iter().map(version).collect());
    }

    /// Everything in the text exposition format, version 0.0.4.
    pub fn render(&self) -> String {
        let mut text = self.handle.render();
        let build = labels::render(registry::BUILD_INFO.labels, &[env!("CARGO_PKG_VERSION")]);
        render_info(&registry::BUILD_INFO, &[build], &mut text);
        {
            let infos = self.infos();
            render_info(&registry::POLICY_INFO, &infos.policies, &mut text);
            render_info(&registry::DEPRECATED_COLUMN_INFO, &infos.deprecated, &mut text);
            render_info(
                &registry::SCHEMA_VERSION_INFO,
                &infos.versions.values().flatten().cloned().collect::<Vec<_>>(),
                &mut text,
            );
            let drift = infos.drift.values().flatten().map(|(labels, count)| (labels.as_str(), *count));
            render_gauges(&registry::DRIFT_ITEMS, drift, &mut text);
        }
        self.pairs.render(&mut text);
        self.gauges.render(&mut text);
        for family in [&self.statement_duration, &self.table_duration, &self.overhead] {
            family.render(&mut text);
        }
        text
    }

    /// To be called every few seconds: moves the samples of the exporter's histograms into their buckets.
    pub fn upkeep(&self) {
        self.handle.run_upkeep();
    }

    fn infos(&self) -> MutexGuard<'_, Infos> {
        self.infos.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ColumnSeries {
    fn is_for(&self, used: &ColumnUse) -> bool {
        let made_for = &self.made_for;
        made_for.name == used.name
            && made_for.relation == used.relation
            && made_for.schema == used.schema
            && made_for.classification == used.classification
            && made_for.phase == used.phase
    }
}

impl DatabaseSeries {
    fn new(recorder: &PrometheusRecorder, name: Arc<str>) -> Self {
        let gauge_key = key(&registry::CLIENT_CONNECTIONS, &[&name]);
        Self {
            connections: recorder.register_gauge(&gauge_key, &METADATA),
            sessions: counter(recorder, &registry::SESSIONS, &[&name]),
            statements: DashMap::default(),
            durations: DashMap::default(),
            tables: DashMap::default(),
            columns: DashMap::default(),
            name,
        }
    }
}

fn limits(caps: Caps) -> [(Guarded, Limit); 9] {
    [
        (Guarded::Database, Limit::new(caps.databases)),
        (Guarded::Relation, Limit::new(caps.relations)),
        (Guarded::WatchedRelation, Limit::new(caps.relations)),
        (Guarded::Application, Limit::new(caps.applications)),
        (Guarded::Column, Limit::new(caps.columns)),
        (Guarded::Index, Limit::new(caps.indexes)),
        (Guarded::Rule, Limit::new(caps.rules)),
        (Guarded::SqlState, Limit::new(100)),
        (Guarded::Classification, Limit::new(50)),
    ]
}

fn counter(recorder: &PrometheusRecorder, metric: &Metric, values: &[&str]) -> Counter {
    recorder.register_counter(&key(metric, values), &METADATA)
}

fn key(metric: &Metric, values: &[&str]) -> Key {
    let labels = metric.labels.iter().zip(values).map(|(key, value)| Label::new(*key, (*value).to_owned()));
    Key::from_parts(metric.name, labels.collect::<Vec<_>>())
}

fn render_info(metric: &Metric, series: &[String], into: &mut String) {
    render_gauges(metric, series.iter().map(|labels| (labels.as_str(), 1)), into);
}

fn render_gauges<'a>(metric: &Metric, series: impl Iterator<Item = (&'a str, usize)>, into: &mut String) {
    let mut series = series.peekable();
    if series.peek().is_none() {
        return;
    }
    labels::render_head(metric, into);
    for (labels, value) in series {
        into.push_str(metric.name);
        into.push('{');
        into.push_str(labels);
        into.push_str("} ");
        into.push_str(&value.to_string());
        into.push('\n');
    }
}

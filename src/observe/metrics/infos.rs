//! Series whose labels say everything and whose value is 1, and gauges that are replaced as a whole: what is no more leaves none.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::observe::in_force::{ContractInForce, TableInForce};
use crate::observe::labels::{self, clean};
use crate::observe::registry::{self, Metric};

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Infos(Mutex<Known>);

/// Each series as its rendered labels.
#[derive(Debug, Default)]
struct Known {
    policies: Vec<String>,
    contracts: Vec<String>,
    tables: Vec<String>,
    /// The target of latency of each table, in seconds.
    targets: Vec<(String, f64)>,
    digest: String,
    deprecated: Vec<String>,
    /// Counts of drift, by database.
    drift: BTreeMap<Arc<str>, Vec<(String, usize)>>,
    /// How far migrations have come, by database.
    versions: BTreeMap<Arc<str>, Vec<String>>,
}

impl Infos {
    /// Replaces the policies in force: name and version of each.
    pub(super) fn set_policies(&self, policies: &[(String, String)]) {
        let series = |(name, version): &(String, String)| {
            labels::render(registry::POLICY_INFO.labels, &[&clean(name), &clean(version)])
        };
        self.known().policies = policies.iter().map(series).collect();
    }

    /// Replaces the contracts in force and their tables, the latter with the labels of database and relation.
    pub(super) fn set_contracts(
        &self,
        digest: &str,
        contracts: &[ContractInForce],
        tables: &[([Arc<str>; 3], &TableInForce)],
    ) {
        let contract = |c: &ContractInForce| {
            let values = [&c.id, &c.version, &c.team, &c.status].map(|value| clean(value));
            labels::render(registry::CONTRACT_INFO.labels, &values.each_ref().map(String::as_str))
        };
        let table = |(path, table): &([Arc<str>; 3], &TableInForce)| {
            let TableInForce { contract: c, criticality, .. } = table;
            let more = [&c.id, &c.version, &c.team, criticality].map(|value| clean(value));
            let values: Vec<&str> = path.iter().map(|value| &**value).chain(more.iter().map(String::as_str)).collect();
            labels::render(registry::TABLE_INFO.labels, &values)
        };
        let target = |(path, table): &([Arc<str>; 3], &TableInForce)| {
            let values = path.each_ref().map(|value| &**value);
            (labels::render(registry::TABLE_LATENCY_TARGET.labels, &values), table.latency_target.as_secs_f64())
        };
        let mut known = self.known();
        known.contracts = contracts.iter().map(contract).collect();
        known.contracts.sort();
        known.contracts.dedup();
        known.tables = tables.iter().map(table).collect();
        known.targets = tables.iter().map(target).collect();
        known.digest = labels::render(registry::BUNDLE_INFO.labels, &[digest]);
    }

    /// Replaces the list of deprecated columns, each as the values of the metric's labels.
    pub(super) fn set_deprecated(&self, columns: &[[&str; 6]]) {
        let series = |values: &[&str; 6]| labels::render(registry::DEPRECATED_COLUMN_INFO.labels, values);
        self.known().deprecated = columns.iter().map(series).collect();
    }

    /// Replaces what is said of the drift of one database: relation, kind and severity with their count, and tool,
    /// version and state of its migrations.
    pub(super) fn set_drift(&self, database: &Arc<str>, items: &[([&str; 3], usize)], versions: &[[&str; 3]]) {
        let item = |([relation, kind, severity], count): &([&str; 3], usize)| {
            (labels::render(registry::DRIFT_ITEMS.labels, &[database, relation, kind, severity]), *count)
        };
        let version = |[tool, version, state]: &[&str; 3]| {
            labels::render(registry::SCHEMA_VERSION_INFO.labels, &[database, tool, &clean(version), state])
        };
        let mut known = self.known();
        known.drift.insert(Arc::clone(database), items.iter().map(item).collect());
        known.versions.insert(Arc::clone(database), versions.iter().map(version).collect());
    }

    pub(super) fn render(&self, into: &mut String) {
        let build = labels::render(registry::BUILD_INFO.labels, &[env!("CARGO_PKG_VERSION")]);
        info(&registry::BUILD_INFO, [&build], into);
        let known = self.known();
        info(&registry::POLICY_INFO, &known.policies, into);
        info(&registry::CONTRACT_INFO, &known.contracts, into);
        info(&registry::TABLE_INFO, &known.tables, into);
        gauges(&registry::TABLE_LATENCY_TARGET, known.targets.iter().map(|(labels, target)| (labels, *target)), into);
        info(&registry::BUNDLE_INFO, Some(&known.digest).filter(|digest| !digest.is_empty()), into);
        info(&registry::DEPRECATED_COLUMN_INFO, &known.deprecated, into);
        info(&registry::SCHEMA_VERSION_INFO, known.versions.values().flatten(), into);
        let drift = known.drift.values().flatten().map(|(labels, count)| (labels, *count as f64));
        gauges(&registry::DRIFT_ITEMS, drift, into);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn info<'a>(metric: &Metric, series: impl IntoIterator<Item = &'a String>, into: &mut String) {
    gauges(metric, series.into_iter().map(|labels| (labels, 1.0)), into);
}

fn gauges<'a>(metric: &Metric, series: impl IntoIterator<Item = (&'a String, f64)>, into: &mut String) {
    let mut series = series.into_iter().peekable();
    if series.peek().is_none() {
        return;
    }
    labels::render_head(metric, into);
    for (labels, value) in series {
        into.push_str(&format!("{}{{{labels}}} {value}\n", metric.name));
    }
}

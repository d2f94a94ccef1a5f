//! What the observer is told of the structure of databases: how far it is from the contracts, and from where it is to go.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Observer;
use crate::model::divergence::Divergence;
use crate::model::drift::Finding;
use crate::model::migrations::History;
use crate::observe::metrics::Guarded;
use crate::observe::registry;

impl Observer {
    /// A database was compared with its contracts at that moment.
    pub fn drift(&self, database: &str, findings: &[Finding], histories: &[History], now: jiff::Timestamp) {
        let name = Arc::clone(&self.metrics.database(database).name);
        let mut counts: BTreeMap<(Arc<str>, &str, &str), usize> = BTreeMap::new();
        for finding in findings {
            let relation: Arc<str> = match &*finding.relation {
                "" => "".into(),
                relation => {
                    // Tables that nobody has promised must not take the places of those that are used.
                    let limit = Guarded::WatchedRelation;
                    let [_, relation] = self.metrics.relation(limit, database, &finding.schema, relation);
                    relation
                }
            };
            *counts.entry((relation, finding.kind.as_str(), finding.severity.as_str())).or_default() += 1;
        }
        let items: Vec<_> = counts
            .iter()
            .map(|((relation, kind, severity), count)| ([&**relation, *kind, *severity], *count))
            .collect();
        let versions: Vec<_> = histories
            .iter()
            .map(|history| {
                let version = if history.version.is_empty() { "none" } else { &history.version };
                [history.tool.as_str(), version, history.state.as_str()]
            })
            .collect();
        self.metrics.set_drift(&name, &items, &versions);
        self.changes.learn(&self.metrics, |known| known.migrations(database, histories));
        self.metrics.gauge(&registry::DRIFT_LAST_CHECK, &[&name]).set(now.as_second() as f64);
    }

    /// Sessions came around the proxy, by database; of databases that are not among them nobody knows.
    pub fn bypass(&self, counts: &BTreeMap<Box<str>, usize>) {
        let label = |database: &str| self.metrics.database(database).name.to_string();
        let series = counts.iter().map(|(database, count)| (vec![label(database)], *count as f64));
        self.metrics.gauges.set(&registry::BYPASS_SESSIONS, "", series.collect(), |one, other| one + other);
    }

    /// Redirected columns of a database were compared with their replacements.
    pub fn divergence(&self, found: &Divergence) {
        let database = Arc::clone(&self.metrics.database(&found.database).name);
        let labelled = found.pairs.iter().filter_map(|(pair, compared)| {
            let labels = |column| self.metrics.column_labels(&found.database, [&pair.schema, &pair.relation, column]);
            let ([schema, relation, column], [.., replacement]) = (labels(&pair.column), labels(&pair.replacement));
            let labels = [&database, &schema, &relation, &column, &replacement].map(|label| label.to_string());
            Some((labels, (*compared)?))
        });
        let mut pairs: Vec<_> = labelled.collect();
        // Beyond the limits of labels, pairs look alike: one of them stands for all.
        pairs.dedup_by(|one, other| one.0 == other.0);
        self.metrics.pairs.set(&found.database, pairs);
    }
}

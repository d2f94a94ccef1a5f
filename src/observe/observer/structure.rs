//! What the observer is told of the structure of databases: how far it is from the contracts, and from where it is to go.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Observer;
use super::files::DeprecatedColumn;
use crate::model::divergence::Divergence;
use crate::model::drift::Finding;
use crate::model::migrations::{Event, History, Outcome, Tool};
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

    /// The history tables of a database have these forms, and these migrations have ended since the last look.
    pub fn migrations(&self, database: &str, tools: impl IntoIterator<Item = Tool>, events: &[Event]) {
        let database = Arc::clone(&self.metrics.database(database).name);
        let counter = |tool: Tool, outcome: Outcome| {
            self.metrics.counter(&registry::MIGRATION_EVENTS, &[&database, tool.as_str(), outcome.as_str()])
        };
        // They begin with nothing, so that the first of them is an increase.
        for tool in tools {
            Outcome::ALL.iter().for_each(|outcome| drop(counter(tool, *outcome)));
        }
        for event in events {
            counter(event.tool, event.outcome).increment(1);
            if let Some(took) = event.took {
                self.metrics.observe(&registry::MIGRATION_DURATION, &[&database, event.tool.as_str()], took);
            }
        }
    }

    /// Replaces what is said of the columns of a database that are on their way out: whether nobody uses them any more.
    pub fn safe_to_drop(&self, database: &str, columns: &[(DeprecatedColumn, bool)]) {
        let name = Arc::clone(&self.metrics.database(database).name);
        let series = columns.iter().map(|(column, safe)| {
            let DeprecatedColumn { schema, relation, column, .. } = column;
            let path = self.metrics.column_labels(database, [schema, relation, column]);
            let labels = std::iter::once(&name).chain(&path).map(ToString::to_string).collect();
            (labels, f64::from(*safe))
        });
        // Where columns are not told apart, all of them must be safe.
        self.metrics.gauges.set(&registry::SAFE_TO_DROP, database, series.collect(), f64::min);
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

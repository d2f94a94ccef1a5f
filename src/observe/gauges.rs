//! Gauges that are replaced as a whole for each database, so that what is no more leaves no series behind.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::labels::{render, render_head};
use super::registry::Metric;

/// The values of the labels in the order of the registry, and the value.
pub(super) type Series = (Vec<String>, f64);

/// All of them, by metric and database.
#[derive(Debug, Default)]
pub(super) struct Gauges(Mutex<BTreeMap<&'static str, Family>>);

#[derive(Debug)]
struct Family {
    metric: Metric,
    databases: BTreeMap<Box<str>, BTreeMap<String, f64>>,
}

impl Gauges {
    /// Replaces what a metric says of one database. Beyond the limits of labels, series look alike: they are added up by
    /// `join`.
    pub(super) fn set(&self, metric: &Metric, database: &str, series: Vec<Series>, join: fn(f64, f64) -> f64) {
        let mut rendered: BTreeMap<String, f64> = BTreeMap::new();
        for (values, value) in series {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            let labels = render(metric.labels, &values);
            rendered.entry(labels).and_modify(|sum| *sum = join(*sum, value)).or_insert(value);
        }
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let family = all.entry(metric.name).or_insert_with(|| Family { metric: *metric, databases: BTreeMap::new() });
        family.databases.insert(database.into(), rendered);
    }

    /// Writes all of them.
    pub(super) fn render(&self, into: &mut String) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for Family { metric, databases } in all.values() {
            if databases.values().all(BTreeMap::is_empty) {
                continue;
            }
            render_head(metric, into);
            for (labels, value) in databases.values().flatten() {
                into.push_str(&format!("{}{{{labels}}} {value}\n", metric.name));
            }
        }
    }
}

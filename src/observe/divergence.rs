//! The series about redirected columns: replaced as a whole for each database, so that a pair which is no more leaves none.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::labels::{render, render_head};
use super::registry::{self, Metric};
use crate::model::divergence::Compared;

/// The labels of a pair, in the order of the registry, and what was counted.
pub(super) type Pair = ([String; 5], Compared);

/// The pairs of every database.
#[derive(Debug, Default)]
pub(super) struct PairSeries(Mutex<BTreeMap<Box<str>, Vec<Pair>>>);

impl PairSeries {
    /// Replaces those of one database.
    pub(super) fn set(&self, database: &str, pairs: Vec<Pair>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(database.into(), pairs);
    }

    /// Writes all of them.
    pub(super) fn render(&self, into: &mut String) {
        let databases = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pairs: Vec<&Pair> = databases.values().flatten().collect();
        let plain = |value: &dyn Fn(&Compared) -> Option<f64>| -> Vec<(Vec<&str>, f64)> {
            let values = pairs.iter().filter_map(|(labels, compared)| Some((words(labels), value(compared)?)));
            values.collect()
        };
        // Exact up to 2^53 rows.
        family(&registry::DIVERGENT_ROWS, &plain(&|compared| compared.divergent.map(|rows| rows as f64)), into);
        let states = pairs.iter().flat_map(|(labels, compared)| {
            let states = [("done", compared.done), ("missing", compared.missing)];
            states.map(|(state, rows)| ([words(labels), vec![state]].concat(), rows as f64))
        });
        family(&registry::BACKFILL_ROWS, &states.collect::<Vec<_>>(), into);
        family(&registry::DIVERGENCE_SHARE, &plain(&|compared| Some(compared.share)), into);
        let at = |compared: &Compared| Some(compared.at.as_millisecond() as f64 / 1000.0);
        family(&registry::DIVERGENCE_LAST_CHECK, &plain(&at), into);
    }
}

fn words(labels: &[String; 5]) -> Vec<&str> {
    labels.iter().map(String::as_str).collect()
}

fn family(metric: &Metric, series: &[(Vec<&str>, f64)], into: &mut String) {
    if series.is_empty() {
        return;
    }
    render_head(metric, into);
    for (values, value) in series {
        into.push_str(&format!("{}{{{}}} {value}\n", metric.name, render(metric.labels, values)));
    }
}

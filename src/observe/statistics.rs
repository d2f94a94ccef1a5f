//! The series from the server's own statistics of tables and indexes.

use std::sync::Arc;

use super::gauges::Series;
use super::labels::OTHER;
use super::metrics::{Guarded, Metrics};
use super::registry::{self, Metric};
use crate::model::activity::{Activity, IndexActivity, TableActivity};

/// Counts what was used, and replaces what is told of the state.
pub(super) fn count(metrics: &Metrics, activity: &Activity) {
    let database = Arc::clone(&metrics.database(&activity.database).name);
    let tables = activity.tables.iter().map(|table| {
        let [schema, name] =
            metrics.relation(Guarded::WatchedRelation, &activity.database, &table.schema, &table.table);
        (vec![database.to_string(), schema.to_string(), name.to_string()], table)
    });
    let tables: Vec<_> = tables.collect();
    let indexes: Vec<_> = activity.indexes.iter().map(|i| (index_labels(metrics, activity, &database, i), i)).collect();
    for (labels, table) in &tables {
        let counts = [
            (&registry::SEQ_SCANS, table.seq_scans),
            (&registry::SEQ_ROWS, table.seq_rows),
            (&registry::TABLE_INDEX_SCANS, table.index_scans),
            (&registry::TABLE_INDEX_ROWS, table.index_rows),
        ];
        for (metric, count) in counts {
            metrics.counter(metric, &words(labels)).increment(count);
        }
    }
    for (labels, index) in &indexes {
        metrics.counter(&registry::INDEX_SCANS, &words(labels)).increment(index.scans);
        metrics.counter(&registry::INDEX_ROWS, &words(labels)).increment(index.rows);
    }
    of_tables(metrics, activity, &tables);
    of_indexes(metrics, activity, &indexes);
    let gone = activity.dropped.iter().map(|gone| {
        let labels = [&*gone.schema, &*gone.table, &*gone.index].map(super::labels::clean);
        ([vec![database.to_string()], labels.to_vec()].concat(), gone.at.as_millisecond() as f64 / 1000.0)
    });
    metrics.gauges.set(&registry::INDEX_DROPPED, &activity.database, gone.collect(), f64::max);
}

/// Numbers here are exact up to 2^53.
fn of_tables(metrics: &Metrics, activity: &Activity, tables: &[(Vec<String>, &TableActivity)]) {
    let gauge = |metric: &Metric, value: &dyn Fn(&TableActivity) -> Option<f64>| {
        let series = tables.iter().filter_map(|(labels, table)| Some((labels.clone(), value(table)?)));
        metrics.gauges.set(metric, &activity.database, series.collect(), |one, other| one + other);
    };
    gauge(&registry::TABLE_SIZE, &|table| table.bytes.map(|bytes| bytes as f64));
    gauge(&registry::TABLE_ROWS_ESTIMATE, &|table| Some(table.rows as f64));
    gauge(&registry::LOCK_WAITERS, &|table| Some(table.waiters as f64));
}

fn of_indexes(metrics: &Metrics, activity: &Activity, indexes: &[(Vec<String>, &IndexActivity)]) {
    let set = |metric: &Metric, series: Vec<Series>, join: fn(f64, f64) -> f64| {
        metrics.gauges.set(metric, &activity.database, series, join);
    };
    let sizes = indexes.iter().filter_map(|(labels, index)| Some((labels.clone(), index.bytes? as f64)));
    set(&registry::INDEX_SIZE, sizes.collect(), |one, other| one + other);
    let infos = indexes.iter().map(|(labels, index)| {
        let valid = if index.valid { "true" } else { "false" };
        ([labels.clone(), vec![index.kind.as_str().to_owned(), valid.to_owned()]].concat(), 1.0)
    });
    set(&registry::INDEX_INFO, infos.collect(), f64::max);
    let unused = indexes.iter().map(|(labels, index)| (labels.clone(), index.unused.as_secs() as f64));
    set(&registry::INDEX_UNUSED, unused.collect(), f64::min);
}

fn index_labels(metrics: &Metrics, activity: &Activity, database: &str, used: &IndexActivity) -> Vec<String> {
    let whole = format!("{}\0{}\0{}", activity.database, used.schema, used.index);
    let [schema, table, index] = match metrics.admit(Guarded::Index, &whole) {
        Some(_) => [&*used.schema, &*used.table, &*used.index],
        None => [OTHER; 3],
    };
    [database, schema, table, index].map(str::to_owned).to_vec()
}

fn words(labels: &[String]) -> Vec<&str> {
    labels.iter().map(String::as_str).collect()
}

//! Histograms with fixed buckets for the path of every statement: one comparison search and two atomic additions each.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::labels;
use super::registry::Metric;

/// Upper bounds for statements, in nanoseconds: 100 us to 30 s.
pub const STATEMENT_BOUNDS: &[u64] = &[
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
    30_000_000_000,
];

/// Upper bounds for our own time, in nanoseconds: 1 us to 100 ms.
pub const OVERHEAD_BOUNDS: &[u64] = &[
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    100_000_000,
];

/// Upper bounds for our own time by relation, in nanoseconds: 10 us to 25 ms. There are few, since there are many relations.
pub const TABLE_OVERHEAD_BOUNDS: &[u64] = &[10_000, 50_000, 250_000, 1_000_000, 5_000_000, 25_000_000];

/// One series.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// One more than there are bounds; not cumulative.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    /// Without observations; the bounds are in nanoseconds.
    pub fn new(bounds: &'static [u64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0) }
    }

    /// Counts one observation.
    pub fn record(&self, value: Duration) {
        let nanos = u64::try_from(value.as_nanos()).unwrap_or(u64::MAX);
        let bucket = self.bounds.partition_point(|bound| *bound < nanos);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        // Wraps after 584 years of summed latency.
        self.sum.fetch_add(nanos, Ordering::Relaxed);
    }

    /// What was counted in each bucket, the last one without an upper bound, and the sum in nanoseconds.
    pub fn read(&self) -> (Vec<u64>, u64) {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        (counts, self.sum.load(Ordering::Relaxed))
    }

    /// How many observations there are, and their sum in nanoseconds.
    pub fn totals(&self) -> (u64, u64) {
        let count = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum();
        (count, self.sum.load(Ordering::Relaxed))
    }

    fn render(&self, name: &str, labels: &str, into: &mut String) {
        let separator = if labels.is_empty() { "" } else { "," };
        let mut total = 0;
        for (count, bound) in self.counts.iter().zip(self.bounds) {
            total += count.load(Ordering::Relaxed);
            line(into, format_args!("{name}_bucket{{{labels}{separator}le=\"{}\"}} {total}", seconds(*bound)));
        }
        total += self.counts.last().map_or(0, |count| count.load(Ordering::Relaxed));
        line(into, format_args!("{name}_bucket{{{labels}{separator}le=\"+Inf\"}} {total}"));
        let braced = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        line(into, format_args!("{name}_sum{braced} {}", seconds(self.sum.load(Ordering::Relaxed))));
        // The count is what the buckets add up to, so that the two never disagree within one scrape.
        line(into, format_args!("{name}_count{braced} {total}"));
    }
}

/// Seconds as a decimal number without rounding: 100000 is `0.0001`.
fn seconds(nanos: u64) -> String {
    let (whole, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    if rest == 0 {
        return whole.to_string();
    }
    let digits = format!("{rest:09}");
    format!("{whole}.{}", digits.trim_end_matches('0'))
}

fn line(into: &mut String, text: std::fmt::Arguments<'_>) {
    into.push_str(&text.to_string());
    into.push('\n');
}

/// All series of one histogram metric.
#[derive(Debug)]
pub struct Family {
    metric: Metric,
    bounds: &'static [u64],
    series: Mutex<BTreeMap<String, Arc<Histogram>>>,
}

impl Family {
    /// A metric without series yet.
    pub fn new(metric: Metric, bounds: &'static [u64]) -> Self {
        Self { metric, bounds, series: Mutex::default() }
    }

    /// The series with these label values: to be looked up once and kept.
    pub fn series(&self, values: &[&str]) -> Arc<Histogram> {
        let labels = labels::render(self.metric.labels, values);
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(series.entry(labels).or_insert_with(|| Arc::new(Histogram::new(self.bounds))))
    }

    /// Appends the metric in the text exposition format.
    pub fn render(&self, into: &mut String) {
        let series: Vec<_> = {
            let series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
            series.iter().map(|(labels, histogram)| (labels.clone(), Arc::clone(histogram))).collect()
        };
        if series.is_empty() {
            return;
        }
        labels::render_head(&self.metric, into);
        for (labels, histogram) in series {
            histogram.render(self.metric.name, &labels, into);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::registry;

    #[test]
    fn buckets_are_cumulative_and_bounds_inclusive() {
        let family = Family::new(registry::OVERHEAD, OVERHEAD_BOUNDS);
        let series = family.series(&["check"]);
        series.record(Duration::from_nanos(1_000));
        series.record(Duration::from_nanos(1_001));
        series.record(Duration::from_secs(5));
        let mut text = String::new();
        family.render(&mut text);
        assert!(text.contains("pgcovenant_overhead_seconds_bucket{stage=\"check\",le=\"0.000001\"} 1\n"), "{text}");
        assert!(text.contains("le=\"0.0000025\"} 2\n"), "{text}");
        assert!(text.contains("le=\"0.1\"} 2\n"), "{text}");
        assert!(text.contains("le=\"+Inf\"} 3\n"), "{text}");
        assert!(text.contains("_sum{stage=\"check\"} 5.000002001\n"), "{text}");
        assert!(text.contains("_count{stage=\"check\"} 3\n"), "{text}");
    }

    #[test]
    fn equal_labels_share_one_series() {
        let family = Family::new(registry::OVERHEAD, OVERHEAD_BOUNDS);
        assert!(Arc::ptr_eq(&family.series(&["check"]), &family.series(&["check"])));
        assert!(!Arc::ptr_eq(&family.series(&["check"]), &family.series(&["relay"])));
    }
}

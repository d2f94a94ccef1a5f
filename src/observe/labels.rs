//! Label values: escaped for the exposition, and bounded in number, so that traffic cannot grow the set of series.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::DashMap;

use super::registry::Metric;

/// What stands for every value beyond the limit.
pub const OTHER: &str = "__other__";

/// Longest label value in bytes.
const LONGEST: usize = 128;

/// Admits the first values that come, up to a limit; every later one is [`OTHER`].
#[derive(Debug)]
pub struct Limit {
    most: usize,
    taken: AtomicUsize,
    seen: DashMap<Box<str>, Arc<str>, foldhash::fast::RandomState>,
}

impl Limit {
    /// Admits `most` values.
    pub fn new(most: usize) -> Self {
        Self { most, taken: AtomicUsize::new(0), seen: DashMap::default() }
    }

    /// The label for this value, or none when the limit is reached and the value is new.
    pub fn admit(&self, value: &str) -> Option<Arc<str>> {
        if let Some(known) = self.seen.get(value) {
            return Some(Arc::clone(&known));
        }
        if self.taken.load(Ordering::Relaxed) >= self.most {
            return None;
        }
        let entry = self.seen.entry(value.into());
        if let dashmap::Entry::Occupied(known) = &entry {
            return Some(Arc::clone(known.get()));
        }
        if self.taken.fetch_add(1, Ordering::Relaxed) >= self.most {
            self.taken.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let label: Arc<str> = clean(value).into();
        entry.insert(Arc::clone(&label));
        Some(label)
    }

    /// The label of a value that was admitted before.
    pub fn known(&self, value: &str) -> Option<Arc<str>> {
        self.seen.get(value).map(|label| Arc::clone(&label))
    }

    /// Admits a value whatever the limit is, and takes no place for it. Returns whether it is new.
    pub fn reserve(&self, value: &str) -> bool {
        match self.seen.entry(value.into()) {
            dashmap::Entry::Occupied(_) => false,
            dashmap::Entry::Vacant(entry) => {
                entry.insert(clean(value).into());
                true
            }
        }
    }

    /// How many values have been admitted.
    pub fn values(&self) -> usize {
        self.seen.len()
    }
}

/// A word that somebody else chose, fit for a label: not empty, not long, without control characters.
pub fn clean(value: &str) -> String {
    let mut end = value.len().min(LONGEST);
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    let cut = value.get(..end).unwrap_or_default();
    if cut.is_empty() {
        return "unknown".to_owned();
    }
    cut.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// `key="value",…` with the values escaped.
pub fn render(keys: &[&str], values: &[&str]) -> String {
    let mut text = String::new();
    for (key, value) in keys.iter().zip(values) {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(&format!("{key}=\"{}\"", escape(value)));
    }
    text
}

/// The HELP and TYPE lines of a metric.
pub fn render_head(metric: &Metric, into: &mut String) {
    let Metric { name, kind, help, .. } = metric;
    into.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {}\n", kind.as_str()));
}

/// A gauge as a whole: label values and value of each series. Without series there is nothing to say.
pub fn render_family<'a>(metric: &Metric, series: impl IntoIterator<Item = (Vec<&'a str>, f64)>, into: &mut String) {
    let mut series = series.into_iter().peekable();
    if series.peek().is_none() {
        return;
    }
    render_head(metric, into);
    for (values, value) in series {
        into.push_str(&format!("{}{{{}}} {value}\n", metric.name, render(metric.labels, &values)));
    }
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_holds_and_known_values_stay() {
        let limit = Limit::new(2);
        assert_eq!(limit.admit("a").as_deref(), Some("a"));
        assert_eq!(limit.admit("b").as_deref(), Some("b"));
        assert_eq!(limit.admit("c"), None);
        assert_eq!(limit.admit("a").as_deref(), Some("a"));
    }

    #[test]
    fn a_known_name_has_a_place_of_its_own() {
        let limit = Limit::new(1);
        assert_eq!(limit.admit("a").as_deref(), Some("a"));
        assert!(limit.reserve("b") && !limit.reserve("b") && !limit.reserve("a"));
        assert_eq!(limit.admit("b").as_deref(), Some("b"));
        assert_eq!((limit.admit("c"), limit.known("c"), limit.values()), (None, None, 2));
        let other = Limit::new(1);
        assert!(other.reserve("known"));
        assert_eq!(other.admit("first").as_deref(), Some("first"), "a known name takes no place");
    }

    #[test]
    fn the_limit_holds_under_concurrency() {
        let limit = Limit::new(10);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let limit = &limit;
                scope.spawn(move || (0..200).for_each(|n| drop(limit.admit(&format!("{thread}-{n}")))));
            }
        });
        assert_eq!(limit.seen.len(), 10);
    }

    #[test]
    fn labels_are_escaped_and_cleaned() {
        assert_eq!(render(&["a", "b"], &["x\"y\\", "line\nend"]), r#"a="x\"y\\",b="line\nend""#);
        assert_eq!(clean(""), "unknown");
        assert_eq!(clean("a\nb\0c"), "a?b?c");
        assert_eq!(clean(&"é".repeat(100)).len(), 128);
    }
}

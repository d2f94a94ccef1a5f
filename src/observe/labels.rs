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

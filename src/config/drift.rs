//! How often and how strictly databases are compared with their contracts.

use std::time::Duration;

use super::file::Reader;
use crate::model::drift::{Ignore, Kind};
use crate::model::source::{Fields, Node, non_empty, string_or_list, suggestion};

/// `drift` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// What nobody wants to hear of.
    pub ignore: Ignore,
    /// How often the databases are compared without a reason.
    pub interval: Duration,
    /// Whether breaking drift makes the process not ready.
    pub fail_readiness: bool,
    /// So long breaking drift may last before it does: a migration that is under way.
    pub grace: Duration,
}

impl Default for Drift {
    fn default() -> Self {
        Self {
            ignore: Ignore::default(),
            interval: Duration::from_secs(60),
            fail_readiness: false,
            grace: Duration::from_secs(600),
        }
    }
}

impl Reader<'_, '_> {
    pub(super) fn drift(&mut self, node: &Node) -> Option<Drift> {
        let mut fields = Fields::of(node, "drift", self.problems)?;
        let mut drift = Drift::default();
        if let Some(node) = fields.optional("ignore") {
            drift.ignore = self.ignored(node);
        }
        if let Some(time) = fields.optional("interval").and_then(|node| self.duration(node)) {
            drift.interval = time;
        }
        if let Some(time) = fields.optional("grace").and_then(|node| self.pause(node)) {
            drift.grace = time;
        }
        if let Some(node) = fields.optional("fail_readiness") {
            match non_empty(node, self.problems).as_deref() {
                Some("breaking") => drift.fail_readiness = true,
                Some("never") | None => {}
                Some(other) => {
                    let message = format!("`{other}` is no reason for not being ready");
                    self.problems.error_with(&node.span, message, "possible: breaking, never");
                }
            }
        }
        fields.finish(self.problems);
        Some(drift)
    }

    fn ignored(&mut self, node: &Node) -> Ignore {
        let patterns = string_or_list(node, self.problems);
        let known = || Kind::ALL.iter().map(|kind| kind.as_str());
        for (pattern, span) in &patterns {
            let Some((kind, _)) = pattern.split_once(':') else { continue };
            if kind.contains('*') || known().any(|known| known == kind.trim()) {
                continue;
            }
            self.problems.error_with(span, format!("there is no kind of drift `{kind}`"), suggestion(kind, known()));
        }
        Ignore::new(patterns.iter().map(|(pattern, _)| pattern.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file::{read, read_lines};
    use crate::model::source::SourceFile;

    fn drift(text: &str) -> (Option<Drift>, Vec<String>) {
        let (config, found) = read_lines(&format!("drift: {text}"));
        (config.map(|config| config.drift), found)
    }

    #[test]
    fn every_key_is_read() {
        let text =
            "{ignore: ['extra_table:public.tmp_*', 'audit.*'], interval: 5s, fail_readiness: breaking, grace: 0s}";
        let (drift, found) = drift(text);
        assert!(found.is_empty(), "{found:?}");
        let drift = drift.unwrap();
        assert_eq!((drift.interval, drift.grace), (Duration::from_secs(5), Duration::ZERO));
        assert!(drift.fail_readiness);
        assert_eq!(drift.ignore, Ignore::new(["extra_table:public.tmp_*", "audit.*"]));
    }

    #[test]
    fn what_the_documentation_shows_can_be_used() {
        let page = include_str!("../../docs/drift.md");
        let shown = page.split("```yaml\n").find(|block| block.starts_with("drift: ")).unwrap();
        let text = format!("upstream: {{host: db}}\n{}", shown.split("```").next().unwrap());
        let (config, found) = read(&SourceFile::new("p.yaml", &text));
        assert!(found.is_empty(), "{found:?}");
        let drift = config.unwrap().drift;
        assert_eq!(Drift { ignore: Ignore::default(), fail_readiness: false, ..drift }, Drift::default());
        assert!(Kind::ALL.iter().all(|kind| page.contains(&format!("`{}`", kind.as_str()))), "a kind is not explained");
    }

    #[test]
    fn mistakes_are_told_where_they_are() {
        assert_eq!(
            drift("{ignore: ['extra_tables:x'], intervall: 5s, fail_readiness: risky}").1,
            [
                "p.yaml:2:18: error: there is no kind of drift `extra_tables` (did you mean `extra_table`?)",
                "p.yaml:2:37: error: drift has no key `intervall` (did you mean `interval`?)",
                "p.yaml:2:68: error: `risky` is no reason for not being ready (possible: breaking, never)",
            ]
        );
        assert!(!Drift::default().fail_readiness, "nobody loses his proxy without having asked for it");
    }
}

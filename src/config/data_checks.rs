//! How often the data is measured that contracts are about.

use std::time::Duration;

use super::file::Reader;
use crate::model::source::{Fields, Node};

/// `data_checks` of the configuration; none is never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataChecks {
    /// How often rows without a partner are counted.
    pub orphans: Option<Duration>,
    /// How often the newest rows are looked at.
    pub freshness: Option<Duration>,
    /// How often the replication slots are looked at.
    pub slots: Option<Duration>,
}

impl Default for DataChecks {
    fn default() -> Self {
        Self {
            orphans: Some(Duration::from_secs(300)),
            freshness: Some(Duration::from_secs(30)),
            slots: Some(Duration::from_secs(10)),
        }
    }
}

impl Reader<'_, '_> {
    pub(super) fn data_checks(&mut self, node: &Node, has_account: bool) -> Option<DataChecks> {
        let mut fields = Fields::of(node, "data_checks", self.problems)?;
        let mut checks = DataChecks::default();
        for (key, interval) in
            [("orphans", &mut checks.orphans), ("freshness", &mut checks.freshness), ("slots", &mut checks.slots)]
        {
            match fields.optional(key) {
                Some(node) if node.as_str() == Some("never") => *interval = None,
                Some(node) => *interval = self.duration(node).or(*interval),
                None => {}
            }
        }
        fields.finish(self.problems);
        if !has_account {
            let help = "Give `service: {user: …}`, a role that may read the columns in question.";
            self.problems.error_with(&node.span, "the data is measured by a service account, and there is none", help);
        }
        Some(checks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file::read_lines;

    fn checks(text: &str) -> (Option<DataChecks>, Vec<String>) {
        let (config, found) = read_lines(&format!("service: {{user: u}}\ndata_checks: {text}"));
        (config.map(|config| config.data_checks), found)
    }

    #[test]
    fn every_interval_can_be_given_and_the_rest_stays() {
        let expected = DataChecks { orphans: Some(Duration::from_secs(3600)), slots: None, ..DataChecks::default() };
        assert_eq!(checks("{orphans: 1h, slots: never}"), (Some(expected), Vec::new()));
        let page = include_str!("../../docs/data-checks.md");
        let shown = page.split("```yaml\n").find_map(|block| block.strip_prefix("data_checks: ")).unwrap();
        let (shown, found) = checks(shown.split("```").next().unwrap().trim());
        assert_eq!((shown, found), (Some(DataChecks::default()), Vec::new()), "the documentation shows the defaults");
    }

    #[test]
    fn mistakes_are_told_where_they_are() {
        assert_eq!(
            checks("{orphan: 5s, freshness: 0s, slots: 10}").1,
            [
                "p.yaml:3:15: error: data_checks has no key `orphan` (did you mean `orphans`?)",
                "p.yaml:3:38: error: this is no time span (Write it as 500ms, 30s, 5min, 1h or 7d.)",
                "p.yaml:3:49: error: this is no time span (Write it as 500ms, 30s, 5min, 1h or 7d.)",
            ]
        );
        let (config, found) = read_lines("data_checks: {slots: 1s}");
        assert!(config.is_none());
        assert!(found[0].starts_with("p.yaml:2:14: error: the data is measured by a service account"), "{found:?}");
    }
}

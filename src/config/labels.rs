//! `labels`: how many values the labels of metrics may have.

use super::file::Reader;
use crate::model::caps::Caps;
use crate::model::source::{Fields, Node, integer};

impl Reader<'_, '_> {
    pub(super) fn labels(&mut self, node: &Node) -> Option<Caps> {
        let mut fields = Fields::of(node, "labels", self.problems)?;
        let mut labels = Caps::default();
        for (key, limit) in [
            ("databases", &mut labels.databases),
            ("relations", &mut labels.relations),
            ("applications", &mut labels.applications),
            ("columns", &mut labels.columns),
            ("consumers", &mut labels.consumers),
            ("indexes", &mut labels.indexes),
            ("rules", &mut labels.rules),
            ("slots", &mut labels.slots),
        ] {
            let given = fields.optional(key).and_then(|node| integer(node, 1..=100_000, self.problems));
            *limit = given.and_then(|given| usize::try_from(given).ok()).unwrap_or(*limit);
        }
        fields.finish(self.problems);
        Some(labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file::read_lines;

    fn labels(text: &str) -> (Option<Caps>, Vec<String>) {
        let (config, found) = read_lines(&format!("labels: {text}"));
        (config.map(|config| config.labels), found)
    }

    #[test]
    fn every_limit_can_be_given_and_the_rest_stays() {
        let expected = Caps { relations: 2000, consumers: 9, ..Caps::default() };
        assert_eq!(labels("{relations: 2000, consumers: 9}"), (Some(expected), Vec::new()));
        let page = include_str!("../../docs/metrics.md");
        let shown = page.split("```yaml\n").find_map(|block| block.strip_prefix("labels: ")).unwrap();
        let (shown, found) = labels(shown.split("```").next().unwrap().trim());
        assert_eq!((shown, found), (Some(Caps::default()), Vec::new()), "the documentation shows the defaults");
    }

    #[test]
    fn mistakes_are_told_where_they_are() {
        assert_eq!(
            labels("{relation: 5, rules: 0, columns: many}").1,
            [
                "p.yaml:2:10: error: labels has no key `relation` (did you mean `relations`?)",
                "p.yaml:2:30: error: 0 is not between 1 and 100000",
                "p.yaml:2:42: error: expected a whole number, found a string",
            ]
        );
    }
}

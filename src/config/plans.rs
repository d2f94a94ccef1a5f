//! How often and by whom the server is asked how it would run what really runs.

use std::time::Duration;

use super::file::Reader;
use crate::model::source::{Fields, Node, Value, integer, non_empty};

/// `plans` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plans {
    /// How often the plan of one statement shape is asked for.
    pub every: Duration,
    /// Plans asked for in a second, at most, by this process.
    pub per_second: u32,
    /// How long planning one statement may take.
    pub timeout: Duration,
    /// The role that asks, where it is not the service account, and the environment variable with its password.
    pub user: Option<(String, Option<String>)>,
}

impl Default for Plans {
    fn default() -> Self {
        Self { every: Duration::from_secs(600), per_second: 1, timeout: Duration::from_secs(1), user: None }
    }
}

impl Reader<'_, '_> {
    /// None for `off`.
    pub(super) fn plans(&mut self, node: &Node) -> Option<Plans> {
        match &node.value {
            Value::Boolean(false) => return None,
            Value::String(word) if word == "off" => return None,
            Value::Map(_) => {}
            _ => {
                let help = "Write `plans: off`, or `plans: {every: 10min, per_second: 1, timeout: 1s}`.";
                self.problems.error_with(&node.span, "this does not say how plans are to be asked for", help);
                return None;
            }
        }
        let mut fields = Fields::of(node, "plans", self.problems)?;
        let mut plans = Plans::default();
        if let Some(time) = fields.optional("every").and_then(|node| self.duration(node)) {
            plans.every = time;
        }
        if let Some(time) = fields.optional("timeout").and_then(|node| self.duration(node)) {
            plans.timeout = time;
        }
        let per_second = fields.optional("per_second").and_then(|node| integer(node, 1..=100, self.problems));
        if let Some(count) = per_second.and_then(|count| u32::try_from(count).ok()) {
            plans.per_second = count;
        }
        let user = fields.optional("user").and_then(|node| non_empty(node, self.problems));
        let password = fields.entry("password_env");
        if let Some(entry) = password.filter(|_| user.is_none()) {
            let help = "Name the role in `user`; without it, the service account asks.";
            self.problems.error_with(&entry.key_span, "`password_env` needs `user`", help);
        }
        let password = password.and_then(|entry| non_empty(&entry.node, self.problems));
        plans.user = user.map(|user| (user, password));
        fields.finish(self.problems);
        Some(plans)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file::read_lines;

    fn read_plans(line: &str) -> Result<Option<Plans>, Vec<String>> {
        let (config, found) = read_lines(line);
        config.map(|config| config.plans).ok_or(found)
    }

    #[test]
    fn plans_are_asked_for_unless_they_are_off() {
        assert_eq!(read_plans(""), Ok(Some(Plans::default())));
        assert_eq!(read_plans("plans: off"), Ok(None));
        let given = Plans {
            every: Duration::from_secs(60),
            per_second: 5,
            timeout: Duration::from_millis(200),
            user: Some(("planner".to_owned(), Some("PW".to_owned()))),
        };
        let line = "plans: {every: 1min, per_second: 5, timeout: 200ms, user: planner, password_env: PW}";
        assert_eq!(read_plans(line), Ok(Some(given)));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let expected = [
            "p.yaml:2:16: error: 0 is not between 1 and 100",
            "p.yaml:2:36: error: `password_env` needs `user` (Name the role in `user`; without it, the service account asks.)",
        ];
        let mut found = read_plans("plans: {per_second: 0, password_env: PW, evry: 1s}").unwrap_err();
        let unknown = found.pop().unwrap();
        assert!(unknown.contains("plans has no key `evry` (did you mean `every`?)"), "{unknown}");
        assert_eq!(found.len(), expected.len(), "{found:?}");
        assert!(found.iter().any(|problem| problem.contains("is not between 1 and 100")), "{found:?}");
        assert!(found.iter().any(|problem| problem.contains("`password_env` needs `user`")), "{found:?}");
        let odd = read_plans("plans: often").unwrap_err();
        assert!(odd[0].starts_with("p.yaml:2:8: error: this does not say how plans are to be asked for"), "{odd:?}");
    }
}

//! Which sessions at the server are expected although they do not come through this proxy.

use std::time::Duration;

use super::file::Reader;
use crate::model::bypass::{Expected, Origin};
use crate::model::source::{Fields, Node, Value, list, string_or_list};

/// `bypass` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bypass {
    /// How often the server is asked for its sessions.
    pub interval: Duration,
    /// Sessions that are expected: other proxies, backups, migrations.
    pub expected: Vec<Expected>,
}

impl Default for Bypass {
    fn default() -> Self {
        Self { interval: Duration::from_secs(10), expected: Vec::new() }
    }
}

impl Reader<'_, '_> {
    /// None for `off`.
    pub(super) fn bypass(&mut self, node: &Node) -> Option<Bypass> {
        match &node.value {
            Value::Boolean(false) => return None,
            Value::String(word) if word == "off" => return None,
            Value::Map(_) => {}
            _ => {
                let help = "Write `bypass: off`, or `bypass: {interval: 10s, expected: [{user: backup}]}`.";
                self.problems.error_with(&node.span, "this does not say which sessions are expected", help);
                return None;
            }
        }
        let mut fields = Fields::of(node, "bypass", self.problems)?;
        let mut bypass = Bypass::default();
        if let Some(time) = fields.optional("interval").and_then(|node| self.duration(node)) {
            bypass.interval = time;
        }
        if let Some(node) = fields.optional("expected") {
            let items = list(node, self.problems);
            bypass.expected = items.iter().filter_map(|item| self.expected_sessions(item)).collect();
        }
        fields.finish(self.problems);
        Some(bypass)
    }

    fn expected_sessions(&mut self, node: &Node) -> Option<Expected> {
        let mut fields = Fields::of(node, "an entry of bypass.expected", self.problems)?;
        let from = fields.optional("from").map(|node| self.origins(node));
        let mut names = |key| {
            let node = fields.optional(key)?;
            Some(string_or_list(node, self.problems).into_iter().map(|(name, _)| name).collect::<Vec<_>>())
        };
        let (users, applications) = (names("user"), names("application"));
        fields.finish(self.problems);
        if from.is_none() && users.is_none() && applications.is_none() {
            let help = "Give `from`, `user` or `application`, or several of them; to expect all sessions, write `bypass: off`.";
            self.problems.error_with(&node.span, "this entry would expect every session", help);
            return None;
        }
        Some(Expected { from, users, applications })
    }

    /// Networks, single addresses, names that are looked up again and again, and `local` for unix sockets of the server.
    fn origins(&mut self, node: &Node) -> Vec<Origin> {
        let mut origins = Vec::new();
        for (text, span) in string_or_list(node, self.problems) {
            let single = || text.parse::<std::net::IpAddr>().ok().map(ipnet::IpNet::from);
            match text.parse::<ipnet::IpNet>().ok().or_else(single) {
                Some(network) => origins.push(Origin::Network(network.trunc())),
                None if text == "local" => origins.push(Origin::Local),
                None if is_named(&text) => {
                    origins.extend(text.strip_prefix(NAME).map(|name| Origin::Name(name.into())))
                }
                None => {
                    let help = "Write a network such as 10.0.0.0/8, an address, `dns:` and a host name, or `local` for unix sockets of the server.";
                    self.problems.error_with(&span, format!("`{text}` is no network"), help);
                }
            }
        }
        origins
    }
}

/// What stands before a host name: without it, a slip of the pen in an address would be one.
const NAME: &str = "dns:";

fn is_named(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    text.strip_prefix(NAME).is_some_and(|name| !name.is_empty() && name.chars().all(fits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file::{read, read_lines};
    use crate::model::source::SourceFile;

    fn bypass(line: &str) -> Result<Option<Bypass>, Vec<String>> {
        let (config, found) = read_lines(line);
        config.map(|config| config.bypass).ok_or(found)
    }

    #[test]
    fn sessions_are_looked_for_unless_that_is_off() {
        assert_eq!(bypass(""), Ok(Some(Bypass::default())));
        assert_eq!(bypass("bypass: off"), Ok(None));
        let text = "bypass: {interval: 1min, expected: [{from: [10.0.3.0/24, local, \"dns:replicas.shop.svc\"]}, {user: backup, from: 10.0.9.9}, \
                    {application: [pg_dump, flyway]}]}";
        let found = bypass(text).unwrap().unwrap();
        assert_eq!((found.interval, found.expected.len()), (Duration::from_secs(60), 3));
        let network = |text: &str| Origin::Network(text.parse().unwrap());
        assert_eq!(
            found.expected[0].from,
            Some(vec![network("10.0.3.0/24"), Origin::Local, Origin::Name("replicas.shop.svc".into())])
        );
        assert_eq!(
            found.expected[1],
            Expected { from: Some(vec![network("10.0.9.9/32")]), ..Expected::user("backup") }
        );
        assert_eq!(found.expected[2].applications, Some(vec!["pg_dump".to_owned(), "flyway".to_owned()]));
    }

    #[test]
    fn what_the_documentation_shows_can_be_used() {
        let page = include_str!("../../docs/sessions.md");
        let shown = page.split("```yaml\n").find(|block| block.starts_with("bypass:")).unwrap();
        let text = format!("upstream: {{host: db}}\n{}", shown.split("```").next().unwrap());
        let (config, found) = read(&SourceFile::new("p.yaml", &text));
        assert!(found.is_empty(), "{found:?}");
        let bypass = config.unwrap().bypass.unwrap();
        assert_eq!(Bypass { expected: Vec::new(), ..bypass }, Bypass::default(), "the default is shown");
        assert!(bypass.expected.len() > 2);
    }

    #[test]
    fn mistakes_are_told_where_they_are() {
        let found = bypass("bypass: {expected: [{}, {from: lan}, {users: x}], intervall: 5s}").unwrap_err();
        let at = |start: &str| assert!(found.iter().any(|line| line.starts_with(start)), "{start}\n{found:#?}");
        at("p.yaml:2:21: error: this entry would expect every session (Give `from`, `user` or `application`");
        at(
            "p.yaml:2:32: error: `lan` is no network (Write a network such as 10.0.0.0/8, an address, `dns:` and a host name, or `local`",
        );
        at("p.yaml:2:39: error: an entry of bypass.expected has no key `users` (did you mean `user`?)");
        at("p.yaml:2:51: error: bypass has no key `intervall` (did you mean `interval`?)");
        let odd = bypass("bypass: yes please").unwrap_err();
        assert!(odd[0].starts_with("p.yaml:2:9: error: this does not say which sessions are expected"), "{odd:?}");
    }
}

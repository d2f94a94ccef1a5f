//! The part of the configuration that is about the log: what is written, and how.

use std::time::Duration;

use super::file::Reader;
use crate::model::source::{Fields, Node, nearest, non_empty};

/// The levels, from nothing to everything.
pub const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// `log` of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// How a line looks.
    pub format: Format,
    /// A level, or several with the parts of the program that they are for: `info,pgcovenant::proxy=debug`.
    pub level: String,
    /// Statements that take so long at the server are logged.
    pub slow: Option<Duration>,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: Format::Text, level: "info".to_owned(), slow: None }
    }
}

impl Reader<'_, '_> {
    pub(super) fn log(&mut self, node: &Node) -> Option<Log> {
        let mut fields = Fields::of(node, "log", self.problems)?;
        let mut log = Log::default();
        if let Some(node) = fields.optional("format") {
            match non_empty(node, self.problems).as_deref() {
                Some("json") => log.format = Format::Json,
                Some("text") | None => {}
                Some(other) => {
                    let message = format!("`{other}` is no format of a log");
                    self.problems.error_with(&node.span, message, "possible: text, json");
                }
            }
        }
        if let Some(level) = fields.optional("level").and_then(|node| self.level(node)) {
            log.level = level;
        }
        log.slow = fields.optional("slow").and_then(|node| self.duration(node));
        fields.finish(self.problems);
        Some(log)
    }

    fn level(&mut self, node: &Node) -> Option<String> {
        let text = non_empty(node, self.problems)?;
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        for part in &parts {
            let (target, level) = part.rsplit_once('=').unwrap_or(("pgcovenant", part));
            if LEVELS.contains(&level) && is_target(target) {
                continue;
            }
            let help = match nearest(level, LEVELS.iter().copied()) {
                Some(meant) if meant != level => format!("did you mean `{meant}`?"),
                _ => "Write info, debug … or, for a part of the program, info,pgcovenant::proxy=debug.".to_owned(),
            };
            self.problems.error_with(&node.span, format!("`{part}` is no log level"), help);
            return None;
        }
        Some(parts.join(","))
    }
}

/// A path of modules.
fn is_target(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
}

#[cfg(test)]
mod tests {
    use super::super::file::read_lines;
    use super::*;

    fn log(text: &str) -> Result<Log, Vec<String>> {
        let (config, found) = read_lines(text);
        config.map(|config| config.log).ok_or(found)
    }

    #[test]
    fn every_key_is_read() {
        let all = log("log: {format: json, level: 'warn, pgcovenant::proxy=trace', slow: 250ms}").unwrap();
        assert_eq!((all.format, all.slow), (Format::Json, Some(Duration::from_millis(250))));
        assert_eq!(all.level, "warn,pgcovenant::proxy=trace");
        assert_eq!(log("").unwrap(), Log::default());
        assert_eq!(log("log: {level: off}").unwrap().level, "off");
    }

    #[test]
    fn mistakes_are_told_where_they_are() {
        assert_eq!(
            log("log: {format: xml, level: verbose, slow: 0s, levle: info}").unwrap_err(),
            [
                "p.yaml:2:15: error: `xml` is no format of a log (possible: text, json)",
                "p.yaml:2:27: error: `verbose` is no log level (Write info, debug … or, for a part of the program, info,pgcovenant::proxy=debug.)",
                "p.yaml:2:42: error: this is no time span (Write it as 500ms, 30s, 5min, 1h or 7d.)",
                "p.yaml:2:46: error: log has no key `levle` (did you mean `level`?)",
            ]
        );
        assert!(log("log: {level: 'info,a b=debug'}").unwrap_err()[0].contains("`a b=debug` is no log level"));
        assert!(log("log: {level: debgu}").unwrap_err()[0].contains("did you mean `debug`?"));
    }

    #[test]
    fn what_the_documentation_shows_can_be_used() {
        let page = include_str!("../../docs/logs.md");
        let shown = page.split("```yaml\n").find(|block| block.starts_with("log:")).unwrap();
        let found = log(shown.split("```").next().unwrap()).unwrap();
        assert_eq!(found, Log { slow: found.slow, ..Log::default() }, "the page shows the defaults");
    }
}

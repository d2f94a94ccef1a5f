//! The part of the configuration that is about the audit.

use std::time::Duration;

use super::file::Reader;
use crate::model::audit::{AuditSettings, Compress, Rotation, Sync, WhenUnwritable};
use crate::model::source::{Fields, Node, Value, boolean, integer, non_empty, one_of};

/// How often records are brought to the disk where only `interval` is said.
const DEFAULT_INTERVAL: Duration = Duration::from_millis(200);

/// Smaller files would hold little but their own beginnings and ends.
const LEAST_BYTES: u64 = 4096;

impl Reader<'_, '_> {
    pub(super) fn audit(&mut self, node: &Node) -> Option<AuditSettings> {
        let mut fields = Fields::of(node, "audit", self.problems)?;
        let path = fields.required("path", self.problems).and_then(|node| self.path(node));
        let mut settings = AuditSettings::of(path.as_deref().unwrap_or_else(|| "".as_ref()));
        if let Some(sessions) = fields.optional("sessions").and_then(|node| boolean(node, self.problems)) {
            settings.sessions = sessions;
        }
        if let Some(entry) = fields.entry("key") {
            let help = "Put it into an environment variable, and name that in `key_env`.";
            self.problems.error_with(&entry.key_span, "a key does not belong into this file", help);
        }
        settings.key_env = fields.optional("key_env").and_then(|node| non_empty(node, self.problems));
        if let Some(rotation) = fields.optional("rotate").and_then(|node| self.rotation(node)) {
            settings.rotation = rotation;
        }
        if let Some(sync) = fields.optional("fsync").and_then(|node| self.sync(node)) {
            settings.sync = sync;
        }
        if let Some(node) = fields.optional("when_unwritable") {
            let words = [("pass", WhenUnwritable::Pass), ("refuse", WhenUnwritable::Refuse)];
            if let Some(found) = one_of(node, &words, "is no way to go on without an audit", self.problems) {
                settings.when_unwritable = found;
            }
        }
        fields.finish(self.problems);
        path.map(|_| settings)
    }

    fn rotation(&mut self, node: &Node) -> Option<Rotation> {
        let mut fields = Fields::of(node, "audit.rotate", self.problems)?;
        let mut rotation = Rotation::default();
        if let Some(node) = fields.optional("bytes") {
            rotation.bytes = self.size(node);
            if rotation.bytes.is_some_and(|bytes| bytes < LEAST_BYTES) {
                let help = "Write it as 100MB or 1GiB.";
                let message = format!("a file of the audit has at least {LEAST_BYTES} bytes");
                self.problems.error_with(&node.span, message, help);
            }
        }
        rotation.every = fields.optional("every").and_then(|node| self.duration(node));
        rotation.keep = fields
            .optional("keep")
            .and_then(|node| integer(node, 1..=1_000_000, self.problems))
            .and_then(|count| usize::try_from(count).ok());
        if let Some(node) = fields.optional("compress") {
            let words = [("none", Compress::None), ("gzip", Compress::Gzip)];
            rotation.compress = one_of(node, &words, "is no way to compress files", self.problems).unwrap_or_default();
        }
        let useless = [("keep", rotation.keep.is_some()), ("compress", rotation.compress != Compress::None)];
        for (key, _) in useless.iter().filter(|(_, said)| *said && rotation.bytes.is_none() && rotation.every.is_none())
        {
            let help = "Say when a new file begins: `bytes: 100MB`, `every: 24h`, or both.";
            let message = format!("`{key}` has no meaning where files are never rotated");
            self.problems.error_with(fields.span(), message, help);
        }
        fields.finish(self.problems);
        Some(rotation)
    }

    fn sync(&mut self, node: &Node) -> Option<Sync> {
        let text = non_empty(node, self.problems)?;
        let time = text.trim().strip_prefix("interval(").and_then(|rest| rest.strip_suffix(')'));
        if let Some(time) = time {
            let node = Node { value: Value::String(time.to_owned()), span: node.span.clone() };
            return self.duration(&node).map(Sync::Interval);
        }
        let words = [("never", Sync::Never), ("interval", Sync::Interval(DEFAULT_INTERVAL)), ("always", Sync::Always)];
        one_of(node, &words, "does not say when records are brought to the disk", self.problems)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file::{read, read_lines};
    use crate::model::source::SourceFile;

    fn audit(text: &str) -> (Option<AuditSettings>, Vec<String>) {
        let (config, found) = read_lines(&format!("audit: {text}"));
        (config.and_then(|config| config.audit), found)
    }

    #[test]
    fn a_path_is_enough() {
        let (settings, found) = audit("{path: audit.jsonl}");
        assert!(found.is_empty(), "{found:?}");
        assert_eq!(settings, Some(AuditSettings::of("audit.jsonl".as_ref())));
    }

    #[test]
    fn every_key_is_read() {
        let (settings, found) = audit(
            "{path: a, sessions: true, key_env: AUDIT_KEY, fsync: interval(50ms), when_unwritable: refuse, \
             rotate: {bytes: 100MB, every: 24h, keep: 30, compress: gzip}}",
        );
        assert!(found.is_empty(), "{found:?}");
        let settings = settings.unwrap();
        assert!(settings.sessions);
        assert_eq!(settings.key_env.as_deref(), Some("AUDIT_KEY"));
        assert_eq!(settings.sync, Sync::Interval(Duration::from_millis(50)));
        assert_eq!(settings.when_unwritable, WhenUnwritable::Refuse);
        let every = Some(Duration::from_secs(86_400));
        let compress = Compress::Gzip;
        assert_eq!(settings.rotation, Rotation { bytes: Some(100_000_000), every, keep: Some(30), compress });
        assert_eq!(
            audit("{path: a, rotate: {every: 1h, compress: none}}").0.unwrap().rotation.compress,
            Compress::None
        );
        for (word, expected) in
            [("never", Sync::Never), ("always", Sync::Always), ("interval", Sync::Interval(DEFAULT_INTERVAL))]
        {
            assert_eq!(audit(&format!("{{path: a, fsync: {word}}}")).0.unwrap().sync, expected);
        }
    }

    #[test]
    fn mistakes_are_told_where_they_are() {
        for (text, expected) in [
            ("{pth: a}", "p.yaml:2:9: error: audit has no key `pth` (did you mean `path`?)"),
            ("{path: a, key: secret}", "p.yaml:2:18: error: a key does not belong into this file"),
            ("{path: a, fsync: sometimes}", "p.yaml:2:25: error: `sometimes` does not say when"),
            ("{path: a, fsync: interval(soon)}", "p.yaml:2:25: error: this is no time span"),
            ("{path: a, when_unwritable: refus}", "p.yaml:2:35: error: `refus` is no way to go on without an audit"),
            ("{path: a, rotate: {keep: 3}}", "p.yaml:2:26: error: `keep` has no meaning"),
            ("{path: a, rotate: {bytes: 1kB}}", "p.yaml:2:34: error: a file of the audit has at least 4096 bytes"),
            ("{path: a, rotate: {compress: gzip}}", "p.yaml:2:26: error: `compress` has no meaning"),
            ("{path: a, rotate: {every: 1h, compress: zip}}", "p.yaml:2:48: error: `zip` is no way to compress files"),
            ("{path: a, rotate: {every: 1h, compress: true}}", "p.yaml:2:48: error: "),
            ("{path: a, rotate: {evry: 1h}}", "p.yaml:2:27: error: audit.rotate has no key `evry`"),
        ] {
            let (settings, found) = audit(text);
            assert!(settings.is_none(), "{text}");
            assert!(found.iter().any(|line| line.starts_with(expected)), "{text}: {found:?}");
        }
    }

    #[test]
    fn what_the_documentation_shows_can_be_used() {
        let page = include_str!("../../docs/audit.md");
        let shown: Vec<_> = page.split("```yaml\n").filter(|block| block.starts_with("audit:")).collect();
        assert!(!shown.is_empty());
        for block in shown {
            let text = format!("upstream: {{host: db}}\n{}", block.split("```").next().unwrap());
            let (config, found) = read(&SourceFile::new("p.yaml", &text));
            assert!(found.is_empty() && config.is_some(), "{found:?}");
        }
    }
}

//! What was found, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::cli::DriftFormat;
use crate::model::drift::{Finding, Severity};
use crate::model::migrations::History;
use crate::model::structure::Structure;

/// Findings and versions of all databases.
#[derive(Debug, Default)]
pub(super) struct Report {
    databases: Vec<String>,
    findings: Vec<Finding>,
    histories: Vec<(String, History)>,
    unread: Vec<String>,
}

impl Report {
    pub(super) fn add(&mut self, database: &str, findings: Vec<Finding>, structure: &Structure) {
        self.databases.push(database.to_owned());
        self.findings.extend(findings);
        self.histories.extend(structure.histories.iter().map(|history| (database.to_owned(), history.clone())));
        self.unread.extend(structure.unread.iter().map(|unread| {
            format!("{} of {} in {database} cannot be read: {}", unread.table, unread.tool.as_str(), unread.why)
        }));
    }

    pub(super) fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }

    pub(super) fn render(&self, format: DriftFormat) -> String {
        match format {
            DriftFormat::Text => self.text(),
            DriftFormat::Json => format!("{:#}\n", self.json()),
            DriftFormat::Markdown => self.markdown(),
        }
    }

    fn sorted(&self) -> Vec<&Finding> {
        let mut findings: Vec<&Finding> = self.findings.iter().collect();
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        findings
    }

    fn summary(&self) -> String {
        let count = |severity| self.findings.iter().filter(|finding| finding.severity == severity).count();
        let databases = self.databases.join(", ");
        if self.findings.is_empty() {
            return format!("{databases}: no drift");
        }
        format!(
            "{databases}: {} breaking, {} risky, {} cosmetic",
            count(Severity::Breaking),
            count(Severity::Risky),
            count(Severity::Cosmetic)
        )
    }

    fn text(&self) -> String {
        let mut text = String::new();
        let several = self.databases.len() > 1;
        for finding in self.sorted() {
            let place = if several { format!(" in {}", finding.database) } else { String::new() };
            // Writing to a String cannot fail.
            _ = writeln!(
                text,
                "{:<8}  {}: {}{place}",
                finding.severity.as_str(),
                finding.kind.as_str(),
                finding.object()
            );
            _ = writeln!(text, "          {}", finding.message);
            _ = writeln!(text, "          {}", finding.help);
        }
        if !self.findings.is_empty() {
            text.push('\n');
        }
        for (database, history) in &self.histories {
            let version = if history.version.is_empty() { "nothing yet" } else { &history.version };
            let (tool, state) = (history.tool.as_str(), history.state.as_str());
            _ = writeln!(text, "{database}: {tool} at {version}, {state}, digest {}", history.digest);
        }
        for unread in &self.unread {
            _ = writeln!(text, "note: {unread}");
        }
        _ = writeln!(text, "{}", self.summary());
        text
    }

    fn json(&self) -> Value {
        let findings: Vec<_> = self
            .sorted()
            .into_iter()
            .map(|finding| {
                let Finding { kind, severity, database, schema, relation, column, expected, found, message, help } =
                    finding;
                json!({
                    "kind": kind.as_str(), "severity": severity.as_str(), "database": **database, "schema": **schema,
                    "relation": **relation, "column": column.as_deref(), "object": finding.object(),
                    "expected": expected, "found": found, "message": message, "help": help,
                })
            })
            .collect();
        let versions: Vec<_> = self
            .histories
            .iter()
            .map(|(database, history)| {
                json!({
                    "database": database, "tool": history.tool.as_str(), "schema_version": *history.version,
                    "state": history.state.as_str(), "digest": *history.digest,
                })
            })
            .collect();
        json!({"databases": self.databases, "findings": findings, "schema_versions": versions, "unread": self.unread})
    }

    fn markdown(&self) -> String {
        let mut text = format!("## Drift\n\n{}\n", self.summary());
        if !self.findings.is_empty() {
            text.push_str("\n| severity | kind | object | what | what to do |\n|---|---|---|---|---|\n");
        }
        let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
        for finding in self.sorted() {
            let (severity, kind) = (finding.severity.as_str(), finding.kind.as_str());
            let (object, message, help) = (cell(&finding.object()), cell(&finding.message), cell(&finding.help));
            _ = writeln!(text, "| {severity} | `{kind}` | `{object}` | {message} | {help} |");
        }
        text
    }
}

//! The findings for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::FailOn;
use crate::model::diff::{Excepted, Finding, Level, Side, Spot, Versions};

/// What is reported.
pub(super) struct Report<'a> {
    /// OLD and NEW, as named.
    pub(super) names: [&'a str; 2],
    pub(super) sorted: &'a Excepted,
    pub(super) versions: &'a [Versions],
    /// What else there is to say.
    pub(super) notes: &'a [String],
    pub(super) fail_on: FailOn,
}

const NOTHING: &str = "nothing";

impl Report<'_> {
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        for finding in &self.sorted.findings {
            out.push_str(&printable(&one_text(finding)));
            out.push('\n');
        }
        for (finding, reason) in &self.sorted.excepted {
            let reason = reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
            _ = writeln!(out, "excepted: {} {}{reason}", finding.rule.id, finding.path);
        }
        for text in &self.sorted.unused {
            _ = writeln!(out, "note: --except {text} covers nothing");
        }
        for note in self.notes {
            _ = writeln!(out, "note: {note}");
        }
        for versions in self.versions {
            _ = writeln!(out, "contract {}: {}", versions.name, version(versions));
        }
        _ = writeln!(out, "{}", self.summary());
        out
    }

    pub(super) fn json(&self) -> Value {
        let excepted = self.sorted.excepted.iter().map(|(finding, reason)| {
            let mut value = one_json(finding);
            if let Some(fields) = value.as_object_mut() {
                fields.insert("reason".to_owned(), json!(reason));
            }
            value
        });
        let versions = self.versions.iter().map(|versions| {
            let Versions { name, old, new, bump, suggested } = versions;
            let suggested = suggested.map(|version| version.to_string());
            json!({"contract": name, "old": old, "new": new, "bump": bump.as_str(), "suggested": suggested})
        });
        let [errors, warnings, infos] = self.counts();
        json!({
            "old": self.names[0],
            "new": self.names[1],
            "findings": self.sorted.findings.iter().map(one_json).collect::<Vec<_>>(),
            "excepted": excepted.collect::<Vec<_>>(),
            "versions": versions.collect::<Vec<_>>(),
            "notes": self.notes,
            "summary": {"error": errors, "warning": warnings, "info": infos},
        })
    }

    pub(super) fn markdown(&self) -> String {
        let mut out = format!("### {}\n", self.summary());
        for versions in self.versions {
            _ = write!(out, "\nContract {}: {}\n", cell(&versions.name), cell(&version(versions)));
        }
        if !self.sorted.findings.is_empty() {
            out.push_str("\n| level | rule | what | old | new | |\n|---|---|---|---|---|---|\n");
        }
        for finding in &self.sorted.findings {
            let Finding { rule, level, path, old, new, note, at, contract: _ } = finding;
            let code = |text: &Option<String>| text.as_ref().map_or(String::new(), |text| format!("`{}`", cell(text)));
            let spot = at.as_ref().map(|(side, spot)| place(*side, spot)).unwrap_or_default();
            let more = [note.as_deref().unwrap_or_default(), rule.rationale, &spot];
            let more: Vec<String> = more.into_iter().filter(|text| !text.is_empty()).map(cell).collect();
            let more = more.join("<br>");
            _ = writeln!(out, "| {level} | {} | `{}` | {} | {} | {more} |", rule.id, cell(path), code(old), code(new));
        }
        if !self.sorted.excepted.is_empty() || !self.notes.is_empty() {
            out.push('\n');
        }
        for (finding, reason) in &self.sorted.excepted {
            let reason = reason.as_deref().map(|reason| format!(": {}", cell(reason))).unwrap_or_default();
            _ = writeln!(out, "- excepted: {} `{}`{reason}", finding.rule.id, cell(&finding.path));
        }
        for note in self.notes {
            _ = writeln!(out, "- {}", cell(note));
        }
        out
    }

    pub(super) fn summary(&self) -> String {
        let many = |count: usize, word: &str| if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") };
        let [errors, warnings, infos] = self.counts();
        let mut words = vec![many(errors, "error"), many(warnings, "warning"), format!("{infos} info")];
        if !self.sorted.excepted.is_empty() {
            words.push(format!("{} excepted", self.sorted.excepted.len()));
        }
        words.join(", ")
    }

    fn counts(&self) -> [usize; 3] {
        [Level::Error, Level::Warning, Level::Info]
            .map(|level| self.sorted.findings.iter().filter(|finding| finding.level == level).count())
    }
}

/// What files say is shown on terminals, which obey control characters.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '?' } else { c }).collect()
}

fn one_text(finding: &Finding) -> String {
    let Finding { rule, level, path, old, new, note, at, contract: _ } = finding;
    let mut out = format!("{level}: {} {path}\n", rule.id);
    if old.is_some() || new.is_some() {
        let word = |text: &Option<String>| text.clone().unwrap_or_else(|| NOTHING.to_owned());
        _ = writeln!(out, "  {} -> {}", word(old), word(new));
    }
    if let Some(note) = note {
        _ = writeln!(out, "  {note}");
    }
    _ = writeln!(out, "  {}", rule.rationale);
    if let Some((side, spot)) = at {
        _ = writeln!(out, "  {}", place(*side, spot));
    }
    out
}

fn one_json(finding: &Finding) -> Value {
    let Finding { rule, level, path, old, new, note, at, contract } = finding;
    let at = at.as_ref().map(|(side, Spot { file, line, column })| {
        json!({"side": side.as_str(), "file": **file, "line": line, "column": column})
    });
    json!({
        "level": level.as_str(), "rule": rule.id, "path": path, "old": old, "new": new, "note": note,
        "rationale": rule.rationale, "contract": contract, "at": at,
    })
}

/// `file:line:column`, and which side that is where it is the old one.
pub(super) fn place(side: Side, spot: &Spot) -> String {
    let Spot { file, line, column } = spot;
    match side {
        Side::New => format!("{file}:{line}:{column}"),
        Side::Old => format!("{file}:{line}:{column} (old)"),
    }
}

fn version(versions: &Versions) -> String {
    let Versions { name: _, old, new, bump, suggested } = versions;
    match suggested {
        Some(version) => format!("{old} -> {new}; the changes ask for {version} ({})", bump.as_str()),
        None => format!("{old} -> {new}; the changes ask for another version ({})", bump.as_str()),
    }
}

/// A text for a cell of a Markdown table.
fn cell(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace('`', "'").replace(['\n', '\r'], " ").replace('<', "&lt;")
}

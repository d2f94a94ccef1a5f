//! The findings as build servers show them: one test case each, failed at or above the level of `--fail-on`.

use std::fmt::Write as _;

use super::report::{Report, place};
use crate::model::diff::Finding;

pub(super) fn render(report: &Report<'_>) -> String {
    let findings = &report.sorted.findings;
    let failures = findings.iter().filter(|finding| report.fail_on.is_met(finding.level)).count();
    let tests = findings.len().max(1) + report.sorted.excepted.len();
    let skipped = report.sorted.excepted.len();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    _ = writeln!(
        out,
        "<testsuites><testsuite name=\"pgcovenant diff\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\">"
    );
    for finding in findings {
        out.push_str(&one(finding, report.fail_on.is_met(finding.level)));
    }
    if findings.is_empty() {
        out.push_str("<testcase classname=\"pgcovenant.diff\" name=\"no differences\"/>\n");
    }
    for (finding, reason) in &report.sorted.excepted {
        let reason = escape(reason.as_deref().unwrap_or("excepted"));
        _ = writeln!(out, "<testcase {}><skipped message=\"{reason}\"/></testcase>", names(finding));
    }
    out.push_str("</testsuite></testsuites>\n");
    out
}

fn one(finding: &Finding, failed: bool) -> String {
    let Finding { rule, level, path: _, old, new, note, at, contract: _ } = finding;
    let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "nothing".to_owned());
    let spot = at.as_ref().map(|(side, spot)| place(*side, spot)).unwrap_or_default();
    let lines = [note.clone().unwrap_or_default(), rule.rationale.to_owned(), spot];
    let body = lines.into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
    let change = format!("{} -> {}", word(old), word(new));
    let (change, body) = (escape(&change), escape(&body));
    let inner = if failed {
        format!("<failure type=\"{level}\" message=\"{change}\">{body}</failure>")
    } else {
        format!("<system-out>{level}: {change}\n{body}</system-out>")
    };
    format!("<testcase {}>{inner}</testcase>\n", names(finding))
}

fn names(finding: &Finding) -> String {
    let file = finding.at.as_ref().map(|(_, spot)| format!(" file=\"{}\" line=\"{}\"", escape(&spot.file), spot.line));
    format!("classname=\"{}\" name=\"{}\"{}", finding.rule.id, escape(&finding.path), file.unwrap_or_default())
}

/// A text for XML; characters that XML cannot hold become question marks.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push('\t'),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('?'),
            c => out.push(c),
        }
    }
    out
}

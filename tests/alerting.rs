//! Rules, alerts and runbooks: they ask for metrics that exist, each alert does what it says, and leads to its runbook.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may panic"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The files of a folder with this ending, by name, and what they say.
fn files(folder: &str, ending: &str) -> Vec<(String, String)> {
    let mut files: Vec<_> = fs::read_dir(project(folder))
        .unwrap_or_else(|error| panic!("{folder}: {error}"))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == ending))
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read_to_string(&path).unwrap()))
        .collect();
    assert!(!files.is_empty(), "{folder} holds no {ending}");
    files.sort();
    files
}

fn rules() -> String {
    files("deploy/prometheus/rules", "yml").into_iter().map(|(_, text)| text).collect()
}

/// What stands behind this key, once for each time that the key is there.
fn values<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    text.lines().filter_map(|line| line.trim().strip_prefix(key)?.trim().strip_prefix(':').map(str::trim)).collect()
}

fn alerts(rules: &str) -> BTreeSet<&str> {
    values(rules, "- alert").into_iter().collect()
}

fn recorded(rules: &str) -> BTreeSet<&str> {
    let in_braces = rules.lines().filter_map(|line| line.trim().strip_prefix("- {record: \"")?.split('"').next());
    values(rules, "- record").into_iter().chain(in_braces).collect()
}

/// Names of metrics and of what is recorded from them, without the endings that a histogram's series have.
fn asked_for(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
    let names = words.filter(|word| word.starts_with("pgcovenant_") || word.contains(":pgcovenant_"));
    names
        .map(|name| ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name))
        .filter(|name| !name.ends_with(':') && !name.ends_with('_'))
        .collect()
}

fn succeeds(command: &mut Command) {
    let name = command.get_program().to_string_lossy().into_owned();
    let Ok(output) = command.output() else {
        assert!(std::env::var_os("PGCOVENANT_REQUIRE_PG").is_none(), "{name} is not installed");
        eprintln!("skipped: {name} is not installed");
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
}

#[test]
fn rules_ask_only_for_what_is_declared_or_recorded() {
    let golden = fs::read_to_string(project("tests/golden/metrics.txt")).unwrap();
    let rules = rules();
    let mut known: BTreeSet<_> =
        golden.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    known.extend(recorded(&rules));
    let tests: String = files("deploy/prometheus/tests", "yml").into_iter().map(|(_, text)| text).collect();
    for text in [&rules, &tests] {
        let unknown: Vec<_> = asked_for(text).into_iter().filter(|name| !known.contains(name)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}

#[test]
fn every_alert_is_tested_for_firing_and_for_silence() {
    let rules = rules();
    let tests: String = files("deploy/prometheus/tests", "yml").into_iter().map(|(_, text)| text).collect();
    for alert in alerts(&rules) {
        for what in ["fires", "is silent"] {
            assert!(tests.contains(&format!("- name: {alert} {what}\n")), "no test that {alert} {what}");
        }
    }
}

#[test]
fn every_recorded_value_is_tested() {
    let rules = rules();
    let tests = fs::read_to_string(project("deploy/prometheus/tests/recording_test.yml")).unwrap();
    for name in recorded(&rules) {
        assert!(tests.contains(&format!("- expr: round({name}, ")), "no test of {name}");
    }
}

#[test]
fn the_tests_of_the_rules_pass() {
    let tests = files("deploy/prometheus/tests", "yml");
    let names = tests.iter().map(|(name, _)| name);
    succeeds(
        Command::new("promtool").args(["test", "rules"]).args(names).current_dir(project("deploy/prometheus/tests")),
    );
}

#[test]
fn every_alert_says_how_severe_it_is_what_is_wrong_and_where_to_look() {
    let rules = rules();
    for part in rules.split("- alert: ").skip(1) {
        let (name, rest) = part.split_once('\n').unwrap();
        let rule = rest.split("\n\n").next().unwrap();
        for key in ["summary", "description", "runbook_url", "dashboard_url"] {
            assert_eq!(values(rule, key).len(), 1, "{name} has no {key}");
        }
        assert!(rule.contains("severity: "), "{name} has no severity");
        let runbook = values(rule, "runbook_url")[0];
        assert_eq!(runbook, format!("https://example.org/pgcovenant/runbooks/{name}.md"));
    }
}

#[test]
fn every_alert_has_a_runbook_and_every_runbook_an_alert() {
    let rules = rules();
    let pages: BTreeSet<_> = files("docs/runbooks", "md")
        .into_iter()
        .filter_map(|(name, _)| name.strip_suffix(".md").filter(|name| *name != "README").map(str::to_owned))
        .collect();
    let alerts: BTreeSet<_> = alerts(&rules).into_iter().map(str::to_owned).collect();
    assert_eq!(alerts, pages);
    let list = fs::read_to_string(project("docs/alerts.md")).unwrap();
    for alert in alerts {
        assert!(list.contains(&format!("[{alert}](runbooks/{alert}.md)")), "docs/alerts.md does not list {alert}");
    }
}

#[test]
fn runbooks_answer_the_same_questions_in_the_same_order() {
    const HEADINGS: &[&str] =
        &["Meaning", "What users notice", "First look", "Likely causes", "What to do", "Over when", "Escalate"];
    for (name, text) in files("docs/runbooks", "md").into_iter().filter(|(name, _)| name != "README.md") {
        let headings: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(headings, HEADINGS, "{name}");
    }
}

#[test]
fn dashboards_that_alerts_lead_to_have_the_variables_that_they_set() {
    let rules = rules();
    let boards: Vec<serde_json::Value> = files("deploy/grafana/provisioning/dashboards", "json")
        .into_iter()
        .map(|(_, text)| serde_json::from_str(&text).unwrap())
        .collect();
    for link in values(&rules, "dashboard_url") {
        let path = link.trim_matches(['"', '\'']).split_once("/d/").unwrap().1;
        let (uid, query) = path.split_once('?').unwrap_or((path, ""));
        let board = boards.iter().find(|board| board["uid"] == uid);
        let board = board.unwrap_or_else(|| panic!("there is no dashboard {uid}"));
        let variables = board["templating"]["list"].as_array().unwrap();
        for set in query.split('&').filter_map(|pair| pair.strip_prefix("var-")?.split('=').next()) {
            assert!(variables.iter().any(|variable| variable["name"] == set), "{uid} has no variable {set}");
        }
    }
}

#[test]
fn the_sample_of_alertmanager_is_valid() {
    let file = project("deploy/alertmanager/alertmanager.yml");
    succeeds(Command::new("amtool").arg("check-config").arg(file));
}

#[test]
fn alerts_are_routed_by_severity() {
    let file = project("deploy/alertmanager/alertmanager.yml").display().to_string();
    for (labels, receiver) in [
        (&["alertname=PgcovenantAuditLoss", "severity=critical"][..], "page"),
        (&["alertname=PgcovenantTableLatencyHigh", "severity=critical", "team=checkout"], "page"),
        (&["alertname=PgcovenantIndexDropped", "severity=warning"], "ticket"),
        (&["alertname=PgcovenantIndexUnused", "severity=info"], "digest"),
        (&["alertname=SomebodyElses"], "ticket"),
    ] {
        let test = ["config", "routes", "test", "--config.file", &file, "--verify.receivers", receiver];
        succeeds(Command::new("amtool").args(test).args(labels));
    }
}

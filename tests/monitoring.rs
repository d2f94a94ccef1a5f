//! What is shipped for Prometheus asks only for metrics that exist, and its alerts do what they say.

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

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path)
}

/// Names of metrics in a text, without the endings that a histogram's series have.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names = words.filter(|word| word.starts_with("pgcovenant_"));
    names
        .map(|name| {
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            base.unwrap_or(name).to_owned()
        })
        .collect()
}

#[test]
fn rules_use_only_declared_metrics() {
    let golden = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/metrics.txt")).unwrap();
    let declared: BTreeSet<_> =
        golden.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert!(declared.contains("pgcovenant_statements_total"));
    for file in ["prometheus/rules.yml", "prometheus/rules_test.yml"] {
        let used = metrics_in(&fs::read_to_string(deploy(file)).unwrap());
        assert!(!used.is_empty(), "{file}");
        let unknown: Vec<_> = used.iter().filter(|name| !declared.contains(name.as_str())).collect();
        assert!(unknown.is_empty(), "{file}: {unknown:?}");
    }
}

#[test]
fn every_alert_is_tested_for_firing_and_for_silence() {
    let rules = fs::read_to_string(deploy("prometheus/rules.yml")).unwrap();
    let tests = fs::read_to_string(deploy("prometheus/rules_test.yml")).unwrap();
    let alerts: Vec<_> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(!alerts.is_empty());
    for alert in alerts {
        for what in ["fires", "is silent"] {
            assert!(tests.contains(&format!("- name: {alert} {what}\n")), "no test that {alert} {what}");
        }
    }
}

#[test]
fn the_tests_of_the_alerts_pass() {
    let Ok(output) =
        Command::new("promtool").args(["test", "rules", "rules_test.yml"]).current_dir(deploy("prometheus")).output()
    else {
        eprintln!("skipped: promtool is not installed");
        return;
    };
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr)
    );
}

//! What is shipped for Grafana asks only for metrics that exist.

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

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path)
}

/// Names of metrics in a text, without the endings that a histogram's series have.
fn metrics_in(text: &str) -> BTreeSet<String> {
    // What is recorded has colons in its name, and is tested in alerting.rs.
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
    let names = words.filter(|word| word.starts_with("pgcovenant_"));
    names
        .map(|name| {
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
            base.unwrap_or(name).to_owned()
        })
        .collect()
}

#[test]
fn dashboards_use_only_declared_metrics() {
    let golden = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/metrics.txt")).unwrap();
    let declared: BTreeSet<_> =
        golden.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert!(declared.contains("pgcovenant_statements_total"));
    for file in ["grafana/provisioning/dashboards/overview.json"] {
        let used = metrics_in(&fs::read_to_string(deploy(file)).unwrap());
        assert!(!used.is_empty(), "{file}");
        let unknown: Vec<_> = used.iter().filter(|name| !declared.contains(name.as_str())).collect();
        assert!(unknown.is_empty(), "{file}: {unknown:?}");
    }
}

#[test]
fn the_dashboard_is_well_formed_and_uses_the_provisioned_source() {
    let text = fs::read_to_string(deploy("grafana/provisioning/dashboards/overview.json")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&text).unwrap();
    let sources = fs::read_to_string(deploy("grafana/provisioning/datasources/prometheus.yml")).unwrap();
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "two panels with one id");
        if panel["type"] == "row" {
            continue;
        }
        let uid = panel["datasource"]["uid"].as_str().unwrap();
        assert!(sources.contains(&format!("uid: {uid}")), "{uid} is not provisioned");
        assert!(!panel["targets"].as_array().unwrap().is_empty(), "{}", panel["title"]);
    }
}

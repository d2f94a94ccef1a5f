//! The dashboards for Grafana: well formed, and every query answered by a Prometheus that scrapes a proxy with work to do.

mod load;
mod pages;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::support::{project, prometheus::Prometheus, prometheus::PrometheusOptions};
use load::Busy;
use pages::{Page, Question};

/// Metrics that the program may not have yet: as long as it has not, questions about them are not asked.
const NOT_YET: &[&str] = &[
    "pgcovenant_server_connections",
    "pgcovenant_table_overhead_seconds",
    "pgcovenant_analysis_total",
    "pgcovenant_column_access_total",
    "pgcovenant_deprecated_column_last_access_timestamp_seconds",
    "pgcovenant_write_checks_total",
    "pgcovenant_table_info",
    "pgcovenant_contract_info",
    "pgcovenant_bundle_info",
    "pgcovenant_table_latency_target_seconds",
    "pgcovenant_label_values",
    "pgcovenant_index_rows_total",
    "pgcovenant_table_size_bytes",
    "pgcovenant_table_rows_estimate",
    "pgcovenant_index_size_bytes",
    "pgcovenant_index_info",
    "pgcovenant_index_unused_seconds",
    "pgcovenant_index_dropped_timestamp_seconds",
    "pgcovenant_lock_waiters",
    "pgcovenant_plan_samples_total",
    "pgcovenant_plan_sample_failures_total",
    "pgcovenant_plan_changes_total",
    "pgcovenant_plan_regression_timestamp_seconds",
    "pgcovenant_declared_query_satisfied",
    "pgcovenant_shapes",
    "pgcovenant_new_shapes_total",
    "pgcovenant_shapes_evicted_total",
    "pgcovenant_spans_total",
    "pgcovenant_audit_queue_length",
    "pgcovenant_audit_writable",
    "pgcovenant_audit_last_write_timestamp_seconds",
];

/// The same for labels.
const WITHOUT_LABEL_YET: &[(&str, &str)] = &[
    ("pgcovenant_statements_total", "application"),
    ("pgcovenant_errors_total", "application"),
    ("pgcovenant_client_connections", "application"),
    ("pgcovenant_table_statement_duration_seconds", "scope"),
];

#[test]
fn panels_have_a_place_a_source_and_a_purpose() {
    let pages = Page::all();
    let sources = std::fs::read_to_string(project("deploy/grafana/provisioning/datasources/prometheus.yml")).unwrap();
    for page in &pages {
        let mut ids = BTreeSet::new();
        let mut taken = BTreeSet::new();
        for panel in page.panels() {
            let what = format!("{}: {}", page.uid, panel["title"]);
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{what}: two panels with one id");
            let place = |field: &str| panel["gridPos"][field].as_u64().unwrap();
            for (x, y) in (0..place("w")).flat_map(|x| (0..place("h")).map(move |y| (x, y))) {
                assert!(place("x") + x < 24, "{what} is wider than the page");
                assert!(taken.insert((place("x") + x, place("y") + y)), "{what} is on top of another panel");
            }
            if panel["type"] == "row" {
                continue;
            }
            assert!(panel["description"].as_str().is_some_and(|text| text.ends_with('.')), "{what} says no purpose");
            assert!(!panel["targets"].as_array().unwrap().is_empty(), "{what} asks nothing");
            assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{what} has no unit");
        }
        for uid in page.sources() {
            assert!(sources.contains(&format!("uid: {uid}\n")), "{}: {uid} is not provisioned", page.uid);
        }
    }
    let uids: BTreeSet<_> = pages.iter().map(|page| page.uid.as_str()).collect();
    assert_eq!(uids.len(), pages.len(), "two pages with one uid");
    for page in &pages {
        for link in page.links() {
            assert!(uids.contains(link.as_str()), "{}: no page {link}", page.uid);
        }
    }
}

#[test]
fn every_variable_of_a_query_is_one_of_its_page() {
    for page in Page::all() {
        let known = page.variables();
        for question in page.questions() {
            for used in question.variables() {
                assert!(known.contains(&used) || used.starts_with("__"), "{question:?}: ${used}");
            }
        }
    }
}

#[test]
fn every_metric_is_one_that_the_program_has() {
    let declared = declared();
    for question in Page::all().iter().flat_map(Page::questions).filter(is_known) {
        for word in question.text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            let series = |name: &&String| word.strip_prefix(name.as_str()).is_some_and(is_series);
            // The beginning of a pattern for all of them.
            let metric = word.starts_with("pgcovenant_") && word != "pgcovenant_";
            assert!(!metric || declared.keys().any(|name| series(&name)), "{question:?}: no metric {word}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_question_of_every_page_has_an_answer() {
    let Some(busy) = Busy::start().await else { return };
    let options =
        PrometheusOptions { targets: vec![busy.admin_port()], rules: rules(), ..PrometheusOptions::default() };
    let Some(prometheus) = Prometheus::start(&options) else { return };
    let known: Vec<_> = Page::all().iter().flat_map(Page::questions).filter(is_known).collect();
    assert!(known.len() > 100, "only {} questions", known.len());
    println!("{} questions of {}", known.len(), Page::all().iter().flat_map(Page::questions).count());
    let mut open = known;
    let until = Instant::now() + Duration::from_secs(180);
    loop {
        busy.work().await;
        open.retain(|question| !answered(&prometheus, question, &busy.database));
        if open.is_empty() {
            break;
        }
        assert!(Instant::now() < until, "without an answer:\n{}\n{}", listed(&open), busy.log());
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// The files of alerts and recording rules.
fn rules() -> Vec<PathBuf> {
    let folders = [project("deploy/prometheus"), project("deploy/prometheus/rules")];
    let files = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
    let files = files.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    files
        .filter(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            text.contains("\ngroups:") && !path.display().to_string().contains("_test")
        })
        .collect()
}

/// Names and labels that the program's metrics have.
fn declared() -> BTreeMap<String, String> {
    let golden = std::fs::read_to_string(project("tests/golden/metrics.txt")).unwrap();
    let labels = golden.lines().filter_map(|line| line.strip_prefix("# LABELS "));
    let labels = labels.map(|line| line.split_once(' ').unwrap_or((line, "")));
    labels.map(|(name, labels)| (name.to_owned(), labels.to_owned())).collect()
}

/// Whether what it asks for is there, as far as a list above says that it may be missing.
fn is_known(question: &Question) -> bool {
    let declared = declared();
    let words: BTreeSet<_> = question.text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let asks = |name: &str| words.iter().any(|word| word.strip_prefix(name).is_some_and(is_series));
    let missing = NOT_YET.iter().any(|name| asks(name) && !declared.contains_key(*name));
    let without = |(name, label): &(&str, &str)| {
        let has = declared.get(*name).is_some_and(|labels| labels.split(',').any(|one| one == *label));
        asks(name) && words.contains(label) && !has
    };
    !missing && !WITHOUT_LABEL_YET.iter().any(without)
}

/// What a histogram's series end with.
fn is_series(rest: &str) -> bool {
    ["", "_bucket", "_sum", "_count"].contains(&rest)
}

fn listed(questions: &[Question]) -> String {
    questions.iter().map(|question| format!("{question:?}\n")).collect()
}

fn answered(prometheus: &Prometheus, question: &Question, database: &str) -> bool {
    match question.ask(prometheus, database) {
        Ok(values) => values > 0,
        Err(error) => panic!("{question:?}: {error}"),
    }
}

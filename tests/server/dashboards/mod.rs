//! The dashboards for Grafana: well formed, and every query answered by a Prometheus that scrapes a proxy with work to do.

mod load;
mod pages;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::support::{project, prometheus::Prometheus, prometheus::PrometheusOptions};
use load::Busy;
use pages::{Page, Question};

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
    for question in Page::all().iter().flat_map(Page::questions) {
        for word in question.text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            let series = |name: &String| word.strip_prefix(name.as_str()).is_some_and(is_series);
            // The beginning of a pattern for all of them.
            let metric = word.starts_with("pgcovenant_") && word != "pgcovenant_";
            assert!(!metric || declared.iter().any(series), "{question:?}: no metric {word}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_question_of_every_page_has_an_answer() {
    let Some(busy) = Busy::start().await else { return };
    let options =
        PrometheusOptions { targets: vec![busy.admin_port()], rules: rules(), ..PrometheusOptions::default() };
    let Some(prometheus) = Prometheus::start(&options) else { return };
    let mut open: Vec<_> = Page::all().iter().flat_map(Page::questions).collect();
    assert!(open.len() > 200, "only {} questions", open.len());
    let until = Instant::now() + Duration::from_secs(240);
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
    std::fs::read_dir(project("deploy/prometheus/rules")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Names of the program's metrics.
fn declared() -> BTreeSet<String> {
    let golden = std::fs::read_to_string(project("tests/golden/metrics.txt")).unwrap();
    let names = golden.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    names.map(str::to_owned).collect()
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

//! Pages of statements with the engine's answer: the specification of what is admitted, rewritten and refused.
//!
//! Each page under `tests/golden/pages` starts with its fixture (contract, policy, and what a contract cannot say of a
//! catalog), then has one heading per case: a `sql as=user` block followed by an `expect` block. `BLESS=1 cargo test --test
//! golden` writes the answers into the pages; reading the difference is the review.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may panic"
)]

#[path = "../support/pages.rs"]
mod pages;

use std::fmt::Write as _;
use std::path::PathBuf;

use pages::{Case, Fixture, Page};
use pgcovenant::engine::check::{Facts, Protocol, check};
use pgcovenant::engine::report::Report;
use pgcovenant::engine::verdict::Verdict;
use pgcovenant::model::catalog::SearchPath;

fn page_files() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/pages");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// The engine's answer to one case, as the page shows it.
fn answer(fixture: &Fixture, case: &Case) -> String {
    let subject = fixture.subject(&case.user);
    let view = fixture.snapshot.view(&subject);
    let path = match &case.search_path {
        Some(path) => SearchPath::new(path.split(',').map(str::trim)),
        None => SearchPath::default(),
    };
    let facts = Facts { database: "shop", view: &view, search_path: Some(&path), protocol: Protocol::Simple };
    let mut out = String::new();
    match check(&fixture.snapshot, &facts, &case.sql) {
        Verdict::Admit(admitted) => {
            match admitted.rewritten_text() {
                None => out.push_str("admit unchanged\n"),
                Some(text) => writeln!(out, "admit\n{text}").unwrap(),
            }
            write_report(&mut out, &admitted.report);
        }
        Verdict::Refuse(refusal) => {
            writeln!(out, "refuse {}: {}", refusal.sqlstate.code(), refusal.message).unwrap();
            for (label, line) in [("detail", &refusal.detail), ("hint", &refusal.hint)] {
                if let Some(line) = line {
                    writeln!(out, "{label}: {line}").unwrap();
                }
            }
            if let Some(position) = refusal.position {
                writeln!(out, "position: {position}").unwrap();
            }
        }
    }
    out
}

fn write_report(out: &mut String, report: &Report) {
    for statement in &report.statements {
        if let Some(why) = statement.unanalysed {
            writeln!(out, "-- not analysed: {why}").unwrap();
        }
        for column in &statement.columns {
            let phase = column.phase.map(|phase| format!(" ({phase})")).unwrap_or_default();
            writeln!(
                out,
                "-- {}.{} {} {}{phase}",
                column.relation,
                column.name,
                column.access.as_str(),
                column.outcome.as_str()
            )
            .unwrap();
        }
    }
    for change in &report.ddl {
        writeln!(out, "-- changes: {}", change.words()).unwrap();
    }
    for notice in report.notices.iter().chain(&report.cautions) {
        writeln!(out, "-- warning: {}", notice.message).unwrap();
    }
}

#[test]
fn pages_say_what_the_engine_answers() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = String::new();
    let mut cases = 0;
    for file in page_files() {
        let text = std::fs::read_to_string(&file).unwrap();
        let page = Page::parse(&text);
        let fixture = Fixture::build(&page);
        let mut blessed = text.clone();
        for case in page.cases.iter().rev() {
            cases += 1;
            let actual = answer(&fixture, case);
            if actual.trim_end() == case.expected.trim_end() {
                continue;
            }
            if bless {
                blessed.replace_range(case.expected_range.clone(), &actual);
            } else {
                let name = file.file_name().unwrap().to_string_lossy();
                writeln!(wrong, "--- {name}: {}\nexpected:\n{}\nactual:\n{actual}", case.title, case.expected).unwrap();
            }
        }
        if bless && blessed != text {
            std::fs::write(&file, blessed).unwrap();
        }
    }
    assert!(cases > 0, "no cases found");
    assert!(wrong.is_empty(), "{wrong}");
}

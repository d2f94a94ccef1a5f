//! The register of `docs/SECURITY.md` names tests that exist, and files that exist.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

use std::fs;
use std::path::Path;

/// Whether a file has a test, an attack or a case of that name.
fn has(text: &str, name: &str) -> bool {
    [format!("fn {name}("), format!("\n-- {name}\n"), format!("\n## {name}\n")]
        .iter()
        .any(|form| text.contains(form.as_str()))
}

#[test]
fn what_the_register_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let register = fs::read_to_string(root.join("docs/SECURITY.md")).unwrap();
    let (mut tests, mut missing) = (0, Vec::new());
    let spans = register.split('`').skip(1).step_by(2);
    for span in spans.filter(|span| ["src/", "tests/", "policies/"].iter().any(|folder| span.starts_with(folder))) {
        let (file, name) = span.split_once('#').map_or((span, None), |(file, name)| (file, Some(name)));
        match fs::read_to_string(root.join(file)) {
            Ok(text) if name.is_none_or(|name| has(&text, name)) => tests += usize::from(name.is_some()),
            Ok(_) => missing.push(span),
            Err(_) if root.join(file).is_dir() => {}
            Err(_) => missing.push(span),
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(tests >= 60, "only {tests} tests are named");
}

#[test]
fn every_way_of_the_register_has_a_number_and_a_test() {
    let register = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/SECURITY.md")).unwrap();
    let rows = register.lines().filter(|line| line.starts_with("| ") && line.split(" | ").count() == 4);
    let mut last = 0;
    for row in rows.filter(|row| !row.contains("held by")) {
        let number: u32 =
            row.trim_start_matches("| ").split(' ').next().unwrap().parse().unwrap_or_else(|_| panic!("{row}"));
        assert_eq!(number, last + 1, "{row}");
        assert!(row.rsplit(" | ").next().unwrap().contains('#'), "no test holds {row}");
        last = number;
    }
    assert!(last >= 40, "only {last} ways");
}

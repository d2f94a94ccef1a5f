//! `pgcovenant diff`: what each rule finds, what it leaves alone, and what usage does to it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

mod cases;
mod commands;
mod document;
mod git;
mod property;
mod several;
mod usage;
mod versions;

use jiff::Timestamp;
use pgcovenant::model::diff::{self, Difference, Finding, Occasion, Usage, of_contracts, sort};
use pgcovenant::model::source::{SourceFile, render};
use pgcovenant::policy::compile::Bundle;
use pgcovenant::policy::diff as policies;

/// What all cases change something of.
pub const CONTRACT: &str = include_str!("contract.odcs.yaml");
/// The policy beside it.
pub const POLICY: &str = include_str!("policy.yaml");

/// The day of all cases.
pub fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

/// The files of one side, read.
pub fn bundle(side: &str, contract: &str, policy: &str) -> Bundle {
    let files = [
        SourceFile::new(&format!("{side}/contract.odcs.yaml"), contract),
        SourceFile::new(&format!("{side}/policy.yaml"), policy),
    ];
    let (bundle, problems) = Bundle::from_sources(&files);
    bundle.unwrap_or_else(|| panic!("{}", render(&problems, &files)))
}

/// The text with each first part replaced by the second one; each must be there.
pub fn edited(text: &str, edits: &[(&str, &str)]) -> String {
    edits.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "there is no {from:?}");
        text.replace(from, to)
    })
}

/// What the comparison of contracts says, with that record of usage.
pub fn compared(old: &Bundle, new: &Bundle, usage: Option<&dyn Usage>) -> Difference {
    let occasion = Occasion { now: now(), usage };
    diff::compare(&of_contracts(old.contracts()), &of_contracts(new.contracts()), occasion)
}

/// Everything that is found, the versions of the contracts apart.
pub fn found(old: &Bundle, new: &Bundle, usage: Option<&dyn Usage>) -> Vec<Finding> {
    let mut findings = compared(old, new, usage).findings;
    findings.extend(policies::compare(old, new, now()));
    sort(&mut findings);
    findings
}

/// A finding on one line.
pub fn line(finding: &Finding) -> String {
    let Finding { rule, level, path, old, new, .. } = finding;
    let word = |text: &Option<String>| text.clone().unwrap_or_else(|| "nothing".to_owned());
    format!("{level} {} {path}: {} -> {}", rule.id, word(old), word(new))
}

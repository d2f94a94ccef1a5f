//! The policies that come with the project are without a problem.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may panic"
)]

use std::path::Path;

use pgcovenant::policy::compile::Bundle;

#[test]
fn the_policies_of_this_repository_load() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let (bundle, found) = Bundle::load(&folder);
    assert!(found.is_empty(), "{found:#?}");
    let bundle = bundle.expect("no errors, hence a bundle");
    assert!(bundle.policies().next().is_some() && bundle.databases().contains("shop"));
    assert!(bundle.policies().all(|policy| !policy.tests.is_empty()), "a policy without tests is a guess");
}

#[test]
fn a_folder_that_is_not_there_is_a_problem() {
    let (bundle, found) = Bundle::load(Path::new("/nonexistent/policies"));
    assert!(bundle.is_none());
    assert!(found[0].message.contains("/nonexistent/policies"), "{found:?}");
}

//! Fuzz targets of everything that reads what others send. Each is a test that runs for a second with random inputs and
//! all seeds; `__fuzz__/<target>/corpus` beside this file holds the seeds, `crashes` the inputs that once failed.
//!
//! For longer, on stable Rust, one target or all:
//!
//! ```text
//! BOLERO_RANDOM_TEST_TIME_MS=3600000 cargo test --test fuzz statements
//! ```
//!
//! With libFuzzer, which looks for inputs that reach new code (`cargo install cargo-bolero`), one target at a time:
//!
//! ```text
//! cargo bolero test --rustc-bootstrap --sanitizer NONE -T 1h statements::any_text_is_judged
//! ```

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

use std::time::Duration;

mod frames;
mod messages;
mod opening;
#[path = "../differential/oracle.rs"]
#[allow(dead_code, reason = "the differential test uses more of it")]
mod oracle;
mod rewriting;
mod scram;
mod server;
mod splits;
mod startup;
mod statements;
mod table;

/// How long each target runs as an ordinary test.
const A_MOMENT: Duration = Duration::from_secs(1);

/// As many as there is time for.
const ITERATIONS: usize = usize::MAX >> 1;

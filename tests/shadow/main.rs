//! The law of the shadow database, proved by machine: a governed session behind the proxy must be indistinguishable from
//! one with a database that physically holds the masked values.
//!
//! Three databases hold the same clinic ([`world`]): A; its twin B, which differs in protected values only; and the oracle C,
//! in which masks are stored and denied columns are not granted. Three things are done to them:
//!
//! - [`attacks`]: the pages in `attacks/` ask A and B for what may not be seen, by every clause, statement and message that we
//!   know of. No protected value may be in the bytes that come back, in any encoding that we can think of ([`markers`]), and
//!   those bytes must be the same from both.
//! - [`random`]: statements thrown together by a typed generator. A and B must answer alike to the byte, and A as C does.
//! - `sqlsmith`: the statements of another project's generator, where that is installed.
//!
//! A normal run is short. For longer:
//!
//! ```text
//! PGCOVENANT_SHADOW_STATEMENTS=20000 cargo test --test shadow random -- --nocapture     # PGCOVENANT_SHADOW_SEED=N for others
//! PGCOVENANT_SQLSMITH=5000 cargo test --test shadow sqlsmith -- --nocapture
//! PGCOVENANT_SHADOW_PIN=1 cargo test --test shadow attacks                              # writes verdicts into the pages
//! ```

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]
// Each test uses a part of the support.
#![allow(dead_code, unused_imports)]

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod attacks;
mod markers;
mod pages;
mod random;
mod sqlsmith;
mod wire;
mod world;

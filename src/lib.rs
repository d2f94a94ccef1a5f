//! pgcovenant: a PostgreSQL proxy that enforces data contracts.
//!
//! It stands between applications and PostgreSQL and speaks the wire protocol on both sides. Every statement is parsed,
//! checked against the current model and policy, and then forwarded as it came, rewritten, or refused.
//!
//! # The law
//!
//! A session that a policy protects columns from is *governed*: it behaves, in every byte that it receives, as if it were
//! connected to a shadow database in which masked columns physically hold their masked values and denied columns cannot be
//! read. All other sessions are *observed*: their bytes pass unchanged, but where a contract retires what they name, and the
//! same analysis feeds usage and metrics.
//!
//! # Life of a statement
//!
//! ```text
//! client ── socket ──> proxy::relay      reads bytes
//!                      wire::frame       cuts them into borrowed frames
//!                      proxy::extended   says which text must be judged (no I/O)
//!                      engine::cache     seen before under this snapshot and these rules?
//!                      engine::check       sql::lexer           tokens, caps, shape
//!                                          sql::second_opinion  PostgreSQL's grammar: statements, kinds, places of names
//!                                          sql::parse, lower    sqlparser's tree, lowered to names and scopes
//!                                          sql::grammar         the same from PostgreSQL's tree, where sqlparser has none
//!                                                               or sees other names
//!                                          sql::resolve         names to numbers
//!                                          engine::decide       what the subject's rules say
//!                                          engine::gate         changes of the structure: who may, when, and is it in use
//!                                          engine::rewrite      replacements; engine::expand for views
//!                                          sql::splice          the final text
//!                                          sql::second_opinion  the final text against allow-lists
//!                      Verdict           one value back: Admit or Refuse
//! server <── socket ── proxy::relay      sends what was admitted, or makes the server refuse
//!                      observe           records what happened, afterwards
//! ```
//!
//! The same `engine::check::check` serves the proxy, `pgcovenant explain`, the tests inside policies, the golden pages and
//! the benchmarks.
//!
//! # Invariants
//!
//! 1. *Nothing SQL-bearing reaches the server without a verdict.* Only `engine` can make an [`engine::verdict::Admitted`],
//!    and the writer towards the server takes Query, Parse and FunctionCall in no other form.
//! 2. *Unknown means refused*, for governed sessions. Matches over the parser's tree are exhaustive and take structs apart by
//!    name ([`sql::lower`]): a construct that a later parser learns is a compile error, not a leak.
//! 3. *The server executes what was checked.* A rewrite replaces exact ranges of the client's text ([`sql::splice`]);
//!    user text is never printed from a tree.
//! 4. *PostgreSQL's own grammar has the last word* ([`sql::second_opinion`]), on the original text and on the final one.
//! 5. *Resolved means numbered.* After [`sql::resolve`], columns are (relation oid, attnum); names never decide again.
//! 6. *One statement sees one snapshot* ([`policy::snapshot`]) of model, policy and catalog; a swap is all or nothing.
//! 7. *A refusal behaves as a PostgreSQL error*: it aborts what the server would abort and skips what it would skip.
//! 8. *The hot path takes no lock, reads no file, allocates little.*
//!
//! # Rooms
//!
//! Each module uses only modules above it in this list; `tests/architecture.rs` holds that.

#![cfg_attr(test, allow(clippy::string_slice, reason = "a test that slices wrongly fails, as it should"))]

pub mod wire;

pub mod model;

pub mod sql;

pub mod policy;

pub mod engine;

pub mod observe;

pub mod config;

pub mod upstream;

pub mod proxy;

pub mod admin;

pub mod cli;

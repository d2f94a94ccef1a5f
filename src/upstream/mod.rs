//! Our own questions to PostgreSQL, over the service account: what a database has, and how it is used.
//!
//! Nothing here carries a client's statement. Every question is a fixed text, asked read-only, with a timeout, on connections of our own.

pub mod catalog;
pub mod connect;
pub mod data_checks;
pub mod dependents;
pub mod divergence;
pub mod end_point;
pub mod index_stats;
pub mod keeper;
pub mod plans;
pub mod sessions;
pub mod slots;
pub mod structure;
pub mod tls;
pub mod usage_store;
pub mod verifiers;
mod migrations;
mod own_code;
mod rows;

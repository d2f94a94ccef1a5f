//! `pgcovenant usage`: who uses a column, and on what evidence that is said.

pub mod store;

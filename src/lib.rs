//! pgcovenant: a PostgreSQL proxy that enforces data contracts.

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

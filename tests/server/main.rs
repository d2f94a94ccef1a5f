//! The proxy against a real PostgreSQL, from outside.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]
// Each test uses a part of the support.
#![allow(dead_code, unused_imports)]

#[path = "../support/mod.rs"]
mod support;

mod harness;
mod transparency;
mod random_traffic;
mod lifecycle;
mod start;
mod limits;
mod logs;
mod drain;
mod certificates;
mod proxy_protocol;
mod replication;
mod cancel;
mod catalogs;
mod changes;
mod copy;
mod flow;
mod hostile;

mod tls;
mod tools;
mod audit;
mod audit_by_name;
mod audit_gzip;
mod top;
mod auth;
mod drivers;
mod alerts;
mod accuracy;
mod bypass;
mod cardinality;
mod metrics;
mod runbooks;
mod masking;
mod pages;
mod probes;
mod predicates;
mod pseudonyms;
mod refusal;
mod hot_swap;
mod deprecated;
mod drift;
mod init;
mod sunset;
mod dashboards;
mod data_checks;
mod ddl;
mod random_retired;
mod redirect;
mod diff;
mod divergence;
mod retirement;
mod statistics;
mod plans;
mod story;
mod commands;
mod errors;
mod session_state;
mod sessions;
mod shapes;
mod temporary;
mod threads;
mod traces;
mod usage;
mod leaving;
mod vanishing;
mod view_queries;
mod views;

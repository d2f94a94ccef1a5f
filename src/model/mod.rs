//! What the data is: pure values, no I/O.
//!
//! Words: a *relation* and a *column* are what a database has ([`catalog`]); an *entity* and a *field* are what a
//! [`contract`] promises. The two meet by (schema, physical name) and nowhere else.

pub mod activity;
pub mod audit;
pub mod bypass;
pub mod caps;
pub mod catalog;
pub mod change;
pub mod consumers;
pub mod contract;
pub mod diff;
pub mod data_checks;
pub mod divergence;
pub mod draft;
pub mod drift;
pub mod glob;
pub mod ident;
pub mod lifecycle;
pub mod migrations;
pub mod personal;
pub mod plan;
pub mod reading;
pub mod source;
pub mod structure;
pub mod temporary;
pub mod usage;

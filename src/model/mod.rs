//! What the data is: pure values, no I/O.

pub mod activity;
pub mod catalog;
pub mod ident;
pub mod lifecycle;

//! What the data is: pure values, no I/O.

pub mod catalog;
pub mod ident;
pub mod lifecycle;

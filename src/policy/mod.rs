//! Who may do what with the data; pure.

pub mod compile;
pub mod snapshot;
pub mod store;
pub mod subject;
pub mod view;

//! Who may do what with the data; pure.

pub mod bypass;
pub mod compile;
pub mod diff;
pub mod draft;
pub mod mask;
pub mod rule;
pub mod snapshot;
pub mod store;
pub mod subject;
pub mod system;
pub mod trusted;
pub mod view;

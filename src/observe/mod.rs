//! What happened: metrics, audit, usage.

pub mod event;

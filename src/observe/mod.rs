//! What happened: metrics, audit, usage, spans and slow statements.
//!
//! `proxy` reports through [`event::Recorder`]; [`observer::Observer`] is the one that counts and writes. Recording never blocks the
//! caller: counters are atomics behind handles that are looked up once, and audit records go through a bounded queue to a thread.

pub mod audit;
pub mod changes;
mod divergence;
pub mod event;
mod gauges;
mod handles;
pub mod histogram;
pub mod in_force;
pub mod labels;
pub mod metrics;
pub mod observer;
pub mod plans;
pub mod registry;
pub mod sessions;
pub mod shapes;
pub mod slow;
mod statistics;
pub mod traces;
pub mod usage;

#[cfg(test)]
mod tests;

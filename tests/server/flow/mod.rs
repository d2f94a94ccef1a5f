//! Message flow, direct against proxied, message by message.

mod asynchronous;
mod copying;
mod encoding;
mod large;
mod pipelines;
mod portals;
mod refused;
mod splitting;

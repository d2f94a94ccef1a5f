//! Message flow, direct against proxied, message by message.

mod asynchronous;
mod copying;
mod pipelines;
mod portals;

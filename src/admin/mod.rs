//! Looking in from outside: /metrics, /healthz, /readyz.

pub mod changes;
pub mod http;
pub mod parameters;
pub mod sessions;
pub mod shapes;
pub mod log_level;

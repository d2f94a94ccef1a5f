//! Looking in from outside: /metrics, /healthz, /readyz.

pub mod http;
pub mod sessions;
pub mod shapes;
pub mod log_level;

//! Looking in from outside: /metrics, /healthz, /readyz.

//! The audit of the running process: how it is kept, and what is told of it.

use anyhow::{Context, bail};
use serde_json::{Value, json};

use crate::admin::http::NotReady;
use crate::config::Config;
use crate::observe::audit::AuditOptions;
use crate::observe::audit::chain::{Sealer, written};
use crate::observe::observer::Observer;

/// What the configuration says, with the key of the chain.
pub(super) fn options(config: &Config) -> anyhow::Result<Option<AuditOptions>> {
    let Some(settings) = config.audit.clone() else { return Ok(None) };
    let key = settings.key_env.as_deref().map(key).transpose()?;
    Ok(Some(AuditOptions { settings, sealer: Sealer::new(key.as_deref().map(str::as_bytes)) }))
}

/// The key of a chain, from the environment.
pub(in crate::cli) fn key(name: &str) -> anyhow::Result<String> {
    let key = std::env::var(name).with_context(|| format!("the key of the audit is not in the environment: {name}"))?;
    if key.is_empty() {
        bail!("the key of the audit is empty: {name}");
    }
    Ok(key)
}

/// Why new sessions should go elsewhere.
pub(super) fn not_ready(observer: &Observer) -> Option<NotReady> {
    let status = observer.audit_status().filter(|status| status.refusing)?;
    let detail = if status.writable { "the queue of the audit is full" } else { "the audit cannot be written" };
    Some(NotReady { reason: "audit_unwritable", detail: detail.to_owned() })
}

/// The answer of `/api/v1/audit`.
pub(super) fn answer(observer: &Observer) -> Value {
    let Some(status) = observer.audit_status() else { return json!({"enabled": false}) };
    json!({
        "enabled": true,
        "file": status.head.as_ref().map(|head| &head.file),
        "seq": status.head.as_ref().map(|head| head.link.seq),
        "hash": status.head.as_ref().map(|head| &head.link.hash),
        "writable": status.writable,
        "refusing": status.refusing,
        "queued": status.queued,
        "last_write": status.last_write.map(written),
    })
}

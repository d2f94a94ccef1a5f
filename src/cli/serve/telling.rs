//! Spans and slow statements: what the configuration and the environment say becomes what the observer needs.

use anyhow::{Context, anyhow};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::config::Config;
use crate::config::tracing::Tracing;
use crate::observe::observer::Observer;
use crate::observe::traces::{Peer, Sampling, Settings};

/// The observer with everything that it is to tell.
pub(super) fn told(config: &Config, observer: Observer) -> anyhow::Result<Observer> {
    let traces = match &config.tracing {
        Some(tracing) => traces(tracing, config)?,
        None => None,
    };
    if let Some(settings) = &traces {
        tracing::info!(endpoint = settings.endpoint, "statements become spans");
    }
    observer.telling(traces, config.log.slow).context("check `tracing` in the configuration")
}

fn traces(tracing: &Tracing, config: &Config) -> anyhow::Result<Option<Settings>> {
    let settled = tracing.settled(|name| std::env::var(name).ok()).map_err(|wrong| anyhow!(wrong))?;
    let Some(settled) = settled else {
        tracing::info!("statements become no spans: OTEL_SDK_DISABLED is set");
        return Ok(None);
    };
    let trusted = if settled.endpoint.starts_with("https:") { trusted(tracing)? } else { Vec::new() };
    Ok(Some(Settings {
        endpoint: settled.endpoint,
        headers: settled.headers,
        trusted,
        timeout: tracing.timeout,
        sampling: Sampling { parent_based: settled.sample.parent_based, roots: settled.sample.roots },
        resource: settled.resource,
        peer: Peer { host: config.upstream.host.clone(), port: config.upstream.port },
    }))
}

/// The authorities of the file, or those of the operating system.
fn trusted(tracing: &Tracing) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let Some(path) = &tracing.ca else { return Ok(rustls_native_certs::load_native_certs().certs) };
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let found = read.with_context(|| format!("cannot read `tracing.ca`, {}", path.display()))?;
    if found.is_empty() {
        return Err(anyhow!("there is no certificate in `tracing.ca`, {}", path.display()));
    }
    Ok(found)
}

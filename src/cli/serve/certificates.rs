//! Reading certificates again while sessions go on: what cannot be used changes nothing.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use crate::config::{ClientIdentity, Config};
use crate::model::change::{Change, Kind};
use crate::observe::observer::Observer;
use crate::proxy::tls::ClientTls;
use crate::upstream::tls::Trust;

/// The certificates of both hops.
pub(super) struct Certificates {
    /// Ours, and the authority of clients; none where clients may not use TLS.
    pub(super) clients: Option<Arc<ClientTls>>,
    /// The authorities of the server.
    pub(super) server: Arc<Trust>,
    /// The same with the certificate that is shown for clients who have shown theirs.
    pub(super) vouching: Arc<Trust>,
    /// The same with the certificate of the service account.
    pub(super) service: Arc<Trust>,
    files: Vec<PathBuf>,
    observer: Arc<Observer>,
}

impl Certificates {
    /// Reads the files that the configuration names.
    pub(super) fn new(config: &Config, observer: &Arc<Observer>) -> anyhow::Result<Self> {
        let clients = config.tls.as_ref().map(ClientTls::new).transpose()?.map(Arc::new);
        let trust = |identity| Trust::new(&config.upstream, identity).map(Arc::new);
        let (for_clients, for_us) = (config.upstream.identity.as_ref(), service_identity(config));
        let (server, vouching, service) = (trust(None)?, trust(for_clients)?, trust(for_us)?);
        let ours = config.tls.iter().flat_map(|tls| [Some(&tls.cert), Some(&tls.key), tls.client_ca.as_ref()]);
        let shown = for_clients.into_iter().chain(for_us).flat_map(|identity| [&identity.cert, &identity.key]);
        let files = ours.chain([config.upstream.ca.as_ref()]).flatten().chain(shown).cloned().collect();
        let certificates = Self { clients, server, vouching, service, files, observer: Arc::clone(observer) };
        if !certificates.files.is_empty() {
            certificates.announce();
        }
        Ok(certificates)
    }

    /// Tells what is in force.
    fn announce(&self) {
        let expiry = self.clients.as_ref().and_then(|tls| tls.expiry());
        if let Some(expiry) = expiry.filter(|expiry| *expiry <= Timestamp::now()) {
            tracing::warn!(%expiry, "the certificate for clients has expired");
        }
        self.observer.certificates_loaded(expiry);
    }

    /// The files, to be watched.
    pub(super) fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Reads the files again.
    pub(super) fn reload(&self) {
        if self.files.is_empty() {
            return;
        }
        let clients = self.clients.as_ref().map_or(Ok(()), |tls| tls.reload());
        let server = [&self.server, &self.vouching, &self.service].map(|trust| trust.reload());
        let server = server.into_iter().collect::<Result<Vec<()>, _>>();
        if let Err(error) = &clients {
            tracing::error!(%error, "certificate refused, clients get the one in force");
        }
        if let Err(error) = &server {
            tracing::error!(%error, "certificates for the way to the server refused, those in force stay");
        }
        if clients.is_ok() && server.is_ok() {
            tracing::info!("certificates loaded");
            self.observer.changed(Change::new(Kind::Certificates, "certificates were read again"));
            self.announce();
        } else {
            self.observer.changed(Change::new(Kind::Certificates, "certificates were refused; those in force stay"));
            self.observer.certificates_refused();
        }
    }
}

fn service_identity(config: &Config) -> Option<&ClientIdentity> {
    config.service.as_ref().and_then(|service| service.identity.as_ref())
}

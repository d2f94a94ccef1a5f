//! TLS towards clients. The hop to the server is set up in `upstream`, for sessions and our own questions alike.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use crate::config::ServerTls;

/// The only protocol that is spoken here.
const ALPN: &[u8] = b"postgresql";

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or holds no PEM.
    #[error("{path}: {problem}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The parts do not fit together.
    #[error(transparent)]
    Setup(#[from] rustls::Error),
    /// Verification of client certificates cannot be set up.
    #[error("{0}")]
    Verifier(String),
}

fn file_error(path: &Path, problem: impl ToString) -> TlsError {
    TlsError::File { path: path.display().to_string(), problem: problem.to_string() }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).map_err(|error| file_error(path, error))?.collect();
    let found = found.map_err(|error| file_error(path, error))?;
    if found.is_empty() { Err(file_error(path, "holds no certificate")) } else { Ok(found) }
}

fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(path)? {
        store.add(certificate)?;
    }
    Ok(store)
}

/// What TLS handshakes with clients are served with at one time.
#[derive(Debug)]
pub struct Served {
    /// The settings.
    pub config: Arc<ServerConfig>,
    /// Our certificate among them: what a client can bind its login to.
    pub certificate: CertificateDer<'static>,
}

/// How clients are spoken to.
///
/// # Errors
/// A file cannot be used.
pub fn towards_clients(tls: &ServerTls) -> Result<Arc<Served>, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = match &tls.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(path)?), provider)
                .allow_unauthenticated()
                .build()
                .map_err(|error| TlsError::Verifier(error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|error| file_error(&tls.key, error))?;
    let chain = certificates(&tls.cert)?;
    let certificate = chain.first().cloned().ok_or_else(|| file_error(&tls.cert, "holds no certificate"))?;
    let mut config = builder.with_single_cert(chain, key)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Arc::new(Served { config: Arc::new(config), certificate }))
}

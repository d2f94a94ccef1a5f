//! TLS towards clients, with certificates that can be replaced while sessions go on. The hop to the server is set up in `upstream`, for sessions and our own questions alike.

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use super::certificate;
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

/// TLS towards clients. A handshake keeps what it began with; the next one gets what was read last.
#[derive(Debug)]
pub struct ClientTls {
    files: ServerTls,
    current: ArcSwap<Served>,
}

impl ClientTls {
    /// Reads the files.
    ///
    /// # Errors
    /// A file cannot be used.
    pub fn new(files: &ServerTls) -> Result<Self, TlsError> {
        Ok(Self { files: files.clone(), current: ArcSwap::from_pointee(read(files)?) })
    }

    /// What the next handshake is served with.
    pub fn current(&self) -> Arc<Served> {
        self.current.load_full()
    }

    /// When the certificate that clients get expires.
    pub fn expiry(&self) -> Option<Timestamp> {
        certificate::not_after(&self.current.load().certificate)
    }

    /// Reads the files again. If one cannot be used, everything stays as it is.
    ///
    /// # Errors
    /// A file cannot be used.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.current.store(Arc::new(read(&self.files)?));
        Ok(())
    }
}

fn read(files: &ServerTls) -> Result<Served, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(path)?), provider)
                .allow_unauthenticated()
                .build()
                .map_err(|error| TlsError::Verifier(error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| file_error(&files.key, error))?;
    let chain = certificates(&files.cert)?;
    let certificate = chain.first().cloned().ok_or_else(|| file_error(&files.cert, "holds no certificate"))?;
    let mut config = builder.with_single_cert(chain, key)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Served { config: Arc::new(config), certificate })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};

    fn write(files: &ServerTls, key_of_another: bool) -> CertificateDer<'static> {
        let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        std::fs::write(&files.cert, certificate.pem()).unwrap();
        std::fs::write(&files.key, if key_of_another { &other } else { &key }.serialize_pem()).unwrap();
        certificate.der().clone()
    }

    #[test]
    fn only_files_that_fit_together_replace_what_is_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let files = ServerTls { cert: folder.path().join("cert"), key: folder.path().join("key"), client_ca: None };
        assert!(ClientTls::new(&files).unwrap_err().to_string().contains("/key: "), "the file is named");
        let first = write(&files, false);
        let tls = ClientTls::new(&files).unwrap();
        assert_eq!(tls.current().certificate, first);
        write(&files, true);
        assert!(tls.reload().is_err(), "the key is that of another certificate");
        std::fs::write(&files.cert, "-----BEGIN CERTIFICATE-----\n").unwrap();
        assert!(tls.reload().is_err());
        assert_eq!(tls.current().certificate, first);
        let second = write(&files, false);
        tls.reload().unwrap();
        assert_eq!(tls.current().certificate, second);
    }
}

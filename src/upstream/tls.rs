//! TLS towards the server, by libpq's `sslmode` words: for our own questions and for the sessions of clients alike.

mod connector;

pub(super) use connector::Connector;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::config::{ClientIdentity, TlsMode, Upstream};

/// Why TLS towards the server cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file of trusted certificates cannot be used.
    #[error("cannot read trusted certificates from \"{path}\": {cause}")]
    Authorities {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// Our own certificate or its key cannot be used.
    #[error("cannot use the client certificate \"{path}\": {cause}")]
    Identity {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// No certificate to trust.
    #[error("no trusted certificates found for tls: {0}")]
    NothingTrusted(&'static str),
    /// rustls does not accept the settings.
    #[error("cannot set up tls: {0}")]
    Setup(String),
    /// The host is not a name that a certificate can be for.
    #[error("\"{0}\" is not a valid host name for tls")]
    HostName(String),
}

/// Whom we trust to be the server, and who we say we are, as the files said when they were last read.
#[derive(Debug)]
pub struct Trust {
    upstream: Upstream,
    identity: Option<ClientIdentity>,
    current: ArcSwapOption<ClientConfig>,
}

impl Trust {
    /// Reads the files that the configuration names.
    ///
    /// # Errors
    /// The trusted certificates, our own or its key cannot be read.
    pub fn new(upstream: &Upstream, identity: Option<&ClientIdentity>) -> Result<Self, TlsError> {
        let current = ArcSwapOption::empty();
        let trust = Self { upstream: upstream.clone(), identity: identity.cloned(), current };
        trust.reload()?;
        Ok(trust)
    }

    /// The client side of TLS for the next connection; none where there is to be no TLS.
    pub fn current(&self) -> Option<Arc<ClientConfig>> {
        self.current.load_full()
    }

    /// Reads the files again. If one cannot be used, everything stays as it is.
    ///
    /// # Errors
    /// The trusted certificates, our own or its key cannot be read.
    pub fn reload(&self) -> Result<(), TlsError> {
        // TLS is a matter of networks: libpq ignores sslmode for unix sockets as well.
        let on_socket = self.upstream.host.starts_with('/');
        self.current.store(if on_socket { None } else { client_config(&self.upstream, self.identity.as_ref())? });
        Ok(())
    }
}

/// The client side of TLS towards this server; none where the mode is `disable`.
///
/// `prefer` and `require` encrypt without looking at the certificate, as libpq does. A certificate of our own is shown if
/// the server asks for one.
///
/// # Errors
/// The trusted certificates, our own or its key cannot be read.
fn client_config(
    upstream: &Upstream,
    identity: Option<&ClientIdentity>,
) -> Result<Option<Arc<ClientConfig>>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match upstream.tls {
        TlsMode::Disable => return Ok(None),
        TlsMode::Prefer | TlsMode::Require => Arc::new(Lenient { provider: Arc::clone(&provider), chain: None }),
        TlsMode::VerifyCa => {
            let chain = Some(chain_verifier(upstream, &provider)?);
            Arc::new(Lenient { provider: Arc::clone(&provider), chain })
        }
        TlsMode::VerifyFull => chain_verifier(upstream, &provider)?,
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Setup(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let (chain, key) = own_certificate(identity)?;
            builder.with_client_auth_cert(chain, key).map_err(|error| unusable(&identity.cert, error))?
        }
    };
    // Servers from 17 on insist on it where TLS starts without an SSLRequest, and older ones ignore it.
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    Ok(Some(Arc::new(config)))
}

fn own_certificate(
    identity: &ClientIdentity,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(&identity.cert).map_err(|error| unusable(&identity.cert, error))?.collect();
    let key = PrivateKeyDer::from_pem_file(&identity.key).map_err(|error| unusable(&identity.key, error))?;
    Ok((chain.map_err(|error| unusable(&identity.cert, error))?, key))
}

fn unusable(path: &Path, error: impl ToString) -> TlsError {
    TlsError::Identity { path: path.to_owned(), cause: error.to_string() }
}

/// The name that a certificate of this server must carry.
///
/// # Errors
/// The host is neither a host name nor an address.
pub fn server_name(host: &str) -> Result<ServerName<'static>, TlsError> {
    ServerName::try_from(host.to_owned()).map_err(|_| TlsError::HostName(host.to_owned()))
}

fn chain_verifier(upstream: &Upstream, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
    let roots = match &upstream.ca {
        Some(path) => roots_from(path)?,
        None => system_roots()?,
    };
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| TlsError::Setup(error.to_string()))
}

fn roots_from(path: &Path) -> Result<RootCertStore, TlsError> {
    let unusable = |cause: String| TlsError::Authorities { path: path.to_owned(), cause };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| unusable(error.to_string()))? {
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
    }
    if roots.is_empty() { Err(unusable("the file has no certificate".to_owned())) } else { Ok(roots) }
}

fn system_roots() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(TlsError::NothingTrusted("the system has none and no \"ca\" is set")) } else { Ok(roots) }
}

/// `require` and `verify-ca`: the host name does not count, and without a chain the authority does not either. The
/// handshake's own signature is checked in any case, so that the peer holds the key it shows.
#[derive(Debug)]
struct Lenient {
    provider: Arc<CryptoProvider>,
    chain: Option<Arc<WebPkiServerVerifier>>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        // The name is looked at last, so an error about it says that the chain is good.
        match chain.verify_server_cert(certificate, intermediates, name, ocsp, now) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;

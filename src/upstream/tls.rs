//! TLS towards the server, by libpq's `sslmode` words: for our own questions and for the sessions of clients alike.

use std::fmt;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::ArcSwapOption;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};

use crate::config::{TlsMode, Upstream};

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

/// Whom we trust to be the server, as the files said when they were last read.
#[derive(Debug)]
pub struct Trust {
    upstream: Upstream,
    current: ArcSwapOption<ClientConfig>,
}

impl Trust {
    /// Reads the files that the configuration names.
    ///
    /// # Errors
    /// The trusted certificates cannot be read.
    pub fn new(upstream: &Upstream) -> Result<Self, TlsError> {
        let trust = Self { upstream: upstream.clone(), current: ArcSwapOption::empty() };
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
    /// The trusted certificates cannot be read.
    pub fn reload(&self) -> Result<(), TlsError> {
        // TLS is a matter of networks: libpq ignores sslmode for unix sockets as well.
        let on_socket = self.upstream.host.starts_with('/');
        self.current.store(if on_socket { None } else { client_config(&self.upstream)? });
        Ok(())
    }
}

/// The client side of TLS towards this server; none where the mode is `disable`.
///
/// `prefer` and `require` encrypt without looking at the certificate, as libpq does.
///
/// # Errors
/// The trusted certificates cannot be read.
fn client_config(upstream: &Upstream) -> Result<Option<Arc<ClientConfig>>, TlsError> {
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
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Setup(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    // Servers from 17 on insist on it where TLS starts without an SSLRequest, and older ones ignore it.
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    Ok(Some(Arc::new(config)))
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

/// Lets tokio-postgres speak TLS through rustls.
#[derive(Clone)]
pub(super) struct Connector(pub(super) Arc<ClientConfig>);

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

impl<S> MakeTlsConnect<S> for Connector
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Stream<S>;
    type TlsConnect = Handshake;
    type Error = TlsError;

    fn make_tls_connect(&mut self, host: &str) -> Result<Handshake, TlsError> {
        Ok(Handshake { config: Arc::clone(&self.0), name: server_name(host)? })
    }
}

/// One handshake to come.
pub(super) struct Handshake {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl<S> TlsConnect<S> for Handshake
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Stream<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Stream<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        let connecting = tokio_rustls::TlsConnector::from(self.config).connect(self.name, stream);
        Box::pin(async move { Ok(Stream(connecting.await?)) })
    }
}

/// An encrypted connection to the server.
pub(super) struct Stream<S>(tokio_rustls::client::TlsStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Stream<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Stream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, into)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use std::time::Duration;

    fn upstream(tls: TlsMode, ca: Option<PathBuf>) -> Upstream {
        Upstream { host: "db.example".to_owned(), port: 5432, tls, ca, connect_timeout: Duration::from_secs(1) }
    }

    /// Whether a certificate for `good.example` is accepted under these names.
    fn accepts(verifier: &dyn ServerCertVerifier, certificate: &CertificateDer<'_>, name: &str) -> bool {
        let name = server_name(name).unwrap();
        verifier.verify_server_cert(certificate, &[], &name, &[], UnixTime::now()).is_ok()
    }

    #[test]
    fn verify_ca_wants_the_authority_and_verify_full_the_name_as_well() {
        let authority = || {
            let mut parameters = CertificateParams::new(Vec::new()).unwrap();
            parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
        };
        let (trusted, stranger) = (authority(), authority());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.crt");
        std::fs::write(&path, trusted.pem()).unwrap();
        let issue = |by: &CertifiedIssuer<'_, KeyPair>| {
            let parameters = CertificateParams::new(vec!["good.example".to_owned()]).unwrap();
            parameters.signed_by(&KeyPair::generate().unwrap(), by).unwrap().der().clone()
        };
        let (good, bad) = (issue(&trusted), issue(&stranger));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let full = chain_verifier(&upstream(TlsMode::VerifyFull, Some(path)), &provider).unwrap();
        let chain_only = Lenient { provider: Arc::clone(&provider), chain: Some(Arc::clone(&full)) };
        let any = Lenient { provider, chain: None };
        let outcomes = |certificate, name| {
            [
                accepts(&any, certificate, name),
                accepts(&chain_only, certificate, name),
                accepts(&*full, certificate, name),
            ]
        };
        assert_eq!(outcomes(&good, "good.example"), [true, true, true]);
        assert_eq!(outcomes(&good, "evil.example"), [true, true, false]);
        assert_eq!(outcomes(&bad, "good.example"), [true, false, false]);
    }

    #[test]
    fn what_cannot_be_trusted_is_said_at_start() {
        assert!(client_config(&upstream(TlsMode::Disable, None)).unwrap().is_none());
        assert!(client_config(&upstream(TlsMode::Require, None)).unwrap().is_some());
        let missing = client_config(&upstream(TlsMode::VerifyFull, Some("/nowhere/ca.crt".into()))).unwrap_err();
        assert!(missing.to_string().contains("\"/nowhere/ca.crt\""), "{missing}");
        assert!(server_name("not a host").is_err());
    }
}

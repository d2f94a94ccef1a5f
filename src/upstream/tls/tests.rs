//! Which certificates are good enough, by the word for it.

use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::*;

fn upstream(tls: TlsMode, ca: Option<PathBuf>) -> Upstream {
    Upstream {
        host: "db.example".to_owned(),
        port: 5432,
        tls,
        ca,
        identity: None,
        connect_timeout: Duration::from_secs(1),
    }
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
        [accepts(&any, certificate, name), accepts(&chain_only, certificate, name), accepts(&*full, certificate, name)]
    };
    assert_eq!(outcomes(&good, "good.example"), [true, true, true]);
    assert_eq!(outcomes(&good, "evil.example"), [true, true, false]);
    assert_eq!(outcomes(&bad, "good.example"), [true, false, false]);
}

#[test]
fn what_cannot_be_trusted_is_said_at_start() {
    assert!(client_config(&upstream(TlsMode::Disable, None), None).unwrap().is_none());
    assert!(client_config(&upstream(TlsMode::Require, None), None).unwrap().is_some());
    let missing = client_config(&upstream(TlsMode::VerifyFull, Some("/nowhere/ca.crt".into())), None).unwrap_err();
    assert!(missing.to_string().contains("\"/nowhere/ca.crt\""), "{missing}");
    assert!(server_name("not a host").is_err());
}

//! A certificate authority for one test.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// A self-signed authority.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key, PEM.
#[derive(Debug)]
pub struct Issued {
    /// Certificate.
    pub cert: String,
    /// Private key.
    pub key: String,
}

impl Authority {
    /// A new authority.
    pub fn new() -> Self {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        parameters.distinguished_name.push(DnType::CommonName, "pgcovenant test authority");
        let key = KeyPair::generate().expect("key");
        let pem = parameters.self_signed(&key).expect("authority").pem();
        Self { issuer: Issuer::new(parameters, key), pem }
    }

    /// Its own certificate, PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for a host, which is also reachable as 127.0.0.1, or for a client with this common name.
    pub fn issue(&self, name: &str) -> Issued {
        let names = vec![name.to_owned(), "127.0.0.1".to_owned()];
        let mut parameters = CertificateParams::new(names).expect("names");
        parameters.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("key");
        let cert = parameters.signed_by(&key, &self.issuer).expect("certificate").pem();
        Issued { cert, key: key.serialize_pem() }
    }
}

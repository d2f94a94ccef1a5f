//! `tls-server-end-point` (RFC 5929): the hash of a server's certificate, to which SCRAM binds a login on both hops.

use ring::digest::{self, Algorithm, SHA256, SHA384, SHA512};

use crate::wire::der::{OBJECT_IDENTIFIER, SEQUENCE, expect};

/// Start of the identifiers of RSA signatures: 1.2.840.113549.1.1.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
/// ecdsa-with-SHA1: 1.2.840.10045.4.1.
const ECDSA_SHA1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01];
/// Start of the identifiers of ECDSA with SHA-2: 1.2.840.10045.4.3.
const ECDSA_SHA2: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
/// Start of the identifiers of SHA-2: 2.16.840.1.101.3.4.2.
const SHA2: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];
/// Tag of the hash among the parameters of RSASSA-PSS.
const PSS_HASH: u8 = 0xa0;

/// The hash of a certificate (DER), by the algorithm that it is signed with; SHA-256 in place of MD5 and SHA-1.
///
/// None where the standard defines none, as for Ed25519: nothing can be bound to such a certificate.
pub fn tls_server_end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let algorithm = signature_hash(certificate)?;
    Some(digest::digest(algorithm, certificate).as_ref().to_vec())
}

fn signature_hash(certificate: &[u8]) -> Option<&'static Algorithm> {
    let (certificate, _) = expect(certificate, SEQUENCE)?;
    let (_, rest) = expect(certificate, SEQUENCE)?;
    let (algorithm, _) = expect(rest, SEQUENCE)?;
    let (name, parameters) = expect(algorithm, OBJECT_IDENTIFIER)?;
    if name == ECDSA_SHA1 {
        return Some(&SHA256);
    }
    let (family, [last]) = name.split_last_chunk()?;
    match (family, last) {
        // MD5, SHA-1.
        (RSA, 4 | 5) => Some(&SHA256),
        (RSA, 11) | (ECDSA_SHA2, 2) => Some(&SHA256),
        (RSA, 12) | (ECDSA_SHA2, 3) => Some(&SHA384),
        (RSA, 13) | (ECDSA_SHA2, 4) => Some(&SHA512),
        (RSA, 10) => pss_hash(parameters),
        _ => None,
    }
}

/// RSASSA-PSS names its hash among its parameters; SHA-1 where it does not.
fn pss_hash(parameters: &[u8]) -> Option<&'static Algorithm> {
    let (parameters, _) = expect(parameters, SEQUENCE)?;
    let Some((hash, _)) = expect(parameters, PSS_HASH) else { return Some(&SHA256) };
    let (hash, _) = expect(hash, SEQUENCE)?;
    let (name, _) = expect(hash, OBJECT_IDENTIFIER)?;
    match name.split_last_chunk()? {
        (SHA2, [1]) => Some(&SHA256),
        (SHA2, [2]) => Some(&SHA384),
        (SHA2, [3]) => Some(&SHA512),
        (SHA2, _) => None,
        // SHA-1 has another root.
        _ => Some(&SHA256),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        [&[tag, u8::try_from(content.len()).unwrap()], &*content].concat()
    }

    /// The outline of a certificate with this signature algorithm.
    fn signed_with(name: &[u8], parameters: &[u8]) -> Vec<u8> {
        let algorithm = element(SEQUENCE, &[&element(OBJECT_IDENTIFIER, &[name]), parameters]);
        element(SEQUENCE, &[&element(SEQUENCE, &[b"to be signed"]), &algorithm, &element(3, &[b"signature"])])
    }

    fn pss(hash: Option<&[u8]>) -> Vec<u8> {
        let named = |hash| element(PSS_HASH, &[&element(SEQUENCE, &[&element(OBJECT_IDENTIFIER, &[hash])])]);
        element(SEQUENCE, &[&hash.map(named).unwrap_or_default()])
    }

    #[test]
    fn the_hash_is_that_of_the_signature_and_never_a_weak_one() {
        let sha1: &[u8] = &[0x2b, 0x0e, 0x03, 0x02, 0x1a];
        let cases: [(Vec<u8>, Vec<u8>, Option<usize>); 12] = [
            ([RSA, &[4]].concat(), vec![5, 0], Some(32)),
            ([RSA, &[5]].concat(), vec![5, 0], Some(32)),
            ([RSA, &[11]].concat(), vec![5, 0], Some(32)),
            ([RSA, &[12]].concat(), vec![5, 0], Some(48)),
            ([RSA, &[13]].concat(), vec![5, 0], Some(64)),
            ([RSA, &[10]].concat(), pss(Some(&[SHA2, &[2]].concat())), Some(48)),
            ([RSA, &[10]].concat(), pss(Some(sha1)), Some(32)),
            ([RSA, &[10]].concat(), pss(None), Some(32)),
            (ECDSA_SHA1.to_vec(), vec![], Some(32)),
            ([ECDSA_SHA2, &[4]].concat(), vec![], Some(64)),
            // SHA-224 and Ed25519.
            ([ECDSA_SHA2, &[1]].concat(), vec![], None),
            (vec![0x2b, 0x65, 0x70], vec![], None),
        ];
        for (name, parameters, length) in cases {
            let hash = tls_server_end_point(&signed_with(&name, &parameters));
            assert_eq!(hash.map(|hash| hash.len()), length, "{name:02x?}");
        }
    }

    #[test]
    fn a_real_certificate_has_the_hash_of_its_bytes() {
        for (algorithm, hash, bytes) in
            [(&rcgen::PKCS_ECDSA_P256_SHA256, &SHA256, 32), (&rcgen::PKCS_ECDSA_P384_SHA384, &SHA384, 48)]
        {
            let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
            let certificate = rcgen::CertificateParams::new(vec!["x".to_owned()]).unwrap().self_signed(&key).unwrap();
            let expected = digest::digest(hash, certificate.der());
            assert_eq!(tls_server_end_point(certificate.der()).as_deref(), Some(expected.as_ref()));
            assert_eq!(expected.as_ref().len(), bytes);
        }
    }

    proptest! {
        #[test]
        fn damaged_certificates_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = tls_server_end_point(&bytes);
        }
    }
}

//! What we want to know of certificates that TLS has verified or that are our own.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::wire::der::{OBJECT_IDENTIFIER, SEQUENCE, SET, element, expect};

/// Object identifier 2.5.4.3, as DER content.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Fields of a certificate in front of its validity, and in front of its subject: serial number, signature algorithm,
/// issuer; validity.
const BEFORE_VALIDITY: usize = 3;
const BEFORE_SUBJECT: usize = 4;

/// The fields of a certificate from one of them on.
fn fields_after(der: &[u8], count: usize) -> Option<&[u8]> {
    let (_, certificate, _) = element(der)?;
    let (_, mut fields, _) = element(certificate)?;
    if fields.first() == Some(&VERSION) {
        fields = element(fields)?.2;
    }
    for _ in 0..count {
        fields = element(fields)?.2;
    }
    Some(fields)
}

/// Object identifier 2.5.29.17, as DER content.
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];

/// Tag of the extensions among the fields of a certificate.
const EXTENSIONS: u8 = 0xa3;
const OCTET_STRING: u8 = 0x04;
/// Tag of an e-mail address among the alternative names.
const EMAIL: u8 = 0x81;
/// Tag of a DNS name among the alternative names.
const DNS: u8 = 0x82;

/// The names that can stand for a user.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Names {
    /// The last common name of the subject.
    pub common: Option<String>,
    /// DNS names among the alternative names.
    pub dns: Vec<String>,
    /// E-mail addresses among the alternative names.
    pub email: Vec<String>,
}

/// When the certificate expires.
pub fn not_after(der: &[u8]) -> Option<Timestamp> {
    let (_, validity, _) = element(fields_after(der, BEFORE_VALIDITY)?)?;
    let (tag, time, _) = element(element(validity)?.2)?;
    let time = std::str::from_utf8(time).ok()?.strip_suffix('Z')?;
    let time = match tag {
        // Two digits of the year: the first half of a century that begins in 1950 is meant last.
        UTC_TIME => format!("{}{time}", if time.get(..2)?.parse::<u8>().ok()? < 50 { "20" } else { "19" }),
        GENERALIZED_TIME => time.to_owned(),
        _ => return None,
    };
    let time = DateTime::strptime("%Y%m%d%H%M%S", time).ok()?;
    time.to_zoned(TimeZone::UTC).ok().map(|time| time.timestamp())
}

/// The names in a certificate, as far as they are plain text.
pub fn names(der: &[u8]) -> Names {
    let mut names = Names { common: common_name(der), ..Names::default() };
    for (tag, name) in alternative_names(der).unwrap_or_default() {
        let Some(name) = plain(name) else { continue };
        match tag {
            DNS => names.dns.push(name),
            EMAIL => names.email.push(name),
            _ => {}
        }
    }
    names
}

/// The last common name of the certificate's subject; none if there is none, or if it is not plain text.
pub fn common_name(der: &[u8]) -> Option<String> {
    let (mut names, _) = expect(fields_after(der, BEFORE_SUBJECT)?, SEQUENCE)?;
    let mut found = None;
    while !names.is_empty() {
        let (tag, mut pairs, rest) = element(names)?;
        names = rest;
        while tag == SET && !pairs.is_empty() {
            let (_, pair, rest) = element(pairs)?;
            pairs = rest;
            let (kind, name, value) = element(pair)?;
            if kind == OBJECT_IDENTIFIER && name == COMMON_NAME {
                found = Some(plain(element(value)?.1)?);
            }
        }
    }
    found
}

/// Tag and content of each alternative name.
fn alternative_names(der: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    // Behind subject and key.
    let mut fields = element(element(fields_after(der, BEFORE_SUBJECT)?)?.2)?.2;
    let mut extensions = loop {
        let (tag, content, rest) = element(fields)?;
        if tag == EXTENSIONS {
            break expect(content, SEQUENCE)?.0;
        }
        fields = rest;
    };
    loop {
        let (extension, rest) = expect(extensions, SEQUENCE)?;
        extensions = rest;
        let (name, mut value) = expect(extension, OBJECT_IDENTIFIER)?;
        if name != ALTERNATIVE_NAMES {
            continue;
        }
        // Whether it is critical may stand between.
        if value.first() != Some(&OCTET_STRING) {
            value = element(value)?.2;
        }
        let (mut names, _) = expect(expect(value, OCTET_STRING)?.0, SEQUENCE)?;
        let mut found = Vec::new();
        while !names.is_empty() {
            let (tag, name, rest) = element(names)?;
            found.push((tag, name));
            names = rest;
        }
        return Some(found);
    }
}

/// A name as text. A NUL inside has fooled readers of C strings.
fn plain(name: &[u8]) -> Option<String> {
    std::str::from_utf8(name).ok().filter(|text| !text.contains('\0')).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DnType, KeyPair};

    fn certificate(name: Option<&str>) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["host.example".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Shop");
        if let Some(name) = name {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn the_common_name_of_the_subject_is_found() {
        assert_eq!(common_name(&certificate(Some("svc_billing"))).as_deref(), Some("svc_billing"));
        assert_eq!(common_name(&certificate(None)), None);
        assert_eq!(common_name(&certificate(Some("a\0b"))), None);
    }

    #[test]
    fn the_end_of_validity_is_found() {
        for (year, expected) in [(2049, "2049-03-01T00:00:00Z"), (2051, "2051-03-01T00:00:00Z")] {
            let mut params = CertificateParams::new(vec!["host.example".to_owned()]).unwrap();
            params.not_before = rcgen::date_time_ymd(1999, 1, 1);
            params.not_after = rcgen::date_time_ymd(year, 3, 1);
            let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
            assert_eq!(not_after(&der), Some(expected.parse().unwrap()));
        }
    }

    #[test]
    fn alternative_names_are_found_by_their_kind() {
        let mut params = CertificateParams::new(vec!["app.example".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        params.subject_alt_names.push(rcgen::SanType::Rfc822Name("ann@example.com".try_into().unwrap()));
        params.distinguished_name.push(DnType::CommonName, "ann");
        params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
        let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
        let found = names(&der);
        assert_eq!((found.dns, found.email), (vec!["app.example".to_owned()], vec!["ann@example.com".to_owned()]));
    }

    proptest! {
        #[test]
        fn damaged_certificates_do_not_panic(at in 0usize..400, byte in any::<u8>(), cut in 0usize..400) {
            let mut der = certificate(Some("x"));
            let place = at % der.len();
            der[place] = byte;
            der.truncate(cut);
            let _ = (names(&der), not_after(&der));
        }
    }
}

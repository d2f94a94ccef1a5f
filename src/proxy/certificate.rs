//! What we want to know of certificates that TLS has verified or that are our own: a small walk over their DER.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Object identifier 2.5.4.3, as DER content.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_IDENTIFIER: u8 = 0x06;
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

/// The last common name of the certificate's subject; none if there is none, or if it is not plain text.
pub fn common_name(der: &[u8]) -> Option<String> {
    let (tag, mut names, _) = element(fields_after(der, BEFORE_SUBJECT)?)?;
    if tag != SEQUENCE {
        return None;
    }
    let mut found = None;
    while !names.is_empty() {
        let (tag, mut pairs, rest) = element(names)?;
        names = rest;
        while tag == SET && !pairs.is_empty() {
            let (_, pair, rest) = element(pairs)?;
            pairs = rest;
            let (kind, name, value) = element(pair)?;
            if kind == OBJECT_IDENTIFIER && name == COMMON_NAME {
                let text = std::str::from_utf8(element(value)?.1).ok()?;
                // A NUL inside has fooled readers of C strings.
                if text.contains('\0') {
                    return None;
                }
                found = Some(text.to_owned());
            }
        }
    }
    found
}

/// Tag and content of the first element, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x0f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
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

    proptest! {
        #[test]
        fn damaged_certificates_do_not_panic(at in 0usize..400, byte in any::<u8>(), cut in 0usize..400) {
            let mut der = certificate(Some("x"));
            let place = at % der.len();
            der[place] = byte;
            der.truncate(cut);
            let _ = (common_name(&der), not_after(&der));
        }
    }
}

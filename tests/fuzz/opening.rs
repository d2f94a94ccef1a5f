//! What a load balancer or TLS put in front of the startup packet: the header of the PROXY protocol, certificates.

use bolero::TypeGenerator;
use pgcovenant::proxy::certificate;
use pgcovenant::wire::proxy_header::{self, BINARY, BINARY_HEAD, MAX_TEXT, Origin};

use crate::{A_MOMENT, ITERATIONS};

/// A header, more or less.
#[derive(Debug, TypeGenerator)]
enum Header {
    Text(Family, String, String, u16, u16, bool),
    Binary(u8, u8, Vec<u8>),
    Lying(u8, u8, u16, Vec<u8>),
    Raw(Vec<u8>),
}

#[derive(Debug, TypeGenerator)]
enum Family {
    Four([u8; 4]),
    Six([u16; 8]),
    Unknown,
}

impl Header {
    fn bytes(&self) -> Vec<u8> {
        let head = |command: u8, family: u8, length: u16| -> Vec<u8> {
            [&BINARY[..], &[command, family], &length.to_be_bytes()].concat()
        };
        match self {
            Self::Text(family, before, after, from, to, whole) => {
                let (name, source) = match family {
                    Family::Four(address) => ("TCP4", std::net::Ipv4Addr::from(*address).to_string()),
                    Family::Six(address) => ("TCP6", std::net::Ipv6Addr::from(*address).to_string()),
                    Family::Unknown => ("UNKNOWN", String::new()),
                };
                let (before, after) = if *whole { ("", "") } else { (&before[..], &after[..]) };
                format!("PROXY {name} {source}{before} {source} {from} {to}{after}\r\n").into_bytes()
            }
            Self::Binary(command, family, rest) => {
                let rest = &rest[..rest.len().min(usize::from(u16::MAX))];
                [head(0x20 | (command % 3), *family, rest.len() as u16), rest.to_vec()].concat()
            }
            Self::Lying(command, family, length, rest) => [head(*command, *family, *length), rest.clone()].concat(),
            Self::Raw(bytes) => bytes.clone(),
        }
    }
}

#[test]
fn any_proxy_header() {
    let check = bolero::check!().with_type::<Header>().with_test_time(A_MOMENT).with_iterations(ITERATIONS);
    check.for_each(|header| {
        let bytes = header.bytes();
        if let Ok(origin) = proxy_header::text(&bytes) {
            assert!(bytes.len() <= MAX_TEXT && bytes.ends_with(b"\r\n"));
            assert!(matches!(origin, Origin::Sender | Origin::Client(_)));
        }
        let Some((head, rest)) = bytes.split_first_chunk::<BINARY_HEAD>() else { return };
        if proxy_header::binary(head, rest).is_ok() {
            assert_eq!(proxy_header::binary_rest(head), Ok(rest.len()), "read to its exact end");
        }
    });
}

#[test]
fn any_certificate() {
    bolero::check!().with_test_time(A_MOMENT).with_iterations(ITERATIONS).for_each(|bytes: &[u8]| {
        let _ = (certificate::common_name(bytes), certificate::names(bytes), certificate::not_after(bytes));
    });
}

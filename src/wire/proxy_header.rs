//! The PROXY protocol, versions 1 and 2: a header in front of a connection by which a load balancer says whom it connects
//! for. What it may add behind the addresses (TLVs) is skipped.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::body::Malformed;

/// How a header of version 1 begins.
pub const TEXT: &[u8; 6] = b"PROXY ";

/// How a header of version 2 begins.
pub const BINARY: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The longest header of version 1, its line end included.
pub const MAX_TEXT: usize = 107;

/// Bytes of a header of version 2 up to its own length, that included.
pub const BINARY_HEAD: usize = 16;

/// Whom a header is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The load balancer itself, or somebody it does not know: the address of the connection stays.
    Sender,
    /// This client.
    Client(IpAddr),
    /// A client of the load balancer's unix socket.
    Local,
}

/// Reads a header of version 1, its line end included.
///
/// # Errors
/// It is none.
pub fn text(header: &[u8]) -> Result<Origin, Malformed> {
    let line = header.strip_prefix(TEXT).and_then(|rest| rest.strip_suffix(b"\r\n")).ok_or(Malformed)?;
    if header.len() > MAX_TEXT || line.contains(&b'\r') {
        return Err(Malformed);
    }
    let line = std::str::from_utf8(line).map_err(|_| Malformed)?;
    // What follows is to be ignored.
    if line == "UNKNOWN" || line.starts_with("UNKNOWN ") {
        return Ok(Origin::Sender);
    }
    let words: Vec<&str> = line.split(' ').collect();
    let &[family, source, destination, source_port, destination_port] = words.as_slice() else {
        return Err(Malformed);
    };
    port(source_port)?;
    port(destination_port)?;
    match family {
        "TCP4" => addresses::<Ipv4Addr>(source, destination),
        "TCP6" => addresses::<Ipv6Addr>(source, destination),
        _ => Err(Malformed),
    }
}

fn addresses<A: FromStr + Into<IpAddr>>(source: &str, destination: &str) -> Result<Origin, Malformed> {
    let source = source.parse::<A>().map_err(|_| Malformed)?;
    destination.parse::<A>().map_err(|_| Malformed)?;
    Ok(Origin::Client(source.into().to_canonical()))
}

/// A decimal number without sign or leading zeros.
fn port(word: &str) -> Result<u16, Malformed> {
    let padded = word.starts_with('0') && word.len() > 1;
    if padded || !word.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Malformed);
    }
    word.parse().map_err(|_| Malformed)
}

/// How many bytes follow the head of a header of version 2.
///
/// # Errors
/// It is none, or of a version that does not exist.
pub fn binary_rest(head: &[u8; BINARY_HEAD]) -> Result<usize, Malformed> {
    let &[.., version_and_command, _, high, low] = head;
    if !head.starts_with(BINARY) || version_and_command >> 4 != 2 {
        return Err(Malformed);
    }
    Ok(usize::from(u16::from_be_bytes([high, low])))
}

/// Reads a header of version 2.
///
/// # Errors
/// It is none, or holds less than it says.
pub fn binary(head: &[u8; BINARY_HEAD], rest: &[u8]) -> Result<Origin, Malformed> {
    let &[.., version_and_command, family_and_protocol, _, _] = head;
    if binary_rest(head)? != rest.len() {
        return Err(Malformed);
    }
    match (version_and_command & 0x0f, family_and_protocol) {
        // LOCAL: the load balancer looks whether we are alive; what else it says does not count.
        (0, _) => Ok(Origin::Sender),
        (1, 0x00) => Ok(Origin::Sender),
        (1, 0x11) => Ok(Origin::Client(Ipv4Addr::from(*source::<4>(rest, 12)?).into())),
        (1, 0x21) => Ok(Origin::Client(IpAddr::from(Ipv6Addr::from(*source::<16>(rest, 36)?)).to_canonical())),
        (1, 0x31) => source::<108>(rest, 216).map(|_| Origin::Local),
        // Datagrams carry no PostgreSQL, and there is no other command.
        _ => Err(Malformed),
    }
}

/// The source address, if all addresses and ports are there.
fn source<const LENGTH: usize>(rest: &[u8], all: usize) -> Result<&[u8; LENGTH], Malformed> {
    rest.get(..all).and_then(|addresses| addresses.first_chunk()).ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn client(address: &str) -> Result<Origin, Malformed> {
        Ok(Origin::Client(address.parse().unwrap()))
    }

    fn head(command: u8, family: u8, length: usize) -> [u8; BINARY_HEAD] {
        let mut head = [0; BINARY_HEAD];
        head[..12].copy_from_slice(BINARY);
        head[12] = 0x20 | command;
        head[13] = family;
        head[14..].copy_from_slice(&(length as u16).to_be_bytes());
        head
    }

    #[test]
    fn lines_of_text() {
        assert_eq!(text(b"PROXY TCP4 192.0.2.7 10.0.0.1 56324 5432\r\n"), client("192.0.2.7"));
        assert_eq!(text(b"PROXY TCP6 2001:db8::7 ::1 1 2\r\n"), client("2001:db8::7"));
        assert_eq!(text(b"PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n"), client("192.0.2.7"));
        assert_eq!(text(b"PROXY UNKNOWN\r\n"), Ok(Origin::Sender));
        assert_eq!(text(b"PROXY UNKNOWN ffff::1 whatever 1 2\r\n"), Ok(Origin::Sender));
        for wrong in [
            &b"PROXY TCP4 192.0.2.7 10.0.0.1 56324 5432\n"[..],
            b"PROXY TCP4 192.0.2.7 10.0.0.1 56324\r\n",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 56324 5432 9\r\n",
            b"PROXY TCP4  192.0.2.7 10.0.0.1 56324 5432\r\n",
            b"PROXY TCP4 2001:db8::7 ::1 1 2\r\n",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 +1 2\r\n",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 01 2\r\n",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 1 65536\r\n",
            b"PROXY TCP4 192.0.2.7\r\n 10.0.0.1 1 2\r\n",
            b"PROXY UNKNOWNS\r\n",
            b"PROXY tcp4 192.0.2.7 10.0.0.1 1 2\r\n",
            b"",
        ] {
            assert_eq!(text(wrong), Err(Malformed), "{}", String::from_utf8_lossy(wrong));
        }
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(MAX_TEXT));
        assert_eq!(text(long.as_bytes()), Err(Malformed));
    }

    #[test]
    fn binary_headers() {
        let ipv4 = [192, 0, 2, 7, 10, 0, 0, 1, 1, 2, 3, 4];
        assert_eq!(binary(&head(1, 0x11, 12), &ipv4), client("192.0.2.7"));
        assert_eq!(binary(&head(0, 0x11, 12), &ipv4), Ok(Origin::Sender), "LOCAL");
        assert_eq!(binary(&head(0, 0x00, 0), &[]), Ok(Origin::Sender));
        assert_eq!(binary(&head(0, 0x12, 3), &[1, 2, 3]), Ok(Origin::Sender), "what LOCAL says beside that is ignored");
        assert_eq!(binary(&head(1, 0x00, 3), &[1, 2, 3]), Ok(Origin::Sender), "AF_UNSPEC");
        let with_tlv = [&ipv4[..], &[0xea, 0, 2, 1, 2]].concat();
        assert_eq!(binary(&head(1, 0x11, with_tlv.len()), &with_tlv), client("192.0.2.7"));
        let mut ipv6 = [0; 36];
        ipv6[15] = 1;
        assert_eq!(binary(&head(1, 0x21, 36), &ipv6), client("::1"));
        assert_eq!(binary(&head(1, 0x31, 216), &[0; 216]), Ok(Origin::Local));
        for (wrong, rest) in [
            (head(1, 0x11, 11), &ipv4[..11]),
            (head(1, 0x11, 12), &ipv4[..11]),
            (head(1, 0x12, 12), &ipv4[..]),
            (head(2, 0x11, 12), &ipv4[..]),
            (head(1, 0x41, 12), &ipv4[..]),
            (head(0x11, 0x11, 12), &ipv4[..]),
        ] {
            assert_eq!(binary(&wrong, rest), Err(Malformed), "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = text(&bytes);
            let _ = text(&[&TEXT[..], &bytes, b"\r\n"].concat());
            let whole = [&BINARY[..], &bytes].concat();
            if let Some((head, rest)) = whole.split_first_chunk() {
                let _ = binary(head, rest);
            }
        }

        /// Another reader of the same protocol finds the same client.
        #[test]
        fn text_is_read_as_others_read_it(source: Ipv4Addr, other: Ipv6Addr, ports: (u16, u16), noise in "[ -~]{0,40}") {
            for line in [
                format!("PROXY TCP4 {source} 127.0.0.1 {} {}\r\n", ports.0, ports.1),
                format!("PROXY TCP6 {other} ::1 {} {}\r\n", ports.0, ports.1),
                format!("PROXY TCP4 {noise}\r\n"),
                format!("PROXY {noise}\r\n"),
            ] {
                let theirs = match ppp::v1::Header::try_from(line.as_bytes()).map(|header| header.addresses) {
                    Ok(ppp::v1::Addresses::Tcp4(found)) => Ok(Origin::Client(found.source_address.into())),
                    Ok(ppp::v1::Addresses::Tcp6(found)) => {
                        Ok(Origin::Client(IpAddr::from(found.source_address).to_canonical()))
                    }
                    Ok(ppp::v1::Addresses::Unknown) => Ok(Origin::Sender),
                    Err(_) => Err(Malformed),
                };
                prop_assert_eq!(text(line.as_bytes()), theirs, "{}", line);
            }
        }

        #[test]
        fn binary_is_read_as_others_read_it(
            command in 1u8..3,
            family in prop_oneof![Just(0x00u8), Just(0x11), Just(0x21), Just(0x31), Just(0x41)],
            rest in proptest::collection::vec(any::<u8>(), 0..250),
        ) {
            let head = head(command, family, rest.len());
            let whole = [&head[..], &rest].concat();
            let theirs = match ppp::v2::Header::try_from(whole.as_slice()) {
                Err(_) => Err(Malformed),
                Ok(header) => Ok(match header.addresses {
                    ppp::v2::Addresses::Unspecified => Origin::Sender,
                    ppp::v2::Addresses::IPv4(found) => Origin::Client(found.source_address.into()),
                    ppp::v2::Addresses::IPv6(found) => {
                        Origin::Client(IpAddr::from(found.source_address).to_canonical())
                    }
                    ppp::v2::Addresses::Unix(_) => Origin::Local,
                }),
            };
            prop_assert_eq!(binary(&head, &rest), theirs);
        }
    }
}

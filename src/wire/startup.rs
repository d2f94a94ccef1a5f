//! The packets that open a connection: they have a length but no tag.

use super::body::{Body, Malformed};

/// The largest packet of this kind that PostgreSQL accepts: 10 000 bytes, its own length not counted.
pub const MAX_PACKET: usize = 10_004;

/// Request code of CancelRequest.
pub const CANCEL_REQUEST: u32 = 80_877_102;
const SSL_REQUEST: u32 = 80_877_103;
const GSSENC_REQUEST: u32 = 80_877_104;

/// Protocol version of a startup packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// Must be 3.
    pub major: u16,
    /// Any: the server negotiates it down.
    pub minor: u16,
}

/// The first packet of a connection, or of what follows a refused encryption.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// SSLRequest.
    Ssl,
    /// GSSENCRequest.
    GssEncryption,
    /// CancelRequest: the whole packet, for it is passed on as it came.
    Cancel(Box<[u8]>),
    /// StartupMessage.
    Startup(Startup),
    /// A version of the protocol that nobody speaks any more.
    Unsupported(Version),
}

/// What a startup packet says about replication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replication {
    /// An ordinary session.
    No,
    /// Physical replication.
    Physical,
    /// Logical replication, which understands SQL as well.
    Logical,
    /// A value that the server refuses.
    Invalid,
}

/// A StartupMessage. The packet is kept as it came, since it is forwarded verbatim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Startup {
    /// The version that the client asks for.
    pub version: Version,
    /// The whole packet, length included.
    pub packet: Box<[u8]>,
    parameters: Vec<Parameter>,
}

/// Name and value.
type Parameter = (Box<[u8]>, Box<[u8]>);

/// The announced length of a packet.
///
/// # Errors
/// Too small to hold a request code, or larger than PostgreSQL accepts.
pub fn packet_length(prefix: [u8; 4]) -> Result<usize, Malformed> {
    let length = u32::from_be_bytes(prefix) as usize;
    if (8..=MAX_PACKET).contains(&length) { Ok(length) } else { Err(Malformed) }
}

/// Reads a whole packet, length included.
///
/// # Errors
/// It does not end where its length says, or is not terminated.
pub fn parse(packet: &[u8]) -> Result<Opening, Malformed> {
    let mut body = Body::new(packet);
    if body.u32()? as usize != packet.len() || packet.len() > MAX_PACKET {
        return Err(Malformed);
    }
    match body.u32()? {
        SSL_REQUEST => body.end().map(|()| Opening::Ssl),
        GSSENC_REQUEST => body.end().map(|()| Opening::GssEncryption),
        CANCEL_REQUEST => {
            // A process number and a secret of at least one byte.
            body.u32()?;
            body.u8()?;
            Ok(Opening::Cancel(packet.into()))
        }
        code => {
            let version = Version { major: (code >> 16) as u16, minor: (code & 0xffff) as u16 };
            if version.major != 3 {
                return Ok(Opening::Unsupported(version));
            }
            Ok(Opening::Startup(Startup { version, packet: packet.into(), parameters: parameters(body)? }))
        }
    }
}

fn parameters(mut body: Body<'_>) -> Result<Vec<Parameter>, Malformed> {
    let mut found = Vec::new();
    loop {
        let name = body.c_string()?;
        if name.is_empty() {
            body.end()?;
            return Ok(found);
        }
        found.push((name.into(), body.c_string()?.into()));
    }
}

impl Startup {
    /// The value of a parameter; where it is given twice the last one counts, as for the server.
    pub fn parameter(&self, name: &str) -> Option<&[u8]> {
        self.parameters.iter().rev().find(|(known, _)| **known == *name.as_bytes()).map(|(_, value)| &**value)
    }

    /// Whether the client asks for a replication connection.
    pub fn replication(&self) -> Replication {
        match self.parameter("replication") {
            None => Replication::No,
            Some(b"database") => Replication::Logical,
            Some(value) => match boolean(value) {
                Some(true) => Replication::Physical,
                Some(false) => Replication::No,
                None => Replication::Invalid,
            },
        }
    }
}

/// A truth value as the server reads it: the words may be cut short as long as they are unique.
fn boolean(value: &[u8]) -> Option<bool> {
    let value = value.to_ascii_lowercase();
    let begins = |word: &[u8], at_least: usize| value.len() >= at_least && word.starts_with(&value);
    if begins(b"true", 1) || begins(b"yes", 1) || begins(b"on", 2) || begins(b"1", 1) {
        return Some(true);
    }
    (begins(b"false", 1) || begins(b"no", 1) || begins(b"off", 2) || begins(b"0", 1)).then_some(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packet(code: u32, rest: &[u8]) -> Vec<u8> {
        let mut packet = ((8 + rest.len()) as u32).to_be_bytes().to_vec();
        packet.extend_from_slice(&code.to_be_bytes());
        packet.extend_from_slice(rest);
        packet
    }

    #[test]
    fn a_startup_packet_keeps_its_bytes_and_the_last_duplicate_wins() {
        let bytes = packet(196_608, b"user\0a\0database\0x\0user\0b\0\0");
        let Opening::Startup(startup) = parse(&bytes).unwrap() else { panic!("not a startup") };
        assert_eq!(startup.parameter("user"), Some(&b"b"[..]));
        assert_eq!(startup.parameter("options"), None);
        assert_eq!(&*startup.packet, &bytes[..]);
        assert_eq!(startup.version, Version { major: 3, minor: 0 });
    }

    #[test]
    fn a_startup_packet_must_be_terminated_exactly() {
        assert_eq!(parse(&packet(196_608, b"user\0a\0")), Err(Malformed));
        assert_eq!(parse(&packet(196_608, b"user\0a\0\0more")), Err(Malformed));
        assert_eq!(parse(&packet(196_608, b"user\0a")), Err(Malformed));
        assert_eq!(parse(&packet(SSL_REQUEST, b"x")), Err(Malformed));
    }

    #[test]
    fn the_largest_packet_is_the_servers() {
        assert_eq!(packet_length(10_004_u32.to_be_bytes()), Ok(10_004));
        assert_eq!(packet_length(10_005_u32.to_be_bytes()), Err(Malformed));
        assert_eq!(packet_length(7_u32.to_be_bytes()), Err(Malformed));
    }

    #[test]
    fn requests_are_told_apart() {
        assert_eq!(parse(&packet(SSL_REQUEST, b"")), Ok(Opening::Ssl));
        assert_eq!(parse(&packet(GSSENC_REQUEST, b"")), Ok(Opening::GssEncryption));
        assert_eq!(parse(&packet(2 << 16, b"")), Ok(Opening::Unsupported(Version { major: 2, minor: 0 })));
        let cancel = packet(CANCEL_REQUEST, &[0, 0, 0, 7, 1, 2, 3, 4]);
        assert_eq!(parse(&cancel), Ok(Opening::Cancel(cancel.clone().into())));
        let key = super::super::cancel_key::CancelKey { process: 7, secret: Box::from([1, 2, 3, 4]) };
        assert_eq!(&key.request()[..], &cancel[..]);
    }

    #[test]
    fn replication_is_read_as_the_server_does() {
        use Replication::{Invalid, Logical, No, Physical};
        for (value, wanted) in [
            ("database", Logical),
            ("on", Physical),
            ("1", Physical),
            ("T", Physical),
            ("off", No),
            ("of", No),
            ("FALSE", No),
            ("n", No),
            ("o", Invalid),
            ("", Invalid),
            ("Database", Invalid),
            ("truly", Invalid),
        ] {
            let Opening::Startup(startup) =
                parse(&packet(196_608, format!("replication\0{value}\0\0").as_bytes())).unwrap()
            else {
                panic!("not a startup")
            };
            assert_eq!(startup.replication(), wanted, "{value}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = parse(&bytes);
            let _ = parse(&packet(196_608, &bytes));
        }
    }
}

//! The packets that open a connection: they have a length but no tag.

use super::body::{Body, Malformed};

/// The largest packet of this kind that PostgreSQL accepts.
pub const MAX_PACKET: usize = 10_000;

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

    /// Whether the client asks for a replication connection. Anything but a plain "no" counts as yes.
    pub fn wants_replication(&self) -> bool {
        self.parameter("replication").is_some_and(|value| {
            let value = value.to_ascii_lowercase();
            !matches!(&value[..], b"false" | b"off" | b"no" | b"0" | b"f" | b"n")
        })
    }
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
    fn replication_is_anything_but_a_plain_no() {
        for (value, wanted) in
            [("database", true), ("on", true), ("1", true), ("off", false), ("FALSE", false), ("x", true)]
        {
            let Opening::Startup(startup) =
                parse(&packet(196_608, format!("replication\0{value}\0\0").as_bytes())).unwrap()
            else {
                panic!("not a startup")
            };
            assert_eq!(startup.wants_replication(), wanted, "{value}");
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

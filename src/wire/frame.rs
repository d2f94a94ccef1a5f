//! Cuts borrowed frames from a byte slice.
//!
//! Only the five bytes of the header are needed to know how far a frame reaches, so bodies that nobody looks into are
//! never collected: the caller counts the rest of a [`Header::total`] down while the bytes pass.

/// Bytes of tag and length.
pub const HEADER: usize = 5;

/// The largest body: PostgreSQL allocates no more than 1 GiB for one message.
pub const MAX_BODY: u32 = 0x3fff_ffff;

/// Tag and length of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The message type.
    pub tag: u8,
    /// Bytes of the body: the announced length without its own four bytes.
    pub body: u32,
}

/// A whole frame, borrowed from where it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The message type.
    pub tag: u8,
    /// The frame as it came, header included.
    pub bytes: &'a [u8],
    /// The body alone.
    pub body: &'a [u8],
}

/// A header that no PostgreSQL sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The length does not even count itself, or is beyond what PostgreSQL accepts.
    #[error("invalid message length {length} in a message of type {tag}")]
    Length {
        /// The message type.
        tag: u8,
        /// The length as announced.
        length: u32,
    },
}

impl Header {
    /// The header at the start of `input`; none when fewer than five bytes are there.
    ///
    /// # Errors
    /// The length is smaller than four or larger than PostgreSQL accepts.
    #[inline]
    pub fn read(input: &[u8]) -> Result<Option<Self>, FrameError> {
        let Some(&[tag, a, b, c, d]) = input.first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes([a, b, c, d]);
        match length.checked_sub(4) {
            Some(body) if body <= MAX_BODY => Ok(Some(Self { tag, body })),
            _ => Err(FrameError::Length { tag, length }),
        }
    }

    /// Bytes of the whole frame.
    #[inline]
    pub const fn total(self) -> usize {
        self.body as usize + HEADER
    }
}

/// The first whole frame of `input`; none while it is incomplete.
///
/// # Errors
/// As [`Header::read`].
#[inline]
pub fn cut(input: &[u8]) -> Result<Option<Frame<'_>>, FrameError> {
    let Some(header) = Header::read(input)? else {
        return Ok(None);
    };
    Ok(input.get(..header.total()).and_then(|bytes| Some(Frame { tag: header.tag, bytes, body: bytes.get(HEADER..)? })))
}

/// Appends a frame whose body `write` appends.
pub fn put(out: &mut bytes::BytesMut, tag: u8, write: impl FnOnce(&mut bytes::BytesMut)) {
    use bytes::BufMut;
    out.put_u8(tag);
    let at = out.len();
    out.put_u32(0);
    write(out);
    let length = u32::try_from(out.len() - at).unwrap_or(u32::MAX);
    if let Some(place) = out.get_mut(at..at + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::{BufMut, BytesMut};
    use proptest::prelude::*;

    #[test]
    fn short_lengths_and_huge_lengths_are_refused() {
        for length in [0_u32, 1, 3, MAX_BODY + 5, u32::MAX] {
            let mut input = vec![b'Q'];
            input.extend_from_slice(&length.to_be_bytes());
            assert_eq!(Header::read(&input), Err(FrameError::Length { tag: b'Q', length }));
        }
        assert_eq!(Header::read(&[b'S', 0, 0, 0, 4]), Ok(Some(Header { tag: b'S', body: 0 })));
        assert_eq!(Header::read(&[b'S', 0, 0, 0]), Ok(None));
    }

    #[test]
    fn a_body_is_confined_to_its_frame() {
        let input = b"H\0\0\0\x04Q\0\0\0\x09hide\0";
        let frame = cut(input).unwrap().unwrap();
        assert_eq!((frame.tag, frame.body), (b'H', &b""[..]));
        assert_eq!(cut(&input[frame.bytes.len()..]).unwrap().unwrap().body, b"hide\0");
    }

    proptest! {
        #[test]
        fn cutting_never_panics_and_never_looks_beyond(input in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(Some(frame)) = cut(&input) {
                prop_assert!(frame.bytes.len() <= input.len());
                prop_assert_eq!(frame.body.len() + HEADER, frame.bytes.len());
            }
        }

        #[test]
        fn what_is_put_is_cut_again(bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..20)) {
            let mut wire = BytesMut::new();
            for body in &bodies {
                put(&mut wire, b'd', |out| out.put_slice(body));
            }
            let mut rest: &[u8] = &wire;
            for body in &bodies {
                let frame = cut(rest).unwrap().unwrap();
                prop_assert_eq!(frame.body, &body[..]);
                rest = &rest[frame.bytes.len()..];
            }
            prop_assert!(rest.is_empty());
        }
    }
}

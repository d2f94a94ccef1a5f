//! A walk over DER, the encoding of certificates, as far as our questions to a certificate need it.

/// SEQUENCE.
pub const SEQUENCE: u8 = 0x30;
/// SET.
pub const SET: u8 = 0x31;
/// OBJECT IDENTIFIER.
pub const OBJECT_IDENTIFIER: u8 = 0x06;

/// Tag and content of the first element, and what follows it; none where the bytes are no DER.
pub fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
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

/// The content of the first element, if it has this tag, and what follows it.
pub fn expect(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    element(der).filter(|(found, ..)| *found == tag).map(|(_, content, rest)| (content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_are_short_or_long() {
        assert_eq!(element(&[0x30, 1, 7, 9]), Some((SEQUENCE, &[7][..], &[9][..])));
        assert_eq!(element(&[0x30, 0x81, 1, 7]), Some((SEQUENCE, &[7][..], &[][..])));
        assert_eq!(element(&[0x30, 0x80]), None);
        assert_eq!(element(&[0x30, 2, 7]), None);
        assert_eq!(expect(&[0x31, 0], SEQUENCE), None);
    }

    proptest! {
        #[test]
        fn nothing_panics(der in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = element(&der);
        }
    }
}

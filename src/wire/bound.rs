//! The values of a Bind message, taken apart.

use super::body::{Body, Malformed};

/// The length that stands for NULL.
const NULL: u32 = u32::MAX;

/// The value of one parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value<'a> {
    /// In the binary format of its type; in its text format otherwise.
    pub binary: bool,
    /// None is NULL.
    pub bytes: Option<&'a [u8]>,
}

/// What follows the two names in the body of a Bind: the values, in order.
///
/// # Errors
/// Counts, lengths or formats do not fit.
pub fn values(after_names: &[u8]) -> Result<Vec<Value<'_>>, Malformed> {
    let mut body = Body::new(after_names);
    let formats = (0..body.u16()?).map(|_| body.u16()).collect::<Result<Vec<_>, _>>()?;
    if formats.iter().any(|format| *format > 1) {
        return Err(Malformed);
    }
    let count = body.u16()?;
    if formats.len() > 1 && formats.len() != usize::from(count) {
        return Err(Malformed);
    }
    let mut values = Vec::with_capacity(usize::from(count));
    for number in 0..usize::from(count) {
        // One format stands for all, none for text.
        let format = if formats.len() == 1 { formats.first() } else { formats.get(number) };
        let bytes = match body.u32()? {
            NULL => None,
            length => Some(body.take(usize::try_from(length).map_err(|_| Malformed)?)?),
        };
        values.push(Value { binary: format == Some(&1), bytes });
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn body(formats: &[u16], values: &[Option<&[u8]>]) -> Vec<u8> {
        let mut body = Vec::new();
        body.extend(u16::try_from(formats.len()).unwrap().to_be_bytes());
        formats.iter().for_each(|format| body.extend(format.to_be_bytes()));
        body.extend(u16::try_from(values.len()).unwrap().to_be_bytes());
        for value in values {
            body.extend(value.map_or(u32::MAX, |value| u32::try_from(value.len()).unwrap()).to_be_bytes());
            body.extend(value.unwrap_or_default());
        }
        body.extend([0, 0]);
        body
    }

    #[test]
    fn formats_are_for_all_or_for_each() {
        let binary = |formats: &[u16]| -> Vec<bool> {
            let body = body(formats, &[Some(b"1"), None]);
            values(&body).unwrap().iter().map(|value| value.binary).collect()
        };
        assert_eq!(binary(&[]), [false, false]);
        assert_eq!(binary(&[1]), [true, true]);
        assert_eq!(binary(&[0, 1]), [false, true]);
        assert!(values(&body(&[0, 1, 0], &[None])).is_err() && values(&body(&[2], &[None])).is_err());
    }

    proptest! {
        #[test]
        fn what_was_bound_comes_back(given in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..9)), 0..9)) {
            let given: Vec<Option<&[u8]>> = given.iter().map(|value| value.as_deref()).collect();
            let body = body(&[1], &given);
            let found: Vec<_> = values(&body).unwrap().iter().map(|value| value.bytes).collect();
            prop_assert_eq!(found, given);
        }

        #[test]
        fn any_bytes_are_taken_apart_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = values(&bytes);
        }
    }
}

//! Follows the values of a Bind or a FunctionCall while they stream by, and insists that the counts and lengths inside
//! add up to the frame. Values can be hundreds of megabytes, so nothing is collected.

use super::body::Malformed;

/// What the next field of the body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    /// The number of the function.
    Function,
    /// How many formats of values follow.
    Formats,
    /// How many values follow.
    Count,
    /// The length of a value, so many of which are left.
    Length(u16),
    /// How many formats of results follow.
    Results,
    /// The format of the only result.
    Result,
    /// Nothing may follow.
    End,
}

impl Field {
    const fn width(self) -> usize {
        match self {
            Self::Function | Self::Length(_) => 4,
            Self::Formats | Self::Count | Self::Results | Self::Result => 2,
            Self::End => 0,
        }
    }
}

/// How far the walk through one body has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Values {
    field: Field,
    is_call: bool,
    /// Bytes of the field that have come, and how many those are.
    part: u32,
    there: usize,
    /// Bytes of the body that belong to nothing we look into.
    skip: usize,
    /// Bytes of the body that have not come.
    left: usize,
}

impl Values {
    /// What follows the names of a Bind: so many bytes.
    pub const fn of_bind(length: usize) -> Self {
        Self { field: Field::Formats, is_call: false, part: 0, there: 0, skip: 0, left: length }
    }

    /// The body of a FunctionCall: so many bytes.
    pub const fn of_call(length: usize) -> Self {
        Self { field: Field::Function, is_call: true, part: 0, there: 0, skip: 0, left: length }
    }

    /// The next bytes of the body.
    ///
    /// # Errors
    /// Something does not fit into the frame, or the frame has more than that. Said at the first byte that shows it.
    pub fn follow(&mut self, bytes: &[u8]) -> Result<(), Malformed> {
        let mut rest = bytes;
        loop {
            let skipped = self.skip.min(rest.len());
            self.take(&mut rest, skipped);
            self.skip -= skipped;
            if self.skip > 0 {
                return Ok(());
            }
            while self.there < self.field.width() {
                let Some(byte) = rest.first().copied() else { return self.fits() };
                self.take(&mut rest, 1);
                self.part = self.part << 8 | u32::from(byte);
                self.there += 1;
            }
            if self.field == Field::End {
                return if self.left == 0 { Ok(()) } else { Err(Malformed) };
            }
            self.understand()?;
            self.fits()?;
        }
    }

    fn take(&mut self, rest: &mut &[u8], count: usize) {
        *rest = rest.get(count..).unwrap_or_default();
        self.left = self.left.saturating_sub(count);
    }

    /// What is due must have room in what is left.
    fn fits(&self) -> Result<(), Malformed> {
        let due = self.skip.saturating_add(self.field.width() - self.there);
        if due <= self.left { Ok(()) } else { Err(Malformed) }
    }

    fn understand(&mut self) -> Result<(), Malformed> {
        let value = std::mem::take(&mut self.part);
        self.there = 0;
        let count = value as usize;
        (self.field, self.skip) = match self.field {
            Field::Function => (Field::Formats, 0),
            Field::Formats => (Field::Count, count * 2),
            Field::Count => (self.after_values(u16::try_from(value).map_err(|_| Malformed)?), 0),
            Field::Length(left) => {
                let bytes = match value {
                    // NULL has no bytes.
                    u32::MAX => 0,
                    _ if value > i32::MAX as u32 => return Err(Malformed),
                    _ => count,
                };
                (self.after_values(left - 1), bytes)
            }
            Field::Results => (Field::End, count * 2),
            Field::Result | Field::End => (Field::End, 0),
        };
        Ok(())
    }

    const fn after_values(&self, left: u16) -> Field {
        match (left, self.is_call) {
            (0, true) => Field::Result,
            (0, false) => Field::Results,
            (left, _) => Field::Length(left),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::body::Body;
    use proptest::prelude::*;

    /// The same of a body that is there in full, as simply as it can be said.
    fn read_whole(bytes: &[u8], is_call: bool) -> Result<(), Malformed> {
        let mut body = Body::new(bytes);
        if is_call {
            body.u32()?;
        }
        let formats = usize::from(body.u16()?);
        body.take(formats * 2)?;
        for _ in 0..body.u16()? {
            match body.u32()? {
                u32::MAX => {}
                length if length > i32::MAX as u32 => return Err(Malformed),
                length => drop(body.take(length as usize)?),
            }
        }
        let results = if is_call { 1 } else { usize::from(body.u16()?) };
        body.take(results * 2)?;
        body.end()
    }

    fn start(bytes: &[u8], is_call: bool) -> Values {
        if is_call { Values::of_call(bytes.len()) } else { Values::of_bind(bytes.len()) }
    }

    #[test]
    fn hidden_bytes_and_lies_about_lengths_are_found_at_once() {
        let good = [0, 1, 0, 1, 0, 2, 0, 0, 0, 3, b'a', b'b', b'c', 255, 255, 255, 255, 0, 1, 0, 0];
        assert_eq!(start(&good, false).follow(&good), Ok(()));
        assert_eq!(start(&[good.as_slice(), b"x"].concat(), false).follow(&good), Err(Malformed));
        let mut beyond = good;
        beyond[9] = 200;
        assert_eq!(start(&good, false).follow(&beyond[..10]), Err(Malformed), "before the value itself");
        let mut negative = good;
        negative[6] = 0xff;
        assert_eq!(start(&good, false).follow(&negative), Err(Malformed));
        assert_eq!(Values::of_bind(2).follow(&[0, 0]), Err(Malformed), "no room for the other counts");
    }

    proptest! {
        #[test]
        fn pieces_are_read_as_the_whole(
            values in proptest::collection::vec(proptest::option::of(proptest::collection::vec(any::<u8>(), 0..20)), 0..5),
            formats in 0_u16..3, results in 0_u16..3, is_call in any::<bool>(),
            change in proptest::option::of((any::<usize>(), any::<u8>())), cuts in proptest::collection::vec(any::<usize>(), 0..6)
        ) {
            let mut bytes = if is_call { vec![0, 0, 0, 9] } else { Vec::new() };
            bytes.extend(formats.to_be_bytes());
            bytes.extend(std::iter::repeat_n(0, usize::from(formats) * 2));
            bytes.extend((values.len() as u16).to_be_bytes());
            for value in &values {
                bytes.extend(value.as_ref().map_or(u32::MAX, |value| value.len() as u32).to_be_bytes());
                bytes.extend(value.iter().flatten());
            }
            let results = if is_call { 1 } else { results };
            if !is_call {
                bytes.extend(results.to_be_bytes());
            }
            bytes.extend(std::iter::repeat_n(0, usize::from(results) * 2));
            if let Some((place, byte)) = change {
                let place = place % bytes.len();
                bytes[place] = byte;
            } else {
                prop_assert_eq!(read_whole(&bytes, is_call), Ok(()));
            }
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let mut walk = start(&bytes, is_call);
            let seen = cuts.windows(2).try_for_each(|pair| walk.follow(&bytes[pair[0]..pair[1]]));
            prop_assert_eq!(seen, read_whole(&bytes, is_call));
        }
    }
}

//! Copies nothing that passes unchanged: a cursor over the bytes that were read, which remembers one run of bytes to
//! be forwarded and copies only when something is left out or put in between.

use bytes::BytesMut;

/// A walk over `input`; what leaves is `out`, then the bytes of [`Splice::finish`].
#[derive(Debug)]
pub struct Splice<'a, 'o> {
    input: &'a [u8],
    run_start: usize,
    cursor: usize,
    out: &'o mut BytesMut,
}

impl<'a, 'o> Splice<'a, 'o> {
    /// Starts at the front of `input`; `out` may hold bytes that go first.
    pub fn new(input: &'a [u8], out: &'o mut BytesMut) -> Self {
        Self { input, run_start: 0, cursor: 0, out }
    }

    /// What has not been passed or dropped yet.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.input.get(self.cursor..).unwrap_or_default()
    }

    /// The next `count` bytes go out as they are.
    #[inline]
    pub fn pass(&mut self, count: usize) {
        self.cursor = (self.cursor + count).min(self.input.len());
    }

    /// The next `count` bytes do not go out.
    pub fn drop(&mut self, count: usize) {
        self.flush_run();
        self.cursor = (self.cursor + count).min(self.input.len());
        self.run_start = self.cursor;
    }

    /// The buffer, with everything passed so far in it: whatever is appended follows.
    pub fn insert(&mut self) -> &mut BytesMut {
        self.flush_run();
        self.out
    }

    /// Bytes consumed, and the last run of them that is still to be sent after `out`.
    pub fn finish(self) -> (usize, &'a [u8]) {
        (self.cursor, self.input.get(self.run_start..self.cursor).unwrap_or_default())
    }

    fn flush_run(&mut self) {
        if let Some(run) = self.input.get(self.run_start..self.cursor) {
            self.out.extend_from_slice(run);
        }
        self.run_start = self.cursor;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_leave_in_order_and_only_the_last_run_is_not_copied() {
        let mut out = BytesMut::from(&b"<"[..]);
        let mut splice = Splice::new(b"abcdef", &mut out);
        splice.pass(2);
        splice.drop(1);
        splice.insert().extend_from_slice(b"X");
        splice.pass(2);
        assert_eq!(splice.rest(), b"f");
        let (consumed, run) = splice.finish();
        assert_eq!((consumed, run, &out[..]), (5, &b"de"[..], &b"<abX"[..]));
    }
}

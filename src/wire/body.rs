//! Reads the fields of one frame's body, front to back, and insists on the exact end.

/// A body that does not have the form that its tag announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid message format")]
pub struct Malformed;

/// What is left of a body.
#[derive(Debug, Clone, Copy)]
pub struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    /// A reader over a whole body.
    pub const fn new(body: &'a [u8]) -> Self {
        Self(body)
    }

    /// The bytes up to the next NUL, which is consumed too.
    ///
    /// # Errors
    /// There is no NUL.
    #[inline]
    pub fn c_string(&mut self) -> Result<&'a [u8], Malformed> {
        let end = self.0.iter().position(|byte| *byte == 0).ok_or(Malformed)?;
        let (text, rest) = self.0.split_at_checked(end).ok_or(Malformed)?;
        self.0 = rest.get(1..).ok_or(Malformed)?;
        Ok(text)
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// Fewer are left.
    #[inline]
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    /// The next byte.
    ///
    /// # Errors
    /// None is left.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        let (first, rest) = self.0.split_first().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*first)
    }

    /// The next two bytes, big-endian.
    ///
    /// # Errors
    /// Fewer are left.
    #[inline]
    pub fn u16(&mut self) -> Result<u16, Malformed> {
        let (first, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(u16::from_be_bytes(*first))
    }

    /// The next four bytes, big-endian.
    ///
    /// # Errors
    /// Fewer are left.
    #[inline]
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        let (first, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(u32::from_be_bytes(*first))
    }

    /// Whatever is left.
    pub const fn rest(self) -> &'a [u8] {
        self.0
    }

    /// The body must be over.
    ///
    /// # Errors
    /// Bytes are left: something hides behind the message.
    #[inline]
    pub const fn end(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}

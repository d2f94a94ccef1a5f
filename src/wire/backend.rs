//! Messages of the server, as far as something depends on what they say.

use super::body::{Body, Malformed};
use super::cancel_key::CancelKey;

/// Transaction status of a ReadyForQuery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// `I`: no transaction is open.
    Idle,
    /// `T`: in a transaction.
    Transaction,
    /// `E`: in a failed transaction.
    Failed,
}

/// The status of a ReadyForQuery.
///
/// # Errors
/// Not exactly one known letter.
#[inline]
pub fn ready_for_query(body: &[u8]) -> Result<Status, Malformed> {
    match body {
        [b'I'] => Ok(Status::Idle),
        [b'T'] => Ok(Status::Transaction),
        [b'E'] => Ok(Status::Failed),
        _ => Err(Malformed),
    }
}

/// The fields of an ErrorResponse or NoticeResponse, in the server's order.
#[derive(Debug, Clone)]
pub struct Fields<'a>(Body<'a>);

impl<'a> Fields<'a> {
    /// The fields of this body.
    pub const fn new(body: &'a [u8]) -> Self {
        Self(Body::new(body))
    }

    /// The SQLSTATE, if it is one.
    pub fn sqlstate(&self) -> Option<[u8; 5]> {
        self.clone().find(|(code, _)| *code == b'C').and_then(|(_, value)| value.try_into().ok())
    }

    /// The place in the text that it is about, in characters, counted from one.
    pub fn position(&self) -> Option<usize> {
        let (_, value) = self.clone().find(|(code, _)| *code == b'P')?;
        std::str::from_utf8(value).ok()?.parse().ok()
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        match self.0.u8() {
            Ok(0) | Err(Malformed) => None,
            Ok(code) => Some((code, self.0.c_string().ok()?)),
        }
    }
}

/// The command tag of a CommandComplete.
#[inline]
pub fn command_tag(body: &[u8]) -> &[u8] {
    body.split_last().map_or(body, |(_, tag)| tag)
}

/// The rows that a command tag counts: its last word, where that is a number (`SELECT 5`, `INSERT 0 1`).
#[inline]
pub fn rows(tag: &[u8]) -> u64 {
    let mut count = 0_u64;
    let mut place = 1_u64;
    for byte in tag.iter().rev() {
        match byte {
            b'0'..=b'9' => {
                count = count.saturating_add(u64::from(byte - b'0').saturating_mul(place));
                place = place.saturating_mul(10);
            }
            b' ' => return count,
            _ => return 0,
        }
    }
    0
}

/// Name and value of a ParameterStatus.
///
/// # Errors
/// Not exactly two strings.
pub fn parameter_status(body: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let mut body = Body::new(body);
    let pair = (body.c_string()?, body.c_string()?);
    body.end()?;
    Ok(pair)
}

/// The key of a BackendKeyData.
///
/// # Errors
/// No secret of 4 to 256 bytes follows the process number.
pub fn backend_key(body: &[u8]) -> Result<CancelKey, Malformed> {
    let mut body = Body::new(body);
    let process = body.u32()?;
    let secret = body.rest();
    if !(4..=256).contains(&secret.len()) {
        return Err(Malformed);
    }
    Ok(CancelKey { process, secret: secret.into() })
}

/// The only column of a DataRow, the answer to a question of our own; none for NULL.
///
/// # Errors
/// Not exactly one column.
pub fn single_column(body: &[u8]) -> Result<Option<&[u8]>, Malformed> {
    let mut body = Body::new(body);
    if body.u16()? != 1 {
        return Err(Malformed);
    }
    let length = body.u32()?;
    if length == u32::MAX {
        return body.end().map(|()| None);
    }
    let value = body.take(length as usize)?;
    body.end()?;
    Ok(Some(value))
}

/// What an Authentication message asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authentication<'a> {
    /// Done.
    Ok,
    /// SASL, with the mechanisms on offer.
    Sasl(Vec<&'a [u8]>),
    /// The server's next SASL message.
    SaslContinue(&'a [u8]),
    /// The server's last SASL message.
    SaslFinal(&'a [u8]),
    /// Any other, which is passed on as it is.
    Other(u32),
}

/// Reads an Authentication message.
///
/// # Errors
/// The body is shorter than its kind needs.
pub fn authentication(body: &[u8]) -> Result<Authentication<'_>, Malformed> {
    let mut body = Body::new(body);
    match body.u32()? {
        0 => body.end().map(|()| Authentication::Ok),
        10 => {
            let mut mechanisms = Vec::new();
            loop {
                let name = body.c_string()?;
                if name.is_empty() {
                    body.end()?;
                    return Ok(Authentication::Sasl(mechanisms));
                }
                mechanisms.push(name);
            }
        }
        11 => Ok(Authentication::SaslContinue(body.rest())),
        12 => Ok(Authentication::SaslFinal(body.rest())),
        other => Ok(Authentication::Other(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rows_are_the_last_number_of_the_tag() {
        for (tag, expected) in [
            ("SELECT 5", 5),
            ("INSERT 0 12", 12),
            ("COPY 100", 100),
            ("BEGIN", 0),
            ("", 0),
            ("7", 0),
            ("X 99999999999999999999999", u64::MAX),
        ] {
            assert_eq!(rows(tag.as_bytes()), expected, "{tag}");
        }
    }

    #[test]
    fn one_column_is_one_column() {
        assert_eq!(single_column(b"\0\x01\0\0\0\x02ab"), Ok(Some(&b"ab"[..])));
        assert_eq!(single_column(b"\0\x01\xff\xff\xff\xff"), Ok(None));
        assert_eq!(single_column(b"\0\x01\0\0\0\x09ab"), Err(Malformed));
        assert_eq!(single_column(b"\0\x02\0\0\0\x01a\0\0\0\x01b"), Err(Malformed));
    }

    #[test]
    fn mechanisms_are_listed() {
        assert_eq!(
            authentication(b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"),
            Ok(Authentication::Sasl(vec![b"SCRAM-SHA-256-PLUS", b"SCRAM-SHA-256"]))
        );
        assert_eq!(authentication(b"\0\0\0\0"), Ok(Authentication::Ok));
        assert_eq!(authentication(b"\0\0\0\0x"), Err(Malformed));
    }

    proptest! {
        #[test]
        fn no_parser_panics(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = (ready_for_query(&bytes), parameter_status(&bytes), backend_key(&bytes));
            let _ = (single_column(&bytes), authentication(&bytes), rows(command_tag(&bytes)));
            let _ = Fields::new(&bytes).count();
        }
    }
}

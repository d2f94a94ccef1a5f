//! Messages of the client: parsers of what must be understood, builders of what we send in a client's place.

use bytes::{BufMut, BytesMut};

use super::body::{Body, Malformed};
use super::frame;
use super::values::Values;

/// A Parse message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parse<'a> {
    /// Name of the prepared statement; empty for the unnamed one.
    pub name: &'a [u8],
    /// The text.
    pub text: &'a [u8],
    /// The parameter types as they came: four bytes each.
    pub types: &'a [u8],
}

/// What a Describe or Close is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'a> {
    /// A prepared statement.
    Statement(&'a [u8]),
    /// A portal.
    Portal(&'a [u8]),
}

/// The start of a Bind message. Its values are never looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bind<'a> {
    /// Name of the portal to make.
    pub portal: &'a [u8],
    /// Name of the prepared statement.
    pub statement: &'a [u8],
}

impl Bind<'_> {
    /// What follows the names, as far as it is there, in a body of this length.
    ///
    /// # Errors
    /// It is not what it claims to be.
    #[inline]
    pub fn values(&self, there: &[u8], length: usize) -> Result<Values, Malformed> {
        let names = self.portal.len() + self.statement.len() + 2;
        let mut values = Values::of_bind(length.saturating_sub(names));
        values.follow(there.get(names..).unwrap_or_default())?;
        Ok(values)
    }
}

/// The text of a Query message.
///
/// # Errors
/// It is not one terminated string.
#[inline]
pub fn query(body: &[u8]) -> Result<&[u8], Malformed> {
    let mut body = Body::new(body);
    let text = body.c_string()?;
    body.end()?;
    Ok(text)
}

/// The reason that a CopyFail gives.
///
/// # Errors
/// It is not one terminated string.
pub fn copy_fail(body: &[u8]) -> Result<&[u8], Malformed> {
    query(body)
}

/// A whole Parse message.
///
/// # Errors
/// Its parts do not fill the body exactly.
#[inline]
pub fn parse(body: &[u8]) -> Result<Parse<'_>, Malformed> {
    let mut body = Body::new(body);
    let name = body.c_string()?;
    let text = body.c_string()?;
    let count = usize::from(body.u16()?);
    let types = body.take(count * 4)?;
    body.end()?;
    Ok(Parse { name, text, types })
}

/// The name at the start of a Parse message; the body may be incomplete after it.
///
/// # Errors
/// The name is not there.
pub fn parse_name(body: &[u8]) -> Result<&[u8], Malformed> {
    Body::new(body).c_string()
}

/// The names at the start of a Bind message; the body may be incomplete after them.
///
/// # Errors
/// The names are not there.
#[inline]
pub fn bind_names(body: &[u8]) -> Result<Bind<'_>, Malformed> {
    let mut body = Body::new(body);
    Ok(Bind { portal: body.c_string()?, statement: body.c_string()? })
}

/// A Describe or Close message.
///
/// # Errors
/// It names neither a statement nor a portal, or more follows.
#[inline]
pub fn target(body: &[u8]) -> Result<Target<'_>, Malformed> {
    let mut body = Body::new(body);
    let kind = body.u8()?;
    let name = body.c_string()?;
    body.end()?;
    match kind {
        b'S' => Ok(Target::Statement(name)),
        b'P' => Ok(Target::Portal(name)),
        _ => Err(Malformed),
    }
}

/// The portal of an Execute message.
///
/// # Errors
/// A name and a row limit do not fill the body exactly.
#[inline]
pub fn execute(body: &[u8]) -> Result<&[u8], Malformed> {
    let mut body = Body::new(body);
    let portal = body.c_string()?;
    body.u32()?;
    body.end()?;
    Ok(portal)
}

/// Appends a Query.
pub fn put_query(out: &mut BytesMut, text: &[u8]) {
    frame::put(out, b'Q', |out| {
        out.put_slice(text);
        out.put_u8(0);
    });
}

/// Appends a FunctionCall that names no function: the server refuses it.
pub fn put_call_of_nothing(out: &mut BytesMut) {
    // Function 0, no argument formats, no arguments, result as text.
    frame::put(out, b'F', |out| out.put_slice(&[0; 10]));
}

/// Appends a Parse.
pub fn put_parse(out: &mut BytesMut, parse: Parse<'_>) {
    frame::put(out, b'P', |out| {
        out.put_slice(parse.name);
        out.put_u8(0);
        out.put_slice(parse.text);
        out.put_u8(0);
        out.put_u16(u16::try_from(parse.types.len() / 4).unwrap_or(u16::MAX));
        out.put_slice(parse.types);
    });
}

/// Appends a Bind without parameters; results come as text.
pub fn put_bind(out: &mut BytesMut, portal: &[u8], statement: &[u8]) {
    frame::put(out, b'B', |out| {
        out.put_slice(portal);
        out.put_u8(0);
        out.put_slice(statement);
        out.put_u8(0);
        // No formats of parameters, no parameters, no formats of results.
        out.put_bytes(0, 6);
    });
}

/// Appends an Execute that fetches all rows.
pub fn put_execute(out: &mut BytesMut, portal: &[u8]) {
    frame::put(out, b'E', |out| {
        out.put_slice(portal);
        out.put_u8(0);
        out.put_u32(0);
    });
}

/// Appends a Flush.
pub fn put_flush(out: &mut BytesMut) {
    frame::put(out, b'H', |_| {});
}

/// Appends a Describe of a prepared statement.
pub fn put_describe_statement(out: &mut BytesMut, name: &[u8]) {
    frame::put(out, b'D', |out| {
        out.put_u8(b'S');
        out.put_slice(name);
        out.put_u8(0);
    });
}

/// Appends a Close of a portal.
pub fn put_close_portal(out: &mut BytesMut, name: &[u8]) {
    frame::put(out, b'C', |out| {
        out.put_u8(b'P');
        out.put_slice(name);
        out.put_u8(0);
    });
}

/// Appends a Close of a prepared statement.
pub fn put_close_statement(out: &mut BytesMut, name: &[u8]) {
    frame::put(out, b'C', |out| {
        out.put_u8(b'S');
        out.put_slice(name);
        out.put_u8(0);
    });
}

/// Appends a Terminate.
pub fn put_terminate(out: &mut BytesMut) {
    frame::put(out, b'X', |_| {});
}

/// Appends a message of the password family: `body` without any addition.
pub fn put_password(out: &mut BytesMut, body: &[u8]) {
    frame::put(out, b'p', |out| out.put_slice(body));
}

#[cfg(test)]
mod tests {
    use super::*;
    use pgwire::messages::{DecodeContext, PgWireFrontendMessage, ProtocolVersion};
    use proptest::prelude::*;

    fn by_pgwire(wire: &BytesMut) -> PgWireFrontendMessage {
        let mut context = DecodeContext::new(ProtocolVersion::PROTOCOL3_0);
        context.awaiting_frontend_ssl = false;
        context.awaiting_frontend_startup = false;
        PgWireFrontendMessage::decode(&mut wire.clone(), &context).unwrap().unwrap()
    }

    #[test]
    fn hidden_bytes_are_a_violation() {
        assert_eq!(query(b"select 1\0"), Ok(&b"select 1"[..]));
        assert_eq!(query(b"select 1\0; drop table x\0"), Err(Malformed));
        assert_eq!(query(b"select 1"), Err(Malformed));
        assert_eq!(parse(b"\0select 1\0\0\x01\0\0\0"), Err(Malformed));
        assert_eq!(parse(b"\0select 1\0\0\0x"), Err(Malformed));
        assert_eq!(target(b"Sname\0x"), Err(Malformed));
        assert_eq!(target(b"Xname\0"), Err(Malformed));
        assert_eq!(execute(b"p\0\0\0\0\0"), Ok(&b"p"[..]));
        assert_eq!(execute(b"p\0\0\0\0\0\0"), Err(Malformed));
    }

    proptest! {
        #[test]
        fn no_parser_panics(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = (query(&bytes), parse(&bytes), bind_names(&bytes), target(&bytes), execute(&bytes));
        }

        #[test]
        fn parse_round_trips_and_pgwire_agrees(
            name in "[a-z_]{0,8}", text in "[ -~é]{0,40}", types in proptest::collection::vec(any::<u32>(), 0..4)
        ) {
            let raw: Vec<u8> = types.iter().flat_map(|oid| oid.to_be_bytes()).collect();
            let sent = Parse { name: name.as_bytes(), text: text.as_bytes(), types: &raw };
            let mut wire = BytesMut::new();
            put_parse(&mut wire, sent);
            let frame = frame::cut(&wire).unwrap().unwrap();
            prop_assert_eq!(parse(frame.body).unwrap(), sent);
            let PgWireFrontendMessage::Parse(other) = by_pgwire(&wire) else { panic!("not a Parse") };
            prop_assert_eq!(other.query, text);
            prop_assert_eq!(other.name.unwrap_or_default(), name);
            prop_assert_eq!(other.type_oids, types);
        }

        #[test]
        fn query_round_trips_and_pgwire_agrees(text in "[ -~é]{0,40}") {
            let mut wire = BytesMut::new();
            put_query(&mut wire, text.as_bytes());
            prop_assert_eq!(query(frame::cut(&wire).unwrap().unwrap().body).unwrap(), text.as_bytes());
            let PgWireFrontendMessage::Query(other) = by_pgwire(&wire) else { panic!("not a Query") };
            prop_assert_eq!(other.query, text);
        }
    }
}

//! Messages that we originate in the server's place, and the form that errors take for clients who may not see values.

use bytes::BytesMut;
use pgwire::messages::Message;
use pgwire::messages::response::{ErrorResponse, NoticeResponse, ReadyForQuery, TransactionStatus};

use super::backend::{Fields, Status};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The statement failed.
    Error,
    /// The connection ends.
    Fatal,
    /// A warning.
    Warning,
}

impl Severity {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
            Self::Warning => "WARNING",
        }
    }
}

/// An error or a notice of our own.
#[derive(Debug, Clone, Copy)]
pub struct Problem<'a> {
    /// How bad it is.
    pub severity: Severity,
    /// SQLSTATE.
    pub code: &'a str,
    /// Primary message.
    pub message: &'a str,
    /// DETAIL.
    pub detail: Option<&'a str>,
    /// HINT.
    pub hint: Option<&'a str>,
    /// 1-based character position in the client's text.
    pub position: Option<u32>,
}

impl<'a> Problem<'a> {
    /// One that ends the connection.
    pub const fn fatal(code: &'a str, message: &'a str) -> Self {
        Self { severity: Severity::Fatal, code, message, detail: None, hint: None, position: None }
    }

    fn fields(&self) -> Vec<(u8, String)> {
        // A NUL would end the field early and let the rest pose as further fields.
        let clean = |text: &str| text.replace('\0', "");
        let severity = self.severity.as_str().to_owned();
        let mut fields =
            vec![(b'S', severity.clone()), (b'V', severity), (b'C', self.code.to_owned()), (b'M', clean(self.message))];
        fields.extend(self.detail.map(|detail| (b'D', clean(detail))));
        fields.extend(self.hint.map(|hint| (b'H', clean(hint))));
        fields.extend(self.position.map(|position| (b'P', position.to_string())));
        fields
    }
}

fn put(out: &mut BytesMut, message: &impl Message) {
    let before = out.len();
    if message.encode(out).is_err() {
        // Only a message beyond the protocol's own limit can fail; half a frame must not stay behind.
        out.truncate(before);
    }
}

/// Appends an ErrorResponse.
pub fn put_error(out: &mut BytesMut, problem: &Problem<'_>) {
    put(out, &ErrorResponse::new(problem.fields()));
}

/// Appends a NoticeResponse.
pub fn put_notice(out: &mut BytesMut, problem: &Problem<'_>) {
    put(out, &NoticeResponse::new(problem.fields()));
}

/// Appends a ReadyForQuery.
pub fn put_ready(out: &mut BytesMut, status: Status) {
    let status = match status {
        Status::Idle => TransactionStatus::Idle,
        Status::Transaction => TransactionStatus::Transaction,
        Status::Failed => TransactionStatus::Error,
    };
    put(out, &ReadyForQuery::new(status));
}

/// Whether the text that an error is about is the one that the client sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text {
    /// It is: positions mean something to the client.
    AsSent,
    /// It is not: the server's position would point elsewhere.
    Rewritten {
        /// The place in the client's text, where the error is about something that the client has written.
        position: Option<usize>,
    },
}

/// Whether a notice may reach a client who may not see values: one with a context was raised inside a function, which
/// can have put anything into it.
pub fn notice_is_safe(body: &[u8]) -> bool {
    !Fields::new(body).any(|(code, _)| matches!(code, b'W' | b'q' | b'p'))
}

/// Whether an error or a notice has a part that [`put_sanitised`] takes out for the values that it could carry.
pub fn may_tell(body: &[u8]) -> bool {
    quotes_a_computed_value(body) || Fields::new(body).any(|(code, _)| matches!(code, b'D' | b'H' | b'W' | b'q' | b'p'))
}

/// Whether an error was raised while values were computed, by a condition whose message quotes the value.
///
/// What the parser says about a literal of the client has a position. Without one the value may be of a row, and the
/// function that choked on it (of a view, say) need not leave a context.
fn quotes_a_computed_value(body: &[u8]) -> bool {
    let quotes = Fields::new(body).sqlstate().is_some_and(|sqlstate| {
        matches!(
            &sqlstate,
            // Casts of text to syntax (tsquery, regclass, regtype, ...) fail with conditions of class 42 and 3F000.
            [b'2', b'2', ..] | b"42601" | b"42602" | b"42704" | b"42725" | b"42883" | b"42P01" | b"3F000"
        )
    });
    quotes && !Fields::new(body).any(|(code, _)| code == b'P')
}

/// Appends an error or notice of the server without the parts that can carry values of protected columns: detail,
/// hint, context and internal query; what remains of a message that was raised inside a function, or that can quote a
/// computed value, is a text for its SQLSTATE.
pub fn put_sanitised(out: &mut BytesMut, tag: u8, body: &[u8], text: Text) {
    let message_may_tell = !notice_is_safe(body) || quotes_a_computed_value(body);
    let generic = Fields::new(body).sqlstate().map_or("error", generic_message);
    super::frame::put(out, tag, |out| {
        use bytes::BufMut;
        let position = match text {
            Text::AsSent => Fields::new(body).position(),
            Text::Rewritten { position } => position,
        };
        let position = position.map(|position| position.to_string()).unwrap_or_default();
        for (code, value) in Fields::new(body) {
            let value = match code {
                b'M' if message_may_tell => generic.as_bytes(),
                b'S' | b'V' | b'C' | b'M' | b's' | b't' | b'c' | b'd' | b'n' => value,
                b'P' if !position.is_empty() => position.as_bytes(),
                _ => continue,
            };
            out.put_u8(code);
            out.put_slice(value);
            out.put_u8(0);
        }
        out.put_u8(0);
    });
}

/// Appends an error or notice of the server as it came, but for the place that it points to.
pub fn put_moved(out: &mut BytesMut, tag: u8, body: &[u8], position: Option<usize>) {
    use bytes::BufMut;
    super::frame::put(out, tag, |out| {
        for (code, value) in Fields::new(body) {
            let moved = position.map(|position| position.to_string());
            let value = match (code, &moved) {
                (b'P', Some(position)) => position.as_bytes(),
                (b'P', None) => continue,
                _ => value,
            };
            out.put_u8(code);
            out.put_slice(value);
            out.put_u8(0);
        }
        out.put_u8(0);
    });
}

/// A text for an error whose own may not be shown: by condition where one is frequent, by class otherwise.
pub fn generic_message(sqlstate: [u8; 5]) -> &'static str {
    match &sqlstate {
        b"23502" => "null value violates not-null constraint",
        b"23503" => "insert or update or delete violates foreign key constraint",
        b"23505" => "duplicate key value violates unique constraint",
        b"23514" => "new row violates check constraint",
        b"22P02" => "invalid input syntax",
        b"22012" => "division by zero",
        b"22003" => "numeric value out of range",
        b"42501" => "permission denied",
        b"P0001" => "exception raised by a function",
        b"57014" => "canceling statement",
        b"40001" => "could not serialize access",
        b"40P01" => "deadlock detected",
        [b'0', b'8', ..] => "connection exception",
        [b'0', b'A', ..] => "feature not supported",
        [b'2', b'1', ..] => "cardinality violation",
        [b'2', b'2', ..] => "data exception",
        [b'2', b'3', ..] => "integrity constraint violation",
        [b'2', b'5', ..] => "invalid transaction state",
        [b'2', b'8', ..] => "invalid authorization specification",
        [b'4', b'0', ..] => "transaction rollback",
        [b'4', b'2', ..] => "syntax error or access rule violation",
        [b'5', b'3', ..] => "insufficient resources",
        [b'5', b'4', ..] => "program limit exceeded",
        [b'5', b'5', ..] => "object not in prerequisite state",
        [b'5', b'7', ..] => "operator intervention",
        [b'5', b'8', ..] => "system error",
        [b'P', b'0', ..] => "error in a function",
        [b'X', b'X', ..] => "internal error",
        _ => "error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::frame;
    use pgwire::messages::{DecodeContext, PgWireBackendMessage, ProtocolVersion};
    use proptest::prelude::*;

    fn fields(wire: &BytesMut) -> Vec<(u8, String)> {
        let frame = frame::cut(wire).unwrap().unwrap();
        assert_eq!(frame.bytes.len(), wire.len());
        Fields::new(frame.body).map(|(code, value)| (code, String::from_utf8(value.to_vec()).unwrap())).collect()
    }

    #[test]
    fn an_error_of_ours_has_the_fields_of_postgresql() {
        let mut wire = BytesMut::new();
        let problem = Problem {
            severity: Severity::Error,
            code: "42501",
            message: "permission denied\0D injected",
            detail: Some("A rule says so."),
            hint: None,
            position: Some(8),
        };
        put_error(&mut wire, &problem);
        let fields = fields(&wire);
        let codes: Vec<u8> = fields.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes, b"SVCMDP");
        assert_eq!(fields[3].1, "permission deniedD injected");
    }

    #[test]
    fn a_value_that_was_computed_is_not_quoted() {
        let message = |body: &[u8]| {
            let mut wire = BytesMut::new();
            put_sanitised(&mut wire, b'E', body, Text::AsSent);
            fields(&wire).into_iter().find(|(code, _)| *code == b'M').unwrap().1
        };
        let computed = b"SERROR\0VERROR\0C22P02\0Minvalid input syntax for type integer: \"078-05-1120\"\0\0";
        assert_eq!(message(computed), "invalid input syntax");
        let cast = b"SERROR\0VERROR\0C42P01\0Mrelation \"alice\" does not exist\0\0";
        assert_eq!(message(cast), "syntax error or access rule violation");
        let literal = b"SERROR\0VERROR\0C22P02\0Minvalid input syntax for type integer: \"abc\"\0P8\0\0";
        assert_eq!(message(literal), "invalid input syntax for type integer: \"abc\"");
    }

    #[test]
    fn values_leave_a_sanitised_error() {
        let body = b"SERROR\0VERROR\0C23505\0Mduplicate key value violates unique constraint \"k\"\0DKey (ssn)=(123) already exists.\0nk\0F nbtinsert.c\0L1\0\0";
        let mut wire = BytesMut::new();
        put_sanitised(&mut wire, b'E', body, Text::AsSent);
        assert!(!wire.windows(3).any(|part| part == b"123"));
        assert_eq!(fields(&wire).last().unwrap(), &(b'n', "k".to_owned()));
    }

    #[test]
    fn a_message_raised_in_a_function_becomes_generic() {
        let body = b"SERROR\0VERROR\0CP0001\0Mssn is 123\0HTry 123\0WPL/pgSQL function f()\0P7\0\0";
        let mut wire = BytesMut::new();
        put_sanitised(&mut wire, b'E', body, Text::Rewritten { position: None });
        assert!(!wire.windows(3).any(|part| part == b"123"));
        assert_eq!(fields(&wire).last().unwrap(), &(b'M', "exception raised by a function".to_owned()));
        assert!(!notice_is_safe(body));
    }

    proptest! {
        #[test]
        fn sanitising_never_panics_and_yields_one_frame(body in proptest::collection::vec(any::<u8>(), 0..80)) {
            let mut wire = BytesMut::new();
            put_sanitised(&mut wire, b'E', &body, Text::AsSent);
            prop_assert_eq!(frame::cut(&wire).unwrap().unwrap().bytes.len(), wire.len());
        }

        #[test]
        fn pgwire_reads_what_we_send(message in "[ -~]{0,30}", hint in proptest::option::of("[ -~]{0,30}")) {
            let mut wire = BytesMut::new();
            let problem = Problem { hint: hint.as_deref(), ..Problem::fatal("57P01", &message) };
            put_error(&mut wire, &problem);
            put_ready(&mut wire, Status::Failed);
            let context = DecodeContext::new(ProtocolVersion::PROTOCOL3_0);
            let Some(PgWireBackendMessage::ErrorResponse(read)) =
                PgWireBackendMessage::decode(&mut wire, &context).unwrap() else { panic!("not an error") };
            prop_assert!(read.fields.contains(&(b'M', message)));
            let Some(PgWireBackendMessage::ReadyForQuery(_)) =
                PgWireBackendMessage::decode(&mut wire, &context).unwrap() else { panic!("not ready") };
        }
    }
}

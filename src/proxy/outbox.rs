//! The only way to the server. SQL passes with the engine's permission, everything else by a list of harmless tags.

use bytes::BytesMut;

use super::extended::Kind;
use super::splice::Splice;
use crate::engine::verdict::Admitted;
use crate::wire::frontend::{self, Parse};

/// A text that no server accepts: it names a column where there is none. It stands in for a refused request, so that the server
/// itself aborts the transaction and skips what it would skip; its error is replaced by ours. In a transaction that has
/// failed already, the server says so instead, as it does before it looks at any names.
const POISON: &[u8] = b"SELECT \"pgcovenant refused this statement\"";

/// Name of the prepared statement that poison in place of a Bind or Execute would make: an unnamed one would be lost.
const POISON_NAME: &[u8] = b"pgcovenant refused";

/// Statement and portal of a question within a batch: gone before the client's next message.
const QUESTION_NAME: &[u8] = b"pgcovenant asks";

/// Asks where the session looks names up, without depending on it: the effective search path, and the tables and sequences
/// of its temporary schema with their columns. What has triggers or rules is not among them, since it runs code of its own.
/// Dependencies on a schema are indexed, and most sessions have none. Of more columns than anybody needs none is told: then
/// the session has tables that it cannot name.
const SEARCH_PATH_QUESTION: &[u8] = br#"SELECT pg_catalog.json_build_object(
'path', pg_catalog.current_schemas(true),
'own', (SELECT n.nspname FROM pg_catalog.pg_namespace n
WHERE n.oid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()),
'temporary', CASE WHEN pg_catalog.pg_my_temp_schema() OPERATOR(pg_catalog.<>) 0::pg_catalog.oid THEN (
SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', c.relname, 'kind', c.relkind, 'columns', (
SELECT pg_catalog.json_agg(pg_catalog.json_build_object('name', a.attname, 'type', a.atttypid) ORDER BY a.attnum) FROM pg_catalog.pg_attribute a
WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid AND a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2
AND NOT a.attisdropped)) ORDER BY c.relname)
FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) d.objid
WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass::pg_catalog.oid
AND d.refobjid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()
AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
AND NOT c.relhasrules AND NOT c.relhastriggers
AND (c.relkind OPERATOR(pg_catalog.=) 'r'::pg_catalog."char"
OR c.relkind OPERATOR(pg_catalog.=) 'S'::pg_catalog."char")
HAVING pg_catalog.sum(c.relnatts) OPERATOR(pg_catalog.<=) 20000::pg_catalog.int8) END)"#;

/// How every question begins.
const QUESTION: &[u8] = b"SELECT pg_catalog.json_build_object(";

/// A `lock_timeout` for a session that has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gift {
    /// So many milliseconds.
    pub time: u32,
    /// Only until the transaction ends.
    pub local: bool,
}

/// The same question with one for `lock_timeout` in front, which gives one to a session that has none if that is wanted.
fn question_with_lock_timeout(gift: Option<Gift>) -> Vec<u8> {
    let mut text = QUESTION.to_vec();
    text.extend_from_slice(b"'lock_timeout', pg_catalog.current_setting('lock_timeout'),\n");
    if let Some(Gift { time, local }) = gift {
        let given = format!(
            "'given', CASE WHEN pg_catalog.current_setting('lock_timeout') OPERATOR(pg_catalog.=) '0' \
             THEN pg_catalog.set_config('lock_timeout', '{time}', {local}) END,\n"
        );
        text.extend_from_slice(given.as_bytes());
    }
    text.extend_from_slice(SEARCH_PATH_QUESTION.strip_prefix(QUESTION).unwrap_or_default());
    text
}

/// Messages without SQL. A tag that is not here cannot be passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harmless {
    /// `B`.
    Bind,
    /// `D`.
    Describe,
    /// `E`.
    Execute,
    /// `C`.
    Close,
    /// `S`.
    Sync,
    /// `H`.
    Flush,
    /// `X`.
    Terminate,
    /// `d`.
    CopyData,
    /// `c`.
    CopyDone,
    /// `f`.
    CopyFail,
}

impl Harmless {
    /// What a tag is, if it is harmless.
    #[inline]
    pub const fn of(tag: u8) -> Option<Self> {
        Some(match tag {
            b'B' => Self::Bind,
            b'D' => Self::Describe,
            b'E' => Self::Execute,
            b'C' => Self::Close,
            b'S' => Self::Sync,
            b'H' => Self::Flush,
            b'X' => Self::Terminate,
            b'd' => Self::CopyData,
            b'c' => Self::CopyDone,
            b'f' => Self::CopyFail,
            _ => return None,
        })
    }
}

/// What a refused request is replaced by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Poison {
    /// For Query: answered by an error and ReadyForQuery.
    Query,
    /// For FunctionCall, answered likewise; unlike a Query it leaves the unnamed statement alone.
    FunctionCall,
    /// For a Parse of the unnamed statement, which goes away as it would with any failed Parse.
    UnnamedParse,
    /// For every other message of the extended protocol.
    NamedParse,
}

/// SQLSTATE of the error that poison in place of such a request ends in.
pub const fn error_of_poison(request: Kind) -> [u8; 5] {
    match request {
        Kind::FunctionCall => *b"42883",
        Kind::Query
        | Kind::Parse
        | Kind::Bind
        | Kind::Describe
        | Kind::Execute
        | Kind::Close
        | Kind::Sync
        | Kind::CopyEnd
        | Kind::ParseAgain
        | Kind::BindOurs
        | Kind::DescribeOurs
        | Kind::CloseAgain
        | Kind::QuestionWithin
        | Kind::TakingBack
        | Kind::Question => *b"42703",
    }
}

/// Walks over what the client sent and decides what of it leaves for the server.
#[derive(Debug)]
pub struct Outbox<'a, 'o>(Splice<'a, 'o>);

impl<'a, 'o> Outbox<'a, 'o> {
    /// Starts at the front of `input`.
    pub fn new(input: &'a [u8], out: &'o mut BytesMut) -> Self {
        Self(Splice::new(input, out))
    }

    /// What has not been dealt with.
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.0.rest()
    }

    /// The next `count` bytes are a harmless message, or its beginning.
    #[inline]
    pub fn pass(&mut self, _message: Harmless, count: usize) {
        self.0.pass(count);
    }

    /// The next `count` bytes continue a message whose beginning was passed.
    #[inline]
    pub fn pass_body(&mut self, _begun: Begun, count: usize) {
        self.0.pass(count);
    }

    /// The next `count` bytes are left out.
    pub fn drop(&mut self, count: usize) {
        self.0.drop(count);
    }

    /// The next `count` bytes are a Query, a FunctionCall, or the beginning of one.
    #[inline]
    pub fn query(&mut self, count: usize, admitted: &Admitted) {
        match admitted.rewritten_text() {
            None => self.0.pass(count),
            Some(text) => {
                self.0.drop(count);
                frontend::put_query(self.0.insert(), text.as_bytes());
            }
        }
    }

    /// The next `count` bytes are the message `parse`.
    #[inline]
    pub fn parse(&mut self, count: usize, parse: Parse<'_>, admitted: &Admitted) {
        match admitted.rewritten_text() {
            None => self.0.pass(count),
            Some(text) => {
                self.0.drop(count);
                frontend::put_parse(self.0.insert(), Parse { text: text.as_bytes(), ..parse });
            }
        }
    }

    /// The next `count` bytes are the beginning of a Parse that is too large to be read whole.
    pub fn parse_unread(&mut self, count: usize, admitted: &Admitted) {
        match admitted.rewritten_text() {
            None => self.0.pass(count),
            // Nobody can have rewritten what nobody has read.
            Some(_) => self.poison(count, Poison::NamedParse),
        }
    }

    /// Fails where the server has no prepared statement of that name.
    pub fn look_for_statement(&mut self, name: &[u8]) {
        frontend::put_describe_statement(self.0.insert(), name);
    }

    /// Prepares a statement again, under its old name: `parse` holds the client's own text.
    pub fn prepare_again(&mut self, parse: Parse<'_>, admitted: &Admitted) {
        let out = self.0.insert();
        if !parse.name.is_empty() {
            frontend::put_close_statement(out, parse.name);
        }
        let text = admitted.rewritten_text().map_or(parse.text, str::as_bytes);
        frontend::put_parse(out, Parse { text, ..parse });
    }

    /// The next `count` bytes are refused.
    pub fn poison(&mut self, count: usize, poison: Poison) {
        self.0.drop(count);
        let name: &[u8] = match poison {
            Poison::Query => return frontend::put_query(self.0.insert(), POISON),
            Poison::FunctionCall => return frontend::put_call_of_nothing(self.0.insert()),
            Poison::UnnamedParse => b"",
            Poison::NamedParse => POISON_NAME,
        };
        frontend::put_parse(self.0.insert(), Parse { name, text: POISON, types: b"" });
    }

    /// Asks the server for its effective search path.
    pub fn ask_search_path(&mut self) {
        frontend::put_query(self.0.insert(), SEARCH_PATH_QUESTION);
    }

    /// Asks for `lock_timeout` as well, and gives one.
    pub fn ask_lock_timeout(&mut self, gift: Option<Gift>) {
        frontend::put_query(self.0.insert(), &question_with_lock_timeout(gift));
    }

    /// Takes back a `lock_timeout` that we have given, unless it has become another one since.
    pub fn take_back_lock_timeout(&mut self, given: &str) {
        let text = format!(
            "SELECT pg_catalog.set_config('lock_timeout', '0', false) \
             WHERE pg_catalog.current_setting('lock_timeout') OPERATOR(pg_catalog.=) '{given}'"
        );
        frontend::put_query(self.0.insert(), text.as_bytes());
    }

    /// Asks for the path in the middle of a batch, without ending it and without touching anything that the client has made.
    pub fn ask_search_path_within_batch(&mut self) {
        self.ask_within_batch(SEARCH_PATH_QUESTION);
    }

    /// The same for `lock_timeout` as well.
    pub fn ask_lock_timeout_within_batch(&mut self, gift: Option<Gift>) {
        self.ask_within_batch(&question_with_lock_timeout(gift));
    }

    fn ask_within_batch(&mut self, text: &[u8]) {
        let out = self.0.insert();
        frontend::put_parse(out, Parse { name: QUESTION_NAME, text, types: b"" });
        frontend::put_bind(out, QUESTION_NAME, QUESTION_NAME);
        frontend::put_execute(out, QUESTION_NAME);
        frontend::put_close_portal(out, QUESTION_NAME);
        frontend::put_close_statement(out, QUESTION_NAME);
        frontend::put_flush(out);
    }

    /// Bytes consumed, and the last run of them that is still to be sent.
    pub fn finish(self) -> (usize, &'a [u8]) {
        self.0.finish()
    }
}

/// Proof that the beginning of a message was passed: held while its body streams by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begun(());

impl Begun {
    /// The rest of a message that [`Outbox`] let begin.
    pub(super) const fn after_header() -> Self {
        Self(())
    }
}

/// Ends the server's session in a client's place.
pub fn put_terminate(out: &mut BytesMut) {
    frontend::put_terminate(out);
}

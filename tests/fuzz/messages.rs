//! Messages of both sides, made from a few texts and names that have something to do with each other.

use bolero::TypeGenerator;
use bytes::{BufMut, BytesMut};
use pgcovenant::wire::frame::put;

use crate::table::STATEMENT_LIMIT;

/// Who sends a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    Client,
    Server,
}

/// One message.
#[derive(Debug, Clone, TypeGenerator)]
pub enum Message {
    Query(Text),
    Parse(Name, Text),
    Bind(Name, Name, Vec<u8>),
    Describe(Name),
    DescribePortal(Name),
    Execute(Name),
    Close(Name),
    ClosePortal(Name),
    Sync,
    Flush,
    CopyData(Vec<u8>),
    CopyDone,
    CopyFail,
    FunctionCall(Vec<u8>),
    Ready(Status),
    Complete(Tag),
    Error(Condition),
    Empty(Reply),
    Row(Vec<u8>),
    CopyIn,
    ParameterStatus,
    Notice,
}

#[derive(Debug, Clone, Copy, TypeGenerator)]
pub enum Text {
    One,
    Masked,
    Denied,
    Transaction,
    Path,
    Prepare,
    Execute,
    Cursor,
    Copy,
    Wrong,
    NotUtf8,
    TooLong,
}

#[derive(Debug, Clone, Copy, TypeGenerator)]
pub enum Name {
    Unnamed,
    Short,
    Long,
}

#[derive(Debug, Clone, Copy, TypeGenerator)]
pub enum Status {
    Idle,
    Transaction,
    Failed,
}

#[derive(Debug, Clone, Copy, TypeGenerator)]
pub enum Tag {
    Select,
    DiscardAll,
}

#[derive(Debug, Clone, Copy, TypeGenerator)]
pub enum Condition {
    Syntax,
    Other,
    Fatal,
}

#[derive(Debug, Clone, Copy, TypeGenerator)]
pub enum Reply {
    Parsed,
    Bound,
    Closed,
    NoData,
    Suspended,
    EmptyQuery,
}

impl Text {
    fn bytes(self) -> Vec<u8> {
        match self {
            Self::One => b"SELECT 1".to_vec(),
            Self::Masked => b"SELECT mail FROM customers WHERE id = '7'".to_vec(),
            Self::Denied => b"SELECT ssn FROM customers".to_vec(),
            Self::Transaction => b"BEGIN".to_vec(),
            Self::Path => b"SET search_path = public".to_vec(),
            Self::Prepare => b"PREPARE short AS SELECT mail FROM customers".to_vec(),
            Self::Execute => b"EXECUTE short".to_vec(),
            Self::Cursor => b"FETCH ALL FROM short".to_vec(),
            Self::Copy => b"COPY orders TO STDOUT".to_vec(),
            Self::Wrong => b"SELECT FROM FROM".to_vec(),
            Self::NotUtf8 => b"SELECT '\xff'".to_vec(),
            Self::TooLong => [b"SELECT '", "x".repeat(STATEMENT_LIMIT).as_bytes(), b"'"].concat(),
        }
    }
}

impl Name {
    fn bytes(self) -> Vec<u8> {
        match self {
            Self::Unnamed => Vec::new(),
            Self::Short => b"short".to_vec(),
            Self::Long => b"n".repeat(70),
        }
    }
}

fn counted_value(value: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 1][..], &(value.len() as u32).to_be_bytes(), value].concat()
}

impl Message {
    /// Who sends it, and its bytes.
    pub fn frame(&self) -> (Sender, Vec<u8>) {
        let text = |text: &Text| [text.bytes(), vec![0]].concat();
        let name = |name: &Name| [name.bytes(), vec![0]].concat();
        let (tag, body) = match self {
            Self::Query(sql) => (b'Q', text(sql)),
            Self::Parse(statement, sql) => (b'P', [name(statement), text(sql), vec![0, 0]].concat()),
            Self::Bind(portal, statement, value) => {
                (b'B', [name(portal), name(statement), counted_value(value), vec![0, 0]].concat())
            }
            Self::Describe(statement) => (b'D', [vec![b'S'], name(statement)].concat()),
            Self::DescribePortal(portal) => (b'D', [vec![b'P'], name(portal)].concat()),
            Self::Execute(portal) => (b'E', [name(portal), vec![0; 4]].concat()),
            Self::Close(statement) => (b'C', [vec![b'S'], name(statement)].concat()),
            Self::ClosePortal(portal) => (b'C', [vec![b'P'], name(portal)].concat()),
            Self::Sync => (b'S', Vec::new()),
            Self::Flush => (b'H', Vec::new()),
            Self::CopyData(data) => (b'd', data.clone()),
            Self::CopyDone => (b'c', Vec::new()),
            Self::CopyFail => (b'f', b"no\0".to_vec()),
            Self::FunctionCall(value) => (b'F', [vec![0, 0, 0, 9], counted_value(value), vec![0, 1]].concat()),
            Self::Ready(_)
            | Self::Complete(_)
            | Self::Error(_)
            | Self::Empty(_)
            | Self::Row(_)
            | Self::CopyIn
            | Self::ParameterStatus
            | Self::Notice => return (Sender::Server, self.reply()),
        };
        (Sender::Client, framed(tag, &body))
    }

    fn reply(&self) -> Vec<u8> {
        match self {
            Self::Ready(Status::Idle) => framed(b'Z', b"I"),
            Self::Ready(Status::Transaction) => framed(b'Z', b"T"),
            Self::Ready(Status::Failed) => framed(b'Z', b"E"),
            Self::Complete(Tag::Select) => framed(b'C', b"SELECT 3\0"),
            Self::Complete(Tag::DiscardAll) => framed(b'C', b"DISCARD ALL\0"),
            Self::Error(Condition::Syntax) => framed(b'E', b"SERROR\0VERROR\0C42601\0Msyntax error\0P1\0\0"),
            Self::Error(Condition::Other) => framed(b'E', b"SERROR\0VERROR\0C22012\0Mdivision by zero\0\0"),
            Self::Error(Condition::Fatal) => framed(b'E', b"SFATAL\0VFATAL\0C57P01\0Mgone\0\0"),
            Self::Empty(Reply::Parsed) => framed(b'1', b""),
            Self::Empty(Reply::Bound) => framed(b'2', b""),
            Self::Empty(Reply::Closed) => framed(b'3', b""),
            Self::Empty(Reply::NoData) => framed(b'n', b""),
            Self::Empty(Reply::Suspended) => framed(b's', b""),
            Self::Empty(Reply::EmptyQuery) => framed(b'I', b""),
            Self::Row(value) => framed(b'D', &counted_value(value)[2..]),
            Self::CopyIn => framed(b'G', b"\0\0\0"),
            Self::ParameterStatus => framed(b'S', b"TimeZone\0UTC\0"),
            _ => framed(b'N', b"SNOTICE\0VNOTICE\0C00000\0Mhello\0\0"),
        }
    }
}

pub fn framed(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    put(&mut out, tag, |out| out.put_slice(body));
    out.to_vec()
}

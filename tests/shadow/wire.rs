//! A session of which every byte is kept, and what is read out of these bytes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::support::raw;

/// One message: its type and body.
pub type Message = (u8, Vec<u8>);

/// A session.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    /// What came at the login, or since the last `take`.
    pub received: Vec<Message>,
    /// The other side has closed the connection, or does not answer.
    pub closed: bool,
}

/// What a statement gave, read out of its messages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// Name, type and modifier of each column of each result.
    pub columns: Vec<(String, u32, i32)>,
    /// Rows, as they came.
    pub rows: Vec<Vec<u8>>,
    /// Command tags.
    pub tags: Vec<String>,
    /// SQLSTATE, and message with detail, of the first error.
    pub error: Option<(String, String)>,
}

impl Wire {
    /// Logs in without password; an error is kept as a message, and the session is closed then.
    pub fn connect(port: u16, parameters: &[(&str, &str)]) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("cannot connect");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("timeout");
        stream.set_nodelay(true).expect("nodelay");
        let mut wire = Self { stream, received: Vec::new(), closed: false };
        wire.send(&raw::startup(parameters));
        wire.listen();
        wire
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: &[u8]) {
        self.closed |= self.stream.write_all(bytes).is_err();
    }

    /// Reads until the server waits: for a request, or for the data of a COPY.
    pub fn listen(&mut self) {
        while !self.closed {
            match self.message() {
                Some(message) => {
                    let kind = message.0;
                    self.received.push(message);
                    if matches!(kind, b'Z' | b'G' | b'W') {
                        return;
                    }
                }
                None => self.closed = true,
            }
        }
    }

    /// Reads until nothing comes for a moment.
    pub fn listen_for(&mut self, moment: Duration) {
        self.stream.set_read_timeout(Some(moment)).expect("timeout");
        while let Some(message) = self.message() {
            self.received.push(message);
        }
        self.stream.set_read_timeout(Some(Duration::from_secs(10))).expect("timeout");
    }

    fn message(&mut self) -> Option<Message> {
        let mut head = [0; 5];
        self.stream.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize - 4;
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).ok()?;
        Some((head[0], body))
    }

    /// Whether the server waits for the data of a COPY.
    pub fn is_copying(&self) -> bool {
        !self.closed && matches!(self.received.last(), Some((b'G' | b'W', _)))
    }

    /// Takes what has come.
    pub fn take(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.received)
    }

    /// Sends frames that end in one ReadyForQuery and returns the answer.
    pub fn ask(&mut self, frames: &[u8]) -> (Answer, Vec<Message>) {
        self.received.clear();
        self.send(frames);
        self.listen();
        if self.is_copying() {
            self.send(&raw::copy_fail("no"));
            self.listen();
        }
        let messages = self.take();
        (Answer::of(&messages), messages)
    }

    /// Runs a text in the simple protocol.
    pub fn simple(&mut self, sql: &str) -> Answer {
        self.ask(&raw::query(sql)).0
    }

    /// The values of the rows of a text that must not fail, as text.
    pub fn values(&mut self, sql: &str) -> Vec<Vec<Option<String>>> {
        let answer = self.simple(sql);
        assert_eq!(answer.error, None, "{sql}");
        answer.rows.iter().map(|row| fields(row)).collect()
    }
}

/// The values of a DataRow.
pub fn fields(body: &[u8]) -> Vec<Option<String>> {
    let raw = raw_fields(body).into_iter();
    raw.map(|field| field.map(|bytes| String::from_utf8_lossy(bytes).into_owned())).collect()
}

/// The values of a DataRow as bytes.
pub fn raw_fields(body: &[u8]) -> Vec<Option<&[u8]>> {
    let count = u16::from_be_bytes([body[0], body[1]]);
    let mut at = 2;
    let mut found = Vec::new();
    for _ in 0..count {
        let length = i32::from_be_bytes([body[at], body[at + 1], body[at + 2], body[at + 3]]);
        at += 4;
        match usize::try_from(length) {
            Ok(length) => {
                found.push(Some(&body[at..at + length]));
                at += length;
            }
            Err(_) => found.push(None),
        }
    }
    found
}

/// A field of an ErrorResponse or NoticeResponse.
pub fn field(body: &[u8], letter: u8) -> Option<String> {
    let fields = body.split(|byte| *byte == 0).filter(|part| part.first() == Some(&letter));
    fields.map(|part| String::from_utf8_lossy(&part[1..]).into_owned()).next()
}

impl Answer {
    /// What the messages say.
    pub fn of(messages: &[Message]) -> Self {
        let mut answer = Self::default();
        for (kind, body) in messages {
            match kind {
                b'T' => answer.columns.extend(columns(body)),
                b'D' | b'd' => answer.rows.push(body.clone()),
                b'C' => answer.tags.push(String::from_utf8_lossy(body).trim_end_matches('\0').to_owned()),
                b'E' if answer.error.is_none() => {
                    let detail = field(body, b'D').map(|detail| format!(" ({detail})")).unwrap_or_default();
                    answer.error = Some((field(body, b'C').unwrap(), field(body, b'M').unwrap() + &detail));
                }
                _ => {}
            }
        }
        answer
    }

    /// The SQLSTATE of the first error.
    pub fn sqlstate(&self) -> Option<&str> {
        self.error.as_ref().map(|(code, _)| &**code)
    }
}

fn columns(body: &[u8]) -> Vec<(String, u32, i32)> {
    let mut at = 2;
    let mut found = Vec::new();
    while at < body.len() {
        let length = body[at..].iter().position(|byte| *byte == 0).expect("a name ends");
        let name = String::from_utf8_lossy(&body[at..at + length]).into_owned();
        let number = |from: usize| u32::from_be_bytes(body[from..from + 4].try_into().unwrap());
        at += length + 1;
        // Table, number in it, type, length, modifier, format.
        found.push((name, number(at + 6), number(at + 12).cast_signed()));
        at += 18;
    }
    found
}

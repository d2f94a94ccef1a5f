//! A client that speaks the protocol message by message, for what drivers hide: order, status byte, skipped messages.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A connection past its login.
#[derive(Debug)]
pub struct Raw {
    stream: TcpStream,
    /// Process id and secret of BackendKeyData.
    pub key: Vec<u8>,
    /// ParameterStatus messages of the login.
    pub parameters: Vec<String>,
}

/// One message of the server, as text: the type letter, and what tells it from others of its type.
pub type Trace = Vec<String>;

impl Raw {
    /// Logs in without password.
    pub fn connect(port: u16, user: &str, database: &str) -> Self {
        Self::connect_with(port, &[("user", user), ("database", database)])
    }

    /// Logs in without password, with these startup parameters.
    pub fn connect_with(port: u16, parameters: &[(&str, &str)]) -> Self {
        Self::log_in(port, parameters).unwrap_or_else(|refused| panic!("login failed: {refused}"))
    }

    /// Logs in without password, or returns the fields of the error.
    pub fn try_connect(port: u16, user: &str, database: &str) -> Result<Self, String> {
        Self::log_in(port, &[("user", user), ("database", database)])
    }

    fn log_in(port: u16, parameters: &[(&str, &str)]) -> Result<Self, String> {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("cannot connect");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("timeout");
        stream.set_nodelay(true).expect("nodelay");
        let mut raw = Self { stream, key: Vec::new(), parameters: Vec::new() };
        raw.write(&startup(parameters));
        loop {
            let (kind, body) = raw.message();
            match kind {
                b'K' => raw.key = body,
                b'S' => raw.parameters.push(text(&body).join("=")),
                b'Z' => return Ok(raw),
                b'E' => return Err(format!("{:?}", text(&body))),
                _ => {}
            }
        }
    }

    /// Sends bytes.
    pub fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("write");
    }

    /// Sends bytes to a server that may have closed the connection already.
    pub fn write_if_open(&mut self, bytes: &[u8]) {
        // Whether it has is seen by reading.
        let _ = self.stream.write_all(bytes);
    }

    /// Sends frames in one write and returns what comes until the given number of ReadyForQuery.
    pub fn exchange(&mut self, frames: &[Vec<u8>], ready: usize) -> Trace {
        self.write(&frames.concat());
        self.until_ready(ready)
    }

    /// What comes until the given number of ReadyForQuery.
    pub fn until_ready(&mut self, mut ready: usize) -> Trace {
        let mut trace = Trace::new();
        while ready > 0 {
            let (kind, body) = self.message();
            ready -= usize::from(kind == b'Z');
            trace.push(describe(kind, &body));
        }
        trace
    }

    /// What is essential of what comes before ReadyForQuery, notices left out.
    pub fn essentials(&mut self, essence: impl Fn(u8, &[u8]) -> String) -> Trace {
        let mut trace = Trace::new();
        loop {
            match self.message() {
                (b'Z', _) => return trace,
                (b'N', _) => {}
                (kind, body) => trace.push(essence(kind, &body)),
            }
        }
    }

    /// What comes until a message of this type, it included.
    pub fn until(&mut self, last: u8) -> Trace {
        let mut trace = Trace::new();
        loop {
            let (kind, body) = self.message();
            trace.push(describe(kind, &body));
            if kind == last {
                return trace;
            }
        }
    }

    /// One message: its type and body.
    pub fn message(&mut self) -> (u8, Vec<u8>) {
        self.next().expect("the server has closed the connection, or does not answer")
    }

    /// The next message; none when the server has closed the connection.
    pub fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 5];
        self.stream.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize - 4;
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).expect("a message is cut short");
        Some((head[0], body))
    }

    /// Another handle on the same connection, to write while somebody reads.
    pub fn stream(&self) -> TcpStream {
        self.stream.try_clone().expect("a second handle")
    }

    /// Closes the half of the connection that goes to the server.
    pub fn stop_speaking(&self) {
        self.stream.shutdown(std::net::Shutdown::Write).expect("shutdown");
    }

    /// Whether the server closes the connection next.
    pub fn is_closed(&mut self) -> bool {
        let mut byte = [0; 1];
        matches!(self.stream.read(&mut byte), Ok(0))
    }
}

/// A startup packet of protocol 3.0.
pub fn startup(parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = 196_608_u32.to_be_bytes().to_vec();
    for (name, value) in parameters {
        body.extend(name.bytes().chain([0]).chain(value.bytes()).chain([0]));
    }
    body.push(0);
    let mut packet = (body.len() as u32 + 4).to_be_bytes().to_vec();
    packet.extend(body);
    packet
}

/// Any message.
pub fn frame(kind: u8, body: Vec<u8>) -> Vec<u8> {
    let mut whole = vec![kind];
    whole.extend((body.len() as u32 + 4).to_be_bytes());
    whole.extend(body);
    whole
}

fn strings(values: &[&str]) -> Vec<u8> {
    values.iter().flat_map(|value| value.bytes().chain([0])).collect()
}

/// Query.
pub fn query(sql: &str) -> Vec<u8> {
    frame(b'Q', strings(&[sql]))
}

/// Parse without parameter types.
pub fn parse(name: &str, sql: &str) -> Vec<u8> {
    let mut body = strings(&[name, sql]);
    body.extend([0, 0]);
    frame(b'P', body)
}

/// Parse with declared parameter types.
pub fn parse_typed(name: &str, sql: &str, types: &[u32]) -> Vec<u8> {
    let mut body = strings(&[name, sql]);
    body.extend(u16::try_from(types.len()).unwrap().to_be_bytes());
    body.extend(types.iter().flat_map(|oid| oid.to_be_bytes()));
    frame(b'P', body)
}

/// Bind without parameters, text results.
pub fn bind(portal: &str, statement: &str) -> Vec<u8> {
    let mut body = strings(&[portal, statement]);
    body.extend([0; 6]);
    frame(b'B', body)
}

/// Bind with parameters and formats (0 text, 1 binary).
pub fn bind_with(portal: &str, statement: &str, formats: &[u16], values: &[Option<&[u8]>], results: &[u16]) -> Vec<u8> {
    let mut body = strings(&[portal, statement]);
    body.extend(counted(formats));
    body.extend(arguments(values));
    body.extend(counted(results));
    frame(b'B', body)
}

fn counted(codes: &[u16]) -> Vec<u8> {
    let count = u16::try_from(codes.len()).unwrap();
    [count].iter().chain(codes).flat_map(|code| code.to_be_bytes()).collect()
}

fn arguments(values: &[Option<&[u8]>]) -> Vec<u8> {
    let mut body = u16::try_from(values.len()).unwrap().to_be_bytes().to_vec();
    for value in values {
        match value {
            None => body.extend((-1_i32).to_be_bytes()),
            Some(value) => {
                body.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
                body.extend_from_slice(value);
            }
        }
    }
    body
}

/// Describe a statement (`S`) or portal (`P`).
pub fn describe_of(what: u8, name: &str) -> Vec<u8> {
    frame(b'D', [vec![what], strings(&[name])].concat())
}

/// Close a statement (`S`) or portal (`P`).
pub fn close(what: u8, name: &str) -> Vec<u8> {
    frame(b'C', [vec![what], strings(&[name])].concat())
}

/// Execute; zero rows means all.
pub fn execute(portal: &str, rows: u32) -> Vec<u8> {
    frame(b'E', [strings(&[portal]), rows.to_be_bytes().to_vec()].concat())
}

/// Sync.
pub fn sync() -> Vec<u8> {
    frame(b'S', Vec::new())
}

/// Flush.
pub fn flush() -> Vec<u8> {
    frame(b'H', Vec::new())
}

/// CopyData.
pub fn copy_data(data: &str) -> Vec<u8> {
    frame(b'd', data.as_bytes().to_vec())
}

/// CopyDone.
pub fn copy_done() -> Vec<u8> {
    frame(b'c', Vec::new())
}

/// CopyFail.
pub fn copy_fail(reason: &str) -> Vec<u8> {
    frame(b'f', strings(&[reason]))
}

/// FunctionCall of a function without arguments.
pub fn function_call(oid: u32) -> Vec<u8> {
    frame(b'F', [oid.to_be_bytes().to_vec(), vec![0; 6]].concat())
}

/// FunctionCall with arguments and a result in binary.
pub fn function_call_with(oid: u32, values: &[Option<&[u8]>]) -> Vec<u8> {
    frame(b'F', [oid.to_be_bytes().to_vec(), counted(&[1]), arguments(values), vec![0, 1]].concat())
}

/// Parse, Bind, Describe and Execute of one text, unnamed.
pub fn extended(sql: &str) -> Vec<u8> {
    [parse("", sql), bind("", ""), describe_of(b'P', ""), execute("", 0)].concat()
}

fn text(body: &[u8]) -> Vec<String> {
    body.split(|byte| *byte == 0)
        .filter(|part| !part.is_empty())
        .map(|part| String::from_utf8_lossy(part).into_owned())
        .collect()
}

/// What tells a message from others of its type.
pub fn describe(kind: u8, body: &[u8]) -> String {
    let letter = char::from(kind);
    match kind {
        b'E' | b'N' => {
            let code = text(body).into_iter().find_map(|field| field.strip_prefix('C').map(str::to_owned));
            format!("{letter} {}", code.unwrap_or_default())
        }
        b'C' | b'Z' | b'S' => format!("{letter} {}", text(body).join("=")),
        b'D' | b'd' | b'A' => format!("{letter} {}", printable(body)),
        b'T' => format!("T {}", body.len()),
        _ => letter.to_string(),
    }
}

fn printable(body: &[u8]) -> String {
    body.iter().map(|byte| if (32..127).contains(byte) { char::from(*byte) } else { '.' }).collect()
}

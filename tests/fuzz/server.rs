//! A server that answers as PostgreSQL would, as far as the order of messages goes; when it fails is decided from
//! outside.

use pgcovenant::wire::frame;

use crate::messages::framed;

/// Reads what the proxy sends, and answers.
pub struct Server<'d> {
    /// Whether the next request fails: not if zero.
    decisions: std::iter::Cycle<std::slice::Iter<'d, u8>>,
    read: usize,
    skipping: bool,
    status: u8,
}

impl<'d> Server<'d> {
    pub fn new(decisions: &'d [u8]) -> Self {
        let decisions = if decisions.is_empty() { &[0] } else { decisions };
        Self { decisions: decisions.iter().cycle(), read: 0, skipping: false, status: b'I' }
    }

    /// The answers to the whole messages that it has not answered yet, of everything that was ever sent to it.
    pub fn answers(&mut self, sent: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        while let Ok(Some(frame)) = frame::cut(&sent[self.read..]) {
            self.read += frame.bytes.len();
            if frame.tag == b'S' {
                self.skipping = false;
                out.extend(self.ready());
            } else if !self.skipping {
                out.extend(self.answer(frame.tag, frame.body));
            }
        }
        out
    }

    fn ready(&self) -> Vec<u8> {
        framed(b'Z', &[self.status])
    }

    fn error(&mut self, sqlstate: &str) -> Vec<u8> {
        if self.status == b'T' {
            self.status = b'E';
        }
        framed(b'E', format!("SERROR\0VERROR\0C{sqlstate}\0Mfailed\0P1\0\0").as_bytes())
    }

    fn answer(&mut self, tag: u8, body: &[u8]) -> Vec<u8> {
        let holds = |part: &[u8]| body.windows(part.len()).any(|window| window == part);
        let fails = self.decisions.next().is_some_and(|decision| decision % 5 == 1);
        match tag {
            b'Q' | b'F' if holds(b"pgcovenant refused") || holds(b"FROM FROM") || body == [0; 10] => {
                let code = if tag == b'Q' { "42601" } else { "42883" };
                [self.error(code), self.ready()].concat()
            }
            b'Q' if holds(b"current_schemas") => {
                let path = br#"["pg_catalog","public"]"#;
                let row = [&[0, 1, 0, 0, 0, path.len() as u8][..], path].concat();
                [framed(b'T', b"\0\0"), framed(b'D', &row), framed(b'C', b"SELECT 1\0"), self.ready()].concat()
            }
            b'Q' | b'F' if fails => [self.error("22012"), self.ready()].concat(),
            b'Q' => {
                if holds(b"BEGIN") {
                    self.status = b'T';
                }
                [framed(b'D', b"\0\x01\0\0\0\x01x"), framed(b'C', b"SELECT 1\0"), self.ready()].concat()
            }
            b'F' => [framed(b'V', b"\xff\xff\xff\xff"), self.ready()].concat(),
            b'P' if holds(b"pgcovenant refused") || holds(b"FROM FROM") => {
                self.skipping = true;
                self.error("42601")
            }
            b'P' | b'B' | b'D' | b'E' if fails => {
                self.skipping = true;
                self.error("26000")
            }
            b'P' => framed(b'1', b""),
            b'B' => framed(b'2', b""),
            b'D' => framed(b'n', b""),
            b'E' if body.len().is_multiple_of(2) => framed(b's', b""),
            b'E' => framed(b'C', b"SELECT 1\0"),
            b'C' => framed(b'3', b""),
            _ => Vec::new(),
        }
    }
}

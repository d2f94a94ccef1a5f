//! Moves the bytes of one session: one future polls both directions, without a channel between them.
//!
//! Buffers belong to the thread while bytes are moved, so that an idle session holds none. Whatever cannot be written at
//! once, or is not complete yet, is copied into buffers of the session, and nothing more is read from the side that
//! caused it until they are empty again.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;
use tokio::time::Sleep;

use super::auth::Accepted;
use super::client_side::Stop;
use super::judge::Judge;
use super::outbox::{self, Outbox};
use super::session::{Conversation, Fatal};
use super::shared::Phase;
use super::splice::Splice;
use super::stream::Stream;
use super::workers::Seat;
use crate::observe::sessions::Live;
use crate::wire::backend::Status;

/// Read at once.
const SCRATCH: usize = 32 * 1024;

/// Local answers that a client does not fetch, beyond which nothing more is read from it.
const MAX_UNFETCHED: usize = 256 * 1024;

/// Replies that are due, beyond which nothing more is read from the client. The server sends what it has to say at the
/// latest when its own buffer is full, so that the number always falls again.
const MAX_DUE: usize = 16 * 1024;

/// How long a session may go on while both sides keep it busy before the others on its thread have their turn: texts
/// that were never seen before take the engine long.
const TURN: Duration = Duration::from_millis(2);

/// One request makes so many rounds at most; only what lasts longer is worth looking at the clock.
const SHORT_TURN: u32 = 4;

/// How long the server may go on with what it is doing for a client that has gone without a good-bye. Short statements
/// end as they would without us; what takes longer is cancelled, since nobody waits for it.
const GRACE: Duration = Duration::from_secs(1);

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH]);
}

/// One end and what waits to be written to it.
#[derive(Debug)]
struct Side {
    stream: Stream,
    /// Read, but not dealt with: an incomplete message.
    unread: BytesMut,
    /// Dealt with, but not written.
    unsent: BytesMut,
    /// TLS holds records back.
    flush_due: bool,
    /// Nothing more will come.
    ended: bool,
}

impl Side {
    fn new(stream: Stream, unread: BytesMut) -> Self {
        Self { stream, unread, unsent: BytesMut::new(), flush_due: false, ended: false }
    }

    /// Writes `unsent` and then `run`; what does not go now is kept.
    fn send(&mut self, run: &[u8], cx: &mut Context<'_>) -> io::Result<()> {
        let mut run = run;
        if self.unsent.is_empty() {
            while !run.is_empty() {
                match Pin::new(&mut self.stream).poll_write(cx, run) {
                    Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                    Poll::Ready(Ok(written)) => {
                        self.flush_due = true;
                        run = run.get(written..).unwrap_or_default();
                    }
                    Poll::Ready(Err(error)) => return Err(error),
                    Poll::Pending => break,
                }
            }
        }
        if !run.is_empty() {
            self.unsent.extend_from_slice(run);
        }
        match self.poll_drain(cx) {
            Poll::Ready(result) => result,
            // The rest goes later.
            Poll::Pending => Ok(()),
        }
    }

    /// Writes what waits; ready when nothing does.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.unsent))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.flush_due = true;
            self.unsent.advance(written);
        }
        if self.unsent.capacity() > 0 {
            self.unsent = BytesMut::new();
        }
        if self.flush_due {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.flush_due = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Reads into the thread's buffer.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Not at all: it should go on on another thread.
    Moves,
    /// In the ordinary way, by either side.
    Closed,
    /// The client went away while the server was at work.
    ClientLost,
    /// We ended it.
    Ended,
}

/// A session under way.
#[derive(Debug)]
pub struct Relay<J> {
    client: Side,
    server: Side,
    conversation: Conversation<J>,
    /// The client's bytes wait for the server.
    waits: bool,
    /// The client's bytes wait for the other sessions on the thread.
    yields: bool,
    /// The client was not asked for bytes when it was last looked at.
    client_held: bool,
    /// The client has said good-bye.
    finished: bool,
    /// Runs while the server is at work for a client that went away without a good-bye.
    grace: Option<Pin<Box<Sleep>>>,
    /// The end of the client's bytes has been passed to the server.
    end_passed: bool,
    /// The server takes nothing any more, but may have something left to say.
    server_deaf: bool,
    draining: bool,
    /// Nothing is read any more: what waits for the client is written, and then it is over.
    closing: bool,
}

impl<J: Judge> Relay<J> {
    /// Takes over the connections; the greeting goes to the client first.
    pub fn new(accepted: Accepted, conversation: Conversation<J>) -> Self {
        let (client, from_client) = accepted.client.into_parts();
        let (server, from_server) = accepted.server.into_parts();
        let mut client = Side::new(client, from_client);
        client.unsent = accepted.greeting;
        Self {
            client,
            server: Side::new(server, from_server),
            conversation,
            waits: false,
            yields: false,
            client_held: false,
            finished: false,
            grace: None,
            end_passed: false,
            server_deaf: false,
            draining: false,
            closing: false,
        }
    }

    /// Tells there what the session is doing.
    pub fn follow(&mut self, live: Option<Arc<Live>>) {
        self.conversation.pulse.follow(live);
    }

    /// Moves the sockets to the thread that this is called on.
    ///
    /// # Errors
    /// The system has no descriptor left.
    pub fn move_here(&mut self) -> io::Result<()> {
        self.client.stream.move_here()?;
        self.server.stream.move_here()
    }

    /// Relays until either side is gone, the process drains, or the session should sit elsewhere.
    pub async fn run(&mut self, seat: &mut Seat, phase: &mut watch::Receiver<Phase>) -> End {
        loop {
            tokio::select! {
                biased;
                end = poll_fn(|cx| self.poll(seat, cx)) => return end,
                changed = phase.changed() => if changed.is_err() { return End::Ended },
            }
            let now = *phase.borrow_and_update();
            match now {
                Phase::Serving => {}
                Phase::Draining => self.draining = true,
                Phase::Stopping => {
                    self.end_with(&shutting_down());
                    // Once, for what the socket takes without waiting.
                    poll_fn(|cx| Poll::Ready(self.poll(seat, cx).is_ready())).await;
                    return End::Ended;
                }
            }
        }
    }

    fn poll(&mut self, seat: &mut Seat, cx: &mut Context<'_>) -> Poll<End> {
        let polled = BUFFER.with_borrow_mut(|buffer| self.poll_with(cx, buffer));
        if seat.taken_up() && polled.is_pending() { Poll::Ready(End::Moves) } else { polled }
    }

    fn poll_with(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<End> {
        let (mut client_due, mut server_due) = (true, true);
        let mut rounds = 0_u32;
        let mut began = None;
        while client_due || server_due {
            rounds += 1;
            if rounds > SHORT_TURN && began.get_or_insert_with(Instant::now).elapsed() > TURN {
                // Unlike a plain wake-up this has the sockets of the others looked at first; it is never ready at once.
                let _ = pin!(tokio::task::yield_now()).poll(cx);
                break;
            }
            let from_client = if client_due { self.pump_client(cx, buffer) } else { Ok(Pumped::Nothing) };
            let from_server = if server_due { self.pump_server(cx, buffer) } else { Ok(Pumped::Nothing) };
            match (from_client, from_server) {
                (Err(Broken::Client), _) | (_, Err(Broken::Client)) => {
                    return Poll::Ready(if self.conversation.dialogue.quiet() { End::Closed } else { End::ClientLost });
                }
                (_, Err(Broken::Server)) => self.closing = true,
                (Err(Broken::Server), Ok(_)) => self.server_deaf = true,
                (Ok(client), Ok(server)) => {
                    // What one direction does concerns the other only if that was held up, or has something to fetch.
                    client_due = client == Pumped::Bytes || (server == Pumped::Bytes && self.client_held);
                    server_due = server == Pumped::Bytes || (client == Pumped::Bytes && !self.client.unsent.is_empty());
                }
            }
        }
        if self.draining && !self.closing && self.is_idle() {
            self.end_with(&shutting_down());
        }
        if self.closing {
            // Both are courtesies: the session is over whether they succeed or not.
            let _ = self.server.poll_drain(cx);
            let sent = ready!(self.client.poll_drain(cx));
            if sent.is_ok() {
                let _ = Pin::new(&mut self.client.stream).poll_shutdown(cx);
            }
            return Poll::Ready(if self.draining { End::Ended } else { End::Closed });
        }
        self.poll_grace(cx)
    }

    /// Ready when a client that went away is not waited for any longer.
    fn poll_grace(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        if !self.client.ended || self.finished || self.conversation.dialogue.quiet() {
            return Poll::Pending;
        }
        let grace = self.grace.get_or_insert_with(|| Box::pin(tokio::time::sleep(GRACE)));
        grace.as_mut().poll(cx).map(|()| End::ClientLost)
    }

    fn is_idle(&self) -> bool {
        self.conversation.dialogue.quiet()
            && self.conversation.dialogue.status == Status::Idle
            && self.client.unread.is_empty()
    }

    /// Tells the client why, says good-bye to the server, and stops.
    fn end_with(&mut self, fatal: &Fatal) {
        fatal.put(&mut self.client.unsent);
        outbox::put_terminate(&mut self.server.unsent);
        self.closing = true;
    }

    /// Client to server.
    fn pump_client(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Result<Pumped, Broken> {
        self.client_held = true;
        if self.closing || self.server_deaf {
            return Ok(Pumped::Nothing);
        }
        match self.server.poll_drain(cx) {
            Poll::Pending => return Ok(Pumped::Nothing),
            Poll::Ready(result) => result.map_err(|_| Broken::Server)?,
        }
        if self.client.ended {
            self.pass_end(cx);
            return Ok(Pumped::Nothing);
        }
        if let Some(learning) = &mut self.conversation.learning {
            if learning.0.as_mut().poll(cx).is_pending() {
                return Ok(Pumped::Nothing);
            }
            self.conversation.learning = None;
            self.unread_client_bytes(cx)?;
            return Ok(Pumped::Bytes);
        }
        let busy = self.client.unsent.len() > MAX_UNFETCHED || self.conversation.dialogue.due() > MAX_DUE;
        if self.waits || busy {
            return Ok(Pumped::Nothing);
        }
        self.client_held = false;
        if std::mem::take(&mut self.yields) {
            self.unread_client_bytes(cx)?;
            return Ok(Pumped::Bytes);
        }
        let count = match self.client.poll_read(cx, buffer) {
            Poll::Pending => return Ok(Pumped::Nothing),
            Poll::Ready(result) => result.map_err(|_| Broken::Client)?,
        };
        if count == 0 {
            self.client.ended = true;
            return Ok(Pumped::Bytes);
        }
        let input = buffer.get(..count).unwrap_or_default();
        if self.client.unread.is_empty() {
            let consumed = self.client_bytes(input, cx)?;
            self.client.unread.extend_from_slice(input.get(consumed..).unwrap_or_default());
        } else {
            self.client.unread.extend_from_slice(input);
            self.unread_client_bytes(cx)?;
        }
        Ok(Pumped::Bytes)
    }

    /// The end of the client's bytes is passed on as what it is: the server finishes what it is at, as it would without us.
    fn pass_end(&mut self, cx: &mut Context<'_>) {
        if !self.end_passed && !self.waits && Pin::new(&mut self.server.stream).poll_shutdown(cx).is_ready() {
            self.end_passed = true;
        }
    }

    fn unread_client_bytes(&mut self, cx: &mut Context<'_>) -> Result<(), Broken> {
        let mut input = std::mem::take(&mut self.client.unread);
        let consumed = self.client_bytes(&input, cx)?;
        input.advance(consumed);
        if !input.is_empty() {
            self.client.unread = input;
        }
        Ok(())
    }

    fn client_bytes(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<usize, Broken> {
        let mut outbox = Outbox::new(input, &mut self.server.unsent);
        let stop = self.conversation.from_client(&mut outbox, &mut self.client.unsent);
        let (consumed, run) = outbox.finish();
        self.waits = stop == Ok(Stop::Waits);
        self.yields = stop == Ok(Stop::Yields);
        self.server.send(run, cx).map_err(|_| Broken::Server)?;
        match stop {
            Ok(Stop::NeedsMore | Stop::Waits | Stop::Yields | Stop::Learns) => Ok(consumed),
            Ok(Stop::Finished) => {
                self.finished = true;
                self.client.ended = true;
                // Whatever follows a good-bye is nobody's.
                Ok(input.len())
            }
            Err(fatal) => {
                self.end_with(&fatal);
                Ok(input.len())
            }
        }
    }

    /// Server to client.
    fn pump_server(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Result<Pumped, Broken> {
        // The client may speak again once it has fetched what was waiting for it.
        let fetched = if self.client.unsent.len() > MAX_UNFETCHED { Pumped::Bytes } else { Pumped::Nothing };
        match self.client.poll_drain(cx) {
            Poll::Pending => return Ok(Pumped::Nothing),
            Poll::Ready(result) => result.map_err(|_| Broken::Client)?,
        }
        if self.closing {
            return Ok(Pumped::Nothing);
        }
        let count = match self.server.poll_read(cx, buffer) {
            Poll::Pending => return Ok(fetched),
            Poll::Ready(result) => result.map_err(|_| Broken::Server)?,
        };
        if count == 0 {
            return Err(Broken::Server);
        }
        let input = buffer.get(..count).unwrap_or_default();
        if self.server.unread.is_empty() {
            let consumed = self.server_bytes(input, cx)?;
            self.server.unread.extend_from_slice(input.get(consumed..).unwrap_or_default());
        } else {
            self.server.unread.extend_from_slice(input);
            let mut input = std::mem::take(&mut self.server.unread);
            let consumed = self.server_bytes(&input, cx)?;
            input.advance(consumed);
            if !input.is_empty() {
                self.server.unread = input;
            }
        }
        if self.waits && !self.closing {
            self.waits = false;
            self.unread_client_bytes(cx)?;
        }
        Ok(Pumped::Bytes)
    }

    fn server_bytes(&mut self, input: &[u8], cx: &mut Context<'_>) -> Result<usize, Broken> {
        let mut splice = Splice::new(input, &mut self.client.unsent);
        let result = self.conversation.from_server(&mut splice);
        let (consumed, run) = splice.finish();
        self.client.send(run, cx).map_err(|_| Broken::Client)?;
        match result {
            Ok(()) => Ok(consumed),
            Err(fatal) => {
                self.end_with(&fatal);
                Ok(input.len())
            }
        }
    }
}

/// What one look at one direction has achieved.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pumped {
    /// Bytes, or their end: there may be more.
    Bytes,
    /// The next event will say.
    Nothing,
}

/// Which connection is gone.
enum Broken {
    Client,
    Server,
}

fn shutting_down() -> Fatal {
    Fatal::new("57P01", "terminating connection due to administrator command")
}

//! What the client says: every message is passed on, judged first, or replaced by poison. The extended protocol is in
//! `statements`. No I/O.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::extended::{Expected, Kind};
use super::judge::{Judge, Judged, timed};
use super::outbox::{Begun, Harmless, Outbox, Poison};
use super::session::{Conversation, Fatal, put_refusal};
use crate::engine::check::Protocol;
use crate::engine::refusal::Refusal;
use crate::engine::unreadable::Unreadable;
use crate::engine::verdict::Verdict;
use crate::observe::event::{Bound, TraceParent};
use crate::wire::backend::Status;
use crate::wire::body::Malformed;
use crate::wire::frame::{self, HEADER, Header};
use crate::wire::frontend;
use crate::wire::response;
use crate::wire::values::Values;

/// Names longer than this belong to nobody: PostgreSQL cuts them at 63 bytes or keeps them for one statement.
const MAX_SMALL_MESSAGE: usize = 64 * 1024;

/// Texts that are judged before other sessions have their turn.
const JUDGED_AT_ONCE: u32 = 16;

/// Rest of a message whose beginning has been dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Streaming {
    /// The next byte begins a message.
    Nothing,
    /// So many bytes go to the server.
    Pass(Begun, usize),
    /// The same, as far as they are the values that they claim to be.
    Values(Begun, usize, Values),
    /// So many bytes are left out.
    Drop(usize),
}

/// Why the walk over the client's bytes stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The next message is not there in full.
    NeedsMore,
    /// Go on when the server has said something.
    Waits,
    /// Go on when the other sessions on the thread have had their turn: judging takes time.
    Yields,
    /// Go on when the catalog has been read.
    Learns,
    /// The client has said good-bye.
    Finished,
}

/// How to go on within the walk.
pub(super) enum Step {
    Next,
    Stop(Stop),
}

impl<J: Judge> Conversation<J> {
    /// Deals with the client's bytes as far as they go; local answers are appended to `to_client`.
    ///
    /// # Errors
    /// The session has to end.
    pub fn from_client(&mut self, outbox: &mut Outbox<'_, '_>, to_client: &mut BytesMut) -> Result<Stop, Fatal> {
        self.moment = None;
        self.judged = 0;
        let stop = self.walk(outbox, to_client);
        self.tells_begin();
        stop
    }

    fn walk(&mut self, outbox: &mut Outbox<'_, '_>, to_client: &mut BytesMut) -> Result<Stop, Fatal> {
        loop {
            match self.client_body {
                Streaming::Nothing => {}
                Streaming::Pass(begun, left) => {
                    let now = left.min(outbox.rest().len());
                    outbox.pass_body(begun, now);
                    self.client_body =
                        if now == left { Streaming::Nothing } else { Streaming::Pass(begun, left - now) };
                }
                Streaming::Values(begun, left, mut values) => {
                    let now = left.min(outbox.rest().len());
                    values.follow(outbox.rest().get(..now).unwrap_or_default()).map_err(malformed)?;
                    outbox.pass_body(begun, now);
                    self.client_body =
                        if now == left { Streaming::Nothing } else { Streaming::Values(begun, left - now, values) };
                }
                Streaming::Drop(left) => {
                    let now = left.min(outbox.rest().len());
                    outbox.drop(now);
                    self.client_body = if now == left { Streaming::Nothing } else { Streaming::Drop(left - now) };
                }
            }
            let header = match Header::read(outbox.rest()) {
                Ok(Some(header)) if self.client_body == Streaming::Nothing => header,
                Ok(_) => return Ok(Stop::NeedsMore),
                Err(error) => return Err(Fatal::protocol(error.to_string())),
            };
            if self.judged >= JUDGED_AT_ONCE {
                return Ok(Stop::Yields);
            }
            match self.client_message(header, outbox, to_client)? {
                Step::Next => {}
                Step::Stop(stop) => return Ok(stop),
            }
        }
    }

    fn client_message(
        &mut self,
        header: Header,
        outbox: &mut Outbox<'_, '_>,
        to_client: &mut BytesMut,
    ) -> Result<Step, Fatal> {
        if self.dialogue.copy_in && matches!(header.tag, b'Q' | b'P' | b'B' | b'D' | b'E' | b'C' | b'F') {
            let message = format!("unexpected message type 0x{:02X} during COPY from stdin", header.tag);
            return Err(Fatal::protocol(message));
        }
        if matches!(header.tag, b'S' | b'H' | b'c' | b'X') && header.body > 0 {
            return Err(malformed(Malformed));
        }
        if matches!(header.tag, b'Q' | b'P' | b'B' | b'D' | b'E' | b'C' | b'F')
            && let Some(stop) = self.take_back(outbox)
        {
            return Ok(Step::Stop(stop));
        }
        match header.tag {
            b'Q' => self.query(header, outbox, to_client),
            b'P' => self.parse(header, outbox),
            b'B' => self.bind(header, outbox),
            b'D' | b'C' => self.describe_or_close(header, outbox),
            b'E' => self.execute(header, outbox),
            b'F' => self.function_call(header, outbox, to_client),
            b'S' => {
                self.dialogue.sync();
                self.path_may_revert();
                Ok(self.stream(header, outbox, Harmless::Sync))
            }
            b'H' => Ok(self.stream(header, outbox, Harmless::Flush)),
            b'd' => Ok(self.stream(header, outbox, Harmless::CopyData)),
            b'c' => {
                self.dialogue.copy_end();
                Ok(self.stream(header, outbox, Harmless::CopyDone))
            }
            b'f' => {
                let Some(body) = small(header, outbox)? else { return Ok(Step::Stop(Stop::NeedsMore)) };
                frontend::copy_fail(body).map_err(malformed)?;
                self.dialogue.copy_end();
                Ok(self.stream(header, outbox, Harmless::CopyFail))
            }
            b'X' => {
                self.stream(header, outbox, Harmless::Terminate);
                Ok(Step::Stop(Stop::Finished))
            }
            other => Err(Fatal::protocol(format!("invalid frontend message type {other}"))),
        }
    }

    /// Passes what is there of a message, and the rest as it comes.
    pub(super) fn stream(&mut self, header: Header, outbox: &mut Outbox<'_, '_>, kind: Harmless) -> Step {
        let now = header.total().min(outbox.rest().len());
        outbox.pass(kind, now);
        self.streams_on(header, now)
    }

    pub(super) fn streams_on(&mut self, header: Header, now: usize) -> Step {
        if now < header.total() {
            self.client_body = Streaming::Pass(Begun::after_header(), header.total() - now);
        }
        Step::Next
    }

    pub(super) fn values_stream_on(&mut self, header: Header, now: usize, values: Values) -> Step {
        if now < header.total() {
            self.client_body = Streaming::Values(Begun::after_header(), header.total() - now, values);
        }
        Step::Next
    }

    /// Replaces a message by poison, now and as the rest of it comes.
    pub(super) fn poison(&mut self, header: Header, outbox: &mut Outbox<'_, '_>, poison: Poison) -> Step {
        let now = header.total().min(outbox.rest().len());
        outbox.poison(now, poison);
        if now < header.total() {
            self.client_body = Streaming::Drop(header.total() - now);
        }
        Step::Next
    }

    fn query(&mut self, header: Header, outbox: &mut Outbox<'_, '_>, to_client: &mut BytesMut) -> Result<Step, Fatal> {
        let limit = self.judge.statement_limit();
        let whole = if header.body as usize > limit.saturating_add(1) { None } else { Some(whole(header, outbox)) };
        let text = match whole {
            Some(None) => return Ok(Step::Stop(Stop::NeedsMore)),
            Some(Some(body)) => Some(frontend::query(body).map_err(malformed)?),
            None => None,
        };
        self.refresh()?;
        if let Some(stop) = self.path_is_due(outbox) {
            return Ok(Step::Stop(stop));
        }
        let (verdict, checked_in, now) = self.judge_text(text, Protocol::Simple);
        if let Some(stop) = self.path_matters(&verdict, Protocol::Simple, outbox) {
            return Ok(Step::Stop(stop));
        }
        if let Some(stop) = self.session_matters(&verdict, Protocol::Simple, outbox) {
            return Ok(Step::Stop(stop));
        }
        if let Some(stop) = self.must_learn(&verdict) {
            return Ok(Step::Stop(stop));
        }
        let parent = text.and_then(|text| self.judge.parent_of(text));
        match verdict {
            Verdict::Admit(admitted) => {
                let judged = Judged::new(&admitted, self.judge.epoch(), checked_in).within(parent);
                if let Some(text) = text {
                    self.offer_sample(&judged, text, None);
                }
                self.will_run(&judged.report);
                self.path_may_revert();
                self.dialogue.expect_query(Expected::judged(Kind::Query, judged, now));
                let there = header.total().min(outbox.rest().len());
                outbox.query(there, &admitted);
                Ok(self.streams_on(header, there))
            }
            Verdict::Refuse(refusal) => {
                Ok(self.refuse_simple(header, outbox, to_client, (refusal, checked_in, parent)))
            }
        }
    }

    fn function_call(
        &mut self,
        header: Header,
        outbox: &mut Outbox<'_, '_>,
        to_client: &mut BytesMut,
    ) -> Result<Step, Fatal> {
        let mut values = Values::of_call(header.body as usize);
        values.follow(body_so_far(header, outbox)).map_err(malformed)?;
        self.refresh()?;
        let (verdict, checked_in, now) = timed(|| self.judge.function_call());
        match verdict {
            Verdict::Admit(admitted) => {
                let judged = Judged::new(&admitted, self.judge.epoch(), checked_in);
                self.tells(&judged.report);
                self.forget_known();
                self.dialogue.batch_open = false;
                self.dialogue.expect(Expected::judged(Kind::FunctionCall, judged, now));
                let there = header.total().min(outbox.rest().len());
                outbox.query(there, &admitted);
                Ok(self.values_stream_on(header, there, values))
            }
            Verdict::Refuse(refusal) => Ok(self.refuse_simple(header, outbox, to_client, (refusal, checked_in, None))),
        }
    }

    /// Refuses a Query or FunctionCall: here and now if nothing else is going on, through the server otherwise.
    fn refuse_simple(
        &mut self,
        header: Header,
        outbox: &mut Outbox<'_, '_>,
        to_client: &mut BytesMut,
        (refusal, checked_in, parent): (Refusal, Duration, Option<Arc<TraceParent>>),
    ) -> Step {
        self.judge.refused(&refusal, checked_in, parent);
        self.tells(&refusal.report);
        self.forget_known();
        let is_query = header.tag == b'Q';
        let server_is_unaffected = !is_query || self.dialogue.statement(b"").is_none();
        if self.dialogue.quiet() && self.dialogue.status == Status::Idle && server_is_unaffected {
            put_refusal(to_client, &refusal);
            response::put_ready(to_client, Status::Idle);
            let now = header.total().min(outbox.rest().len());
            outbox.drop(now);
            if now < header.total() {
                self.client_body = Streaming::Drop(header.total() - now);
            }
            return Step::Next;
        }
        if is_query {
            self.dialogue.expect_query(Expected::refused(Kind::Query, refusal));
            return self.poison(header, outbox, Poison::Query);
        }
        self.dialogue.batch_open = false;
        self.dialogue.expect(Expected::refused(Kind::FunctionCall, refusal));
        self.poison(header, outbox, Poison::FunctionCall)
    }

    pub(super) fn judge_text(&mut self, text: Option<&[u8]>, protocol: Protocol) -> (Verdict, Duration, Instant) {
        let mut timed = timed(|| match text.map(std::str::from_utf8) {
            None => self.judge.unreadable(Unreadable::TooLarge { limit: self.judge.statement_limit() }),
            Some(Err(_)) => self.judge.unreadable(Unreadable::NotUtf8),
            Some(Ok(sql)) => match self.judge_along_path(sql, protocol) {
                Verdict::Admit(admitted) => match self.uses_what_is_stale(sql, &admitted) {
                    Some(refusal) => Verdict::Refuse(refusal),
                    None => Verdict::Admit(admitted),
                },
                refused @ Verdict::Refuse(_) => refused,
            },
        });
        self.completed(&mut timed.0, protocol);
        self.moment = Some(timed.2);
        self.judged += 1;
        timed
    }

    /// What a text runs by a name is as if it said that itself. In the extended protocol that is found out when it runs: until
    /// then the name may come to stand for something else.
    fn completed(&mut self, verdict: &mut Verdict, protocol: Protocol) {
        let Verdict::Admit(admitted) = verdict else { return };
        let Some(completed) = self.in_sql.completed(&admitted.report, &self.dialogue) else { return };
        if let Some(refusal) = self.judge.unaudited(&completed) {
            *verdict = Verdict::Refuse(refusal);
        } else if protocol == Protocol::Simple {
            admitted.report = completed;
        }
    }

    /// The path holds for the whole text, unless a statement in the middle of it ends the transaction that had set it.
    fn judge_along_path(&self, sql: &str, protocol: Protocol) -> Verdict {
        let known = self.known.as_ref().filter(|_| !self.judge.governed());
        let path = known.map(|known| &known.path).or(self.path.as_ref());
        let has_lock_timeout = known.is_some_and(|known| known.has_lock_timeout);
        let verdict = self.judge.text(sql, protocol, path, has_lock_timeout);
        match &verdict {
            Verdict::Admit(admitted) if self.path_ends_within(&admitted.report) => {
                self.judge.text(sql, protocol, None, has_lock_timeout)
            }
            Verdict::Admit(_) | Verdict::Refuse(_) => verdict,
        }
    }

    /// Hands a text that is about to run to whoever wants to look at it more closely.
    #[inline]
    pub(super) fn offer_sample(&self, judged: &Judged, text: &[u8], bound: Option<(&[u8], &[u8])>) {
        if !self.judge.wants_sample(&judged.report) {
            return;
        }
        let sent = judged.sent_text().or_else(|| std::str::from_utf8(text).ok());
        if let Some(sent) = sent {
            let bound = bound.map(|(types, values)| Bound { types: types.into(), values: values.into() });
            self.judge.sample(&judged.report, sent, bound, self.path.as_ref());
        }
    }

    /// The time, as of the first question for it since bytes came: they are dealt with faster than a clock is worth.
    pub(super) fn now(&mut self) -> Instant {
        *self.moment.get_or_insert_with(Instant::now)
    }
}

/// The body of a message that must be there in full.
pub(super) fn whole<'a>(header: Header, outbox: &Outbox<'a, '_>) -> Option<&'a [u8]> {
    frame::cut(outbox.rest()).ok().flatten().filter(|frame| frame.bytes.len() == header.total()).map(|frame| frame.body)
}

/// The same for a message that holds little more than a name.
pub(super) fn small<'a>(header: Header, outbox: &Outbox<'a, '_>) -> Result<Option<&'a [u8]>, Fatal> {
    if header.total() > MAX_SMALL_MESSAGE {
        return Err(malformed(Malformed));
    }
    Ok(whole(header, outbox))
}

pub(super) fn body_so_far<'a>(header: Header, outbox: &Outbox<'a, '_>) -> &'a [u8] {
    let rest = outbox.rest();
    rest.get(HEADER..header.total().min(rest.len())).unwrap_or_default()
}

/// The names at the front of a large message are not there yet, or never will be.
pub(super) fn names_may_come(header: Header, outbox: &Outbox<'_, '_>, error: Malformed) -> Result<Step, Fatal> {
    let there = body_so_far(header, outbox).len();
    if there < header.body as usize && there < MAX_SMALL_MESSAGE {
        return Ok(Step::Stop(Stop::NeedsMore));
    }
    Err(malformed(error))
}

pub(super) fn malformed(_: Malformed) -> Fatal {
    Fatal::protocol("invalid message format")
}

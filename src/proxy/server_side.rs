//! What the server says: headers are scanned, and only what decides something is looked into. No I/O.

use bytes::BytesMut;

use super::extended::{Expected, Kind};
use super::judge::Judge;
use super::outbox;
use super::session::{Conversation, Fatal, Known, put_cautions, put_refusal};
use super::splice::Splice;
use crate::engine::refusal::{Refusal, SqlState};
use crate::engine::report::Nameable;
use crate::model::catalog::{Oid, SearchPath};
use crate::model::temporary::{SCHEMA, TemporaryColumn, TemporaryRelation};
use crate::wire::backend::{self, Fields};
use crate::wire::frame::{self, Frame, FrameError, HEADER, Header};
use crate::wire::response::{self, Text};

/// SQLSTATE of what is sent in a transaction that has failed.
const IN_FAILED_TRANSACTION: &[u8; 5] = b"25P02";

/// The largest message that is collected to be looked into.
const MAX_COLLECTED: usize = 64 << 20;

/// An error of which only the beginning is looked into: its SQLSTATE stands there.
const LONG_ERROR: usize = 8 * 1024;

/// Whether the server has said anything before the session began that a governed client would hear otherwise.
pub fn greeting_may_tell(greeting: &[u8]) -> bool {
    let mut rest = greeting;
    while let Ok(Some(frame)) = frame::cut(rest) {
        if matches!(frame.tag, b'N' | b'E') && response::may_tell(frame.body) {
            return true;
        }
        rest = rest.get(frame.bytes.len()..).unwrap_or_default();
    }
    !rest.is_empty()
}

/// The greeting of a governed session: notices that functions raised during login are left out, and of an error that ended
/// it the client hears what it may hear of any.
///
/// # Errors
/// It does not consist of whole messages.
pub fn governed_greeting(greeting: &[u8]) -> Result<BytesMut, FrameError> {
    let mut kept = BytesMut::with_capacity(greeting.len());
    let mut rest = greeting;
    while let Some(frame) = frame::cut(rest)? {
        match frame.tag {
            b'N' if !response::notice_is_safe(frame.body) => {}
            b'N' | b'E' => response::put_sanitised(&mut kept, frame.tag, frame.body, Text::AsSent),
            _ => kept.extend_from_slice(frame.bytes),
        }
        rest = rest.get(frame.bytes.len()..).unwrap_or_default();
    }
    Ok(kept)
}

/// The answer to our question for where the session looks names up.
#[derive(serde::Deserialize)]
struct Surroundings {
    /// Schemas that are searched.
    path: Vec<Box<str>>,
    /// The temporary schema of the session, if it has one.
    own: Option<Box<str>>,
    /// What that holds.
    temporary: Option<Vec<Temporary>>,
    /// `lock_timeout`, where that was asked for.
    lock_timeout: Option<Box<str>>,
    /// What it has been set to by us.
    given: Option<Box<str>>,
}

#[derive(serde::Deserialize)]
struct Temporary {
    name: Box<str>,
    kind: char,
    columns: Option<Vec<TypedName>>,
}

#[derive(serde::Deserialize)]
struct TypedName {
    name: Box<str>,
    /// An oid, which JSON has as text.
    #[serde(rename = "type")]
    ty: Box<str>,
}

impl TypedName {
    fn column(self) -> TemporaryColumn {
        TemporaryColumn { name: self.name, ty: Oid(self.ty.parse().unwrap_or_default()) }
    }
}

impl Surroundings {
    fn path(self) -> SearchPath {
        let own = self.own.as_deref();
        let schemas = self.path.iter().map(|schema| if own == Some(&**schema) { SCHEMA } else { schema });
        let relations = self.temporary.unwrap_or_default().into_iter().map(|found| TemporaryRelation {
            name: found.name,
            sequence: found.kind == 'S',
            columns: found.columns.into_iter().flatten().map(TypedName::column).collect(),
        });
        SearchPath::new(schemas).with_temporary(relations.collect())
    }
}

impl<J: Judge> Conversation<J> {
    /// Deals with the server's bytes as far as they go.
    ///
    /// # Errors
    /// The session has to end.
    pub fn from_server(&mut self, splice: &mut Splice<'_, '_>) -> Result<(), Fatal> {
        self.moment = None;
        loop {
            if self.server_body > 0 {
                let now = self.server_body.min(splice.rest().len());
                splice.pass(now);
                self.server_body -= now;
                if self.server_body > 0 {
                    return Ok(());
                }
            }
            let header = match Header::read(splice.rest()) {
                Ok(Some(header)) => header,
                Ok(None) => return Ok(()),
                Err(error) => return Err(Fatal::protocol(error.to_string())),
            };
            if !self.looked_into(header.tag) {
                self.announced(header.tag, splice)?;
                let now = header.total().min(splice.rest().len());
                splice.pass(now);
                self.server_body = header.total() - now;
                continue;
            }
            if header.tag == b'E' && header.total() > LONG_ERROR && !self.judge.governed() {
                if splice.rest().len() < LONG_ERROR {
                    return Ok(());
                }
                self.long_error(header, splice);
                continue;
            }
            if header.total() > MAX_COLLECTED {
                return Err(Fatal::new("54000", "server message is too large to be checked"));
            }
            let Ok(Some(frame)) = frame::cut(splice.rest()) else { return Ok(()) };
            self.server_message(frame, splice)?;
        }
    }

    /// Whether the body of such a message decides anything.
    #[inline]
    fn looked_into(&mut self, tag: u8) -> bool {
        match tag {
            b'E' | b'C' | b'Z' | b'S' => true,
            b'N' | b'A' => self.judge.governed(),
            b'T' | b't' | b'n' | b'D' | b'1' | b'2' | b'3' => self.ours_in_front(),
            _ => false,
        }
    }

    /// Whether the reply that has come belongs to a message of our own.
    fn ours_in_front(&mut self) -> bool {
        self.dialogue.forget_copy_ends();
        match self.dialogue.front_kind() {
            Some(
                Kind::Question
                | Kind::QuestionWithin
                | Kind::ParseAgain
                | Kind::BindOurs
                | Kind::DescribeOurs
                | Kind::CloseAgain
                | Kind::TakingBack,
            ) => true,
            Some(
                Kind::Query
                | Kind::FunctionCall
                | Kind::Parse
                | Kind::Bind
                | Kind::Describe
                | Kind::Execute
                | Kind::Close
                | Kind::Sync
                | Kind::CopyEnd,
            )
            | None => false,
        }
    }

    /// A message came whose kind alone says what there is to know.
    #[inline]
    fn announced(&mut self, tag: u8, splice: &mut Splice<'_, '_>) -> Result<(), Fatal> {
        match tag {
            b'D' | b'd' => return Ok(()),
            b'1' => {
                self.dialogue.forget_copy_ends();
                if self.dialogue.front_kind() == Some(Kind::Parse) {
                    self.warn(splice);
                    self.dialogue.pop();
                }
            }
            b'2' => self.confirm(Kind::Bind),
            b'3' => self.confirm(Kind::Close),
            b'T' | b'n' => self.confirm(Kind::Describe),
            b's' => {
                self.warn(splice);
                self.executed(0);
            }
            b'I' => {
                if self.dialogue.front_kind() == Some(Kind::Query) {
                    self.warn(splice);
                } else {
                    self.executed(0);
                }
            }
            b'G' => {
                self.dialogue.forget_copy_ends();
                if !self.dialogue.copy_begins() {
                    return Err(Fatal::protocol("unexpected message during COPY from stdin"));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn confirm(&mut self, kind: Kind) {
        self.dialogue.forget_copy_ends();
        if self.dialogue.front_kind() == Some(kind) {
            self.dialogue.pop();
        }
    }

    fn executed(&mut self, rows: u64) {
        self.dialogue.forget_copy_ends();
        if self.dialogue.front_kind() == Some(Kind::Execute) {
            self.dialogue.copy_in = false;
            if let Some(mut expected) = self.dialogue.pop() {
                expected.rows = rows;
                let now = self.now();
                expected.report(&self.judge, now);
                self.made_in_sql(&expected);
            }
        }
    }

    /// What a text has made in SQL is known once it is over.
    fn made_in_sql(&mut self, expected: &Expected) {
        if let Some(judged) = &expected.judged {
            self.in_sql.over(&judged.report, expected.sqlstate.is_none(), self.dialogue.nothing_runs());
        }
    }

    /// Puts the warnings of the entry in front before what comes next.
    fn warn(&mut self, splice: &mut Splice<'_, '_>) {
        let Some(expected) = self.dialogue.front() else { return };
        let Some(judged) = &expected.judged else { return };
        let cautions = !judged.report.cautions.is_empty() && !std::mem::replace(&mut expected.cautioned, true);
        if cautions || !judged.report.notices.is_empty() {
            let report = std::sync::Arc::clone(&judged.report);
            self.put_notices(&report, splice.insert());
            if cautions {
                put_cautions(&report, splice.insert());
            }
        }
    }

    fn server_message(&mut self, frame: Frame<'_>, splice: &mut Splice<'_, '_>) -> Result<(), Fatal> {
        let length = frame.bytes.len();
        match frame.tag {
            b'Z' => return self.ready(frame, splice),
            b'E' => self.error(frame, splice),
            b'C' => self.complete(frame, splice),
            b'S' => {
                if let Ok((name, value)) = backend::parameter_status(frame.body) {
                    self.pins.note(name, value);
                    if name == b"search_path" && self.judge.governed() {
                        self.path = None;
                    }
                    self.check_pins()?;
                }
                splice.pass(length);
            }
            b'N' => {
                splice.drop(length);
                if response::notice_is_safe(frame.body) {
                    response::put_sanitised(splice.insert(), b'N', frame.body, self.text_in_front(frame.body));
                }
            }
            b'D' if self.dialogue.front_kind() == Some(Kind::TakingBack) => splice.drop(length),
            b'D' => {
                self.answer(frame.body)?;
                splice.drop(length);
            }
            b'1' | b'2' | b'3' => {
                self.dialogue.pop();
                splice.drop(length);
            }
            b'T' | b'n' if self.dialogue.front_kind() == Some(Kind::DescribeOurs) => {
                self.dialogue.pop();
                splice.drop(length);
            }
            // RowDescription of our question; NotificationResponse, which can carry what anybody put into it.
            _ => splice.drop(length),
        }
        Ok(())
    }

    /// Which text an error or a notice is about.
    fn text_in_front(&mut self, body: &[u8]) -> Text {
        match self.dialogue.front().and_then(|expected| expected.sent_instead()) {
            None => Text::AsSent,
            Some(sent) => Text::Rewritten {
                position: Fields::new(body).position().and_then(|position| sent.client_position(position)),
            },
        }
    }

    /// The answer to our question.
    fn answer(&mut self, body: &[u8]) -> Result<(), Fatal> {
        let answer: Option<Surroundings> =
            backend::single_column(body).ok().flatten().and_then(|json| serde_json::from_slice(json).ok());
        if !self.judge.governed() {
            self.known = answer.map(|answer| {
                let has_lock_timeout =
                    answer.given.is_some() || answer.lock_timeout.as_deref().is_some_and(|time| time != "0");
                self.given = answer.given.clone().filter(|_| !self.gives_locally);
                Known { path: answer.path(), has_lock_timeout }
            });
            return Ok(());
        }
        // Tables, types and functions of the session's own can hold and do anything if no policy was in the way of them.
        let has_own = answer.as_ref().map(|answer| answer.own.is_some());
        if self.was_observed && has_own == Some(true) {
            return Err(Fatal {
                code: "57P01",
                message: "terminating connection because a policy protects columns now".to_owned(),
                hint: Some("The session has temporary objects from before. Connect again."),
            });
        }
        self.was_observed &= has_own.is_none();
        self.path = answer.map(Surroundings::path);
        Ok(())
    }

    fn complete(&mut self, frame: Frame<'_>, splice: &mut Splice<'_, '_>) {
        self.dialogue.forget_copy_ends();
        let tag = backend::command_tag(frame.body);
        match self.dialogue.front_kind() {
            Some(Kind::Question | Kind::TakingBack) => return splice.drop(frame.bytes.len()),
            Some(Kind::QuestionWithin) => {
                self.dialogue.pop();
                self.question_failed |= self.is_without_answer();
                return splice.drop(frame.bytes.len());
            }
            Some(Kind::Query) => {
                self.dialogue.copy_in = false;
                self.warn(splice);
                if let Some(expected) = self.dialogue.front() {
                    expected.rows = expected.rows.saturating_add(backend::rows(tag));
                }
            }
            _ => {
                // One that was prepared before the column was on its way out warns when it runs.
                self.warn(splice);
                self.executed(backend::rows(tag));
            }
        }
        if tag == b"COMMIT" {
            self.tells_commit();
        }
        if tag.starts_with(b"D") && matches!(tag, b"DEALLOCATE ALL" | b"DISCARD ALL") {
            self.dialogue.forget_statements();
            self.prepared_in_sql = None;
            self.in_sql.forget(Nameable::Statement, &self.dialogue);
        }
        if matches!(tag, b"CLOSE CURSOR ALL" | b"DISCARD ALL") {
            self.cursor_in_sql = None;
            self.in_sql.forget(Nameable::Cursor, &self.dialogue);
        }
        splice.pass(frame.bytes.len());
    }

    fn error(&mut self, frame: Frame<'_>, splice: &mut Splice<'_, '_>) {
        let fields = Fields::new(frame.body);
        let sqlstate = fields.sqlstate();
        let ends_session = fields.into_iter().any(|(code, value)| code == b'V' && matches!(value, b"FATAL" | b"PANIC"));
        self.dialogue.forget_copy_ends();
        self.path_may_revert();
        let length = frame.bytes.len();
        let text = self.text_in_front(frame.body);
        let refusal = self.dialogue.front().and_then(|expected| expected.refusal.take());
        // Anything else is the server's own affair: somebody has cancelled, or the transaction had failed before, in which
        // only the grammar comes before that.
        let poisoned = self.dialogue.front_kind().map(outbox::error_of_poison);
        let ours = |refusal: &Refusal| {
            let grammar = refusal.sqlstate == SqlState::SyntaxError;
            sqlstate == poisoned || grammar && sqlstate == Some(*IN_FAILED_TRANSACTION)
        };
        match refusal {
            Some(refusal) if ours(&refusal) => {
                splice.drop(length);
                put_refusal(splice.insert(), &refusal);
            }
            _ if self.dialogue.front_kind() == Some(Kind::Question) && !ends_session => {
                self.question_failed = true;
                splice.drop(length);
            }
            _ if self.dialogue.front_kind() == Some(Kind::TakingBack) && !ends_session => splice.drop(length),
            _ if self.judge.governed() => {
                splice.drop(length);
                response::put_sanitised(splice.insert(), b'E', frame.body, text);
            }
            _ => match text {
                Text::AsSent => splice.pass(length),
                Text::Rewritten { position } => {
                    splice.drop(length);
                    response::put_moved(splice.insert(), b'E', frame.body, position);
                }
            },
        }
        let now = self.now();
        self.dialogue.fail(sqlstate, &self.judge, now);
    }

    /// An error that is too long to be collected, for a client who may see all of it.
    fn long_error(&mut self, header: Header, splice: &mut Splice<'_, '_>) {
        let beginning = splice.rest().get(HEADER..LONG_ERROR).unwrap_or_default();
        let sqlstate = Fields::new(beginning).sqlstate();
        self.dialogue.forget_copy_ends();
        self.path_may_revert();
        let now = header.total().min(splice.rest().len());
        splice.pass(now);
        self.server_body = header.total() - now;
        let now = self.now();
        self.dialogue.fail(sqlstate, &self.judge, now);
    }

    fn ready(&mut self, frame: Frame<'_>, splice: &mut Splice<'_, '_>) -> Result<(), Fatal> {
        let status = backend::ready_for_query(frame.body).map_err(|error| Fatal::protocol(error.to_string()))?;
        if self.dialogue.front_kind() == Some(Kind::Query) {
            self.warn(splice);
        }
        let ended = self.dialogue.ready(status);
        self.tells_ready(status);
        match ended.as_ref().map(|expected| expected.kind) {
            Some(Kind::Question) => {
                self.question_failed |= self.is_without_answer();
                splice.drop(frame.bytes.len());
            }
            Some(Kind::TakingBack) => splice.drop(frame.bytes.len()),
            _ => {
                self.settled(status);
                splice.pass(frame.bytes.len());
            }
        }
        if let Some(expected) = ended {
            let now = self.now();
            expected.report(&self.judge, now);
            self.made_in_sql(&expected);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BufMut;

    fn message(tag: u8, body: &[u8]) -> Vec<u8> {
        let mut out = BytesMut::new();
        frame::put(&mut out, tag, |out| out.put_slice(body));
        out.to_vec()
    }

    #[test]
    fn what_the_server_says_before_a_session_begins_tells_no_values() {
        let plain = message(b'E', b"SFATAL\0VFATAL\0C3D000\0Mdatabase \"x\" does not exist\0\0");
        assert!(!greeting_may_tell(&[message(b'R', &[0; 4]), plain].concat()), "and nobody has to be asked");
        let raised = message(b'E', b"SFATAL\0VFATAL\0CP0001\0Mssn 123\0DKey 123\0WPL/pgSQL function f()\0\0");
        let notice = message(b'N', b"SNOTICE\0VNOTICE\0C00000\0Mssn 123\0WPL/pgSQL function f()\0\0");
        let said = [message(b'R', &[0; 4]), notice, raised].concat();
        assert!(greeting_may_tell(&said));
        let kept = governed_greeting(&said).unwrap();
        assert!(!kept.windows(3).any(|part| part == b"123"));
        assert!(kept.windows(5).any(|part| part == b"P0001"));
    }
}

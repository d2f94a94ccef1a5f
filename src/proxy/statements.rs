//! What the client says in the extended protocol: statements and portals are entered, judged, and run. No I/O.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::again::{Again, Purpose};
use super::client_side::{Step, Stop, body_so_far, malformed, names_may_come, small, whole};
use super::extended::{Expected, Kind, Portal, Statement};
use super::judge::{Judge, Judged};
use super::outbox::{Harmless, Outbox, Poison};
use super::session::{Conversation, Fatal};
use crate::engine::check::Protocol;
use crate::engine::verdict::Verdict;
use crate::wire::frame::Header;
use crate::wire::frontend::{self, Target};

/// Room for names and parameter types around the text of a Parse.
const AROUND_TEXT: usize = 4 * 65_536;

impl<J: Judge> Conversation<J> {
    /// Parse.
    pub(super) fn parse(&mut self, header: Header, outbox: &mut Outbox<'_, '_>) -> Result<Step, Fatal> {
        let limit = self.judge.statement_limit();
        let parse = if header.body as usize > limit.saturating_add(AROUND_TEXT) {
            None
        } else {
            match whole(header, outbox) {
                None => return Ok(Step::Stop(Stop::NeedsMore)),
                Some(body) => Some(frontend::parse(body).map_err(malformed)?),
            }
        };
        let name = match parse {
            Some(parse) => parse.name,
            None => match frontend::parse_name(body_so_far(header, outbox)) {
                Ok(name) => name,
                Err(error) => return names_may_come(header, outbox, error),
            },
        };
        self.refresh()?;
        if let Some(stop) = self.path_is_due(outbox) {
            return Ok(Step::Stop(stop));
        }
        let text = parse.map(|parse| parse.text).filter(|text| text.len() <= limit);
        let (verdict, checked_in, now) = self.judge_text(text, Protocol::Extended);
        if let Some(stop) = self.path_matters(&verdict, Protocol::Extended, outbox) {
            return Ok(Step::Stop(stop));
        }
        if let Some(stop) = self.session_matters(&verdict, Protocol::Extended, outbox) {
            return Ok(Step::Stop(stop));
        }
        if let Some(stop) = self.must_learn(&verdict) {
            return Ok(Step::Stop(stop));
        }
        let verdict = match parse.and_then(|parse| self.judge.parameter_types(parse.types)) {
            Some(refusal) => Verdict::Refuse(refusal),
            None => verdict,
        };
        self.dialogue.batch_open = true;
        let parent = text.and_then(|text| self.judge.parent_of(text));
        match verdict {
            Verdict::Admit(admitted) => {
                let judged = Judged::new(&admitted, self.judge.epoch(), checked_in).within(parent);
                let expected = Expected::judged(Kind::Parse, judged.clone(), now);
                self.tells(&judged.report);
                let Some(parse) = parse else {
                    // Passed unread: what a later Bind refers to is not known.
                    self.prepared_in_sql.get_or_insert(judged.epoch);
                    self.dialogue.prepare(name, None, expected);
                    let there = header.total().min(outbox.rest().len());
                    outbox.parse_unread(there, &admitted);
                    return Ok(self.streams_on(header, there));
                };
                let statement = Statement {
                    text: parse.text.into(),
                    types: parse.types.into(),
                    path: self.governing_path(),
                    judged,
                    reported: AtomicBool::new(false),
                };
                let remembered = self.dialogue.has_room_for(&statement);
                if !remembered {
                    self.prepared_in_sql.get_or_insert(statement.judged.epoch);
                }
                self.dialogue.prepare(name, remembered.then(|| Arc::new(statement)), expected);
                outbox.parse(header.total(), parse, &admitted);
                Ok(Step::Next)
            }
            Verdict::Refuse(refusal) => {
                self.judge.refused(&refusal, checked_in, parent);
                self.tells(&refusal.report);
                self.forget_known();
                self.dialogue.prepare(name, None, Expected::refused(Kind::Parse, refusal));
                let poison = if name.is_empty() { Poison::UnnamedParse } else { Poison::NamedParse };
                Ok(self.poison(header, outbox, poison))
            }
        }
    }

    /// Bind.
    pub(super) fn bind(&mut self, header: Header, outbox: &mut Outbox<'_, '_>) -> Result<Step, Fatal> {
        let names = match frontend::bind_names(body_so_far(header, outbox)) {
            Ok(names) => names,
            Err(error) => return names_may_come(header, outbox, error),
        };
        let values = names.values(body_so_far(header, outbox), header.body as usize).map_err(malformed)?;
        self.refresh()?;
        match self.judge_again(names.statement, Purpose::Run, outbox) {
            Again::Waits(stop) => return Ok(Step::Stop(stop)),
            Again::Refused(refusal) => {
                self.dialogue.batch_open = true;
                self.dialogue.bind(names.portal, None, Expected::refused(Kind::Bind, refusal));
                return Ok(self.poison(header, outbox, Poison::NamedParse));
            }
            Again::Unchanged | Again::Changed => {}
        }
        self.dialogue.batch_open = true;
        let statement = self.dialogue.statement(names.statement).cloned();
        if let Some(statement) = &statement {
            // Values that stream by are not waited for.
            let behind_names = names.portal.len() + names.statement.len() + 2;
            let values = whole(header, outbox).and_then(|body| body.get(behind_names..));
            let bound = values.map(|values| (&*statement.types, values));
            self.offer_sample(&statement.judged, &statement.text, bound);
            self.tells(&statement.judged.report);
        }
        let expected = match &statement {
            Some(statement) => Expected::judged(Kind::Bind, statement.judged.clone(), self.now()),
            None => Expected::plain(Kind::Bind),
        };
        if statement.is_none() {
            self.in_sql.bound(names.statement, names.portal);
        }
        self.dialogue.bind(names.portal, statement.map(|statement| Portal { statement }), expected);
        let there = header.total().min(outbox.rest().len());
        outbox.pass(Harmless::Bind, there);
        Ok(self.values_stream_on(header, there, values))
    }

    /// Describe and Close.
    pub(super) fn describe_or_close(&mut self, header: Header, outbox: &mut Outbox<'_, '_>) -> Result<Step, Fatal> {
        let Some(body) = small(header, outbox)? else { return Ok(Step::Stop(Stop::NeedsMore)) };
        let target = frontend::target(body).map_err(malformed)?;
        if header.tag == b'C' {
            self.dialogue.batch_open = true;
            match target {
                Target::Statement(name) => self.dialogue.prepare(name, None, Expected::plain(Kind::Close)),
                Target::Portal(name) => self.dialogue.bind(name, None, Expected::plain(Kind::Close)),
            }
            return Ok(self.stream(header, outbox, Harmless::Close));
        }
        if let Target::Statement(name) = target {
            self.refresh()?;
            match self.judge_again(name, Purpose::Describe, outbox) {
                Again::Waits(stop) => return Ok(Step::Stop(stop)),
                Again::Refused(refusal) => {
                    self.dialogue.batch_open = true;
                    self.dialogue.expect(Expected::refused(Kind::Describe, refusal));
                    return Ok(self.poison(header, outbox, Poison::NamedParse));
                }
                Again::Unchanged | Again::Changed => {}
            }
        }
        self.dialogue.batch_open = true;
        self.dialogue.expect(Expected::plain(Kind::Describe));
        Ok(self.stream(header, outbox, Harmless::Describe))
    }

    /// Execute.
    pub(super) fn execute(&mut self, header: Header, outbox: &mut Outbox<'_, '_>) -> Result<Step, Fatal> {
        let Some(body) = small(header, outbox)? else { return Ok(Step::Stop(Stop::NeedsMore)) };
        let name = frontend::execute(body).map_err(malformed)?;
        // Bind and Execute of one batch are one statement, and see one snapshot.
        if !self.dialogue.batch_open {
            self.refresh()?;
        }
        let portal = self.dialogue.portal(name).cloned();
        let stale = self.portal_is_stale(portal.as_ref());
        let by_name = match &portal {
            Some(Portal { statement }) => self.in_sql.completed(&statement.judged.report, &self.dialogue),
            None => self.in_sql.portal(name, self.judge.governed()),
        };
        let own = portal.as_ref().map(|portal| &portal.statement.judged.report);
        let unaudited = || self.judge.unaudited(by_name.as_ref().or(own)?);
        if let Some(refusal) = stale.or_else(unaudited) {
            self.judge.refused(&refusal, Duration::ZERO, None);
            self.tells(&refusal.report);
            self.dialogue.batch_open = true;
            self.dialogue.expect(Expected::refused(Kind::Execute, refusal));
            return Ok(self.poison(header, outbox, Poison::NamedParse));
        }
        self.dialogue.batch_open = true;
        let expected = match portal {
            Some(Portal { statement }) => {
                self.will_run(&statement.judged.report);
                let mut judged = statement.judged.clone();
                if statement.reported.swap(true, Ordering::Relaxed) {
                    judged.checked_in = Duration::ZERO;
                    // The text came once: what it says belongs to its first run.
                    judged.parent = None;
                }
                if let Some(by_name) = by_name {
                    judged = judged.touching(by_name);
                }
                Expected::judged(Kind::Execute, judged, self.now())
            }
            None => match by_name {
                Some(by_name) => {
                    let judged = Judged::opened_in_sql(by_name, self.judge.epoch());
                    Expected::judged(Kind::Execute, judged, self.now())
                }
                None => Expected::plain(Kind::Execute),
            },
        };
        self.dialogue.expect(expected);
        self.dialogue.batch_executes = true;
        Ok(self.stream(header, outbox, Harmless::Execute))
    }
}

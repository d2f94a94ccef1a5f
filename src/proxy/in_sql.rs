//! What SQL has prepared and opened in a session, by name: EXECUTE and FETCH touch what PREPARE and DECLARE named, and are
//! recorded so. No I/O.
//!
//! What is forwarded may fail, and what is behind it in the pipeline is judged before that is known. So a name keeps everything
//! that it may stand for until the server has said which it is: too much is recorded rather than too little.

use std::collections::HashMap;
use std::sync::Arc;

use super::extended::Dialogue;
use crate::engine::report::{
    Blind, ByName, ColumnUse, Deed, Nameable, RelationUse, Report, StatementReport, Touched, Touches,
};

/// Names that are told apart in one session. What is made beyond is kept together, and any name may stand for it.
const MAX_NAMES: usize = 4096;

/// Names longer than this mean the same as their beginning, to the server.
const NAME: usize = 63;

/// Candidates for one name that are told apart.
const MAX_CANDIDATES: usize = 16;

/// What a prepared statement or a cursor touches.
#[derive(Debug, Default)]
struct Source {
    relations: Vec<RelationUse>,
    columns: Vec<ColumnUse>,
    uses: Vec<Touched>,
    blind: Blind,
}

/// One that a name may stand for: a statement of a text.
#[derive(Debug, Clone)]
struct Candidate {
    report: Arc<Report>,
    number: usize,
    holds: bool,
}

type Key = (Nameable, Box<[u8]>);

/// What SQL has made in one session: most make nothing, and stay small.
#[derive(Debug, Default)]
pub struct InSql(Option<Box<Made>>);

#[derive(Debug, Default)]
struct Made {
    names: HashMap<Key, Vec<Candidate>, foldhash::fast::RandomState>,
    /// What is beyond the bounds.
    rest: Option<Source>,
    /// The last report that was completed, and how: FETCH comes again and again.
    last: Option<(Arc<Report>, Arc<Report>)>,
}

impl Source {
    /// Adds what is not there yet.
    fn add(&mut self, relations: &[RelationUse], columns: &[ColumnUse], uses: &[Touched], blind: Blind) {
        for relation in relations {
            if !self.relations.contains(relation) {
                self.relations.push(relation.clone());
            }
        }
        for column in columns {
            if !self.columns.contains(column) {
                self.columns.push(column.clone());
            }
        }
        for touched in uses {
            let key = |of: &Touched| (of.relation.oid, of.attnum, of.access, of.via.as_ref().map(|via| via.oid));
            if !self.uses.iter().any(|there| key(there) == key(touched)) {
                self.uses.push(touched.clone());
            }
        }
        self.blind = self.blind.max(blind);
    }

    fn add_statement(&mut self, statement: &StatementReport) {
        let StatementReport { relations, columns, touched, operation: _, fingerprint: _, unanalysed: _ } = statement;
        self.add(relations, columns, &touched.uses, touched.blind);
    }

    fn add_source(&mut self, more: &Self) {
        self.add(&more.relations, &more.columns, &more.uses, more.blind);
    }

    /// The same statement, with what is touched by the name that it runs.
    fn complete(&self, statement: &StatementReport) -> StatementReport {
        let mut all = Self::default();
        all.add_statement(statement);
        all.add_source(self);
        let touched = Touches { uses: all.uses.into(), shape: Arc::clone(&statement.touched.shape), blind: all.blind };
        StatementReport { relations: all.relations, columns: all.columns, touched, ..statement.clone() }
    }
}

impl Candidate {
    fn is(&self, report: &Arc<Report>, number: usize) -> bool {
        Arc::ptr_eq(&self.report, report) && self.number == number
    }

    fn statement(&self) -> Option<&StatementReport> {
        self.report.statements.get(self.number)
    }
}

fn key(what: Nameable, name: &[u8]) -> Key {
    (what, name.get(..NAME).unwrap_or(name).into())
}

impl InSql {
    /// A text is on its way to the server: names may stand for what it makes from now on.
    pub fn forwarded(&mut self, report: &Arc<Report>) {
        if report.by_name.iter().any(|(_, by_name)| matches!(by_name.deed, Deed::Makes { .. })) {
            self.0.get_or_insert_default().forwarded(report);
        }
    }

    /// A text is over. Where it has run to its end, what it has made is what the names stand for; `alone` says that nothing
    /// behind it is on its way.
    pub fn over(&mut self, report: &Arc<Report>, succeeded: bool, alone: bool) {
        // What it has made before it failed is there; DISCARD ALL in it has made us forget it.
        self.forwarded(report);
        if let Some(made) = self.0.as_mut().filter(|_| succeeded) {
            made.succeeded(report, alone);
        }
    }

    /// All of a kind are gone, but for what a text makes that is not over: it may come after that in the same text, or behind it.
    pub fn forget(&mut self, what: Nameable, dialogue: &Dialogue) {
        if let Some(made) = &mut self.0 {
            for (_, candidates) in made.names.iter_mut().filter(|((kind, _), _)| *kind == what) {
                candidates.retain(|candidate| dialogue.is_due(&candidate.report));
            }
            made.last = None;
        }
        self.retain(|_, candidates| !candidates.is_empty());
    }

    /// No transaction is open, and nothing is on its way: cursors are gone but for those WITH HOLD.
    pub fn transaction_is_over(&mut self) {
        let is_held = |candidates: &[Candidate]| candidates.iter().any(|candidate| candidate.holds);
        self.retain(|(what, _), candidates| *what == Nameable::Statement || is_held(candidates));
    }

    fn retain(&mut self, stays: impl Fn(&Key, &[Candidate]) -> bool) {
        let Some(made) = &mut self.0 else { return };
        let before = made.names.len();
        made.names.retain(|key, candidates| stays(key, candidates));
        if made.names.len() < before {
            made.last = None;
        }
        if made.names.is_empty() && made.rest.is_none() {
            self.0 = None;
        }
    }

    /// Bind of what SQL has prepared: the portal stands for the same.
    pub fn bound(&mut self, statement: &[u8], portal: &[u8]) {
        if let Some(made) = &mut self.0 {
            made.bound(statement, portal);
        }
    }

    /// The report of an Execute of a portal that SQL has opened, or that was bound to what SQL has prepared.
    pub fn portal(&self, name: &[u8], governed: bool) -> Option<Arc<Report>> {
        self.0.as_ref()?.portal(name, governed)
    }

    /// The report of a text that is about to run, with what EXECUTE and FETCH in it touch by a name; none where there is
    /// nothing of the kind in it.
    pub fn completed(&mut self, report: &Arc<Report>, dialogue: &Dialogue) -> Option<Arc<Report>> {
        if !report.by_name.iter().any(|(_, by_name)| by_name.deed == Deed::Runs) {
            return None;
        }
        match &mut self.0 {
            Some(made) => Some(made.completed(report, dialogue)),
            // The protocol, or the text itself, may have made it.
            None => Some(Made::default().completed(report, dialogue)),
        }
    }
}

impl Made {
    fn forwarded(&mut self, report: &Arc<Report>) {
        for (number, by_name) in &report.by_name {
            if let Deed::Makes { holds } = by_name.deed {
                let candidate = Candidate { report: Arc::clone(report), number: *number, holds };
                self.enter(key(by_name.what, by_name.name.as_bytes()), candidate);
            }
        }
    }

    fn enter(&mut self, key: Key, candidate: Candidate) {
        self.last = None;
        let full = self.names.len() >= MAX_NAMES && !self.names.contains_key(&key);
        let there = if full { None } else { Some(self.names.entry(key).or_default()) };
        match there {
            Some(there) if there.iter().any(|other| other.is(&candidate.report, candidate.number)) => {}
            Some(there) if there.len() < MAX_CANDIDATES => there.push(candidate),
            Some(_) | None => {
                if let Some(statement) = candidate.statement() {
                    self.rest.get_or_insert_default().add_statement(statement);
                }
            }
        }
    }

    fn succeeded(&mut self, report: &Arc<Report>, alone: bool) {
        for (number, by_name) in &report.by_name {
            let key = key(by_name.what, by_name.name.as_bytes());
            match by_name.deed {
                Deed::Makes { .. } => {
                    let Some(there) = self.names.get_mut(&key) else { continue };
                    let at = there.iter().position(|candidate| candidate.is(report, *number));
                    there.drain(..at.unwrap_or_default());
                }
                Deed::Drops if alone => _ = self.names.remove(&key),
                Deed::Drops | Deed::Runs => {}
            }
        }
    }

    fn bound(&mut self, statement: &[u8], portal: &[u8]) {
        let Some(candidates) = self.names.get(&key(Nameable::Statement, statement)).cloned() else { return };
        let key = key(Nameable::Cursor, portal);
        // Only the unnamed portal can be bound while there is one.
        self.names.remove(&key);
        for candidate in candidates {
            self.enter(key.clone(), Candidate { holds: false, ..candidate });
        }
    }

    fn portal(&self, name: &[u8], governed: bool) -> Option<Arc<Report>> {
        let key = key(Nameable::Cursor, name);
        let made = self.names.get(&key)?.first()?.statement()?;
        let statements = vec![self.known(&key)?.complete(made)];
        Some(Arc::new(Report { statements, governed, ..Report::default() }))
    }

    fn completed(&mut self, report: &Arc<Report>, dialogue: &Dialogue) -> Arc<Report> {
        if let Some((_, completed)) = self.last.as_ref().filter(|(of, _)| Arc::ptr_eq(of, report)) {
            return Arc::clone(completed);
        }
        let mut completed = Report::clone(report);
        let mut lasts = true;
        for (at, (number, by_name)) in report.by_name.iter().enumerate() {
            if let (Deed::Runs, Some(statement)) = (by_name.deed, completed.statements.get_mut(*number)) {
                let mut source = self.known(&key(by_name.what, by_name.name.as_bytes())).unwrap_or_default();
                let earlier = report.by_name.iter().take(at).filter(|(_, earlier)| makes(earlier, by_name));
                earlier
                    .filter_map(|(number, _)| report.statements.get(*number))
                    .for_each(|made| source.add_statement(made));
                if let Some(made) = by_protocol(dialogue, by_name) {
                    source.add_statement(made);
                    lasts = false;
                }
                *statement = source.complete(statement);
            }
        }
        let completed = Arc::new(completed);
        self.last = lasts.then(|| (Arc::clone(report), Arc::clone(&completed)));
        completed
    }

    fn known(&self, key: &Key) -> Option<Source> {
        let candidates = self.names.get(key);
        if candidates.is_none() && self.rest.is_none() {
            return None;
        }
        let mut all = Source::default();
        candidates.into_iter().flatten().filter_map(Candidate::statement).for_each(|made| all.add_statement(made));
        self.rest.iter().for_each(|rest| all.add_source(rest));
        Some(all)
    }
}

fn makes(earlier: &ByName, by_name: &ByName) -> bool {
    matches!(earlier.deed, Deed::Makes { .. }) && (earlier.what, &earlier.name) == (by_name.what, &by_name.name)
}

/// What the protocol has prepared or bound: the server has one space of names for that and for what SQL makes.
fn by_protocol<'d>(dialogue: &'d Dialogue, by_name: &ByName) -> Option<&'d StatementReport> {
    let name = Some(by_name.name.as_bytes()).filter(|name| !name.is_empty())?;
    let prepared = match by_name.what {
        Nameable::Statement => dialogue.statement(name)?,
        Nameable::Cursor => &dialogue.portal(name)?.statement,
    };
    prepared.judged.report.statements.first()
}

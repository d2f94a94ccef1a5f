//! Who uses what: recorded for every statement of every session, and answered from memory.
//!
//! A statement costs one look-up (`hot`): what it touches is spelt out only when that is folded into the counts by day (`pending`),
//! which are what a store gets, and into the ledger ([`book`]), which is what those are told who decide by usage. Folding happens
//! before every flush and before every answer, so an answer knows of the statement before it.

pub mod book;
pub mod flush;
mod hot;
mod pending;
pub mod sqlite;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::event::Event;
use super::handles::Handles;
use super::shapes;
use crate::engine::report::{Access, Blind, StatementReport};
use crate::model::catalog::{Oid, Relation};
use crate::model::consumers::{Consumer, Ledger, Used};
use crate::model::lifecycle::Who;
use crate::model::usage::{Batch, BatchKey};
use crate::policy::subject::Subject;
use book::{Book, Sighting};
use hot::{Cell, Hot};
use pending::{Pending, UseKey};

/// How much is kept in memory.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Counts that wait for the store.
    pub pending: usize,
    /// Consumers that wait for the store.
    pub consumers: usize,
    /// Entries of the ledger.
    pub ledger: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { pending: 100_000, consumers: 10_000, ledger: 300_000 }
    }
}

/// The record of usage of this process.
#[derive(Debug)]
pub struct Usage {
    hot: Hot,
    state: Mutex<State>,
    started: Timestamp,
}

/// What has been folded.
#[derive(Debug)]
struct State {
    pending: Pending,
    /// Uses since the last batch was cut.
    live: Book,
    /// Uses of the batch that is being written.
    flushing: Book,
    /// Uses that the store knows.
    base: Book,
}

impl Default for Usage {
    fn default() -> Self {
        Self::new(Bounds::default())
    }
}

impl Usage {
    /// An empty record.
    pub fn new(bounds: Bounds) -> Self {
        let book = || Book::new(bounds.ledger);
        let state =
            State { pending: Pending::new(bounds), live: book(), flushing: book(), base: Book::new(bounds.ledger) };
        Self { hot: Hot::default(), state: Mutex::new(state), started: Timestamp::now() }
    }

    /// A statement is over.
    #[inline]
    pub fn record(&self, event: &Event) {
        if self.hot.record(event) {
            let mut state = self.state();
            self.hot.drain_own(|cell| spell_out(&mut state, cell));
        }
    }

    /// A session has begun.
    pub fn session_opened(&self, subject: &Subject) {
        self.state().pending.session(day_of(SystemTime::now()), subject);
    }

    /// Counts that wait to be written.
    pub fn waiting(&self) -> usize {
        let mut state = self.state();
        self.fold(&mut state);
        state.pending.len()
    }

    /// How many uses could not be told apart because memory is bounded.
    pub fn merged(&self) -> u64 {
        self.state().pending.merged
    }

    /// Takes what has been counted since the last time. [`Self::settled`] must be called before the next time.
    pub fn cut(&self, key: BatchKey) -> Batch {
        let mut state = self.state();
        self.fold(&mut state);
        let until = Timestamp::now();
        let live = state.live.take();
        state.flushing.merge(live);
        let pending = state.pending.take();
        // Making rows of it takes time, and somebody may be waiting for an answer.
        drop(state);
        Batch { key, from: self.started, until, ..pending.into_batch() }
    }

    /// The last batch is in the store; `known` is what the store knows now, if it was asked.
    pub fn settled(&self, known: Option<Book>) {
        let mut state = self.state();
        let flushed = state.flushing.take();
        match known {
            Some(book) => state.base = book,
            None => state.base.merge(flushed),
        }
    }

    /// When a statement of this shape was first seen, by this process or by an earlier one of the same store; none also where
    /// it touches nothing that is recorded.
    pub fn shape_first_seen(&self, database: &str, statement: &StatementReport) -> Option<Timestamp> {
        let touched = statement.touched.uses.iter().find(|used| used.attnum == 0 && used.access != Access::Ddl)?;
        let (schema, relation) = (&touched.relation.schema, &touched.relation.name);
        let used = Used { database, schema, relation, column: None };
        let state = self.state();
        let books = [&state.base, &state.flushing, &state.live];
        books.iter().filter_map(|book| book.shape_first_seen(used, statement.fingerprint as i64)).min()
    }

    /// What the store knew when this process began.
    pub fn learn(&self, known: Book) {
        self.state().base = known;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fold(&self, state: &mut State) {
        self.hot.drain(|cell| spell_out(state, cell));
    }
}

impl Ledger for Usage {
    fn consumers(&self, used: Used<'_>, since: Timestamp) -> Vec<Consumer> {
        let mut state = self.state();
        self.fold(&mut state);
        book::consumers([&state.base, &state.flushing, &state.live], used, since)
    }

    fn was_known(&self, used: Used<'_>, who: Who<'_>, before: Option<Date>) -> bool {
        let mut state = self.state();
        self.fold(&mut state);
        [&state.base, &state.flushing, &state.live].iter().any(|book| book.was_known(used, who, before))
    }
}

/// The day of a moment, in UTC.
fn day_of(time: SystemTime) -> Date {
    moment(time).to_zoned(TimeZone::UTC).date()
}

fn moment(time: SystemTime) -> Timestamp {
    Timestamp::try_from(time).unwrap_or_default()
}

/// Adds everything that the statements of a cell touch.
fn spell_out(state: &mut State, cell: &Cell) {
    let State { pending, live, .. } = state;
    shape_used(cell);
    let day = day_of(cell.last);
    let subject = &*cell.subject;
    let all = cell.counts.iter().map(|count| count.statements).sum::<u64>();
    let statements = cell.report.statements.len().max(1) as u64;
    pending.statements(day, subject, all.saturating_mul(statements));
    for statement in &cell.report.statements {
        uses(pending, cell, day, statement);
        sightings(live, cell, statement);
        unseen(pending, cell, day, statement);
    }
}

/// Tells the shape of a cell who has used it.
fn shape_used(cell: &Cell) {
    let shape = cell.report.attached.get::<Handles>().and_then(|handles| handles.shape.as_ref());
    if let Some(shape) = shape {
        let [passed, refused] = cell.counts.map(|count| count.statements);
        let used = shapes::Used { calls: passed, refusals: refused };
        shape.used_by(pending::cut(&cell.subject.application), used, moment(cell.last));
    }
}

fn uses(pending: &mut Pending, cell: &Cell, day: Date, statement: &StatementReport) {
    let touched = &statement.touched;
    if touched.uses.is_empty() {
        return;
    }
    let alone = cell.report.statements.len() == 1;
    let consumer = pending.consumer(&cell.subject);
    let shape = pending.shape(statement);
    for used in &*touched.uses {
        let object = pending.object(&cell.subject.database, &used.relation, used.attnum);
        let via = used.via.as_ref().map_or(0, |via| pending.object(&cell.subject.database, via, 0));
        for (refused, count) in [(false, cell.counts[0]), (true, cell.counts[1])] {
            if count.statements > 0 {
                let key = UseKey { day, consumer, object, access: used.access, via, shape, refused };
                let rows = if alone { count.rows } else { 0 };
                pending.add(
                    &cell.subject.database,
                    key,
                    count.statements,
                    rows,
                    (moment(cell.first), moment(cell.last)),
                );
            }
        }
    }
}

/// A statement counts once for a column, however often it names it. One that changes the structure uses nothing: who tries to drop a
/// column is not in its own way.
fn sightings(live: &mut Book, cell: &Cell, statement: &StatementReport) {
    let mut once: HashMap<(Oid, i16), (&Arc<Relation>, bool)> = HashMap::new();
    for used in statement.touched.uses.iter().filter(|used| used.access != Access::Ddl) {
        let by_name = used.access != Access::Star;
        let entry = once.entry((used.relation.oid, used.attnum)).or_insert((&used.relation, false));
        entry.1 |= by_name;
    }
    let Subject { database, application, user, .. } = &*cell.subject;
    for ((_, attnum), (relation, by_name)) in once {
        let column = relation.column_by_number(attnum).map_or("", |column| &column.name);
        let used = Used { database, schema: &relation.schema, relation: &relation.name, column: Some(column) };
        let seen = Sighting {
            uses: cell.counts.iter().map(|count| count.statements).sum(),
            first: moment(cell.first),
            last: moment(cell.last),
            by_name,
            allowed: cell.counts[0].statements > 0,
        };
        live.add(used, Who { application: pending::cut(application), user }, statement.fingerprint as i64, seen);
    }
}

fn unseen(pending: &mut Pending, cell: &Cell, day: Date, statement: &StatementReport) {
    // What was refused, by us or by the server's grammar, has touched nothing.
    let passed = cell.counts[0].statements.saturating_sub(cell.syntax_errors);
    let (database, reason) = (&cell.subject.database, statement.unanalysed.unwrap_or("unknown_view"));
    match statement.touched.blind {
        Blind::Wholly if passed > 0 => pending.blind(day, database, 0, reason, passed),
        Blind::Within if passed > 0 => {
            let mut objects: Vec<_> = statement
                .touched
                .uses
                .iter()
                .filter(|used| used.attnum == 0)
                .map(|used| pending.object(database, &used.relation, 0))
                .collect();
            objects.sort_unstable();
            objects.dedup();
            objects.into_iter().for_each(|object| pending.blind(day, database, object, reason, passed));
        }
        Blind::No | Blind::Within | Blind::Wholly => {}
    }
}

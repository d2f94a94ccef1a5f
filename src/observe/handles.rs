//! What the observer has looked up for a report, and keeps with it: a statement seen before costs additions alone.
//!
//! A report is of one database, but applications share it: what counts by application is in a list of its own, which
//! grows by one entry for every application that sends the text.

use std::sync::{Arc, OnceLock};

use metrics::{Counter, Gauge};

use super::event::{Decision, Event};
use super::histogram::Histogram;
use super::labels::OTHER;
use super::metrics::{ApplicationSeries, DatabaseSeries, Guarded, Metrics, Scope};
use super::registry;
use super::shapes::{Shape, Shapes};
use crate::engine::report::{Access, Operation, Outcome, StatementReport};

/// The handles of everything that a text with one report counts into.
#[derive(Debug)]
pub(super) struct Handles {
    /// Its shape, if it has one.
    pub(super) shape: Option<Arc<Shape>>,
    database: Box<str>,
    decision: Decision,
    is_analysed: bool,
    /// What counts one for every text.
    once: Box<[Counter]>,
    /// What counts the rows.
    rows: Box<[Counter]>,
    /// Times at the server, of the request as a whole and by relation.
    times: Box<[Arc<Histogram>]>,
    /// Times of our own, by relation.
    overheads: Box<[Arc<Histogram>]>,
    applications: Applications,
}

/// The handles by application: a hash table that only grows. There are not more of them than the label has values.
#[derive(Debug, Default)]
struct Applications {
    buckets: [OnceLock<Box<Application>>; BUCKETS],
    /// Of all those that have no label of their own.
    other: OnceLock<Box<Application>>,
}

const BUCKETS: usize = 4;

#[derive(Debug)]
struct Application {
    name: Box<str>,
    series: Arc<ApplicationSeries>,
    /// What counts one for every text.
    once: Box<[Counter]>,
    /// When columns on their way out were last used.
    last: Box<[Gauge]>,
    next: OnceLock<Box<Application>>,
}

impl Handles {
    /// Looks everything up.
    pub(super) fn new(metrics: &Metrics, shapes: &Shapes, event: &Event) -> Self {
        let database = metrics.database(&event.subject.database);
        let mut found = Found::of(metrics, &database, event);
        let (single, operation) = match event.report.statements.as_slice() {
            [] => (None, Some(Operation::Empty)),
            [single] => (Some(single), Some(single.operation)),
            _ => (None, None),
        };
        if !found.is_refused() {
            found.times.push(metrics.durations(&database, operation));
        }
        single.iter().for_each(|single| found.times(single));
        for statement in &event.report.statements {
            found.statement(statement);
        }
        found.ddl();
        let Found { once, rows, times, overheads, .. } = found;
        Self {
            shape: shapes.of(&event.subject.database, &event.report),
            database: event.subject.database.clone(),
            decision: event.decision,
            is_analysed: event.report.statements.iter().all(|statement| statement.unanalysed.is_none()),
            once: once.into(),
            rows: rows.into(),
            times: times.into(),
            overheads: overheads.into(),
            applications: Applications::default(),
        }
    }

    /// Whether they are those of this event, too: a report is of one database and comes with one decision, as a rule.
    pub(super) fn fit(&self, event: &Event) -> bool {
        self.decision == event.decision && self.database == event.subject.database
    }

    /// Whether the text was understood in full.
    pub(super) fn is_analysed(&self) -> bool {
        self.is_analysed
    }

    /// Counts the event.
    pub(super) fn count(&self, metrics: &Metrics, event: &Event, now: impl FnOnce() -> f64) {
        self.once.iter().for_each(|counter| counter.increment(1));
        if let Some(took) = event.duration {
            self.times.iter().for_each(|histogram| histogram.record(took));
            self.rows.iter().for_each(|counter| counter.increment(event.rows));
        }
        // A prepared statement is judged once and executed many times.
        if !event.checked_in.is_zero() {
            self.overheads.iter().for_each(|histogram| histogram.record(event.checked_in));
        }
        let application = self.applications.of(metrics, event);
        application.once.iter().for_each(|counter| counter.increment(1));
        if !application.last.is_empty() {
            let now = now();
            application.last.iter().for_each(|gauge| gauge.set(now));
        }
        if let Some(sqlstate) = event.sqlstate {
            metrics.error(&application.series, sqlstate, event.decision == Decision::Deny);
            errors_of_tables(metrics, event, sqlstate);
        }
    }
}

/// An error can be told to belong to relations only where one statement of the request alone names any.
fn errors_of_tables(metrics: &Metrics, event: &Event, sqlstate: [u8; 5]) {
    let mut naming = event.report.statements.iter().filter(|statement| !statement.relations.is_empty());
    let (Some(statement), None) = (naming.next(), naming.next()) else { return };
    let database = metrics.database(&event.subject.database);
    for (number, named) in statement.relations.iter().enumerate() {
        // A relation is named once for each verb.
        let before = statement.relations.iter().take(number);
        if before.into_iter().all(|other| other.relation != named.relation) {
            let series = metrics.table(&database, named);
            metrics.table_error(&series, sqlstate, event.decision == Decision::Deny);
        }
    }
}

impl Applications {
    fn of(&self, metrics: &Metrics, event: &Event) -> &Application {
        let name = &*event.subject.application;
        let hash = name.bytes().fold(0_usize, |hash, byte| hash.wrapping_mul(31).wrapping_add(usize::from(byte)));
        let mut place = self.buckets.get(hash % BUCKETS).unwrap_or(&self.other);
        while let Some(known) = place.get() {
            if *known.name == *name {
                return known;
            }
            place = &known.next;
        }
        let database = metrics.database(&event.subject.database);
        let series = metrics.application(&database, name);
        let make = || Box::new(Application::new(metrics, &database, Arc::clone(&series), event));
        if &*series.name == OTHER {
            return self.other.get_or_init(make);
        }
        loop {
            let known = place.get_or_init(make);
            // Somebody may have been faster with another application.
            if *known.name == *name {
                return known;
            }
            place = &known.next;
        }
    }
}

impl Application {
    fn new(metrics: &Metrics, database: &DatabaseSeries, series: Arc<ApplicationSeries>, event: &Event) -> Self {
        let (mut once, mut last) = (Vec::new(), Vec::new());
        for statement in &event.report.statements {
            once.push(metrics.statements(&series, statement.operation, event.decision));
            for used in &statement.columns {
                let consumer = metrics.consumer(database, &series, used);
                once.push(consumer.access);
                if let Some((access, seen)) = consumer.deprecated {
                    once.push(access);
                    last.push(seen);
                }
            }
        }
        if event.report.statements.is_empty() {
            // A text that could not even be cut into statements, such as one that is too large.
            let operation = if event.decision == Decision::Deny { Operation::Utility } else { Operation::Empty };
            once.push(metrics.statements(&series, operation, event.decision));
        }
        Self {
            name: event.subject.application.clone(),
            series,
            once: once.into(),
            last: last.into(),
            next: OnceLock::new(),
        }
    }
}

/// Whether a statement that does this to a relation writes to it.
fn writes(statement: &StatementReport, operation: Operation) -> bool {
    match operation {
        Operation::Insert | Operation::Update | Operation::Delete | Operation::Merge => true,
        // In which direction, only what it touches tells.
        Operation::Copy => statement.touched.uses.iter().any(|used| used.access == Access::Write),
        _ => false,
    }
}

/// What has been looked up so far.
struct Found<'a> {
    metrics: &'a Metrics,
    database: &'a DatabaseSeries,
    event: &'a Event,
    once: Vec<Counter>,
    rows: Vec<Counter>,
    times: Vec<Arc<Histogram>>,
    overheads: Vec<Arc<Histogram>>,
}

impl<'a> Found<'a> {
    fn of(metrics: &'a Metrics, database: &'a DatabaseSeries, event: &'a Event) -> Self {
        let (once, rows, times, overheads) = Default::default();
        Self { metrics, database, event, once, rows, times, overheads }
    }

    fn is_refused(&self) -> bool {
        self.event.decision == Decision::Deny
    }

    /// Time and rows can be told to belong to a statement only where the request had no other, and rows to a relation
    /// only where the statement names no other.
    fn times(&mut self, statement: &StatementReport) {
        let relations = &statement.relations;
        let only_one = relations.first().is_some_and(|first| relations.iter().all(|r| r.relation == first.relation));
        let scope = if only_one { Scope::Single } else { Scope::Multi };
        for named in relations {
            let series = self.metrics.table(self.database, named);
            // What is refused takes no time at the server.
            if !self.is_refused() {
                self.times.push(self.metrics.table_durations(&series, scope));
            }
            self.overheads.push(Arc::clone(&series.overhead));
            if only_one && (relations.len() == 1 || named.operation == statement.operation) {
                self.rows.push(series.rows.clone());
            }
        }
    }

    fn statement(&mut self, statement: &StatementReport) {
        let (metrics, database) = (self.metrics, self.database);
        for named in &statement.relations {
            let series = metrics.table(database, named);
            self.once.push(series.statements.clone());
            if self.event.report.governed && writes(statement, named.operation) {
                self.once.push(metrics.write_checks(&series, self.is_refused()));
            }
        }
        for used in &statement.columns {
            self.once.extend(metrics.column(database, used).sensitive.clone());
            let action = match used.outcome {
                Outcome::WouldMask => "mask",
                Outcome::WouldDeny => "deny",
                Outcome::Clear | Outcome::Masked | Outcome::Denied => continue,
            };
            let rule = metrics.guard(Guarded::Rule, used.rule.as_deref().unwrap_or("none"));
            self.once.push(metrics.counter(&registry::SHADOW_FINDINGS, &[&rule, action]));
        }
        if let Some(reason) = statement.unanalysed {
            let action = if self.is_refused() { "refuse" } else { "pass" };
            self.once.push(metrics.counter(&registry::UNANALYZABLE, &[&database.name, reason, action]));
        }
    }

    fn ddl(&mut self) {
        let action = if self.is_refused() { "refused" } else { "allowed" };
        for change in &self.event.report.ddl {
            let values = [&*self.database.name, change.command, action];
            self.once.push(self.metrics.counter(&registry::DDL_STATEMENTS, &values));
        }
    }
}

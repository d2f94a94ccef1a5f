//! What happened between two answers: the counters of the proxy only grow, so that a difference is what was in between.

use std::cmp::Ordering;
use std::collections::{HashMap, VecDeque};

use jiff::Timestamp;

use crate::admin::shapes::answer::{Answer, Shape, Totals};
use crate::admin::shapes::query::Order;
use crate::observe::shapes::quantile::quantile;

/// Answers that are kept to look back on are this many seconds apart.
const SPACING: i64 = 5;

/// Seconds that can be looked back on.
const DEPTH: i64 = 310;

/// How far to look back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Window {
    /// To the answer before.
    Interval,
    /// A minute.
    #[default]
    Minute,
    /// Five minutes.
    FiveMinutes,
    /// To the start of the proxy.
    Start,
}

impl Window {
    /// The next one, around.
    pub const fn next(self) -> Self {
        match self {
            Self::Interval => Self::Minute,
            Self::Minute => Self::FiveMinutes,
            Self::FiveMinutes => Self::Start,
            Self::Start => Self::Interval,
        }
    }
}

/// What has been counted up to a moment, or between two.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Counters {
    /// Runs.
    pub calls: u64,
    /// Their time.
    pub seconds: f64,
    /// Rows.
    pub rows: u64,
    /// Errors of the server.
    pub errors: u64,
    /// Refusals of the proxy.
    pub refusals: u64,
    /// Runs by time.
    pub buckets: Vec<u64>,
}

impl Counters {
    fn of(shape: &Shape) -> Self {
        Self {
            calls: shape.calls,
            seconds: shape.total_seconds,
            rows: shape.rows,
            errors: shape.errors,
            refusals: shape.refusals,
            buckets: shape.buckets.clone(),
        }
    }

    fn together(totals: &Totals) -> Self {
        Self {
            calls: totals.calls,
            seconds: totals.total_seconds,
            rows: totals.rows,
            errors: totals.errors,
            refusals: totals.refusals,
            buckets: totals.buckets.clone(),
        }
    }

    fn since(&self, earlier: &Self) -> Self {
        let before = earlier.buckets.iter().copied().chain(std::iter::repeat(0));
        Self {
            calls: self.calls.saturating_sub(earlier.calls),
            seconds: (self.seconds - earlier.seconds).max(0.0),
            rows: self.rows.saturating_sub(earlier.rows),
            errors: self.errors.saturating_sub(earlier.errors),
            refusals: self.refusals.saturating_sub(earlier.refusals),
            buckets: self.buckets.iter().zip(before).map(|(now, before)| now.saturating_sub(before)).collect(),
        }
    }

    /// Seconds of a run on average; none without runs.
    pub fn mean(&self) -> Option<f64> {
        (self.calls > 0).then(|| self.seconds / self.calls as f64)
    }

    /// The 95th percentile.
    pub fn p95(&self, bounds: &[f64]) -> Option<f64> {
        quantile(0.95, bounds, &self.buckets)
    }
}

/// Database and fingerprint.
pub type Key = (String, String);

/// The key of a shape.
pub fn key(shape: &Shape) -> Key {
    (shape.database.clone(), shape.fingerprint.clone())
}

#[derive(Debug)]
struct Sample {
    at: Timestamp,
    totals: Counters,
    shapes: HashMap<Key, Counters>,
}

/// A shape and what it did in a window.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The shape.
    pub shape: Shape,
    /// What it did.
    pub counters: Counters,
    /// Runs in a second.
    pub calls_per_second: f64,
    /// Rows in a second.
    pub rows_per_second: f64,
    /// Its part of the time of all shapes, from 0 to 1.
    pub share: f64,
    /// The 95th percentile.
    pub p95: Option<f64>,
}

/// What is shown of a window.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Shown {
    /// Its length in seconds.
    pub seconds: f64,
    /// All shapes together.
    pub totals: Counters,
    /// Their 95th percentile.
    pub p95: Option<f64>,
    /// The shapes that match, in order.
    pub rows: Vec<Row>,
}

impl Shown {
    /// So many in a second.
    pub fn rate(&self, count: u64) -> f64 {
        if self.seconds > 0.0 { count as f64 / self.seconds } else { 0.0 }
    }
}

/// Earlier answers of one process.
#[derive(Debug, Default)]
pub struct History {
    started: Option<Timestamp>,
    previous: Option<Sample>,
    last: Option<Sample>,
    sparse: VecDeque<Sample>,
}

impl History {
    /// Remembers an answer.
    pub fn add(&mut self, answer: &Answer) {
        if self.started != Some(answer.started) {
            // Another process counts from zero.
            *self = Self { started: Some(answer.started), ..Self::default() };
        }
        self.previous = self.last.take();
        self.last = Some(Sample::of(answer));
        let due = |newest: &Sample| seconds(newest.at, answer.at) >= SPACING as f64;
        if self.sparse.back().is_none_or(due) {
            self.sparse.push_back(Sample::of(answer));
        }
        while self.sparse.front().is_some_and(|oldest| seconds(oldest.at, answer.at) > DEPTH as f64) {
            self.sparse.pop_front();
        }
    }

    /// Where a window begins: as far back as asked, or as there is.
    fn base(&self, window: Window, now: Timestamp) -> Option<&Sample> {
        let length = match window {
            Window::Interval => return self.previous.as_ref(),
            Window::Minute => 60.0,
            Window::FiveMinutes => 300.0,
            Window::Start => return None,
        };
        let old_enough = self.sparse.iter().rev().find(|sample| seconds(sample.at, now) >= length);
        old_enough.or(self.sparse.front()).filter(|sample| sample.at < now)
    }

    /// What happened in the window before the answer; `table` is a part of the name of a relation.
    pub fn look(&self, answer: &Answer, window: Window, order: Order, table: &str) -> Shown {
        let base = self.base(window, answer.at);
        let length = seconds(base.map_or(answer.started, |base| base.at), answer.at);
        let bounds = &answer.bucket_bounds_seconds;
        let now = Counters::together(&answer.totals);
        let totals = base.map_or_else(|| now.clone(), |base| now.since(&base.totals));
        let p95 = totals.p95(bounds);
        let mut shown = Shown { seconds: length, totals, p95, rows: Vec::new() };
        let named = |shape: &&Shape| {
            table.is_empty()
                || shape.relations.iter().any(|named| format!("{}.{}", named.schema, named.name).contains(table))
        };
        let rows: Vec<_> = answer.shapes.iter().filter(named).map(|shape| shown.row(base, shape, bounds)).collect();
        shown.rows = rows;
        shown.rows.sort_by(|a, b| compare(order, a, b));
        shown
    }
}

impl Shown {
    fn row(&self, base: Option<&Sample>, shape: &Shape, bounds: &[f64]) -> Row {
        let counters = Counters::of(shape);
        let counters = match base.map(|base| (base, base.shapes.get(&key(shape)))) {
            None => counters,
            Some((_, Some(earlier))) => counters.since(earlier),
            // It was not there; so all of it is of the window, unless it is only back among those that are told.
            Some((base, None)) if shape.first_seen >= base.at => counters,
            Some((_, None)) => Counters { buckets: vec![0; counters.buckets.len()], ..Counters::default() },
        };
        let all = self.totals.seconds;
        Row {
            shape: shape.clone(),
            calls_per_second: self.rate(counters.calls),
            rows_per_second: self.rate(counters.rows),
            share: if all > 0.0 { (counters.seconds / all).min(1.0) } else { 0.0 },
            p95: counters.p95(bounds),
            counters,
        }
    }
}

impl Sample {
    fn of(answer: &Answer) -> Self {
        let shapes = answer.shapes.iter().map(|shape| (key(shape), Counters::of(shape))).collect();
        Self { at: answer.at, totals: Counters::together(&answer.totals), shapes }
    }
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

fn compare(order: Order, a: &Row, b: &Row) -> Ordering {
    let most = |value: fn(&Row) -> f64| value(b).total_cmp(&value(a));
    let first = match order {
        Order::Time => most(|row| row.counters.seconds),
        Order::Calls => most(|row| row.counters.calls as f64),
        Order::Mean => most(|row| row.counters.mean().unwrap_or(-1.0)),
        Order::P95 => most(|row| row.p95.unwrap_or(-1.0)),
        Order::Rows => most(|row| row.counters.rows as f64),
        Order::Errors => most(|row| row.counters.errors as f64),
        Order::Refusals => most(|row| row.counters.refusals as f64),
        Order::FirstSeen => b.shape.first_seen.cmp(&a.shape.first_seen),
        Order::LastSeen => b.shape.last_seen.cmp(&a.shape.last_seen),
        Order::Seq => most(|row| row.shape.plan_samples_seq as f64),
    };
    // Those that did nothing in the window stay in one order, too.
    first
        .then_with(|| b.counters.seconds.total_cmp(&a.counters.seconds))
        .then_with(|| b.shape.total_seconds.total_cmp(&a.shape.total_seconds))
        .then_with(|| key(&a.shape).cmp(&key(&b.shape)))
}

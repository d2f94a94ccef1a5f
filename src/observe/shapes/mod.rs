//! Statement shapes: what runs how often and how long, told apart by the fingerprint of the normalised text.
//!
//! A shape is looked up once for every report of the engine and kept with it (`handles`), so that counting a statement
//! is a few additions. The table is bounded in number and bytes: those that were not seen for longest make room. Whoever
//! still holds such a shape brings it back, with its counts, by counting into it again.

pub mod quantile;
pub mod shape;
pub mod snapshot;
pub mod versions;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

use arc_swap::ArcSwap;
use dashmap::{DashMap, Entry};
use jiff::Timestamp;

use super::audit::PolicyVersion;
use super::event::Event;
use super::metrics::Metrics;
use super::registry;
use super::usage::Usage;
use crate::engine::report::{Report, StatementReport};
use shape::Form;
pub use shape::{LastError, Plan, Shape, Used};
use versions::{ContractVersion, InForce};

/// How much is remembered, over all databases.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Shapes.
    pub shapes: usize,
    /// Their bytes, about.
    pub bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { shapes: 5000, bytes: 16 << 20 }
    }
}

/// One of so many makes room when the table is full: room is made for many at once, since to find them takes a walk.
const ROOM: usize = 20;

type Key = (Arc<str>, u64);

/// A place of the table.
#[derive(Debug)]
enum Place {
    Known(Arc<Shape>),
    /// It had to make room, but somebody may still hold it, and there is never more than one of a shape.
    Evicted(Weak<Shape>),
}

/// What is counted by database.
#[derive(Debug, Default)]
struct Database {
    /// Shapes that nobody had seen before.
    new: AtomicU64,
    /// Sessions that are open.
    sessions: AtomicU64,
}

/// All shapes of all databases.
#[derive(Debug)]
pub struct Shapes {
    bounds: Bounds,
    table: DashMap<Key, Place, foldhash::fast::RandomState>,
    known: AtomicUsize,
    bytes: AtomicUsize,
    evicted: AtomicU64,
    /// Statements that belong to no shape, because they could not be cut into tokens.
    shapeless: AtomicU64,
    databases: DashMap<Arc<str>, Arc<Database>, foldhash::fast::RandomState>,
    in_force: ArcSwap<InForce>,
    usage: Arc<Usage>,
    /// Held while room is made.
    making_room: Mutex<()>,
    started: Timestamp,
}

impl Default for Shapes {
    fn default() -> Self {
        Self::new(Bounds::default(), Arc::default())
    }
}

impl Shapes {
    /// An empty table; `usage` may know what earlier processes have seen.
    pub fn new(bounds: Bounds, usage: Arc<Usage>) -> Self {
        let started = Timestamp::now();
        Self {
            bounds,
            table: DashMap::default(),
            known: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            evicted: AtomicU64::new(0),
            shapeless: AtomicU64::new(0),
            databases: DashMap::default(),
            in_force: ArcSwap::from_pointee(InForce::nothing(started)),
            usage,
            making_room: Mutex::default(),
            started,
        }
    }

    /// The shape of a text; none where it could not be cut into statements.
    pub fn of(&self, database: &str, report: &Report) -> Option<Arc<Shape>> {
        let key = (Arc::from(database), Form::fingerprint_of(report)?);
        if let Some(place) = self.table.get(&key)
            && let Place::Known(shape) = &*place
        {
            return Some(Arc::clone(shape));
        }
        let form = Form::of(report)?;
        let known_since = self.known_since(database, report);
        self.make_room();
        let first_seen = known_since.unwrap_or_else(Timestamp::now);
        let under = known_since.is_none().then(|| self.in_force.load_full());
        let database = Arc::clone(&key.0);
        let make = || Arc::new(Shape::new(Arc::clone(&database), form, first_seen, under));
        let (shape, is_made) = self.put(key, make);
        if is_made && known_since.is_none() {
            self.database(&database).new.fetch_add(1, Ordering::Relaxed);
        }
        Some(shape)
    }

    /// When a text was first seen, as far as the record of usage knows: by this process, if the shape had to make room since, or
    /// by an earlier one. Several statements in one request are known if an earlier process knew each of them.
    fn known_since(&self, database: &str, report: &Report) -> Option<Timestamp> {
        let first_seen = |statement: &StatementReport| self.usage.shape_first_seen(database, statement);
        if let [statement] = report.statements.as_slice() {
            return first_seen(statement);
        }
        let recorded = report.statements.iter().filter(|statement| !statement.touched.uses.is_empty());
        let all: Option<Vec<_>> = recorded.map(first_seen).collect();
        all?.into_iter().max().filter(|latest| *latest < self.started)
    }

    /// A statement is over; `shape` is what was found for its report when that was new.
    #[inline]
    pub fn over(&self, shape: Option<&Arc<Shape>>, event: &Event) {
        let Some(shape) = shape else {
            self.shapeless.fetch_add(1, Ordering::Relaxed);
            return;
        };
        shape.over(event);
        if shape.evicted.load(Ordering::Relaxed) {
            self.bring_back(shape);
        }
    }

    #[cold]
    fn bring_back(&self, shape: &Arc<Shape>) {
        self.make_room();
        self.put((Arc::clone(&shape.database), shape.fingerprint), || Arc::clone(shape));
    }

    /// The shape in this place, made if nobody has it, and whether it was.
    fn put(&self, key: Key, make: impl FnOnce() -> Arc<Shape>) -> (Arc<Shape>, bool) {
        let mut entry = match self.table.entry(key) {
            Entry::Vacant(entry) => {
                let shape = make();
                self.counted(&shape);
                entry.insert(Place::Known(Arc::clone(&shape)));
                return (shape, true);
            }
            Entry::Occupied(entry) => entry,
        };
        let (shape, is_made) = match entry.get() {
            Place::Known(shape) => return (Arc::clone(shape), false),
            Place::Evicted(weak) => weak.upgrade().map_or_else(|| (make(), true), |shape| (shape, false)),
        };
        self.counted(&shape);
        entry.insert(Place::Known(Arc::clone(&shape)));
        (shape, is_made)
    }

    fn counted(&self, shape: &Shape) {
        shape.evicted.store(false, Ordering::Relaxed);
        self.known.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(shape.bytes(), Ordering::Relaxed);
    }

    /// Lets those go that were not seen for longest, if there is no room for another one.
    fn make_room(&self) {
        let full = || {
            self.known.load(Ordering::Relaxed) >= self.bounds.shapes
                || self.bytes.load(Ordering::Relaxed) >= self.bounds.bytes
        };
        // Two at once would make too much room; and nobody waits for it: one shape more does no harm.
        let Some(_turn) = full().then(|| self.making_room.try_lock().ok()).flatten() else { return };
        let mut all = Vec::new();
        self.table.retain(|key, place| match place {
            Place::Known(shape) => {
                all.push((shape.last_seen(), key.clone()));
                true
            }
            Place::Evicted(weak) => weak.strong_count() > 0,
        });
        all.sort_unstable_by_key(|(last_seen, _)| *last_seen);
        let at_least = (self.bounds.shapes / ROOM).max(1);
        for (number, (_, key)) in all.into_iter().enumerate() {
            if number >= at_least && !full() {
                break;
            }
            self.evict(key);
        }
    }

    fn evict(&self, key: Key) {
        let Entry::Occupied(mut entry) = self.table.entry(key) else { return };
        let Place::Known(shape) = entry.get() else { return };
        let shape = Arc::clone(shape);
        shape.evicted.store(true, Ordering::Relaxed);
        self.known.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(shape.bytes(), Ordering::Relaxed);
        self.evicted.fetch_add(1, Ordering::Relaxed);
        entry.insert(Place::Evicted(Arc::downgrade(&shape)));
    }

    /// All that are remembered, in no order.
    pub fn all(&self) -> Vec<Arc<Shape>> {
        let known = |place: &Place| match place {
            Place::Known(shape) => Some(Arc::clone(shape)),
            Place::Evicted(_) => None,
        };
        self.table.iter().filter_map(|entry| known(entry.value())).collect()
    }

    /// These are in force from now on.
    pub fn in_force(&self, contracts: Vec<ContractVersion>, policies: &[PolicyVersion]) {
        self.in_force.store(Arc::new(self.in_force.load().followed_by(contracts, policies, Timestamp::now())));
    }

    /// A session has begun.
    pub fn session_opened(&self, database: &str) {
        self.database(database).sessions.fetch_add(1, Ordering::Relaxed);
    }

    /// A session is over.
    pub fn session_closed(&self, database: &str) {
        let less = |sessions: u64| sessions.checked_sub(1);
        // Without a beginning there is no end to count.
        _ = self.database(database).sessions.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    fn database(&self, name: &str) -> Arc<Database> {
        if let Some(database) = self.databases.get(name) {
            return Arc::clone(&database);
        }
        Arc::clone(&self.databases.entry(Arc::from(name)).or_default())
    }

    /// Brings the metrics up to date.
    pub(super) fn tell(&self, metrics: &Metrics) {
        // Beyond the limit of labels several databases are one.
        let mut counts: BTreeMap<Arc<str>, (u64, u64)> = BTreeMap::new();
        let label = |database: &str| Arc::clone(&metrics.database(database).name);
        for entry in &self.databases {
            counts.entry(label(entry.key())).or_default().1 += entry.value().new.load(Ordering::Relaxed);
        }
        for shape in self.all() {
            counts.entry(label(&shape.database)).or_default().0 += 1;
        }
        for (database, (known, new)) in counts {
            metrics.gauge(&registry::SHAPES, &[&database]).set(known as f64);
            metrics.counter(&registry::NEW_SHAPES, &[&database]).absolute(new);
        }
        metrics.counter(&registry::SHAPES_EVICTED, &[]).absolute(self.evicted.load(Ordering::Relaxed));
    }
}

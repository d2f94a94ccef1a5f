//! Counts by day that wait for the store, in bounded memory: what would exceed the bounds is counted under `__other__`.

use std::collections::HashMap;
use std::net::IpAddr;

use jiff::Timestamp;
use jiff::civil::Date;

use super::Bounds;
use crate::engine::report::{Access, StatementReport};
use crate::model::catalog::Relation;
use crate::model::usage::{Batch, BlindRow, ConsumerRow, OTHER, ObjectRow, ShapeRow, TotalRow, UseRow, stable_id};
use crate::policy::subject::Subject;

/// Bytes of an application's name; the server itself keeps 63.
const NAME_BYTES: usize = 128;

/// Bytes of the texts of shapes that wait.
const SHAPES_BYTES: usize = 16 << 20;

/// What counts are kept by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct UseKey {
    pub day: Date,
    pub consumer: i64,
    pub object: i64,
    pub access: Access,
    pub via: i64,
    pub shape: i64,
    pub refused: bool,
}

#[derive(Debug)]
struct Counts {
    uses: u64,
    rows: u64,
    first: Timestamp,
    last: Timestamp,
}

/// Who it is, as far as the record tells consumers apart.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Name {
    database: Box<str>,
    application: Box<str>,
    user: Box<str>,
    network: Box<str>,
}

/// Database, schema, relation and column.
type ObjectName = [Box<str>; 4];

/// What was counted since the last batch.
#[derive(Debug)]
pub(super) struct Pending {
    bounds: Bounds,
    consumers: HashMap<Name, i64>,
    objects: HashMap<ObjectName, i64>,
    shapes: HashMap<i64, ShapeRow>,
    shape_bytes: usize,
    uses: HashMap<UseKey, Counts>,
    blind: HashMap<(Date, Box<str>, i64, Box<str>), u64>,
    totals: HashMap<(Date, i64), (u64, u64)>,
    /// Uses that could not be told apart any more, since the start.
    pub merged: u64,
}

/// The beginning of a name that a client has chosen.
pub(super) fn cut(name: &str) -> &str {
    name.get(..name.floor_char_boundary(NAME_BYTES)).unwrap_or(name)
}

/// The network of a client: who moves from one address to the next is the same consumer.
fn network(address: Option<IpAddr>) -> Box<str> {
    let shown = match address.map(|address| address.to_canonical()) {
        None => return "local".into(),
        Some(IpAddr::V4(address)) => ipnet::Ipv4Net::new(address, 24).map(|net| net.trunc().to_string()),
        Some(IpAddr::V6(address)) => ipnet::Ipv6Net::new(address, 64).map(|net| net.trunc().to_string()),
    };
    shown.unwrap_or_default().into()
}

impl Pending {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            consumers: HashMap::new(),
            objects: HashMap::new(),
            shapes: HashMap::new(),
            shape_bytes: 0,
            uses: HashMap::new(),
            blind: HashMap::new(),
            totals: HashMap::new(),
            merged: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.uses.len() + self.blind.len() + self.totals.len()
    }

    /// The number of whoever a session belongs to.
    pub(super) fn consumer(&mut self, subject: &Subject) -> i64 {
        let name = Name {
            database: subject.database.clone(),
            application: cut(&subject.application).into(),
            user: subject.user.clone(),
            network: network(subject.address),
        };
        match self.consumers.get(&name) {
            Some(id) => *id,
            None if self.consumers.len() < self.bounds.consumers => self.named(name),
            None => self.other(&subject.database),
        }
    }

    /// The number of all who could not be told apart.
    fn other(&mut self, database: &str) -> i64 {
        let name =
            Name { database: database.into(), application: OTHER.into(), user: OTHER.into(), network: "".into() };
        self.named(name)
    }

    fn named(&mut self, name: Name) -> i64 {
        let id = stable_id(&["consumer", &name.database, &name.application, &name.user, &name.network]);
        *self.consumers.entry(name).or_insert(id)
    }

    /// The number of a column, or of a relation as such.
    pub(super) fn object(&mut self, database: &str, relation: &Relation, attnum: i16) -> i64 {
        let column = relation.column_by_number(attnum).map_or("", |column| &column.name);
        let name = [database, &*relation.schema, &*relation.name, column];
        let id = || stable_id(&["object", name[0], name[1], name[2], name[3]]);
        *self.objects.entry(name.map(Box::from)).or_insert_with(id)
    }

    /// The number of a shape.
    pub(super) fn shape(&mut self, statement: &StatementReport) -> i64 {
        let id = statement.fingerprint as i64;
        let text = &*statement.touched.shape;
        // Beyond the bound shapes are still told apart, and their texts come when they are seen again.
        if self.shape_bytes + text.len() <= SHAPES_BYTES && !self.shapes.contains_key(&id) {
            self.shape_bytes += text.len();
            self.shapes.insert(id, ShapeRow { id, operation: statement.operation.as_str(), text: text.into() });
        }
        id
    }

    pub(super) fn add(
        &mut self,
        database: &str,
        key: UseKey,
        uses: u64,
        rows: u64,
        (first, last): (Timestamp, Timestamp),
    ) {
        let full = self.uses.len() >= self.bounds.pending && !self.uses.contains_key(&key);
        let is_other =
            !self.consumers.is_empty() && key.consumer == stable_id(&["consumer", database, OTHER, OTHER, ""]);
        let key = if full || is_other {
            self.merged += uses;
            UseKey { consumer: self.other(database), via: 0, shape: 0, ..key }
        } else {
            key
        };
        let counts = self.uses.entry(key).or_insert(Counts { uses: 0, rows: 0, first, last });
        counts.uses += uses;
        counts.rows += rows;
        counts.first = counts.first.min(first);
        counts.last = counts.last.max(last);
    }

    pub(super) fn statements(&mut self, day: Date, subject: &Subject, statements: u64) {
        let consumer = self.consumer(subject);
        self.totals.entry((day, consumer)).or_default().0 += statements;
    }

    pub(super) fn session(&mut self, day: Date, subject: &Subject) {
        let consumer = self.consumer(subject);
        self.totals.entry((day, consumer)).or_default().1 += 1;
    }

    pub(super) fn blind(&mut self, day: Date, database: &str, object: i64, reason: &str, statements: u64) {
        *self.blind.entry((day, database.into(), object, reason.into())).or_default() += statements;
    }

    /// Hands everything over.
    pub(super) fn take(&mut self) -> Self {
        let fresh = Self { merged: self.merged, ..Self::new(self.bounds) };
        std::mem::replace(self, fresh)
    }

    /// As rows, without a key.
    pub(super) fn into_batch(self) -> Batch {
        let consumer = |(name, id): (Name, i64)| ConsumerRow {
            id,
            database: name.database,
            application: name.application,
            usr: name.user,
            network: name.network,
        };
        let object = |([database, schema, relation, column], id): (ObjectName, i64)| ObjectRow {
            id,
            database,
            schema,
            relation,
            column,
        };
        let blind = |((day, database, object, reason), count)| BlindRow {
            day,
            database,
            object,
            reason,
            statements: number(count),
        };
        let total = |((day, consumer), (statements, sessions))| TotalRow {
            day,
            consumer,
            statements: number(statements),
            sessions: number(sessions),
        };
        Batch {
            consumers: self.consumers.into_iter().map(consumer).collect(),
            objects: self.objects.into_iter().map(object).collect(),
            shapes: self.shapes.into_values().collect(),
            uses: self.uses.into_iter().map(use_row).collect(),
            blind: self.blind.into_iter().map(blind).collect(),
            totals: self.totals.into_iter().map(total).collect(),
            ..Batch::default()
        }
    }
}

fn use_row((key, counts): (UseKey, Counts)) -> UseRow {
    UseRow {
        day: key.day,
        consumer: key.consumer,
        object: key.object,
        access: key.access.as_str(),
        via: key.via,
        shape: key.shape,
        refused: i64::from(key.refused),
        uses: number(counts.uses),
        row_count: number(counts.rows),
        first_seen: counts.first.as_microsecond(),
        last_seen: counts.last.as_microsecond(),
    }
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

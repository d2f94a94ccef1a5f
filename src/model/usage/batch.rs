//! What one flush adds to the record of usage.

use jiff::Timestamp;
use jiff::civil::Date;

use super::tables::{self, Target};

/// Who a statement came from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConsumerRow {
    /// Stable number of the rest.
    pub id: i64,
    /// The database.
    pub database: Box<str>,
    /// `application_name`, the client's own word.
    pub application: Box<str>,
    /// The role that logged in.
    pub usr: Box<str>,
    /// The network of the client: `10.0.3.0/24`, `2001:db8::/64`, or `local`.
    pub network: Box<str>,
}

/// A column or, with an empty name of the column, a relation as such.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectRow {
    /// Stable number of the rest.
    pub id: i64,
    /// The database.
    pub database: Box<str>,
    /// The schema.
    pub schema: Box<str>,
    /// The relation.
    pub relation: Box<str>,
    /// The column.
    pub column: Box<str>,
}

/// The shape of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShapeRow {
    /// The fingerprint.
    pub id: i64,
    /// Its verb.
    pub operation: &'static str,
    /// The normalised text.
    pub text: Box<str>,
}

/// Uses of one object by one consumer on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UseRow {
    /// The day, in UTC.
    pub day: Date,
    /// [`ConsumerRow::id`].
    pub consumer: i64,
    /// [`ObjectRow::id`].
    pub object: i64,
    /// `explicit`, `star` …
    pub access: &'static str,
    /// [`ObjectRow::id`] of the view that was named; 0 for none.
    pub via: i64,
    /// [`ShapeRow::id`]; 0 where shapes are not told apart any more.
    pub shape: i64,
    /// 1 if the statement was refused.
    pub refused: i64,
    /// Statements.
    pub uses: i64,
    /// Rows of statements that came alone.
    pub row_count: i64,
    /// The first, in microseconds since 1970.
    pub first_seen: i64,
    /// The last, in microseconds since 1970.
    pub last_seen: i64,
}

/// Statements that may have touched something unseen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlindRow {
    /// The day, in UTC.
    pub day: Date,
    /// The database.
    pub database: Box<str>,
    /// The relation within which it may have; 0 for anything.
    pub object: i64,
    /// Why.
    pub reason: Box<str>,
    /// How many.
    pub statements: i64,
}

/// What one consumer did on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TotalRow {
    /// The day, in UTC.
    pub day: Date,
    /// [`ConsumerRow::id`].
    pub consumer: i64,
    /// Statements of any kind.
    pub statements: i64,
    /// Sessions that began.
    pub sessions: i64,
}

/// What one flush adds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// Who writes, and what went before.
    pub key: BatchKey,
    /// Since when this process records.
    pub from: Timestamp,
    /// Until when everything is in this batch or in earlier ones.
    pub until: Timestamp,
    /// Consumers that the rest names.
    pub consumers: Vec<ConsumerRow>,
    /// Objects that the rest names.
    pub objects: Vec<ObjectRow>,
    /// Shapes that the rest names.
    pub shapes: Vec<ShapeRow>,
    /// Uses.
    pub uses: Vec<UseRow>,
    /// What could not be analysed.
    pub blind: Vec<BlindRow>,
    /// Statements and sessions.
    pub totals: Vec<TotalRow>,
}

/// One value of a row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    /// `bigint`.
    Number(i64),
    /// `text`.
    Text(String),
}

impl From<i64> for Cell {
    fn from(value: i64) -> Self {
        Self::Number(value)
    }
}

impl From<&str> for Cell {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<Date> for Cell {
    fn from(value: Date) -> Self {
        Self::Text(value.to_string())
    }
}

impl Batch {
    /// Its rows by table, each in the order of the fields of the target.
    pub fn rows(&self) -> [(Target, Vec<Vec<Cell>>); 6] {
        let consumers = self.consumers.iter().map(|row| {
            vec![
                row.id.into(),
                (&*row.database).into(),
                (&*row.application).into(),
                (&*row.usr).into(),
                (&*row.network).into(),
            ]
        });
        let objects = self.objects.iter().map(|row| {
            vec![
                row.id.into(),
                (&*row.database).into(),
                (&*row.schema).into(),
                (&*row.relation).into(),
                (&*row.column).into(),
            ]
        });
        let shapes = self.shapes.iter().map(|row| vec![row.id.into(), row.operation.into(), (&*row.text).into()]);
        let uses = self.uses.iter().map(|row| {
            let numbers = [row.via, row.shape, row.refused, row.uses, row.row_count, row.first_seen, row.last_seen];
            let mut cells = vec![row.day.into(), row.consumer.into(), row.object.into(), row.access.into()];
            cells.extend(numbers.map(Cell::from));
            cells
        });
        let blind = self.blind.iter().map(|row| {
            vec![
                row.day.into(),
                (&*row.database).into(),
                row.object.into(),
                (&*row.reason).into(),
                row.statements.into(),
            ]
        });
        let totals = self
            .totals
            .iter()
            .map(|row| vec![row.day.into(), row.consumer.into(), row.statements.into(), row.sessions.into()]);
        [
            (tables::CONSUMERS, consumers.collect()),
            (tables::OBJECTS, objects.collect()),
            (tables::SHAPES, shapes.collect()),
            (tables::USES, uses.collect()),
            (tables::UNANALYSED, blind.collect()),
            (tables::TOTALS, totals.collect()),
        ]
    }
}

/// Which batch it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BatchKey {
    /// The machine.
    pub node: Box<str>,
    /// The process on it: no other has the same.
    pub boot: Box<str>,
    /// Counts up from 1.
    pub sequence: i64,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It was added.
    Added,
    /// It had been added before; nothing has changed.
    Repeated,
}

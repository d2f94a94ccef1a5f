//! The record of usage as it is kept: what one flush adds, and what can be asked afterwards.
//!
//! Everything is counted by day, so that a job that runs once a month stays visible next to one that runs all the time. A batch
//! has a key of its own: to write it twice changes nothing.

pub mod tables;

use std::fmt::Debug;

use jiff::Timestamp;
use jiff::civil::Date;
use ring::digest;
use tables::Target;

/// How long usage is kept, in days: a job that runs once a year is seen twice.
pub const RETENTION_DAYS: i64 = 400;

/// Where counts go that would exceed the bounds of memory.
pub const OTHER: &str = "__other__";

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

/// What is asked for; an absent part stands for anything.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of days from this one on.
    pub since: Option<Date>,
    /// The database.
    pub database: Option<String>,
    /// The schema.
    pub schema: Option<String>,
    /// The relation.
    pub relation: Option<String>,
    /// The column; empty for the relation as such.
    pub column: Option<String>,
    /// The application.
    pub application: Option<String>,
}

impl Filter {
    /// The parameters of [`tables::READ_USES`].
    pub fn parameters(&self) -> [String; 6] {
        let text = |part: &Option<String>| part.clone().unwrap_or_default();
        let column = self.column.clone().unwrap_or_else(|| "*".to_owned());
        let (database, schema, relation) = (text(&self.database), text(&self.schema), text(&self.relation));
        [tables::since(self.since), database, schema, relation, column, text(&self.application)]
    }
}

/// Uses of one object, all days together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The database.
    pub database: String,
    /// The schema.
    pub schema: String,
    /// The relation.
    pub relation: String,
    /// The column; empty for the relation as such.
    pub column: String,
    /// `application_name`.
    pub application: String,
    /// The role.
    pub user: String,
    /// The client's network.
    pub network: String,
    /// `explicit`, `star` …
    pub access: String,
    /// The view that was named, as `schema.name`; empty for none.
    pub via: String,
    /// The fingerprint.
    pub shape: i64,
    /// The normalised text, where it is known.
    pub text: String,
    /// The statements were refused.
    pub refused: bool,
    /// Statements.
    pub uses: i64,
    /// Rows of those that came alone.
    pub rows: i64,
    /// The first.
    pub first_seen: Timestamp,
    /// The last.
    pub last_seen: Timestamp,
}

/// Statements that could not be analysed, all days together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unseen {
    /// The database.
    pub database: String,
    /// The schema; empty for anything.
    pub schema: String,
    /// The relation; empty for anything.
    pub relation: String,
    /// Why.
    pub reason: String,
    /// How many.
    pub statements: i64,
}

/// When one process recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The machine.
    pub node: String,
    /// From then on.
    pub from: Timestamp,
    /// Until its last flush.
    pub until: Timestamp,
}

/// What consumers did altogether.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Total {
    /// The database.
    pub database: String,
    /// `application_name`.
    pub application: String,
    /// The role.
    pub user: String,
    /// Statements of any kind.
    pub statements: i64,
    /// Sessions that began.
    pub sessions: i64,
}

/// Why a store has no answer.
#[derive(Debug, thiserror::Error)]
#[error("the store of usage {place}: {cause}")]
pub struct StoreError {
    /// Which one; without credentials.
    pub place: String,
    /// What it says.
    pub cause: String,
}

/// Where usage is kept. Calls may block.
pub trait UsageStore: Debug + Send {
    /// Makes the tables, or brings them up to date.
    ///
    /// # Errors
    /// The store cannot be reached, or is of a later version of the program.
    fn prepare(&mut self) -> Result<(), StoreError>;

    /// Adds a batch, all of it or nothing; one that is there already changes nothing.
    ///
    /// # Errors
    /// The store cannot be reached.
    fn write(&mut self, batch: &Batch) -> Result<Written, StoreError>;

    /// Forgets what is of days before that one.
    ///
    /// # Errors
    /// The store cannot be reached.
    fn expire(&mut self, before: Date) -> Result<(), StoreError>;

    /// A number that changes when others than this process have written; none where nobody else writes.
    ///
    /// # Errors
    /// The store cannot be reached.
    fn written_by_others(&mut self, boot: &str) -> Result<Option<i64>, StoreError>;

    /// Uses.
    ///
    /// # Errors
    /// The store cannot be reached.
    fn uses(&mut self, filter: &Filter) -> Result<Vec<Recorded>, StoreError>;

    /// Statements that could not be analysed, from that day on.
    ///
    /// # Errors
    /// The store cannot be reached.
    fn unseen(&mut self, since: Option<Date>) -> Result<Vec<Unseen>, StoreError>;

    /// Statements and sessions by consumer, from that day on.
    ///
    /// # Errors
    /// The store cannot be reached.
    fn totals(&mut self, since: Option<Date>) -> Result<Vec<Total>, StoreError>;

    /// When usage was recorded, the earliest first.
    ///
    /// # Errors
    /// The store cannot be reached.
    fn spans(&mut self) -> Result<Vec<Span>, StoreError>;
}

/// A number that stands for these words in every process and on every machine.
pub fn stable_id(words: &[&str]) -> i64 {
    let mut context = digest::Context::new(&digest::SHA256);
    for word in words {
        context.update(word.as_bytes());
        // No name of PostgreSQL holds a zero byte.
        context.update(&[0]);
    }
    let first = context.finish().as_ref().iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    // Zero stands for none.
    (first as i64).max(i64::MIN + 1).checked_abs().filter(|id| *id != 0).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_names_are_the_same_everywhere_and_differ() {
        assert_eq!(stable_id(&["shop", "public", "orders", ""]), stable_id(&["shop", "public", "orders", ""]));
        assert_ne!(stable_id(&["a", "bc"]), stable_id(&["ab", "c"]));
        assert!(stable_id(&[]) > 0);
    }
}

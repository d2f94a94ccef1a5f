//! The record of usage as it is kept: what one flush adds, and what can be asked afterwards.
//!
//! Everything is counted by day, so that a job that runs once a month stays visible next to one that runs all the time. A batch
//! has a key of its own: to write it twice changes nothing.

mod batch;
pub mod tables;

use std::fmt::Debug;

use jiff::Timestamp;
use jiff::civil::Date;
use ring::digest;

pub use batch::{Batch, BatchKey, BlindRow, Cell, ConsumerRow, ObjectRow, ShapeRow, TotalRow, UseRow, Written};

/// How long usage is kept, in days: a job that runs once a year is seen twice.
pub const RETENTION_DAYS: i64 = 400;

/// Where counts go that would exceed the bounds of memory.
pub const OTHER: &str = "__other__";

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
    /// The texts of shapes are wanted, which are the most of it.
    pub texts: bool,
}

impl Filter {
    /// The parameters of [`tables::READ_USES`].
    pub fn parameters(&self) -> [String; 7] {
        let text = |part: &Option<String>| part.clone().unwrap_or_default();
        let column = self.column.clone().unwrap_or_else(|| "*".to_owned());
        let (database, schema, relation) = (text(&self.database), text(&self.schema), text(&self.relation));
        let texts = if self.texts { "yes" } else { "no" };
        [texts.to_owned(), tables::since(self.since), database, schema, relation, column, text(&self.application)]
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
    /// The normalised text, where it is known and wanted.
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

    /// Everything that was ever used and is not forgotten.
    ///
    /// # Errors
    /// The store cannot be reached.
    fn objects(&mut self) -> Result<Vec<ObjectRow>, StoreError>;

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

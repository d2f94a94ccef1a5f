//! Something that has changed and may be why a statement behaves otherwise than before: words for people and for labels.

mod catalogs;

pub use catalogs::between;

/// What kind of change: label `kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// This process began.
    Process,
    /// Contracts or policies were loaded, or refused.
    Files,
    /// The date has moved a column or a table on in its life.
    Lifecycle,
    /// A statement that changes the structure has run through this process.
    Ddl,
    /// The catalog of a database says something else than before, whoever did that.
    Structure,
    /// An index is new, gone, or has become usable or unusable.
    Index,
    /// A statement shape is planned in another way, or is slower since then.
    Plan,
    /// A migration tool says that it has come further, or that it has failed.
    Migration,
    /// The database departs from its contracts, or no longer does.
    Drift,
    /// The server was lost, or is back.
    Upstream,
    /// Certificates were read again, or refused.
    Certificates,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Process,
        Self::Files,
        Self::Lifecycle,
        Self::Ddl,
        Self::Structure,
        Self::Index,
        Self::Plan,
        Self::Migration,
        Self::Drift,
        Self::Upstream,
        Self::Certificates,
    ];

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Files => "files",
            Self::Lifecycle => "lifecycle",
            Self::Ddl => "ddl",
            Self::Structure => "structure",
            Self::Index => "index",
            Self::Plan => "plan",
            Self::Migration => "migration",
            Self::Drift => "drift",
            Self::Upstream => "upstream",
            Self::Certificates => "certificates",
        }
    }

    /// The kind of that word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// One change. No part of it holds a value of a statement or a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What kind of change.
    pub kind: Kind,
    /// The database; empty if it is about all of them.
    pub database: Box<str>,
    /// The schema; empty if it is about no single relation.
    pub schema: Box<str>,
    /// The relation; empty if it is about no single one.
    pub relation: Box<str>,
    /// What has changed, from what to what: a line for people.
    pub what: String,
}

impl Change {
    /// A change that is about no single database.
    pub fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self { kind, database: "".into(), schema: "".into(), relation: "".into(), what: what.into() }
    }

    /// The same, of a database.
    #[must_use]
    pub fn of(self, database: &str) -> Self {
        Self { database: database.into(), ..self }
    }

    /// The same, of a relation.
    #[must_use]
    pub fn about(self, schema: &str, relation: &str) -> Self {
        Self { schema: schema.into(), relation: relation.into(), ..self }
    }
}

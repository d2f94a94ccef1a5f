//! How far migrations have come: what the history tables of migration tools say.
//!
//! Every tool keeps a table of its own form. [`detect`] finds them in a catalog, a question per tool (`upstream`) brings
//! their rows into one form, and [`summarise`] makes of these what is shown and compared.

mod detect;
mod watch;

pub use detect::{HistoryTable, bookkeeping, detect};
pub use watch::{Event, Outcome, Watch};

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ring::digest::{Context, SHA256};

/// A migration tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tool {
    /// `flyway_schema_history`.
    Flyway,
    /// `databasechangelog`.
    Liquibase,
    /// `alembic_version`.
    Alembic,
    /// `schema_migrations` beside `ar_internal_metadata`.
    Rails,
    /// `schema_migrations` with nothing but `version`.
    Dbmate,
    /// `schema_migrations` with `inserted_at`.
    Ecto,
    /// `schema_migrations` with `dirty`.
    GolangMigrate,
    /// `django_migrations`.
    Django,
    /// `_prisma_migrations`.
    Prisma,
    /// `changes` and `events`, in a schema that is mostly called `sqitch`.
    Sqitch,
    /// `goose_db_version`.
    Goose,
    /// `_sqlx_migrations`.
    Sqlx,
    /// `__diesel_schema_migrations`.
    Diesel,
    /// `atlas_schema_revisions`.
    Atlas,
}

impl Tool {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Flyway,
        Self::Liquibase,
        Self::Alembic,
        Self::Rails,
        Self::Dbmate,
        Self::Ecto,
        Self::GolangMigrate,
        Self::Django,
        Self::Prisma,
        Self::Sqitch,
        Self::Goose,
        Self::Sqlx,
        Self::Diesel,
        Self::Atlas,
    ];

    /// The word for it in contracts, reports and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Flyway => "flyway",
            Self::Liquibase => "liquibase",
            Self::Alembic => "alembic",
            Self::Rails => "rails",
            Self::Dbmate => "dbmate",
            Self::Ecto => "ecto",
            Self::GolangMigrate => "golang-migrate",
            Self::Django => "django",
            Self::Prisma => "prisma",
            Self::Sqitch => "sqitch",
            Self::Goose => "goose",
            Self::Sqlx => "sqlx",
            Self::Diesel => "diesel",
            Self::Atlas => "atlas",
        }
    }

    /// The tool of that word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.as_str() == word)
    }

    /// How one version is told from many applied steps.
    const fn current(self) -> Current {
        match self {
            Self::Flyway
            | Self::Rails
            | Self::Dbmate
            | Self::Ecto
            | Self::GolangMigrate
            | Self::Goose
            | Self::Sqlx
            | Self::Diesel
            | Self::Atlas => Current::Greatest,
            Self::Liquibase | Self::Django | Self::Prisma | Self::Sqitch => Current::Last,
            Self::Alembic => Current::All,
        }
    }
}

enum Current {
    /// Versions are numbers; they may have been applied out of order.
    Greatest,
    /// Versions are names: what was applied last.
    Last,
    /// Only heads are kept, and each of them counts.
    All,
}

/// What became of one migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// It is in the database.
    Applied,
    /// It is running, or was interrupted.
    InProgress,
    /// It has failed half-way, and somebody must look.
    Dirty,
    /// It has failed.
    Failed,
}

impl State {
    /// The word for it in reports and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::InProgress => "in_progress",
            Self::Dirty => "dirty",
            Self::Failed => "failed",
        }
    }
}

/// One row of a history table, in the order in which the tool has written them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What the tool tells migrations apart by.
    pub key: Box<str>,
    /// What people call the migration or the version that it leads to.
    pub version: Box<str>,
    /// The checksum of its text, where the tool keeps one.
    pub checksum: Option<Box<str>>,
    /// What became of it; none for one that was taken back.
    pub state: Option<State>,
    /// How long it ran, where the tool writes that down.
    pub took: Option<Duration>,
}

/// What one history table says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// Whose it is.
    pub tool: Tool,
    /// Schema and name of the table.
    pub table: (Box<str>, Box<str>),
    /// The version that the database is at; empty before the first one.
    pub version: Box<str>,
    /// The worst state of a step.
    pub state: State,
    /// The version of the step in that state, if it is not applied.
    pub troubled: Option<Box<str>>,
    /// Over version and checksum of every applied step: 32 hexadecimal digits.
    pub digest: Box<str>,
    /// What is applied: keys, with version and checksum.
    pub applied: BTreeMap<Box<str>, Applied>,
    /// The keys of steps that are failed or dirty.
    pub failed: BTreeSet<Box<str>>,
    /// How long steps ran, by key, where the tool writes that down.
    pub took: BTreeMap<Box<str>, Duration>,
}

/// The version of an applied step, and the checksum of its text.
pub type Applied = (Box<str>, Option<Box<str>>);

/// A history table that the service account may not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// Whose it is.
    pub tool: Tool,
    /// `schema.name`.
    pub table: Box<str>,
    /// What the server says.
    pub why: Box<str>,
}

impl History {
    /// Whether the database is at this version. A tool with several heads may name them in any order; for Django the
    /// last migration of the app that is named counts.
    pub fn is_at(&self, version: &str) -> bool {
        let sorted = |text: &str| {
            let mut parts: Vec<String> = text.split(',').map(|part| part.trim().to_owned()).collect();
            parts.sort();
            parts
        };
        match self.tool {
            Tool::Alembic => sorted(&self.version) == sorted(version),
            Tool::Django => {
                let app = version.split_once('.').map_or("", |(app, _)| app);
                let of_app = self.applied.values().map(|(applied, _)| &**applied);
                let last = of_app.filter(|applied| applied.split_once('.').is_some_and(|(name, _)| name == app)).max();
                last == Some(version)
            }
            Tool::Flyway
            | Tool::Liquibase
            | Tool::Rails
            | Tool::Dbmate
            | Tool::Ecto
            | Tool::GolangMigrate
            | Tool::Prisma
            | Tool::Sqitch
            | Tool::Goose
            | Tool::Sqlx
            | Tool::Diesel
            | Tool::Atlas => *self.version == *version,
        }
    }
}

/// What the rows of a history table amount to. `locked`: the tool says that it is at work.
pub fn summarise(table: &HistoryTable, steps: &[Step], locked: bool) -> History {
    let mut applied = BTreeMap::new();
    let mut order: Vec<&Step> = Vec::new();
    let mut troubled: BTreeMap<&str, (State, &str)> = BTreeMap::new();
    for step in steps {
        order.retain(|other| other.key != step.key);
        applied.remove(&step.key);
        troubled.remove(&*step.key);
        match step.state {
            Some(State::Applied) => {
                order.push(step);
                applied.insert(step.key.clone(), (step.version.clone(), step.checksum.clone()));
            }
            Some(state) => {
                let name = if step.version.is_empty() { &step.key } else { &step.version };
                troubled.insert(&step.key, (state, name));
            }
            None => {}
        }
    }
    let is_failed = |(_, (state, _)): &(&&str, &(State, &str))| matches!(state, State::Failed | State::Dirty);
    let failed = troubled.iter().filter(is_failed).map(|(key, _)| Box::from(*key)).collect();
    let took = steps.iter().filter_map(|step| Some((step.key.clone(), step.took?))).collect();
    let mut versions = order.iter().map(|step| &*step.version).filter(|version| !version.is_empty());
    let version: String = match table.tool.current() {
        Current::Greatest => versions.max_by(|one, other| natural(one, other)).unwrap_or_default().to_owned(),
        Current::Last => versions.next_back().unwrap_or_default().to_owned(),
        Current::All => {
            let mut heads: Vec<&str> = versions.collect();
            heads.sort_unstable();
            heads.join(",")
        }
    };
    let worst = troubled.values().max().map(|(state, version)| (*state, Box::from(*version)));
    let (state, troubled) = match worst {
        Some((state, version)) => (state, Some(version)),
        None if locked => (State::InProgress, None),
        None => (State::Applied, None),
    };
    History {
        tool: table.tool,
        table: (table.schema.clone(), table.name.clone()),
        version: version.into(),
        state,
        troubled,
        digest: digest(&order),
        applied,
        failed,
        took,
    }
}

fn digest(steps: &[&Step]) -> Box<str> {
    let mut pairs: Vec<_> = steps.iter().map(|step| (&step.key, &step.checksum)).collect();
    pairs.sort_unstable();
    let mut context = Context::new(&SHA256);
    for (key, checksum) in pairs {
        context.update(key.as_bytes());
        context.update(&[0]);
        context.update(checksum.as_deref().unwrap_or_default().as_bytes());
        context.update(&[1]);
    }
    let hash = context.finish();
    hash.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

/// Versions by their numbers: 1.10 is after 1.9, and 20260102 after 20260101.
fn natural(one: &str, other: &str) -> Ordering {
    let numbers = |text: &str| -> Vec<(u128, String)> {
        let parts = text.split(['.', '_', '-']);
        parts
            .map(|part| {
                let digits = part.chars().take_while(char::is_ascii_digit).collect::<String>();
                (digits.parse().unwrap_or(0), part.trim_start_matches(|c: char| c.is_ascii_digit()).to_owned())
            })
            .collect()
    };
    numbers(one).cmp(&numbers(other))
}

#[cfg(test)]
mod tests;

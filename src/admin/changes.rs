//! `/api/v1/changes`: what has changed, the latest first.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::parameters::{self, BadParameter, Given, Unfit, each, json_page, understood};
use crate::model::change::Kind;
use crate::observe::changes::{Changes, Noted};

/// Changes of one answer unless another number is asked for, and at most.
const LIMIT: usize = 100;
const HIGHEST_LIMIT: usize = 2000;

/// The words of parameters, in the order of the documentation.
const PARAMETERS: &str = "database, table, kind, since, limit";

/// Where the changes come from.
pub type Source = Arc<dyn Fn(&Query) -> Answer + Send + Sync>;

/// What is asked for; an absent part stands for anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// The database. What is of no single database is told as well.
    pub database: Option<String>,
    /// The relation, with or without its schema.
    pub table: Option<String>,
    /// The kind.
    pub kind: Option<Kind>,
    /// Only those of that moment or later.
    pub since: Option<Timestamp>,
    /// How many at most.
    pub limit: usize,
}

impl Default for Query {
    fn default() -> Self {
        Self { database: None, table: None, kind: None, since: None, limit: LIMIT }
    }
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The changes, the latest first.
    pub changes: Vec<Told>,
    /// How many there are of what is asked for, those beyond the limit included.
    pub total: usize,
    /// How many this process has forgotten to make room for later ones.
    pub forgotten: u64,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// When it was noticed.
    pub at: Timestamp,
    /// What kind of change.
    pub kind: String,
    /// The database; empty for all of them.
    pub database: String,
    /// The schema; empty if it is about no single relation.
    pub schema: String,
    /// The relation; empty if it is about no single one.
    pub relation: String,
    /// What has changed.
    pub what: String,
}

impl Query {
    /// From the parameters of an address.
    ///
    /// # Errors
    /// One is not known, is given twice, or has a value that it cannot have.
    pub fn of(parameters: &[(String, String)]) -> Result<Self, BadParameter> {
        let mut query = Self::default();
        each(parameters, PARAMETERS, |name, value| query.set(name, value))?;
        Ok(query)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Unfit> {
        match name {
            "database" => self.database = Some(parameters::named(value)?),
            "table" => self.table = Some(parameters::named(value)?),
            "kind" => self.kind = Some(kind(value).map_err(Some)?),
            "since" => self.since = Some(parameters::moment(value)?),
            "limit" => self.limit = parameters::number(value, HIGHEST_LIMIT)?,
            _ => return Err(None),
        }
        Ok(())
    }

    fn admits(&self, noted: &Noted) -> bool {
        let change = &noted.change;
        let is_named = |wanted: &str| match wanted.split_once('.') {
            Some((schema, name)) => *change.schema == *schema && *change.relation == *name,
            None => *change.relation == *wanted,
        };
        self.kind.is_none_or(|kind| kind == change.kind)
            && self.since.is_none_or(|since| noted.at >= since)
            && self.table.as_deref().is_none_or(is_named)
            && self
                .database
                .as_deref()
                .is_none_or(|database| change.database.is_empty() || *change.database == *database)
    }
}

/// The kind of that word.
///
/// # Errors
/// There is none: what there is.
pub fn kind(word: &str) -> Result<Kind, String> {
    Kind::of(word).ok_or_else(|| format!("one of {}", Kind::ALL.map(Kind::as_str).join(", ")))
}

impl Answer {
    /// Of a journal.
    pub fn of(journal: &Changes, query: &Query) -> Self {
        let (changes, total) = journal.latest(query.limit, |noted| query.admits(noted));
        Self { changes: changes.into_iter().map(Told::from).collect(), total, forgotten: journal.forgotten() }
    }
}

impl From<Noted> for Told {
    fn from(Noted { at, change }: Noted) -> Self {
        Self {
            at,
            kind: change.kind.as_str().to_owned(),
            database: change.database.into(),
            schema: change.schema.into(),
            relation: change.relation.into(),
            what: change.what,
        }
    }
}

/// The page.
pub fn router(source: Source) -> Router {
    let list = |State(source): State<Source>, given: Given| async move {
        match understood(given).and_then(|given| Query::of(&given)) {
            Ok(query) => json_page(StatusCode::OK, &source(&query)),
            Err(bad) => json_page(StatusCode::BAD_REQUEST, &bad),
        }
    };
    Router::new().route("/api/v1/changes", get(list)).with_state(source)
}

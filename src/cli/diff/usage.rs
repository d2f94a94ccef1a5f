//! The record of usage that `--usage` names, as a comparison asks it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::cli::usage::Lookback;
use crate::cli::usage::answer::{Consumer as Found, consumers, ways};
use crate::cli::usage::evidence::{Window, is_complete_of};
use crate::cli::usage::names::Object;
use crate::cli::usage::store::{self, Purpose};
use crate::config::state::Place;
use crate::model::consumers::{Consumer, Used};
use crate::model::diff::{Usage, UsageAnswer};
use crate::model::usage::{Filter, Recorded, Unseen};

/// Interruptions of recording that are no gaps: a restart takes less.
const TOLERATED: Duration = Duration::from_secs(60);

/// What was recorded in the time that is looked back on.
struct Record {
    uses: Vec<Recorded>,
    unseen: Vec<Unseen>,
    /// Databases of which anything at all was recorded.
    databases: BTreeSet<String>,
    window: Window,
}

/// Opens the record.
///
/// # Errors
/// There is none in that place, or it cannot be read.
pub(super) fn open(place: &Place, since: Lookback) -> anyhow::Result<Box<dyn Usage>> {
    if let Place::File(path) = place
        && !Path::new(path).exists()
    {
        bail!("there is no {}: no proxy has recorded usage there yet", path.display());
    }
    let mut store = store::open(place, Purpose::Read)?;
    store.prepare()?;
    let now = Timestamp::now();
    let from = now.checked_sub(SignedDuration::try_from(since.0)?).context("--since reaches back too far")?;
    let day = Some(from.to_zoned(TimeZone::UTC).date());
    let mut uses = store.uses(&Filter { since: day, ..Filter::default() })?;
    uses.retain(|row| row.last_seen >= from);
    let databases = store.objects()?.into_iter().map(|object| String::from(object.database)).collect();
    let window = Window::of(&store.spans()?, from, now, TOLERATED);
    Ok(Box::new(Record { uses, unseen: store.unseen(day)?, databases, window }))
}

impl Usage for Record {
    fn answer(&self, used: Used<'_>) -> Option<UsageAnswer> {
        let (window_start, _) = self.window.recorded?;
        if !self.databases.contains(used.database) {
            return None;
        }
        let is_it = |row: &&Recorded| {
            row.database == used.database
                && row.schema == used.schema
                && row.relation == used.relation
                && used.column.is_none_or(|column| row.column == column)
        };
        let mut found: Vec<Consumer> = consumers(self.uses.iter().filter(is_it)).iter().filter_map(told).collect();
        found.sort_by_key(|consumer| std::cmp::Reverse(consumer.last_seen));
        let object = Object {
            database: used.database.to_owned(),
            schema: used.schema.to_owned(),
            relation: used.relation.to_owned(),
            column: used.column.unwrap_or_default().to_owned(),
        };
        let complete = is_complete_of(&object, &self.window, &self.unseen);
        Some(UsageAnswer { consumers: found, window_start, complete })
    }
}

/// A consumer; none who has only changed the structure.
fn told(found: &Found<'_>) -> Option<Consumer> {
    let (by_name, by_star) = ways(found.rows());
    if !by_name && !by_star {
        return None;
    }
    let (first_seen, last_seen) = found.span();
    Some(Consumer {
        application: found.application.into(),
        user: found.user.into(),
        shapes: u64::try_from(found.shapes()).unwrap_or(u64::MAX),
        uses: found.uses(),
        star_only: !by_name,
        first_seen,
        last_seen,
    })
}

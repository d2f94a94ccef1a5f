//! How tables and indexes are used: differences of the server's cumulative statistics.
//!
//! The server counts for all clients, those that do not come through the proxy included: an index that looks unused here is
//! unused by everybody. The first look only sets the baseline, so that a restart of the proxy adds nothing twice.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::connect::{ServiceAccount, UpstreamError};
use super::rows::{get, oid, text};
use crate::model::activity::{Activity, IndexActivity, TableActivity};
use crate::model::catalog::Oid;
use crate::policy::store::SnapshotStore;

/// How often the statistics are read.
pub const INTERVAL: Duration = Duration::from_secs(15);

/// How long one reading may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Partitions count each for itself, as the server keeps them.
const TABLES: &str = "
SELECT relid AS oid, schemaname::text AS schema, relname::text AS table_name, coalesce(seq_scan, 0) AS seq_scan,
       coalesce(seq_tup_read, 0) AS seq_rows, coalesce(idx_scan, 0) AS index_scan, coalesce(idx_tup_fetch, 0) AS index_rows
  FROM pg_catalog.pg_stat_user_tables WHERE schemaname !~ '^pg_temp_'";

const INDEXES: &str = "
SELECT indexrelid AS oid, schemaname::text AS schema, relname::text AS table_name, indexrelname::text AS index_name,
       coalesce(idx_scan, 0) AS index_scan, coalesce(idx_tup_read, 0) AS index_rows
  FROM pg_catalog.pg_stat_user_indexes WHERE schemaname !~ '^pg_temp_'";

/// Takes what was read. Called on a background task.
pub type Sink = Arc<dyn Fn(&Activity) + Send + Sync>;

/// Reads the statistics of every database whose catalog is in the store, for as long as it is polled.
pub async fn run(account: ServiceAccount, store: Arc<SnapshotStore>, interval: Duration, sink: Sink) {
    let mut open: HashMap<Box<str>, Watch> = HashMap::new();
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let databases: Vec<Box<str>> = store.load().databases().keys().cloned().collect();
        open.retain(|name, _| databases.contains(name));
        for database in databases {
            let watch = open.entry(database.clone()).or_default();
            let look = tokio::time::timeout(LIMIT, watch.look(&account, &database)).await;
            match look.unwrap_or(Err(UpstreamError::Timeout(LIMIT.as_secs()))) {
                Ok(activity) => sink(&activity),
                Err(error) => {
                    tracing::debug!(%database, %error, "cannot read the statistics of tables and indexes");
                }
            }
        }
    }
}

/// One database: what was read last.
#[derive(Default)]
struct Watch {
    tables: Counters,
    indexes: Counters,
}

impl Watch {
    async fn look(&mut self, account: &ServiceAccount, database: &str) -> Result<Activity, UpstreamError> {
        // Not kept open: a database that somebody is connected to can be neither dropped nor copied nor renamed.
        let client = account.connect(database).await?;
        let mut activity = Activity { database: database.into(), ..Activity::default() };
        for row in client.query(TABLES, &[]).await? {
            let now =
                [get(&row, "seq_scan")?, get(&row, "seq_rows")?, get(&row, "index_scan")?, get(&row, "index_rows")?];
            let [seq_scans, seq_rows, index_scans, index_rows] = self.tables.since_last(oid(&row, "oid")?, now);
            let (schema, table) = (text(&row, "schema")?, text(&row, "table_name")?);
            activity.tables.push(TableActivity { schema, table, seq_scans, seq_rows, index_scans, index_rows });
        }
        for row in client.query(INDEXES, &[]).await? {
            let now = [get(&row, "index_scan")?, get(&row, "index_rows")?, 0, 0];
            let [scans, rows, ..] = self.indexes.since_last(oid(&row, "oid")?, now);
            let (schema, table, index) = (text(&row, "schema")?, text(&row, "table_name")?, text(&row, "index_name")?);
            activity.indexes.push(IndexActivity { schema, table, index, scans, rows });
        }
        self.tables.forget_unseen();
        self.indexes.forget_unseen();
        Ok(activity)
    }
}

/// What was read last, by object; objects that were not read in this round are forgotten at its end.
#[derive(Default)]
struct Counters {
    last: HashMap<Oid, [i64; 4]>,
    next: HashMap<Oid, [i64; 4]>,
    has_baseline: bool,
}

impl Counters {
    /// The growth since the last round. A value that shrank was reset in between, so all of it is new. An object that the last
    /// round did not have was made since, so all of its counts are new as well; in the first round nothing is.
    fn since_last(&mut self, oid: Oid, now: [i64; 4]) -> [u64; 4] {
        let before = match self.last.get(&oid) {
            Some(before) => *before,
            None if self.has_baseline => [0; 4],
            None => now,
        };
        self.next.insert(oid, now);
        let mut grown = [0; 4];
        for ((grown, now), before) in grown.iter_mut().zip(now).zip(before) {
            let difference = if now >= before { now.saturating_sub(before) } else { now };
            *grown = u64::try_from(difference).unwrap_or(0);
        }
        grown
    }

    fn forget_unseen(&mut self) {
        self.last = std::mem::take(&mut self.next);
        self.has_baseline = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_round_is_the_baseline_and_later_ones_count_what_was_added() {
        let mut counters = Counters::default();
        assert_eq!(counters.since_last(Oid(1), [10, 5, 0, 0]), [0; 4]);
        counters.forget_unseen();
        assert_eq!(counters.since_last(Oid(1), [12, 5, 1, 0]), [2, 0, 1, 0]);
        assert_eq!(counters.since_last(Oid(2), [3, 0, 0, 0]), [3, 0, 0, 0], "made after the baseline");
    }

    #[test]
    fn a_reset_counts_from_zero() {
        let mut counters = Counters::default();
        counters.since_last(Oid(1), [100, 100, 100, 100]);
        counters.forget_unseen();
        assert_eq!(counters.since_last(Oid(1), [4, 100, 0, 101]), [4, 0, 0, 1]);
    }

    #[test]
    fn dropped_objects_are_forgotten() {
        let mut counters = Counters::default();
        counters.since_last(Oid(1), [1; 4]);
        counters.forget_unseen();
        counters.forget_unseen();
        assert!(counters.last.is_empty());
    }
}

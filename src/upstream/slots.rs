//! Replication slots: who follows the changes, and how far behind. They are of the server, not of a database.

use std::sync::Arc;
use std::time::Duration;

use super::connect::{ServiceAccount, UpstreamError};
use super::divergence::SETTINGS;
use super::rows::{get, text};
use crate::model::data_checks::Slot;
use crate::policy::store::SnapshotStore;

/// How long one look may take.
const LIMIT: Duration = Duration::from_secs(10);

/// A consumer of changes is behind by what it has not confirmed, a standby by what must be kept for it. A temporary slot
/// goes with its session, and nothing is kept for it after that.
const SLOTS: &str = "
SELECT s.slot_name::text AS name, coalesce(s.database::text, '') AS database, s.active AS active,
       CASE WHEN pg_catalog.pg_is_in_recovery()
            THEN pg_catalog.pg_wal_lsn_diff(
                     coalesce(pg_catalog.pg_last_wal_receive_lsn(), pg_catalog.pg_last_wal_replay_lsn()),
                     coalesce(s.confirmed_flush_lsn, s.restart_lsn))
            ELSE pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), coalesce(s.confirmed_flush_lsn, s.restart_lsn))
       END::int8 AS lag
  FROM pg_catalog.pg_replication_slots s
 WHERE NOT s.temporary";

/// Takes all slots there are. Called on a background task.
pub type Sink = Arc<dyn Fn(&[Slot]) + Send + Sync>;

/// Looks at the slots of the server, for as long as it is polled.
pub async fn run(account: ServiceAccount, store: Arc<SnapshotStore>, interval: Duration, sink: Sink) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut told: Option<String> = None;
    loop {
        ticks.tick().await;
        let mut databases: Vec<Box<str>> = store.load().databases().keys().cloned().collect();
        databases.sort();
        match look(&account, &databases).await {
            Ok(Some(slots)) => {
                told = None;
                sink(&slots);
            }
            Ok(None) => {}
            Err(error) => {
                let error = error.to_string();
                if told.as_ref() != Some(&error) {
                    tracing::warn!(error, "cannot look at the replication slots");
                }
                told = Some(error);
            }
        }
    }
}

/// Any database will do: the first that lets us in. None where none is known.
async fn look(account: &ServiceAccount, databases: &[Box<str>]) -> Result<Option<Vec<Slot>>, UpstreamError> {
    let mut failed = None;
    for database in databases {
        match tokio::time::timeout(LIMIT, slots(account, database)).await {
            Ok(Ok(slots)) => return Ok(Some(slots)),
            Ok(Err(error)) => failed = Some(error),
            Err(_) => failed = Some(UpstreamError::Timeout(LIMIT.as_secs())),
        }
    }
    failed.map_or(Ok(None), Err)
}

async fn slots(account: &ServiceAccount, database: &str) -> Result<Vec<Slot>, UpstreamError> {
    let mut client = account.connect(database).await?;
    let transaction = client.build_transaction().read_only(true).start().await?;
    transaction.batch_execute(SETTINGS).await?;
    let mut slots = Vec::new();
    for row in transaction.query(SLOTS, &[]).await? {
        slots.push(Slot {
            name: text(&row, "name")?,
            database: text(&row, "database")?,
            active: get(&row, "active")?,
            // What is confirmed may be ahead of what a standby has received.
            lag: get::<Option<i64>>(&row, "lag")?.map(|bytes| u64::try_from(bytes).unwrap_or(0)),
        });
    }
    transaction.commit().await?;
    Ok(slots)
}

//! How tables and indexes are used: differences of the server's cumulative statistics.
//!
//! The server counts for all clients, those that do not come through the proxy included: an index that looks unused here is
//! unused by everybody. The first look only sets the baseline, so that a restart of the proxy adds nothing twice.

mod counters;
mod memory;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_postgres::Client;

use super::connect::{ServiceAccount, UpstreamError};
use super::keeper::CatalogKeeper;
use super::rows::{get, oid, text};
use crate::model::activity::{Activity, IndexActivity, IndexKind, TableActivity};
use crate::model::catalog::Oid;
use counters::Counters;
use memory::{Memory, Moment, Names, Seen};

/// How often the statistics are read where the configuration does not say: more often than Prometheus looks.
pub const INTERVAL: Duration = Duration::from_secs(10);

/// How often it is looked whether it is time.
const TICK: Duration = Duration::from_millis(500);

/// A change of the structure that passed through the proxy is followed by a look after this time: it may be the first of several.
const AFTER_DDL: Duration = Duration::from_secs(1);

/// Sizes are asked for less often: the server has to look at the files.
const SIZES_EVERY: Duration = Duration::from_secs(60);

/// How long one reading may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Partitions count each for itself, as the server keeps them.
const TABLES: &str = "
SELECT relid AS oid, schemaname::text AS schema, relname::text AS table_name, coalesce(seq_scan, 0) AS seq_scan,
       coalesce(seq_tup_read, 0) AS seq_rows, coalesce(idx_scan, 0) AS index_scan, coalesce(idx_tup_fetch, 0) AS index_rows,
       coalesce(n_live_tup, 0) AS live
  FROM pg_catalog.pg_stat_user_tables WHERE schemaname !~ '^pg_temp_'";

const INDEXES: &str = "
SELECT s.indexrelid AS oid, s.relid AS table_oid, s.schemaname::text AS schema, s.relname::text AS table_name,
       s.indexrelname::text AS index_name, coalesce(s.idx_scan, 0) AS index_scan, coalesce(s.idx_tup_read, 0) AS index_rows,
       i.indisprimary AS is_primary, i.indisexclusion AS excludes, i.indisunique AS is_unique, i.indisvalid AS valid
  FROM pg_catalog.pg_stat_user_indexes s
  JOIN pg_catalog.pg_index i ON i.indexrelid = s.indexrelid
 WHERE s.schemaname !~ '^pg_temp_'";

/// Sessions that wait for a lock on a relation as a whole, or on a row or page of it.
const WAITERS: &str = "
SELECT l.relation AS oid, count(DISTINCT l.pid) AS waiters
  FROM pg_catalog.pg_locks l
 WHERE NOT l.granted AND l.relation IS NOT NULL
   AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
 GROUP BY l.relation";

/// To tell a size, the server locks the relation for a moment. Whoever changes a table must not have us in the queue behind
/// it: what is locked or waited for exclusively is left out, and what is locked in between is not waited for.
const SIZES: &str = "
SELECT c.oid AS oid, pg_catalog.pg_table_size(c.oid) AS bytes
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'm', 'i') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.relation = c.oid AND l.mode = 'AccessExclusiveLock')";

const SIZES_WAIT: &str = "SET lock_timeout = '100ms'";

/// Takes what was read. Called on a background task.
pub type Sink = Arc<dyn Fn(&Activity) + Send + Sync>;

/// Reads the statistics of every database whose catalog is kept, for as long as it is polled.
pub async fn run(account: ServiceAccount, keeper: CatalogKeeper, interval: Duration, sink: Sink) {
    let mut open: HashMap<Box<str>, Watch> = HashMap::new();
    let mut ticks = tokio::time::interval(TICK.min(interval));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let databases: Vec<Box<str>> = keeper.store.load().databases().keys().cloned().collect();
        open.retain(|name, _| databases.contains(name));
        for database in databases {
            let watch = open.entry(database.clone()).or_insert_with(Watch::new);
            if !watch.is_due(keeper.changes(&database)) {
                continue;
            }
            watch.next = Instant::now() + interval;
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
struct Watch {
    next: Instant,
    ddl: u64,
    tables: Counters,
    indexes: Counters,
    memory: Memory,
    sizes: HashMap<Oid, u64>,
    sized: Option<Instant>,
}

impl Watch {
    fn new() -> Self {
        Self {
            next: Instant::now(),
            ddl: 0,
            tables: Counters::default(),
            indexes: Counters::default(),
            memory: Memory::default(),
            sizes: HashMap::new(),
            sized: None,
        }
    }

    /// Whether it is time; after DDL, which is counted, it soon is.
    fn is_due(&mut self, ddl: u64) -> bool {
        if self.ddl != ddl {
            self.ddl = ddl;
            self.next = self.next.min(Instant::now() + AFTER_DDL);
        }
        self.next <= Instant::now()
    }

    async fn look(&mut self, account: &ServiceAccount, database: &str) -> Result<Activity, UpstreamError> {
        // Not kept open: a database that somebody is connected to can be neither dropped nor copied nor renamed.
        let client = account.connect(database).await?;
        let mut activity = Activity { database: database.into(), ..Activity::default() };
        let mut waiters: HashMap<Oid, i64> = HashMap::new();
        for row in client.query(WAITERS, &[]).await? {
            waiters.insert(oid(&row, "oid")?, get(&row, "waiters")?);
        }
        let mut tables = Vec::new();
        for row in client.query(TABLES, &[]).await? {
            let now =
                [get(&row, "seq_scan")?, get(&row, "seq_rows")?, get(&row, "index_scan")?, get(&row, "index_rows")?];
            let table = oid(&row, "oid")?;
            tables.push(table);
            let [seq_scans, seq_rows, index_scans, index_rows] = self.tables.since_last(table, now);
            activity.tables.push(TableActivity {
                schema: text(&row, "schema")?,
                table: text(&row, "table_name")?,
                seq_scans,
                seq_rows,
                index_scans,
                index_rows,
                bytes: None,
                rows: u64::try_from(get::<i64>(&row, "live")?).unwrap_or(0),
                waiters: waiters.get(&table).and_then(|count| u64::try_from(*count).ok()).unwrap_or(0),
            });
        }
        let seen = self.indexes(&client, &mut activity).await?;
        self.tables.forget_unseen();
        self.indexes.forget_unseen();
        self.measure(&client, tables.iter().copied().chain(seen.iter().map(|index| index.oid))).await;
        for (table, oid) in activity.tables.iter_mut().zip(&tables) {
            table.bytes = self.sizes.get(oid).copied();
        }
        self.remember(&mut activity, seen, &tables.into_iter().collect());
        Ok(activity)
    }

    async fn indexes(&mut self, client: &Client, activity: &mut Activity) -> Result<Vec<Seen>, UpstreamError> {
        let mut seen = Vec::new();
        for row in client.query(INDEXES, &[]).await? {
            let now = [get(&row, "index_scan")?, get(&row, "index_rows")?, 0, 0];
            let index_oid = oid(&row, "oid")?;
            let [scans, rows, ..] = self.indexes.since_last(index_oid, now);
            let (schema, table, index) = (text(&row, "schema")?, text(&row, "table_name")?, text(&row, "index_name")?);
            let kind = match (get(&row, "is_primary")?, get(&row, "excludes")?, get(&row, "is_unique")?) {
                (true, _, _) => IndexKind::Primary,
                (_, true, _) => IndexKind::Exclusion,
                (_, _, true) => IndexKind::Unique,
                (false, false, false) => IndexKind::Plain,
            };
            let valid = get(&row, "valid")?;
            let names = Names { schema: schema.clone(), table: table.clone(), index: index.clone() };
            let table_oid = oid(&row, "table_oid")?;
            seen.push(Seen { oid: index_oid, table: table_oid, names, valid, bytes: None, scans });
            let (bytes, unused) = (None, Duration::ZERO);
            activity.indexes.push(IndexActivity { schema, table, index, scans, rows, bytes, kind, valid, unused });
        }
        Ok(seen)
    }

    /// Asks for sizes, if they are old or something is new. What cannot be asked for now is asked for later.
    async fn measure(&mut self, client: &Client, mut objects: impl Iterator<Item = Oid>) {
        let is_old = self.sized.is_none_or(|at| at.elapsed() >= SIZES_EVERY);
        if !is_old && objects.all(|oid| self.sizes.contains_key(&oid)) {
            return;
        }
        self.sized = Some(Instant::now());
        let asked = async {
            client.batch_execute(SIZES_WAIT).await?;
            let mut sizes = HashMap::new();
            for row in client.query(SIZES, &[]).await? {
                let bytes: Option<i64> = get(&row, "bytes")?;
                let Some(bytes) = bytes.and_then(|bytes| u64::try_from(bytes).ok()) else { continue };
                sizes.insert(oid(&row, "oid")?, bytes);
            }
            Ok::<_, UpstreamError>(sizes)
        };
        // What is locked just now keeps the size that it had.
        match asked.await {
            Ok(sizes) => self.sizes.extend(sizes),
            Err(error) => tracing::debug!(%error, "cannot read the sizes of tables and indexes"),
        }
    }

    fn remember(&mut self, activity: &mut Activity, mut seen: Vec<Seen>, tables: &HashSet<Oid>) {
        let indexes: HashSet<Oid> = seen.iter().map(|index| index.oid).collect();
        self.sizes.retain(|oid, _| tables.contains(oid) || indexes.contains(oid));
        for (index, told) in seen.iter_mut().zip(&mut activity.indexes) {
            index.bytes = self.sizes.get(&index.oid).copied();
            told.bytes = index.bytes.or_else(|| self.memory.bytes(index.oid));
        }
        let unused = self.memory.look(seen, |table| tables.contains(&table), Moment::now());
        for (told, unused) in activity.indexes.iter_mut().zip(unused) {
            told.unused = unused;
        }
        activity.dropped = self.memory.dropped().to_vec();
        tell(activity);
    }
}

/// One line for each index that was dropped.
fn tell(activity: &Activity) {
    for gone in activity.dropped.iter().filter(|gone| gone.is_news) {
        tracing::warn!(
            database = %activity.database,
            schema = %gone.schema,
            table = %gone.table,
            index = %gone.index,
            bytes = gone.bytes,
            scans_of_the_last_day = gone.scans,
            "an index was dropped"
        );
    }
}

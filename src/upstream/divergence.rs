//! Whether columns that are written side by side say the same: counts, asked for at intervals.
//!
//! Of a large table a sample is read, another one each time. What is found goes to metrics; the log is told when it changes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio_postgres::{Client, IsolationLevel};

use super::connect::{ServiceAccount, UpstreamError};
use super::own_code::{self, ColumnNumber};
use super::rows::get;
use crate::model::catalog::{BaseType, Catalog, Column, Relation, RelationKind};
use crate::model::divergence::{ColumnPair, Compared, Divergence};
use crate::model::ident::Ident;
use crate::model::lifecycle::{Phase, Redirect, RedirectedWrites};
use crate::policy::snapshot::Snapshot;
use crate::policy::store::SnapshotStore;

/// How often pairs are compared where the configuration does not say.
pub const INTERVAL: Duration = Duration::from_secs(60);

/// How much of a table is read at once.
pub(super) const MOST_BYTES: i64 = 64 << 20;

/// How long all pairs of a database may take, connecting included.
const LIMIT: Duration = Duration::from_secs(60);

/// A role that row security applies to would count some rows only: it is told instead. Locks are not waited for, since others
/// would wait behind us.
pub(super) const SETTINGS: &str = "SET LOCAL search_path = ''; SET LOCAL statement_timeout = '5s'; SET LOCAL lock_timeout = '500ms'; \
                        SET LOCAL row_security = off; SET LOCAL jit = off; SET LOCAL max_parallel_workers_per_gather = 0";

/// What a table takes, its partitions included.
pub(super) const SIZE: &str = "
SELECT greatest(pg_catalog.pg_relation_size($1::oid),
                (SELECT coalesce(sum(pg_catalog.pg_relation_size(relid)), 0)::int8
                   FROM pg_catalog.pg_partition_tree($1::oid::regclass))) AS bytes";

/// Takes what was counted. Called on a background task.
pub type Sink = Arc<dyn Fn(&Divergence) + Send + Sync>;

/// Compares the redirected columns of every database whose catalog is in the store, for as long as it is polled.
pub async fn run(account: ServiceAccount, store: Arc<SnapshotStore>, interval: Duration, sink: Sink) {
    let mut watched: HashMap<Box<str>, Watch> = HashMap::new();
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let snapshot = store.load();
        for name in snapshot.databases().keys() {
            watched.entry(name.clone()).or_default();
        }
        for (database, watch) in &mut watched {
            let questions = questions(&snapshot, database, Timestamp::now());
            if questions.is_empty() && watch.pairs.is_empty() {
                continue;
            }
            watch.look(&account, database, &questions).await;
            sink(&watch.divergence(database));
        }
        watched.retain(|name, _| snapshot.database(name).is_some());
    }
}

/// A pair, and how it is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Question {
    pair: ColumnPair,
    relation: u32,
    /// The relation, as SQL.
    name: String,
    /// The two columns.
    columns: [ColumnNumber; 2],
    /// Values of one are cast to the type of the other.
    casts: bool,
    /// The counting; TABLESAMPLE may follow.
    sql: String,
    counts_divergence: bool,
}

/// The pairs of a database that are redirected at that moment and that it has.
fn questions(snapshot: &Snapshot, database: &str, now: Timestamp) -> Vec<Question> {
    let Some(known) = snapshot.database(database) else { return Vec::new() };
    let mut found: BTreeMap<ColumnPair, Question> = BTreeMap::new();
    for (schema, entity) in snapshot.bundle.contracts().flat_map(|contract| contract.entities_in(database)) {
        for field in &entity.fields {
            let Some(retirement) = field.retirement.as_ref().filter(|known| known.phase_at(now) < Phase::Sunset) else {
                continue;
            };
            let Some(redirect) = &retirement.redirect else { continue };
            let pair = ColumnPair {
                schema: schema.into(),
                relation: entity.name.clone(),
                column: field.name.clone(),
                replacement: redirect.to.clone(),
            };
            if let Some(question) = question(pair.clone(), redirect, &known.catalog) {
                found.insert(pair, question);
            }
        }
    }
    found.into_values().collect()
}

fn question(pair: ColumnPair, redirect: &Redirect, catalog: &Catalog) -> Option<Question> {
    let relation = catalog.find(&pair.schema, &pair.relation)?;
    let has_rows = match relation.kind {
        RelationKind::Table | RelationKind::Partitioned => true,
        RelationKind::View
        | RelationKind::MaterializedView
        | RelationKind::Foreign
        | RelationKind::Sequence
        | RelationKind::Other => false,
    };
    let (old, new) = (relation.column(&pair.column)?, relation.column(&pair.replacement)?);
    let sql = counting(relation, old, new);
    // Where all reads and writes go to the new column, the old one is left behind on purpose.
    let counts_divergence = !(redirect.reads && redirect.writes == RedirectedWrites::Replacement);
    has_rows.then(|| Question {
        relation: relation.oid.0,
        name: relation.qualified(),
        columns: [old, new].map(|column| (relation.oid.0, column.attnum)),
        casts: old.ty.sql != new.ty.sql,
        sql,
        counts_divergence,
        pair,
    })
}

fn counting(relation: &Relation, old: &Column, new: &Column) -> String {
    let name = |column: &Column| Ident::quoted(&column.name).to_string();
    let (before, after) = (name(old), name(new));
    let (mut left, mut right) = (before.clone(), after.clone());
    if old.ty.sql != new.ty.sql {
        // A domain's own check holds for what is in it already.
        left = format!("CAST({left} AS {})", new.ty.masked_as.as_ref().unwrap_or(&new.ty.sql));
    }
    if new.ty.base == BaseType::Json {
        // json has no equality of its own.
        (left, right) = (format!("CAST({left} AS pg_catalog.jsonb)"), format!("CAST({right} AS pg_catalog.jsonb)"));
    }
    format!(
        "SELECT count(*) AS rows, \
                count(*) FILTER (WHERE {before} IS NOT NULL AND {after} IS NULL) AS missing, \
                count(*) FILTER (WHERE {right} IS DISTINCT FROM {left} AND NOT ({before} IS NOT NULL AND {after} IS NULL)) AS divergent \
           FROM {}",
        relation.qualified()
    )
}

/// One database: what was counted last.
#[derive(Default)]
struct Watch {
    pairs: BTreeMap<ColumnPair, State>,
}

#[derive(Default)]
struct State {
    last: Option<Compared>,
    told: Option<String>,
}

impl Watch {
    fn divergence(&self, database: &str) -> Divergence {
        let pairs = self.pairs.iter().map(|(pair, state)| (pair.clone(), state.last)).collect();
        Divergence { database: database.into(), pairs }
    }

    async fn look(&mut self, account: &ServiceAccount, database: &str, questions: &[Question]) {
        self.pairs.retain(|pair, _| questions.iter().any(|question| question.pair == *pair));
        for question in questions {
            self.pairs.entry(question.pair.clone()).or_default();
        }
        let all = self.all(account, database, questions);
        let outcome = tokio::time::timeout(LIMIT, all).await.unwrap_or(Err(UpstreamError::Timeout(LIMIT.as_secs())));
        if let Err(error) = outcome {
            tracing::debug!(%database, error = error.discreet(), "cannot compare redirected columns");
        }
    }

    async fn all(
        &mut self,
        account: &ServiceAccount,
        database: &str,
        questions: &[Question],
    ) -> Result<(), UpstreamError> {
        if questions.is_empty() {
            return Ok(());
        }
        // Not kept open: a database that somebody is connected to can be neither dropped nor copied nor renamed.
        let mut client = account.connect(database).await?;
        for question in questions {
            let outcome = ask(&mut client, question).await;
            if let Some(state) = self.pairs.get_mut(&question.pair) {
                state.tell(database, &question.pair, &outcome);
                state.last = outcome.ok().or(state.last);
            }
        }
        Ok(())
    }
}

async fn ask(client: &mut Client, question: &Question) -> Result<Compared, UpstreamError> {
    let transaction =
        client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).read_only(true).start().await?;
    transaction.batch_execute(SETTINGS).await?;
    let bytes: i64 = get(&transaction.query_one(SIZE, &[&question.relation]).await?, "bytes")?;
    let share = share(bytes);
    let sample = if share < 1.0 { format!(" TABLESAMPLE SYSTEM ({})", share * 100.0) } else { String::new() };
    own_code::refuse(&transaction, std::slice::from_ref(&question.name), &question.columns, question.casts).await?;
    let row = transaction.query_one(&format!("{}{sample}", question.sql), &[]).await?;
    let count = |name| Ok::<_, UpstreamError>(u64::try_from(get::<i64>(&row, name)?).unwrap_or(0));
    let (rows, missing, divergent) = (count("rows")?, count("missing")?, count("divergent")?);
    transaction.commit().await?;
    Ok(Compared {
        at: Timestamp::now(),
        divergent: question.counts_divergence.then_some(divergent),
        missing,
        done: rows.saturating_sub(missing),
        share,
    })
}

/// How much of a table of that size is read.
fn share(bytes: i64) -> f64 {
    if bytes <= MOST_BYTES { 1.0 } else { MOST_BYTES as f64 / bytes as f64 }
}

impl State {
    /// Tells the log what is different from before.
    fn tell(&mut self, database: &str, pair: &ColumnPair, outcome: &Result<Compared, UpstreamError>) {
        let what = match outcome {
            Err(error) => format!("cannot be compared: {}", error.discreet()),
            Ok(Compared { divergent: Some(1..), .. }) => "differ".to_owned(),
            Ok(Compared { missing: 1.., .. }) => "do not differ, but rows are not backfilled yet".to_owned(),
            Ok(Compared { divergent: None, .. }) => "are backfilled".to_owned(),
            Ok(Compared { .. }) => "agree".to_owned(),
        };
        if self.told.as_ref() == Some(&what) {
            return;
        }
        let ColumnPair { schema, relation, column, replacement } = pair;
        let rows = outcome.as_ref().ok().and_then(|compared| compared.divergent).unwrap_or(0);
        let missing = outcome.as_ref().map_or(0, |compared| compared.missing);
        if outcome.is_err() || rows > 0 {
            tracing::warn!(%database, %schema, %relation, rows, missing, "{column} and {replacement} {what}");
        } else {
            tracing::info!(%database, %schema, %relation, missing, "{column} and {replacement} {what}");
        }
        self.told = Some(what);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::contract::types::column_type;

    fn column(name: &str, ty: &str) -> Column {
        Column::new(1, name, column_type(ty))
    }

    fn table() -> Relation {
        Relation {
            row_type: crate::model::catalog::Oid(2),
            ..Relation::table(crate::model::catalog::Oid(1), "Odd", "t", Vec::new())
        }
    }

    #[test]
    fn values_are_compared_in_the_type_of_the_new_column() {
        let sql = counting(&table(), &column("old", "text"), &column("ne\"w", "varchar(9)"));
        assert!(sql.contains(r#""ne""w" IS DISTINCT FROM CAST("old" AS character varying(9))"#), "{sql}");
        assert!(sql.ends_with(r#"FROM "Odd"."t""#), "{sql}");
        let sql = counting(&table(), &column("a", "json"), &column("b", "json"));
        assert!(
            sql.contains("CAST(\"b\" AS pg_catalog.jsonb) IS DISTINCT FROM CAST(\"a\" AS pg_catalog.jsonb)"),
            "{sql}"
        );
        let sql = counting(&table(), &column("a", "int"), &column("b", "integer"));
        assert!(!sql.contains("CAST"), "{sql}");
    }

    #[test]
    fn of_large_tables_a_share_is_read() {
        assert_eq!(share(0), 1.0);
        assert_eq!(share(MOST_BYTES), 1.0);
        assert_eq!(share(MOST_BYTES * 4), 0.25);
    }
}

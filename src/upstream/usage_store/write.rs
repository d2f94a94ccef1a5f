//! What is written to the tables of a fleet: the tables themselves, batches of usage, and what is too old.

use jiff::tz::TimeZone;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Transaction};

use crate::model::usage::tables::{self, Target};
use crate::model::usage::{Batch, Cell, Written};

/// Two processes that start at once make the tables one after the other: `pgcovenant` as a number.
const LOCK: i64 = 0x7067_636f_7665_6e61;

/// Everything is in a schema of its own.
const SCHEMA: &str = "CREATE SCHEMA IF NOT EXISTS pgcovenant_usage";

/// Whether the schema and its first table are there. A role that may not make any can still write to them.
const EXISTS: &str = "SELECT pg_catalog.to_regclass('pgcovenant_usage.schema_version') IS NOT NULL";

/// Makes the tables, or brings them up to date.
pub(super) async fn migrate(client: &mut Client) -> Result<(), tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    transaction.execute("SELECT pg_catalog.pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    if !transaction.query_one(EXISTS, &[]).await?.try_get::<_, bool>(0)? {
        transaction.batch_execute(SCHEMA).await?;
        transaction.batch_execute(tables::VERSION_TABLE).await?;
    }
    let version: Option<i64> =
        transaction.query_one("SELECT max(version) FROM schema_version", &[]).await?.try_get(0)?;
    let done = usize::try_from(version.unwrap_or_default()).unwrap_or_default();
    for statement in tables::MIGRATIONS.iter().skip(done).copied().flatten() {
        transaction.batch_execute(statement).await?;
    }
    if done < tables::MIGRATIONS.len() {
        transaction.execute("DELETE FROM schema_version", &[]).await?;
        let version = tables::MIGRATIONS.len() as i64;
        transaction.execute("INSERT INTO schema_version VALUES ($1)", &[&version]).await?;
    }
    transaction.commit().await
}

/// The rows by column: one statement takes all of them, in one order for all processes, so that none waits for another in
/// a circle. `unnest` of several arrays is known by this name alone.
async fn fill(
    transaction: &Transaction<'_>,
    target: &Target,
    mut rows: Vec<Vec<Cell>>,
) -> Result<(), tokio_postgres::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    rows.sort();
    let mut columns: Vec<Box<dyn ToSql + Sync + Send>> = Vec::new();
    for (index, (_, ty)) in target.fields.iter().enumerate() {
        let cells = rows.iter().filter_map(|row| row.get(index));
        columns.push(if *ty == "bigint" {
            let number = |cell: &Cell| match cell {
                Cell::Number(number) => *number,
                Cell::Text(_) => 0,
            };
            Box::new(cells.map(number).collect::<Vec<i64>>())
        } else {
            let text = |cell: &Cell| match cell {
                Cell::Text(text) => text.clone(),
                Cell::Number(number) => number.to_string(),
            };
            Box::new(cells.map(text).collect::<Vec<String>>())
        });
    }
    let places: Vec<String> = (1..).zip(target.fields).map(|(number, (_, ty))| format!("${number}::{ty}[]")).collect();
    let sql = format!(
        "INSERT INTO {} SELECT * FROM unnest({}) ON CONFLICT {}",
        target.table,
        places.join(", "),
        target.conflict
    );
    let parameters: Vec<&(dyn ToSql + Sync)> = columns.iter().map(|column| &**column as _).collect();
    transaction.execute(&sql, &parameters).await.map(drop)
}

/// Adds a batch, unless it was added before.
pub(super) async fn write(client: &mut Client, batch: &Batch) -> Result<Written, tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    let today = batch.until.to_zoned(TimeZone::UTC).date().to_string();
    let (node, boot) = (&*batch.key.node, &*batch.key.boot);
    let added = transaction.execute(tables::ADD_BATCH, &[&node, &boot, &batch.key.sequence, &today]).await?;
    if added == 0 {
        return Ok(Written::Repeated);
    }
    for (target, rows) in batch.rows() {
        fill(&transaction, &target, rows).await?;
    }
    let (from, until) = (batch.from.as_microsecond(), batch.until.as_microsecond());
    transaction.execute(tables::ADD_SPAN, &[&node, &boot, &from, &until]).await?;
    transaction.commit().await?;
    Ok(Written::Added)
}

/// Takes away what is older than that day, and keys of batches older than theirs.
pub(super) async fn expire(client: &mut Client, before: &str, keys: &str) -> Result<(), tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    // Names that nothing refers to any more stay: another process may be about to refer to them.
    for statement in tables::EXPIRE {
        transaction.execute(*statement, &[&before]).await?;
    }
    transaction.execute(tables::EXPIRE_BATCHES, &[&keys]).await?;
    transaction.commit().await
}

//! Reads the history tables of migration tools. Each has a form of its own; a question per tool brings its rows into one.

use std::time::Duration;

use tokio_postgres::Transaction;

use super::connect::UpstreamError;
use super::own_code;
use super::rows::{get, optional_text, text};
use crate::model::catalog::Catalog;
use crate::model::ident::Ident;
use crate::model::migrations::{HistoryTable, State, Step, Tool, Unread, detect, summarise};
use crate::model::structure::Structure;

/// Rows of one table that are read at most: the newest.
const AT_MOST: usize = 20_000;

/// Key, version, checksum and state of every step, and where the tool keeps it the seconds that it took, oldest first; `{schema}` stands for the schema of the table, `{time}` for its column [`TIME`].
fn question(tool: Tool) -> &'static str {
    match tool {
        // A row of UNDO or DELETE takes a version back; repeatable migrations have no version, and run whenever they change.
        Tool::Flyway => {
            "SELECT coalesce(version, script)::text AS key, coalesce(version, '')::text AS version,
                    CASE WHEN version IS NOT NULL THEN checksum::text END AS checksum,
                    CASE WHEN NOT success THEN 'failed' WHEN type ~ '^(UNDO|DELETE)' THEN 'reverted' ELSE 'applied' END AS state,
                    {time} / 1e3::float8 AS took
               FROM {schema}.flyway_schema_history WHERE type <> 'SCHEMA' ORDER BY installed_rank"
        }
        Tool::Liquibase => {
            "SELECT filename || '::' || id || '::' || author AS key, id::text AS version, md5sum::text AS checksum,
                    CASE exectype WHEN 'FAILED' THEN 'failed' WHEN 'SKIPPED' THEN 'reverted' ELSE 'applied' END AS state
               FROM {schema}.databasechangelog ORDER BY orderexecuted, dateexecuted"
        }
        Tool::Alembic => {
            "SELECT version_num::text AS key, version_num::text AS version, NULL::text AS checksum, 'applied' AS state
               FROM {schema}.alembic_version ORDER BY 1"
        }
        Tool::Rails | Tool::Dbmate | Tool::Ecto => {
            "SELECT version::text AS key, version::text AS version, NULL::text AS checksum, 'applied' AS state
               FROM {schema}.schema_migrations ORDER BY 1"
        }
        Tool::GolangMigrate => {
            "SELECT version::text AS key, version::text AS version, NULL::text AS checksum,
                    CASE WHEN dirty THEN 'dirty' ELSE 'applied' END AS state
               FROM {schema}.schema_migrations"
        }
        Tool::Django => {
            "SELECT app || '.' || name AS key, app || '.' || name AS version, NULL::text AS checksum, 'applied' AS state
               FROM {schema}.django_migrations ORDER BY id"
        }
        // Until it is finished it runs; the logs of one that has failed are kept.
        Tool::Prisma => {
            "SELECT migration_name::text AS key, migration_name::text AS version, checksum::text AS checksum,
                    CASE WHEN rolled_back_at IS NOT NULL THEN 'reverted' WHEN finished_at IS NOT NULL THEN 'applied'
                         WHEN coalesce(logs, '') <> '' THEN 'failed' ELSE 'in_progress' END AS state,
                    extract(epoch FROM finished_at - started_at)::float8 AS took
               FROM {schema}._prisma_migrations ORDER BY started_at"
        }
        // `changes` has what is deployed; only `events` tells of a failure.
        Tool::Sqitch => {
            "SELECT key, version, checksum, state FROM (
                 SELECT change_id::text AS key, change::text AS version, script_hash::text AS checksum, 'applied' AS state, committed_at
                   FROM {schema}.changes
                 UNION ALL
                 SELECT e.change_id || ' failed', e.change::text, NULL, 'failed', e.committed_at
                   FROM {schema}.events e
                  WHERE e.event = 'fail' AND NOT EXISTS (SELECT FROM {schema}.events later WHERE later.committed_at > e.committed_at)
             ) AS steps ORDER BY committed_at"
        }
        Tool::Goose => {
            "SELECT version_id::text AS key, CASE version_id WHEN 0 THEN '' ELSE version_id::text END AS version,
                    NULL::text AS checksum, CASE WHEN is_applied THEN 'applied' ELSE 'reverted' END AS state
               FROM {schema}.goose_db_version ORDER BY id"
        }
        Tool::Sqlx => {
            "SELECT version::text AS key, version::text AS version, pg_catalog.encode(checksum, 'hex') AS checksum,
                    CASE WHEN success THEN 'applied' ELSE 'dirty' END AS state, {time} / 1e9::float8 AS took
               FROM {schema}._sqlx_migrations ORDER BY version"
        }
        Tool::Diesel => {
            "SELECT version::text AS key, version::text AS version, NULL::text AS checksum, 'applied' AS state
               FROM {schema}.__diesel_schema_migrations ORDER BY version"
        }
        // A row whose version begins with a dot is a note of Atlas to itself.
        Tool::Atlas => {
            "SELECT version::text AS key, version::text AS version, hash::text AS checksum,
                    CASE WHEN coalesce(error, '') <> '' THEN 'failed' WHEN applied < total THEN 'in_progress' ELSE 'applied' END AS state,
                    {time} / 1e9::float8 AS took
               FROM {schema}.atlas_schema_revisions WHERE version !~ '^[.]' ORDER BY version"
        }
    }
}

/// Where the tools that know it write how long a migration took; tables that older versions have made lack it.
const TIME: &str = "execution_time";

const LOCK: &str = "SELECT coalesce(pg_catalog.bool_or(locked), false) AS locked FROM {schema}.databasechangeloglock";

/// Reads every history table of the catalog. One that may not be read is noted.
pub(super) async fn read(
    transaction: &mut Transaction<'_>,
    catalog: &Catalog,
    structure: &mut Structure,
) -> Result<(), UpstreamError> {
    for table in detect(catalog) {
        let attempt = transaction.savepoint("history").await?;
        match steps(&attempt, &table, catalog).await {
            Ok((steps, locked)) => {
                attempt.commit().await?;
                structure.histories.push(summarise(&table, &steps, locked));
            }
            Err(UpstreamError::Server(error)) if error.as_db_error().is_some() => {
                attempt.rollback().await?;
                let why = error.as_db_error().map(|error| error.message().into()).unwrap_or_default();
                let name = format!("{}.{}", table.schema, table.name).into();
                structure.unread.push(Unread { tool: table.tool, table: name, why });
            }
            Err(why @ UpstreamError::OwnCode(_)) => {
                attempt.rollback().await?;
                let name = format!("{}.{}", table.schema, table.name).into();
                structure.unread.push(Unread { tool: table.tool, table: name, why: why.to_string().into() });
            }
            Err(other) => return Err(other),
        }
    }
    Ok(())
}

async fn steps(
    transaction: &Transaction<'_>,
    table: &HistoryTable,
    catalog: &Catalog,
) -> Result<(Vec<Step>, bool), UpstreamError> {
    let there = || table.read().into_iter().filter_map(|name| catalog.find(&table.schema, name));
    let columns = there().flat_map(|relation| relation.columns.iter().map(|column| (relation.oid.0, column.attnum)));
    let names: Vec<String> = there().map(|relation| relation.qualified()).collect();
    own_code::refuse(transaction, &names, &columns.collect::<Vec<_>>(), false).await?;
    let is_timed = there().next().is_some_and(|relation| relation.column(TIME).is_some());
    let schema = Ident::quoted(&table.schema).to_string();
    let time = if is_timed { TIME } else { "NULL::float8" };
    let question = question(table.tool).replace("{schema}", &schema).replace("{time}", time);
    let rows = transaction.query(&question, &[]).await?;
    let mut steps = Vec::new();
    for row in rows.iter().skip(rows.len().saturating_sub(AT_MOST)) {
        let state = match get::<&str>(row, "state")? {
            "applied" => Some(State::Applied),
            "in_progress" => Some(State::InProgress),
            "dirty" => Some(State::Dirty),
            "failed" => Some(State::Failed),
            _ => None,
        };
        let (key, version) = (text(row, "key")?, text(row, "version")?);
        // Most tools do not write it down.
        let seconds = row.try_get::<_, Option<f64>>("took").ok().flatten();
        let took = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        steps.push(Step { key, version, checksum: optional_text(row, "checksum")?, state, took });
    }
    let locked = match table.has_lock {
        true => get(&transaction.query_one(&LOCK.replace("{schema}", &schema), &[]).await?, "locked")?,
        false => false,
    };
    Ok((steps, locked))
}

//! Reads one database into a [`Catalog`].
//!
//! A few set-based questions in one read-only transaction. The search path is empty while they are asked, so that the server
//! qualifies every name outside `pg_catalog` in the texts that it makes (types, view definitions, function arguments).

mod objects;
mod relations;
mod roles;
mod types;

use std::collections::HashMap;

use tokio_postgres::{Client, IsolationLevel, Transaction};

use super::connect::UpstreamError;
use super::rows::get;
use crate::model::catalog::Catalog;

/// Bounds what a question may cost the server, and keeps every answer independent of the role's settings.
pub(super) const SETTINGS: &str = "SET LOCAL search_path = ''; SET LOCAL statement_timeout = '30s'; SET LOCAL lock_timeout = '3s'; \
                        SET LOCAL row_security = off; SET LOCAL jit = off; SET LOCAL quote_all_identifiers = off";

/// What a reading has found.
#[derive(Debug)]
pub struct Found {
    /// The catalog.
    pub catalog: Catalog,
    /// Definitions of views are missing, since somebody had locked a table behind them: to be read again soon.
    pub locked_out: bool,
}

/// Reads the database that the client is connected to.
///
/// # Errors
/// The server does not answer a question. A view whose definition cannot be had is no error: it has none in the catalog.
pub async fn read(client: &mut Client) -> Result<Found, UpstreamError> {
    let mut transaction =
        client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start().await?;
    transaction.batch_execute(SETTINGS).await?;
    let mut catalog = start(&transaction).await?;
    let types = types::TypeTable::read(&transaction).await?;
    let mut relations = relations::read(&transaction, &types).await?;
    catalog.functions = objects::functions(&transaction).await?.into();
    catalog.operators = objects::operators(&transaction).await?.into();
    catalog.casts = objects::casts(&transaction).await?.into();
    catalog.numbered_by = relations::numbered_by(&transaction).await?.into();
    catalog.types = types.user_types().into();
    catalog.roles = roles::read(&transaction).await?.into();
    // The only question that locks tables of the users, so it comes last: the locks are kept until the end.
    let definitions = relations::view_definitions(&mut transaction).await?;
    transaction.commit().await?;
    attach(&mut relations, definitions.found);
    for relation in relations.into_values() {
        catalog.insert(relation);
    }
    Ok(Found { catalog, locked_out: definitions.locked_out })
}

fn attach(relations: &mut relations::Relations, definitions: HashMap<crate::model::catalog::Oid, Box<str>>) {
    for (oid, definition) in definitions {
        if let Some(relation) = relations.get_mut(&oid) {
            relation.definition = Some(definition);
        }
    }
}

async fn start(transaction: &Transaction<'_>) -> Result<Catalog, UpstreamError> {
    let question = "SELECT current_database()::text AS datname, current_setting('server_version_num')::int4 AS version";
    let row = transaction.query_one(question, &[]).await?;
    let version: i32 = get(&row, "version")?;
    Ok(Catalog::new(get(&row, "datname")?, u32::try_from(version).unwrap_or(0)))
}

//! One EXPLAIN, in a transaction that reads only and is rolled back.

use std::error::Error as StdError;
use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{Format, FromSql, IsNull, Kind, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, SimpleQueryMessage, Statement, Transaction};

use super::guard::{self, FIRST_OF_USERS, Guarded};
use super::{Question, hazards};
use crate::model::catalog::Catalog;
use crate::model::ident::Ident;
use crate::model::plan::{NoPlan, Plan};
use crate::wire::bound::{self, Value};

/// From this version on a text with parameters can be planned without their values.
const GENERIC_PLAN: u32 = 160_000;

/// Others must not wait behind us.
const LOCK_TIMEOUT: Duration = Duration::from_millis(200);

/// The plan of a text that may be planned.
pub(super) async fn ask(
    client: &mut Client,
    catalog: &Catalog,
    guarded: &Guarded,
    question: Question<'_>,
    timeout: Duration,
) -> Result<Plan, NoPlan> {
    let transaction = client.build_transaction().read_only(true).start().await.map_err(failed)?;
    // Texts were judged as the grammar reads them with these settings.
    let limits = format!(
        "SET LOCAL search_path = pg_catalog, pg_temp; SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = {}; \
         SET LOCAL standard_conforming_strings = on; SET LOCAL backslash_quote = off; SET LOCAL jit = off",
        timeout.as_millis(),
        LOCK_TIMEOUT.min(timeout).as_millis()
    );
    transaction.batch_execute(&limits).await.map_err(failed)?;
    let answer = within(&transaction, catalog, guarded, question).await;
    // A connection that cannot even do that is not used again.
    transaction.rollback().await.map_err(failed)?;
    Plan::read(&answer?).ok_or(NoPlan::Error)
}

async fn within(
    transaction: &Transaction<'_>,
    catalog: &Catalog,
    guarded: &Guarded,
    question: Question<'_>,
) -> Result<String, NoPlan> {
    hazards::look(transaction, guarded).await?;
    let role = format!("SET LOCAL ROLE {}", Ident::quoted(question.user));
    let refused = |error| match failed(error) {
        NoPlan::Error => NoPlan::Role,
        other => other,
    };
    transaction.batch_execute(&role).await.map_err(refused)?;
    let path = format!("SET LOCAL search_path = {}", guarded.path);
    transaction.batch_execute(&path).await.map_err(failed)?;
    if guarded.parameters == 0 || question.bound.is_some() {
        return with_values(transaction, catalog, guarded, question).await;
    }
    if catalog.server_version < GENERIC_PLAN {
        return Err(NoPlan::Parameters);
    }
    // Values are missing, so the text must come without a place for them: by the simple protocol.
    let text = format!("EXPLAIN (FORMAT JSON, VERBOSE, GENERIC_PLAN) {}", guarded.text);
    let messages = transaction.simple_query(&text).await.map_err(failed)?;
    let row = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.try_get(0).ok().flatten(),
        _ => None,
    });
    row.map(str::to_owned).ok_or(NoPlan::Error)
}

async fn with_values(
    transaction: &Transaction<'_>,
    catalog: &Catalog,
    guarded: &Guarded,
    question: Question<'_>,
) -> Result<String, NoPlan> {
    let (declared, body) = question.bound.unwrap_or_default();
    let values =
        if question.bound.is_some() { bound::values(body).map_err(|_| NoPlan::Parameters)? } else { Vec::new() };
    let types: Vec<Type> = declared
        .as_chunks::<4>()
        .0
        .iter()
        .map(|oid| declared_type(catalog, u32::from_be_bytes(*oid)))
        .collect::<Option<_>>()
        .ok_or(NoPlan::Parameters)?;
    let text = format!("EXPLAIN (FORMAT JSON, VERBOSE) {}", guarded.text);
    // No value has been seen by the server yet: it says which types they are to be of.
    let statement: Statement = transaction.prepare_typed(&text, &types).await.map_err(failed)?;
    let known = |ty: &Type| catalog.types.iter().find(|known| known.oid.0 == ty.oid());
    let is_harmless =
        |ty: &Type| ty.oid() < FIRST_OF_USERS || known(ty).is_some_and(|ty| guard::is_harmless(catalog, ty));
    if statement.params().len() != values.len() || !statement.params().iter().all(is_harmless) {
        return Err(NoPlan::Parameters);
    }
    let values: Vec<Raw<'_>> = values.into_iter().map(Raw).collect();
    let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| value as _).collect();
    let row = transaction.query_one(&statement, &values).await.map_err(failed)?;
    let json: Json = row.try_get(0).map_err(|_| NoPlan::Error)?;
    Ok(json.0)
}

/// A type of a Parse message: none given, one of the server itself, or one whose values can be made without harm.
fn declared_type(catalog: &Catalog, oid: u32) -> Option<Type> {
    match Type::from_oid(oid) {
        _ if oid == 0 => Some(Type::UNKNOWN),
        Some(known) => Some(known),
        None => {
            let ty = catalog.types.iter().find(|ty| ty.oid.0 == oid && guard::is_harmless(catalog, ty))?;
            Some(Type::new(ty.name.to_string(), oid, Kind::Simple, ty.schema.to_string()))
        }
    }
}

fn failed(error: tokio_postgres::Error) -> NoPlan {
    // The message may hold values of the statement.
    tracing::debug!(sqlstate = error.code().map(SqlState::code), "the server does not tell a plan");
    reason(&error)
}

/// The word for what went wrong.
pub(super) fn reason(error: &tokio_postgres::Error) -> NoPlan {
    match error.code() {
        Some(code) if *code == SqlState::QUERY_CANCELED || *code == SqlState::LOCK_NOT_AVAILABLE => NoPlan::Timeout,
        Some(_) => NoPlan::Error,
        None => NoPlan::Connection,
    }
}

/// A value as the client has bound it.
#[derive(Debug)]
struct Raw<'a>(Value<'a>);

impl ToSql for Raw<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        let Some(bytes) = self.0.bytes else { return Ok(IsNull::Yes) };
        out.extend_from_slice(bytes);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        if self.0.binary { Format::Binary } else { Format::Text }
    }

    to_sql_checked!();
}

/// A value of type json, as text.
struct Json(String);

impl<'a> FromSql<'a> for Json {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self(std::str::from_utf8(raw)?.to_owned()))
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::JSON
    }
}

//! The age of the newest row: the greatest value of a column, where that is cheap to find.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio_postgres::Transaction;

use super::{Found, Target, Verdict};
use crate::model::catalog::{BaseType, Catalog, RelationKind};
use crate::model::contract::Freshness;
use crate::model::data_checks::Age;
use crate::model::ident::Ident;
use crate::policy::snapshot::Snapshot;
use crate::upstream::connect::UpstreamError;
use crate::upstream::divergence::SIZE;
use crate::upstream::own_code;
use crate::upstream::rows::get;

/// A table of that size is read as a whole; of a larger one, an index has to tell.
const SMALL: i64 = 8 << 20;

const INDEXED: &str = "
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_index i
      JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
      JOIN pg_catalog.pg_am m ON m.oid = c.relam
     WHERE i.indrelid = $1 AND i.indkey[0] = $2 AND i.indisvalid AND i.indpred IS NULL AND m.amname = 'btree'
) AS indexed";

/// A promise of a contract about a table; or why it cannot be measured.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) at_most: Duration,
    asked: Result<Asked, String>,
}

#[derive(Debug, Clone)]
struct Asked {
    relation: u32,
    /// The relation, as SQL.
    name: String,
    attnum: i16,
    column: Box<str>,
    /// Of values that have none.
    zone: Option<Box<str>>,
    sql: String,
}

/// The promises of a database's contracts.
pub(super) fn questions(snapshot: &Snapshot, database: &str) -> BTreeMap<Target, Question> {
    let Some(known) = snapshot.database(database) else { return BTreeMap::new() };
    let mut found: BTreeMap<Target, Question> = BTreeMap::new();
    for (schema, entity) in snapshot.bundle.contracts().flat_map(|contract| contract.entities_in(database)) {
        let Some(promise) = &entity.freshness else { continue };
        let question =
            Question { at_most: promise.at_most, asked: asked(schema, &entity.name, promise, &known.catalog) };
        // Of two contracts about one table, the first stands for it.
        found.entry((schema.into(), entity.name.clone(), "".into())).or_insert(question);
    }
    found
}

fn asked(schema: &str, name: &str, promise: &Freshness, catalog: &Catalog) -> Result<Asked, String> {
    let relation = catalog.find(schema, name).ok_or_else(|| format!("there is no table {schema}.{name}"))?;
    match relation.kind {
        RelationKind::Table | RelationKind::Partitioned | RelationKind::MaterializedView => {}
        RelationKind::View | RelationKind::Foreign | RelationKind::Sequence | RelationKind::Other => {
            return Err(format!("{schema}.{name} is no table"));
        }
    }
    let missing = || format!("{schema}.{name} has no column {}", promise.column);
    let column = relation.column(&promise.column).ok_or_else(missing)?;
    let has_zone = &*column.ty.sql == "timestamp with time zone" || column.ty.sql.ends_with(" with time zone");
    let quoted = Ident::quoted(&column.name).to_string();
    // Rows of the future say nothing of how fresh the data is. A day lasts until it is over.
    let (newest, known) = match column.ty.base {
        BaseType::Timestamp if has_zone => (format!("max({quoted})"), "pg_catalog.now()"),
        BaseType::Timestamp => {
            (format!("max({quoted}) AT TIME ZONE $1::text"), "pg_catalog.now() AT TIME ZONE $1::text")
        }
        BaseType::Date => (
            format!("least(CAST(max({quoted}) + 1 AS timestamp) AT TIME ZONE $1::text, pg_catalog.clock_timestamp())"),
            "CAST(pg_catalog.now() AT TIME ZONE $1::text AS date)",
        ),
        BaseType::Text
        | BaseType::Number
        | BaseType::Boolean
        | BaseType::Time
        | BaseType::Uuid
        | BaseType::Bytes
        | BaseType::Json
        | BaseType::Array
        | BaseType::Network
        | BaseType::Interval
        | BaseType::Enum
        | BaseType::Range
        | BaseType::Multirange
        | BaseType::Other => return Err(format!("{} is neither a date nor a timestamp", promise.column)),
    };
    let sql = format!(
        "SELECT CASE WHEN max({quoted}) IS NOT NULL \
                THEN CAST(extract(epoch FROM pg_catalog.clock_timestamp()) - extract(epoch FROM {newest}) AS float8) END AS age \
           FROM {} WHERE {quoted} <= {known}",
        relation.qualified()
    );
    Ok(Asked {
        relation: relation.oid.0,
        name: relation.qualified(),
        attnum: column.attnum,
        column: column.name.clone(),
        zone: (!(has_zone && column.ty.base == BaseType::Timestamp)).then(|| promise.zone.clone()),
        sql,
    })
}

impl super::Question for Question {
    type Answer = Age;

    async fn ask(&self, transaction: &Transaction<'_>, _most_bytes: i64) -> Result<Found<Age>, UpstreamError> {
        let asked = match &self.asked {
            Ok(asked) => asked,
            Err(why) => return Ok(Found::None(why.clone())),
        };
        let bytes: i64 = get(&transaction.query_one(SIZE, &[&asked.relation]).await?, "bytes")?;
        let indexed = transaction.query_one(INDEXED, &[&asked.relation, &asked.attnum]).await?;
        if bytes > SMALL && !get::<bool>(&indexed, "indexed")? {
            return Ok(Found::None(format!("no index begins with {}, and the table is large", asked.column)));
        }
        own_code::refuse(transaction, std::slice::from_ref(&asked.name), &[(asked.relation, asked.attnum)], false)
            .await?;
        let row = match &asked.zone {
            Some(zone) => transaction.query_one(&asked.sql, &[zone]).await?,
            None => transaction.query_one(&asked.sql, &[]).await?,
        };
        Ok(match get::<Option<f64>>(&row, "age")? {
            Some(seconds) => Found::Answer(Age { at: Timestamp::now(), seconds: seconds.max(0.0) }),
            None => Found::None("there is no row that is not of the future".to_owned()),
        })
    }

    fn verdict(&self, answer: &Age) -> Verdict {
        let is_kept = answer.seconds <= self.at_most.as_secs_f64();
        let words =
            if is_kept { "the newest row is as fresh as promised" } else { "the newest row is older than promised" };
        Verdict {
            is_kept,
            words,
            rows: None,
            age_seconds: Some(Duration::try_from_secs_f64(answer.seconds).map_or(0, |age| age.as_secs())),
        }
    }

    fn what(&self) -> String {
        "the age of the newest row cannot be measured".to_owned()
    }
}

//! Code that somebody has made in the database, and that would run as the service account where it compares columns.
//!
//! Who owns a table chooses the types of its columns, and who owns a type, its casts. A comparison finds a cast by itself, and a
//! value that is cast passes the checks of domains inside of its new type. Neither may run on behalf of somebody who sees more
//! than the owner does. Operator classes and the input and output of base types are made by superusers alone.

use tokio_postgres::Transaction;

use super::connect::UpstreamError;
use super::rows::get;

/// The types that these columns are made of, and the first function of a cast from or to one of them, or the first of them inside
/// of another that is a domain with a check. What comes with an extension is trusted as the
/// extension is, and casts between two types of the server are made by superusers alone.
const FIRST: &str = "
WITH RECURSIVE made_of (type, is_inside) AS (
    SELECT a.atttypid, false
      FROM unnest($1::oid[], $2::int2[]) AS asked (relation, attnum)
      JOIN pg_catalog.pg_attribute a ON a.attrelid = asked.relation AND a.attnum = asked.attnum
    UNION
    SELECT part.type, true
      FROM made_of m
      JOIN pg_catalog.pg_type t ON t.oid = m.type
     CROSS JOIN LATERAL (
               SELECT t.typbasetype WHERE t.typtype = 'd'
         UNION SELECT t.typelem WHERE t.typelem <> 0
         UNION SELECT a.atttypid FROM pg_catalog.pg_attribute a
                WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
         UNION SELECT r.rngsubtype FROM pg_catalog.pg_range r WHERE t.oid = r.rngtypid
     ) AS part (type)
)
SELECT c.castfunc::pg_catalog.regprocedure::text AS code
  FROM made_of m
  JOIN pg_catalog.pg_cast c ON m.type IN (c.castsource, c.casttarget)
  JOIN pg_catalog.pg_proc p ON p.oid = c.castfunc
 WHERE m.type >= 16384 AND p.oid >= 16384
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                    WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e')
UNION ALL
SELECT 'the checks of ' || pg_catalog.format_type(m.type, NULL)
  FROM made_of m
  JOIN pg_catalog.pg_constraint k ON k.contypid = m.type AND k.contype = 'c'
 WHERE m.is_inside AND $3
 LIMIT 1";

/// From now on views and foreign tables are not read, where the server knows how to refuse that: somebody could put one in the
/// place of a table after it was looked at.
const TABLES_ONLY: &str = "
SELECT pg_catalog.set_config(name, 'view, foreign-table', true)
  FROM pg_catalog.pg_settings WHERE name = 'restrict_nonsystem_relation_kind'";

/// A column by the number of its relation and its own.
pub(super) type ColumnNumber = (u32, i16);

/// Fails where comparing these columns would run code that somebody has made in the database; `casts` says that values are cast
/// to the type of a column, below its own domain if it has one. The relations are locked against other types until the
/// transaction ends.
///
/// # Errors
/// It would, or the server cannot be asked.
pub(super) async fn refuse(
    transaction: &Transaction<'_>,
    relations: &[String],
    columns: &[ColumnNumber],
    casts: bool,
) -> Result<(), UpstreamError> {
    transaction.batch_execute(TABLES_ONLY).await?;
    for relation in relations {
        // Unlike LOCK TABLE, this is allowed to somebody who may read some of the columns.
        transaction.batch_execute(&format!("SELECT FROM {relation} LIMIT 0")).await?;
    }
    let (relations, numbers): (Vec<u32>, Vec<i16>) = columns.iter().copied().unzip();
    match transaction.query_opt(FIRST, &[&relations, &numbers, &casts]).await? {
        Some(row) => Err(UpstreamError::OwnCode(get(&row, "code")?)),
        None => Ok(()),
    }
}

//! What the database itself builds on a column: what a drop would break or take along.

use super::connect::{ServiceAccount, UpstreamError};
use super::rows::{get, text};

/// Views, generated columns, indexes, constraints, policies, triggers and functions with a parsed body, by `pg_depend`. What belongs
/// to the column alone and goes with it, such as its default, is left out.
const DEPENDS: &str = "
SELECT DISTINCT CASE WHEN r.oid IS NOT NULL
       THEN pg_catalog.pg_describe_object('pg_catalog.pg_class'::pg_catalog.regclass, r.ev_class, 0)
       WHEN a.oid IS NOT NULL
       THEN 'generated ' || pg_catalog.pg_describe_object('pg_catalog.pg_class'::pg_catalog.regclass, a.adrelid, a.adnum)
       ELSE pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid) END AS dependent
  FROM pg_catalog.pg_depend d
  LEFT JOIN pg_catalog.pg_rewrite r ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND r.oid = d.objid
  LEFT JOIN pg_catalog.pg_attrdef a ON d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND a.oid = d.objid
  LEFT JOIN pg_catalog.pg_attribute c ON c.attrelid = d.refobjid AND c.attnum = d.refobjsubid
 WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
   AND d.refobjid = (SELECT k.oid FROM pg_catalog.pg_class k JOIN pg_catalog.pg_namespace n ON n.oid = k.relnamespace
                      WHERE n.nspname = $1 AND k.relname = $2)
   AND ($3 = '' OR c.attname = $3)
   AND d.classid NOT IN ('pg_catalog.pg_type'::pg_catalog.regclass)
   AND d.deptype IN ('n', 'a') AND (r.oid IS NULL OR r.ev_class <> d.refobjid)
   AND (a.oid IS NULL OR (a.adrelid, a.adnum) IS DISTINCT FROM (d.refobjid, d.refobjsubid::int2))
   AND NOT (d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
            AND EXISTS (SELECT FROM pg_catalog.pg_class t WHERE t.oid = d.objid AND t.relkind = 't'))
 ORDER BY 1";

/// Functions whose text has the name as a word; of a column also the name of its relation.
const MENTIONS: &str = r"
SELECT p.oid::pg_catalog.regprocedure::text AS function
  FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND p.prosrc IS NOT NULL
   AND pg_catalog.lower(p.prosrc) ~ ('\m' || pg_catalog.regexp_replace(pg_catalog.lower($1), '(\W)', '\\\1', 'g') || '\M')
   AND ($2 = '' OR pg_catalog.lower(p.prosrc) ~ ('\m' || pg_catalog.regexp_replace(pg_catalog.lower($2), '(\W)', '\\\1', 'g') || '\M'))
 ORDER BY 1";

const PUBLICATIONS: &str = "SELECT pubname::text AS publication FROM pg_catalog.pg_publication_tables
 WHERE schemaname = $1 AND tablename = $2 ORDER BY 1";

const COLUMNS: &str = "
SELECT n.nspname::text AS schema, k.relname::text AS relation, a.attname::text AS column_name
  FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class k ON k.oid = a.attrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = k.relnamespace
 WHERE a.attnum > 0 AND NOT a.attisdropped AND k.relkind IN ('r', 'p', 'v', 'm', 'f')
   AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp_)'
 ORDER BY 1, 2, a.attnum";

/// What builds on a column or, with an empty name, on the relation, in words.
///
/// # Errors
/// The server cannot be reached, or does not let the account look.
pub async fn of(account: &ServiceAccount, database: &str, names: [&str; 3]) -> Result<Vec<String>, UpstreamError> {
    let [schema, relation, column] = names;
    let client = account.connect(database).await?;
    let mut found = Vec::new();
    for row in client.query(DEPENDS, &[&schema, &relation, &column]).await? {
        found.push(get::<&str>(&row, "dependent")?.to_owned());
    }
    let (name, within) = if column.is_empty() { (relation, "") } else { (column, relation) };
    for row in client.query(MENTIONS, &[&name, &within]).await? {
        found.push(format!("function {} (mentions it)", get::<&str>(&row, "function")?));
    }
    for row in client.query(PUBLICATIONS, &[&schema, &relation]).await? {
        found.push(format!("publication {} (of the table)", get::<&str>(&row, "publication")?));
    }
    Ok(found)
}

/// Every column of a database: schema, relation and column.
///
/// # Errors
/// The server cannot be reached, or does not let the account look.
pub async fn columns(account: &ServiceAccount, database: &str) -> Result<Vec<[Box<str>; 3]>, UpstreamError> {
    let client = account.connect(database).await?;
    let rows = client.query(COLUMNS, &[]).await?;
    rows.iter().map(|row| Ok([text(row, "schema")?, text(row, "relation")?, text(row, "column_name")?])).collect()
}

//! Functions, operators and casts outside `pg_catalog`, with the extension that owns them; and functions in it that nobody
//! has looked at.

use tokio_postgres::Transaction;

use crate::model::catalog::{CastFunction, UserFunction, UserOperator};
use crate::sql::functions::known;
use crate::upstream::connect::UpstreamError;
use crate::upstream::rows::{get, oid, optional_text, text};

/// Aggregates are all of language internal themselves: what counts is the language of the functions that do their work.
const FUNCTIONS: &str = "
SELECT n.nspname::text AS schema, p.proname::text AS name,
       pg_catalog.pg_get_function_identity_arguments(p.oid) AS arguments,
       coalesce((SELECT min(w.lanname::text) FROM pg_catalog.pg_aggregate a
                   JOIN pg_catalog.pg_proc f ON f.oid IN (a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn,
                                                          a.aggdeserialfn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn)
                   JOIN pg_catalog.pg_language w ON w.oid = f.prolang
                  WHERE p.prokind = 'a' AND a.aggfnoid = p.oid AND w.lanname NOT IN ('internal', 'c')),
                CASE WHEN l.lanname = 'internal' AND p.prosrc ~ '^(multi)?range_constructor[0-3]$' THEN 'constructor'
                     ELSE l.lanname::text END) AS language,
       e.extname::text AS extension
  FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
  JOIN pg_catalog.pg_language l ON l.oid = p.prolang
  LEFT JOIN pg_catalog.pg_depend d
         ON d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.objsubid = 0
        AND d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.deptype = 'e'
  LEFT JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
 WHERE CASE n.nspname WHEN 'pg_catalog' THEN p.proname::text <> ALL ($1) ELSE n.nspname !~ '^pg_temp_' END
 ORDER BY p.oid";

/// An operator without a function yet (a shell) has no language.
const OPERATORS: &str = "
SELECT n.nspname::text AS schema, o.oprname::text AS name, coalesce(l.lanname::text, '') AS language,
       coalesce(f.nspname::text, '') AS function_schema, coalesce(p.proname::text, '') AS function,
       e.extname::text AS extension
  FROM pg_catalog.pg_operator o
  JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
  LEFT JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode::oid
  LEFT JOIN pg_catalog.pg_namespace f ON f.oid = p.pronamespace
  LEFT JOIN pg_catalog.pg_language l ON l.oid = p.prolang
  LEFT JOIN pg_catalog.pg_depend d
         ON d.classid = 'pg_catalog.pg_operator'::regclass AND d.objid = o.oid AND d.objsubid = 0
        AND d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.deptype = 'e'
  LEFT JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
 WHERE n.nspname <> 'pg_catalog' AND n.nspname !~ '^pg_temp_'
 ORDER BY o.oid";

/// Types that a cast concerns, and those that are built of them: arrays, domains, composite types. Between a type of the
/// server and one of the users, it concerns the latter: no value of the other becomes or was one without its name or column.
const CASTS: &str = "
WITH RECURSIVE reached (ty, function, unasked) AS (
    SELECT s.ty, c.castfunc, c.castcontext <> 'e'
      FROM pg_catalog.pg_cast c
      JOIN pg_catalog.pg_proc p ON p.oid = c.castfunc AND p.pronamespace <> 'pg_catalog'::regnamespace
      JOIN pg_catalog.pg_language l ON l.oid = p.prolang
     CROSS JOIN LATERAL (VALUES (c.castsource), (c.casttarget)) AS s (ty)
     WHERE (s.ty >= 16384 OR (c.castsource < 16384 AND c.casttarget < 16384))
       AND NOT (l.lanname IN ('c', 'internal')
                AND EXISTS (SELECT FROM pg_catalog.pg_depend d
                             WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'))
    UNION
    SELECT t.oid, r.function, r.unasked
      FROM reached r
      JOIN pg_catalog.pg_type t
        ON t.typbasetype = r.ty OR t.typelem = r.ty
        OR EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.typrelid AND t.typrelid <> 0 AND a.atttypid = r.ty)
)
SELECT r.ty AS ty, n.nspname::text AS schema, p.proname::text AS name, r.unasked AS unasked
  FROM reached r
  JOIN pg_catalog.pg_proc p ON p.oid = r.function
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 ORDER BY r.ty, p.oid";

pub(super) async fn casts(transaction: &Transaction<'_>) -> Result<Vec<CastFunction>, UpstreamError> {
    let mut casts = Vec::new();
    for row in transaction.query(CASTS, &[]).await? {
        casts.push(CastFunction {
            ty: oid(&row, "ty")?,
            schema: text(&row, "schema")?,
            name: text(&row, "name")?,
            unasked: get(&row, "unasked")?,
        });
    }
    Ok(casts)
}

pub(super) async fn functions(transaction: &Transaction<'_>) -> Result<Vec<UserFunction>, UpstreamError> {
    let mut functions = Vec::new();
    let known: Vec<&str> = known().collect();
    for row in transaction.query(FUNCTIONS, &[&known]).await? {
        functions.push(UserFunction {
            schema: text(&row, "schema")?,
            name: text(&row, "name")?,
            // Null where the function was dropped while we were asking.
            arguments: optional_text(&row, "arguments")?.unwrap_or_default(),
            language: text(&row, "language")?,
            extension: optional_text(&row, "extension")?,
        });
    }
    Ok(functions)
}

pub(super) async fn operators(transaction: &Transaction<'_>) -> Result<Vec<UserOperator>, UpstreamError> {
    let mut operators = Vec::new();
    for row in transaction.query(OPERATORS, &[]).await? {
        operators.push(UserOperator {
            schema: text(&row, "schema")?,
            name: text(&row, "name")?,
            function: (text(&row, "function_schema")?, text(&row, "function")?),
            language: text(&row, "language")?,
            extension: optional_text(&row, "extension")?,
        });
    }
    Ok(operators)
}

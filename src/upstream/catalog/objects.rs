//! Functions and operators outside `pg_catalog`, with the extension that owns them; and functions in it that nobody has
//! looked at.

use tokio_postgres::Transaction;

use crate::model::catalog::{UserFunction, UserOperator};
use crate::sql::functions::known;
use crate::upstream::connect::UpstreamError;
use crate::upstream::rows::{optional_text, text};

/// Aggregates are all of language internal themselves: what counts is the language of the functions that do their work.
const FUNCTIONS: &str = "
SELECT n.nspname::text AS schema, p.proname::text AS name,
       pg_catalog.pg_get_function_identity_arguments(p.oid) AS arguments,
       coalesce((SELECT min(w.lanname::text) FROM pg_catalog.pg_aggregate a
                   JOIN pg_catalog.pg_proc f ON f.oid IN (a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn,
                                                          a.aggdeserialfn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn)
                   JOIN pg_catalog.pg_language w ON w.oid = f.prolang
                  WHERE p.prokind = 'a' AND a.aggfnoid = p.oid AND w.lanname NOT IN ('internal', 'c')),
                l.lanname::text) AS language,
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

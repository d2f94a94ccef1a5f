//! What else runs while relations are planned: the expressions that they are made of.
//!
//! Planning folds constants in the expressions of indexes, constraints, partition keys, statistics, views, row security
//! and domains, and looks at values with operators of their types. The server's own record of dependencies tells what of
//! all that calls a function that did not come with the server. It is read in the transaction that plans.

use tokio_postgres::Transaction;
use tokio_postgres::error::SqlState;

use super::guard::Guarded;
use crate::model::plan::NoPlan;
use crate::policy::trusted;
use crate::upstream::rows::get;

/// Whether the account has rights that it must not have: of its own, or of roles that it could become.
const POWERFUL: &str = "
SELECT coalesce(bool_or(r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolreplication
                        OR r.rolname IN ('pg_read_all_data', 'pg_write_all_data', 'pg_execute_server_program',
                                         'pg_read_server_files', 'pg_write_server_files', 'pg_signal_backend',
                                         'pg_maintain', 'pg_create_subscription')), false) AS powerful
  FROM pg_catalog.pg_roles r
 WHERE pg_catalog.pg_has_role(session_user, r.oid, 'MEMBER')";

/// From the relations of the statement to their partitions and parents, and to what their views and policies read; from there
/// to everything that planning them evaluates, and to what that depends on. What came with the server has an oid below 16384.
/// XML functions that read whole tables or schemas are the only ones of the server that run what others have made.
const HAZARDS: &str = "
WITH RECURSIVE reached (oid) AS (
    SELECT unnest($1::oid[])
    UNION
    SELECT x.oid FROM reached r CROSS JOIN LATERAL (
        SELECT i.inhrelid AS oid FROM pg_catalog.pg_inherits i WHERE i.inhparent = r.oid
        UNION ALL
        SELECT i.inhparent FROM pg_catalog.pg_inherits i WHERE i.inhrelid = r.oid
        UNION ALL
        SELECT d.refobjid FROM pg_catalog.pg_rewrite w
          JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = w.oid
         WHERE w.ev_class = r.oid AND d.refclassid = 'pg_catalog.pg_class'::regclass
        UNION ALL
        SELECT d.refobjid FROM pg_catalog.pg_policy p
          JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_policy'::regclass AND d.objid = p.oid
         WHERE p.polrelid = r.oid AND d.refclassid = 'pg_catalog.pg_class'::regclass
        OFFSET 0
    ) x
), parts (class, oid) AS MATERIALIZED (
    SELECT x.class, x.oid FROM reached r CROSS JOIN LATERAL (
        SELECT 'pg_catalog.pg_class'::regclass::oid AS class, r.oid AS oid
        UNION ALL SELECT 'pg_catalog.pg_class'::regclass, i.indexrelid FROM pg_catalog.pg_index i WHERE i.indrelid = r.oid
        UNION ALL SELECT 'pg_catalog.pg_constraint'::regclass, c.oid FROM pg_catalog.pg_constraint c WHERE c.conrelid = r.oid
        UNION ALL SELECT 'pg_catalog.pg_policy'::regclass, p.oid FROM pg_catalog.pg_policy p WHERE p.polrelid = r.oid
        UNION ALL SELECT 'pg_catalog.pg_rewrite'::regclass, w.oid FROM pg_catalog.pg_rewrite w WHERE w.ev_class = r.oid
        UNION ALL SELECT 'pg_catalog.pg_attrdef'::regclass, a.oid FROM pg_catalog.pg_attrdef a
                    JOIN pg_catalog.pg_attribute t ON t.attrelid = a.adrelid AND t.attnum = a.adnum
                   WHERE a.adrelid = r.oid AND t.attgenerated <> ''
        UNION ALL SELECT 'pg_catalog.pg_statistic_ext'::regclass, s.oid FROM pg_catalog.pg_statistic_ext s WHERE s.stxrelid = r.oid
        OFFSET 0
    ) x
), depended (class, oid) AS MATERIALIZED (
    SELECT DISTINCT x.refclassid, x.refobjid FROM parts p CROSS JOIN LATERAL (
        SELECT d.refclassid, d.refobjid FROM pg_catalog.pg_depend d
         WHERE d.classid = p.class AND d.objid = p.oid AND d.refobjid >= 16384 OFFSET 0
    ) x
), types (oid) AS (
    SELECT x.atttypid FROM reached r CROSS JOIN LATERAL (
        SELECT a.atttypid FROM pg_catalog.pg_attribute a
         WHERE a.attrelid = r.oid AND a.attnum > 0 AND a.atttypid >= 16384 OFFSET 0
    ) x
    UNION
    SELECT d.oid FROM depended d WHERE d.class = 'pg_catalog.pg_type'::regclass
    UNION
    SELECT unnest($6::oid[])
    UNION
    SELECT x.oid FROM types y CROSS JOIN LATERAL (
        SELECT t.typelem AS oid FROM pg_catalog.pg_type t WHERE t.oid = y.oid
        UNION ALL SELECT t.typbasetype FROM pg_catalog.pg_type t WHERE t.oid = y.oid
        UNION ALL SELECT a.atttypid FROM pg_catalog.pg_type t JOIN pg_catalog.pg_attribute a ON a.attrelid = t.typrelid
                   WHERE t.oid = y.oid AND t.typrelid <> 0 AND a.attnum > 0
        UNION ALL SELECT g.rngsubtype FROM pg_catalog.pg_range g WHERE y.oid IN (g.rngtypid, g.rngmultitypid)
        OFFSET 0
    ) x WHERE x.oid >= 16384
), used (class, oid) AS (
    SELECT d.class, d.oid FROM depended d
    UNION
    SELECT x.class, x.oid FROM types y CROSS JOIN LATERAL (
        SELECT d.refclassid AS class, d.refobjid AS oid FROM pg_catalog.pg_constraint c
          JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_constraint'::regclass AND d.objid = c.oid
         WHERE c.contypid = y.oid
        UNION ALL
        SELECT 'pg_catalog.pg_proc'::regclass, c.castfunc FROM pg_catalog.pg_cast c WHERE y.oid IN (c.castsource, c.casttarget)
        UNION ALL
        SELECT 'pg_catalog.pg_proc'::regclass, g.rngsubdiff::oid FROM pg_catalog.pg_range g WHERE y.oid IN (g.rngtypid, g.rngmultitypid)
        OFFSET 0
    ) x
), harmless (class, oid) AS (
    SELECT d.classid, d.objid FROM pg_catalog.pg_depend d
      JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
     WHERE d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.deptype = 'e' AND e.extname::text = ANY ($5)
       AND (d.classid <> 'pg_catalog.pg_proc'::regclass
            OR EXISTS (SELECT FROM pg_catalog.pg_proc f JOIN pg_catalog.pg_language l ON l.oid = f.prolang
                        WHERE f.oid = d.objid AND l.lanname IN ('c', 'internal')))
), foreign_functions AS (
    SELECT f.oid, f.proname::text AS name, f.pronargs - f.pronargdefaults AS needs, f.pronargs AS takes
      FROM pg_catalog.pg_proc f
     WHERE f.oid >= 16384
       AND NOT EXISTS (SELECT FROM harmless h WHERE h.class = 'pg_catalog.pg_proc'::regclass AND h.oid = f.oid)
)
SELECT CASE
    WHEN EXISTS (SELECT FROM unnest($1::oid[]) o (oid) WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = o.oid))
      OR EXISTS (SELECT FROM reached r JOIN pg_catalog.pg_class c ON c.oid = r.oid
                  WHERE c.relkind NOT IN ('r', 'p', 'v', 'm') AND NOT (c.relkind IN ('i', 'I', 'S', 't', 'c'))) THEN 'relation'
    WHEN EXISTS (SELECT FROM used u WHERE u.oid >= 16384
                    AND u.class IN ('pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_operator'::regclass)
                    AND NOT EXISTS (SELECT FROM harmless h WHERE h.class = u.class AND h.oid = u.oid)) THEN 'function'
    WHEN EXISTS (SELECT FROM types y JOIN pg_catalog.pg_type t ON t.oid = y.oid
                  WHERE t.typtype NOT IN ('e', 'd', 'c') AND t.typelem = 0
                    AND NOT EXISTS (SELECT FROM harmless h WHERE h.class = 'pg_catalog.pg_type'::regclass AND h.oid = y.oid)) THEN 'function'
    WHEN EXISTS (SELECT FROM foreign_functions f WHERE f.name = ANY ($2) OR f.name = ANY ($3) AND f.needs <= 1 AND f.takes >= 1) THEN 'function'
    WHEN EXISTS (SELECT FROM pg_catalog.pg_operator o WHERE o.oid >= 16384 AND o.oprname::text = ANY ($4)
                    AND NOT EXISTS (SELECT FROM harmless h WHERE h.class = 'pg_catalog.pg_operator'::regclass AND h.oid = o.oid)) THEN 'function'
    WHEN EXISTS (SELECT FROM parts p
                  WHERE CASE p.class
                        WHEN 'pg_catalog.pg_rewrite'::regclass THEN pg_catalog.pg_get_ruledef(p.oid)
                        WHEN 'pg_catalog.pg_constraint'::regclass THEN pg_catalog.pg_get_constraintdef(p.oid)
                        WHEN 'pg_catalog.pg_policy'::regclass THEN
                             (SELECT pg_catalog.pg_get_expr(q.polqual, q.polrelid) FROM pg_catalog.pg_policy q WHERE q.oid = p.oid)
                        END ~* '_to_xml') THEN 'function'
    WHEN EXISTS (SELECT FROM types y CROSS JOIN LATERAL (SELECT c.oid FROM pg_catalog.pg_constraint c WHERE c.contypid = y.oid OFFSET 0) c
                  WHERE pg_catalog.pg_get_constraintdef(c.oid) ~* '_to_xml') THEN 'function'
    ELSE '' END AS hazard";

/// Asks before the role is put on. Nothing of the users' own is on the search path meanwhile.
pub(super) async fn look(transaction: &Transaction<'_>, guarded: &Guarded) -> Result<(), NoPlan> {
    let failed = |error: tokio_postgres::Error| {
        tracing::debug!(sqlstate = error.code().map(SqlState::code), "cannot ask what planning would run");
        super::ask::reason(&error)
    };
    let unread = |_| NoPlan::Error;
    let row = transaction.query_one(POWERFUL, &[]).await.map_err(failed)?;
    if get(&row, "powerful").map_err(unread)? {
        return Err(NoPlan::Superuser);
    }
    let computing = trusted::computing_extensions();
    let Guarded { relations, types, functions, attributes, operators, .. } = guarded;
    let row = transaction
        .query_one(HAZARDS, &[relations, functions, attributes, operators, &computing, types])
        .await
        .map_err(failed)?;
    match get::<&str>(&row, "hazard").map_err(unread)? {
        "" => Ok(()),
        "relation" => Err(NoPlan::Relation),
        _ => Err(NoPlan::Function),
    }
}

//! Relations with their columns, keys, parents, rules and view definitions.

use std::collections::{BTreeSet, HashMap};

use tokio_postgres::error::SqlState;
use tokio_postgres::{Row, Transaction};

use super::types::TypeTable;
use crate::model::catalog::{Column, ColumnType, Oid, Relation, RelationKind};
use crate::model::reading::Reading;
use crate::upstream::connect::UpstreamError;
use crate::upstream::rows::{get, letter, oid, optional_text, text};

pub(super) type Relations = HashMap<Oid, Relation>;

/// Tables of other sessions' temporary schemas are left out: nobody else can name them.
const RELATIONS: &str = "
SELECT c.oid AS oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind::text AS kind, c.reltype AS row_type,
       EXISTS (SELECT FROM pg_catalog.pg_rewrite r WHERE r.ev_class = c.oid AND r.rulename <> '_RETURN') AS has_rules,
       pg_catalog.pg_get_userbyid(c.relowner)::text AS owner, c.relrowsecurity AS row_security,
       ARRAY(SELECT CASE a.grantee WHEN 0 THEN 'public' ELSE pg_catalog.pg_get_userbyid(a.grantee)::text END
               FROM pg_catalog.aclexplode(COALESCE(c.relacl, pg_catalog.acldefault('r', c.relowner))) a
              WHERE a.privilege_type = 'SELECT') AS readers,
       EXISTS (SELECT FROM pg_catalog.pg_options_to_table(c.reloptions) o
                WHERE o.option_name = 'security_barrier' AND o.option_value::boolean) AS barrier,
       EXISTS (SELECT FROM pg_catalog.pg_options_to_table(c.reloptions) o
                WHERE o.option_name = 'security_invoker' AND o.option_value::boolean) AS invoker
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname <> 'pg_toast' AND n.nspname !~ '^pg_(toast_)?temp_'";

const COLUMNS: &str = "
SELECT a.attrelid AS relation, a.attnum AS attnum, a.attname::text AS name, a.atttypid AS type, a.atttypmod AS typmod,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS type_sql, a.attnotnull AS not_null,
       CASE WHEN a.attcollation <> t.typcollation
            THEN pg_catalog.quote_ident(cn.nspname) || '.' || pg_catalog.quote_ident(co.collname) END AS collation
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
  JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_catalog.pg_collation co ON co.oid = a.attcollation
  LEFT JOIN pg_catalog.pg_namespace cn ON cn.oid = co.collnamespace
 WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
 ORDER BY a.attrelid, a.attnum";

/// What a generation expression reads. Servers up to 14 hang the dependency on the column itself, later ones on its expression.
const GENERATED: &str = "
SELECT a.attrelid AS relation, a.attnum AS attnum,
       pg_catalog.array_agg(DISTINCT d.refobjsubid ORDER BY d.refobjsubid) AS sources
  FROM pg_catalog.pg_attribute a
  LEFT JOIN pg_catalog.pg_attrdef x ON x.adrelid = a.attrelid AND x.adnum = a.attnum
  JOIN pg_catalog.pg_depend d
    ON (d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.objid = x.oid
        OR d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = a.attrelid AND d.objsubid = a.attnum)
   AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = a.attrelid
   AND d.refobjsubid > 0 AND d.refobjsubid <> a.attnum
 WHERE a.attgenerated <> '' AND NOT a.attisdropped
 GROUP BY a.attrelid, a.attnum";

const PRIMARY_KEYS: &str = "SELECT conrelid AS relation, conkey AS columns FROM pg_catalog.pg_constraint
 WHERE contype = 'p' AND conrelid <> 0";

const PARENTS: &str = "SELECT inhrelid AS relation, inhparent AS parent FROM pg_catalog.pg_inherits
 ORDER BY inhrelid, inhseqno";

/// Sequences that belong to a column (SERIAL, identity), or that a default takes its value from.
const NUMBERED_BY: &str = "
SELECT d.objid AS sequence, d.refobjid AS relation
  FROM pg_catalog.pg_depend d
  JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'
 WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass
   AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
UNION
SELECT d.refobjid, x.adrelid
  FROM pg_catalog.pg_depend d
  JOIN pg_catalog.pg_attrdef x ON x.oid = d.objid
  JOIN pg_catalog.pg_class s ON s.oid = d.refobjid AND s.relkind = 'S'
 WHERE d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass";

/// Views of the system schemas are judged by name, not by definition.
const VIEWS: &str = "
SELECT c.oid AS oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('v', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
   AND n.nspname !~ '^pg_temp_'";

const DEFINITIONS: &str = "SELECT v.oid AS oid, pg_catalog.pg_get_viewdef(v.oid) AS definition
  FROM pg_catalog.unnest($1::oid[]) AS v(oid)";

/// All relations but for the definitions of views.
pub(super) async fn read(transaction: &Transaction<'_>, types: &TypeTable) -> Result<Relations, UpstreamError> {
    let mut relations = Relations::new();
    for row in transaction.query(RELATIONS, &[]).await? {
        let relation = Relation {
            oid: oid(&row, "oid")?,
            schema: text(&row, "schema")?,
            name: text(&row, "name")?,
            kind: kind(letter(&row, "kind")?),
            columns: Vec::new(),
            primary_key: Vec::new(),
            parents: Vec::new(),
            definition: None,
            has_rules: get(&row, "has_rules")?,
            row_type: oid(&row, "row_type")?,
            reading: reading(&row)?,
        };
        relations.insert(relation.oid, relation);
    }
    columns(transaction, types, &mut relations).await?;
    keys_and_parents(transaction, &mut relations).await?;
    Ok(relations)
}

/// Sequences, with the tables whose columns they number.
pub(super) async fn numbered_by(transaction: &Transaction<'_>) -> Result<HashMap<Oid, BTreeSet<Oid>>, UpstreamError> {
    let mut found: HashMap<Oid, BTreeSet<Oid>> = HashMap::new();
    for row in transaction.query(NUMBERED_BY, &[]).await? {
        found.entry(oid(&row, "sequence")?).or_default().insert(oid(&row, "relation")?);
    }
    Ok(found)
}

fn reading(row: &Row) -> Result<Reading, UpstreamError> {
    let readers: Vec<String> = get(row, "readers")?;
    Ok(Reading {
        owner: text(row, "owner")?,
        readers: readers.into_iter().map(String::into_boxed_str).collect(),
        row_security: get(row, "row_security")?,
        barrier: get(row, "barrier")?,
        invoker: get(row, "invoker")?,
    })
}

fn kind(letter: char) -> RelationKind {
    match letter {
        'r' => RelationKind::Table,
        'p' => RelationKind::Partitioned,
        'v' => RelationKind::View,
        'm' => RelationKind::MaterializedView,
        'f' => RelationKind::Foreign,
        'S' => RelationKind::Sequence,
        _ => RelationKind::Other,
    }
}

async fn columns(
    transaction: &Transaction<'_>,
    types: &TypeTable,
    relations: &mut Relations,
) -> Result<(), UpstreamError> {
    let mut generated: HashMap<(Oid, i16), Vec<i16>> = HashMap::new();
    for row in transaction.query(GENERATED, &[]).await? {
        let sources: Vec<i32> = get(&row, "sources")?;
        let sources = sources.into_iter().filter_map(|attnum| i16::try_from(attnum).ok()).collect();
        generated.insert((oid(&row, "relation")?, get(&row, "attnum")?), sources);
    }
    for row in transaction.query(COLUMNS, &[]).await? {
        let relation = oid(&row, "relation")?;
        let Some(owner) = relations.get_mut(&relation) else { continue };
        let attnum = get(&row, "attnum")?;
        let type_oid = oid(&row, "type")?;
        owner.columns.push(Column {
            name: text(&row, "name")?,
            attnum,
            ty: ColumnType {
                oid: type_oid,
                typmod: get(&row, "typmod")?,
                sql: text(&row, "type_sql")?,
                base: types.base(type_oid),
                collation: optional_text(&row, "collation")?,
                masked_as: types.below_check(type_oid),
            },
            not_null: get(&row, "not_null")?,
            generated_from: generated.remove(&(relation, attnum)).unwrap_or_default(),
        });
    }
    Ok(())
}

async fn keys_and_parents(transaction: &Transaction<'_>, relations: &mut Relations) -> Result<(), UpstreamError> {
    for row in transaction.query(PRIMARY_KEYS, &[]).await? {
        if let Some(relation) = relations.get_mut(&oid(&row, "relation")?) {
            relation.primary_key = get(&row, "columns")?;
        }
    }
    for row in transaction.query(PARENTS, &[]).await? {
        if let Some(relation) = relations.get_mut(&oid(&row, "relation")?) {
            relation.parents.push(oid(&row, "parent")?);
        }
    }
    Ok(())
}

/// To print a view the server locks the tables behind it, one after the other. We must not be seen in anybody's way there: a
/// migration that locks the same tables in another order would run into a deadlock, which the server looks for after a
/// second. So we give way almost at once.
const GIVE_WAY: &str = "SET LOCAL lock_timeout = '10ms'";

/// Definitions of views.
pub(super) struct Definitions {
    pub(super) found: HashMap<Oid, Box<str>>,
    pub(super) locked_out: bool,
}

/// The definitions of all views that the server can print. All at once; where that fails, halves are tried until the broken ones
/// stand alone, since one view that cannot be printed must not hide the others.
pub(super) async fn view_definitions(transaction: &mut Transaction<'_>) -> Result<Definitions, UpstreamError> {
    transaction.batch_execute(GIVE_WAY).await?;
    let mut views = Vec::new();
    for row in transaction.query(VIEWS, &[]).await? {
        views.push(get::<u32>(&row, "oid")?);
    }
    let mut definitions = Definitions { found: HashMap::new(), locked_out: false };
    let mut open = vec![views];
    while let Some(batch) = open.pop() {
        if batch.is_empty() {
            continue;
        }
        let savepoint = transaction.savepoint("definitions").await?;
        match savepoint.query(DEFINITIONS, &[&batch]).await {
            Ok(rows) => {
                for row in rows {
                    if let Some(definition) = optional_text(&row, "definition")? {
                        definitions.found.insert(oid(&row, "oid")?, definition);
                    }
                }
                savepoint.commit().await?;
            }
            Err(error) if error.as_db_error().is_none() => return Err(error.into()),
            Err(error) => {
                // Whatever was locked for this batch is let go.
                savepoint.rollback().await?;
                match *batch {
                    [view] => definitions.locked_out |= is_locked(view, &error),
                    _ => open.extend(halves(batch)),
                }
            }
        }
    }
    Ok(definitions)
}

/// Whether a view could not be printed because of a lock; says so if it was for another reason.
fn is_locked(view: u32, error: &tokio_postgres::Error) -> bool {
    let locked = matches!(error.code(), Some(&SqlState::LOCK_NOT_AVAILABLE | &SqlState::T_R_DEADLOCK_DETECTED));
    if !locked {
        let code = error.code().map_or("", |code| code.code());
        tracing::warn!(view_oid = view, sqlstate = code, "the server cannot print the definition of a view");
    }
    locked
}

fn halves(mut batch: Vec<u32>) -> [Vec<u32>; 2] {
    let rest = batch.split_off(batch.len() / 2);
    [batch, rest]
}

//! Reads what the catalog leaves out: constraints, indexes, comments, logins and the histories of migrations.
//!
//! For drift and first contracts, never for a statement: a few set-based questions over `pg_catalog`, which every role may
//! read, and one per history table, on which the service account needs SELECT.

use tokio_postgres::{Client, IsolationLevel, Row, Transaction};

use super::catalog::SETTINGS;
use super::connect::UpstreamError;
use super::migrations;
use super::rows::{get, optional_text, text};
use crate::model::catalog::Catalog;
use crate::model::structure::{ColumnReader, ForeignKey, Index, Structure};

/// Relations that somebody has created.
macro_rules! of_users {
    ($from:literal, $where:literal) => {
        concat!(
            $from,
            " WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') AND n.nspname !~ '^pg_(toast_)?temp_'",
            $where
        )
    };
}

const COMMENTS: &str = of_users!(
    "SELECT n.nspname::text AS schema, c.relname::text AS name, a.attname::text AS \"column\", d.description AS comment
       FROM pg_catalog.pg_description d
       JOIN pg_catalog.pg_class c ON c.oid = d.objoid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
       JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
       LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.objsubid AND d.objsubid > 0",
    " AND d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND NOT coalesce(a.attisdropped, false)"
);

const CONSTRAINTS: &str = of_users!(
    "SELECT n.nspname::text AS schema, c.relname::text AS name, k.conname::text AS \"constraint\", k.contype = 'f' AS is_key,
            k.convalidated AS validated, coalesce(fn.nspname::text, '') AS to_schema, coalesce(f.relname::text, '') AS to_name,
            ARRAY(SELECT a.attname::text FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY AS x (attnum, place)
                    JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = x.attnum
                   ORDER BY x.place) AS columns,
            ARRAY(SELECT a.attname::text FROM pg_catalog.unnest(k.confkey) WITH ORDINALITY AS x (attnum, place)
                    JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = x.attnum
                   ORDER BY x.place) AS to_columns
       FROM pg_catalog.pg_constraint k
       JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
       JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
       LEFT JOIN pg_catalog.pg_class f ON f.oid = k.confrelid
       LEFT JOIN pg_catalog.pg_namespace fn ON fn.oid = f.relnamespace",
    " AND (k.contype = 'f' AND k.conparentid = 0 OR NOT k.convalidated) ORDER BY 1, 2, 3"
);

const INDEXES: &str = of_users!(
    "SELECT n.nspname::text AS schema, c.relname::text AS name, x.relname::text AS index, i.indisunique AS is_unique,
            i.indisvalid AS valid, i.indpred IS NOT NULL AS partial,
            EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
                AS of_constraint,
            ARRAY(SELECT coalesce(a.attname::text, pg_catalog.pg_get_indexdef(i.indexrelid, place.number, true))
                    FROM pg_catalog.generate_series(1, i.indnkeyatts::int4) AS place (number)
                    LEFT JOIN pg_catalog.pg_attribute a
                           ON a.attrelid = i.indrelid AND a.attnum = i.indkey[place.number - 1] AND a.attnum > 0
                   ORDER BY place.number) AS key
       FROM pg_catalog.pg_index i
       JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
       JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
       JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace",
    " ORDER BY 1, 2, 3"
);

const PARTITIONED: &str = of_users!(
    "SELECT n.nspname::text AS schema, c.relname::text AS name,
            ARRAY(SELECT coalesce(a.attname::text, '') FROM pg_catalog.unnest(p.partattrs::int2[]) WITH ORDINALITY AS x (attnum, place)
                    LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = x.attnum AND a.attnum > 0
                   ORDER BY x.place) AS key
       FROM pg_catalog.pg_partitioned_table p
       JOIN pg_catalog.pg_class c ON c.oid = p.partrelid
       JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace",
    ""
);

const OF_EXTENSIONS: &str = of_users!(
    "SELECT n.nspname::text AS schema, c.relname::text AS name, e.extname::text AS extension
       FROM pg_catalog.pg_depend d
       JOIN pg_catalog.pg_class c ON c.oid = d.objid
       JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
       JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid",
    " AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objsubid = 0 AND d.deptype = 'e'
      AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass"
);

const COLUMN_READERS: &str = of_users!(
    "SELECT n.nspname::text AS schema, c.relname::text AS name, a.attname::text AS \"column\",
            CASE g.grantee WHEN 0 THEN 'public' ELSE pg_catalog.pg_get_userbyid(g.grantee)::text END AS role
       FROM pg_catalog.pg_attribute a
       JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
       JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
      CROSS JOIN LATERAL pg_catalog.aclexplode(a.attacl) AS g",
    " AND a.attacl IS NOT NULL AND g.privilege_type = 'SELECT' AND NOT a.attisdropped"
);

const LOGINS: &str = "SELECT rolname::text AS name FROM pg_catalog.pg_roles WHERE rolcanlogin ORDER BY 1";

/// Reads the database that the client is connected to, and whose catalog that is.
///
/// # Errors
/// The server does not answer a question. A history table that may not be read is no error.
pub async fn read(client: &mut Client, catalog: &Catalog) -> Result<Structure, UpstreamError> {
    let mut transaction =
        client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start().await?;
    transaction.batch_execute(SETTINGS).await?;
    let mut structure = Structure::default();
    comments(&transaction, &mut structure).await?;
    constraints(&transaction, &mut structure).await?;
    indexes(&transaction, &mut structure).await?;
    for row in transaction.query(PARTITIONED, &[]).await? {
        structure.relation_mut(text(&row, "schema")?, text(&row, "name")?).partition_key = names(&row, "key")?;
    }
    for row in transaction.query(OF_EXTENSIONS, &[]).await? {
        structure.relation_mut(text(&row, "schema")?, text(&row, "name")?).extension = Some(text(&row, "extension")?);
    }
    for row in transaction.query(COLUMN_READERS, &[]).await? {
        let (schema, relation) = (text(&row, "schema")?, text(&row, "name")?);
        let (column, role) = (text(&row, "column")?, text(&row, "role")?);
        structure.column_readers.push(ColumnReader { schema, relation, column, role });
    }
    for row in transaction.query(LOGINS, &[]).await? {
        structure.logins.push(text(&row, "name")?);
    }
    migrations::read(&mut transaction, catalog, &mut structure).await?;
    transaction.commit().await?;
    Ok(structure)
}

fn names(row: &Row, column: &str) -> Result<Vec<Box<str>>, UpstreamError> {
    Ok(get::<Vec<&str>>(row, column)?.into_iter().map(Box::from).collect())
}

async fn comments(transaction: &Transaction<'_>, structure: &mut Structure) -> Result<(), UpstreamError> {
    for row in transaction.query(COMMENTS, &[]).await? {
        let comment = text(&row, "comment")?;
        let relation = structure.relation_mut(text(&row, "schema")?, text(&row, "name")?);
        match optional_text(&row, "column")? {
            Some(column) => _ = relation.column_comments.insert(column, comment),
            None => relation.comment = Some(comment),
        }
    }
    Ok(())
}

async fn constraints(transaction: &Transaction<'_>, structure: &mut Structure) -> Result<(), UpstreamError> {
    for row in transaction.query(CONSTRAINTS, &[]).await? {
        let name = text(&row, "constraint")?;
        let relation = structure.relation_mut(text(&row, "schema")?, text(&row, "name")?);
        if !get::<bool>(&row, "is_key")? {
            relation.unvalidated.push(name);
            continue;
        }
        relation.foreign_keys.push(ForeignKey {
            name,
            columns: names(&row, "columns")?,
            to: (text(&row, "to_schema")?, text(&row, "to_name")?),
            to_columns: names(&row, "to_columns")?,
            validated: get(&row, "validated")?,
        });
    }
    Ok(())
}

async fn indexes(transaction: &Transaction<'_>, structure: &mut Structure) -> Result<(), UpstreamError> {
    for row in transaction.query(INDEXES, &[]).await? {
        let relation = structure.relation_mut(text(&row, "schema")?, text(&row, "name")?);
        relation.indexes.push(Index {
            name: text(&row, "index")?,
            key: names(&row, "key")?,
            unique: get(&row, "is_unique")?,
            valid: get(&row, "valid")?,
            partial: get(&row, "partial")?,
            of_constraint: get(&row, "of_constraint")?,
        });
    }
    Ok(())
}

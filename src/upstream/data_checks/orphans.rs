//! Rows that refer to a row which is not there.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tokio_postgres::Transaction;

use super::{Found, Target, Verdict, share};
use crate::model::catalog::{Catalog, Column, Relation, RelationKind};
use crate::model::contract::Relationship;
use crate::model::data_checks::OrphanCount;
use crate::model::ident::Ident;
use crate::policy::snapshot::Snapshot;
use crate::upstream::connect::UpstreamError;
use crate::upstream::divergence::SIZE;
use crate::upstream::own_code::{self, ColumnNumber};
use crate::upstream::rows::get;

/// A foreign key between these columns that holds for all rows: it was validated, nobody has switched its triggers off, and
/// there are no children by inheritance, for which it does not hold.
const GUARANTEED: &str = "
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_constraint k
     WHERE k.contype = 'f' AND k.convalidated AND k.conrelid = $1 AND k.confrelid = $2
       AND ARRAY(SELECT p.a::text || ' ' || p.b::text FROM unnest(k.conkey, k.confkey) AS p (a, b)) @> $3::text[]
       AND ARRAY(SELECT p.a::text || ' ' || p.b::text FROM unnest(k.conkey, k.confkey) AS p (a, b)) <@ $3::text[]
       AND NOT EXISTS (
           SELECT FROM pg_catalog.pg_trigger t
            WHERE t.tgenabled NOT IN ('O', 'A')
              AND (t.tgconstraint = k.oid
                   OR t.tgconstraint IN (SELECT c.oid FROM pg_catalog.pg_constraint c WHERE c.conparentid = k.oid)))
       AND NOT EXISTS (
           SELECT FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class p ON p.oid = i.inhparent
            WHERE i.inhparent = k.conrelid AND p.relkind <> 'p')
) AS guaranteed";

/// What a foreign key compares values of that type with. Operators of extensions are not found by their name alone.
const EQUALITY: &str = "
SELECT pg_catalog.quote_ident(n.nspname) AS schema, o.oprname::text AS operator
  FROM pg_catalog.pg_type t
  JOIN pg_catalog.pg_opclass c
    ON c.opcdefault AND c.opcintype = CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END
  JOIN pg_catalog.pg_am m ON m.oid = c.opcmethod AND m.amname = 'btree'
  JOIN pg_catalog.pg_amop a
    ON a.amopfamily = c.opcfamily AND a.amopstrategy = 3 AND a.amoplefttype = c.opcintype AND a.amoprighttype = c.opcintype
  JOIN pg_catalog.pg_operator o ON o.oid = a.amopopr
  JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
 WHERE t.oid = $1";

/// The first oid that is not the server's own.
const FIRST_OWN_OID: u32 = 16_384;

/// A relationship of a contract, as the database has it; or why it cannot be counted.
#[derive(Debug, Clone)]
pub(super) struct Question(Result<Asked, String>);

#[derive(Debug, Clone)]
struct Asked {
    from: Side,
    to: Side,
}

/// One end of a relationship.
#[derive(Debug, Clone)]
struct Side {
    oid: u32,
    name: String,
    columns: Vec<Column>,
}

/// The relationships of a database's contracts.
pub(super) fn questions(snapshot: &Snapshot, database: &str) -> BTreeMap<Target, Question> {
    let Some(known) = snapshot.database(database) else { return BTreeMap::new() };
    let entities = snapshot.bundle.contracts().flat_map(|contract| contract.entities_in(database));
    let questions = entities.flat_map(|(schema, entity)| {
        entity.relationships.iter().map(move |relationship| (schema, &entity.name, relationship))
    });
    questions
        .map(|(schema, relation, relationship)| {
            let target = (schema.into(), relation.clone(), relationship.label().into());
            (target, Question(asked(schema, relation, relationship, &known.catalog)))
        })
        .collect()
}

fn asked(schema: &str, relation: &str, relationship: &Relationship, catalog: &Catalog) -> Result<Asked, String> {
    let from = side(schema, relation, &relationship.columns, catalog)?;
    let other = relationship.schema.as_deref().unwrap_or(schema);
    let to = side(other, &relationship.table, &relationship.to_columns, catalog)?;
    Ok(Asked { from, to })
}

fn side(schema: &str, name: &str, columns: &[Box<str>], catalog: &Catalog) -> Result<Side, String> {
    let relation = catalog.find(schema, name).ok_or_else(|| format!("there is no table {schema}.{name}"))?;
    if !holds_rows(relation) {
        return Err(format!("{schema}.{name} is no table"));
    }
    let found = columns.iter().map(|column| {
        let missing = || format!("{schema}.{name} has no column {column}");
        relation.column(column).cloned().ok_or_else(missing)
    });
    Ok(Side { oid: relation.oid.0, name: relation.qualified(), columns: found.collect::<Result<_, _>>()? })
}

fn holds_rows(relation: &Relation) -> bool {
    match relation.kind {
        RelationKind::Table | RelationKind::Partitioned => true,
        RelationKind::View
        | RelationKind::MaterializedView
        | RelationKind::Foreign
        | RelationKind::Sequence
        | RelationKind::Other => false,
    }
}

impl super::Question for Question {
    type Answer = OrphanCount;

    async fn ask(&self, transaction: &Transaction<'_>, most_bytes: i64) -> Result<Found<OrphanCount>, UpstreamError> {
        let asked = match &self.0 {
            Ok(asked) => asked,
            Err(why) => return Ok(Found::None(why.clone())),
        };
        let key = [&asked.from.oid as &(dyn tokio_postgres::types::ToSql + Sync), &asked.to.oid, &asked.pairs()];
        if get(&transaction.query_one(GUARANTEED, &key).await?, "guaranteed")? {
            return Ok(Found::Answer(OrphanCount { at: Timestamp::now(), rows: 0, share: 1.0 }));
        }
        let bytes: i64 = get(&transaction.query_one(SIZE, &[&asked.from.oid]).await?, "bytes")?;
        let share = share(bytes, most_bytes);
        own_code::refuse(transaction, &[asked.from.name.clone(), asked.to.name.clone()], &asked.columns(), false)
            .await?;
        let equalities = equalities(transaction, &asked.to).await?;
        let row = transaction.query_one(&asked.counting(&equalities, share), &[]).await?;
        let rows = u64::try_from(get::<i64>(&row, "orphans")?).unwrap_or(0);
        Ok(Found::Answer(OrphanCount { at: Timestamp::now(), rows, share }))
    }

    fn verdict(&self, answer: &OrphanCount) -> Verdict {
        let is_kept = answer.rows == 0;
        let words = if is_kept { "every row that was read has its partner" } else { "rows have no partner" };
        Verdict { is_kept, words, rows: Some(answer.rows), age_seconds: None }
    }

    fn what(&self) -> String {
        "rows without a partner cannot be counted".to_owned()
    }
}

/// What each column that is referred to is compared with.
async fn equalities(transaction: &Transaction<'_>, to: &Side) -> Result<Vec<String>, UpstreamError> {
    let mut operators = Vec::new();
    for column in &to.columns {
        let mut operator = "=".to_owned();
        if column.ty.oid.0 >= FIRST_OWN_OID
            && let Some(row) = transaction.query_opt(EQUALITY, &[&column.ty.oid.0]).await?
        {
            let (schema, name): (&str, &str) = (get(&row, "schema")?, get(&row, "operator")?);
            operator = format!("OPERATOR({schema}.{name})");
        }
        operators.push(operator);
    }
    Ok(operators)
}

impl Asked {
    /// All columns that are compared.
    fn columns(&self) -> Vec<ColumnNumber> {
        let numbers = |side: &Side| side.columns.iter().map(|column| (side.oid, column.attnum)).collect::<Vec<_>>();
        [numbers(&self.from), numbers(&self.to)].concat()
    }

    /// The numbers of the columns, pair by pair.
    fn pairs(&self) -> Vec<String> {
        let pairs = self.from.columns.iter().zip(&self.to.columns);
        pairs.map(|(from, to)| format!("{} {}", from.attnum, to.attnum)).collect()
    }

    /// As MATCH SIMPLE has it: a row in which a column of the key is null refers to nothing.
    fn counting(&self, equalities: &[String], share: f64) -> String {
        let name = |column: &Column| Ident::quoted(&column.name).to_string();
        let sample = if share < 1.0 { format!(" TABLESAMPLE SYSTEM ({})", share * 100.0) } else { String::new() };
        let given: Vec<String> =
            self.from.columns.iter().map(|column| format!("f.{} IS NOT NULL", name(column))).collect();
        let pairs = self.from.columns.iter().zip(&self.to.columns).zip(equalities);
        let same: Vec<String> =
            pairs.map(|((from, to), equal)| format!("t.{} {equal} f.{}", name(to), name(from))).collect();
        format!(
            "SELECT count(*) AS orphans FROM {} AS f{sample} WHERE {} AND NOT EXISTS (SELECT FROM {} AS t WHERE {})",
            self.from.name,
            given.join(" AND "),
            self.to.name,
            same.join(" AND ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::contract::types::column_type;

    fn side(name: &str, columns: &[&str]) -> Side {
        let columns = columns.iter().enumerate();
        let column = |(at, name): (usize, &&str)| Column::new(at as i16 + 1, name, column_type("bigint"));
        Side { oid: 1, name: name.to_owned(), columns: columns.map(column).collect() }
    }

    #[test]
    fn names_are_quoted_and_a_sample_belongs_to_the_table_that_refers() {
        let asked = Asked { from: side(r#""S"."a""#, &["x", "y\"z"]), to: side(r#""S"."b""#, &["p", "q"]) };
        assert_eq!(
            asked.counting(&["=".to_owned(), "OPERATOR(public.=)".to_owned()], 0.5),
            r#"SELECT count(*) AS orphans FROM "S"."a" AS f TABLESAMPLE SYSTEM (50) WHERE f."x" IS NOT NULL AND f."y""z" IS NOT NULL AND NOT EXISTS (SELECT FROM "S"."b" AS t WHERE t."p" = f."x" AND t."q" OPERATOR(public.=) f."y""z")"#
        );
        assert!(!asked.counting(&["=".to_owned(), "=".to_owned()], 1.0).contains("TABLESAMPLE"));
        assert_eq!(asked.pairs(), ["1 1", "2 2"]);
    }
}

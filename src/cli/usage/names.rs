//! Names as people type them, and which of the known columns they mean.

use std::collections::BTreeSet;

use anyhow::bail;
use jiff::civil::Date;

use crate::model::ident::{Ident, display_name};
use crate::model::usage::Filter;

/// A column, or with an empty name of the column a relation, of a database.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Object {
    /// The database.
    pub database: String,
    /// The schema.
    pub schema: String,
    /// The relation.
    pub relation: String,
    /// The column.
    pub column: String,
}

impl Object {
    /// `schema.relation.column` or `schema.relation`.
    pub fn display(&self) -> String {
        let mut parts = vec![&self.schema, &self.relation];
        parts.extend((!self.column.is_empty()).then_some(&self.column));
        parts.into_iter().map(|part| display_name(part)).collect::<Vec<_>>().join(".")
    }

    /// `schema.relation`.
    pub fn relation(&self) -> Self {
        Self { column: String::new(), ..self.clone() }
    }

    /// Uses of exactly this, of days from that one on.
    pub fn filter(&self, since: Option<Date>) -> Filter {
        let Self { database, schema, relation, column } = self.clone();
        Filter {
            since,
            database: Some(database),
            schema: Some(schema),
            relation: Some(relation),
            column: Some(column),
            ..Filter::default()
        }
    }

    fn is(&self, schema: Option<&str>, relation: &str, column: &str) -> bool {
        schema.is_none_or(|schema| self.schema == schema) && self.relation == relation && self.column == column
    }
}

/// The parts of a dotted name: quoted ones as they are, others in lower case.
fn parts(text: &str) -> anyhow::Result<Vec<String>> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let (part, after) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let mut end = 0;
                // A doubled quote stands for one.
                while let Some(at) = quoted.get(end..).and_then(|tail| tail.find('"')) {
                    end += at;
                    if quoted.get(end + 1..).is_some_and(|tail| tail.starts_with('"')) {
                        end += 2;
                    } else {
                        break;
                    }
                }
                let Some((name, after)) = quoted.split_at_checked(end).filter(|(_, after)| after.starts_with('"'))
                else {
                    bail!("`{text}`: a quoted name does not end");
                };
                (name.replace("\"\"", "\""), after.get(1..).unwrap_or_default())
            }
            None => {
                let (name, after) = rest.split_at(rest.find('.').unwrap_or(rest.len()));
                (Ident::unquoted(name).as_str().to_owned(), after)
            }
        };
        if part.is_empty() {
            bail!("`{text}` is no name: write SCHEMA.TABLE.COLUMN, SCHEMA.TABLE or TABLE.COLUMN");
        }
        parts.push(part);
        match after.strip_prefix('.') {
            Some(more) => rest = more,
            None if after.is_empty() => return Ok(parts),
            None => bail!("`{text}`: a point is missing behind a quoted name"),
        }
    }
}

/// The object that is meant, of those that are known.
///
/// # Errors
/// It is no name, nothing has it, or more than one thing does.
pub fn meant(text: &str, database: Option<&str>, known: &BTreeSet<Object>) -> anyhow::Result<Object> {
    let parts = parts(text)?;
    let matches: fn(&Object, &[String]) -> bool = match parts.len() {
        3 => |object, parts| matches!(parts, [schema, relation, column] if object.is(Some(schema), relation, column)),
        2 => {
            |object, parts| matches!(parts, [first, second] if object.is(Some(first), second, "") || object.is(None, first, second))
        }
        _ => bail!("`{text}`: write SCHEMA.TABLE.COLUMN, SCHEMA.TABLE or TABLE.COLUMN"),
    };
    let wanted =
        |object: &&Object| database.is_none_or(|database| object.database == database) && matches(object, &parts);
    let mut found = known.iter().filter(wanted);
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only.clone()),
        (None, _) => {
            bail!("nothing is known of `{text}`: neither a contract nor the catalog nor the record of usage has it")
        }
        (Some(first), Some(second)) => bail!(
            "`{text}` may be {} of {} or {} of {}: write it with its schema, or add --database",
            first.display(),
            first.database,
            second.display(),
            second.database
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(database: &str, schema: &str, relation: &str, column: &str) -> Object {
        let [database, schema, relation, column] = [database, schema, relation, column].map(str::to_owned);
        Object { database, schema, relation, column }
    }

    #[test]
    fn names_are_folded_and_quoted_as_in_sql() {
        assert_eq!(parts("Public.Orders.ETA").unwrap(), ["public", "orders", "eta"]);
        assert_eq!(parts(r#""My.Schema"."a""b".c"#).unwrap(), ["My.Schema", "a\"b", "c"]);
        for wrong in ["", "a..b", ".a", "a.", "\"a", "\"a\"b"] {
            assert!(parts(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn two_parts_are_a_table_or_a_column_whichever_is_known() {
        let known = BTreeSet::from([
            object("shop", "public", "orders", ""),
            object("shop", "public", "orders", "status"),
            object("shop", "old", "orders", "status"),
            object("other", "public", "orders", ""),
        ]);
        let meant = |text: &str, database: Option<&str>| meant(text, database, &known).map(|found| found.display());
        assert_eq!(meant("public.orders", Some("shop")).unwrap(), "public.orders");
        assert_eq!(meant("old.orders.status", None).unwrap(), "old.orders.status");
        assert!(meant("public.orders", None).unwrap_err().to_string().contains("--database"));
        assert!(meant("orders.status", None).unwrap_err().to_string().contains("old.orders.status"));
        assert!(meant("orders.stauts", None).unwrap_err().to_string().contains("nothing is known"));
        assert!(meant("orders", None).is_err());
    }
}

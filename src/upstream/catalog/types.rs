//! All types of the database: what domains stand on, and the types that users made.

use std::collections::{HashMap, HashSet};

use tokio_postgres::Transaction;

use crate::model::catalog::{BaseType, Oid, UserType};
use crate::upstream::connect::UpstreamError;
use crate::upstream::rows::{get, letter, oid, optional_text, text};

/// `is_array` marks the array type that comes with every other type.
const TYPES: &str = "
SELECT t.oid AS oid, n.nspname::text AS schema, t.typname::text AS name, t.typtype::text AS kind,
       t.typcategory::text AS category, t.typbasetype AS base, t.typelem AS element,
       ARRAY(SELECT a.atttypid FROM pg_catalog.pg_attribute a
              WHERE a.attrelid = t.typrelid AND t.typrelid <> 0 AND a.attnum > 0 AND NOT a.attisdropped) AS fields,
       EXISTS (SELECT FROM pg_catalog.pg_type a WHERE a.typarray = t.oid) AS is_array,
       EXISTS (SELECT FROM pg_catalog.pg_constraint c WHERE c.contypid = t.oid AND c.contype = 'c') AS own_check,
       e.extname::text AS extension
  FROM pg_catalog.pg_type t
  JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
  LEFT JOIN pg_catalog.pg_depend d
         ON d.classid = 'pg_catalog.pg_type'::regclass AND d.objid = t.oid AND d.objsubid = 0
        AND d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.deptype = 'e'
  LEFT JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
 ORDER BY t.oid";

struct Type {
    schema: Box<str>,
    name: Box<str>,
    kind: char,
    category: char,
    base: Oid,
    element: Oid,
    fields: Vec<Oid>,
    is_array: bool,
    own_check: bool,
    extension: Option<Box<str>>,
}

/// All types by oid.
#[derive(Default)]
pub(super) struct TypeTable {
    types: HashMap<Oid, Type>,
    order: Vec<Oid>,
}

impl TypeTable {
    pub(super) async fn read(transaction: &Transaction<'_>) -> Result<Self, UpstreamError> {
        let mut table = Self::default();
        for row in transaction.query(TYPES, &[]).await? {
            let entry = Type {
                schema: text(&row, "schema")?,
                name: text(&row, "name")?,
                kind: letter(&row, "kind")?,
                category: letter(&row, "category")?,
                base: oid(&row, "base")?,
                element: oid(&row, "element")?,
                fields: get::<Vec<u32>>(&row, "fields")?.into_iter().map(Oid).collect(),
                is_array: get(&row, "is_array")?,
                own_check: get(&row, "own_check")?,
                extension: optional_text(&row, "extension")?,
            };
            table.add(oid(&row, "oid")?, entry);
        }
        Ok(table)
    }

    fn add(&mut self, oid: Oid, entry: Type) {
        self.order.push(oid);
        self.types.insert(oid, entry);
    }

    /// What the type is at the bottom.
    pub(super) fn base(&self, oid: Oid) -> BaseType {
        let mut at = oid;
        let mut seen = HashSet::new();
        while let Some(entry) = self.types.get(&at) {
            if entry.kind != 'd' {
                return family(entry);
            }
            if !seen.insert(at) {
                break;
            }
            at = entry.base;
        }
        BaseType::Other
    }

    /// The types outside `pg_catalog`, without the array types that come with them and without what is temporary.
    pub(super) fn user_types(&self) -> Vec<UserType> {
        let wanted =
            |entry: &&Type| &*entry.schema != "pg_catalog" && !entry.schema.starts_with("pg_t") && !entry.is_array;
        let user_type = |oid: &Oid| {
            let entry = self.types.get(oid).filter(wanted)?;
            Some(UserType {
                oid: *oid,
                schema: entry.schema.clone(),
                name: entry.name.clone(),
                kind: entry.kind,
                has_check: self.has_check(*oid),
                extension: entry.extension.clone(),
            })
        };
        self.order.iter().filter_map(user_type).collect()
    }

    /// A CHECK constraint runs when a value of this type is made: its own, or one of a domain that it is built on,
    /// as its base, as the element of an array or as a field.
    fn has_check(&self, oid: Oid) -> bool {
        let mut seen = HashSet::new();
        let mut open = vec![oid];
        while let Some(next) = open.pop() {
            let Some(entry) = self.types.get(&next) else { continue };
            if entry.own_check {
                return true;
            }
            if seen.insert(next) {
                open.extend([entry.base, entry.element]);
                open.extend(&entry.fields);
            }
        }
        false
    }
}

/// By name where the system catalog owns it, since the categories are coarser than what masks tell apart.
fn family(entry: &Type) -> BaseType {
    if entry.category == 'A' {
        return BaseType::Array;
    }
    if &*entry.name == "citext" && entry.category == 'S' {
        return BaseType::Text;
    }
    match entry.kind {
        'e' => return BaseType::Enum,
        'r' => return BaseType::Range,
        'm' => return BaseType::Multirange,
        _ => {}
    }
    if &*entry.schema != "pg_catalog" {
        return BaseType::Other;
    }
    match &*entry.name {
        "text" | "varchar" | "bpchar" | "name" => BaseType::Text,
        "int2" | "int4" | "int8" | "numeric" | "float4" | "float8" => BaseType::Number,
        "bool" => BaseType::Boolean,
        "date" => BaseType::Date,
        "timestamp" | "timestamptz" => BaseType::Timestamp,
        "time" | "timetz" => BaseType::Time,
        "uuid" => BaseType::Uuid,
        "bytea" => BaseType::Bytes,
        "json" | "jsonb" => BaseType::Json,
        "inet" | "cidr" => BaseType::Network,
        "interval" => BaseType::Interval,
        _ => BaseType::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(schema: &str, name: &str, kind: char, category: char) -> Type {
        Type {
            schema: schema.into(),
            name: name.into(),
            kind,
            category,
            base: Oid(0),
            element: Oid(0),
            fields: Vec::new(),
            is_array: false,
            own_check: false,
            extension: None,
        }
    }

    fn table() -> TypeTable {
        let mut table = TypeTable::default();
        table.add(Oid(25), entry("pg_catalog", "text", 'b', 'S'));
        table.add(Oid(100), Type { base: Oid(25), own_check: true, ..entry("public", "email", 'd', 'S') });
        table.add(Oid(101), Type { base: Oid(100), ..entry("public", "work_email", 'd', 'S') });
        let array = Type { element: Oid(101), is_array: true, ..entry("public", "_work_email", 'b', 'A') };
        table.add(Oid(102), array);
        table.add(Oid(103), Type { base: Oid(102), ..entry("public", "emails", 'd', 'A') });
        table.add(Oid(104), entry("public", "text", 'e', 'E'));
        table.add(Oid(105), Type { fields: vec![Oid(25), Oid(103)], ..entry("public", "contact", 'c', 'C') });
        table.add(Oid(106), Type { fields: vec![Oid(25)], ..entry("public", "point", 'c', 'C') });
        table
    }

    #[test]
    fn domains_are_looked_through() {
        let table = table();
        assert_eq!(table.base(Oid(101)), BaseType::Text);
        assert_eq!(table.base(Oid(103)), BaseType::Array);
        assert_eq!(table.base(Oid(104)), BaseType::Enum, "a user's type named text is not text");
        assert_eq!(table.base(Oid(9999)), BaseType::Other);
    }

    #[test]
    fn checks_are_found_through_bases_elements_and_fields() {
        let types = table().user_types();
        let checks: Vec<_> = types.iter().map(|t| (&*t.name, t.has_check)).collect();
        assert_eq!(
            checks,
            [
                ("email", true),
                ("work_email", true),
                ("emails", true),
                ("text", false),
                ("contact", true),
                ("point", false),
            ]
        );
    }
}

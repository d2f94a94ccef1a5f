//! All types of the database: what domains stand on, and the types that users made.

use std::collections::{HashMap, HashSet};

use tokio_postgres::Transaction;

use crate::model::catalog::{BaseType, Oid, UserType};
use crate::sql::{functions, lexer};
use crate::upstream::connect::UpstreamError;
use crate::upstream::rows::{get, letter, oid, optional_text, text};

/// `is_array` marks the array type that comes with every other type, which is that type's `array`.
const TYPES: &str = "
SELECT t.oid AS oid, n.nspname::text AS schema, t.typname::text AS name, t.typtype::text AS kind,
       t.typcategory::text AS category, t.typbasetype AS base, t.typelem AS element, t.typarray AS array,
       EXISTS (SELECT FROM pg_catalog.pg_type a WHERE a.typarray = t.oid) AS is_array,
       CASE WHEN t.typtype = 'd' THEN pg_catalog.format_type(t.typbasetype, t.typtypmod) END AS below,
       e.extname::text AS extension
  FROM pg_catalog.pg_type t
  JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
  LEFT JOIN pg_catalog.pg_depend d
         ON d.classid = 'pg_catalog.pg_type'::regclass AND d.objid = t.oid AND d.objsubid = 0
        AND d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.deptype = 'e'
  LEFT JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
 ORDER BY t.oid";

/// What user-made types are made of: columns of composite types, the bounds of ranges, the ranges of multiranges.
const PARTS: &str = "
SELECT c.reltype AS type, a.atttypid AS part
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid >= 16384
 WHERE c.reltype >= 16384
UNION ALL
SELECT r.rngtypid, r.rngsubtype FROM pg_catalog.pg_range r WHERE r.rngtypid >= 16384
UNION ALL
SELECT r.rngmultitypid, r.rngtypid FROM pg_catalog.pg_range r WHERE r.rngtypid >= 16384";

/// Functions that users made which run when a value of the type itself is made, compared within it, or shown.
const RUNS: &str = "
SELECT f.type AS type, n.nspname::text AS schema, p.proname::text AS name
  FROM (SELECT t.oid AS type, unnest(ARRAY[t.typinput::oid, t.typoutput::oid, t.typreceive::oid, t.typsend::oid,
                                           t.typmodin::oid, t.typmodout::oid, t.typsubscript::oid]) AS function
          FROM pg_catalog.pg_type t WHERE t.oid >= 16384
        UNION
        SELECT r.rngtypid, unnest(ARRAY[r.rngcanonical::oid, r.rngsubdiff::oid]) FROM pg_catalog.pg_range r
        UNION
        SELECT r.rngtypid, a.amproc::oid
          FROM pg_catalog.pg_range r
          JOIN pg_catalog.pg_opclass o ON o.oid = r.rngsubopc
          JOIN pg_catalog.pg_amproc a ON a.amprocfamily = o.opcfamily
        UNION
        SELECT c.contypid, coalesce(o.oprcode::oid, d.refobjid)
          FROM pg_catalog.pg_constraint c
          JOIN pg_catalog.pg_depend d
            ON d.classid = 'pg_catalog.pg_constraint'::regclass AND d.objid = c.oid
           AND d.refclassid IN ('pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_operator'::regclass)
          LEFT JOIN pg_catalog.pg_operator o
            ON d.refclassid = 'pg_catalog.pg_operator'::regclass AND o.oid = d.refobjid
         WHERE c.contypid <> 0) f
  JOIN pg_catalog.pg_proc p ON p.oid = f.function
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 WHERE p.oid >= 16384
 ORDER BY 1, 2, 3";

/// The CHECK constraints of domains.
const CHECKS: &str = "
SELECT c.contypid AS type, pg_catalog.pg_get_constraintdef(c.oid) AS definition
  FROM pg_catalog.pg_constraint c
 WHERE c.contypid <> 0 AND c.contype = 'c'";

struct Type {
    schema: Box<str>,
    name: Box<str>,
    kind: char,
    category: char,
    base: Oid,
    /// The type that a domain is over, with its modifier, as SQL.
    below: Option<Box<str>>,
    element: Oid,
    array: Oid,
    is_array: bool,
    /// Has a CHECK of its own that calls more than computing functions of `pg_catalog`.
    unclear_check: bool,
    /// Has a CHECK of its own.
    check: bool,
    /// Functions of users that run for the type itself.
    runs: Vec<(Box<str>, Box<str>)>,
    /// What else it is made of.
    parts: Vec<Oid>,
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
                below: optional_text(&row, "below")?,
                element: oid(&row, "element")?,
                array: oid(&row, "array")?,
                is_array: get(&row, "is_array")?,
                unclear_check: false,
                check: false,
                runs: Vec::new(),
                parts: Vec::new(),
                extension: optional_text(&row, "extension")?,
            };
            table.add(oid(&row, "oid")?, entry);
        }
        for row in transaction.query(PARTS, &[]).await? {
            if let Some(entry) = table.types.get_mut(&oid(&row, "type")?) {
                entry.parts.push(oid(&row, "part")?);
            }
        }
        for row in transaction.query(RUNS, &[]).await? {
            if let Some(entry) = table.types.get_mut(&oid(&row, "type")?) {
                entry.runs.push((text(&row, "schema")?, text(&row, "name")?));
            }
        }
        for row in transaction.query(CHECKS, &[]).await? {
            let definition = optional_text(&row, "definition")?;
            if let Some(entry) = table.types.get_mut(&oid(&row, "type")?) {
                entry.check = true;
                entry.unclear_check |= !definition.is_some_and(|text| only_computes(&text));
            }
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

    /// The type at the bottom of a domain that has a CHECK somewhere, as SQL.
    pub(super) fn below_check(&self, oid: Oid) -> Option<Box<str>> {
        let mut at = self.types.get(&oid).filter(|entry| entry.kind == 'd')?;
        let checked = self.built_on(oid).any(|part| part.check);
        for _ in 0..self.types.len() {
            match self.types.get(&at.base) {
                Some(next) if next.kind == 'd' => at = next,
                _ => return at.below.clone().filter(|_| checked),
            }
        }
        None
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
                array: entry.array,
                has_unclear_check: self.built_on(*oid).any(|part| part.unclear_check),
                runs: self.runs(*oid),
                extension: entry.extension.clone(),
            })
        };
        self.order.iter().filter_map(user_type).collect()
    }

    /// The type and all that it is built on: bases, elements, columns, bounds.
    fn built_on(&self, oid: Oid) -> impl Iterator<Item = &Type> {
        let mut seen = HashSet::new();
        let mut open = vec![oid];
        std::iter::from_fn(move || {
            while let Some(next) = open.pop() {
                if let Some(entry) = self.types.get(&next).filter(|_| seen.insert(next)) {
                    open.extend([entry.base, entry.element]);
                    open.extend(&entry.parts);
                    return Some(entry);
                }
            }
            None
        })
    }

    fn runs(&self, oid: Oid) -> Vec<(Box<str>, Box<str>)> {
        let mut runs: Vec<_> = self.built_on(oid).flat_map(|part| part.runs.iter().cloned()).collect();
        runs.sort_unstable();
        runs.dedup();
        runs
    }
}

/// Whether the text of a CHECK constraint calls computing functions of `pg_catalog` only, apart from qualified ones, which
/// the server's own record of dependencies lists.
fn only_computes(definition: &str) -> bool {
    let Ok(tokens) = lexer::lex(definition) else { return false };
    let mut before = "";
    tokens.windows(2).all(|pair| {
        let [name, parenthesis] = pair else { return false };
        let qualified = std::mem::replace(&mut before, name.text(definition)) == ".";
        let called = lexer::ident(definition, name).filter(|_| parenthesis.text(definition) == "(");
        qualified || called.is_none_or(|name| functions::admitted(name.as_str()))
    })
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
mod tests;

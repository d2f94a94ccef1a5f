//! The column under a mask, and the few ways in which masks may speak of it in SQL.

use crate::model::catalog::{BaseType, ColumnType};

use super::Unsuited;

/// Stands for the column reference while an expression is built. No SQL text can contain it.
pub(super) const HOLE: &str = "\0";

/// `oid` of timestamptz, the one timestamp whose calendar depends on the session.
const TIMESTAMPTZ: u32 = 1184;
const TIMESTAMP: u32 = 1114;

/// Types that a cast names by keywords; all others are names, which a search path could lead elsewhere.
const KEYWORD_TYPES: &[&str] = &[
    "character",
    "bit",
    "smallint",
    "integer",
    "bigint",
    "numeric",
    "real",
    "double",
    "boolean",
    "timestamp",
    "time",
    "interval",
];

/// A column, seen by a mask.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'a> {
    pub(super) ty: &'a ColumnType,
}

/// Which calendar a timestamp has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Zone {
    /// timestamp.
    Without,
    /// timestamptz.
    With,
    /// A domain: which of both cannot be told.
    Unclear,
}

impl<'a> Field<'a> {
    pub(super) fn new(ty: &'a ColumnType) -> Self {
        Self { ty }
    }

    /// The value as text. A column with a collation of its own is compared byte by byte, since collations that are
    /// not deterministic refuse to search in text.
    pub(super) fn text(&self) -> String {
        let text = format!("CAST({HOLE} AS pg_catalog.text)");
        if self.ty.collation.is_some() { format!("({text} COLLATE pg_catalog.\"C\")") } else { text }
    }

    /// The finished expression in the column's exact type.
    pub(super) fn cast_back(&self, expression: &str) -> String {
        let cast = format!("CAST({expression} AS {})", self.type_name());
        match &self.ty.collation {
            Some(collation) => format!("({cast} COLLATE {collation})"),
            None => format!("({cast})"),
        }
    }

    /// The type as SQL that reads the same under every search path.
    pub(super) fn type_name(&self) -> String {
        qualify(self.ty.masked_as.as_deref().unwrap_or(&self.ty.sql))
    }

    pub(super) fn zone(&self) -> Zone {
        match self.ty.oid.0 {
            TIMESTAMPTZ => Zone::With,
            TIMESTAMP => Zone::Without,
            _ => Zone::Unclear,
        }
    }

    /// Fails unless the column is of that family.
    pub(super) fn need(&self, base: BaseType, mask: &str) -> Result<(), Unsuited> {
        if self.ty.base == base { Ok(()) } else { Err(self.unsuited(mask)) }
    }

    pub(super) fn unsuited(&self, mask: &str) -> Unsuited {
        Unsuited(format!("the mask `{mask}` does not work on the type {}", self.ty.sql))
    }
}

/// `format_type` leaves out `pg_catalog.`, which it takes to be on every search path; but it need not be the first.
fn qualify(sql: &str) -> String {
    let first = sql.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or("");
    let qualified = {
        // A dot outside quotes.
        let mut quoted = false;
        sql.chars().any(|c| {
            quoted ^= c == '"';
            c == '.' && !quoted
        })
    };
    if qualified || KEYWORD_TYPES.contains(&first) { sql.to_owned() } else { format!("pg_catalog.{sql}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_types_do_not_depend_on_the_search_path() {
        for (written, read) in [
            ("text", "pg_catalog.text"),
            ("text[]", "pg_catalog.text[]"),
            ("character varying(3)", "character varying(3)"),
            ("timestamp(3) with time zone", "timestamp(3) with time zone"),
            ("time without time zone", "time without time zone"),
            ("numeric(10,2)", "numeric(10,2)"),
            ("public.mood", "public.mood"),
            ("\"odd.name\"", "pg_catalog.\"odd.name\""),
            ("\"char\"", "pg_catalog.\"char\""),
            ("timestamps", "pg_catalog.timestamps"),
            ("double precision", "double precision"),
        ] {
            assert_eq!(qualify(written), read);
        }
    }
}

//! Whether a column has the type that a contract promises.

use crate::model::catalog::{BaseType, ColumnType};
use crate::model::contract::types::column_type;

/// Whether it is the `physicalType`, however that is spelt.
pub(super) fn is_physically(physical: &str, found: &ColumnType) -> bool {
    let expected = column_type(physical);
    if expected.oid.0 != 0 {
        // Alone, these have a length of one.
        let alone = expected.typmod == -1 && matches!(&*expected.sql, "character" | "bit");
        let typmod = match (&*expected.sql, alone) {
            ("character", true) => 5,
            (_, true) => 1,
            (_, false) => expected.typmod,
        };
        return expected.oid == found.oid && (typmod == found.typmod || alone && found.typmod == -1);
    }
    // A type of the users or of an extension: by its name, with or without its schema.
    let plain =
        |text: &str| text.to_lowercase().chars().filter(|c| !c.is_whitespace() && *c != '"').collect::<String>();
    let (expected, found) = (plain(physical), plain(&found.sql));
    expected == found
        || found.split_once('.').is_some_and(|(_, name)| name == expected)
        || expected.split_once('.').is_some_and(|(schema, name)| schema == "pg_catalog" && name == found)
}

/// Whether it is of the family that a `logicalType` stands for.
pub(super) fn is_logically(logical: &str, found: &ColumnType) -> bool {
    match logical {
        "integer" => matches!(&*found.sql, "smallint" | "integer" | "bigint") || found.sql.ends_with(",0)"),
        "number" => found.base == BaseType::Number || &*found.sql == "money",
        "boolean" => found.base == BaseType::Boolean,
        "date" => found.base == BaseType::Date,
        "timestamp" => found.base == BaseType::Timestamp,
        "time" => found.base == BaseType::Time,
        "array" => matches!(found.base, BaseType::Array | BaseType::Json | BaseType::Multirange),
        "object" => matches!(found.base, BaseType::Json | BaseType::Other),
        // A string may be anything that is written as one.
        _ => !matches!(
            found.base,
            BaseType::Number
                | BaseType::Boolean
                | BaseType::Date
                | BaseType::Timestamp
                | BaseType::Time
                | BaseType::Array
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::catalog::Oid;

    fn user_type(sql: &str) -> ColumnType {
        ColumnType {
            oid: Oid(70_000),
            typmod: -1,
            sql: sql.into(),
            base: BaseType::Enum,
            collation: None,
            masked_as: None,
        }
    }

    #[test]
    fn a_type_may_be_spelt_in_many_ways() {
        for (promised, found) in [
            ("varchar(120)", "character varying(120)"),
            ("timestamptz", "timestamp with time zone"),
            ("numeric(10)", "numeric(10,0)"),
            ("serial", "integer"),
            ("INT8", "bigint"),
            ("text[]", "text[]"),
        ] {
            assert!(is_physically(promised, &column_type(found)), "{promised}");
        }
        assert!(is_physically("char", &column_type("character(1)")));
        assert!(
            is_physically("mood", &user_type("public.mood")) && is_physically("public.mood", &user_type("public.mood"))
        );
        assert!(is_physically("geometry(Point, 4326)", &user_type("public.geometry(Point,4326)")));
    }

    #[test]
    fn another_type_or_length_is_another_promise() {
        for (promised, found) in [
            ("varchar(120)", "character varying(80)"),
            ("varchar(120)", "text"),
            ("timestamptz", "timestamp without time zone"),
            ("numeric(12,2)", "numeric(10,2)"),
            ("integer", "bigint"),
            ("text", "text[]"),
            ("char(2)", "character(3)"),
        ] {
            assert!(!is_physically(promised, &column_type(found)), "{promised}");
        }
        assert!(!is_physically("other.mood", &user_type("public.mood")));
    }

    #[test]
    fn a_logical_type_leaves_the_choice() {
        for (promised, found, kept) in [
            ("integer", "smallint", true),
            ("integer", "numeric(10,0)", true),
            ("integer", "numeric(10,2)", false),
            ("string", "uuid", true),
            ("string", "integer", false),
            ("timestamp", "timestamp without time zone", true),
            ("timestamp", "date", false),
            ("object", "jsonb", true),
            ("array", "text[]", true),
        ] {
            assert_eq!(is_logically(promised, &column_type(found)), kept, "{promised} {found}");
        }
    }
}

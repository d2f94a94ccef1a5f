//! From a contract's `physicalType` to the type of a column, for use without a server.

use crate::model::catalog::{BaseType, ColumnType, Oid};

/// The types that PostgreSQL knows by itself: the names by which people call them, oid, array's oid, how
/// `format_type` writes them, and the family.
const KNOWN: &[(&[&str], u32, u32, &str, BaseType)] = &[
    (&["text"], 25, 1009, "text", BaseType::Text),
    (&["varchar", "character varying"], 1043, 1015, "character varying", BaseType::Text),
    (&["char", "character", "bpchar"], 1042, 1014, "character", BaseType::Text),
    (&["name"], 19, 1003, "name", BaseType::Text),
    (&["smallint", "int2", "smallserial", "serial2"], 21, 1005, "smallint", BaseType::Number),
    (&["integer", "int", "int4", "serial", "serial4"], 23, 1007, "integer", BaseType::Number),
    (&["bigint", "int8", "bigserial", "serial8"], 20, 1016, "bigint", BaseType::Number),
    (&["numeric", "decimal"], 1700, 1231, "numeric", BaseType::Number),
    (&["real", "float4"], 700, 1021, "real", BaseType::Number),
    (&["double precision", "float8", "float", "double"], 701, 1022, "double precision", BaseType::Number),
    (&["boolean", "bool"], 16, 1000, "boolean", BaseType::Boolean),
    (&["date"], 1082, 1182, "date", BaseType::Date),
    (&["timestamp", "timestamp without time zone"], 1114, 1115, "timestamp without time zone", BaseType::Timestamp),
    (&["timestamptz", "timestamp with time zone"], 1184, 1185, "timestamp with time zone", BaseType::Timestamp),
    (&["time", "time without time zone"], 1083, 1183, "time without time zone", BaseType::Time),
    (&["timetz", "time with time zone"], 1266, 1270, "time with time zone", BaseType::Time),
    (&["uuid"], 2950, 2951, "uuid", BaseType::Uuid),
    (&["bytea"], 17, 1001, "bytea", BaseType::Bytes),
    (&["json"], 114, 199, "json", BaseType::Json),
    (&["jsonb"], 3802, 3807, "jsonb", BaseType::Json),
    (&["inet"], 869, 1041, "inet", BaseType::Network),
    (&["cidr"], 650, 651, "cidr", BaseType::Network),
    (&["interval"], 1186, 1187, "interval", BaseType::Interval),
    (&["money"], 790, 791, "money", BaseType::Other),
    (&["xml"], 142, 143, "xml", BaseType::Other),
    (&["bit"], 1560, 1561, "bit", BaseType::Other),
    (&["varbit", "bit varying"], 1562, 1563, "bit varying", BaseType::Other),
    (&["macaddr"], 829, 1040, "macaddr", BaseType::Other),
    (&["macaddr8"], 774, 775, "macaddr8", BaseType::Other),
    (&["tsvector"], 3614, 3643, "tsvector", BaseType::Other),
    (&["tsquery"], 3615, 3645, "tsquery", BaseType::Other),
    (&["point"], 600, 1017, "point", BaseType::Other),
    (&["box"], 603, 1020, "box", BaseType::Other),
    (&["path"], 602, 1019, "path", BaseType::Other),
    (&["polygon"], 604, 1027, "polygon", BaseType::Other),
    (&["circle"], 718, 719, "circle", BaseType::Other),
    (&["lseg"], 601, 1018, "lseg", BaseType::Other),
    (&["pg_lsn"], 3220, 3221, "pg_lsn", BaseType::Other),
    (&["int4range"], 3904, 3905, "int4range", BaseType::Range),
    (&["numrange"], 3906, 3907, "numrange", BaseType::Range),
    (&["tsrange"], 3908, 3909, "tsrange", BaseType::Range),
    (&["tstzrange"], 3910, 3911, "tstzrange", BaseType::Range),
    (&["daterange"], 3912, 3913, "daterange", BaseType::Range),
    (&["int8range"], 3926, 3927, "int8range", BaseType::Range),
    (&["int4multirange"], 4451, 6150, "int4multirange", BaseType::Multirange),
    (&["nummultirange"], 4532, 6151, "nummultirange", BaseType::Multirange),
    (&["tsmultirange"], 4533, 6152, "tsmultirange", BaseType::Multirange),
    (&["tstzmultirange"], 4534, 6153, "tstzmultirange", BaseType::Multirange),
    (&["datemultirange"], 4535, 6155, "datemultirange", BaseType::Multirange),
    (&["int8multirange"], 4536, 6157, "int8multirange", BaseType::Multirange),
];

/// The type that a `physicalType` names. Types that PostgreSQL does not bring along count as [`BaseType::Other`],
/// since only a server can tell what they are.
pub fn column_type(physical: &str) -> ColumnType {
    let written = physical.trim().to_lowercase();
    let (element, array) = match written.strip_suffix("[]") {
        Some(element) => (element.trim(), true),
        None => (written.as_str(), false),
    };
    let (name, modifier) = split_modifier(element);
    let known = KNOWN.iter().find(|(names, ..)| names.contains(&name.as_str()));
    let Some((_, oid, array_oid, sql, base)) = known else {
        let base = if array { BaseType::Array } else { BaseType::Other };
        return ColumnType {
            oid: Oid(0),
            typmod: -1,
            sql: physical.trim().into(),
            base,
            collation: None,
            masked_as: None,
        };
    };
    let sql = with_modifier(sql, &modifier);
    let typmod = typmod(*oid, &modifier);
    if array {
        let sql = format!("{sql}[]").into();
        return ColumnType {
            oid: Oid(*array_oid),
            typmod,
            sql,
            base: BaseType::Array,
            collation: None,
            masked_as: None,
        };
    }
    ColumnType { oid: Oid(*oid), typmod, sql: sql.into(), base: *base, collation: None, masked_as: None }
}

/// What a `logicalType` amounts to where no physical type is given.
pub fn of_logical(logical: &str) -> &'static str {
    match logical {
        "integer" => "bigint",
        "number" => "numeric",
        "boolean" => "boolean",
        "date" => "date",
        "timestamp" => "timestamp with time zone",
        "time" => "time without time zone",
        "object" | "array" => "jsonb",
        _ => "text",
    }
}

/// `timestamp(3) with time zone` → (`timestamp with time zone`, `3`).
fn split_modifier(text: &str) -> (String, String) {
    let squeeze = |part: &str| part.split_whitespace().collect::<Vec<_>>().join(" ");
    let Some((before, rest)) = text.split_once('(') else { return (squeeze(text), String::new()) };
    let (modifier, after) = rest.split_once(')').unwrap_or((rest, ""));
    let digits = modifier.chars().filter(|c| c.is_ascii_digit() || matches!(c, ',' | '-')).collect();
    (squeeze(&format!("{before} {after}")), digits)
}

fn with_modifier(sql: &str, modifier: &str) -> String {
    if modifier.is_empty() {
        // `character` alone means one character to format_type as well.
        return sql.to_owned();
    }
    match sql.split_once(' ') {
        Some((word, rest)) if matches!(word, "timestamp" | "time") => format!("{word}({modifier}) {rest}"),
        _ => format!("{sql}({modifier})"),
    }
}

/// `atttypmod`, as the type's own typmodin makes it.
fn typmod(oid: u32, modifier: &str) -> i32 {
    let mut numbers = modifier.split(',').filter_map(|part| part.parse::<i32>().ok());
    let Some(first) = numbers.next() else { return -1 };
    match oid {
        1042 | 1043 => first.saturating_add(4),
        1700 => ((first << 16) | (numbers.next().unwrap_or(0) & 0x7ff)) + 4,
        _ => first,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_types_are_understood_as_people_write_them() {
        for (written, sql, oid, typmod) in [
            ("VARCHAR(32)", "character varying(32)", 1043, 36),
            ("numeric(10, 2)", "numeric(10,2)", 1700, 655_366),
            ("timestamptz", "timestamp with time zone", 1184, -1),
            ("timestamp(3)", "timestamp(3) without time zone", 1114, 3),
            ("timestamp (3)  with time zone", "timestamp(3) with time zone", 1184, 3),
            ("serial", "integer", 23, -1),
            ("text[]", "text[]", 1009, -1),
            ("char(3)", "character(3)", 1042, 7),
        ] {
            let ty = column_type(written);
            assert_eq!((&*ty.sql, ty.oid.0, ty.typmod), (sql, oid, typmod), "{written}");
        }
        assert_eq!(column_type("public.mood").base, BaseType::Other);
        assert_eq!(column_type("public.mood[]").base, BaseType::Array);
    }
}

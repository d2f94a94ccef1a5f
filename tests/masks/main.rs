//! What the SQL of every mask does, on a real server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may panic"
)]

mod json;
mod matrix;
mod pseudonyms;
#[allow(dead_code, unused_imports)]
#[path = "../support/mod.rs"]
mod support;

use pgcovenant::model::catalog::{BaseType, ColumnType, Oid};
use pgcovenant::model::source::{Problems, SourceFile, parse};
use pgcovenant::policy::mask::{self, MaskUse};
use tokio_postgres::{Client, NoTls};

const SETUP: &str = r#"
    BEGIN;
    SET LOCAL jit = off;
    CREATE SCHEMA pgc_masks;
    CREATE DOMAIN pgc_masks.mail AS text CHECK (VALUE ~ '@');
    CREATE DOMAIN pgc_masks.small AS integer CHECK (VALUE >= 0);
    CREATE TYPE pgc_masks.mood AS ENUM ('sad', 'happy');
    CREATE COLLATION pgc_masks.blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    -- What a session could put in front of pg_catalog, to be called by a mask.
    CREATE FUNCTION pgc_masks.left(text, integer) RETURNS text LANGUAGE sql AS $$SELECT 'hijacked'$$;
    CREATE DOMAIN pgc_masks.text AS pg_catalog.int4;
    CREATE FUNCTION pgc_masks.bar(pg_catalog.text, pg_catalog.text) RETURNS pg_catalog.text LANGUAGE sql AS $$SELECT 'hijacked'$$;
    CREATE OPERATOR pgc_masks.|| (FUNCTION = pgc_masks.bar, LEFTARG = pg_catalog.text, RIGHTARG = pg_catalog.text);
    SET LOCAL search_path = pgc_masks, pg_catalog;
"#;

fn mask(yaml: &str) -> MaskUse {
    let file = SourceFile::new("mask", yaml);
    let mut problems = Problems::new(&file);
    let node = parse(&file, &mut problems).unwrap();
    let mask = mask::read(&node, None, &mut problems);
    assert!(!problems.failed(), "{yaml}: {:?}", problems.into_found());
    mask.unwrap()
}

/// A connection in a transaction that is never committed, and the server that it needs.
async fn connect() -> Option<(support::Cluster, Client)> {
    let cluster = support::cluster(support::ClusterOptions::default())?;
    let dsn = format!("host=127.0.0.1 port={} user=postgres dbname=postgres", cluster.port());
    let (client, connection) = tokio_postgres::connect(&dsn, NoTls).await.expect("cannot connect");
    tokio::spawn(connection);
    client.batch_execute(SETUP).await.expect("cannot set up");
    Some((cluster, client))
}

async fn text(client: &Client, sql: &str) -> Option<String> {
    let row = client.query_one(sql, &[]).await.unwrap_or_else(|error| panic!("{error:?}\n{sql}"));
    row.get(0)
}

/// The type of a column as the catalog reader gives it.
async fn column_type(client: &Client, table: &str) -> ColumnType {
    let row = client
        .query_one(
            "SELECT a.atttypid, a.atttypmod, pg_catalog.format_type(a.atttypid, a.atttypmod), \
             pg_catalog.format_type(CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END, NULL), \
             t.typcategory = 'A', \
             CASE WHEN a.attcollation <> t.typcollation THEN n.nspname OPERATOR(pg_catalog.||) '.' OPERATOR(pg_catalog.||) c.collname END \
             FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
             LEFT JOIN pg_catalog.pg_collation c ON c.oid = a.attcollation \
             LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace \
             WHERE a.attrelid = ($1::pg_catalog.text)::pg_catalog.regclass AND a.attname = 'v'",
            &[&table],
        )
        .await
        .unwrap();
    let base: String = row.get(3);
    let base = match base.as_str() {
        _ if row.get::<_, bool>(4) => BaseType::Array,
        "text" | "character varying" | "character" | "bpchar" | "name" => BaseType::Text,
        "smallint" | "integer" | "bigint" | "numeric" | "real" | "double precision" => BaseType::Number,
        "boolean" => BaseType::Boolean,
        "date" => BaseType::Date,
        "timestamp without time zone" | "timestamp with time zone" => BaseType::Timestamp,
        "time without time zone" | "time with time zone" => BaseType::Time,
        "uuid" => BaseType::Uuid,
        "bytea" => BaseType::Bytes,
        "json" | "jsonb" => BaseType::Json,
        "inet" | "cidr" => BaseType::Network,
        _ => BaseType::Other,
    };
    let sql: String = row.get(2);
    ColumnType {
        oid: Oid(row.get(0)),
        typmod: row.get(1),
        sql: sql.into(),
        base,
        collation: row.get::<_, Option<String>>(5).map(Into::into),
        masked_as: None,
    }
}

/// Makes a table of one column, without the session's search path in the way of reading its type.
async fn table(client: &Client, ty: &str) -> ColumnType {
    client
        .batch_execute(&format!("DROP TABLE IF EXISTS pgc_masks.t CASCADE; CREATE TABLE pgc_masks.t (v {ty})"))
        .await
        .unwrap_or_else(|error| panic!("{ty}: {error:?}"));
    client.batch_execute("SET LOCAL search_path = ''").await.unwrap();
    let found = column_type(client, "pgc_masks.t").await;
    client.batch_execute("SET LOCAL search_path = pgc_masks, pg_catalog").await.unwrap();
    found
}

/// A type, a mask, and pairs of value and what is shown of it.
type Case = (&'static str, &'static str, &'static [(&'static str, Option<&'static str>)]);

const CASES: &[Case] = &[
    (
        "pg_catalog.text",
        "{regex: {pattern: '\\d', replacement: '#'}}",
        &[("'a1b22'", Some("a#b##")), ("'abc'", Some("****")), ("''", Some("****")), ("NULL", None)],
    ),
    (
        "varchar(6)",
        "{regex: {pattern: '^(.).*@(.*)$', replacement: '\\1~\\2'}}",
        &[("'ab@cde'", Some("a~cde")), ("'ab'", Some("****"))],
    ),
    (
        "pg_catalog.text",
        "email",
        &[
            ("'ada@example.com'", Some("a****@example.com")),
            ("'@example.com'", Some("****")),
            ("'nobody'", Some("****")),
            ("''", Some("****")),
            ("'a@b@c'", Some("a****@b@c")),
            ("'ü@x'", Some("ü****@x")),
            ("NULL", None),
        ],
    ),
    ("varchar(8)", "email", &[("'a@bc.de'", Some("a****@bc")), ("NULL", None)]),
    ("pgc_masks.mail", "email", &[("'ada@example.com'", Some("a****@example.com")), ("NULL", None)]),
    ("pg_catalog.text COLLATE pgc_masks.blind", "email", &[("'ada@example.com'", Some("a****@example.com"))]),
    ("pg_catalog.text COLLATE pgc_masks.blind", "redact", &[("'Ab-1'", Some("**-*"))]),
    (
        "pg_catalog.text",
        "{partial: {prefix: 2, padding: '**', suffix: 1}}",
        &[("'abcd'", Some("ab**d")), ("'abc'", Some("**")), ("''", Some("**")), ("NULL", None)],
    ),
    ("varchar(4)", "{partial: {prefix: 1, padding: '****', suffix: 2}}", &[("'abcd'", Some("a***"))]),
    ("char(6)", "{partial: {suffix: 2, padding: '-'}}", &[("'abcd'", Some("-cd   ")), ("'a'", Some("-     "))]),
    ("pg_catalog.text", "{partial: {suffix: 1, padding: \"it's \\\\ \"}}", &[("'ab'", Some("it's \\ b"))]),
    (
        "pg_catalog.text",
        "redact",
        &[("'Ab-1 ü.ж中!'", Some("**-* *.**!")), ("E'a\\nb'", Some("***")), ("''", Some("")), ("NULL", None)],
    ),
    ("pg_catalog.text", "{redact: {char: '&'}}", &[("'a1'", Some("&&"))]),
    ("name", "redact", &[("'ab'", Some("**"))]),
    ("pg_catalog.text", "{constant: \"it's\"}", &[("'x'", Some("it's")), ("NULL", Some("it's"))]),
    ("integer", "{constant: 7}", &[("1", Some("7"))]),
    ("pgc_masks.mood", "{constant: sad}", &[("'happy'", Some("sad"))]),
    ("pgc_masks.mood", "null", &[("'happy'", None)]),
    ("pg_catalog.text[]", "null", &[("'{a,b}'", None)]),
    ("pg_catalog.text[]", "default", &[("'{a,b}'", Some("{}")), ("NULL", None)]),
    ("integer[]", "default", &[("'{1}'", Some("{}"))]),
    ("pg_catalog.text", "default", &[("'x'", Some("")), ("NULL", None)]),
    ("varchar(3)", "default", &[("'x'", Some(""))]),
    ("numeric(10,2)", "default", &[("12.5", Some("0.00"))]),
    ("pgc_masks.small", "default", &[("3", Some("0"))]),
    ("double precision", "default", &[("1.5", Some("0"))]),
    ("boolean", "default", &[("true", Some("f"))]),
    ("date", "default", &[("'2026-01-31'", Some("1970-01-01"))]),
    ("timestamptz", "default", &[("'2026-01-31'", Some("1970-01-01 00:00:00+00"))]),
    ("timestamp(0)", "default", &[("'2026-01-31'", Some("1970-01-01 00:00:00"))]),
    ("time", "default", &[("'12:00'", Some("00:00:00"))]),
    ("timetz", "default", &[("'12:00+05'", Some("00:00:00+00"))]),
    ("uuid", "default", &[("'0a000000-0000-0000-0000-000000000000'", Some("00000000-0000-0000-0000-000000000000"))]),
    ("bytea", "default", &[("'\\x00ff'", Some("\\x"))]),
    ("json", "default", &[("'{\"a\":1}'", Some("{}"))]),
    ("jsonb", "default", &[("'[1]'", Some("{}"))]),
    ("inet", "default", &[("'10.0.0.1'", Some("0.0.0.0/0"))]),
    ("cidr", "default", &[("'10.0.0.0/8'", Some("0.0.0.0/0"))]),
    (
        "date",
        "{date_trunc: year}",
        &[
            ("'1984-05-06'", Some("1984-01-01")),
            ("'infinity'", None),
            ("'5874897-12-31'", None),
            ("'4713-01-01 BC'", None),
            ("NULL", None),
        ],
    ),
    ("date", "{date_trunc: week}", &[("'2026-01-01'", Some("2025-12-29"))]),
    (
        "timestamp",
        "{date_trunc: month}",
        &[("'2026-03-31 23:59:59.5'", Some("2026-03-01 00:00:00")), ("'-infinity'", None)],
    ),
    (
        "timestamptz",
        "{date_trunc: day}",
        &[("'2026-03-31 23:30:00+00'", Some("2026-03-31 00:00:00+00")), ("'infinity'", None)],
    ),
    ("timestamptz(0)", "{date_trunc: hour}", &[("'2026-03-31 23:30:00+05:30'", Some("2026-03-31 18:00:00+00"))]),
    (
        "integer",
        "{round: 1000}",
        &[
            ("1999", Some("1000")),
            ("-1", Some("-1000")),
            ("-2147483648", None),
            ("2147483647", Some("2147483000")),
            ("NULL", None),
        ],
    ),
    ("smallint", "{round: 1000}", &[("-32768", None), ("32767", Some("32000"))]),
    ("bigint", "{round: 1000000}", &[("-9223372036854775808", None), ("1234567", Some("1000000"))]),
    (
        "numeric(10,2)",
        "{round: 1000}",
        &[
            ("81234.56", Some("81000.00")),
            ("-99999999.99", None),
            ("99999999.99", Some("99999000.00")),
            ("'NaN'", None),
        ],
    ),
    ("numeric(4,2)", "{round: 0.5}", &[("3.74", Some("3.50")), ("-99.9", None)]),
    ("numeric(2,2)", "{round: 5}", &[("0.5", None), ("-0.5", None)]),
    ("numeric", "{round: 10}", &[("19.99", Some("10")), ("1e300", None), ("'Infinity'", None)]),
    (
        "double precision",
        "{round: 10}",
        &[("19.99", Some("10")), ("'NaN'", None), ("1e308", None), ("'-Infinity'", None)],
    ),
    ("real", "{round: 0.5}", &[("1.3", Some("1"))]),
    ("pgc_masks.small", "{round: 10}", &[("19", Some("10"))]),
];

#[tokio::test]
async fn masks_show_what_they_promise() {
    let Some((_cluster, client)) = connect().await else { return };
    client.batch_execute("SET LOCAL TimeZone = 'UTC'").await.unwrap();
    for (ty, yaml, pairs) in CASES {
        let column = table(&client, ty).await;
        let expression = mask(yaml).compile(&column).unwrap_or_else(|error| panic!("{yaml} on {ty}: {error:?}"));
        for (value, shown) in *pairs {
            let insert = format!("DELETE FROM pgc_masks.t; INSERT INTO pgc_masks.t VALUES ({value})");
            client.batch_execute(&insert).await.unwrap_or_else(|error| panic!("{ty} {value}: {error:?}"));
            let sql = format!(
                "SELECT pg_catalog.format('%s', x.m) FROM (SELECT {} AS m FROM pgc_masks.t) x WHERE x.m IS NOT NULL \
                 UNION ALL SELECT NULL LIMIT 1",
                expression.render("t.v")
            );
            assert_eq!(text(&client, &sql).await.as_deref(), *shown, "{yaml} on {ty} {value}\n{sql}");
        }
    }
}

#[tokio::test]
async fn masks_keep_type_modifier_and_collation() {
    let Some((_cluster, client)) = connect().await else { return };
    let mut seen = 0;
    for (ty, yaml, _) in CASES {
        let column = table(&client, ty).await;
        let expression = mask(yaml).compile(&column).unwrap();
        let sql = format!("CREATE VIEW pgc_masks.masked AS SELECT {} AS v FROM pgc_masks.t", expression.render("t.v"));
        client.batch_execute(&sql).await.unwrap_or_else(|error| panic!("{error:?}\n{sql}"));
        let same = "SELECT (a.atttypid OPERATOR(pg_catalog.=) b.atttypid AND a.atttypmod OPERATOR(pg_catalog.=) b.atttypmod \
                    AND a.attcollation OPERATOR(pg_catalog.=) b.attcollation)::pg_catalog.text FROM pg_catalog.pg_attribute a, \
                    pg_catalog.pg_attribute b WHERE a.attrelid = 'pgc_masks.t'::pg_catalog.regclass AND a.attnum = 1 \
                    AND b.attrelid = 'pgc_masks.masked'::pg_catalog.regclass AND b.attnum = 1";
        assert_eq!(text(&client, same).await.as_deref(), Some("true"), "{yaml} on {ty}: {sql}");
        seen += 1;
    }
    assert!(seen > 40);
}

#[tokio::test]
async fn no_setting_of_the_session_moves_a_masked_value() {
    let Some((_cluster, client)) = connect().await else { return };
    for (ty, yaml, value) in [
        ("timestamptz", "{date_trunc: year}", "'2026-12-31 23:30:00+00'"),
        ("timestamp", "{date_trunc: year}", "'2026-12-31 23:30:00'"),
        ("date", "{date_trunc: year}", "'2026-12-31'"),
        ("timestamptz", "default", "'2026-12-31'"),
        ("bytea", "default", "'\\x01'"),
    ] {
        let column = table(&client, ty).await;
        let expression = mask(yaml).compile(&column).unwrap().render("t.v");
        client.batch_execute(&format!("INSERT INTO pgc_masks.t VALUES ({value})")).await.unwrap();
        let mut answers = Vec::new();
        for settings in [
            "SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, MDY'; SET LOCAL bytea_output = 'hex'",
            "SET LOCAL TimeZone = '<+14>-14'; SET LOCAL DateStyle = 'SQL, DMY'; SET LOCAL bytea_output = 'escape'",
            "SET LOCAL TimeZone = '<-167>+167'; SET LOCAL DateStyle = 'German, YMD'; SET LOCAL standard_conforming_strings = on",
        ] {
            client.batch_execute(settings).await.unwrap();
            // The send function is what no setting changes.
            let send = match ty {
                "timestamptz" => "timestamptz_send",
                "timestamp" => "timestamp_send",
                "date" => "date_send",
                _ => "byteasend",
            };
            let sql = format!("SELECT pg_catalog.encode(pg_catalog.{send}({expression}), 'hex') FROM pgc_masks.t");
            answers.push(text(&client, &sql).await);
        }
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{yaml} on {ty}: {answers:?}");
    }
}

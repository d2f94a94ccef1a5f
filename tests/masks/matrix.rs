//! Every mask on every type: where the type can be kept it is kept to the modifier, for all values and in both formats,
//! and where it cannot, the mask says so before anything is asked.

use std::fmt::Write;

use futures_util::StreamExt;
use pgcovenant::model::catalog::{BaseType, Column, Relation};
use pgcovenant::policy::mask::{MASKS, MaskUse};
use tokio_postgres::{Client, NoTls};

use crate::support;

/// Types, with values that are ordinary, empty, long, of other scripts, of control characters, and at the ends.
const TYPES: &[(&str, &[&str])] = &[
    ("text", TEXTS),
    ("varchar(5)", &["''", "'a@b'", "'ünïcö'", "E'\\x01\\t\\n'"]),
    ("varchar", TEXTS),
    ("char(5)", &["''", "'ab'", "'中文'"]),
    ("name", &["''", "'ab'", "repeat('ü', 31)::name"]),
    ("text COLLATE \"C\"", TEXTS),
    ("citext", TEXTS),
    ("public.plain", TEXTS),
    ("public.mood", &["'sad'", "'happy'"]),
    ("text[]", &["'{}'", "'{a,NULL,\"b c\"}'", "'[2:3]={a,b}'"]),
    ("numeric(6,2)[]", &["'{1.5,NULL}'"]),
    ("public.mood[]", &["'{sad}'"]),
    ("numeric(10,2)", &["0", "-99999999.99", "99999999.99", "'NaN'"]),
    ("numeric", &["0", "1e300", "-1e-300", "'Infinity'"]),
    ("smallint", &["-32768", "0", "32767"]),
    ("integer", &["-2147483648", "0", "2147483647"]),
    ("bigint", &["-9223372036854775808", "0", "9223372036854775807"]),
    ("real", &["'-0'", "3.4e38", "'NaN'", "'-Infinity'"]),
    ("double precision", &["0", "1e308", "'NaN'", "'Infinity'"]),
    ("public.small", &["0", "2147483647"]),
    ("money", &["'0'", "'-12.34'", "'92233720368547758.07'"]),
    ("date", &["'2026-02-28'", "'-infinity'", "'5874897-12-31'", "'4713-01-01 BC'"]),
    ("time", &["'00:00'", "'24:00'"]),
    ("time(2)", &["'12:34:56.789'"]),
    ("timetz", &["'00:00+14'", "'24:00-14'"]),
    ("timestamp", &["'2026-02-28 12:00'", "'infinity'", "'4713-01-01 BC'"]),
    ("timestamp(3)", &["'2026-02-28 12:00:00.123456'"]),
    ("timestamptz", &["'2026-02-28 12:00+00'", "'-infinity'", "'294276-12-31 23:59:59+00'"]),
    ("timestamptz(0)", &["'2026-02-28 12:00:00.9+00'"]),
    ("interval", &["'0'", "'-178000000 years'", "'1 day 2:03:04.5'"]),
    ("interval(2)", &["'1.239 s'"]),
    ("interval year to month", &["'1-2'"]),
    ("uuid", &["'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"]),
    ("inet", &["'10.0.0.1'", "'::1/128'"]),
    ("cidr", &["'10.0.0.0/8'", "'::/0'"]),
    ("macaddr", &["'08:00:2b:01:02:03'"]),
    ("macaddr8", &["'08:00:2b:01:02:03:04:05'"]),
    ("bytea", &["''", "'\\x00ff'", "decode(repeat('ab', 100000), 'hex')"]),
    ("boolean", &["true", "false"]),
    ("json", &["'{}'", "'{\"a\": [1, {\"b\": null}]}'", "'\"\\u0000 \\ud800\"'", "'1e99999999'"]),
    ("jsonb", &["'{}'", "'{\"a\": [1, {\"b\": null}]}'", "'\"ü\"'", "'1e300'"]),
    ("int4range", &["'empty'", "'[1,5)'", "'(,)'"]),
    ("tstzrange", &["'[2026-01-01 00:00+00,)'"]),
    ("public.spans", &["'[a,b]'"]),
    ("int4multirange", &["'{}'", "'{[1,3),[5,7)}'"]),
    ("public.address", &["'(\"a b\",1)'", "'(,)'"]),
    ("tsvector", &["''", "'a:1 b'"]),
    ("tsquery", &["''", "'a & !b'"]),
    ("xml", &["'<a/>'", "'text'"]),
    ("bit(3)", &["B'101'"]),
    ("bit varying(4)", &["B''", "B'1011'"]),
    ("point", &["'(1,2)'"]),
    ("box", &["'(1,2),(3,4)'"]),
    ("circle", &["'<(1,2),3>'"]),
    ("pg_lsn", &["'16/B374D848'"]),
    ("\"char\"", &["'a'"]),
    ("oid", &["4294967295"]),
];

const TEXTS: &[&str] = &[
    "''",
    "'ada@example.com'",
    "'@'",
    "'ünïcödé 中文 🎉 ж'",
    "E'\\x01\\x02\\t\\r\\n\\x7f'",
    "repeat('long text ', 20000)",
    "'quote '' \\ \"double\" \\1 \\\\'",
];

const SETUP: &str = r#"
    CREATE DOMAIN public.plain AS text;
    CREATE DOMAIN public.small AS integer;
    CREATE TYPE public.mood AS ENUM ('sad', 'happy');
    CREATE TYPE public.spans AS RANGE (subtype = text);
    CREATE TYPE public.address AS (street text, number integer);
"#;

/// Masks beside the examples that the kinds themselves give.
const MORE: &[&str] = &[
    "{constant: \"\"}",
    "{constant: 7}",
    "{constant: \"{}\"}",
    "{constant: 2026-01-31}",
    "{constant: true}",
    "{redact: {char: ü}}",
    "{partial: {prefix: 1, padding: \"\", suffix: 1}}",
    "{regex: {pattern: '(.)', replacement: '\\\\\\1'}}",
    "{round: 0.25}",
    "{date_trunc: hour}",
    "{json: {paths: {$: email, \"$.a[*].b\": keep_tree}}}",
];

/// A database with one table of all types that the server has, each value in a row of its own.
struct Zoo {
    _cluster: support::Cluster,
    client: Client,
    table: Relation,
    /// The types of the columns, as they were written.
    written: Vec<&'static str>,
}

async fn zoo() -> Option<Zoo> {
    let cluster = support::cluster(support::ClusterOptions::default())?;
    let dsn = format!("host=127.0.0.1 port={} user=postgres dbname=postgres", cluster.port());
    let (mut client, connection) = tokio_postgres::connect(&dsn, NoTls).await.expect("cannot connect");
    tokio::spawn(connection);
    client.batch_execute(SETUP).await.expect("cannot set up");
    client.batch_execute(include_str!("../../deploy/sql/pgcovenant.sql")).await.expect("cannot install");
    client.batch_execute("SELECT pgcovenant.create_key('customers')").await.expect("no key");
    let has_citext = client.batch_execute("CREATE EXTENSION citext").await.is_ok();
    let written: Vec<_> = TYPES.iter().filter(|(ty, _)| has_citext || *ty != "citext").collect();
    let columns: Vec<_> = written.iter().enumerate().map(|(at, (ty, _))| format!("c{at} {ty}")).collect();
    client.batch_execute(&format!("CREATE TABLE public.zoo ({})", columns.join(", "))).await.expect("no table");
    client.batch_execute("INSERT INTO public.zoo DEFAULT VALUES").await.expect("no row");
    for (at, (ty, values)) in written.iter().enumerate() {
        for value in *values {
            let insert = format!("INSERT INTO public.zoo (c{at}) VALUES ({value})");
            client.batch_execute(&insert).await.unwrap_or_else(|error| panic!("{ty} {value}: {error:?}"));
        }
    }
    let catalog = pgcovenant::upstream::catalog::read(&mut client).await.expect("no catalog").catalog;
    let table = (**catalog.find("public", "zoo").expect("no zoo")).clone();
    Some(Zoo { _cluster: cluster, client, table, written: written.iter().map(|(ty, _)| *ty).collect() })
}

fn masks() -> Vec<MaskUse> {
    MASKS.iter().map(|kind| kind.example).chain(MORE.iter().copied()).map(crate::mask).collect()
}

impl Zoo {
    /// The expression of a mask over a column, if it works on it. What is a value of a type of the database's own, only
    /// the server can tell.
    fn expression(&self, mask: &MaskUse, ty: &str, column: &Column) -> Option<String> {
        let trusted = &*mask.name == "constant" && ty.starts_with("public.") && column.ty.base != BaseType::Text;
        let expression = mask.compile(&column.ty).ok().filter(|_| !trusted)?;
        Some(expression.render(&format!("t.\"{}\"", column.name)))
    }

    fn columns(&self) -> impl Iterator<Item = (&'static str, &Column)> {
        self.written.iter().copied().zip(&self.table.columns)
    }

    /// All rows of a query in the binary format, as the server's send functions write them.
    async fn binary(&self, query: &str) -> Result<usize, tokio_postgres::Error> {
        let stream = self.client.copy_out(&format!("COPY ({query}) TO STDOUT (FORMAT binary)")).await?;
        let mut stream = std::pin::pin!(stream);
        let mut bytes = 0;
        while let Some(chunk) = stream.next().await {
            bytes += chunk?.len();
        }
        Ok(bytes)
    }
}

#[tokio::test]
async fn every_mask_keeps_every_type_that_it_accepts() {
    let Some(zoo) = zoo().await else { return };
    let (mut accepted, mut wrong) = (0, String::new());
    for mask in masks() {
        for (ty, column) in zoo.columns() {
            let Some(expression) = zoo.expression(&mask, ty, column) else { continue };
            accepted += 1;
            let view = format!("CREATE OR REPLACE TEMPORARY VIEW masked AS SELECT {expression} AS v FROM public.zoo t");
            let made = zoo.client.batch_execute(&format!("DROP VIEW IF EXISTS masked; {view}")).await;
            let same = "SELECT (a.atttypid, a.atttypmod, a.attcollation) = (b.atttypid, b.atttypmod, b.attcollation) \
                        FROM pg_attribute a, pg_attribute b WHERE a.attrelid = 'public.zoo'::regclass AND a.attname = $1 \
                        AND b.attrelid = 'masked'::regclass AND b.attname = 'v'";
            let outcome = async {
                made?;
                let same: bool = zoo.client.query_one(same, &[&&*column.name]).await?.get(0);
                zoo.client.simple_query("SELECT v FROM masked").await?;
                zoo.binary("SELECT v FROM masked").await?;
                Ok::<bool, tokio_postgres::Error>(same)
            };
            match outcome.await {
                Ok(true) => {}
                Ok(false) => writeln!(wrong, "{} on {ty}: another type\n{expression}", mask.name).unwrap(),
                Err(error) => writeln!(wrong, "{} on {ty}: {error:?}\n{expression}", mask.name).unwrap(),
            }
        }
    }
    println!("{accepted} masks on types");
    assert!(wrong.is_empty(), "{wrong}");
    assert!(accepted > 250, "only {accepted}");
}

#[tokio::test]
async fn null_stays_null_and_nothing_else_becomes_it() {
    let Some(zoo) = zoo().await else { return };
    let mut wrong = String::new();
    for mask in masks() {
        for (ty, column) in zoo.columns() {
            let Some(expression) = zoo.expression(&mask, ty, column) else { continue };
            let name = &column.name;
            let count = |condition: &str| format!("SELECT count(*) FROM public.zoo t WHERE {condition}");
            let made_null = count(&format!("\"{name}\" IS NOT NULL AND ({expression})::text IS NULL"));
            let made_value = count(&format!("\"{name}\" IS NULL AND ({expression}) IS NOT NULL"));
            let made_null: i64 = zoo.client.query_one(&made_null, &[]).await.unwrap().get(0);
            let made_value: i64 = zoo.client.query_one(&made_value, &[]).await.unwrap().get(0);
            // What is too far out becomes NULL.
            let may_null = matches!(&*mask.name, "null" | "date_trunc" | "round");
            if (made_null > 0 && !may_null) || (made_value > 0 && &*mask.name != "constant") {
                writeln!(wrong, "{} on {ty}: {made_null} became NULL, {made_value} became a value", mask.name).unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Where each kind of mask works, as its example writes it; everything else is refused when the policy is loaded.
const ACCEPTED: &str = "\
null: all
default: all but public.address, \"char\", oid
constant: text
redact: text
hash: text, varchar, name, text COLLATE \"C\", citext, public.plain, bigint, uuid, bytea
partial: text
email: text
regex: text
json: json, jsonb
date_trunc: date, timestamp, timestamp(3), timestamptz, timestamptz(0)
round: numeric(10,2), numeric, smallint, integer, bigint, real, double precision, public.small";

const OF_TEXT: &[&str] =
    &["text", "varchar(5)", "varchar", "char(5)", "name", "text COLLATE \"C\"", "citext", "public.plain"];

#[tokio::test]
async fn masks_say_on_which_types_they_do_not_work() {
    let Some(zoo) = zoo().await else { return };
    for (kind, line) in MASKS.iter().zip(ACCEPTED.lines()) {
        let (name, types) = line.split_once(": ").unwrap();
        assert_eq!(kind.name, name);
        let listed = |ty: &str| match types {
            "all" => true,
            _ => match types.strip_prefix("all but ") {
                Some(others) => !others.split(", ").any(|other| other == ty),
                None => types.split(", ").any(|part| part == ty || (types == "text" && OF_TEXT.contains(&ty))),
            },
        };
        let mask = crate::mask(kind.example);
        for (ty, column) in zoo.columns() {
            match mask.compile(&column.ty) {
                // A constant is tried for whatever only the server knows.
                Ok(_) if name == "constant" => {}
                Ok(_) => assert!(listed(ty), "{name} works on {ty}"),
                Err(why) => {
                    assert!(!listed(ty), "{name} on {ty}: {}", why.0);
                    assert!(why.0.contains(&*column.ty.sql), "{name} on {ty}: {}", why.0);
                }
            }
        }
    }
}

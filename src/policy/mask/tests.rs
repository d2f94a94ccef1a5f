//! The masks as a whole: names, options, types, and the shape of their SQL.
//!
//! What the SQL does is tried out on a real server by `tests/masks`.

use super::*;
use crate::model::contract::types::column_type;
use crate::model::source::{SourceFile, parse};

pub(super) fn mask(yaml: &str) -> Result<MaskUse, Vec<String>> {
    let file = SourceFile::new("m", yaml);
    let mut problems = Problems::new(&file);
    let node = parse(&file, &mut problems).unwrap();
    let mask = read(&node, None, &mut problems);
    let found: Vec<String> = problems.into_found().iter().map(ToString::to_string).collect();
    match mask {
        Some(mask) if found.is_empty() => Ok(mask),
        _ => Err(found),
    }
}

fn sql(yaml: &str, ty: &str) -> Result<String, Unsuited> {
    mask(yaml).unwrap().compile(&column_type(ty)).map(|expression| expression.render("v"))
}

/// One of each kind, as its help shows it.
fn examples() -> Vec<MaskUse> {
    MASKS.iter().map(|kind| mask(kind.example).unwrap_or_else(|found| panic!("{}: {found:?}", kind.name))).collect()
}

#[test]
fn every_file_of_the_folder_is_registered() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/policy/mask");
    for entry in std::fs::read_dir(folder).unwrap() {
        let stem = entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned();
        assert!(matches!(&*stem, "mod" | "field" | "tests") || is_kind(&stem), "{stem} has no row in MASKS");
    }
}

#[test]
fn examples_are_of_the_kind_they_explain() {
    for (kind, mask) in MASKS.iter().zip(examples()) {
        assert_eq!(kind.name, &*mask.name);
        assert!(!kind.help.is_empty());
    }
}

#[test]
fn masks_are_listed_strictest_first() {
    let order: Vec<Strictness> = examples().iter().map(MaskUse::strictness).collect();
    assert!(order.windows(2).all(|pair| pair[0] >= pair[1]), "{order:?}");
}

#[test]
fn results_keep_the_exact_type_and_use_nothing_unqualified() {
    let types = [
        "text",
        "varchar(8)",
        "char(4)",
        "name",
        "smallint",
        "integer",
        "bigint",
        "numeric(10,2)",
        "numeric",
        "real",
        "double precision",
        "boolean",
        "date",
        "timestamp(3)",
        "timestamptz",
        "time",
        "timetz",
        "uuid",
        "bytea",
        "json",
        "jsonb",
        "text[]",
        "inet",
        "cidr",
        "public.mood",
    ];
    let mut compiled = 0;
    for mask in examples() {
        for ty in types {
            let ty = column_type(ty);
            let Ok(expression) = mask.compile(&ty) else { continue };
            compiled += 1;
            let text = expression.render("t.c");
            assert!(text.starts_with("(CAST(") && text.ends_with(')'), "{text}");
            let target = format!(" AS {}))", Field::new(&ty).type_name());
            assert!(text.ends_with(&target), "{text} does not end with {target}");
            assert!(!text.contains(HOLE));
            check_names(&text);
        }
    }
    assert!(compiled > 80, "only {compiled}");
}

/// Every word before a parenthesis is a keyword or has a schema; every operator is in OPERATOR().
fn check_names(text: &str) {
    let mut plain = String::new();
    let mut quoted = false;
    for c in text.chars() {
        quoted ^= c == '\'';
        plain.push(if quoted && c != '\'' { '_' } else { c });
    }
    for (at, _) in plain.match_indices('(') {
        let before = plain[..at].rsplit(|c: char| !c.is_alphanumeric() && c != '_' && c != '.').next().unwrap();
        let keyword = matches!(
            before,
            "" | "CAST"
                | "OPERATOR"
                | "WHEN"
                | "THEN"
                | "AND"
                | "OR"
                | "varying"
                | "character"
                | "numeric"
                | "timestamp"
                | "bit"
                // Of the mask `json` and of the empty xml.
                | "COALESCE"
                | "ANY"
                | "XMLPARSE"
                | "pgcovenant_item_1"
        );
        let ours = before == "pgcovenant.pseudonym";
        assert!(keyword || ours || before.starts_with("pg_catalog."), "{before} in {text}");
    }
    let operators = ["<", ">", ">=", "<=", "<>", "=", "||", "/", "*", "~", "#>", "#>>"]
        .iter()
        .fold(plain, |text, operator| text.replace(&format!("OPERATOR(pg_catalog.{operator})"), ""));
    assert!(!operators.contains(['<', '>', '|', '/', '*', '+', '~', '=']), "{operators}");
}

#[test]
fn texts_of_masks() {
    assert_eq!(sql("null", "text").unwrap(), "(CAST(NULL AS pg_catalog.text))");
    assert_eq!(sql("{constant: it's}", "text").unwrap(), "(CAST('it''s' AS pg_catalog.text))");
    assert_eq!(
        sql("default", "integer").unwrap(),
        "(CAST(CASE WHEN v IS NULL THEN NULL ELSE CAST('0' AS integer) END AS integer))"
    );
    assert_eq!(
        sql("{date_trunc: year}", "timestamptz").unwrap(),
        "(CAST(CASE WHEN v IS NULL THEN NULL ELSE CASE WHEN (v OPERATOR(pg_catalog.<) CAST('0002-01-01 00:00:00+00' AS \
         timestamp with time zone)) OR (v OPERATOR(pg_catalog.>) CAST('9999-01-01 00:00:00+00' AS timestamp with time zone)) \
         THEN NULL ELSE pg_catalog.timezone('UTC', pg_catalog.date_trunc('year', pg_catalog.timezone('UTC', v))) END END \
         AS timestamp with time zone))"
    );
}

#[test]
fn a_collation_of_its_own_stays_and_does_not_disturb() {
    let ty = ColumnType { collation: Some("public.blind".into()), ..column_type("text") };
    let text = mask("email").unwrap().compile(&ty).unwrap().render("v");
    assert!(text.ends_with(" AS pg_catalog.text) COLLATE public.blind)"), "{text}");
    assert!(text.contains("COLLATE pg_catalog.\"C\""));
}

#[test]
fn domains_are_named_with_their_schema() {
    let ty =
        ColumnType { sql: "public.email_addr".into(), oid: crate::model::catalog::Oid(16_999), ..column_type("text") };
    let text = mask("email").unwrap().compile(&ty).unwrap().render("v");
    assert!(text.ends_with(" AS public.email_addr))"), "{text}");
    let moment = ColumnType {
        sql: "public.moment".into(),
        oid: crate::model::catalog::Oid(16_998),
        ..column_type("timestamptz")
    };
    // Whether the domain has a time zone cannot be told, and a guess could leak.
    assert!(mask("{date_trunc: year}").unwrap().compile(&moment).is_err());
}

#[test]
fn masks_that_cannot_keep_the_type_say_so() {
    for (yaml, ty) in [
        ("email", "integer"),
        ("{partial: {suffix: 4}}", "bigint"),
        ("redact", "date"),
        ("{date_trunc: year}", "text"),
        ("{date_trunc: hour}", "date"),
        ("{round: 10}", "text"),
        ("{hash: {key: k}}", "boolean"),
        ("{hash: {key: k}}", "integer"),
        ("default", "public.address"),
        ("{json: {paths: {$: keep}}}", "text"),
        ("{json: {paths: {$: keep}}}", "public.document"),
        ("{constant: x}", "integer"),
        ("{constant: 40000}", "smallint"),
        ("{constant: 123456789}", "numeric(10,2)"),
        ("{constant: maybe}", "boolean"),
        ("{constant: 2026-02-30}", "date"),
        ("{constant: '2026-01-01T00:00:00'}", "timestamptz"),
        ("{constant: '{'}", "jsonb"),
        ("{constant: 12}", "uuid"),
    ] {
        assert!(sql(yaml, ty).is_err(), "{yaml} on {ty}: {:?}", sql(yaml, ty));
    }
    for (yaml, ty) in [
        ("{constant: 40000}", "integer"),
        ("{constant: 12345678.90}", "numeric(10,2)"),
        ("{constant: true}", "boolean"),
        ("{constant: '2026-01-01T00:00:00Z'}", "timestamptz"),
        ("{constant: '2026-01-01T00:00:00'}", "timestamp"),
        ("{constant: happy}", "public.mood"),
        ("null", "public.mood"),
    ] {
        assert!(sql(yaml, ty).is_ok(), "{yaml} on {ty}");
    }
}

#[test]
fn wrong_options_are_told_with_what_was_meant() {
    let told = |yaml: &str| mask(yaml).unwrap_err().join("; ");
    assert_eq!(told("{emial: {}}"), "m:1:2: error: there is no mask `emial` (did you mean `email`?)");
    assert_eq!(
        told("{partial: {sufix: 4}}"),
        "m:1:12: error: the mask `partial` has no key `sufix` (did you mean `suffix`?)"
    );
    assert_eq!(told("{partial: {suffix: -1}}"), "m:1:20: error: -1 is not between 0 and 1000");
    assert_eq!(told("{redact: {char: ab}}"), "m:1:17: error: `char` must be one character, and no backslash");
    assert_eq!(told("{redact: {char: '\\'}}"), "m:1:17: error: `char` must be one character, and no backslash");
    assert_eq!(
        told("{date_trunc: yaer}"),
        "m:1:14: error: `yaer` is not a unit of the mask `date_trunc` (did you mean `year`?)"
    );
    assert_eq!(
        told("{regex: {patern: a}}"),
        "m:1:10: error: the mask `regex` needs the key `pattern`; \
         m:1:10: error: the mask `regex` has no key `patern` (did you mean `pattern`?)"
    );
    assert_eq!(told("{round: 0}"), "m:1:9: error: the step must be between 0.000001 and 1000000000000");
    assert_eq!(
        told("{hash: {key: \"a'b\"}}"),
        "m:1:14: error: a key's name has letters, digits, `_`, `-` and `.`, 63 at most \
         (The secret itself belongs into the database only: see deploy/sql/pgcovenant.sql.)"
    );
    assert_eq!(told("{constant: \"a\\0b\"}"), "m:1:12: error: PostgreSQL holds no text with a zero byte");
    assert_eq!(
        told("{email: {}, null: {}}"),
        "m:1:1: error: a mask is a mapping with one key, its kind (for example {round: 1000})"
    );
    assert_eq!(
        told("{json: {paths: {a.b: keep, $.c: kept, $.d: {round: 3}, $.e: keep_tree, $.e.f: email}}}"),
        "m:1:17: error: `a.b` is no path: it must start with `$`, the whole document (Paths look like $.name, \
         $.card.number, $.tags[*] or $.\"first name\".); \
         m:1:33: error: this is no way to show a value (Write `keep`, `keep_tree`, or a mask such as email or \
         {partial: {suffix: 4}}; names of masks do not reach in here.); \
         m:1:44: error: a value inside a document cannot be masked like this: the mask `round` does not work on the \
         type text (Inside a document every value is masked as a text.); \
         m:1:72: error: `$.e.f` lists what another path lists (`keep_tree` shows everything inside; list either the \
         whole or its parts.)"
    );
    assert_eq!(
        told("{json: {paths: {\"$.a\\0b\": keep}}}"),
        "m:1:17: error: PostgreSQL holds no text with a zero byte"
    );
    assert_eq!(
        told("{json: {paths: []}}"),
        "m:1:16: error: `paths` must be a mapping of paths to `keep`, `keep_tree` or a mask (for example {json: {paths: \
         {$.city: keep, $.mail: email}}})"
    );
    assert_eq!(
        told("json"),
        "m:1:1: error: the mask `json` needs the key `paths` ({json: {paths: {$.city: keep, $.mail: email}}})"
    );
    assert_eq!(told("[email]"), "m:1:1: error: a mask is a mapping with one key, its kind (for example {round: 1000})");
}

//! What the mask `json` shows of documents.

use pgcovenant::model::catalog::ColumnType;
use pgcovenant::policy::mask::MaskUse;
use tokio_postgres::Client;

use crate::{connect, mask, table};

const PATHS: &str = r#"
json:
  paths:
    $.city: keep
    $.mail: email
    $.age: redact
    $.gone: "null"
    $.who: {constant: somebody}
    $.card.number: {partial: {suffix: 4, padding: "**"}}
    $.tags[*]: keep
    $.orders[*].sku: keep
    $.orders[*].lines[*].price: {redact: {char: "0"}}
    $.settings: keep_tree
    $."it's \"odd\"": keep
"#;

/// A document, and what is shown of it: for jsonb, and for json where that differs.
const DOCUMENTS: &[(&str, &str)] = &[
    (
        r#"{"city": "Oslo", "mail": "ada@example.com", "ssn": "078"}"#,
        r#"{"city": "Oslo", "mail": "a****@example.com"}"#,
    ),
    (r#"{"ssn": "078", "078-05-1120": {"city": "x"}}"#, "{}"),
    ("{}", "{}"),
    (
        r#"{"city": null, "mail": null, "gone": "x", "who": 3}"#,
        r#"{"city": null, "mail": null, "gone": null, "who": "somebody"}"#,
    ),
    (r#"{"city": {"name": "Oslo"}, "mail": ["a@b.c"]}"#, r#"{"city": "****", "mail": "****"}"#),
    (r#"{"city": 12.50, "age": 42, "mail": true}"#, r#"{"city": 12.50, "age": "**", "mail": "****"}"#),
    (r#"{"card": {"number": "4111111111111111", "cvc": "123"}}"#, r#"{"card": {"number": "**1111"}}"#),
    (r#"{"card": "4111111111111111"}"#, r#"{"card": "****"}"#),
    (r#"{"card": [{"number": "1"}]}"#, r#"{"card": "****"}"#),
    (r#"{"card": null}"#, r#"{"card": null}"#),
    (r#"{"tags": ["a", 1, null, {"x": 1}, ["b"]]}"#, r#"{"tags": ["a", 1, null, "****", "****"]}"#),
    (r#"{"tags": []}"#, r#"{"tags": []}"#),
    (r#"{"tags": "a"}"#, r#"{"tags": "****"}"#),
    (
        r#"{"orders": [{"sku": "A", "secret": 1, "lines": [{"price": 19, "x": 1}, {}]}, {"sku": "B"}, 3]}"#,
        r#"{"orders": [{"sku": "A", "lines": [{"price": "00"}, {}]}, {"sku": "B"}, "****"]}"#,
    ),
    (r#"{"settings": {"a": [1, {"b": null}]}}"#, r#"{"settings": {"a": [1, {"b": null}]}}"#),
    (r#"{"it's \"odd\"": "yes"}"#, r#"{"it's \"odd\"": "yes"}"#),
    (r#"{"mail": "ü\"\\\n@x.y"}"#, r#"{"mail": "ü****@x.y"}"#),
    ("[1, 2]", r#""****""#),
    (r#""text""#, r#""****""#),
    ("17", r#""****""#),
    ("null", "null"),
];

/// What is shown of a document; the table of that type is there.
async fn shown(client: &Client, mask: &MaskUse, column: &ColumnType, document: &str) -> String {
    let ty = &column.sql;
    let expression = mask.compile(column).unwrap_or_else(|why| panic!("{ty}: {}", why.0)).render("t.v");
    let insert = format!("INSERT INTO pgc_masks.t VALUES ($1::pg_catalog.text::{ty})");
    client.batch_execute("DELETE FROM pgc_masks.t").await.unwrap();
    client.execute(&insert, &[&document]).await.unwrap();
    let sql = format!("SELECT CAST({expression} AS pg_catalog.text) FROM pgc_masks.t");
    let row = client.query_one(&sql, &[]).await.unwrap_or_else(|error| panic!("{error:?}\n{document}"));
    row.get(0)
}

fn parsed(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test]
async fn only_what_is_listed_is_shown() {
    let Some((_cluster, client)) = connect().await else { return };
    let mask = mask(PATHS);
    for ty in ["jsonb", "json"] {
        let column = table(&client, ty).await;
        for (document, expected) in DOCUMENTS {
            let found = shown(&client, &mask, &column, document).await;
            assert_eq!(parsed(&found), parsed(expected), "{ty} {document}");
        }
    }
}

#[tokio::test]
async fn no_json_makes_the_mask_fail() {
    let Some((_cluster, client)) = connect().await else { return };
    let mask = mask(PATHS);
    let column = table(&client, "json").await;
    let deep = format!("{}1{}", "[".repeat(3000), "]".repeat(3000));
    let redacted = r#""****""#;
    for (document, expected) in [
        // Escapes that json keeps and that stand for no character.
        (r#"{"city": "a\u0000b"}"#, redacted),
        (r#"{"city": "\ud83d"}"#, redacted),
        (r#"{"x": "\\\ud83d\u0041"}"#, redacted),
        (r#"{"x": "\\ud83d\ude00"}"#, redacted),
        // Those that do.
        (r#"{"city": "\u00e9\ud83d\ude00"}"#, r#"{"city": "é😀"}"#),
        (r#"{"city": "\\u0000 \\\\ud83d"}"#, r#"{"city": "\\u0000 \\\\ud83d"}"#),
        // Numbers that numeric cannot hold.
        (r#"{"city": "x", "age": 1e999999999}"#, r#"{"city": "x", "age": "***********"}"#),
        (r#"{"city": "x", "city": "y", "mail": "ada@x", "mail": "bob@y"}"#, r#"{"city": "y", "mail": "b****@y"}"#),
        (&deep, redacted),
    ] {
        let found = shown(&client, &mask, &column, document).await;
        assert_eq!(parsed(&found), parsed(expected), "{document}");
    }
    let kept = shown(&client, &mask, &column, r#"{"city": 1e999999999}"#).await;
    assert_eq!(kept, r#"{"city":1e999999999}"#);
}

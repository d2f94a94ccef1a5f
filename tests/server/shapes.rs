//! Statement shapes at /api/v1/shapes: what was sent is what is counted.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Proxy, Shop, shop};

/// The answer to a question that is well asked.
fn ask(proxy: &Proxy, parameters: &str) -> Value {
    let (status, body) = proxy.get(&format!("/api/v1/shapes{parameters}")).unwrap();
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// The shape of this text, if it is known.
fn shape(answer: &Value, text: &str) -> Option<Value> {
    answer["shapes"].as_array().unwrap().iter().find(|shape| shape["text"] == text).cloned()
}

/// Waits until an answer is as it should be: what a client sees may come a moment before it is counted.
async fn until(proxy: &Proxy, parameters: &str, holds: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..300 {
        let answer = ask(proxy, parameters);
        if holds(&answer) {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{:#}\n{}", ask(proxy, parameters), proxy.log());
}

async fn known(proxy: &Proxy, text: &str, count: &str, number: u64) -> Value {
    let reached = |answer: &Value| shape(answer, text).is_some_and(|shape| shape[count] == number);
    shape(&until(proxy, "", reached).await, text).unwrap()
}

/// Runs a script of pgbench so often: the number of transactions is exact.
fn pgbench(shop: &Shop, proxy: &Proxy, script: &str, transactions: u32, mode: &str) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("load.sql");
    std::fs::write(&file, script).unwrap();
    let output = Command::new(shop.cluster.program("pgbench"))
        .args(["-n", "-c", "2", "-M", mode, "-t", &(transactions / 2).to_string(), "-f"])
        .arg(&file)
        .args(["-h", "127.0.0.1", "-U", "shop_app", "-p", &proxy.port().to_string(), &shop.database])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn the_counts_of_a_load_are_exactly_what_was_sent() {
    let Some(shop) = shop("shapes_load") else { return };
    let (proxy, _policies) = shop.proxy();
    let script = "\\set order random(1, 100)\nSELECT status FROM orders WHERE order_id = :order;\n\
                  UPDATE orders SET status = 'paid' WHERE order_id = :order;\nSELECT count(*) FROM orders o JOIN customers c ON c.id = o.customer_id;\n";
    for mode in ["simple", "extended", "prepared"] {
        pgbench(&shop, &proxy, script, 60, mode);
    }
    let read = known(&proxy, "SELECT status FROM orders WHERE order_id = ?", "calls", 180).await;
    assert_eq!((&read["rows"], &read["errors"], &read["refusals"]), (&180.into(), &0.into(), &0.into()));
    assert_eq!(read["database"], shop.database.as_str());
    assert_eq!(read["relations"], serde_json::json!([{"schema": "public", "name": "orders", "operation": "select"}]));
    assert_eq!(read["applications"], serde_json::json!([{"application": "pgbench", "calls": 180, "refusals": 0}]));
    assert_eq!(read["buckets"].as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).sum::<u64>(), 180);
    let number = |name: &str| read[name].as_f64().unwrap();
    assert!(
        number("min_seconds") <= number("mean_seconds") && number("mean_seconds") <= number("max_seconds"),
        "{read}"
    );
    assert!(number("p50_seconds") <= number("p95_seconds") && number("p95_seconds") <= number("p99_seconds"), "{read}");
    let write = known(&proxy, "UPDATE orders SET status = ? WHERE order_id = ?", "calls", 180).await;
    assert_eq!((&write["operation"], &write["rows"]), (&"update".into(), &180.into()));
    known(&proxy, "SELECT count(*) FROM orders o JOIN customers c ON c.id = o.customer_id", "calls", 180).await;

    // The same through orders and filters.
    let texts = |parameters: &str| -> Vec<String> {
        let answer = ask(&proxy, parameters);
        answer["shapes"].as_array().unwrap().iter().map(|shape| shape["text"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(texts("?table=customers"), ["SELECT count(*) FROM orders o JOIN customers c ON c.id = o.customer_id"]);
    assert_eq!(texts("?table=public.orders&operation=update"), ["UPDATE orders SET status = ? WHERE order_id = ?"]);
    assert_eq!(texts("?application=pgbench&limit=2").len(), 2);
    assert!(texts("?application=somebody").is_empty());
    assert!(texts("?database=elsewhere").is_empty());
    let totals = &ask(&proxy, "?table=orders")["totals"];
    assert_eq!((&totals["calls"], &totals["rows"]), (&540.into(), &540.into()));
    for order in ["time", "calls", "mean", "p95", "rows", "errors", "refusals", "first_seen", "last_seen", "seq"] {
        assert_eq!(texts(&format!("?table=orders&order={order}")).len(), 3, "{order}");
    }
    let one = ask(&proxy, &format!("/{}", read["fingerprint"].as_str().unwrap()));
    assert_eq!(one["shapes"][0]["text"], read["text"]);
}

#[tokio::test]
async fn slow_statements_come_first_and_their_percentiles_are_sane() {
    let Some(shop) = shop("shapes_slow") else { return };
    let (proxy, _policies) = shop.proxy();
    let app = shop.via(&proxy, "shop_app").await;
    for _ in 0..5 {
        app.rows("SELECT pg_sleep(0.3)").await;
    }
    for _ in 0..50 {
        app.rows("SELECT 'quick'").await;
    }
    let slow = known(&proxy, "SELECT pg_sleep(?)", "calls", 5).await;
    let number = |name: &str| slow[name].as_f64().unwrap();
    assert!(number("min_seconds") >= 0.3 && number("total_seconds") >= 1.5, "{slow}");
    assert!(number("p50_seconds") > 0.25 && number("p95_seconds") >= number("p50_seconds"), "{slow}");
    known(&proxy, "SELECT ?", "calls", 50).await;
    let first = |order: &str| ask(&proxy, &format!("?order={order}"))["shapes"][0]["text"].clone();
    assert_eq!(first("time"), "SELECT pg_sleep(?)");
    assert_eq!(first("mean"), "SELECT pg_sleep(?)");
    assert_eq!(first("p95"), "SELECT pg_sleep(?)");
    assert_eq!(first("calls"), "SELECT ?");
    assert_eq!(first("first_seen"), "SELECT ?");
}

#[tokio::test]
async fn errors_refusals_and_masks_are_told_apart() {
    let Some(shop) = shop("shapes_errors") else { return };
    let (proxy, _policies) = shop.proxy();
    let app = shop.application(&proxy, "shop_app", "billing").await;
    for _ in 0..3 {
        app.error("SELECT 1 / 0").await;
    }
    let support = shop.application(&proxy, "support", "desk").await;
    support.rows("SELECT email FROM customers WHERE id = 1").await;
    for _ in 0..2 {
        support.error("SELECT ssn FROM customers WHERE id = 1").await;
    }
    let failed = known(&proxy, "SELECT ? / ?", "errors", 3).await;
    assert_eq!((&failed["calls"], &failed["refusals"]), (&3.into(), &0.into()));
    assert_eq!(failed["last_error"], serde_json::json!({"sqlstate": "22012", "class": "22", "origin": "server"}));
    let refused = known(&proxy, "SELECT ssn FROM customers WHERE id = ?", "refusals", 2).await;
    assert_eq!((&refused["calls"], &refused["errors"], &refused["p95_seconds"]), (&0.into(), &0.into(), &Value::Null));
    assert_eq!((&refused["last_error"]["class"], &refused["last_error"]["origin"]), (&"42".into(), &"proxy".into()));
    assert_eq!(refused["applications"], serde_json::json!([{"application": "desk", "calls": 0, "refusals": 2}]));
    let masked = known(&proxy, "SELECT email FROM customers WHERE id = ?", "calls", 1).await;
    assert_eq!((&masked["masked"], &masked["masked_calls"]), (&true.into(), &1.into()));
    assert_eq!(failed["masked"], false);
    assert_eq!(ask(&proxy, "?order=refusals")["shapes"][0]["text"], refused["text"]);
    assert_eq!(ask(&proxy, "?order=errors")["shapes"][0]["text"], failed["text"]);
    proxy.metric_becomes("pgcovenant_new_shapes_total", &[("datname", &shop.database)], 3.0);
    assert_eq!(proxy.metric("pgcovenant_shapes", &[("datname", &shop.database)]), 3.0);
}

#[tokio::test]
async fn literals_are_in_no_answer() {
    let Some(shop) = shop("shapes_literals") else { return };
    let (proxy, _policies) = shop.proxy();
    let app = shop.via(&proxy, "shop_app").await;
    let secret = "Tell-Tale Heart";
    let texts = [
        format!("SELECT * FROM customers WHERE name = '{secret}'"),
        format!("SELECT * FROM customers WHERE name = E'{secret}' /* {secret} */ -- {secret}"),
        format!("SELECT * FROM customers WHERE name = $x${secret}$x$"),
        format!("SELECT 1; SELECT '{secret}'; SELECT '{secret}'"),
        format!("COMMENT ON TABLE customers IS '{secret}'"),
    ];
    for text in &texts {
        let _ = app.simple(text).await;
    }
    app.client.query("SELECT * FROM customers WHERE name = $1", &[&secret]).await.unwrap();
    let support = shop.via(&proxy, "support").await;
    support.error(&format!("SELECT ssn FROM customers WHERE name = '{secret}'")).await;
    let _ = app.simple(&format!("SELEC '{secret}'")).await;
    let _ = app.simple(&format!("SELECT '{secret}")).await;
    until(&proxy, "", |answer| shape(answer, "SELECT ssn FROM customers WHERE name = ?").is_some()).await;
    let answer = until(&proxy, "", |answer| answer["statements_without_shape"] == 2).await;
    assert!(!answer.to_string().contains("Tale"), "{answer:#}");
    let same = shape(&answer, "SELECT * FROM customers WHERE name = ?").unwrap();
    assert_eq!(same["calls"], 4, "four ways to write one shape: {answer:#}");
    let batch = shape(&answer, "SELECT ?; …").unwrap();
    assert_eq!((&batch["operation"], &batch["calls"]), (&"multiple".into(), &1.into()));
}

#[tokio::test]
async fn questions_that_are_not_understood_are_answered_in_words() {
    let Some(shop) = shop("shapes_questions") else { return };
    let proxy = shop.transparent_proxy();
    let wrong = [
        ("?order=size", 400, "time, calls, mean"),
        ("?limit=many", 400, "a number from 1 to 5000"),
        ("?since=yesterday", 400, "2026-11-01T00:00:00Z"),
        ("?sort=time", 400, "database, table, application"),
        ("/orders", 400, "hexadecimal"),
        ("/00000000000000ff", 404, "no statement shape 00000000000000ff"),
    ];
    for (parameters, expected, words) in wrong {
        let (status, body) = proxy.get(&format!("/api/v1/shapes{parameters}")).unwrap();
        assert_eq!(status, expected, "{parameters}: {body}");
        assert!(serde_json::from_str::<Value>(&body).unwrap()["error"].is_string(), "{body}");
        assert!(body.contains(words), "{parameters}: {body}");
    }
}

#[tokio::test]
async fn shapes_that_are_new_since_a_contract_version_are_found() {
    let Some(shop) = shop("shapes_new") else { return };
    let (proxy, policies) = shop.proxy();
    let app = shop.via(&proxy, "shop_app").await;
    app.rows("SELECT status FROM orders WHERE order_id = 1").await;
    let before = known(&proxy, "SELECT status FROM orders WHERE order_id = ?", "calls", 1).await;
    let contract = std::fs::read_to_string(policies.contract_file()).unwrap();
    let version = contract.lines().find(|line| line.starts_with("version:")).unwrap();
    policies.replace("contract.odcs.yaml", version, "version: 77.0.0");
    until(&proxy, "", |answer| answer["contracts"][0]["contracts"][0]["version"] == "77.0.0").await;
    assert!(ask(&proxy, "?new=true")["shapes"].as_array().unwrap().is_empty());

    app.rows("SELECT status FROM orders WHERE order_id = 2").await;
    app.rows("SELECT total_amount FROM orders WHERE order_id = 2").await;
    let answer = until(&proxy, "?new=true", |answer| answer["matched"] == 1).await;
    let new = &answer["shapes"][0];
    assert_eq!(new["text"], "SELECT total_amount FROM orders WHERE order_id = ?");
    assert_eq!(new["first_seen_under"]["contracts"][0]["version"], "77.0.0");
    assert_ne!(before["first_seen_under"]["contracts"][0]["version"], "77.0.0");
    let since = answer["contracts"][0]["changed"].as_str().unwrap();
    assert_eq!(ask(&proxy, &format!("?since={since}"))["matched"], 1);
    assert_eq!(ask(&proxy, "?since=2026-01-01T00:00:00Z")["matched"], 2);
    known(&proxy, "SELECT status FROM orders WHERE order_id = ?", "calls", 2).await;
}

#[tokio::test]
async fn with_a_store_a_restart_forgets_no_shape_that_touches_a_table() {
    let Some(shop) = shop("shapes_restart") else { return };
    let policies = shop.policies();
    let directory = tempfile::tempdir().unwrap();
    let state = format!("state: {}", directory.path().join("state.sqlite").display());
    let mut proxy = shop.proxy_with(&policies, &state);
    let old = "SELECT status FROM orders WHERE order_id = 1";
    shop.via(&proxy, "shop_app").await.rows(old).await;
    let first = known(&proxy, "SELECT status FROM orders WHERE order_id = ?", "calls", 1).await;
    proxy.signal("TERM");
    assert!(proxy.wait(Duration::from_secs(20)).is_some(), "{}", proxy.log());

    let proxy = shop.proxy_with(&policies, &state);
    let app = shop.via(&proxy, "shop_app").await;
    app.rows(old).await;
    app.rows("SELECT total_amount FROM orders WHERE order_id = 1").await;
    let again = known(&proxy, "SELECT status FROM orders WHERE order_id = ?", "calls", 1).await;
    let fresh = known(&proxy, "SELECT total_amount FROM orders WHERE order_id = ?", "calls", 1).await;
    assert_eq!((&again["new"], &fresh["new"]), (&false.into(), &true.into()));
    assert_eq!(again["first_seen_under"], Value::Null, "that was before this process");
    let seen = |shape: &Value| shape["first_seen"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert!(seen(&again) < seen(&fresh) && seen(&again).duration_since(seen(&first)).as_secs() < 5, "{first} {again}");
    proxy.metric_becomes("pgcovenant_new_shapes_total", &[("datname", &shop.database)], 1.0);
}

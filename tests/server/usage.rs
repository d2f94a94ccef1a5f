//! Who uses what: recorded as a script did it, kept across the end of the process, answered with its evidence.

mod answers;
mod store;

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use serde_json::Value;

use crate::support::sql;
use crate::support::{Proxy, Shop, shop, until};

const STATE: &str = "state: {path: ./state.sqlite, flush: 100ms}\n";

/// A session of that application.
async fn app(shop: &Shop, proxy: &Proxy, application: &str, user: &str) -> tokio_postgres::Client {
    let mut settings = sql::settings(proxy.port(), user, &shop.database);
    settings.application_name(application);
    let (client, connection) = settings.connect(tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Runs `usage` with the configuration of the proxy: exit code and standard output.
pub fn usage(proxy: &Proxy, arguments: &[&str]) -> (Option<i32>, String, String) {
    let config = proxy.config().display().to_string();
    Proxy::run(&[&["usage", "--config", &config][..], arguments].concat())
}

fn json(proxy: &Proxy, arguments: &[&str]) -> Value {
    let (code, said, problems) = usage(proxy, &[arguments, &["--format", "json"]].concat());
    assert_eq!(code, Some(0), "{problems}\n{}", proxy.log());
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// Uses by application, ways of using and views, such as `web explicit,filter via public.v`.
fn counts(answer: &Value) -> BTreeMap<String, u64> {
    let words = |value: &Value| {
        let words: Vec<_> = value.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        words.join(",")
    };
    let mut found = BTreeMap::new();
    for consumer in answer["consumers"].as_array().unwrap() {
        for statement in consumer["statements"].as_array().unwrap() {
            let via = words(&statement["via"]);
            let via = if via.is_empty() { String::new() } else { format!(" via {via}") };
            let refused = if statement["refused"] == 0 { "" } else { " refused" };
            let key =
                format!("{} {}{via}{refused}", consumer["application"].as_str().unwrap(), words(&statement["access"]));
            *found.entry(key).or_default() += statement["uses"].as_u64().unwrap();
        }
    }
    found
}

/// Waits until the answer has these counts.
fn expect_counts(proxy: &Proxy, object: &str, expected: &[(&str, u64)]) -> Value {
    let expected: BTreeMap<String, u64> = expected.iter().map(|(key, count)| ((*key).to_owned(), *count)).collect();
    let mut answer = Value::Null;
    for _ in 0..200 {
        // The store is made at the start of the proxy; what is recorded follows within a flush.
        let (code, said, _) = usage(proxy, &[object, "--format", "json"]);
        if code == Some(0) {
            answer = serde_json::from_str(&said).unwrap();
            if counts(&answer) == expected {
                return answer;
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(counts(&answer), expected, "{object}: {answer:#}\n{}", proxy.log());
    answer
}

async fn repeat(client: &tokio_postgres::Client, times: usize, sql: &str) {
    for time in 0..times {
        client
            .simple_query(&sql.replace("{n}", &time.to_string()))
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }
}

async fn copy_out(client: &tokio_postgres::Client, sql: &str) {
    let stream = client.copy_out(sql).await.unwrap();
    assert!(!stream.try_collect::<Vec<_>>().await.unwrap().is_empty());
}

#[tokio::test]
async fn counts_are_what_the_script_did() {
    let Some(shop) = shop("usage_counts") else { return };
    shop.sql(
        "CREATE VIEW late AS SELECT order_id, estimated_delivery AS due FROM orders WHERE estimated_delivery IS NOT NULL;
         CREATE VIEW later AS SELECT due, order_id FROM late;
         GRANT SELECT ON late, later TO shop_app;",
    );
    let policies = shop.policies();
    let proxy = shop.proxy_with(&policies, STATE);
    let (web, report, job) = (
        app(&shop, &proxy, "web", "shop_app").await,
        app(&shop, &proxy, "report", "shop_app").await,
        app(&shop, &proxy, "job", "shop_app").await,
    );
    repeat(&web, 3, "SELECT estimated_delivery FROM orders WHERE order_id = {n}").await;
    let prepared = web.prepare("SELECT estimated_delivery::text FROM orders WHERE order_id = $1").await.unwrap();
    for order in 0..5_i64 {
        web.query(&prepared, &[&order]).await.unwrap();
    }
    repeat(&web, 2, "UPDATE orders SET estimated_delivery = now() WHERE order_id = {n}").await;
    repeat(&web, 1, "SELECT 1; SELECT max(estimated_delivery) FROM orders; SELECT 2").await;
    repeat(&web, 4, "SELECT order_id, status FROM orders WHERE order_id = {n}").await;
    repeat(&report, 2, "SELECT * FROM orders LIMIT 1").await;
    repeat(&report, 1, "SELECT o FROM orders o LIMIT 1").await;
    repeat(&report, 3, "SELECT c.name FROM customers c JOIN orders o ON o.estimated_delivery = c.created_at").await;
    repeat(&report, 1, "SELECT order_id FROM orders ORDER BY estimated_delivery LIMIT 1").await;
    copy_out(&report, "COPY orders TO STDOUT").await;
    copy_out(&report, "COPY orders (estimated_delivery) TO STDOUT").await;
    repeat(&job, 4, "SELECT due FROM late WHERE order_id = {n}").await;
    repeat(&job, 1, "SELECT due FROM later LIMIT 1").await;
    repeat(&job, 1, "INSERT INTO orders VALUES (-{n} - 1, 1, 'new', 1, now(), now(), now())").await;
    repeat(&job, 1, "ALTER TABLE orders ALTER COLUMN estimated_delivery SET STATISTICS 50").await;

    let answer = expect_counts(
        &proxy,
        "orders.estimated_delivery",
        &[
            ("web explicit", 3 + 5 + 1),
            ("web write", 2),
            ("report star", 2 + 1 + 1),
            ("report explicit", 1),
            ("report join", 3),
            ("report order_group", 1),
            ("job explicit,filter via public.late", 4),
            ("job explicit,filter via public.later", 1),
            ("job write", 1),
            ("job ddl", 1),
        ],
    );
    assert_eq!(answer["verdict"], "in-use");
    assert_eq!(answer["lifecycle"]["phase"], "deprecated");
    assert_eq!(answer["evidence"]["not_analysed"]["statements"], 0);
    let dependents = answer["evidence"]["dependents"].to_string();
    assert!(dependents.contains("view late") && !dependents.contains("default"), "{dependents}");
    let web = &answer["consumers"].as_array().unwrap().iter().find(|found| found["application"] == "web").unwrap();
    assert_eq!((&web["user"], &web["network"]), (&"shop_app".into(), &"127.0.0.0/24".into()));
    let text = "SELECT estimated_delivery FROM orders WHERE order_id = ?";
    let shape = web["statements"].as_array().unwrap().iter().find(|shape| shape["text"] == text).expect(text);
    assert_eq!((&shape["uses"], &shape["rows"]), (&3.into(), &2.into()), "there is no order 0");

    // The table as such is used by every one of them, the views as such by those that name them.
    let table = json(&proxy, &["public.orders"]);
    assert_eq!(
        counts(&table).values().sum::<u64>(),
        3 + 5 + 2 + 1 + 4 + 2 + 1 + 3 + 1 + 1 + 1 + 4 + 1 + 1 + 1,
        "{table:#}"
    );
    expect_counts(&proxy, "late.due", &[("job explicit", 4), ("job explicit via public.later", 1)]);
}

#[tokio::test]
async fn refused_statements_and_what_nobody_can_read_are_recorded_too() {
    let Some(shop) = shop("usage_refused") else { return };
    let policies = shop.policies();
    let proxy = shop.proxy_with(&policies, STATE);
    let support = app(&shop, &proxy, "helpdesk", "support").await;
    for _ in 0..3 {
        assert!(support.simple_query("SELECT ssn FROM customers").await.is_err());
    }
    repeat(&support, 2, "SELECT name FROM customers LIMIT 1").await;
    expect_counts(&proxy, "customers.ssn", &[("helpdesk explicit refused", 3)]);
    expect_counts(&proxy, "customers.name", &[("helpdesk explicit", 2)]);

    let shop_app = app(&shop, &proxy, "job", "shop_app").await;
    repeat(&shop_app, 2, "DO $$ BEGIN PERFORM status FROM orders; END $$").await;
    assert!(shop_app.simple_query("SELEC status FROM orders").await.is_err());
    until("the blocks are counted", || json(&proxy, &["orders.status"])["evidence"]["not_analysed"]["statements"] == 2);
    let answer = json(&proxy, &["orders.status"]);
    assert_eq!((&answer["verdict"], &answer["consumers"]), (&"unknown".into(), &Value::Array(Vec::new())));
}

#[tokio::test]
async fn partitions_count_for_their_table_and_views_that_nobody_understands_are_no_proof() {
    let Some(shop) = shop("usage_below") else { return };
    shop.sql(
        "CREATE TABLE events (id bigint, at date NOT NULL, note text) PARTITION BY RANGE (at);
         CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
         CREATE TEMP TABLE mine (id bigint);
         CREATE VIEW odd AS SELECT query_to_xml('SELECT 1', true, true, '') AS x, status FROM orders;
         GRANT ALL ON events, events_2026, odd TO shop_app;",
    );
    let policies = shop.policies();
    let proxy = shop.proxy_with(&policies, STATE);
    let web = app(&shop, &proxy, "web", "shop_app").await;
    repeat(&web, 3, "SELECT note FROM events_2026").await;
    repeat(&web, 2, "SELECT id FROM events WHERE note IS NULL").await;
    repeat(&web, 1, "CREATE TEMP TABLE mine (note text); SELECT note FROM mine; SELECT relname FROM pg_class LIMIT 1")
        .await;
    let rows = bytes::Bytes::from_static(b"1\t2026-02-03\thello\n");
    let sink = web.copy_in("COPY events FROM STDIN").await.unwrap();
    futures_util::pin_mut!(sink);
    futures_util::SinkExt::send(&mut sink, rows).await.unwrap();
    assert_eq!(sink.finish().await.unwrap(), 1);
    let expected = [("web explicit via public.events_2026", 3), ("web filter", 2), ("web write", 1)];
    expect_counts(&proxy, "events.note", &expected);
    expect_counts(&proxy, "events_2026.note", &[("web explicit", 3)]);
    let (code, _, problem) = usage(&proxy, &["mine.note"]);
    assert_eq!((code, problem.contains("nothing is known of `mine.note`")), (Some(2), true), "{problem}");
    assert_eq!(usage(&proxy, &["pg_class.relname"]).0, Some(2));

    until("a second is recorded", || json(&proxy, &["orders.status", "--since", "1s"])["verdict"] == "unused");
    repeat(&web, 2, "SELECT x FROM odd").await;
    until("the view is counted", || json(&proxy, &["orders.status"])["evidence"]["not_analysed"]["statements"] == 2);
    let answer = json(&proxy, &["orders.status", "--since", "1s"]);
    assert_eq!((&answer["verdict"], counts(&answer).len()), (&"unknown".into(), 0), "{answer:#}");
    assert_eq!(answer["evidence"]["not_analysed"]["reasons"][0]["reason"], "unknown_view");
    assert_eq!(json(&proxy, &["customers.name", "--since", "1s"])["verdict"], "unused", "the view does not name it");
}

#[tokio::test]
async fn no_literal_reaches_the_store() {
    let Some(shop) = shop("usage_literals") else { return };
    let policies = shop.policies();
    let proxy = shop.proxy_with(&policies, STATE);
    let web = app(&shop, &proxy, "web", "shop_app").await;
    for sql in [
        "SELECT status /* s3cretcomment */ FROM orders WHERE status = 's3cret1' OR status IN ('s3cret2', $$s3cret3$$)",
        "SELECT status FROM orders WHERE order_id = 7777700000001",
        "DO $$ BEGIN PERFORM 's3cret5'; END $$",
        "UPDATE orders SET status = E'new' WHERE status = U&'s3cret6'",
        "SELECT status FROM orders WHERE status = 's3cret7",
        "COMMENT ON TABLE orders IS 's3cret8'",
    ] {
        _ = web.simple_query(sql).await;
    }
    copy_out(&web, "COPY (SELECT status FROM orders WHERE status <> 's3cret4') TO STDOUT").await;
    let prepared = web.prepare("SELECT count(*) FROM orders WHERE status = $1").await.unwrap();
    web.query(&prepared, &[&"s3cret9"]).await.unwrap();
    // One of them is no statement for the server, the block names no table, and COMMENT no column.
    expect_counts(&proxy, "public.orders", &[("web explicit", 4), ("web write", 1)]);
    let mut bytes = Vec::new();
    for file in std::fs::read_dir(proxy.directory()).unwrap().map(|file| file.unwrap().path()) {
        if file.file_name().unwrap().to_string_lossy().starts_with("state.sqlite") {
            bytes.extend(std::fs::read(file).unwrap());
        }
    }
    let has = |word: &str| bytes.windows(word.len()).any(|window| window == word.as_bytes());
    assert!(has("FROM orders WHERE status"), "the shapes are there");
    assert!(!has("s3cret") && !has("77777"), "a literal is in the store");
}

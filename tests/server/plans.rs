//! Plans of statements that really run, asked for on a connection of the service account.

mod declared;
mod hidden_code;

use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use serde_json::Value;

use crate::support::shop::{copy, load};
use crate::support::sql::Session;
use crate::support::{Cluster, ClusterOptions, Proxy, ProxyOptions, Shop, installed};

/// A cluster of its own: here the service account is a member of other roles.
fn shop(name: &str) -> Option<Shop> {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    if !installed() {
        return None;
    }
    let cluster = CLUSTER.get_or_init(|| {
        let cluster = Cluster::start(ClusterOptions::default());
        load(&cluster, "template");
        // So many that an index is worth it.
        MANY.split(';').for_each(|sql| _ = cluster.sql("template", sql));
        cluster.sql("postgres", "GRANT shop_app TO pgcovenant; CREATE ROLE stranger LOGIN PASSWORD 'stranger'");
        cluster.sql("postgres", "CREATE ROLE mighty LOGIN SUPERUSER PASSWORD 'mighty'");
        cluster.sql("postgres", "ALTER DATABASE template ALLOW_CONNECTIONS false");
        cluster
    });
    let database = format!("plans_{name}");
    copy(cluster, &database, "template");
    Some(Shop { cluster, database })
}

const MANY: &str = "
INSERT INTO customers (id, name, email, country)
SELECT 1000000 + n, 'Name ' || n, 'many' || n || '@example.org', 'CH' FROM generate_series(1, 20000) n;
INSERT INTO orders (order_id, customer_id, total_amount)
SELECT 1000000 + n, 1000000 + n, n FROM generate_series(1, 20000) n;
VACUUM ANALYZE";

const OFTEN: &str = "plans: {every: 1s, per_second: 50, timeout: 5s}";

fn proxy(shop: &Shop, service: &'static str, plans: &str) -> Proxy {
    let service_more = ", statistics: 200ms, refresh: 200ms".to_owned();
    let more = plans.to_owned();
    Proxy::start(shop.cluster, ProxyOptions { service: Some(service), service_more, more, ..ProxyOptions::default() })
}

fn told(proxy: &Proxy) -> Value {
    let (status, body) = proxy.get("/api/v1/plans").unwrap();
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

/// Runs something again and again until something holds of what is told of plans.
async fn until(proxy: &Proxy, mut run: impl AsyncFnMut(), holds: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..600 {
        run().await;
        let told = told(proxy);
        if holds(&told) {
            return told;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it never holds of\n{:#}\n{}", told(proxy), proxy.log());
}

/// The shape whose statement has this in it.
fn shape<'v>(told: &'v Value, part: &str) -> Option<&'v Value> {
    told["shapes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|shape| shape["statement"].as_str().unwrap().to_lowercase().contains(part))
}

fn plan(told: &Value, part: &str) -> String {
    let plan = shape(told, part).map_or(&Value::Null, |shape| &shape["plan"]["text"]);
    plan.as_str().unwrap_or_default().to_owned()
}

async fn order(app: &Session, number: i64) {
    app.client.query("SELECT status FROM orders WHERE order_id = $1", &[&number]).await.unwrap();
}

#[tokio::test]
async fn the_plans_of_real_statements_are_told_without_their_values() {
    let Some(shop) = shop("told") else { return };
    let proxy = proxy(&shop, "pgcovenant", OFTEN);
    let app = shop.via(&proxy, "shop_app").await;
    let run = async || {
        order(&app, 4_242_424).await;
        app.rows("SELECT id FROM customers c WHERE c.email = 'tell-tale@example.org'").await;
        app.rows("SELECT count(*) FROM employees e WHERE e.name = 'Tell-Tale' OR e.salary > 5151").await;
        app.rows("SELECT * FROM active_customers a WHERE a.id = 9876543").await;
    };
    let found = until(&proxy, run, |told| {
        plan(told, "orders where") == "Index Scan orders using orders_pkey"
            && plan(told, "from customers c") == "Index Scan customers using customers_email_key"
            && plan(told, "employees") == "Aggregate (Seq Scan employees)"
            && plan(told, "active_customers").contains("customers using customers_pkey")
    });
    let found = found.await;
    let own = [("datname", shop.database.as_str()), ("schemaname", "public")];
    let path = |relation, path| [own.as_slice(), &[("relname", relation), ("access_path", path)]].concat();
    assert!(proxy.metric("pgcovenant_plan_samples_total", &path("orders", "index")) >= 1.0);
    assert!(proxy.metric("pgcovenant_plan_samples_total", &path("employees", "seq")) >= 1.0);
    let (_, metrics) = proxy.get("/metrics").unwrap();
    for secret in ["tell-tale", "Tell-Tale", "4242424", "9876543", "5151"] {
        assert!(!found.to_string().contains(secret), "{secret}: {found:#}");
        assert!(!metrics.contains(secret) && !proxy.log().contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn another_account_may_ask_and_masked_statements_are_planned_as_they_are_sent() {
    let Some(shop) = shop("other") else { return };
    let inherit = if shop.cluster.major_version() >= 16 { "WITH INHERIT FALSE, SET TRUE" } else { "" };
    shop.sql("CREATE ROLE planner LOGIN NOINHERIT PASSWORD 'planner'");
    shop.sql(&format!("GRANT shop_app, support TO planner {inherit}"));
    let policies = shop.policies();
    let proxy = Proxy::start(
        shop.cluster,
        ProxyOptions {
            service: Some("mighty"),
            policies: Some(policies.path().to_owned()),
            environment: vec![("PLANNER".to_owned(), "planner".to_owned())],
            more: "plans: {every: 1s, per_second: 50, timeout: 5s, user: planner, password_env: PLANNER}".to_owned(),
            ..ProxyOptions::default()
        },
    );
    let support = shop.via(&proxy, "support").await;
    let run = async || {
        let rows = support.rows("SELECT email FROM customers WHERE id = 1000007").await;
        assert!(!format!("{rows:?}").contains("many7@"), "it is masked: {rows:?}");
    };
    let found = until(&proxy, run, |told| !plan(told, "customers").is_empty()).await;
    assert_eq!(plan(&found, "customers"), "Index Scan customers using customers_pkey", "{found:#}");
    assert!(!proxy.log().contains("plans are not asked for"), "{}", proxy.log());
}

#[tokio::test]
async fn types_and_operators_of_known_extensions_are_found() {
    let Some(shop) = shop("extensions") else { return };
    if shop.sql("SELECT count(*) FROM pg_available_extensions WHERE name IN ('citext', 'pg_trgm')") != "2" {
        eprintln!("skipped: the server has no such extensions");
        return;
    }
    shop.sql("CREATE EXTENSION citext; CREATE EXTENSION pg_trgm; CREATE TYPE mood AS ENUM ('good', 'bad')");
    shop.sql("CREATE TABLE people (name citext, mood mood, words text); GRANT SELECT ON people TO shop_app");
    shop.sql("INSERT INTO people SELECT 'Name' || n, 'good', 'word' || n FROM generate_series(1, 20000) n");
    shop.sql("CREATE INDEX people_name_idx ON people (name); CREATE INDEX people_mood_idx ON people (mood)");
    shop.sql("CREATE INDEX people_words_idx ON people USING gin (words gin_trgm_ops)");
    shop.sql("VACUUM ANALYZE people");
    let proxy = proxy(&shop, "pgcovenant", OFTEN);
    let app = shop.via(&proxy, "shop_app").await;
    let run = async || {
        app.client.query("SELECT words FROM people WHERE name = $1::text::citext", &[&"name17"]).await.unwrap();
        app.rows("SELECT name FROM people p WHERE p.mood = 'bad'::mood").await;
        app.rows("SELECT mood FROM people w WHERE w.words LIKE '%ord1999%'").await;
    };
    let found = until(&proxy, run, |told| {
        plan(told, "name = ").contains("people_name_idx")
            && plan(told, "mood = ").contains("people_mood_idx")
            && plan(told, "like").contains("people_words_idx")
    });
    found.await;
}

#[tokio::test]
async fn a_superuser_does_not_ask() {
    let Some(shop) = shop("superuser") else { return };
    let proxy = proxy(&shop, "mighty", OFTEN);
    let app = shop.via(&proxy, "shop_app").await;
    let failed = |told: &Value| shape(told, "orders").is_some_and(|shape| shape["failure"] == "superuser");
    let found = until(&proxy, async || order(&app, 1).await, failed).await;
    assert!(shape(&found, "orders").unwrap()["plan"].is_null());
    order(&app, 2).await;
    let log = proxy.log();
    assert_eq!(log.matches("plans are not asked for: the account is a superuser").count(), 1, "{log}");
    assert!(log.contains("WARN"), "{log}");
}

#[tokio::test]
async fn a_role_that_we_are_no_member_of_is_told_once() {
    let Some(shop) = shop("role") else { return };
    shop.sql("GRANT SELECT ON orders TO stranger");
    let proxy = proxy(&shop, "pgcovenant", OFTEN);
    let (stranger, app) = (shop.via(&proxy, "stranger").await, shop.via(&proxy, "shop_app").await);
    let run = async || {
        stranger.rows("SELECT total_amount FROM orders WHERE order_id = 1").await;
        order(&app, 1).await;
    };
    let found = until(&proxy, run, |told| {
        shape(told, "total_amount").is_some_and(|shape| shape["failure"] == "role") && !plan(told, "status").is_empty()
    });
    assert!(shape(&found.await, "total_amount").unwrap()["plan"].is_null());
    let log = proxy.log();
    assert_eq!(log.matches("the account is not a member of it").count(), 1, "{log}");
}

#[tokio::test]
async fn nothing_is_asked_where_plans_are_off() {
    let Some(shop) = shop("off") else { return };
    let proxy = proxy(&shop, "pgcovenant", "plans: off");
    let app = shop.via(&proxy, "shop_app").await;
    for number in 0..20 {
        order(&app, number).await;
    }
    assert_eq!(told(&proxy)["shapes"], serde_json::json!([]));
}

#[tokio::test]
async fn what_writes_or_locks_is_not_planned() {
    let Some(shop) = shop("writes") else { return };
    let proxy = proxy(&shop, "pgcovenant", OFTEN);
    let app = shop.via(&proxy, "shop_app").await;
    let run = async || {
        app.rows("UPDATE orders SET status = status WHERE order_id = 1").await;
        app.rows("SELECT customer_id FROM orders WHERE order_id = 1 FOR UPDATE").await;
        app.rows("WITH gone AS (DELETE FROM payments WHERE false RETURNING payment_id) SELECT * FROM gone").await;
        order(&app, 1).await;
    };
    let failed = |told: &Value, part: &str| shape(told, part).is_some_and(|shape| shape["failure"] == "statement");
    let found = until(&proxy, run, |told| {
        failed(told, "for update") && failed(told, "gone") && !plan(told, "select status").is_empty()
    });
    let found = found.await;
    assert!(
        found["shapes"]
            .as_array()
            .unwrap()
            .iter()
            .all(|shape| { !shape["statement"].as_str().unwrap().starts_with("UPDATE") || shape["plan"].is_null() })
    );
}

#[tokio::test]
async fn a_dropped_index_that_makes_a_statement_slower_is_an_event_with_both_plans() {
    let Some(shop) = shop("regression") else { return };
    shop.sql("CREATE TABLE events (id bigint, customer bigint, what text)");
    shop.sql("INSERT INTO events SELECT n, n, repeat('x', 100) FROM generate_series(1, 200000) n");
    shop.sql("CREATE INDEX events_customer_idx ON events (customer); GRANT SELECT ON events TO shop_app");
    shop.sql("VACUUM ANALYZE events");
    let proxy = proxy(&shop, "pgcovenant", OFTEN);
    let app = shop.via(&proxy, "shop_app").await;
    let run = async || {
        for customer in [17_i64, 170_000] {
            app.client.query("SELECT what FROM events WHERE customer = $1", &[&customer]).await.unwrap();
        }
    };
    let is_first = |told: &Value| {
        plan(told, "events") == "Index Scan events using events_customer_idx"
            && shape(told, "events").unwrap()["plan"]["runs"].as_u64() >= Some(40)
    };
    until(&proxy, run, is_first).await;
    // While the load goes on.
    shop.sql("DROP INDEX events_customer_idx");
    let found = until(&proxy, run, |told| !shape(told, "events").unwrap()["changes"][0]["slower"].is_null()).await;
    let events = shape(&found, "events").unwrap();
    let change = &events["changes"][0];
    assert_eq!(change["change"], "index_to_seq");
    assert_eq!(change["before"], "Index Scan events using events_customer_idx");
    assert!(change["after"].as_str().unwrap().contains("Seq Scan events"), "{change:#}");
    assert_eq!(change["indexes_before"], serde_json::json!(["events_customer_idx"]));
    assert_eq!(events["previous"]["text"], change["before"]);
    let relation = [("datname", shop.database.as_str()), ("schemaname", "public"), ("relname", "events")];
    let changed = [relation.as_slice(), &[("change", "index_to_seq")]].concat();
    assert_eq!(proxy.metric("pgcovenant_plan_changes_total", &changed), 1.0);
    proxy.metric_reaches("pgcovenant_plan_regression_timestamp_seconds", &relation, 1.0).await;
    let log = proxy.log();
    let line = log.lines().find(|line| line.contains("and is slower")).expect("a line");
    let fingerprint = events["fingerprint"].as_str().unwrap();
    for word in
        ["WARN", fingerprint, "relation=events", "events_customer_idx", "Seq Scan events", "milliseconds_after="]
    {
        assert!(line.contains(word), "{word}: {line}");
    }
    // The index comes back, and it is over.
    shop.sql("CREATE INDEX events_customer_idx ON events (customer)");
    until(&proxy, run, |told| shape(told, "events").unwrap()["changes"][0]["change"] == "seq_to_index").await;
    proxy.metric_becomes("pgcovenant_plan_regression_timestamp_seconds", &relation, 0.0);
}

#[tokio::test]
async fn values_too_large_to_be_kept_are_planned_without_where_the_server_can() {
    let Some(shop) = shop("large") else { return };
    let proxy = proxy(&shop, "pgcovenant", OFTEN);
    let app = shop.via(&proxy, "shop_app").await;
    let large = "x".repeat(1 << 20);
    let run = async || {
        app.client.query("SELECT id FROM customers WHERE email = $1", &[&large]).await.unwrap();
    };
    let can = shop.sql("SELECT current_setting('server_version_num')::int >= 160000") == "t";
    until(&proxy, run, |told| match can {
        true => plan(told, "customers") == "Index Scan customers using customers_email_key",
        false => shape(told, "customers").is_some_and(|shape| shape["failure"] == "parameters"),
    })
    .await;
}

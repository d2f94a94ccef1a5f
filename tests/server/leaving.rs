//! What those who drop columns and run migrations are told: whether a column is safe to drop, and how migrations end.

use std::time::Duration;

use serde_json::Value;

use crate::support::{Proxy, ProxyOptions, Shop, shop, until};
use crate::usage::usage;

const SAFE: &str = "pgcovenant_deprecated_column_safe_to_drop";
const ETA: [(&str, &str); 3] = [("schemaname", "public"), ("relname", "orders"), ("column", "estimated_delivery")];

/// Waits until it is told whether the column is safe to drop, and `usage` has the verdict that belongs to it.
fn told(proxy: &Proxy, safe: f64, verdict: &str) {
    until("it is not told, or otherwise", || proxy.metric_if_any(SAFE, &ETA) == Some(safe));
    let (_, said, problems) = usage(proxy, &["--readiness", "--format", "json"]);
    let answer: Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}{problems}"));
    let columns = answer["columns"].as_array().unwrap();
    let eta = columns.iter().find(|column| column["object"]["column"] == "estimated_delivery").unwrap();
    assert_eq!(eta["verdict"], verdict, "{eta:#}");
}

fn uses(proxy: &Proxy) -> u64 {
    let (_, said, _) = usage(proxy, &["public.orders.estimated_delivery", "--format", "json"]);
    let answer: Value = serde_json::from_str(&said).unwrap_or_default();
    answer["consumers"].as_array().into_iter().flatten().filter_map(|consumer| consumer["uses"].as_u64()).sum()
}

#[tokio::test]
async fn a_column_is_safe_to_drop_when_nobody_has_used_it_and_nothing_was_missed() {
    let Some(shop) = shop("safe_to_drop") else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.sqlite");
    let policies = shop.policies();
    let proxy = shop.proxy_with(&policies, &format!("state: {{path: {}, flush: 100ms}}\n", file.display()));
    told(&proxy, 0.0, "unknown");
    // As if another process had recorded for a hundred days.
    let now = jiff::Timestamp::now();
    let from = now - jiff::SignedDuration::from_hours(2400);
    let store = rusqlite::Connection::open(&file).unwrap();
    store.busy_timeout(Duration::from_secs(20)).unwrap();
    let span = "INSERT INTO spans (node, boot, from_time, until_time) VALUES ('other', 'b', ?1, ?2)";
    store.execute(span, [from.as_microsecond(), now.as_microsecond()]).unwrap();
    told(&proxy, 1.0, "unused");
    // What cannot be seen into may have used it.
    let app = shop.via(&proxy, "shop_app").await;
    app.rows("DO $$ BEGIN PERFORM 1; END $$").await;
    told(&proxy, 0.0, "unknown");
    until("it is not recorded", || store.execute("DELETE FROM unanalysed", []).unwrap() > 0);
    told(&proxy, 1.0, "unused");
    app.rows("SELECT * FROM orders LIMIT 1").await;
    told(&proxy, 0.0, "star-only");
    // Each run of what SQL has prepared is a use, also when it was prepared long ago.
    let before = uses(&proxy);
    app.rows("PREPARE p AS SELECT estimated_delivery FROM orders LIMIT 1").await;
    app.rows("EXECUTE p").await;
    app.rows("EXECUTE p").await;
    until("not every use is counted", || uses(&proxy) == before + 3);
    told(&proxy, 0.0, "in-use");
    // Of a column that is gone nothing is told. A name that is not known has the catalog read.
    shop.sql("ALTER TABLE orders DROP COLUMN estimated_delivery CASCADE");
    shop.via(&proxy, "support").await.error("SELECT * FROM no_such_table").await;
    until("it is told of a column that is gone", || proxy.metric_if_any(SAFE, &ETA).is_none());
}

#[tokio::test]
async fn without_a_store_of_usage_nobody_is_told_what_is_safe() {
    let Some(shop) = shop("safe_unknown") else { return };
    let (proxy, _policies) = shop.proxy();
    shop.via(&proxy, "shop_app").await.rows("SELECT order_id FROM orders LIMIT 1").await;
    until("no column is on its way out", || proxy.metric_if_any("pgcovenant_deprecated_column_info", &ETA).is_some());
    let (_, page) = proxy.get("/metrics").unwrap();
    assert!(!page.contains(SAFE));
}

const EVENTS: &str = "pgcovenant_migration_events_total";

fn events(proxy: &Proxy, shop: &Shop) -> Option<[u64; 3]> {
    let of =
        |result| proxy.metric_if_any(EVENTS, &[("datname", &shop.database), ("tool", "flyway"), ("result", result)]);
    Some([of("applied")? as u64, of("failed")? as u64, of("reverted")? as u64])
}

/// Waits for two more looks: the second began after now.
fn look_twice(proxy: &Proxy) {
    for _ in 0..2 {
        let checked = || proxy.metric("pgcovenant_drift_last_check_timestamp_seconds", &[]);
        let before = checked();
        until("it is not looked again", || checked() > before);
    }
}

#[tokio::test]
async fn a_migration_is_counted_once_with_its_end_and_its_time() {
    let Some(shop) = shop("migration_events") else { return };
    shop.sql(
        "CREATE TABLE flyway_schema_history (installed_rank integer PRIMARY KEY, version varchar(50),
             description varchar(200) NOT NULL, type varchar(20) NOT NULL, script varchar(1000) NOT NULL, checksum integer,
             installed_by varchar(100) NOT NULL, installed_on timestamp NOT NULL DEFAULT now(),
             execution_time integer NOT NULL, success boolean NOT NULL);
         GRANT SELECT ON flyway_schema_history TO pgcovenant",
    );
    let migrate = |rank: u32, version: &str, millis: u32, success: bool| {
        shop.sql(&format!(
            "INSERT INTO flyway_schema_history VALUES ({rank}, '{version}', 'd', 'SQL', 's', {rank}, 'u', now(), {millis}, {success})"
        ));
    };
    migrate(1, "1", 100, true);
    let policies = shop.policies();
    let start = || {
        let options = ProxyOptions {
            policies: Some(policies.path().to_owned()),
            service: Some("pgcovenant"),
            more: "drift: {interval: 1s}\n".to_owned(),
            ..ProxyOptions::default()
        };
        Proxy::start(shop.cluster, options)
    };
    let proxy = start();
    until("it has not looked", || events(&proxy, &shop) == Some([0, 0, 0]));
    migrate(2, "2", 1500, true);
    migrate(3, "3", 20_000, true);
    until("they are not counted", || events(&proxy, &shop) == Some([2, 0, 0]));
    migrate(4, "4", 250, false);
    until("a failure is not counted", || events(&proxy, &shop) == Some([2, 1, 0]));
    look_twice(&proxy);
    assert_eq!(events(&proxy, &shop), Some([2, 1, 0]), "each once");
    shop.sql("DELETE FROM flyway_schema_history WHERE installed_rank = 4");
    look_twice(&proxy);
    assert_eq!(events(&proxy, &shop), Some([2, 1, 0]), "a failure that was cleared away is no event");
    migrate(5, "4", 50, true);
    shop.sql("UPDATE flyway_schema_history SET type = 'UNDO_SQL' WHERE version = '3'");
    until("what was taken back is not counted", || events(&proxy, &shop) == Some([3, 1, 1]));
    let duration = "pgcovenant_migration_duration_seconds";
    let labels = [("datname", &*shop.database), ("tool", "flyway")];
    assert_eq!(proxy.metric(&format!("{duration}_count"), &labels), 4.0);
    let sum = proxy.metric(&format!("{duration}_sum"), &labels);
    assert!((sum - 21.8).abs() < 1e-6, "{sum}");
    drop(proxy);
    let proxy = start();
    until("it has not looked", || events(&proxy, &shop) == Some([0, 0, 0]));
    look_twice(&proxy);
    assert_eq!(events(&proxy, &shop), Some([0, 0, 0]), "what was there before is no event");
}

//! What the server's own statistics tell of tables and indexes, at /metrics.

use std::time::Duration;

use crate::support::{Proxy, ProxyOptions, Shop, shop};

/// A proxy that reads the statistics all the time.
fn attentive(shop: &Shop) -> Proxy {
    let service_more = ", statistics: 200ms".to_owned();
    let service = Some("pgcovenant");
    Proxy::start(shop.cluster, ProxyOptions { service, service_more, ..ProxyOptions::default() })
}

#[tokio::test]
async fn sizes_kinds_and_unused_indexes_are_told() {
    let Some(shop) = shop("statistics") else { return };
    let (proxy, _policies) = shop.proxy();
    let table = |relation| [("datname", shop.database.as_str()), ("schemaname", "public"), ("relname", relation)];
    proxy.metric_reaches("pgcovenant_table_size_bytes", &table("orders"), 8192.0).await;
    let index = |name, kind| {
        let own = [("indexrelname", name), ("kind", kind), ("valid", "true")];
        [table("orders").as_slice(), &own].concat()
    };
    proxy.metric_reaches("pgcovenant_index_info", &index("orders_pkey", "primary"), 1.0).await;
    proxy
        .metric_reaches(
            "pgcovenant_index_size_bytes",
            &[("datname", &shop.database), ("indexrelname", "orders_pkey")],
            8192.0,
        )
        .await;
    let unused = "pgcovenant_index_unused_seconds";
    assert!(proxy.metric_if_any(unused, &[("datname", &shop.database), ("indexrelname", "orders_pkey")]).is_some());
}

#[tokio::test]
async fn who_waits_for_a_lock_is_seen() {
    let Some(shop) = shop("waiters") else { return };
    let proxy = attentive(&shop);
    let labels = [("datname", shop.database.as_str()), ("schemaname", "public"), ("relname", "payments")];
    let (holder, app) = (shop.direct("shop_app").await, shop.via(&proxy, "shop_app").await);
    app.rows("SELECT 1").await;
    holder.simple("BEGIN; LOCK TABLE payments IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let waiting = tokio::spawn(async move { app.rows("SELECT count(*) FROM payments").await });
    proxy.metric_reaches("pgcovenant_lock_waiters", &labels, 1.0).await;
    holder.simple("COMMIT").await.unwrap();
    waiting.await.unwrap();
    proxy.metric_becomes("pgcovenant_lock_waiters", &labels, 0.0);
}

#[tokio::test]
async fn a_dropped_index_is_named_within_two_scrapes() {
    let Some(shop) = shop("dropped") else { return };
    shop.sql(
        "CREATE INDEX orders_paid_idx ON orders (status); CREATE INDEX orders_other_idx ON orders (status, order_id)",
    );
    let (proxy, _policies) = shop.proxy();
    let all = |index| [("datname", shop.database.as_str()), ("relname", "orders"), ("indexrelname", index)];
    let info = [all("orders_paid_idx").as_slice(), &[("kind", "plain")]].concat();
    proxy.metric_reaches("pgcovenant_index_info", &info, 1.0).await;
    // Past the proxy, in the middle of the night.
    shop.sql("ALTER INDEX orders_other_idx RENAME TO orders_renamed_idx; DROP INDEX orders_paid_idx");
    let dropped = "pgcovenant_index_dropped_timestamp_seconds";
    let until = std::time::Instant::now() + Duration::from_secs(30);
    while proxy.metric_if_any(dropped, &all("orders_paid_idx")).is_none() {
        assert!(std::time::Instant::now() < until, "two scrapes have passed:\n{}", proxy.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(proxy.metric_if_any(dropped, &all("orders_other_idx")).is_none(), "that one has another name now");
    let log = proxy.log();
    let line = log.lines().find(|line| line.contains("an index was dropped")).expect("a line");
    for word in ["WARN", &shop.database, "table=orders", "index=orders_paid_idx", "bytes=", "scans_of_the_last_day=0"] {
        assert!(line.contains(word), "{word}: {line}");
    }
    shop.sql("CREATE INDEX orders_paid_idx ON orders (status)");
    for _ in 0..300 {
        if proxy.metric_if_any(dropped, &all("orders_paid_idx")).is_none() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it is back, and still said to be dropped");
}

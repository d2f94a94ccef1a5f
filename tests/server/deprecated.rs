//! Columns on their way out: a warning while deprecated, as good as dropped once past their sunset.

use std::time::Duration;

use crate::support::shop;

const DEPRECATED: &str = "phase: deprecated";
const SUNSET: &str = "phase: sunset";

#[tokio::test]
async fn a_deprecated_column_warns_once_per_session_and_shape() {
    let Some(shop) = shop("deprecated") else { return };
    let (proxy, _policies) = shop.proxy();
    let app = shop.via(&proxy, "shop_app").await;
    let sql = "SELECT estimated_delivery FROM orders WHERE order_id = 1";
    let direct = shop.direct("shop_app").await;
    assert_eq!(app.rows(sql).await, direct.rows(sql).await);
    let notices = app.notices();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert_eq!((notices[0].severity.as_str(), notices[0].code.as_str()), ("WARNING", "01P01"));
    assert!(notices[0].message.contains("estimated_delivery"), "{notices:?}");
    assert!(notices[0].hint.as_ref().is_some_and(|hint| hint.contains("shipping_eta")), "{notices:?}");

    app.rows("SELECT estimated_delivery FROM orders WHERE order_id = 2").await;
    assert_eq!(app.notices(), [], "the same shape again");
    app.rows("SELECT count(estimated_delivery) FROM orders").await;
    assert_eq!(app.notices().len(), 1, "another shape");
    app.rows("SELECT order_id, shipping_eta FROM orders").await;
    assert_eq!(app.notices(), [], "nothing deprecated");
    let other = shop.via(&proxy, "shop_app").await;
    other.rows(sql).await;
    assert_eq!(other.notices().len(), 1, "another session");
}

#[tokio::test]
async fn a_deprecated_column_warns_in_the_extended_protocol() {
    let Some(shop) = shop("deprecated_extended") else { return };
    let (proxy, _policies) = shop.proxy();
    let app = shop.via(&proxy, "shop_app").await;
    let sql = "SELECT estimated_delivery::text FROM orders WHERE order_id = $1";
    for order in 1..4_i64 {
        app.client.query(sql, &[&order]).await.unwrap();
    }
    let codes: Vec<_> = app.notices().into_iter().map(|notice| notice.code).collect();
    assert_eq!(codes, ["01P01"]);
}

#[tokio::test]
async fn use_of_a_deprecated_column_is_counted() {
    let Some(shop) = shop("deprecated_usage") else { return };
    let (proxy, _policies) = shop.proxy();
    let app = shop.via(&proxy, "shop_app").await;
    app.rows("SELECT estimated_delivery FROM orders WHERE order_id = 1").await;
    app.rows("SELECT * FROM orders WHERE order_id = 1").await;
    let labels = |access| [("relname", "orders"), ("column", "estimated_delivery"), ("access", access)];
    proxy.metric_reaches("pgcovenant_deprecated_access_total", &labels("explicit"), 1.0).await;
    proxy.metric_reaches("pgcovenant_deprecated_access_total", &labels("star"), 1.0).await;
}

#[tokio::test]
async fn past_its_sunset_a_column_is_as_good_as_dropped_and_can_come_back() {
    let Some(shop) = shop("sunset") else { return };
    let dropped = shop.twin("sunset_dropped");
    dropped.sql("ALTER TABLE orders DROP COLUMN estimated_delivery");
    let policies = shop.policies();
    policies.replace("contract.odcs.yaml", DEPRECATED, SUNSET);
    let proxy = shop.proxy_with(&policies, "");
    let app = shop.via(&proxy, "shop_app").await;
    let model = dropped.direct("shop_app").await;
    for sql in [
        "SELECT estimated_delivery FROM orders",
        "SELECT o.estimated_delivery FROM orders o WHERE order_id = 1",
        "SELECT order_id FROM orders WHERE estimated_delivery > now()",
        "SELECT order_id FROM orders ORDER BY estimated_delivery",
        "UPDATE orders SET estimated_delivery = now() WHERE order_id = 1",
        "INSERT INTO orders (order_id, estimated_delivery) VALUES (-1, now())",
    ] {
        let (expected, seen) = (model.error(sql).await, app.error(sql).await);
        assert_eq!(seen.code, expected.code, "{sql}: {seen:?}");
        assert_eq!(seen.message, expected.message, "{sql}");
        assert!(seen.hint.is_some(), "{sql}: {seen:?}");
    }
    for sql in [
        "SELECT * FROM orders WHERE order_id < 9 ORDER BY order_id",
        "SELECT o.*, c.name FROM orders o JOIN customers c ON c.id = o.customer_id WHERE order_id < 9 ORDER BY order_id",
        "SELECT count(*) FROM orders",
        "SELECT order_id, shipping_eta FROM orders WHERE order_id = 5",
    ] {
        assert_eq!(app.simple(sql).await.unwrap(), model.simple(sql).await.unwrap(), "{sql}");
    }

    policies.replace("contract.odcs.yaml", SUNSET, DEPRECATED);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(app.rows("SELECT estimated_delivery FROM orders").await.len(), 240);
}

//! What an SRE sees: /metrics itself, and through a real Prometheus.

use std::time::Duration;

use crate::support::{Prometheus, PrometheusOptions, shop};

#[tokio::test]
async fn statements_are_counted_by_table_and_operation() {
    let Some(shop) = shop("metrics") else { return };
    let (proxy, _policies) = shop.proxy();
    let app = shop.via(&proxy, "shop_app").await;
    for order in 1..=5 {
        app.rows(&format!("SELECT status FROM orders WHERE order_id = {order}")).await;
    }
    app.client.execute("UPDATE orders SET status = 'paid' WHERE order_id = $1", &[&1_i64]).await.unwrap();
    app.rows("SELECT count(*) FROM orders JOIN customers c ON c.id = customer_id").await;
    let count = "pgcovenant_table_statement_duration_seconds_count";
    let labels = |operation, relation| {
        [("datname", shop.database.as_str()), ("schemaname", "public"), ("relname", relation), ("operation", operation)]
    };
    proxy.metric_reaches(count, &labels("select", "orders"), 6.0).await;
    proxy.metric_reaches(count, &labels("update", "orders"), 1.0).await;
    proxy.metric_reaches(count, &labels("select", "customers"), 1.0).await;
    assert_eq!(proxy.metric(count, &labels("select", "orders")), 6.0);
    assert_eq!(proxy.metric(count, &labels("select", "customers")), 1.0);
}

#[tokio::test]
async fn decisions_are_counted_and_audited_without_values() {
    let Some(shop) = shop("decisions") else { return };
    let (proxy, _policies) = shop.proxy();
    let support = shop.via(&proxy, "support").await;
    support.rows("SELECT email FROM customers WHERE name = 'Tell-Tale Heart'").await;
    support.error("SELECT ssn FROM customers WHERE name = 'Tell-Tale Heart'").await;
    proxy.metric_reaches("pgcovenant_statements_total", &[("decision", "mask")], 1.0).await;
    proxy.metric_reaches("pgcovenant_statements_total", &[("decision", "deny")], 1.0).await;
    for _ in 0..200 {
        if proxy.audit().lines().count() >= 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let audit = proxy.audit();
    assert_eq!(audit.lines().count(), 2, "{audit}");
    for line in audit.lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(record.is_object(), "{line}");
        assert!(line.contains("support"), "{line}");
        assert!(!line.contains("Tell-Tale"), "{line}");
    }
    assert!(audit.contains("nobody-reads-ssn"), "{audit}");
    let (_, metrics) = proxy.get("/metrics").unwrap();
    assert!(!metrics.contains("Tell-Tale"));
}

#[tokio::test]
async fn what_clients_name_does_not_grow_the_metrics() {
    let Some(shop) = shop("cardinality") else { return };
    let (proxy, _policies) = shop.proxy();
    let app = shop.via(&proxy, "shop_app").await;
    let series = || proxy.get("/metrics").unwrap().1.lines().filter(|line| !line.starts_with('#')).count();
    app.rows("SELECT 1").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let before = series();
    for number in 0..300 {
        let _ = app.simple(&format!("SELECT * FROM nowhere_{number}")).await;
        app.simple(&format!("SET application_name = 'application {number}'")).await.unwrap();
        app.rows(&format!("SELECT {number} AS column_{number} FROM employees WHERE id = {number}")).await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let after = series();
    assert!(after < before + 200, "{before} series, then {after}");
}

#[tokio::test]
async fn a_real_prometheus_reads_them() {
    let Some(shop) = shop("prometheus") else { return };
    let (proxy, _policies) = shop.proxy();
    let app = shop.via(&proxy, "shop_app").await;
    app.rows("SELECT count(*) FROM payments").await;
    let options = PrometheusOptions { targets: vec![proxy.admin_port()], ..PrometheusOptions::default() };
    let Some(prometheus) = Prometheus::start(&options) else { return };
    let question =
        "sum by (datname, operation) (pgcovenant_table_statement_duration_seconds_count{relname=\"payments\"})";
    let counted = prometheus.until(question, |series| series.value == 1.0).await;
    assert!(counted.has(&[("datname", &shop.database), ("operation", "select")]), "{counted:?}");
}

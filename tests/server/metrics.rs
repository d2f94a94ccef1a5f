//! What an SRE sees: /metrics itself, and through a real Prometheus.

use std::fs;
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
async fn what_is_shown_unexpectedly_is_told_from_what_a_rule_allows() {
    let Some(shop) = shop("unexpected") else { return };
    let (proxy, policies) = shop.proxy();
    let app = shop.application(&proxy, "shop_app", "checkout").await;
    let support = shop.application(&proxy, "support", "helpdesk").await;
    let count = |column: &str, outcome: &str| {
        proxy.metric("pgcovenant_sensitive_access_total", &[("column", column), ("outcome", outcome)])
    };
    // No rule is about names, and rules about addresses are not about this role.
    app.rows("SELECT name, email FROM customers WHERE id = 1").await;
    proxy.metric_reaches("pgcovenant_sensitive_access_total", &[("outcome", "clear_unexpected")], 1.0).await;
    assert_eq!((count("name", "clear_unexpected"), count("name", "clear_allowed")), (1.0, 0.0));
    assert_eq!((count("email", "clear_unexpected"), count("email", "clear_allowed")), (0.0, 1.0));
    support.rows("SELECT name, email FROM customers WHERE id = 1").await;
    proxy.metric_reaches("pgcovenant_sensitive_access_total", &[("outcome", "masked")], 1.0).await;
    assert_eq!((count("name", "clear_unexpected"), count("email", "masked")), (2.0, 1.0));
    let who = [("column", "name"), ("outcome", "clear_unexpected"), ("application", "helpdesk")];
    assert_eq!(proxy.metric("pgcovenant_column_access_total", &who), 1.0, "and who that was");
    // Writing shows nothing.
    app.rows("UPDATE customers SET name = 'Zoe' WHERE id = 1").await;
    proxy.metric_reaches("pgcovenant_sensitive_access_total", &[("outcome", "clear_allowed")], 2.0).await;
    assert_eq!((count("name", "clear_unexpected"), count("name", "clear_allowed")), (2.0, 1.0));
    // Whoever answers for the data says that it is meant so.
    let text = fs::read_to_string(policies.policy_file()).unwrap();
    let rule = "rules:\n  - name: names-are-for-everybody\n    mode: enforce\n    \
                columns: {names: [public.customers.name]}\n    to: [{role: shop_app}, {role: support}]\n    action: allow\n";
    policies.write("policy.yaml", &text.replacen("rules:\n", rule, 1).replacen("version: 1", "version: 2", 1));
    proxy.metric_reaches("pgcovenant_policy_info", &[("version", "2")], 1.0).await;
    support.rows("SELECT name FROM customers WHERE id = 1").await;
    proxy
        .metric_reaches("pgcovenant_sensitive_access_total", &[("column", "name"), ("outcome", "clear_allowed")], 2.0)
        .await;
    assert_eq!(count("name", "clear_unexpected"), 2.0);
}

#[tokio::test]
async fn writes_of_governed_sessions_are_counted_by_what_became_of_them() {
    let Some(shop) = shop("write_checks") else { return };
    let (proxy, _policies) = shop.proxy();
    let support = shop.via(&proxy, "support").await;
    support.rows("UPDATE customers SET name = 'Zoe' WHERE id = 1").await;
    support.error("UPDATE customers SET country = 'NL' WHERE id = 1").await;
    support.error("DELETE FROM customers WHERE id = 1").await;
    let app = shop.via(&proxy, "shop_app").await;
    app.rows("UPDATE customers SET country = 'NL' WHERE id = 1").await;
    let checks = |result| [("schemaname", "public"), ("relname", "customers"), ("result", result)];
    proxy.metric_reaches("pgcovenant_write_checks_total", &checks("refused"), 2.0).await;
    proxy.metric_reaches("pgcovenant_statements_total", &[("decision", "allow"), ("operation", "update")], 2.0).await;
    let now = ["allowed", "refused"].map(|result| proxy.metric("pgcovenant_write_checks_total", &checks(result)));
    assert_eq!(now, [1.0, 2.0], "an observed session is not checked");
    let errors = |origin| proxy.metric("pgcovenant_errors_total", &[("application", "tests"), ("origin", origin)]);
    assert_eq!((errors("proxy"), errors("server")), (2.0, 0.0));
}

#[tokio::test]
async fn the_time_of_the_proxy_is_told_by_stage_and_by_table() {
    let Some(shop) = shop("stages") else { return };
    let (proxy, _policies) = shop.proxy();
    let support = shop.via(&proxy, "support").await;
    for id in 1..=4 {
        support.rows(&format!("SELECT email FROM customers WHERE id = {id}")).await;
    }
    proxy.metric_reaches("pgcovenant_overhead_seconds_count", &[("stage", "check")], 4.0).await;
    let stages = ["parse", "resolve", "decide", "rewrite", "verify", "check"]
        .map(|stage| proxy.metric("pgcovenant_overhead_seconds_count", &[("stage", stage)]));
    assert_eq!(stages, [1.0, 1.0, 1.0, 1.0, 1.0, 4.0], "a text of a known shape is not judged anew");
    let results = ["cached", "analysed", "unanalyzable"]
        .map(|result| proxy.metric("pgcovenant_analysis_total", &[("result", result)]));
    assert_eq!(results, [3.0, 1.0, 0.0]);
    let table = [("relname", "customers"), ("operation", "select")];
    assert_eq!(proxy.metric("pgcovenant_table_overhead_seconds_count", &table), 4.0);
    let sum = |name: &str, labels: &[(&str, &str)]| proxy.metric(name, labels);
    let whole = sum("pgcovenant_overhead_seconds_sum", &[("stage", "check")]);
    assert_eq!(sum("pgcovenant_table_overhead_seconds_sum", &table), whole);
    let parts: f64 = ["parse", "resolve", "decide", "rewrite", "verify"]
        .map(|stage| sum("pgcovenant_overhead_seconds_sum", &[("stage", stage)]))
        .iter()
        .sum();
    assert!(parts > 0.0 && parts <= whole, "{parts} of {whole}");
}

#[tokio::test]
async fn tables_of_a_contract_are_joined_with_whose_they_are() {
    let Some(shop) = shop("whose") else { return };
    let policies = shop.policies();
    let contract = fs::read_to_string(policies.contract_file()).unwrap();
    let more = "status: active\nteam: {name: checkout}\nslaProperties:\n  - {property: p95, value: 50, unit: ms, element: orders}\n\
                customProperties:\n  - {property: pgcovenantCriticality, value: high}\n";
    policies.write("contract.odcs.yaml", &contract.replacen("status: active\n", more, 1));
    let proxy = shop.proxy_with(&policies, "");
    let table = |relation| [("datname", shop.database.as_str()), ("schemaname", "public"), ("relname", relation)];
    let info = [&table("orders")[..], &[("team", "checkout"), ("criticality", "high"), ("contract", "shop")]].concat();
    assert_eq!(proxy.metric("pgcovenant_table_info", &info), 1.0);
    assert_eq!(proxy.metric("pgcovenant_table_latency_target_seconds", &table("orders")), 0.05);
    assert_eq!(proxy.metric("pgcovenant_table_latency_target_seconds", &table("payments")), 0.2);
    let digest = || {
        let (_, text) = proxy.get("/metrics").unwrap();
        let mut lines = text.lines().filter(|line| line.starts_with("pgcovenant_bundle_info"));
        (lines.next().unwrap().to_owned(), lines.count())
    };
    let before = digest();
    assert_eq!(before.1, 0, "one digest at a time");
    policies.replace("contract.odcs.yaml", "{name: checkout}", "{name: payments}");
    proxy.metric_reaches("pgcovenant_table_info", &[("team", "payments")], 1.0).await;
    assert_eq!(proxy.metric_if_any("pgcovenant_table_info", &[("team", "checkout")]), None);
    assert_ne!(before, digest());
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

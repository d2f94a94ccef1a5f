//! The rules that are shipped, in a real Prometheus that watches a proxy at work, with a real Alertmanager behind it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::alertmanager::Alertmanager;
use crate::support::shop::Policies;
use crate::support::{Prometheus, PrometheusOptions, Proxy, ProxyOptions, Shop, project, shop};

/// The rules, without the time for which an alert must hold before it fires.
fn hurried_rules(into: &Path) -> Vec<PathBuf> {
    let folder = project("deploy/prometheus/rules");
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    names
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let lines = text.lines().filter(|line| !line.starts_with("        for: "));
            let copy = into.join(path.file_name().unwrap());
            fs::write(&copy, lines.collect::<Vec<_>>().join("\n")).unwrap();
            copy
        })
        .collect()
}

/// Waits until every rule has been evaluated; fails at once if one could not be.
async fn every_rule_is_evaluated(prometheus: &Prometheus) {
    let until = Instant::now() + Duration::from_secs(120);
    loop {
        let rules = prometheus.rules();
        let failed: Vec<_> = rules.iter().filter(|rule| rule["health"] == "err").collect();
        assert!(failed.is_empty(), "{failed:#?}");
        if rules.len() > 60 && rules.iter().all(|rule| rule["health"] == "ok") {
            return;
        }
        assert!(Instant::now() < until, "{} rules, not all evaluated", rules.len());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The alert with these labels, once it fires: as Prometheus tells it, with its annotations.
async fn firing(prometheus: &Prometheus, name: &str, labels: &[(&str, &str)]) -> Value {
    let until = Instant::now() + Duration::from_secs(120);
    loop {
        let rules = prometheus.rules();
        let alerts: Vec<Value> = rules
            .iter()
            .filter(|rule| rule["name"] == name)
            .flat_map(|rule| rule["alerts"].as_array().cloned().unwrap_or_default())
            .collect();
        let wanted = |alert: &&Value| {
            alert["state"] == "firing" && labels.iter().all(|(label, value)| alert["labels"][*label] == *value)
        };
        if let Some(alert) = alerts.iter().find(wanted) {
            return alert.clone();
        }
        assert!(Instant::now() < until, "{name} does not fire with {labels:?}: {alerts:#?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// A shop at work until the handle is aborted.
pub async fn at_work(shop: &Shop, proxy: &Proxy) -> tokio::task::JoinHandle<()> {
    let checkout = shop.application(proxy, "shop_app", "checkout").await;
    let support = shop.application(proxy, "support", "helpdesk").await;
    tokio::spawn(async move {
        for order in 1.. {
            checkout.rows(&format!("SELECT status FROM orders WHERE order_id = {}", order % 200)).await;
            checkout.rows("SELECT estimated_delivery FROM orders WHERE order_id = 7").await;
            checkout.rows("SELECT count(*) FROM orders").await;
            let _failed = checkout.simple("SELECT 1 / 0").await;
            checkout.rows("UPDATE orders SET shipping_eta = now() WHERE order_id = 7").await;
            support.rows("SELECT email FROM customers WHERE id = 1").await;
            let _refused = support.simple("SELECT ssn FROM customers WHERE id = 1").await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
}

/// The shop's policies, with a contract that says whose it is.
fn owned(shop: &Shop) -> Policies {
    let policies = shop.policies();
    let owner = "customProperties:\n  - {property: pgcovenantTeam, value: checkout}\nservers:\n";
    policies.replace("contract.odcs.yaml", "servers:\n", owner);
    policies
}

/// Prometheus with the rules, none of which waits for long, and the folder that they are in.
fn watching(proxy: &Proxy) -> Option<(Prometheus, TempDir)> {
    let folder = tempfile::tempdir().unwrap();
    let rules = hurried_rules(folder.path());
    let options = PrometheusOptions { targets: vec![proxy.admin_port()], rules, ..PrometheusOptions::default() };
    Some((Prometheus::start(&options)?, folder))
}

#[tokio::test]
async fn every_rule_is_evaluated_over_a_proxy_at_work_and_its_faults_fire() {
    let Some(shop) = shop("alerts") else { return };
    let policies = owned(&shop);
    let proxy = shop.proxy_with(&policies, "drift: {interval: 1s, grace: 0s}");
    let work = at_work(&shop, &proxy).await;
    let Some((prometheus, _rules)) = watching(&proxy) else { return };
    every_rule_is_evaluated(&prometheus).await;
    let mailing = shop.application(&proxy, "shop_app", "mailing").await;
    mailing.rows("SELECT name FROM customers WHERE id = 1").await;

    let p95 = "datname_schemaname_relname_operation:pgcovenant_table_statement_duration_seconds:p95_5m";
    let selects =
        prometheus.until(&format!("{p95}{{relname=\"orders\",operation=\"select\"}}"), |p95| p95.value > 0.0).await;
    assert!(selects.has(&[("datname", &shop.database), ("schemaname", "public")]), "{selects:?}");
    let refused = prometheus.until("datname:pgcovenant_refused:ratio5m", |share| share.value > 0.0).await;
    assert!(refused.value < 0.5, "{refused:?}");

    let name = [("column", "name"), ("classification", "confidential"), ("severity", "critical"), ("team", "checkout")];
    let alert = firing(&prometheus, "PgcovenantSensitiveClearAccess", &name).await;
    assert_eq!(alert["labels"]["datname"], shop.database.as_str());
    let summary = alert["annotations"]["summary"].as_str().unwrap();
    assert!(summary.starts_with("public.customers.name (confidential) is read in the clear"), "{summary}");

    policies.write("policy.yaml", "apiVersion: pgcovenant/v1\nkind: Polity\n");
    let instance = format!("127.0.0.1:{}", proxy.admin_port());
    let labels = [("instance", &*instance), ("severity", "warning")];
    let alert = firing(&prometheus, "PgcovenantPolicyReloadFailed", &labels).await;
    assert_eq!(alert["annotations"]["summary"], format!("{instance} has refused the policy files"));
    work.abort();
}

#[tokio::test]
async fn drift_names_its_table_and_the_worse_alert_holds_back_the_other() {
    let Some(shop) = shop("drift_alerts") else { return };
    let policies = owned(&shop);
    let proxy = shop.proxy_with(&policies, "drift: {interval: 1s, grace: 0s}");
    let Some(alertmanager) = Alertmanager::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let options = PrometheusOptions {
        targets: vec![proxy.admin_port()],
        rules: hurried_rules(folder.path()),
        more: alertmanager.for_prometheus(),
    };
    let Some(prometheus) = Prometheus::start(&options) else { return };
    shop.sql("ALTER TABLE orders ALTER status TYPE varchar(20), ADD gift_email text; ALTER TABLE payments ADD payer_email text");
    let database = shop.database.as_str();
    let labels = [("datname", database), ("relname", "orders"), ("kind", "type_mismatch"), ("team", "checkout")];
    let alert = firing(&prometheus, "PgcovenantDriftBreaking", &labels).await;
    assert_eq!(alert["annotations"]["summary"], format!("{database} breaks its contract: type_mismatch orders (1)"));

    let state = |name: &str, relation: &str| {
        let alerts = alertmanager.alerts();
        let alert = alerts.iter().find(|alert| {
            alert["labels"]["alertname"] == name
                && alert["labels"]["relname"] == relation
                && alert["labels"]["kind"] != "grant_bypass"
        });
        alert.map(|alert| alert["status"]["state"].as_str().unwrap_or_default().to_owned()).unwrap_or_default()
    };
    let until = Instant::now() + Duration::from_secs(120);
    loop {
        let states = [
            state("PgcovenantDriftBreaking", "orders"),
            state("PgcovenantDriftRisky", "orders"),
            state("PgcovenantDriftRisky", "payments"),
        ];
        if states == ["active", "suppressed", "active"] {
            return;
        }
        assert!(Instant::now() < until, "{states:?}: {:#?}", alertmanager.alerts());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn data_that_is_not_as_promised_is_told_to_the_team_of_its_table() {
    let Some(shop) = shop("data_alerts") else { return };
    let policies = owned(&shop);
    let contract = "contract.odcs.yaml";
    let fresh = "slaProperties: [{property: freshness, value: 1, unit: h, element: orders.created_at}]\nschema:\n";
    policies.replace(contract, "schema:\n", fresh);
    let paid = "  - name: orders\n    relationships: [{from: orders.order_id, to: payments.order_id}]\n";
    policies.replace(contract, "  - name: orders\n", paid);
    shop.sql("GRANT SELECT (order_id, created_at) ON orders, payments TO pgcovenant");
    let proxy = shop.proxy_with(&policies, "data_checks: {orphans: 1s, freshness: 1s}");
    let Some((prometheus, _rules)) = watching(&proxy) else { return };
    let orders = [("datname", &*shop.database), ("relname", "orders"), ("team", "checkout")];
    let alert = firing(&prometheus, "PgcovenantOrphanRows", &orders).await;
    assert_eq!(alert["labels"]["severity"], "critical");
    let unpaid = shop
        .sql("SELECT count(*) FROM orders o WHERE NOT EXISTS (SELECT FROM payments p WHERE p.order_id = o.order_id)");
    let summary = format!("{unpaid} rows of public.orders have no partner: order_id -> payments.order_id");
    assert_eq!(alert["annotations"]["summary"], summary);
    let alert = firing(&prometheus, "PgcovenantFreshnessBreached", &orders).await;
    let description = format!("In database {}. Its contract promises 1h 0m 0s at most.", shop.database);
    assert_eq!(alert["annotations"]["description"], description);
}

#[tokio::test]
async fn an_index_that_was_dropped_is_named_with_its_table_and_team() {
    let Some(shop) = shop("index_alerts") else { return };
    let policies = owned(&shop);
    let proxy = Proxy::start(
        shop.cluster,
        ProxyOptions {
            policies: Some(policies.path().to_owned()),
            service: Some("pgcovenant"),
            service_more: ", statistics: 200ms".to_owned(),
            ..ProxyOptions::default()
        },
    );
    let Some((prometheus, _rules)) = watching(&proxy) else { return };
    prometheus.until("pgcovenant_index_info{indexrelname=\"orders_customer_id_idx\"}", |_| true).await;
    shop.sql("DROP INDEX orders_customer_id_idx");
    let index = [("relname", "orders"), ("indexrelname", "orders_customer_id_idx"), ("team", "checkout")];
    let alert = firing(&prometheus, "PgcovenantIndexDropped", &index).await;
    assert_eq!(alert["labels"]["datname"], shop.database.as_str());
    let link = format!("/d/pgcovenant-table?var-datname={}&var-schemaname=public&var-relname=orders", shop.database);
    let dashboard = alert["annotations"]["dashboard_url"].as_str().unwrap();
    assert!(dashboard.ends_with(&link), "{dashboard}");
}

//! Whatever clients call things, the set of series stays as it is; what a contract names has its own series.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::support::{Proxy, Shop, shop};

const SESSIONS: usize = 50;
const NAMES: usize = 10_000;
const TABLES: usize = 60;

/// Applications and relations that have places of their own.
const LIMITS: &str = "labels: {applications: 15, relations: 20, consumers: 25}";

/// Metrics that grow with what clients do, and how.
const BY_TRAFFIC: &[&str] = &[
    "statements_total",
    "errors_total",
    "client_connections",
    "server_connections",
    "sessions_total",
    "refusals_total",
    "statement_duration_seconds",
    "table_statements_total",
    "table_rows_total",
    "table_statement_duration_seconds",
    "table_overhead_seconds",
    "sensitive_access_total",
    "column_access_total",
    "deprecated_access_total",
    "deprecated_column_last_access_timestamp_seconds",
    "unanalyzable_statements_total",
    "write_checks_total",
    "label_overflow_total",
    "label_values",
];

/// Series by name and labels.
fn series(proxy: &Proxy) -> BTreeSet<String> {
    let (_, text) = proxy.get("/metrics").unwrap();
    let names = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' '));
    let is_by_traffic = |name: &&str| {
        let base = name.split('{').next().unwrap().trim_start_matches("pgcovenant_");
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| base.strip_suffix(end)).unwrap_or(base);
        BY_TRAFFIC.contains(&base)
    };
    names.map(|(name, _)| name).filter(is_by_traffic).map(str::to_owned).collect()
}

/// Waits until no session is left; they say goodbye in this thread.
async fn everybody_has_gone(proxy: &Proxy) {
    for _ in 0..500 {
        if proxy.metric("pgcovenant_client_connections", &[]) == 0.0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{} sessions are left", proxy.metric("pgcovenant_client_connections", &[]));
}

fn of<'a>(series: &'a BTreeSet<String>, name: &str) -> Vec<&'a String> {
    series.iter().filter(|series| series.starts_with(&format!("pgcovenant_{name}{{"))).collect()
}

/// A session for each of many applications; together they name ten thousand tables, columns and applications that nobody
/// knows, and the tables in `known`, all of them in pipelines.
async fn talk(shop: &Shop, proxy: &Proxy, wave: &str, known: std::ops::Range<usize>) {
    for session in 0..SESSIONS {
        let client = shop.application(proxy, "shop_app", &format!("{wave}-application-{session}")).await.client;
        let client = Arc::new(client);
        let mut answers = JoinSet::new();
        let mut send = |sql: String| {
            let client = Arc::clone(&client);
            answers.spawn(async move { client.simple_query(&sql).await.is_ok() });
        };
        for number in (session..NAMES).step_by(SESSIONS) {
            send(format!("SET application_name TO '{wave} set {number}'"));
            let sql = match number % 2 {
                0 => format!("SELECT {wave}_column_{number} FROM {wave}_table_{number}"),
                _ => format!("SELECT email, {wave}_column_{number} FROM customers AS {wave}_alias_{number}"),
            };
            send(sql);
        }
        known.clone().for_each(|number| send(format!("SELECT a FROM bulk_{number}")));
        send("SELECT email, estimated_delivery FROM customers, orders LIMIT 1".to_owned());
        let mut passed = 0;
        while let Some(answer) = answers.join_next().await {
            passed += usize::from(answer.unwrap());
        }
        assert_eq!(passed, NAMES / SESSIONS + known.len() + 1, "what exists answers, and what does not is an error");
    }
}

#[tokio::test]
async fn ten_thousand_names_do_not_add_one_series_and_a_contract_has_its_own() {
    let Some(shop) = shop("ten_thousand") else { return };
    shop.sql(&format!(
        "DO $$ BEGIN FOR n IN 0..{TABLES} LOOP EXECUTE format('CREATE TABLE bulk_%s AS SELECT 1 AS a', n); \
         EXECUTE format('GRANT SELECT ON bulk_%s TO shop_app', n); END LOOP; END $$"
    ));
    let policies = shop.policies();
    let proxy = shop.proxy_with(&policies, LIMITS);
    talk(&shop, &proxy, "first", 0..TABLES / 2).await;
    let all = |count| proxy.metric_reaches("pgcovenant_statements_total", &[("operation", "select")], count);
    let selects = (NAMES + SESSIONS * (TABLES / 2 + 1)) as f64;
    all(selects).await;
    everybody_has_gone(&proxy).await;
    let first = series(&proxy);

    // The application of the proxy's own tests and those that came first; tables of the contract and those that came first.
    let applications = of(&first, "client_connections");
    assert_eq!(applications.len(), 16 * 4, "15 applications and __other__, by state: {applications:#?}");
    let statements = of(&first, "statements_total");
    let named: BTreeSet<_> = statements.iter().filter_map(|name| name.split("application=\"").nth(1)).collect();
    let named: BTreeSet<_> = named.iter().filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(named.len(), 16, "15 applications and __other__: {named:?}");
    let tables = of(&first, "table_statements_total");
    assert_eq!(tables.len(), 20 + 2 + 1, "20 tables, customers and orders of the contract, and __other__: {tables:#?}");
    let consumers = of(&first, "column_access_total");
    let pairs: BTreeSet<_> = consumers
        .iter()
        .filter(|name| !name.contains("application=\"__other__\""))
        .filter_map(|name| name.split_once("column=")?.1.split_once(",access="))
        .map(|(pair, _)| pair)
        .collect();
    assert_eq!(pairs.len(), 25, "pairs of a column and an application: {pairs:#?}");
    assert!(!first.iter().any(|name| name.contains("_column_1") || name.contains("first_table")));
    for label in ["application", "relname", "consumer"] {
        assert!(proxy.metric("pgcovenant_label_overflow_total", &[("label", label)]) > 0.0, "{label}");
    }
    assert_eq!(proxy.metric("pgcovenant_label_values", &[("label", "application")]), 15.0);
    assert!(first.len() < 1200, "{} series", first.len());

    talk(&shop, &proxy, "second", TABLES / 2..TABLES).await;
    all(2.0 * selects).await;
    everybody_has_gone(&proxy).await;
    assert_eq!(first, series(&proxy), "other names, the same series");

    let contract = std::fs::read_to_string(policies.contract_file()).unwrap();
    let more = "\nschema:\n  - name: bulk_59\n    physicalType: table\n    properties:\n      - name: a\n        \
                physicalType: integer\n        customProperties:\n          - property: pgcovenantLifecycle\n            \
                value: {phase: deprecated, consumers: [{application: late, phase: restricted}]}\n";
    policies.write("contract.odcs.yaml", &contract.replacen("\nschema:\n", more, 1));
    let table = [("datname", shop.database.as_str()), ("schemaname", "public"), ("relname", "bulk_59")];
    proxy.metric_reaches("pgcovenant_table_info", &table, 1.0).await;
    let late = shop.application(&proxy, "shop_app", "late").await;
    late.rows("SELECT 1 FROM bulk_59").await;
    proxy.metric_reaches("pgcovenant_table_statements_total", &table, 1.0).await;
    assert_eq!(proxy.metric("pgcovenant_table_statements_total", &table), 1.0);
    assert_eq!(proxy.metric("pgcovenant_client_connections", &[("application", "late")]), 1.0);
    assert_eq!(proxy.metric("pgcovenant_statements_total", &[("application", "late")]), 1.0);
}

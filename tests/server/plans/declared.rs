//! Queries that a contract declares, beside the plans that they get.

use serde_json::Value;

use super::{OFTEN, order, plan, shop, told, until};
use crate::support::Proxy;

#[tokio::test]
async fn a_declared_query_is_compared_with_the_plans_that_it_gets() {
    let Some(shop) = shop("declared") else { return };
    let policies = shop.policies();
    let declared = "
    customProperties:
      - property: pgcovenantQueries
        value:
          - {name: order_by_number, sql: \"select status from orders where order_id = $1;\", access: index, index: orders_pkey}
          - {name: orders_in_index, sql: 'SELECT status FROM orders WHERE order_id = 1', access: index_only}
          - {name: never_seen, sql: 'SELECT total_amount FROM orders WHERE order_id = 1', access: any_index}
";
    let contract = std::fs::read_to_string(policies.contract_file()).unwrap();
    let at = contract.find("  - name: orders\n").expect("the table") + "  - name: orders".len();
    policies.write("contract.odcs.yaml", &format!("{}{}{}", &contract[..at], declared.trim_end(), &contract[at..]));
    let (status, output, errors) = Proxy::run(&["check", policies.path().to_str().unwrap()]);
    assert_eq!(status, Some(0), "{output}{errors}");
    let proxy = shop.proxy_with(&policies, OFTEN);
    let app = shop.via(&proxy, "shop_app").await;
    until(&proxy, async || order(&app, 1_000_007).await, |told| plan(told, "orders").contains("orders_pkey")).await;
    let query = |name| [("datname", shop.database.as_str()), ("query", name)];
    let metric = "pgcovenant_declared_query_satisfied";
    proxy.metric_reaches(metric, &query("order_by_number"), 1.0).await;
    proxy.metric_becomes(metric, &query("orders_in_index"), 0.0);
    assert_eq!(proxy.metric_if_any(metric, &query("orders_in_index")), Some(0.0));
    assert_eq!(proxy.metric_if_any(metric, &query("never_seen")), None, "no plan of it was seen");
    let queries = told(&proxy)["queries"].clone();
    assert_eq!(queries[0]["satisfied"], true, "{queries:#}");
    assert_eq!((&queries[1]["satisfied"], &queries[2]["satisfied"]), (&Value::Bool(false), &Value::Null));
    let log = proxy.log();
    assert!(log.contains("a declared query is not planned as declared") && log.contains("orders_in_index"), "{log}");
}

#[test]
fn a_declared_query_that_nobody_could_run_is_reported_with_its_place() {
    let Some(shop) = shop("undeclared") else { return };
    let policies = shop.policies();
    let declared = "
    customProperties:
      - property: pgcovenantQueries
        value:
          - {name: broken, sql: SELECT FROM WHERE, access: index}
          - {name: writes, sql: DELETE FROM orders, access: index}
          - {name: other, sql: SELECT 1 FROM payments, access: any_index}
";
    let contract = std::fs::read_to_string(policies.contract_file()).unwrap();
    let at = contract.find("  - name: orders\n").expect("the table") + "  - name: orders".len();
    policies.write("contract.odcs.yaml", &format!("{}{}{}", &contract[..at], declared.trim_end(), &contract[at..]));
    let (status, output, errors) = Proxy::run(&["check", policies.path().to_str().unwrap()]);
    assert_eq!(status, Some(1), "{output}{errors}");
    let said = output + &errors;
    for word in [
        "the query `broken` is none that only reads",
        "the query `writes` is none that only reads: no SELECT",
        "the query `other` does not name the table `orders`",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
}

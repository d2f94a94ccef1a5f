//! The journal of changes: whatever is behind "it was fine an hour ago" is in it, by whatever way it came.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Proxy, ProxyOptions, shop};

/// The answer to `pgcovenant changes` with these arguments.
fn changes(proxy: &Proxy, arguments: &[&str]) -> String {
    let url = format!("http://127.0.0.1:{}", proxy.admin_port());
    let (code, said, complaint) = Proxy::run(&[&["changes", "--url", &url], arguments].concat());
    assert_eq!(code, Some(0), "{complaint}");
    said
}

/// Waits until some line of the answer has all these words.
async fn told(proxy: &Proxy, arguments: &[&str], words: &[&str]) -> String {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let said = changes(proxy, arguments);
        if let Some(line) = said.lines().find(|line| words.iter().all(|word| line.contains(word))) {
            return line.to_owned();
        }
        assert!(Instant::now() < until, "no line with {words:?}:\n{said}\n{}", proxy.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn what_was_done_to_the_structure_is_told_whoever_did_it() {
    let Some(shop) = shop("changes") else { return };
    let policies = shop.policies();
    let options = ProxyOptions {
        policies: Some(policies.path().to_owned()),
        service: Some("pgcovenant"),
        service_more: ", statistics: 200ms, refresh: 1s".to_owned(),
        ..ProxyOptions::default()
    };
    let proxy = Proxy::start(shop.cluster, options);
    told(&proxy, &[], &["process", "began"]).await;
    let labels = [("datname", shop.database.as_str()), ("indexrelname", "orders_pkey")];
    proxy.metric_reaches("pgcovenant_index_info", &labels, 1.0).await;

    let owner = shop.application(&proxy, "postgres", "flyway").await;
    owner.simple("ALTER TABLE orders ADD COLUMN gift text DEFAULT 'Zq8-secret'").await.unwrap();
    let of_orders = ["--table", "public.orders", "--database", &shop.database];
    let ddl = told(&proxy, &of_orders, &["  ddl  ", "ALTER TABLE", "user postgres, application flyway"]).await;
    assert!(!ddl.contains("Zq8"), "no literals: {ddl}");
    told(&proxy, &of_orders, &["  structure  ", "column gift text was added"]).await;

    // Past the proxy.
    shop.sql("ALTER TABLE orders ALTER gift TYPE varchar(20), ALTER gift SET NOT NULL; CREATE INDEX orders_gift_idx ON orders (gift)");
    told(&proxy, &of_orders, &["column gift is character varying(20) now, it was text"]).await;
    told(&proxy, &of_orders, &["column gift must not be null now"]).await;
    told(&proxy, &of_orders, &["  index  ", "index orders_gift_idx is new"]).await;
    shop.sql("ALTER TABLE orders RENAME gift TO present; DROP INDEX orders_gift_idx; CREATE TABLE \"Odd\" (a int)");
    told(&proxy, &of_orders, &["column gift is called present now"]).await;
    told(&proxy, &of_orders, &["index orders_gift_idx is gone"]).await;
    told(&proxy, &["--kind", "structure", "--since", "1h"], &["public.\"Odd\"", "the table was created"]).await;
    shop.sql("ALTER TABLE orders DROP present; DROP TABLE \"Odd\"");
    told(&proxy, &of_orders, &["column present was dropped"]).await;
    told(&proxy, &["--table", "Odd"], &["the table was dropped"]).await;

    // A statement that was refused, or failed, has changed nothing.
    let before = changes(&proxy, &["--kind", "ddl"]).lines().count();
    owner.simple("ALTER TABLE orders ADD COLUMN order_id int").await.unwrap_err();
    assert_eq!(changes(&proxy, &["--kind", "ddl"]).lines().count(), before);
    proxy.metric_reaches("pgcovenant_changes_total", &[("datname", &shop.database), ("kind", "structure")], 5.0).await;
}

#[tokio::test]
async fn what_an_edit_of_the_files_means_is_told() {
    let Some(shop) = shop("changed_files") else { return };
    let (proxy, policies) = shop.proxy();
    policies.replace("policy.yaml", "action: {mask: {email: {}}}", "action: {mask: {\"null\": {}}}");
    let line = told(&proxy, &["--kind", "files", "--table", "customers"], &["public.customers.email", "support"]).await;
    assert!(line.contains("mask"), "{line}");
    assert!(proxy.log().contains("public.customers.email"), "the log has it as well:\n{}", proxy.log());
    policies.write("broken.yaml", "kind: [");
    told(&proxy, &["--kind", "files"], &["refused; what was in force stays"]).await;
    std::fs::remove_file(policies.path().join("broken.yaml")).unwrap();
    told(&proxy, &["--kind", "files"], &["nothing is different for anybody"]).await;
}

#[tokio::test]
async fn questions_are_answered_or_refused_in_words() {
    let Some(shop) = shop("changes_asked") else { return };
    let (proxy, _policies) = shop.proxy();
    let get = |query: &str| {
        let (status, body) = proxy.get(&format!("/api/v1/changes?{query}")).expect("an answer");
        (status, serde_json::from_str::<Value>(&body).expect("JSON"))
    };
    let (status, all) = get("limit=1&kind=process");
    assert_eq!((status, all["total"].as_u64(), all["forgotten"].as_u64()), (200, Some(1), Some(0)));
    assert_eq!(all["changes"][0]["kind"], "process");
    assert_eq!(get("since=2999-01-01").1["changes"].as_array().map(Vec::len), Some(0));
    for (query, parameter) in [("kind=weather", "kind"), ("since=noon", "since"), ("limit=0", "limit"), ("a=b", "a")] {
        let (status, refused) = get(query);
        assert_eq!((status, refused["parameter"].as_str()), (400, Some(parameter)), "{refused}");
    }
    let url = format!("http://127.0.0.1:{}", proxy.admin_port());
    let (code, _, complaint) = Proxy::run(&["changes", "--url", &url, "--since", "noon"]);
    assert!(code == Some(2) && complaint.contains("\"noon\" is no value of \"since\""), "{complaint}");
}

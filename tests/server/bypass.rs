//! Sessions that come around the proxy.

use std::time::Duration;

use crate::support::{Proxy, ProxyOptions, Shop, shop};

const AROUND: &str = "a session came around the proxy";

fn bypass(proxy: &Proxy, shop: &Shop, sessions: f64) {
    proxy.metric_becomes("pgcovenant_bypass_sessions", &[("datname", &shop.database)], sessions);
}

/// The lines of the log with these words; waits until there are some.
fn lines(proxy: &Proxy, words: &str) -> Vec<String> {
    for _ in 0..300 {
        let log = proxy.log();
        let found: Vec<_> = log.lines().filter(|line| line.contains(words)).map(str::to_owned).collect();
        if !found.is_empty() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("no {words:?} in the log:\n{}", proxy.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_with_the_server_itself_is_counted_and_named_once() {
    let Some(shop) = shop("bypass") else { return };
    let policies = shop.policies();
    let proxy = shop.proxy_with(&policies, "bypass: {interval: 100ms}");
    let app = shop.application(&proxy, "shop_app", "checkout").await;
    bypass(&proxy, &shop, 0.0);
    let direct = shop.direct("support").await;
    direct.simple("SET application_name = 'lap\ttop'").await.unwrap();
    bypass(&proxy, &shop, 1.0);
    let another = shop.direct("analyst").await;
    bypass(&proxy, &shop, 2.0);
    let named = lines(&proxy, AROUND);
    assert_eq!(named.len(), 2, "each once: {named:#?}");
    let pid = direct.value("SELECT pg_backend_pid()").await;
    for word in [" WARN ", "user=support", "address=\"127.0.0.1\"", &format!("pid={pid}"), &shop.database] {
        assert!(named[0].contains(word), "{word}: {named:#?}");
    }
    assert!(named[1].contains("user=analyst"), "{named:#?}");
    assert!(!proxy.log().contains("user=shop_app address"), "{}", proxy.log());
    drop(direct);
    bypass(&proxy, &shop, 1.0);
    drop(another);
    bypass(&proxy, &shop, 0.0);
    assert_eq!(app.value("SELECT 1").await, "1");
    assert_eq!(lines(&proxy, AROUND).len(), 2, "{}", proxy.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_the_configuration_expects_do_not_count() {
    let Some(shop) = shop("bypass_expected") else { return };
    let policies = shop.policies();
    let expected =
        "bypass: {interval: 100ms, expected: [{from: \"dns:localhost\", user: shop_app}, {application: flyway}]}";
    let proxy = shop.proxy_with(&policies, expected);
    // Another proxy in front of the same server, and a migration.
    let other = shop.transparent_proxy();
    let _replica = shop.application(&other, "shop_app", "checkout").await;
    let migration = shop.direct("postgres").await;
    migration.simple("SET application_name = 'flyway'").await.unwrap();
    let stranger = shop.direct("support").await;
    bypass(&proxy, &shop, 1.0);
    let named = lines(&proxy, AROUND);
    assert!(named.iter().all(|line| line.contains("user=support")), "{named:#?}");
    drop(stranger);
    bypass(&proxy, &shop, 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_may_not_see_others_says_so_once_and_tells_no_number() {
    let Some(shop) = shop("bypass_blind") else { return };
    shop.sql("CREATE ROLE pgcovenant_blind LOGIN PASSWORD 'pgcovenant_blind'");
    let policies = shop.policies();
    let options = ProxyOptions {
        policies: Some(policies.path().to_owned()),
        service: Some("pgcovenant_blind"),
        more: "bypass: {interval: 100ms}".to_owned(),
        ..ProxyOptions::default()
    };
    let proxy = Proxy::start(shop.cluster, options);
    let _direct = shop.direct("support").await;
    let blind = lines(&proxy, "sessions that come around the proxy cannot be told");
    assert!(blind[0].contains(" WARN ") && blind[0].contains("GRANT pg_read_all_stats"), "{blind:#?}");
    assert_eq!(proxy.metric_if_any("pgcovenant_bypass_sessions", &[]), None);

    shop.sql("GRANT pg_read_all_stats TO pgcovenant_blind");
    bypass(&proxy, &shop, 1.0);
    assert_eq!(lines(&proxy, "sessions that come around the proxy cannot be told").len(), 1, "once");
    lines(&proxy, "can be told from now on");
    shop.sql("REVOKE pg_read_all_stats FROM pgcovenant_blind");
    assert_eq!(lines(&proxy, "can be told from now on").len(), 1);
    for _ in 0..300 {
        if proxy.metric_if_any("pgcovenant_bypass_sessions", &[]).is_none() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("a number that nobody knows is told:\n{}", proxy.log());
}

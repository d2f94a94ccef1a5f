//! What a container platform and systemd ask: is it alive, is it ready, and if not, why. Draining and an unreachable server
//! are in drain.rs, drift in drift.rs.

use std::time::Duration;

use crate::support::systemd::Notified;
use crate::support::{Proxy, ProxyOptions, shop, until};

fn health(url: &str) -> (Option<i32>, String) {
    let (code, stdout, stderr) = Proxy::run(&["health", "--url", url]);
    (code, stdout + &stderr)
}

#[test]
fn health_says_by_its_exit_code_what_the_pages_say() {
    let Some(shop) = shop("health") else { return };
    let more = "limits: {drain_delay: 60s}".to_owned();
    let proxy = Proxy::start(shop.cluster, ProxyOptions { more, ..ProxyOptions::default() });
    let page = |name: &str| format!("http://127.0.0.1:{}/{name}", proxy.admin_port());
    assert_eq!(health(&page("healthz")), (Some(0), "ok\n".to_owned()));
    assert_eq!(health(&page("readyz")).0, Some(0));
    assert_eq!(health(&page("nowhere")).0, Some(1));
    proxy.signal("TERM");
    until("it is ready while draining", || health(&page("readyz")).0 == Some(1));
    let (_, said) = health(&page("readyz"));
    assert!(said.starts_with("503: ") && said.contains("\"reason\":\"draining\""), "{said}");
    assert_eq!(health(&page("healthz")).0, Some(0), "who drains must not be killed");
    proxy.signal("QUIT");
    until("nobody answers any more", || health(&page("healthz")).1.contains("cannot connect"));
    assert_eq!(health(&page("healthz")).0, Some(1));
    assert_eq!(health("https://127.0.0.1/").0, Some(2));
}

#[test]
fn a_catalog_that_cannot_be_read_makes_it_unready() {
    let Some(shop) = shop("unready_catalog") else { return };
    let database = &shop.database;
    shop.sql(&format!("REVOKE CONNECT ON DATABASE {database} FROM PUBLIC"));
    let policies = shop.policies();
    let options = ProxyOptions {
        policies: Some(policies.path().to_owned()),
        service: Some("pgcovenant"),
        ..ProxyOptions::default()
    };
    let mut proxy = Proxy::start_unready(shop.cluster, options);
    let page = |proxy: &Proxy| proxy.get("/readyz").map_or(String::new(), |(status, body)| format!("{status} {body}"));
    until("the reason does not show", || page(&proxy).contains("\"reason\":\"catalog\""));
    let said = page(&proxy);
    assert!(said.starts_with("503") && said.contains(&format!("catalog of \\\"{database}\\\"")), "{said}");
    assert_eq!(proxy.get("/healthz").unwrap().0, 200);
    shop.sql(&format!("GRANT CONNECT ON DATABASE {database} TO PUBLIC"));
    proxy.wait_until_ready(Duration::from_secs(60));
}

#[test]
fn without_policies_that_load_it_does_not_even_start() {
    let Some(shop) = shop("unready_policies") else { return };
    let (proxy, policies) = shop.proxy();
    policies.replace("policy.yaml", "unmodelled: deny", "unmodelled: perhaps");
    // Who runs already keeps what was good: taking all proxies away would be worse.
    proxy.metric_becomes("pgcovenant_policy_last_reload_successful", &[], 0.0);
    assert_eq!(proxy.get("/readyz").unwrap().0, 200);
    let (code, _, said) = Proxy::run(&["serve", "--config", &proxy.config().display().to_string()]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("policy.yaml:") && said.contains("perhaps"), "{said}");
}

#[test]
fn systemd_hears_again_and_again_that_it_is_alive() {
    let Some(shop) = shop("watchdog") else { return };
    let systemd = Notified::new();
    let environment = vec![systemd.variable(), ("WATCHDOG_USEC".to_owned(), "300000".to_owned())];
    let _proxy = Proxy::start(shop.cluster, ProxyOptions { environment, ..ProxyOptions::default() });
    assert!(systemd.next().contains("READY=1"));
    for _ in 0..3 {
        assert!(systemd.next().contains("WATCHDOG=1"));
    }
}

//! One side goes away without a good-bye.

use std::time::{Duration, Instant};

use crate::support::raw::{self, Raw};
use crate::support::{ProxyOptions, Shop, shop};

/// Waits until no backend runs a statement with this comment in it.
fn ends(shop: &Shop, mark: &str, at_most: Duration) {
    let until = Instant::now() + at_most;
    let question = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%{mark}%' AND state = 'active' AND pid <> pg_backend_pid()"
    );
    while shop.sql(&question) != "0" {
        assert!(Instant::now() < until, "{mark} still runs");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn begins(shop: &Shop, mark: &str) {
    let question = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%{mark}%' AND state = 'active' AND pid <> pg_backend_pid()"
    );
    let until = Instant::now() + Duration::from_secs(10);
    while shop.sql(&question) == "0" {
        assert!(Instant::now() < until, "{mark} does not begin");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_statement_of_a_client_that_is_gone_is_cancelled() {
    let Some(shop) = shop("gone") else { return };
    let proxy = shop.transparent_proxy();
    let mut session = Raw::connect(proxy.port(), "shop_app", &shop.database);
    session.write(&raw::query("SELECT pg_sleep(600) /* orphan one */"));
    begins(&shop, "orphan one");
    drop(session);
    ends(&shop, "orphan one", Duration::from_secs(15));
    let mut pipeline = Raw::connect(proxy.port(), "shop_app", &shop.database);
    pipeline.write(&[raw::extended("SELECT pg_sleep(600) /* orphan two */"), raw::sync()].concat());
    begins(&shop, "orphan two");
    drop(pipeline);
    ends(&shop, "orphan two", Duration::from_secs(15));
}

#[test]
fn a_short_statement_of_a_client_that_is_gone_is_finished() {
    let Some(shop) = shop("gone_soon") else { return };
    let proxy = shop.transparent_proxy();
    let mut session = Raw::connect(proxy.port(), "shop_app", &shop.database);
    session.write(&raw::query(
        "UPDATE orders SET status = 'returned' FROM pg_sleep(0.2) /* short one */ WHERE order_id = 1",
    ));
    begins(&shop, "short one");
    drop(session);
    ends(&shop, "short one", Duration::from_secs(15));
    assert_eq!(shop.sql("SELECT status FROM orders WHERE order_id = 1"), "returned");
}

#[test]
fn a_client_that_only_stops_speaking_gets_its_answer() {
    let Some(shop) = shop("half_closed") else { return };
    let proxy = shop.transparent_proxy();
    for port in [shop.cluster.port(), proxy.port()] {
        let mut session = Raw::connect(port, "shop_app", &shop.database);
        session.write(&raw::query("SELECT 41 + 1"));
        session.stop_speaking();
        assert_eq!(session.until_ready(1), ["T 29", "D ......42", "C SELECT 1", "Z I"]);
        assert!(session.is_closed());
    }
}

#[test]
fn what_a_backend_says_at_its_end_reaches_the_client() {
    let Some(shop) = shop("terminated") else { return };
    let proxy = shop.transparent_proxy();
    let end = |port, sql: &str| {
        let mut session = Raw::connect(port, "shop_app", &shop.database);
        let pid = u32::from_be_bytes(session.key[..4].try_into().unwrap());
        session.write(&raw::query(sql));
        if sql.contains("sleep") {
            begins(&shop, "until the end");
        } else {
            session.until_ready(1);
        }
        shop.sql(&format!("SELECT pg_terminate_backend({pid})"));
        let trace = session.until(b'E');
        (trace, session.is_closed())
    };
    for sql in ["SELECT 1", "SELECT pg_sleep(600) /* until the end */"] {
        let direct = end(shop.cluster.port(), sql);
        assert_eq!(direct, end(proxy.port(), sql), "{sql}");
        assert_eq!(direct.0.last().map(String::as_str), Some("E 57P01"));
    }
}

#[test]
fn a_lost_client_gives_its_place_back() {
    let Some(shop) = shop("gone_places") else { return };
    let more = "limits: {connections: 3}".to_owned();
    let proxy = crate::support::Proxy::start(shop.cluster, ProxyOptions { more, ..ProxyOptions::default() });
    for round in 0..4 {
        let sessions: Vec<Raw> = (0..3)
            .map(|_| {
                let mut session = connect_patiently(proxy.port(), &shop);
                session.write(&raw::query(&format!("SELECT pg_sleep(600) /* place {round} */")));
                session
            })
            .collect();
        begins(&shop, &format!("place {round}"));
        drop(sessions);
    }
    ends(&shop, "place", Duration::from_secs(15));
}

/// The places of the round before are given back within moments, not at once.
fn connect_patiently(port: u16, shop: &Shop) -> Raw {
    let until = Instant::now() + Duration::from_secs(15);
    loop {
        match Raw::try_connect(port, "shop_app", &shop.database) {
            Ok(session) => return session,
            Err(refused) => assert!(refused.contains("53300") && Instant::now() < until, "{refused}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

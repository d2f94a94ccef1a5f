//! Cancelling a running statement.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio_postgres::NoTls;

use crate::support::raw::{self, Raw};
use crate::support::{self, ClusterOptions, Proxy, ProxyOptions, Shop, knock, shop, sql, until};

async fn cancelled(shop: &Shop, port: u16) -> Duration {
    let session = sql::connect(port, "shop_app", &shop.database).await;
    let token = session.client.cancel_token();
    let began = Instant::now();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        token.cancel_query(NoTls).await.unwrap();
    });
    assert_eq!(session.error("SELECT pg_sleep(30)").await.code, "57014");
    let took = began.elapsed();
    assert_eq!(session.value("SELECT 1").await, "1", "the session goes on");
    took
}

#[tokio::test]
async fn reaches_the_server() {
    let Some(shop) = shop("cancel") else { return };
    let (proxy, _policies) = shop.proxy();
    assert!(cancelled(&shop, proxy.port()).await < Duration::from_secs(10));
}

#[tokio::test]
async fn of_another_session_by_another_node_of_the_fleet() {
    let Some(shop) = shop("cancel_fleet") else { return };
    let (one, _policies) = shop.proxy();
    let other = shop.transparent_proxy();
    let session = shop.via(&one, "shop_app").await;
    let token = session.client.cancel_token();
    let pid = session.value("SELECT pg_backend_pid()").await;
    let killer = shop.via(&other, "shop_app").await;
    let began = Instant::now();
    let running = tokio::spawn(async move { session.error("SELECT pg_sleep(30)").await.code });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(killer.value(&format!("SELECT pg_cancel_backend({pid})")).await, "t");
    assert_eq!(running.await.unwrap(), "57014");
    assert!(began.elapsed() < Duration::from_secs(10));
    // A request that comes too late harms nobody.
    token.cancel_query(NoTls).await.unwrap();
    assert_eq!(killer.value("SELECT 1").await, "1");
}

/// A server that takes its time: it gets few requests at once, and those who wait keep nobody out.
#[test]
fn requests_queue_without_taking_the_places_of_logins() {
    let Some(shop) = shop("cancel_queue") else { return };
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let options = ProxyOptions {
        upstream_port: Some(server.local_addr().unwrap().port()),
        more: "limits: {unauthenticated: 40}".into(),
        ..ProxyOptions::default()
    };
    let under_way = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&under_way);
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for mut connection in server.incoming().flatten() {
            if connection.read_exact(&mut [0; 16]).is_ok() {
                counted.fetch_add(1, Ordering::SeqCst);
                held.push(connection);
            }
        }
    });
    let proxy = Proxy::start_unready(shop.cluster, options);
    let packet = knock::packet(80_877_102, &[0, 0, 0, 7, 1, 2, 3, 4]);
    let mut waiting = Vec::new();
    for count in 1..=200 {
        let mut stream = knock::open(proxy.port());
        stream.write_all(&packet).unwrap();
        waiting.push(stream);
        if count % 20 == 0 {
            let mut login = knock::open(proxy.port());
            login.write_all(&knock::SSL_REQUEST).unwrap();
            let mut answer = [0];
            login.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, b"N", "after {count} requests");
        }
    }
    until("too few are under way", || under_way.load(Ordering::SeqCst) >= 16);
    // A client may go on as soon as its connection ends, so that does not end before the server has heard.
    for stream in &mut waiting {
        stream.set_nonblocking(true).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    }
    // The rest would have come by now.
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(under_way.load(Ordering::SeqCst), 16);
}

/// Garbage harms nobody, hundreds of times.
#[test]
fn storms_do_not_keep_others_from_logging_in() {
    let Some(shop) = shop("cancel_storm") else { return };
    let options = ProxyOptions { more: "limits: {unauthenticated: 50}".into(), ..ProxyOptions::default() };
    let proxy = Proxy::start(shop.cluster, options);
    let mut sleeper = Raw::connect(proxy.port(), "shop_app", &shop.database);
    sleeper.write(&raw::query("SELECT pg_sleep(60)"));
    let garbage: Vec<_> = [&[0, 0, 0, 7, 1, 2, 3, 4][..], &[255; 8], &[0; 36], &[9; 300]]
        .map(|key| knock::packet(80_877_102, key))
        .into_iter()
        .cycle()
        .take(40)
        .collect();
    let port = proxy.port();
    let storm: Vec<_> = (0..10)
        .map(|_| {
            let garbage = garbage.clone();
            std::thread::spawn(move || {
                for packet in garbage {
                    assert_eq!(knock::ask(port, &packet), b"");
                }
            })
        })
        .collect();
    while storm.iter().any(|one| !one.is_finished()) {
        Raw::connect(port, "shop_app", &shop.database);
    }
    storm.into_iter().for_each(|one| one.join().unwrap());
    assert!(!proxy.log().contains("WARN"), "{}", proxy.log());
    // The real one among them all.
    knock::ask(port, &knock::packet(80_877_102, &sleeper.key));
    assert_eq!(sleeper.until_ready(1), ["T 29", "E 57014", "Z I"]);
}

#[test]
fn with_the_long_keys_of_postgresql_18_and_over_tls() {
    let Some(cluster) = support::cluster_18(ClusterOptions::default()) else { return };
    let proxy = Proxy::start(&cluster, ProxyOptions { tls: true, ..ProxyOptions::default() });
    let client = knock::tls_client(cluster.authority().pem(), &["postgresql"]);
    for version in [knock::V3_0, knock::V3_2] {
        let mut session = knock::encrypted(proxy.port(), &client);
        session.write_all(&knock::startup(version, &[("user", "postgres")])).unwrap();
        let answer = knock::answer(&mut session);
        let at = answer.windows(4).position(|window| window[0] == b'K' && window[1..] == [0, 0, 0]).unwrap();
        let length = usize::from(answer[at + 4]);
        let key = &answer[at + 5..at + 1 + length];
        assert_eq!(key.len(), if version == knock::V3_2 { 36 } else { 8 });
        session.write_all(&raw::query("SELECT pg_sleep(60)")).unwrap();
        let psql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        while cluster.sql("postgres", psql) != "1" {
            assert!(!session.conn.is_handshaking());
        }
        let mut request = knock::encrypted(proxy.port(), &client);
        request.write_all(&knock::packet(80_877_102, key)).unwrap();
        assert_eq!(knock::answer(&mut request), b"");
        assert_eq!(knock::field(&knock::answer(&mut session), 'C').as_deref(), Some("57014"));
    }
}

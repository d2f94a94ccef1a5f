//! Cancelling a running statement.

use std::time::{Duration, Instant};

use tokio_postgres::NoTls;

use crate::support::{Shop, shop, sql};

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

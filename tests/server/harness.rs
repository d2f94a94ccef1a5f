//! The harness itself: what the other tests take for granted.

use crate::support;

#[tokio::test]
async fn a_shop_has_rows_and_roles() {
    let Some(shop) = support::shop("harness") else { return };
    let app = shop.direct("shop_app").await;
    assert_eq!(app.value("SELECT count(*) FROM customers").await, "80");
    assert_eq!(app.value("SELECT count(*) FROM orders WHERE total_amount = 0").await, "0");
    let support = shop.direct("support").await;
    assert_eq!(support.value("SELECT id || email FROM customers WHERE id = 1").await.split('@').count(), 2);
    let refused = support.error("DELETE FROM orders").await;
    assert_eq!(refused.code, "42501");
    let service = shop.direct("pgcovenant").await;
    assert_eq!(service.error("SELECT FROM customers").await.code, "42501");
}

#[test]
fn nothing_outlives_a_cluster() {
    let Some(cluster) = support::cluster(support::ClusterOptions { tls: true, ..Default::default() }) else { return };
    let (port, directory) = (cluster.port(), cluster.socket_directory().to_owned());
    assert_eq!(cluster.sql("postgres", "SHOW ssl"), "on");
    drop(cluster);
    assert!(!directory.exists());
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn a_crashed_cluster_comes_back_on_its_port() {
    let Some(mut cluster) =
        support::cluster(support::ClusterOptions { auth: support::Auth::ScramSha256, ..Default::default() })
    else {
        return;
    };
    let port = cluster.port();
    cluster.crash();
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    cluster.restart();
    assert_eq!(cluster.port(), port);
    assert_eq!(cluster.sql("postgres", "SHOW password_encryption"), "scram-sha-256");
}

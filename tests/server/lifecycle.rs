//! Logging in, shutting down, and what clients are told when the server is away.

use std::time::Duration;

use tokio_postgres::NoTls;

use crate::support::sql::{self, Refused};
use crate::support::{self, Auth, ClusterOptions, Proxy, ProxyOptions, shop};

fn with_password(auth: Auth) -> Option<support::Cluster> {
    let cluster = support::cluster(ClusterOptions { auth, ..ClusterOptions::default() })?;
    cluster.sql("postgres", "CREATE ROLE someone LOGIN PASSWORD 'someone'");
    cluster.sql("postgres", "CREATE ROLE pgcovenant LOGIN PASSWORD 'pgcovenant'");
    Some(cluster)
}

async fn logs_in(auth: Auth) {
    let Some(cluster) = with_password(auth) else { return };
    let proxy = Proxy::start(&cluster, ProxyOptions { service: Some("pgcovenant"), ..ProxyOptions::default() });
    let session = sql::connect(proxy.port(), "someone", "postgres").await;
    assert_eq!(session.value("SELECT current_user").await, "someone");
    let mut wrong = sql::settings(proxy.port(), "someone", "postgres");
    let error = wrong.password("wrong").connect(NoTls).await.err().unwrap();
    assert_eq!(Refused::of(&error).code, "28P01");
    let error = sql::try_connect(proxy.port(), "someone", "nowhere").await.err().unwrap();
    assert_eq!(Refused::of(&error).code, "3D000");
}

#[tokio::test]
async fn with_a_cleartext_password() {
    logs_in(Auth::Password).await;
}

#[tokio::test]
async fn with_md5() {
    logs_in(Auth::Md5).await;
}

#[tokio::test]
async fn with_scram() {
    logs_in(Auth::ScramSha256).await;
}

#[tokio::test]
async fn over_a_unix_socket() {
    let Some(shop) = shop("unix") else { return };
    let proxy = Proxy::start(shop.cluster, ProxyOptions { unix: true, ..ProxyOptions::default() });
    let mut settings = tokio_postgres::Config::new();
    settings.host_path(proxy.directory()).port(proxy.port()).user("shop_app").dbname(&shop.database);
    let (client, connection) = settings.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    let row = client.query_one("SELECT current_database()::text", &[]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), shop.database);
}

#[tokio::test]
async fn a_server_that_is_away_is_reported_and_comes_back() {
    let Some(mut cluster) = support::cluster(ClusterOptions::default()) else { return };
    let proxy = Proxy::start(&cluster, ProxyOptions::default());
    let open = sql::connect(proxy.port(), "postgres", "postgres").await;
    cluster.crash();
    let error = open.client.simple_query("SELECT 1").await.unwrap_err();
    assert!(
        error.is_closed() || matches!(error.code().map(|code| code.code()), Some("57P01" | "57P02" | "08006")),
        "{error:?}"
    );
    let error = sql::try_connect(proxy.port(), "postgres", "postgres").await.err().unwrap();
    let refused = Refused::of(&error);
    assert!(["08001", "08004", "08006", "57P03"].contains(&refused.code.as_str()), "{refused:?}");
    assert!(!refused.message.is_empty());
    cluster.restart();
    let session = sql::connect(proxy.port(), "postgres", "postgres").await;
    assert_eq!(session.value("SELECT 1").await, "1");
}

#[tokio::test]
async fn a_termination_lets_running_work_finish() {
    let Some(shop) = shop("drain") else { return };
    let mut proxy = Proxy::start(
        shop.cluster,
        ProxyOptions { more: "limits: {drain_timeout: 20s}".into(), ..ProxyOptions::default() },
    );
    let session = shop.via(&proxy, "shop_app").await;
    let running = tokio::spawn(async move { session.value("SELECT 'done' FROM pg_sleep(1.5)").await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    proxy.signal("TERM");
    tokio::time::sleep(Duration::from_millis(300)).await;
    let late = sql::try_connect(proxy.port(), "shop_app", &shop.database).await;
    assert!(late.is_err(), "a new session while shutting down");
    assert_eq!(running.await.unwrap(), "done");
    let status = tokio::task::spawn_blocking(move || proxy.wait(Duration::from_secs(20))).await.unwrap();
    assert_eq!(status.and_then(|status| status.code()), Some(0));
}

#[tokio::test]
async fn a_termination_waits_no_longer_than_configured() {
    let Some(shop) = shop("drain_limit") else { return };
    let mut proxy = Proxy::start(
        shop.cluster,
        ProxyOptions { more: "limits: {drain_timeout: 1s}".into(), ..ProxyOptions::default() },
    );
    let session = shop.via(&proxy, "shop_app").await;
    session.simple("BEGIN").await.unwrap();
    proxy.signal("TERM");
    let status = tokio::task::spawn_blocking(move || proxy.wait(Duration::from_secs(10))).await.unwrap();
    assert_eq!(status.and_then(|status| status.code()), Some(0));
    let error = session.client.simple_query("SELECT 1").await.unwrap_err();
    assert!(error.is_closed() || error.code().is_some_and(|code| code.code() == "57P01"), "{error:?}");
}

#[tokio::test]
async fn more_sessions_than_allowed_are_refused_as_the_server_does() {
    let Some(shop) = shop("limit") else { return };
    let proxy =
        Proxy::start(shop.cluster, ProxyOptions { more: "limits: {connections: 2}".into(), ..Default::default() });
    let one = shop.via(&proxy, "shop_app").await;
    let _two = shop.via(&proxy, "shop_app").await;
    let error = sql::try_connect(proxy.port(), "shop_app", &shop.database).await.err().unwrap();
    assert_eq!(Refused::of(&error).code, "53300");
    drop(one);
    for _ in 0..100 {
        if sql::try_connect(proxy.port(), "shop_app", &shop.database).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the place of a session that has ended stays taken");
}

#[test]
fn readiness_and_health() {
    let Some(shop) = shop("ready") else { return };
    let proxy = shop.transparent_proxy();
    assert_eq!(proxy.get("/healthz").unwrap().0, 200);
    assert_eq!(proxy.get("/readyz").unwrap().0, 200);
    assert_eq!(proxy.get("/nowhere").unwrap().0, 404);
}

/// Processor time of a process so far, in ticks of a hundredth of a second.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().map(str::to_owned).collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// Looking at the policies must not look like a change of them.
#[test]
fn an_idle_proxy_is_idle() {
    let Some(shop) = shop("idle") else { return };
    let (proxy, _policies) = shop.proxy();
    std::thread::sleep(Duration::from_secs(1));
    let before = ticks(proxy.pid());
    std::thread::sleep(Duration::from_secs(3));
    let spent = ticks(proxy.pid()) - before;
    assert!(spent < 60, "{spent} ticks in three idle seconds");
}

//! How many clients there may be, and how long they may take to say who they are.

use std::io::{Read, Write};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::knock::{self, V3_0, messages, startup};
use crate::support::sql::{self, Refused};
use crate::support::{self, Auth, ClusterOptions, Proxy, ProxyOptions, Shop, shop};

fn limited(shop: &Shop, more: &str) -> Proxy {
    Proxy::start(shop.cluster, ProxyOptions { tls: true, more: more.to_owned(), ..ProxyOptions::default() })
}

const HELLO: &[(&str, &str)] = &[("user", "shop_app"), ("database", "postgres")];

#[test]
fn strangers_have_a_limit_of_their_own() {
    let Some(shop) = shop("strangers") else { return };
    let proxy = limited(&shop, "limits: {unauthenticated: 3}");
    let before = proxy.log();
    let hello = startup(V3_0, HELLO);
    let session = {
        let mut stream = knock::open(proxy.port());
        stream.write_all(&hello).unwrap();
        knock::answer(&mut stream);
        stream
    };
    let mut strangers: Vec<_> = (0..3).map(|_| knock::open(proxy.port())).collect();
    // Nothing is asked of whoever comes next.
    let answer = knock::answer(&mut knock::open(proxy.port()));
    assert_eq!(knock::field(&answer, 'C').as_deref(), Some("53300"));
    assert_eq!(knock::field(&answer, 'M').as_deref(), Some("sorry, too many clients already"));
    // Who has been let in before can still say who they are, and makes room by that.
    strangers[0].write_all(&hello).unwrap();
    assert!(messages(&knock::answer(&mut strangers[0])).contains(&"Z I".to_owned()));
    assert!(messages(&knock::ask(proxy.port(), &hello)).contains(&"Z I".to_owned()));
    assert_eq!(proxy.log(), before);
    proxy.metric_becomes("pgcovenant_connection_failures_total", &[("reason", "too_many_strangers")], 1.0);
    drop(session);
}

/// A byte now and then keeps nobody from being turned away.
#[test]
fn slow_strangers_have_one_deadline_for_everything() {
    let Some(shop) = shop("slow") else { return };
    let proxy = limited(&shop, "limits: {login_timeout: 1500ms}");
    let before = proxy.log();
    let client = knock::tls_client(shop.cluster.authority().pem(), &["postgresql"]);
    let mut first_flight = Vec::new();
    knock::handshake(&client).write_tls(&mut first_flight).unwrap();
    let slow = |bytes: Vec<u8>| {
        let mut stream = knock::open(proxy.port());
        std::thread::spawn(move || {
            let began = Instant::now();
            stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
            for byte in bytes {
                let ended = match stream.read(&mut [0; 1024]) {
                    Ok(count) => count == 0,
                    Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
                };
                if ended || stream.write_all(&[byte]).is_err() {
                    return began.elapsed();
                }
            }
            panic!("still welcome after {:?}", began.elapsed());
        })
    };
    let all = [startup(V3_0, &[HELLO, &[("options", &" ".repeat(500))]].concat()), first_flight];
    let waiting: Vec<_> = all.into_iter().map(slow).collect();
    assert!(messages(&knock::ask(proxy.port(), &startup(V3_0, HELLO))).contains(&"Z I".to_owned()));
    for one in waiting {
        let took = one.join().unwrap();
        assert!((1.0..10.0).contains(&took.as_secs_f64()), "{took:?}");
    }
    assert_eq!(proxy.log(), before);
    proxy.metric_becomes("pgcovenant_connection_failures_total", &[("reason", "login_timeout")], 2.0);
}

#[tokio::test]
async fn users_and_databases_have_limits() {
    let Some(shop) = shop("per_user") else { return };
    let proxy = limited(&shop, "limits: {connections_per_user: 1, connections_per_database: 2}");
    let refused = async |user: &str| {
        let error = sql::try_connect(proxy.port(), user, &shop.database).await.err().unwrap();
        let refused = Refused::of(&error);
        (refused.code, refused.message)
    };
    let one = shop.via(&proxy, "shop_app").await;
    let full = ("53300".to_owned(), "too many connections for role \"shop_app\"".to_owned());
    assert_eq!(refused("shop_app").await, full);
    let _two = shop.via(&proxy, "support").await;
    let full = ("53300".to_owned(), format!("too many connections for database \"{}\"", shop.database));
    assert_eq!(refused("analyst").await, full);
    drop(one);
    for _ in 0..200 {
        if sql::try_connect(proxy.port(), "shop_app", &shop.database).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the place of a session that has ended stays taken");
}

/// Who begins to log in and never ends takes no place from others.
#[tokio::test]
async fn unfinished_logins_keep_nobody_out() {
    let options = ClusterOptions { auth: Auth::ScramSha256, ..ClusterOptions::default() };
    let Some(cluster) = support::cluster(options) else { return };
    cluster.sql("postgres", "CREATE ROLE someone LOGIN PASSWORD 'someone'");
    let more = "limits: {connections: 2, connections_per_user: 2}".to_owned();
    let proxy = Proxy::start(&cluster, ProxyOptions { more, ..ProxyOptions::default() });
    let hello = startup(V3_0, &[("user", "someone"), ("database", "postgres")]);
    let mut unfinished: Vec<_> = (0..5).map(|_| knock::open(proxy.port())).collect();
    for stream in &mut unfinished {
        stream.write_all(&hello).unwrap();
        stream.read_exact(&mut [0; 9]).unwrap();
    }
    let one = sql::connect(proxy.port(), "someone", "postgres").await;
    let two = sql::connect(proxy.port(), "someone", "postgres").await;
    let three = sql::try_connect(proxy.port(), "someone", "postgres").await.err().unwrap();
    assert_eq!(Refused::of(&three).code, "53300");
    for session in [one, two] {
        assert_eq!(session.value("SELECT 1").await, "1");
    }
}

#[test]
fn both_hops_ask_whether_the_other_end_is_there() {
    let Some(shop) = shop("keepalive") else { return };
    if Command::new("ss").arg("-V").output().is_err() {
        eprintln!("skipped: ss is not installed");
        return;
    }
    let proxy = limited(&shop, "tcp: {keepalives_idle: 7200s, keepalives_interval: 9s}");
    let mut stream = knock::open(proxy.port());
    stream.write_all(&startup(V3_0, HELLO)).unwrap();
    knock::answer(&mut stream);
    let mut proven = 0;
    for (direction, port) in [("sport", proxy.port()), ("dport", shop.cluster.port())] {
        let listed = Command::new("ss").args(["-Htnpo", &format!("{direction} = :{port}")]).output().unwrap();
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        let ours = format!("pid={},", proxy.pid());
        let mut ours = listed.lines().filter(|line| line.contains(&ours)).peekable();
        proven += usize::from(ours.peek().is_some());
        for line in ours {
            assert!(
                line.contains("timer:(keepalive,119min,0)") || line.contains("timer:(keepalive,120min,0)"),
                "{line}"
            );
        }
    }
    assert_eq!(proven, 2, "sockets on both hops");
}

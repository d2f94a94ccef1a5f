//! How the process ends and how another one takes over, what happens when the server goes away, and who is told.

use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::knock::{self, V3_0, messages, startup};
use crate::support::raw::{Raw, query};
use crate::support::systemd::Notified;
use crate::support::{self, ClusterOptions, Proxy, ProxyOptions, Shop, shop, until};

fn with(shop: &Shop, more: &str) -> Proxy {
    Proxy::start(shop.cluster, ProxyOptions { more: more.to_owned(), ..ProxyOptions::default() })
}

fn reasons(proxy: &Proxy) -> String {
    proxy.get("/readyz").map_or(String::new(), |(status, body)| format!("{status} {body}"))
}

#[test]
fn a_load_balancer_has_time_to_look_away() {
    let Some(shop) = shop("drain_delay") else { return };
    let mut proxy = with(&shop, "limits: {drain_delay: 2s, drain_timeout: 20s}");
    let mut idle = Raw::connect(proxy.port(), "shop_app", &shop.database);
    let mut busy = Raw::connect(proxy.port(), "shop_app", &shop.database);
    busy.exchange(&[query("BEGIN")], 1);
    let told = Instant::now();
    proxy.signal("TERM");
    until("readiness does not change", || reasons(&proxy).contains("503") && reasons(&proxy).contains("draining"));
    let mut late = Raw::connect(proxy.port(), "shop_app", &shop.database);
    assert_eq!(idle.exchange(&[query("SELECT 1")], 1).last().unwrap(), "Z I");
    assert!(told.elapsed() < Duration::from_secs(2), "too slow a machine to tell");
    assert_eq!(idle.until(b'E'), ["E 57P01"]);
    assert!(idle.is_closed() && told.elapsed() >= Duration::from_secs(2));
    assert_eq!(late.until(b'E'), ["E 57P01"]);
    until("still accepting", || std::net::TcpStream::connect(("127.0.0.1", proxy.port())).is_err());
    assert_eq!(busy.exchange(&[query("SELECT 1")], 1).last().unwrap(), "Z T");
    assert_eq!(busy.exchange(&[query("COMMIT")], 1).last().unwrap(), "Z I");
    assert_eq!(busy.until(b'E'), ["E 57P01"]);
    assert_eq!(proxy.wait(Duration::from_secs(10)).and_then(|status| status.code()), Some(0));
}

#[test]
fn some_signals_do_not_wait() {
    let Some(shop) = shop("signals") else { return };
    for signals in [&["TERM", "TERM"][..], &["TERM", "QUIT"], &["INT"], &["QUIT"]] {
        for delay in ["drain_delay: 60s", "drain_timeout: 60s"] {
            let mut proxy = with(&shop, &format!("limits: {{{delay}}}"));
            let mut busy = Raw::connect(proxy.port(), "shop_app", &shop.database);
            busy.exchange(&[query("BEGIN")], 1);
            for signal in signals {
                let before = proxy.log().matches("told to stop").count();
                proxy.signal(signal);
                until("a signal is not heard", || proxy.log().matches("told to stop").count() > before);
            }
            assert_eq!(busy.until(b'E'), ["E 57P01"], "{signals:?}");
            let ended = proxy.wait(Duration::from_secs(10));
            assert_eq!(ended.and_then(|status| status.code()), Some(0), "{signals:?}: {}", proxy.log());
        }
    }
}

#[test]
fn another_process_takes_over_without_a_failed_connection() {
    let Some(shop) = shop("take_over") else { return };
    let sockets = tempfile::tempdir().unwrap();
    let start = |port: u16| {
        let listen = format!("listen: [\"127.0.0.1:{port}\", \"unix:{}\"]", sockets.path().display());
        let more = "reuse_port: true\nlimits: {drain_delay: 2s}".to_owned();
        Proxy::start(shop.cluster, ProxyOptions { listen: Some(listen), more, ..ProxyOptions::default() })
    };
    let mut old = start(0);
    let script = sockets.path().join("script");
    std::fs::write(&script, "SELECT 1;\n").unwrap();
    let load = |host: &str, seconds: &str| {
        let mut pgbench = Command::new(shop.cluster.program("pgbench"));
        pgbench.args(["-n", "-C", "-c", "4", "-j", "2", "-T", seconds, "-h", host, "-p", &old.port().to_string()]);
        pgbench.args(["-U", "shop_app", "-f", script.to_str().unwrap(), &shop.database]);
        pgbench.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap()
    };
    let loads = [load("127.0.0.1", "8"), load(sockets.path().to_str().unwrap(), "8")];
    let sessions = |proxy: &Proxy| proxy.metric("pgcovenant_sessions_total", &[]);
    until("no load", || sessions(&old) > 20.0);
    let new = start(old.port());
    old.signal("TERM");
    assert_eq!(old.wait(Duration::from_secs(20)).and_then(|status| status.code()), Some(0), "{}", old.log());
    let then = sessions(&new);
    until("the new process has no load", || sessions(&new) > then + 20.0);
    for load in loads {
        let output = load.wait_with_output().unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{text}\n{}", old.log());
        assert!(!text.contains("error") && text.contains("number of failed transactions: 0"), "{text}");
    }
    let socket = sockets.path().join(format!(".s.PGSQL.{}", new.port()));
    assert!(socket.exists(), "the old process has taken the new one's socket with it");
}

#[test]
fn a_port_is_not_shared_unless_wanted() {
    let Some(shop) = shop("not_shared") else { return };
    let first = Proxy::start(shop.cluster, ProxyOptions { unix: true, ..ProxyOptions::default() });
    for listen in [format!("127.0.0.1:{}", first.port()), "127.0.0.1:0".to_owned()] {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("pgcovenant.yaml");
        let unix = if listen.ends_with(":0") { continue } else { first.directory().display() };
        let text = format!("listen: [\"{listen}\", \"unix:{unix}\"]\nupstream: {{host: 127.0.0.1}}\n");
        std::fs::write(&config, text).unwrap();
        let (code, _, complaint) = Proxy::run(&["serve", "--config", &config.display().to_string()]);
        assert_eq!(code, Some(2), "{complaint}");
        assert!(complaint.contains("cannot listen on 127.0.0.1:"), "{complaint}");
    }
}

#[test]
fn systemd_is_told() {
    let Some(shop) = shop("systemd") else { return };
    let systemd = Notified::new();
    let environment = vec![systemd.variable()];
    let mut proxy = Proxy::start(shop.cluster, ProxyOptions { environment, ..ProxyOptions::default() });
    assert_eq!(systemd.next(), "READY=1\nSTATUS=listening\n");
    proxy.signal("HUP");
    let reloading = systemd.next();
    assert!(reloading.contains("RELOADING=1") && reloading.contains("MONOTONIC_USEC="), "{reloading}");
    assert!(systemd.next().contains("READY=1"));
    proxy.signal("TERM");
    assert_eq!(systemd.next(), "STOPPING=1\nSTATUS=draining: open sessions may finish\n");
    assert!(proxy.wait(Duration::from_secs(10)).is_some());
}

#[test]
fn readiness_follows_the_server() {
    let Some(mut cluster) = support::cluster(ClusterOptions::default()) else { return };
    let mut proxy = Proxy::start(&cluster, ProxyOptions::default());
    assert_eq!(proxy.metric("pgcovenant_upstream_up", &[]), 1.0);
    cluster.crash();
    until("an unreachable server does not show", || reasons(&proxy).contains("\"reason\":\"upstream\""));
    assert!(reasons(&proxy).starts_with("503"));
    assert_eq!(proxy.metric("pgcovenant_upstream_up", &[]), 0.0);
    assert_eq!(proxy.get("/healthz").unwrap().0, 200, "the process itself is well");
    assert_eq!(proxy.log().matches("the server cannot be reached").count(), 1, "{}", proxy.log());
    // The condition that makes clients with several hosts try the next one.
    let elsewhere = support::cluster(ClusterOptions::default()).unwrap();
    let hosts =
        format!("host=127.0.0.1,127.0.0.1 port={},{} user=postgres dbname=postgres", proxy.port(), elsewhere.port());
    let output = Command::new(cluster.program("psql")).args(["-XAtqc", "SHOW port", "-d", &hosts]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), elsewhere.port().to_string(), "{output:?}");
    cluster.restart();
    proxy.wait_until_ready(Duration::from_secs(20));
    assert_eq!(proxy.metric("pgcovenant_upstream_up", &[]), 1.0);
}

/// What the server says when it goes reaches clients as it is, and then the connection ends.
#[test]
fn the_servers_last_words_arrive() {
    let Some(mut cluster) = support::cluster(ClusterOptions::default()) else { return };
    let proxy = Proxy::start(&cluster, ProxyOptions::default());
    let terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' \
                     AND pid <> pg_backend_pid() AND usename = 'postgres'";
    let open = |port| {
        let mut stream = knock::open(port);
        stream.write_all(&startup(V3_0, &[("user", "postgres"), ("database", "postgres")])).unwrap();
        knock::answer(&mut stream);
        stream
    };
    let pair = || [open(cluster.port()), open(proxy.port())];
    let last_words = |[mut direct, mut proxied]: [std::net::TcpStream; 2]| {
        let words = messages(&knock::answer(&mut direct));
        assert_eq!(messages(&knock::answer(&mut proxied)), words);
        words
    };
    let busy_pair = || {
        let mut pair = pair();
        for stream in &mut pair {
            stream.write_all(&query("SELECT pg_sleep(60)")).unwrap();
        }
        // What the server has not read would make it reset the connection.
        until("not all sleep", || {
            cluster.sql("postgres", "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == "2"
        });
        pair
    };
    let (idle, busy) = (pair(), busy_pair());
    cluster.sql("postgres", terminate);
    let words = last_words(idle);
    assert!(words.len() == 1 && words[0].contains("C57P01"), "{words:?}");
    let words = last_words(busy);
    assert!(words.last().unwrap().contains("C57P01"), "{words:?}");
    let (idle, busy) = (pair(), busy_pair());
    cluster.crash();
    for words in [last_words(idle), last_words(busy)] {
        assert!(words.last().unwrap().contains("C57P0"), "{words:?}");
    }
}

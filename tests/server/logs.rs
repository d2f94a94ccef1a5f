//! The log: how its lines look, what they never hold, and how much is told.
//!
//! Several threads: a session that is let go of ends while the test waits.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use crate::support::shop::Policies;
use crate::support::{Proxy, ProxyOptions, Shop, shop, until};

/// Nothing that a statement or a client says may be told.
const SECRET: &str = "Tell-Tale Heart";

fn proxy(shop: &Shop, more: &str, environment: &[(&str, &str)]) -> (Proxy, Policies) {
    let policies = shop.policies();
    let options = ProxyOptions {
        policies: Some(policies.path().to_owned()),
        service: Some("pgcovenant"),
        more: more.to_owned(),
        environment: environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        ..ProxyOptions::default()
    };
    (Proxy::start_unready(shop.cluster, options), policies)
}

/// A request to the admin listener: status and body.
fn ask(proxy: &Proxy, method: &str, kind: &str, body: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(("127.0.0.1", proxy.admin_port())).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} /api/v1/log-level HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

fn level(proxy: &Proxy) -> (String, String) {
    let (status, body) = proxy.get("/api/v1/log-level").unwrap();
    assert_eq!(status, 200, "{body}");
    let body: Value = serde_json::from_str(&body).unwrap();
    let word = |key: &str| body[key].as_str().unwrap().to_owned();
    (word("level"), word("source"))
}

fn pair(level: &str, source: &str) -> (String, String) {
    (level.to_owned(), source.to_owned())
}

/// Statements that say the secret in every way that has ever ended up in a log.
async fn say_it(shop: &Shop, proxy: &Proxy) {
    let app = shop.via(proxy, "shop_app").await;
    let support = shop.via(proxy, "support").await;
    for text in [
        format!("SELECT '{SECRET}'::text::integer"),
        format!("SELECT 1 /* {SECRET} */"),
        format!("SELECT '{SECRET}"),
        format!("SELECT $q${SECRET}$q$ FROM nowhere"),
        format!("DO $$BEGIN RAISE EXCEPTION '{SECRET}'; END$$"),
        format!("DO $$BEGIN RAISE WARNING '{SECRET}'; END$$"),
        format!("INSERT INTO customers (id, name) VALUES (1, '{SECRET}')"),
        format!("SELEC '{SECRET}' FROM"),
        format!("COPY orders FROM '/nowhere/{SECRET}'"),
        format!("SELECT * FROM customers WHERE name = E'{SECRET}' AND ssn = U&'{SECRET}'"),
        format!("SET my.setting = '{SECRET}'"),
        format!("ALTER ROLE support PASSWORD '{SECRET}'"),
        format!("SELECT pg_sleep(0.06), '{SECRET}'"),
        "\u{0}".to_owned(),
    ] {
        let _ = app.simple(&text).await;
        let _ = support.simple(&text).await;
    }
    for client in [&app.client, &support.client] {
        let _ = client
            .query("SELECT name FROM customers WHERE name = $1 AND pg_sleep(0.001) IS NOT NULL", &[&SECRET])
            .await;
        let _ = client.query("SELECT $1::text::integer", &[&SECRET]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_level_tells_what_statements_say() {
    let Some(shop) = shop("logs_secret") else { return };
    for (more, environment) in [
        ("log: {level: trace, format: json, slow: 1ms}\n", vec![]),
        ("log: {level: debug, slow: 1ms}\n", vec![]),
        ("log: {slow: 1ms}\n", vec![("RUST_LOG", "trace")]),
    ] {
        let (proxy, _policies) = proxy(&shop, more, &environment);
        say_it(&shop, &proxy).await;
        until("no slow statement is told", || proxy.log().contains("slow statement"));
        until("no session is over", || proxy.log().contains("session is over"));
        let log = proxy.log();
        assert_eq!(log.lines().find(|line| line.contains(SECRET)), None);
        // Neither are the questions of the service account told, which hold values of samples.
        assert!(!log.contains("preparing query") && !log.contains("executing"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_statements_are_told_with_their_shape() {
    let Some(shop) = shop("logs_slow") else { return };
    let (proxy, _policies) = proxy(&shop, "log: {format: json, slow: 40ms}\n", &[]);
    let app = shop.application(&proxy, "shop_app", "web").await;
    app.rows(&format!("SELECT pg_sleep(0.05) FROM orders, customers WHERE name <> '{SECRET}' LIMIT 1")).await;
    let slow = || {
        let lines = proxy.log();
        let parsed = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("{line}")));
        parsed.filter(|line| line["message"] == "slow statement").collect::<Vec<_>>()
    };
    until("nothing is told", || !slow().is_empty());
    // A key that comes twice would hide the one or the other.
    for line in proxy.log().lines() {
        assert_eq!(line.matches("\"level\":").count(), 1, "{line}");
    }
    let lines = slow();
    let line = lines.iter().find(|line| line["statement"].as_str().unwrap().contains("pg_sleep")).unwrap();
    assert_eq!(line["level"], "WARN");
    assert_eq!(line["target"], "pgcovenant::observe::slow");
    assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
    assert_eq!((&line["application"], &line["user"]), (&"web".into(), &"shop_app".into()));
    assert_eq!(line["tables"], "public.orders,public.customers");
    assert_eq!(line["statement"], "SELECT pg_sleep(?) FROM orders, customers WHERE name <> ? LIMIT ?");
    assert!(line["duration_seconds"].as_f64().unwrap() >= 0.05);
    assert_eq!(line["fingerprint"].as_str().unwrap().len(), 16);
    // Many of them: the rest is counted.
    let sleeps = "SELECT pg_sleep(0.041)";
    let mut sessions = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let session = shop.via(&proxy, "shop_app").await;
        sessions.spawn(async move {
            for _ in 0..6 {
                session.rows(sleeps).await;
            }
        });
    }
    sessions.join_all().await;
    let mut ran = 8 * 6;
    let told = || -> u64 {
        let lines = slow();
        let asleep = lines.iter().filter(|line| line["statement"] == "SELECT pg_sleep(?)").count() as u64;
        asleep + lines.iter().map(|line| line["left_out"].as_u64().unwrap()).sum::<u64>()
    };
    while told() < ran {
        assert!(ran < 400, "{} of {ran} are told or counted", told());
        app.rows(sleeps).await;
        ran += 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_level_of_the_file_is_taken_over_by_sighup() {
    let Some(shop) = shop("logs_hup") else { return };
    let (proxy, _policies) = proxy(&shop, "log: {level: info}\n", &[]);
    drop(shop.via(&proxy, "shop_app").await);
    assert_eq!(level(&proxy), pair("info", "configuration"));
    let text = fs::read_to_string(proxy.config()).unwrap();
    let write = |level: &str| {
        fs::write(proxy.config(), text.replace("level: info", level)).unwrap();
        proxy.signal("HUP");
    };
    write("level: debug");
    until("the level is not taken over", || level(&proxy) == pair("debug", "configuration"));
    drop(shop.via(&proxy, "shop_app").await);
    until("nothing more is told", || proxy.log().contains("session is over"));
    write("levle: trace");
    until("a broken file is not told", || proxy.log().contains("the log level stays"));
    assert!(proxy.log().contains("did you mean `level`?"), "{}", proxy.log());
    assert_eq!(level(&proxy), pair("debug", "configuration"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_level_asked_for_lasts_for_its_time() {
    let Some(shop) = shop("logs_request") else { return };
    let options = ProxyOptions {
        service: Some("pgcovenant"),
        admin_more: ", allow_changes: true".into(),
        ..ProxyOptions::default()
    };
    let proxy = Proxy::start(shop.cluster, options);
    let json = "application/json";
    assert_eq!(ask(&proxy, "PUT", "text/plain", r#"{"level": "debug"}"#).0, 415);
    let (status, why) = ask(&proxy, "PUT", json, r#"{"level": "loud"}"#);
    assert_eq!((status, level(&proxy)), (400, pair("info", "configuration")), "{why}");
    let (status, now) = ask(&proxy, "PUT", json, r#"{"level": "debug", "for": "1h"}"#);
    assert_eq!((status, &now["level"], &now["source"]), (200, &"debug".into(), &"request".into()), "{now}");
    assert!(now["until"].is_string());
    drop(shop.via(&proxy, "shop_app").await);
    until("nothing more is told", || proxy.log().contains("session is over"));
    assert_eq!(ask(&proxy, "DELETE", json, "").1["source"], "configuration");
    let (status, _) = ask(&proxy, "POST", json, r#"{"level": "trace", "for": "500ms"}"#);
    assert_eq!(status, 200);
    until("the level stays", || level(&proxy) == pair("info", "configuration"));
    let log = proxy.log();
    assert_eq!(log.matches("the log level is changed by request").count(), 2, "{log}");
    assert_eq!(log.matches("the log level is again what it was").count(), 2, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_changes_the_level_unless_the_configuration_allows_it() {
    let Some(shop) = shop("logs_refused") else { return };
    let (proxy, _policies) = proxy(&shop, "log: {level: 'warn,pgcovenant=info'}\n", &[]);
    let json = "application/json";
    let (status, why) = ask(&proxy, "PUT", json, r#"{"level": "debug"}"#);
    assert_eq!(status, 403);
    assert!(why["error"].as_str().unwrap().contains("allow_changes"), "{why}");
    assert_eq!(ask(&proxy, "DELETE", json, "").0, 403);
    assert_eq!(level(&proxy), pair("warn,pgcovenant=info", "configuration"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_has_the_last_word_on_the_level() {
    let Some(shop) = shop("logs_environment") else { return };
    let (proxy, _policies) = proxy(&shop, "log: {level: info}\n", &[("RUST_LOG", "pgcovenant=info")]);
    assert_eq!(level(&proxy), pair("pgcovenant=info", "environment"));
    let text = fs::read_to_string(proxy.config()).unwrap();
    fs::write(proxy.config(), text.replace("level: info", "level: trace")).unwrap();
    proxy.signal("HUP");
    until("it is not told", || proxy.log().contains("RUST_LOG is set"));
    assert_eq!(level(&proxy), pair("pgcovenant=info", "environment"));
}

//! Where verifiers come from, what happens when they change, and that no password is needed.

use std::time::{Duration, Instant};

use super::tap::{heard, tap};
use super::{Source, site};
use crate::support::raw::{Raw, query};
use crate::support::{Proxy, ProxyOptions};

const WRONG: &str = "FATAL:  password authentication failed for user \"scram\"";

fn refused(answer: Result<String, String>) {
    assert!(answer.as_ref().is_err_and(|complaint| complaint.ends_with(WRONG)), "{answer:?}");
}

#[test]
fn no_password_is_on_the_wire_on_either_hop() {
    let Some(site) = site() else { return };
    for (client, server) in [("sslmode=disable", "verify-full"), ("sslmode=verify-full", "disable")] {
        let (tapped, on_server_hop) = tap(site.cluster.port());
        let options = ProxyOptions { upstream_port: Some(tapped), ..site.options(Source::File, server) };
        let proxy = Proxy::start(&site.cluster, options);
        let (entry, on_client_hop) = tap(proxy.port());
        assert_eq!(site.psql(entry, "scram", "secret-scram", client), Ok("scram".into()), "{}", proxy.log());
        assert!(!heard(&on_client_hop, "secret-scram") && !heard(&on_server_hop, "secret-scram"));
        // The tap hears what is not encrypted.
        assert!(heard(if client.contains("disable") { &on_client_hop } else { &on_server_hop }, "SCRAM-SHA-256"));
    }
}

#[test]
fn a_changed_password_counts_at_once() {
    let Some(site) = site() else { return };
    for source in [Source::File, Source::Query] {
        site.cluster.sql("postgres", "ALTER ROLE scram PASSWORD 'secret-scram'");
        let proxy = site.proxy(source, "verify-full");
        let log_in =
            |password| site.psql(proxy.port(), "scram", password, "sslmode=verify-full channel_binding=require");
        assert_eq!(log_in("secret-scram"), Ok("scram".into()));
        site.cluster.sql("postgres", "ALTER ROLE scram PASSWORD 'fresh'");
        if source == Source::File {
            // The file does not know it yet.
            refused(log_in("fresh"));
            refused(log_in("secret-scram"));
            // No signal is needed: a verifier that does not fit makes the proxy look at the file.
            site.write_verifiers();
        }
        refused(log_in("secret-scram"));
        assert_eq!(log_in("fresh"), Ok("scram".into()), "{source:?}: {}", proxy.log());
    }
}

#[test]
fn a_file_is_read_again_on_a_signal_and_a_bad_one_changes_nothing() {
    let Some(site) = site() else { return };
    let proxy = site.proxy(Source::File, "verify-full");
    let log_in = |user: &str| site.psql(proxy.port(), user, "secret-late", "sslmode=verify-full");
    site.cluster.sql("postgres", "CREATE ROLE late LOGIN PASSWORD 'secret-late'");
    assert!(log_in("late").is_err(), "not in the file yet");
    let wait = |what: &str, holds: &dyn Fn() -> bool| {
        let until = Instant::now() + Duration::from_secs(20);
        while !holds() {
            assert!(Instant::now() < until, "{what}\n{}", proxy.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    site.write_verifiers();
    proxy.signal("HUP");
    wait("the file is not read again", &|| log_in("late").is_ok());
    std::fs::write(site.path("users.txt"), "\"late\" \"secret-late\"\nnonsense\n").unwrap();
    proxy.signal("HUP");
    wait("the bad file is not reported", &|| proxy.log().contains("users.txt:2:1: error"));
    let log = proxy.log();
    assert!(log.contains("users.txt:1:1: error: this is no SCRAM verifier"), "{log}");
    assert!(!log.contains("secret-late") && !log.contains("nonsense"), "{log}");
    assert_eq!(log_in("late"), Ok("late".into()));
}

#[test]
fn who_is_not_in_the_file_is_asked_for() {
    let Some(site) = site() else { return };
    let file = site.write_verifiers();
    site.cluster.sql("postgres", "CREATE ROLE late LOGIN PASSWORD 'secret-late'");
    site.install_query();
    let more = format!("auth: {{verifiers: {}, query: \"SELECT 1, pgcovenant.verifier($1)\"}}", file.display());
    let proxy = Proxy::start(&site.cluster, ProxyOptions { more, ..site.options(Source::Nowhere, "verify-full") });
    let log_in =
        |user, password| site.psql(proxy.port(), user, password, "sslmode=verify-full channel_binding=require");
    assert_eq!(log_in("scram", "secret-scram"), Ok("scram".into()));
    assert_eq!(log_in("late", "secret-late"), Ok("late".into()), "{}", proxy.log());
    // A verifier in the file that has grown old is looked up as well.
    site.cluster.sql("postgres", "ALTER ROLE scram PASSWORD 'fresh'");
    assert_eq!(log_in("scram", "fresh"), Ok("scram".into()), "{}", proxy.log());
    refused(log_in("scram", "secret-scram"));
}

#[test]
fn a_bad_file_is_reported_by_check_and_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("users.txt"), "\"ann\" \"hunter2\"\nx\n").unwrap();
    let config = folder.path().join("pgcovenant.yaml");
    std::fs::write(&config, "upstream: {host: 127.0.0.1}\nlisten: ['127.0.0.1:1']\nauth: {verifiers: users.txt}\n")
        .unwrap();
    for command in ["check", "serve"] {
        let (code, out, err) = Proxy::run(&[command, "--config", config.to_str().unwrap()]);
        let said = out + &err;
        assert_ne!(code, Some(0), "{command}: {said}");
        assert!(said.contains("this is no SCRAM verifier") && said.contains("users.txt:2:1"), "{command}: {said}");
        assert!(!said.contains("hunter2"), "{command}: {said}");
    }
}

#[test]
fn the_query_cannot_be_turned_against_us() {
    let Some(site) = site() else { return };
    // What a client says about its search path, and objects that it could put in front, do not reach the query.
    site.cluster.sql("postgres", "CREATE SCHEMA evil; GRANT ALL ON SCHEMA evil TO PUBLIC");
    site.cluster.sql(
        "postgres",
        "CREATE FUNCTION evil.eq(name, text) RETURNS bool LANGUAGE sql AS 'SELECT true';
         CREATE OPERATOR evil.= (LEFTARG = name, RIGHTARG = text, FUNCTION = evil.eq);
         ALTER ROLE pgcovenant SET search_path = evil; ALTER ROLE pgcovenant SUPERUSER",
    );
    let options =
        ProxyOptions { more: "auth: {query: default}".into(), ..site.options(Source::Nowhere, "verify-full") };
    let proxy = Proxy::start(&site.cluster, options);
    let log_in = |user: &str, more: &str| {
        site.psql(proxy.port(), user, "secret-scram", &format!("sslmode=verify-full channel_binding=require {more}"))
    };
    assert_eq!(log_in("scram", "options='-c search_path=evil'"), Ok("scram".into()), "{}", proxy.log());
    for user in ["' OR true --", "no_scram", "expired"] {
        let user = user.replace('\'', "\\'");
        let answer = log_in(&format!("'{user}'"), "");
        assert!(answer.is_err_and(|complaint| complaint.contains("password authentication failed")), "{user}");
    }
}

#[test]
fn without_an_answer_the_client_is_told_or_does_it_itself() {
    let Some(site) = site() else { return };
    let options = |tls| ProxyOptions {
        more: "auth: {query: \"SELECT no_such($1)\"}".into(),
        ..site.options(Source::Nowhere, tls)
    };
    let proxy = Proxy::start(&site.cluster, options("disable"));
    assert_eq!(site.psql(proxy.port(), "scram", "secret-scram", "sslmode=verify-full"), Ok("scram".into()));
    let proxy = Proxy::start(&site.cluster, options("verify-full"));
    let complaint = site.psql(proxy.port(), "scram", "secret-scram", "sslmode=verify-full").unwrap_err();
    assert!(complaint.contains("FATAL:  passwords cannot be verified now"), "{complaint}");
    assert!(proxy.log().contains("no_such"), "{}", proxy.log());
    // The query recovers without a restart.
    site.cluster.sql(
        "postgres",
        "CREATE FUNCTION pg_catalog.no_such(text) RETURNS text LANGUAGE sql SECURITY DEFINER AS
        'SELECT rolpassword FROM pg_authid WHERE rolname = $1'"
            .replace("CREATE", "SET allow_system_table_mods = on; CREATE")
            .as_str(),
    );
    assert_eq!(
        site.psql(proxy.port(), "scram", "secret-scram", "sslmode=verify-full"),
        Ok("scram".into()),
        "{}",
        proxy.log()
    );
}

#[test]
fn hashing_a_password_holds_nobody_up() {
    let Some(site) = site() else { return };
    // Millions of rounds take a second or more; the server itself computes nothing of the kind.
    let key = format!("{}=", "A".repeat(43));
    let verifier = format!("SCRAM-SHA-256$3000000:W22ZaJ0SNY7soEsUEjb6gQ==${key}:{key}");
    site.cluster.sql("postgres", &format!("ALTER ROLE scram PASSWORD '{verifier}'"));
    let proxy = site.proxy(Source::Nowhere, "verify-full");
    let mut others: Vec<_> = (0..4).map(|_| Raw::connect(proxy.port(), "trust", "postgres")).collect();
    let log_in = || {
        let began = Instant::now();
        refused(site.psql(proxy.port(), "scram", "any", "sslmode=verify-full"));
        began.elapsed()
    };
    std::thread::scope(|scope| {
        let logins = [(); 4].map(|()| scope.spawn(log_in));
        let mut slowest = Duration::ZERO;
        while !logins.iter().all(|login| login.is_finished()) {
            for other in &mut others {
                let began = Instant::now();
                other.exchange(&[query("SELECT 1")], 1);
                slowest = slowest.max(began.elapsed());
            }
        }
        let login = logins.into_iter().map(|login| login.join().unwrap()).min().unwrap();
        assert!(slowest < login / 2, "a statement took {slowest:?} while logins took {login:?}");
    });
}

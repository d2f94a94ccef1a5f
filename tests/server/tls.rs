//! TLS on both hops.

use std::process::Command;

use crate::support::{self, Auth, Cluster, ClusterOptions, Proxy, ProxyOptions};

fn secure(auth: Auth) -> Option<Cluster> {
    let cluster = support::cluster(ClusterOptions { tls: true, auth, ..ClusterOptions::default() })?;
    cluster.sql("postgres", "CREATE ROLE someone LOGIN PASSWORD 'someone'");
    cluster.sql("postgres", "CREATE ROLE pgcovenant LOGIN PASSWORD 'pgcovenant'");
    Some(cluster)
}

/// psql as `someone` with this sslmode: its output, or its complaint.
fn psql(cluster: &Cluster, proxy: &Proxy, more: &str, sql: &str) -> Result<String, String> {
    let ca = proxy.directory().join("ca.crt").display().to_string();
    let settings = format!("host=localhost port={} user=someone dbname=postgres {more}", proxy.port());
    let output = Command::new(cluster.program("psql"))
        .args(["-XAtq", "-d", &settings, "-c", sql])
        .env("PGPASSWORD", "someone")
        .env("PGSSLROOTCERT", ca)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim().to_owned();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

const UPSTREAM_IS_ENCRYPTED: &str = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

#[test]
fn from_client_to_proxy() {
    let Some(cluster) = support::cluster(ClusterOptions::default()) else { return };
    cluster.sql("postgres", "CREATE ROLE someone LOGIN PASSWORD 'someone'");
    let proxy = Proxy::start(&cluster, ProxyOptions { tls: true, ..ProxyOptions::default() });
    for mode in ["disable", "prefer", "require", "verify-ca", "verify-full"] {
        let answer = psql(&cluster, &proxy, &format!("sslmode={mode}"), "SELECT 1");
        assert_eq!(answer, Ok("1".into()), "{mode}: {}", proxy.log());
    }
    let shown = psql(&cluster, &proxy, "sslmode=require", "\\conninfo").unwrap();
    assert!(shown.contains("TLSv1.3"), "{shown}");
}

#[test]
fn a_proxy_without_certificate_says_so() {
    let Some(cluster) = support::cluster(ClusterOptions::default()) else { return };
    cluster.sql("postgres", "CREATE ROLE someone LOGIN PASSWORD 'someone'");
    let proxy = Proxy::start(&cluster, ProxyOptions::default());
    assert_eq!(psql(&cluster, &proxy, "sslmode=prefer", "SELECT 1"), Ok("1".into()));
    let complaint = psql(&cluster, &proxy, "sslmode=require", "SELECT 1").unwrap_err();
    assert!(complaint.contains("server does not support SSL"), "{complaint}");
}

#[test]
fn from_proxy_to_server() {
    let Some(cluster) = secure(Auth::ScramSha256) else { return };
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.crt");
    std::fs::write(&ca, cluster.authority().pem()).unwrap();
    for mode in ["prefer", "require", "verify-ca", "verify-full"] {
        let options = ProxyOptions {
            service: Some("pgcovenant"),
            upstream_tls: Some(mode),
            upstream_ca: Some(ca.clone()),
            ..ProxyOptions::default()
        };
        let proxy = Proxy::start(&cluster, options);
        let answer = psql(&cluster, &proxy, "sslmode=disable", UPSTREAM_IS_ENCRYPTED);
        assert_eq!(answer, Ok("t".into()), "{mode}: {}", proxy.log());
    }
}

#[test]
fn a_server_with_a_foreign_certificate_is_not_trusted() {
    let Some(cluster) = secure(Auth::Trust) else { return };
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.crt");
    std::fs::write(&ca, support::certs::Authority::new().pem()).unwrap();
    for mode in ["verify-ca", "verify-full"] {
        let options =
            ProxyOptions { upstream_tls: Some(mode), upstream_ca: Some(ca.clone()), ..ProxyOptions::default() };
        let proxy = Proxy::start_unready(&cluster, options);
        let complaint = psql(&cluster, &proxy, "sslmode=disable", "SELECT 1").unwrap_err();
        assert!(complaint.contains("FATAL"), "{mode}: {complaint}");
        assert!(proxy.log().contains("certificate"), "{mode}: {}", proxy.log());
    }
}

#[test]
fn on_both_hops_with_scram() {
    let Some(cluster) = secure(Auth::ScramSha256) else { return };
    let options = ProxyOptions {
        service: Some("pgcovenant"),
        tls: true,
        upstream_tls: Some("require"),
        ..ProxyOptions::default()
    };
    let proxy = Proxy::start(&cluster, options);
    for more in ["sslmode=verify-full", "sslmode=require channel_binding=disable"] {
        let answer = psql(&cluster, &proxy, more, UPSTREAM_IS_ENCRYPTED);
        assert_eq!(answer, Ok("t".into()), "{more}: {}", proxy.log());
    }
}

#[test]
fn a_cancel_request_may_come_encrypted() {
    let Some(cluster) = secure(Auth::Trust) else { return };
    let options = ProxyOptions { tls: true, upstream_tls: Some("require"), ..ProxyOptions::default() };
    let proxy = Proxy::start(&cluster, options);
    let complaint = psql(&cluster, &proxy, "sslmode=require options='-c statement_timeout=300'", "SELECT pg_sleep(20)")
        .unwrap_err();
    assert!(complaint.contains("statement timeout"), "{complaint}");
}

//! Certificates are replaced while sessions go on.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::support::knock::{self, V3_0, messages, startup};
use crate::support::raw::query;
use crate::support::{self, Cluster, ClusterOptions, Proxy, ProxyOptions, until};

/// The certificate that a new handshake is served with.
fn served(cluster: &Cluster, proxy: &Proxy) -> CertificateDer<'static> {
    let client = knock::tls_client(cluster.authority().pem(), &["postgresql"]);
    let mut stream = knock::encrypted(proxy.port(), &client);
    stream.write_all(&startup(V3_0, &[("user", "postgres")])).unwrap();
    assert!(messages(&knock::answer(&mut stream)).contains(&"Z I".to_owned()));
    stream.conn.peer_certificates().unwrap()[0].clone().into_owned()
}

/// A new certificate in the place of the old one, key first: in between the two do not fit together.
fn renew(cluster: &Cluster, folder: &Path) -> CertificateDer<'static> {
    let issued = cluster.authority().issue("localhost");
    let certificate = CertificateDer::from_pem_slice(issued.cert.as_bytes()).unwrap().into_owned();
    fs::write(folder.join("proxy.key"), issued.key).unwrap();
    fs::write(folder.join("proxy.crt"), issued.cert).unwrap();
    certificate
}

const SUCCESSFUL: &str = "pgcovenant_tls_last_reload_successful";

#[test]
fn new_handshakes_get_the_new_certificate() {
    let Some(cluster) = support::cluster(ClusterOptions::default()) else { return };
    let proxy = Proxy::start(&cluster, ProxyOptions { tls: true, ..ProxyOptions::default() });
    let client = knock::tls_client(cluster.authority().pem(), &["postgresql"]);
    let mut open = knock::encrypted(proxy.port(), &client);
    open.write_all(&startup(V3_0, &[("user", "postgres")])).unwrap();
    knock::answer(&mut open);
    let first = served(&cluster, &proxy);
    let second = renew(&cluster, proxy.directory());
    assert_ne!(first, second);
    until("the new certificate is not served", || served(&cluster, &proxy) == second);
    assert_eq!(proxy.metric(SUCCESSFUL, &[]), 1.0);
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    assert!(proxy.metric("pgcovenant_tls_certificate_expiry_timestamp_seconds", &[]) > now);

    fs::write(proxy.directory().join("proxy.crt"), "-----BEGIN CERTIFICATE-----\nbroken\n").unwrap();
    until("a broken file is not reported", || proxy.metric(SUCCESSFUL, &[]) == 0.0);
    assert!(proxy.metric("pgcovenant_tls_reloads_total", &[("result", "failure")]) >= 1.0);
    assert!(proxy.log().contains("certificate refused"), "{}", proxy.log());
    assert_eq!(served(&cluster, &proxy), second, "a broken file changes nothing");
    let (code, report, _) = Proxy::run(&["check", "--config", &proxy.config().display().to_string()]);
    assert_eq!(code, Some(1), "{report}");
    assert!(report.contains("proxy.crt: ") && report.contains("tls: {cert"), "{report}");

    let third = renew(&cluster, proxy.directory());
    proxy.signal("HUP");
    until("a good file is not taken again", || proxy.metric(SUCCESSFUL, &[]) == 1.0);
    assert_eq!(served(&cluster, &proxy), third);
    open.write_all(&query("SELECT 'still here'")).unwrap();
    let answer = messages(&knock::answer(&mut open));
    assert!(answer.iter().any(|message| message.contains("still here")), "{answer:?}");
}

#[test]
fn the_authorities_of_the_server_are_read_again() {
    let Some(cluster) = support::cluster(ClusterOptions { tls: true, ..ClusterOptions::default() }) else { return };
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.crt");
    fs::write(&ca, support::certs::Authority::new().pem()).unwrap();
    let options =
        ProxyOptions { upstream_tls: Some("verify-full"), upstream_ca: Some(ca.clone()), ..ProxyOptions::default() };
    let mut proxy = Proxy::start_unready(&cluster, options);
    let ask = |proxy: &Proxy| messages(&knock::ask(proxy.port(), &startup(V3_0, &[("user", "postgres")])));
    assert!(ask(&proxy)[0].contains("C57P03"), "{:?}", ask(&proxy));
    fs::write(&ca, cluster.authority().pem()).unwrap();
    until("the new authority is not trusted", || ask(&proxy).contains(&"Z I".to_owned()));
    proxy.wait_until_ready(Duration::from_secs(20));
}

#[test]
fn a_check_tells_broken_files_from_missing_ones() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("pgcovenant.yaml");
    fs::write(&config, "upstream: {host: db, tls: verify-full, ca: ca.crt}\ntls: {cert: a.crt, key: a.key}\n").unwrap();
    let check = || Proxy::run(&["check", "--config", &config.display().to_string()]);
    let (code, report, _) = check();
    assert_eq!(code, Some(0), "{report}");
    assert!(report.contains("warning: ") && report.contains("a.key"), "{report}");
    for name in ["a.crt", "a.key", "ca.crt"] {
        fs::write(folder.path().join(name), "no PEM").unwrap();
    }
    let (code, report, _) = check();
    assert_eq!(code, Some(1), "{report}");
    assert!(report.contains("ca: ca.crt") && report.contains("2 errors"), "{report}");
}

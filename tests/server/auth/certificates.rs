//! Client certificates: verified here, vouched for to the server, and judged there.

use super::{Site, Source, site, with_certificate};
use crate::support::{Proxy, ProxyOptions};

/// The name in the proxy's own certificate, which the server lets act for `by_certificate`.
const PROXY: &str = "proxy-identity";

/// A proxy with a certificate of its own and this map.
fn proxy(site: &Site, map: &str) -> Proxy {
    let identity = site.cluster.socket_directory().join("data/pg_ident.conf");
    std::fs::write(identity, format!("proxy {PROXY} by_certificate\nproxy by_certificate by_certificate\n")).unwrap();
    site.cluster.sql("postgres", "CREATE ROLE by_certificate LOGIN");
    site.cluster.sql("postgres", "SELECT pg_reload_conf()");
    with_certificate(site.directory.path(), PROXY, &site.cluster.authority().issue(PROXY));
    let options = ProxyOptions {
        upstream_more: format!(
            ", cert: {}, key: {}",
            site.path("proxy-identity.crt").display(),
            site.path("proxy-identity.key").display()
        ),
        tls_more: format!(", client_ca: {}", site.path("ca.crt").display()),
        more: format!("auth: {{certificates: {map}}}"),
        ..site.options(Source::Nowhere, "verify-full")
    };
    Proxy::start(&site.cluster, options)
}

/// libpq's settings for somebody with this certificate, for these names.
fn holder(site: &Site, name: &str) -> String {
    let shown = with_certificate(site.directory.path(), "client", &site.cluster.authority().issue(name));
    format!("sslmode=verify-full {shown}")
}

#[test]
fn a_certificate_stands_for_the_users_of_the_map_and_for_nobody_else() {
    let Some(site) = site() else { return };
    let map = "[{cn: '/^(.*)@example\\.com$', user: '\\1'}, {dns: app.example, user: by_certificate}]";
    let proxy = proxy(&site, map);
    let log_in = |port: u16, user: &str, more: &str| site.psql(port, user, "secret-scram", more);
    for name in ["by_certificate@example.com", "app.example"] {
        let answer = log_in(proxy.port(), "by_certificate", &holder(&site, name));
        assert_eq!(answer, Ok("by_certificate".into()), "{name}: {}", proxy.log());
    }
    // With another's certificate, or none, the same words as without the proxy.
    for more in [
        holder(&site, "other@example.com"),
        holder(&site, "b.example"),
        "sslmode=verify-full sslcert=/none".into(),
        "sslmode=disable".into(),
    ] {
        let mut direct = log_in(site.cluster.port(), "by_certificate", &more).unwrap_err();
        if more == "sslmode=disable" {
            // The server speaks of its own connection, which is encrypted here.
            assert!(direct.contains("no pg_hba.conf entry"), "{direct}");
            direct = log_in(site.cluster.port(), "by_certificate", "sslmode=require sslcert=/none").unwrap_err();
        }
        assert_eq!(log_in(proxy.port(), "by_certificate", &more), Err(direct), "{more}");
    }
    // A certificate does not stand in the way of those who have a password.
    for name in ["other@example.com", "scram@example.com"] {
        assert_eq!(log_in(proxy.port(), "scram", &holder(&site, name)), Ok("scram".into()), "{name}");
    }
    // And a role that the server does not let us act for stays closed.
    site.cluster.sql("postgres", "CREATE ROLE no_certificate LOGIN");
    let complaint = log_in(proxy.port(), "no_certificate", &holder(&site, "no_certificate@example.com")).unwrap_err();
    assert!(complaint.contains("FATAL:  certificate authentication failed for user \"no_certificate\""), "{complaint}");
}

#[test]
fn without_a_map_a_common_name_is_the_users_name() {
    let Some(site) = site() else { return };
    let proxy = proxy(&site, "[]");
    for (name, expected) in [("by_certificate", true), ("somebody", false)] {
        let answer = site.psql(proxy.port(), "by_certificate", "", &holder(&site, name));
        assert_eq!(answer.is_ok(), expected, "{name}: {answer:?}");
        assert_eq!(answer, site.psql(site.cluster.port(), "by_certificate", "", &holder(&site, name)));
    }
}

#[test]
fn a_certificate_of_another_authority_is_no_certificate() {
    let Some(site) = site() else { return };
    let proxy = proxy(&site, "[]");
    let foreign = crate::support::certs::Authority::new().issue("by_certificate");
    let shown = with_certificate(site.directory.path(), "foreign", &foreign);
    for port in [site.cluster.port(), proxy.port()] {
        let answer = site.psql(port, "by_certificate", "", &format!("sslmode=verify-full {shown}"));
        // Which of the alerts is sent depends on the library.
        assert!(answer.is_err_and(|complaint| complaint.contains("alert")), "{}", proxy.log());
    }
}

#[test]
fn the_service_account_may_have_a_certificate_in_place_of_a_password() {
    let Some(site) = site() else { return };
    site.install_query();
    site.cluster.sql("postgres", "CREATE ROLE by_certificate LOGIN IN ROLE pgcovenant");
    let identity = site.cluster.socket_directory().join("data/pg_ident.conf");
    std::fs::write(identity, "proxy service by_certificate\n").unwrap();
    site.cluster.sql("postgres", "SELECT pg_reload_conf()");
    with_certificate(site.directory.path(), "service", &site.cluster.authority().issue("service"));
    let service = format!(
        "service: {{user: by_certificate, cert: {}, key: {}}}\nauth: {{query: \"SELECT pgcovenant.verifier($1)\"}}",
        site.path("service.crt").display(),
        site.path("service.key").display()
    );
    let options = ProxyOptions { service: None, more: service, ..site.options(Source::Nowhere, "verify-full") };
    let proxy = Proxy::start(&site.cluster, options);
    let answer = site.psql(proxy.port(), "scram", "secret-scram", "sslmode=verify-full channel_binding=require");
    assert_eq!(answer, Ok("scram".into()), "{}", proxy.log());
}

#[test]
fn clients_bind_to_the_certificate_that_they_were_shown() {
    let Some(site) = site() else { return };
    let proxy = site.proxy(Source::File, "verify-full");
    let log_in = || site.psql(proxy.port(), "scram", "secret-scram", "sslmode=verify-full channel_binding=require");
    assert_eq!(log_in(), Ok("scram".into()));
    let fresh = site.cluster.authority().issue("localhost");
    std::fs::write(proxy.directory().join("proxy.crt"), fresh.cert).unwrap();
    std::fs::write(proxy.directory().join("proxy.key"), fresh.key).unwrap();
    proxy.signal("HUP");
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !proxy.log().contains("certificates loaded") {
        assert!(std::time::Instant::now() < until, "{}", proxy.log());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(log_in(), Ok("scram".into()), "{}", proxy.log());
}

//! Behind a load balancer that says whom it connects for.

use std::io::Write;

use crate::support::knock::{self, SSL_REQUEST, V3_0, messages, startup};
use crate::support::{ProxyOptions, Shop, shop, until};

/// A header of version 2 for a client with this IPv4 address, or for the load balancer itself, with a TLV behind it.
fn binary(client: Option<[u8; 4]>) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend([if client.is_some() { 0x21 } else { 0x20 }, 0x11, 0, 17]);
    header.extend(client.unwrap_or_default());
    header.extend([10, 0, 0, 1, 1, 2, 3, 4]);
    header.extend([0xea, 0, 2, 1, 2]);
    header
}

fn hello(shop: &Shop, user: &str) -> Vec<u8> {
    startup(V3_0, &[("user", user), ("database", &shop.database)])
}

fn welcome(answer: &[u8]) -> bool {
    messages(answer).contains(&"Z I".to_owned())
}

const TRUSTED: &str = "proxy_protocol: {from: [127.0.0.0/8]}";

/// Rules about networks, and the audit, see the address that the load balancer tells.
#[test]
fn the_carried_address_is_the_clients() {
    let Some(shop) = shop("carried_address") else { return };
    let policies = shop.policies();
    policies.replace("policy.yaml", "to: [{role: support}]", "to: [{role: support, cidr: 192.0.2.0/24}]");
    let proxy = shop.proxy_with(&policies, TRUSTED);
    let ask = |header: &[u8]| {
        let mut stream = knock::open(proxy.port());
        stream.write_all(&[header, &hello(&shop, "support")].concat()).unwrap();
        assert!(welcome(&knock::answer(&mut stream)), "{}", proxy.log());
        stream.write_all(&crate::support::raw::query("SELECT email FROM customers WHERE id = 1")).unwrap();
        let answer = String::from_utf8_lossy(&knock::answer(&mut stream)).into_owned();
        assert!(answer.contains('@'), "{answer}");
        answer.contains("****")
    };
    assert!(ask(b"PROXY TCP4 192.0.2.7 10.0.0.1 56324 5432\r\n"), "masked for that network");
    assert!(ask(&binary(Some([192, 0, 2, 7]))));
    assert!(!ask(b"PROXY TCP4 198.51.100.7 10.0.0.1 56324 5432\r\n"));
    assert!(!ask(&binary(None)), "LOCAL: the address of the connection");
    assert!(!ask(b"PROXY UNKNOWN\r\n"));
    until("the audit does not know the client", || proxy.audit().contains("\"client_address\":\"192.0.2.7\""));
}

#[test]
fn a_header_must_be_there_unless_it_need_not() {
    let Some(shop) = shop("header_required") else { return };
    let start = |more: &str| {
        let options = ProxyOptions { more: more.to_owned(), ..ProxyOptions::default() };
        crate::support::Proxy::start(shop.cluster, options)
    };
    let header = b"PROXY TCP4 192.0.2.7 10.0.0.1 56324 5432\r\n";
    let bare = hello(&shop, "shop_app");
    let with_header = [&header[..], &bare].concat();
    let required = start(TRUSTED);
    assert_eq!(knock::ask(required.port(), &bare), b"");
    assert_eq!(knock::ask(required.port(), b"PROXY TCP4 nonsense\r\n"), b"");
    assert_eq!(knock::ask(required.port(), b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\0"), b"");
    assert!(welcome(&knock::ask(required.port(), &with_header)));
    let failures = [("reason", "proxy_protocol")];
    required.metric_becomes("pgcovenant_connection_failures_total", &failures, 3.0);
    let optional = start("proxy_protocol: {from: [127.0.0.0/8], required: false}");
    assert!(welcome(&knock::ask(optional.port(), &bare)));
    assert!(welcome(&knock::ask(optional.port(), &with_header)));
    // From elsewhere it is not even looked for: a startup packet of a strange length.
    let elsewhere = start("proxy_protocol: {from: [10.0.0.0/8]}");
    assert!(welcome(&knock::ask(elsewhere.port(), &bare)));
    assert_eq!(knock::ask(elsewhere.port(), &with_header), b"");
}

#[test]
fn tls_follows_the_header() {
    let Some(shop) = shop("header_tls") else { return };
    let options = ProxyOptions { tls: true, more: TRUSTED.to_owned(), ..ProxyOptions::default() };
    let proxy = crate::support::Proxy::start(shop.cluster, options);
    let client = knock::tls_client(shop.cluster.authority().pem(), &["postgresql"]);
    for header in [b"PROXY TCP4 192.0.2.7 10.0.0.1 56324 5432\r\n".to_vec(), binary(Some([192, 0, 2, 7]))] {
        // In one packet with the beginning of TLS, as a load balancer sends it.
        let mut handshake = knock::handshake(&client);
        let mut first = header.clone();
        handshake.write_tls(&mut first).unwrap();
        let mut stream = knock::open(proxy.port());
        stream.write_all(&first).unwrap();
        let mut stream = rustls::StreamOwned::new(handshake, stream);
        stream.write_all(&hello(&shop, "shop_app")).unwrap();
        assert!(welcome(&knock::answer(&mut stream)), "{}", proxy.log());

        let mut stream = knock::open(proxy.port());
        stream.write_all(&[&header[..], &SSL_REQUEST].concat()).unwrap();
        let mut byte = [0];
        std::io::Read::read_exact(&mut stream, &mut byte).unwrap();
        assert_eq!(&byte, b"S");
        let mut stream = rustls::StreamOwned::new(knock::handshake(&client), stream);
        stream.write_all(&hello(&shop, "shop_app")).unwrap();
        assert!(welcome(&knock::answer(&mut stream)), "{}", proxy.log());
    }
}

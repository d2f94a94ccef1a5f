//! How connections start: requests for encryption, startup packets, versions of the protocol. Direct and through the proxy
//! the same bytes come back.

use std::io::{Read, Write};

use crate::support::knock::{
    self, GSSENC_REQUEST, SSL_REQUEST, V3_0, V3_2, ask, ask_in_turn, messages, packet, startup,
};
use crate::support::{self, Cluster, ClusterOptions, Proxy, ProxyOptions};

fn plain() -> Option<(Cluster, Proxy)> {
    let cluster = support::cluster(ClusterOptions::default())?;
    let proxy = Proxy::start(&cluster, ProxyOptions::default());
    Some((cluster, proxy))
}

fn with_tls() -> Option<(Cluster, Proxy)> {
    let cluster = support::cluster(ClusterOptions::default())?;
    let proxy = Proxy::start(&cluster, ProxyOptions { tls: true, ..ProxyOptions::default() });
    Some((cluster, proxy))
}

const WHO: (&str, &str) = ("user", "postgres");

/// Packets to which the server answers in its own way, with what the test calls them.
fn packets() -> Vec<(&'static str, Vec<u8>)> {
    let with = |more: &[(&str, &str)]| startup(V3_0, &[&[WHO][..], more].concat());
    let long = "x".repeat(10_004 - with(&[("application_name", "")]).len());
    vec![
        ("3.0", with(&[])),
        ("3.0 with options", with(&[("_pq_.something", "1"), ("_pq_.other", "")])),
        ("3.2", startup(V3_2, &[WHO])),
        ("3.9999", startup(V3_0 | 9999, &[WHO, ("_pq_.test_protocol_negotiation", "")])),
        ("2.0", startup(2 << 16, &[WHO])),
        ("4.0", startup(4 << 16, &[WHO])),
        ("4.0 with options", startup(4 << 16, &[WHO, ("_pq_.something", "1")])),
        ("1.0 and garbage", packet(1 << 16, b"\xff\xfe\0\0garbage")),
        ("no user", startup(V3_0, &[("database", "postgres")])),
        ("empty user", startup(V3_0, &[("user", "")])),
        (
            "the last user counts",
            startup(V3_0, &[("user", "nobody"), WHO, ("database", "x"), ("database", "postgres")]),
        ),
        ("no such user", startup(V3_0, &[WHO, ("user", "nobody")])),
        ("no such database", with(&[("database", "nowhere")])),
        ("empty database", with(&[("database", "")])),
        ("settings", with(&[("DateStyle", "SQL, DMY"), ("TimeZone", "Asia/Tokyo"), ("application_name", "a b")])),
        ("options", with(&[("options", "-c IntervalStyle=iso_8601 --application_name=x\\ y -c search_path=a")])),
        ("unknown setting", with(&[("no_such_setting", "1")])),
        ("unknown option", with(&[("options", "-c no_such_setting=1")])),
        ("not a setting for users", with(&[("max_connections", "7")])),
        ("bad encoding", with(&[("client_encoding", "KLINGON")])),
        ("other encoding", with(&[("client_encoding", "LATIN1")])),
        ("bad replication", with(&[("replication", "maybe")])),
        ("replication cut too short", with(&[("replication", "o")])),
        ("no replication", with(&[("replication", "of")])),
        ("nothing terminated", packet(V3_0, b"user\0postgres")),
        ("no end", packet(V3_0, b"user\0postgres\0")),
        ("something behind the end", packet(V3_0, b"user\0postgres\0\0more")),
        ("a name without value", packet(V3_0, b"user\0postgres\0database\0")),
        ("empty", packet(V3_0, b"")),
        ("as long as possible", with(&[("application_name", &long)])),
        ("too long", with(&[("application_name", &(long.clone() + "x"))])),
        ("much too long", [0, 1, 0, 0, 0, 3, 0, 0].to_vec()),
        ("too short", [0, 0, 0, 7, 0, 3, 0].to_vec()),
        ("negative", [255, 255, 255, 255, 0, 3, 0, 0].to_vec()),
        ("a cancel request cut short", packet(80_877_102, &[0, 0, 0, 7])),
        ("a cancel request with a wrong key", packet(80_877_102, &[0, 0, 0, 7, 1, 2, 3, 4])),
    ]
}

fn the_same_comes_back(cluster: &Cluster, proxy: &Proxy) {
    for (name, packet) in packets() {
        let (direct, proxied) = (ask(cluster.port(), &packet), ask(proxy.port(), &packet));
        if direct.starts_with(b"EFATAL") {
            // The form of errors in versions of the protocol before 3.0.
            assert_eq!(String::from_utf8_lossy(&direct), String::from_utf8_lossy(&proxied), "{name}");
        } else {
            assert_eq!(messages(&direct), messages(&proxied), "{name}\n{}", proxy.log());
        }
    }
}

#[test]
fn startup_packets() {
    let Some((cluster, proxy)) = plain() else { return };
    the_same_comes_back(&cluster, &proxy);
    let negotiated = messages(&ask(proxy.port(), &startup(V3_0 | 9999, &[WHO])));
    assert_eq!(negotiated.iter().filter(|message| message.starts_with("v ")).count(), 1, "{negotiated:?}");
    assert!(!proxy.log().contains("WARN") && !proxy.log().contains("ERROR"), "{}", proxy.log());
}

#[test]
fn startup_packets_of_postgresql_18() {
    let Some(cluster) = support::cluster_18(ClusterOptions::default()) else { return };
    let proxy = Proxy::start(&cluster, ProxyOptions::default());
    the_same_comes_back(&cluster, &proxy);
    let negotiated = messages(&ask(proxy.port(), &startup(V3_2, &[WHO])));
    assert!(negotiated.iter().any(|message| message.starts_with("K ") && message != "K 8 bytes"), "{negotiated:?}");
    assert!(!negotiated.iter().any(|message| message.starts_with("v ")), "{negotiated:?}");
}

#[test]
fn encryption_may_be_asked_for_once_each_in_either_order() {
    let Some((cluster, proxy)) = plain() else { return };
    let hello = startup(V3_0, &[WHO]);
    for packets in [
        vec![&SSL_REQUEST[..], &hello],
        vec![&GSSENC_REQUEST, &hello],
        vec![&SSL_REQUEST, &GSSENC_REQUEST, &hello],
        vec![&GSSENC_REQUEST, &SSL_REQUEST, &hello],
    ] {
        let proxied = ask_in_turn(proxy.port(), &packets);
        let refusals = packets.len() - 1;
        assert!(proxied[..refusals].iter().all(|byte| *byte == b'N'), "{proxied:?}");
        assert_eq!(messages(&ask(cluster.port(), &hello)), messages(&proxied[refusals..]), "{packets:?}");
    }
    let twice = [&SSL_REQUEST[..], &SSL_REQUEST];
    let (direct, proxied) = (ask_in_turn(cluster.port(), &twice), ask_in_turn(proxy.port(), &twice));
    let words = |answer: &[u8]| knock::field(answer, 'M').map(|words| words.split(':').next().unwrap().to_owned());
    assert_eq!(words(&direct[1..]), words(&proxied[1..]));
    for code in ['S', 'C'] {
        assert_eq!(knock::field(&direct[1..], code), knock::field(&proxied[1..], code));
    }
    let twice = [&GSSENC_REQUEST[..], &SSL_REQUEST, &GSSENC_REQUEST];
    assert_eq!(words(&ask_in_turn(proxy.port(), &twice)[2..]).unwrap(), "unsupported frontend protocol 1234.5680");
}

/// What is sent before the answer to a request for encryption can come from somebody in between.
#[test]
fn nothing_is_taken_from_before_the_encryption() {
    let Some((cluster, proxy)) = plain() else { return };
    for (request, words) in [(SSL_REQUEST, "SSL"), (GSSENC_REQUEST, "GSSAPI encryption")] {
        let bytes = [&request[..], &startup(V3_0, &[WHO])].concat();
        let proxied = ask(proxy.port(), &bytes);
        assert_eq!(proxied[0], b'N');
        // The server may have a use for GSSAPI.
        let direct = if request == SSL_REQUEST { ask(cluster.port(), &bytes) } else { proxied.clone() };
        for code in ['S', 'C', 'M'] {
            assert_eq!(knock::field(&direct[1..], code), knock::field(&proxied[1..], code), "{code}");
        }
        let message = knock::field(&proxied[1..], 'M').unwrap();
        assert_eq!(message, format!("received unencrypted data after {words} request"));
    }
}

#[test]
fn nothing_is_taken_from_before_tls() {
    let Some((cluster, proxy)) = with_tls() else { return };
    let hello = startup(V3_0, &[WHO]);
    let answered = ask(proxy.port(), &[&SSL_REQUEST[..], &hello].concat());
    // Behind the one byte comes at most an alert of TLS.
    assert!(matches!(answered.get(..2), Some(b"S" | b"S\x15") | None), "{answered:?}");
    let client = knock::tls_client(cluster.authority().pem(), &["postgresql"]);
    let mut first_flight = Vec::new();
    knock::handshake(&client).write_tls(&mut first_flight).unwrap();
    // In front of TLS, behind the request; behind the first flight; and the same without a request.
    for bytes in [
        [&SSL_REQUEST[..], &hello, &first_flight].concat(),
        [&SSL_REQUEST[..], &first_flight, &hello].concat(),
        [&first_flight[..], &hello].concat(),
    ] {
        let answered = ask(proxy.port(), &bytes);
        assert!(!answered.windows(5).any(|window| window == b"R\0\0\0\x08"), "{answered:?}");
    }
    assert_eq!(proxy.metric("pgcovenant_sessions_total", &[]), 0.0);
    assert!(!proxy.log().contains("WARN"), "{}", proxy.log());
    let mut honest = knock::encrypted_on_request(proxy.port(), &client);
    honest.write_all(&hello).unwrap();
    assert!(messages(&knock::answer(&mut honest)).contains(&"Z I".to_owned()));
}

#[test]
fn tls_from_the_first_byte_on_needs_its_name() {
    let Some((cluster, proxy)) = with_tls() else { return };
    let hello = startup(V3_0, &[WHO]);
    let talk = |protocols: &[&str]| {
        let client = knock::tls_client(cluster.authority().pem(), protocols);
        let mut stream = knock::encrypted(proxy.port(), &client);
        let written = stream.write_all(&hello);
        (written.is_ok(), knock::answer(&mut stream), stream)
    };
    let (_, answered, stream) = talk(&["postgresql"]);
    assert!(messages(&answered).contains(&"Z I".to_owned()));
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"postgresql"[..]));
    assert_eq!(talk(&[]).1, b"", "no protocol named");
    assert_eq!(talk(&["http/1.1"]).1, b"", "another protocol");
    assert!(messages(&talk(&["http/1.1", "postgresql"]).1).contains(&"Z I".to_owned()));
    // After a request in PostgreSQL's own words nobody needs to name it, but who names another one is lost.
    for (protocols, welcome) in [(&["postgresql"][..], true), (&[], true), (&["http/1.1"], false)] {
        let client = knock::tls_client(cluster.authority().pem(), protocols);
        let mut stream = knock::encrypted_on_request(proxy.port(), &client);
        let sent = stream.write_all(&hello);
        let answered = if sent.is_ok() { knock::answer(&mut stream) } else { Vec::new() };
        assert_eq!(messages(&answered).contains(&"Z I".to_owned()), welcome, "{protocols:?}");
    }
    // A second layer of encryption is not to be had.
    let client = knock::tls_client(cluster.authority().pem(), &["postgresql"]);
    let mut stream = knock::encrypted(proxy.port(), &client);
    stream.write_all(&SSL_REQUEST).unwrap();
    assert_eq!(knock::field(&knock::answer(&mut stream), 'C').as_deref(), Some("0A000"));
}

#[test]
fn tls_is_not_to_be_had_without_a_certificate() {
    let Some((cluster, proxy)) = plain() else { return };
    let client = knock::tls_client(cluster.authority().pem(), &["postgresql"]);
    let mut first_flight = Vec::new();
    knock::handshake(&client).write_tls(&mut first_flight).unwrap();
    assert_eq!(ask(proxy.port(), &first_flight), b"");
}

#[test]
fn over_an_abstract_socket() {
    let Some(cluster) = support::cluster(ClusterOptions::default()) else { return };
    let name = format!("pgcovenant-test-{}", std::process::id());
    let more = format!("listen: [\"127.0.0.1:0\", \"unix:@{name}\"]");
    let proxy = Proxy::start(&cluster, ProxyOptions { listen: Some(more), ..ProxyOptions::default() });
    let settings = format!("host=@{name} port={} user=postgres dbname=postgres", proxy.port());
    let output = std::process::Command::new(cluster.program("psql"))
        .args(["-XAtq", "-d", &settings, "-c", "SELECT 'here'"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "here", "{output:?}");
}

#[test]
fn who_connects_and_leaves_makes_no_noise() {
    let Some((_cluster, proxy)) = with_tls() else { return };
    let before = proxy.log();
    for bytes in [&b""[..], b"\0", b"\0\0\0", &SSL_REQUEST, b"GET / HTTP/1.0\r\n\r\n", b"\x16\x03\x01", &[0; 300]] {
        let mut stream = knock::open(proxy.port());
        stream.write_all(bytes).unwrap();
        // The proxy may have gone already, and a reset is as good an end as any.
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    }
    assert_eq!(proxy.log(), before);
}

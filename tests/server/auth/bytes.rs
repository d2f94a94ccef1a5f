//! Byte by byte: the same complaints as the server's about broken messages, and nothing that tells users from strangers.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;

use super::{Site, Source, site};
use crate::support::{Proxy, raw};

trait Socket: Read + Write {}
impl<T: Read + Write> Socket for T {}

/// A login that is under way.
struct Login(Box<dyn Socket>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encryption {
    Off,
    On,
}

impl Login {
    /// Sends the startup packet of this user and takes the offer of mechanisms.
    fn begin(site: &Site, port: u16, encryption: Encryption, user: &str) -> (Self, Vec<u8>) {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut login = match encryption {
            Encryption::Off => Self(Box::new(stream)),
            Encryption::On => {
                stream.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).unwrap();
                let mut answer = [0];
                stream.read_exact(&mut answer).unwrap();
                assert_eq!(&answer, b"S");
                let mut roots = rustls::RootCertStore::empty();
                let ca = rustls::pki_types::CertificateDer::from_pem_slice(site.cluster.authority().pem().as_bytes());
                roots.add(ca.unwrap()).unwrap();
                let config =
                    rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                        .with_safe_default_protocol_versions()
                        .unwrap()
                        .with_root_certificates(roots)
                        .with_no_client_auth();
                let client = rustls::ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
                Self(Box::new(rustls::StreamOwned::new(client, stream)))
            }
        };
        login.0.write_all(&raw::startup(&[("user", user), ("database", "postgres")])).unwrap();
        let (_, offer) = login.message();
        (login, offer)
    }

    fn message(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 5];
        self.0.read_exact(&mut head).expect("no answer");
        let mut body = vec![0; u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize - 4];
        self.0.read_exact(&mut body).unwrap();
        (head[0], body)
    }

    fn send(&mut self, tag: u8, body: &[u8]) {
        let length = (body.len() as u32 + 4).to_be_bytes();
        self.0.write_all(&[&[tag], &length[..], body].concat()).unwrap();
        self.0.flush().unwrap();
    }

    fn choose(&mut self, mechanism: &str, first: &[u8]) {
        let length = (first.len() as u32).to_be_bytes();
        self.send(b'p', &[mechanism.as_bytes(), b"\0", &length, first].concat());
    }

    /// The next message in a comparable form: an error without the places in the server's sources, others by their bytes.
    fn heard(&mut self) -> String {
        let (tag, body) = self.message();
        if tag != b'E' {
            return format!("{} {}", char::from(tag), String::from_utf8_lossy(&body));
        }
        let fields =
            body.split(|byte| *byte == 0).filter(|field| !matches!(field.first(), None | Some(b'F' | b'L' | b'R')));
        fields.map(|field| String::from_utf8_lossy(field).into_owned()).collect::<Vec<_>>().join(" | ")
    }

    /// The nonce in a challenge.
    fn challenged(&mut self) -> (String, Vec<u8>) {
        let (tag, body) = self.message();
        assert_eq!((tag, &body[..4]), (b'R', &[0, 0, 0, 11][..]), "{}", String::from_utf8_lossy(&body));
        let text = String::from_utf8(body[4..].to_vec()).unwrap();
        let nonce = text[2..].split(',').next().unwrap().to_owned();
        (nonce, body)
    }
}

/// Chosen mechanism and client-first-message.
const FIRST: &[(&str, &[u8])] = &[
    ("SCRAM-SHA-256", b""),
    ("SCRAM-SHA-256", b"n,,n=,r=abc\0"),
    ("SCRAM-SHA-256", b"n"),
    ("SCRAM-SHA-256", b"nn=,r=abc"),
    ("SCRAM-SHA-256", b"x,,n=,r=abc"),
    ("SCRAM-SHA-256", b"\x01,,n=,r=abc"),
    ("SCRAM-SHA-256", b"y,,n=,r="),
    ("SCRAM-SHA-256", b"p=tls-server-end-point,,n=,r=abc"),
    ("SCRAM-SHA-256", b"n,a=someone,n=,r=abc"),
    ("SCRAM-SHA-256", b"n,b=someone,n=,r=abc"),
    ("SCRAM-SHA-256", b"n,,m=ext,n=,r=abc"),
    ("SCRAM-SHA-256", b"n,,r=abc"),
    ("SCRAM-SHA-256", b"n,,n,r=abc"),
    ("SCRAM-SHA-256", b"n,,n=x"),
    ("SCRAM-SHA-256", b"n,,n=,r=a\x7fb"),
    ("SCRAM-SHA-256", b"n,,n=,r=abc,1=x"),
    ("SCRAM-SHA-256", b"n,,n=,r=abc,x"),
    ("SCRAM-SHA-256-PLUS", b"n,,n=,r=abc"),
    ("SCRAM-SHA-256-PLUS", b"y,,n=,r=abc"),
    ("SCRAM-SHA-256-PLUS", b"p=tls-unique,,n=,r=abc"),
    ("SCRAM-SHA-256-PLUS", b"p=tls-server-\xff\x01end-point-and-much-more-of-it,,n=,r=abc"),
    ("SCRAM-SHA-256-PLUS", b"p,,n=,r=abc"),
    ("SCRAM-SHA-1", b"n,,n=,r=abc"),
    ("", b""),
];

/// client-final-messages; NONCE stands for the nonce of the exchange, PROOF for something in the form of a proof.
const LAST: &[&str] = &[
    "c=biws,r=NONCE,p=PROOF",
    "c=biws,r=NONCE,p=PROOF,",
    "c=biws,r=NONCE,p=PROOF,x=y",
    "c=biws,r=NONCE,x=y,p=PROOF",
    "c=biws,r=NONCE,p=abcd",
    "c=biws,r=NONCE,p=*",
    "c=biws,r=NONCEx,p=PROOF",
    "c=biws,r=,p=PROOF",
    "c=biws,r=NONCE",
    "c=biws,p=PROOF",
    "c=eSws,r=NONCE,p=PROOF",
    "c=,r=NONCE,p=PROOF",
    "r=NONCE,p=PROOF",
    "",
    "LONG",
];

/// Whole first messages that do not have the form of one.
const MISSHAPEN: &[&[u8]] = &[
    b"",
    b"SCRAM-SHA-256",
    b"SCRAM-SHA-256\0",
    b"SCRAM-SHA-256\0\0\0\0",
    b"SCRAM-SHA-256\0\0\0\0\x0fn,,n=",
    b"SCRAM-SHA-256\0\0\0\0\x0bn,,n=,r=abcmore",
    b"SCRAM-SHA-256\0\xff\xff\xff\xffmore",
    b"SCRAM-SHA-256\0\xff\xff\xff\xfe",
    b"nothing\0",
];

/// What is said at the end of such an exchange.
fn end_of(site: &Site, port: u16, encryption: Encryption, script: (&str, &[u8], &str)) -> String {
    let (mut login, offer) = Login::begin(site, port, encryption, "scram");
    let (mechanism, first, last) = script;
    login.choose(mechanism, first);
    let offer = String::from_utf8_lossy(&offer).into_owned();
    if last.is_empty() {
        let heard = login.heard();
        // A challenge has a nonce of its own.
        return format!("{offer} -> {}", if heard.starts_with('R') { "challenge" } else { &heard });
    }
    let (nonce, _) = login.challenged();
    let message = match last {
        "LONG" => format!("c=biws,r={nonce},x={},p=", "y".repeat(2000)),
        _ => last.replace("NONCE", &nonce).replace("PROOF", &format!("{}=", "A".repeat(43))),
    };
    login.send(b'p', message.as_bytes());
    login.heard()
}

#[test]
fn broken_messages_get_the_complaints_of_the_server() {
    let Some(site) = site() else { return };
    let proxy = site.proxy(Source::File, "verify-full");
    let mut different = Vec::new();
    let mut compare = |encryption, script: (&str, &[u8], &str)| {
        let direct = end_of(&site, site.cluster.port(), encryption, script);
        let through = end_of(&site, proxy.port(), encryption, script);
        if direct != through {
            let first = String::from_utf8_lossy(script.1).into_owned();
            different.push(format!("{encryption:?} {} {first:?} {:?}\n  {direct}\n  {through}", script.0, script.2));
        }
    };
    for encryption in [Encryption::Off, Encryption::On] {
        FIRST.iter().for_each(|(mechanism, first)| compare(encryption, (mechanism, first, "")));
        LAST.iter()
            .filter(|last| !last.is_empty())
            .for_each(|last| compare(encryption, ("SCRAM-SHA-256", b"n,,n=,r=abc", last)));
    }
    // Another certificate than the one shown, and a client that was told of no binding.
    let foreign = "c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwseHh4,r=NONCE,p=PROOF";
    for last in [foreign, "c=biws,r=NONCE,p=PROOF"] {
        compare(Encryption::On, ("SCRAM-SHA-256-PLUS", b"p=tls-server-end-point,,n=,r=abc", last));
    }
    compare(Encryption::Off, ("SCRAM-SHA-256", b"y,,n=,r=abc", "c=eSws,r=NONCE,p=PROOF"));
    assert!(different.is_empty(), "{}\n{}", different.join("\n"), proxy.log());
}

#[test]
fn misshapen_messages_get_the_complaints_of_the_server() {
    let Some(site) = site() else { return };
    let proxy = site.proxy(Source::File, "verify-full");
    for body in MISSHAPEN {
        let heard = |port| {
            let (mut login, _) = Login::begin(&site, port, Encryption::Off, "scram");
            login.send(b'p', body);
            login.heard()
        };
        assert_eq!(heard(proxy.port()), heard(site.cluster.port()), "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn a_first_message_may_come_late() {
    let Some(site) = site() else { return };
    let proxy = site.proxy(Source::File, "verify-full");
    for port in [site.cluster.port(), proxy.port()] {
        let (mut login, _) = Login::begin(&site, port, Encryption::Off, "scram");
        login.send(b'p', b"SCRAM-SHA-256\0\xff\xff\xff\xff");
        assert_eq!(login.message(), (b'R', vec![0, 0, 0, 11]));
        login.send(b'p', b"n,,n=,r=abc");
        login.challenged();
    }
}

#[test]
fn messages_of_other_kinds_are_refused_as_by_the_server() {
    let Some(site) = site() else { return };
    let proxy = site.proxy(Source::File, "verify-full");
    let heard = |port, user| {
        let (mut login, _) = Login::begin(&site, port, Encryption::Off, user);
        login.send(b'Q', b"SELECT 1\0");
        login.heard()
    };
    for user in ["scram", "password", "md5"] {
        assert_eq!(heard(site.cluster.port(), user), heard(proxy.port(), user));
    }
}

/// Everything that is said to a user with a wrong password, without what is random by nature.
fn refusal(site: &Site, proxy: &Proxy, encryption: Encryption, user: &str) -> Vec<(u8, Vec<u8>)> {
    let (mut login, offer) = Login::begin(site, proxy.port(), encryption, user);
    login.choose("SCRAM-SHA-256", b"n,,n=,r=abc");
    let (nonce, challenge) = login.challenged();
    let salt = String::from_utf8(challenge).unwrap().split(",s=").nth(1).unwrap().to_owned();
    login.send(b'p', format!("c=biws,r={nonce},p={}=", "A".repeat(43)).as_bytes());
    let mut said = vec![(b'R', offer), (b'n', nonce.len().to_be_bytes().to_vec()), (b's', salt.into_bytes())];
    said.push(login.message());
    let mut rest = Vec::new();
    // A server that ends TLS without saying so is no concern of this test.
    let _ = login.0.read_to_end(&mut rest);
    said.push((b'-', rest));
    said
}

#[test]
fn nothing_tells_a_user_from_a_stranger() {
    let Some(site) = site() else { return };
    // Of the same length, on the same line of pg_hba.conf.
    site.cluster.sql("postgres", "CREATE ROLE no_expired LOGIN PASSWORD 'x'; CREATE ROLE real_user LOGIN PASSWORD 'y'");
    for source in [Source::File, Source::Query] {
        for (server_tls, encryption) in
            [("verify-full", Encryption::Off), ("verify-full", Encryption::On), ("disable", Encryption::On)]
        {
            let proxy = site.proxy(source, server_tls);
            let said = |user| refusal(&site, &proxy, encryption, user);
            let (known, stranger) = (said("scram"), said("no_scram"));
            for ((known, stranger), part) in
                known.iter().zip(&stranger).zip(["offer", "nonce", "salt", "error", "rest"])
            {
                let named = String::from_utf8_lossy(&stranger.1).replace("no_scram", "scram");
                let same = match part {
                    // Another one for each, but always of the same form, and with the same number of rounds.
                    "salt" => {
                        known.1.len() == stranger.1.len() && known.1.ends_with(b",i=4096") && named.ends_with(",i=4096")
                    }
                    _ => known.0 == stranger.0 && String::from_utf8_lossy(&known.1) == named,
                };
                assert!(same, "{source:?} {server_tls} {encryption:?} {part}: {known:?} {stranger:?}");
            }
            // A salt that changes would give a stranger away.
            assert_eq!(stranger, said("no_scram"));
            assert_eq!(known, said("scram"));
        }
    }
}

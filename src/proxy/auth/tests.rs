//! Relayed methods against a scripted server: the proxy adds nothing to them and takes nothing away.

use std::time::Duration;

use bytes::{BufMut, BytesMut};
use tokio::net::{TcpListener, TcpStream};

use super::sources::Verifiers;
use super::*;
use crate::proxy::stream::Stream;
use crate::wire::frame;

fn message(tag: u8, body: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    frame::put(&mut out, tag, |out| out.put_slice(body));
    out
}

fn asking(kind: u32, data: &[u8]) -> BytesMut {
    message(b'R', &[&kind.to_be_bytes()[..], data].concat())
}

/// A connected pair of sockets.
async fn pair() -> (Messages, Messages) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (one, two) = tokio::join!(TcpStream::connect(address), listener.accept());
    (Messages::new(Stream::Tcp(one.unwrap())), Messages::new(Stream::Tcp(two.unwrap().0)))
}

/// What passes: who speaks, and what.
enum Step {
    Server(BytesMut),
    Client(BytesMut),
}

/// Plays the steps; each message must arrive on the other side as it was sent.
async fn play(steps: Vec<Step>) -> Result<Accepted, LoginError> {
    let ((mut client, ours), (towards, mut server)) = (pair().await, pair().await);
    let (verifiers, hashing) = (Verifiers::default(), Hashing::default());
    let packet = b"\0\0\0\x0bstartup";
    let login = Login {
        packet,
        user: "ann",
        verifiers: &verifiers,
        hashing: &hashing,
        end_point: None,
        foreign_certificate: false,
    };
    let playing = async {
        use tokio::io::AsyncReadExt as _;
        let mut startup = [0; 11];
        server.stream.read_exact(&mut startup).await.unwrap();
        assert_eq!(&startup, packet);
        for step in steps {
            let (from, to, sent) = match step {
                Step::Server(sent) => (&mut server, &mut client, sent),
                Step::Client(sent) => (&mut client, &mut server, sent),
            };
            from.send(sent.clone()).await.unwrap();
            let heard = tokio::time::timeout(Duration::from_secs(10), to.next()).await.expect("nothing arrives");
            assert_eq!(heard.unwrap().unwrap(), sent);
        }
        server.send([asking(0, b""), message(b'Z', b"I")].concat().as_slice()).await.unwrap();
    };
    let (outcome, ()) = tokio::join!(log_in(ours, towards, &login), playing);
    outcome
}

#[tokio::test]
async fn oauthbearer_is_relayed_in_both_of_its_forms() {
    let offer = || Step::Server(asking(10, b"OAUTHBEARER\0\0"));
    let initial = |data: &str| {
        let body = [b"OAUTHBEARER\0", &(data.len() as u32).to_be_bytes()[..], data.as_bytes()].concat();
        Step::Client(message(b'p', &body))
    };
    // A token at once, one that is far longer than a SCRAM message.
    let token = format!("n,,\x01auth=Bearer {}\x01\x01", "t".repeat(20_000));
    assert!(play(vec![offer(), initial(&token)]).await.is_ok());
    // Without a token: the server says where to get one, and the client gives up.
    let where_to = br#"{"status":"invalid_token","openid-configuration":"https://id.example"}"#;
    let refusal = message(b'E', b"SFATAL\0VFATAL\0C28000\0MOAuth bearer authentication failed for user \"ann\"\0\0");
    let steps = vec![
        offer(),
        initial("n,,\x01auth=\x01\x01"),
        Step::Server(asking(11, where_to)),
        Step::Client(message(b'p', b"\x01")),
        Step::Server(refusal),
    ];
    assert!(matches!(play(steps).await, Err(LoginError::Refused)));
}

#[tokio::test]
async fn other_methods_are_relayed() {
    for (asked, answer) in [
        (asking(3, b""), message(b'p', b"password\0")),
        (asking(5, b"salt"), message(b'p', b"md50123456789abcdef0123456789abcdef\0")),
        // GSSAPI, and what nobody knows yet.
        (asking(7, b""), message(b'p', b"token")),
        (asking(99, b"news"), message(b'p', b"answer")),
    ] {
        assert!(play(vec![Step::Server(asked), Step::Client(answer)]).await.is_ok());
    }
}

#[tokio::test]
async fn notices_and_negotiation_reach_the_client_in_their_place() {
    let steps = vec![
        Step::Server(message(b'v', b"\0\x03\0\0\0\0\0\0")),
        Step::Server(message(b'N', b"SNOTICE\0Mhello\0\0")),
        Step::Server(asking(3, b"")),
        Step::Server(message(b'N', b"SNOTICE\0Mhurry\0\0")),
        Step::Client(message(b'p', b"password\0")),
    ];
    assert!(play(steps).await.is_ok());
}

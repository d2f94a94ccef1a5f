//! The packets that open a connection.

use pgcovenant::wire::cancel_key::CancelKey;
use pgcovenant::wire::startup::{self, Opening};

use crate::{A_MOMENT, ITERATIONS};

/// The packet with its real length in front, so that more than the length is looked into.
fn with_length(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32 + 4).to_be_bytes(), bytes].concat()
}

#[test]
fn any_packet() {
    bolero::check!().with_test_time(A_MOMENT).with_iterations(ITERATIONS).for_each(|bytes: &[u8]| {
        let _ = startup::parse(bytes);
        if let Some(prefix) = bytes.first_chunk() {
            let _ = startup::packet_length(*prefix);
        }
        let packet = with_length(bytes);
        match startup::parse(&packet) {
            Ok(Opening::Startup(startup)) => {
                assert_eq!(&*startup.packet, &packet[..]);
                assert_eq!(startup.version.major, 3);
                let _ = (startup.parameter("user"), startup.replication());
            }
            Ok(Opening::Cancel(kept)) => {
                assert_eq!(&*kept, &packet[..]);
                let key = CancelKey { process: 0, secret: kept[12..].into() };
                assert_eq!(key.request().len(), packet.len());
            }
            Ok(Opening::Ssl | Opening::GssEncryption) => assert_eq!(packet.len(), 8),
            Ok(Opening::Unsupported(version)) => assert_ne!(version.major, 3),
            Err(_) => {}
        }
    });
}

//! Bytes to messages and back; knows no SQL, no policy and no tokio.
//!
//! What others send is cut by our own [`frame`] and read by our own parsers, which never look past the length that a
//! frame announces: a body that is not consumed exactly is a protocol violation. `pgwire` only encodes messages that we
//! originate, and serves as a second decoder in the tests.

pub mod frame;
pub mod body;
pub mod startup;
pub mod proxy_header;
pub mod values;
pub mod bound;
pub mod frontend;
pub mod backend;
pub mod response;
pub mod cancel_key;
pub mod der;

//! Bytes to messages and back; knows no SQL, no policy and no tokio.

//! What a client needs to cancel a query: the server's own process number and secret, passed on unchanged.

use bytes::{BufMut, BytesMut};

use super::startup::CANCEL_REQUEST;

/// BackendKeyData as the server sent it; the secret has four bytes in protocol 3.0 and up to 256 from 3.2.
#[derive(Clone, PartialEq, Eq)]
pub struct CancelKey {
    /// Process number of the server's backend.
    pub process: u32,
    /// The secret.
    pub secret: Box<[u8]>,
}

impl std::fmt::Debug for CancelKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("CancelKey").field("process", &self.process).finish_non_exhaustive()
    }
}

impl CancelKey {
    /// The packet that asks the server to cancel what this backend does.
    pub fn request(&self) -> BytesMut {
        let mut packet = BytesMut::with_capacity(12 + self.secret.len());
        packet.put_u32(u32::try_from(12 + self.secret.len()).unwrap_or(u32::MAX));
        packet.put_u32(CANCEL_REQUEST);
        packet.put_u32(self.process);
        packet.put_slice(&self.secret);
        packet
    }
}

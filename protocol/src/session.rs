//! One round's name and terms, under which every key is derived.

use sha2::{Digest, Sha256};

use crate::wire::Writer;
use crate::{Params, SessionId};

/// The version of the protocol that this crate speaks: the first byte of every message.
pub const PROTOCOL_VERSION: u8 = 1;

/// SHA-256 over the parameters and the application's own bytes.
///
/// Every key and seed is derived under it, so clients that were shown different parameters (or
/// different models, if the application hashes its model into its bytes) open none of each other's
/// shares, and their masks do not cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContextHash([u8; 32]);

impl ContextHash {
    /// Hashes the parameters and `application`, which may hold whatever clients must agree on.
    pub fn new(params: &Params, application: &[u8]) -> Self {
        let mut terms = Writer::default();
        params.encode(&mut terms);
        let hash = Sha256::new()
            .chain_update(b"secagg context")
            .chain_update([PROTOCOL_VERSION])
            .chain_update(terms.into_bytes())
            .chain_update(application)
            .finalize();
        Self(hash.into())
    }

    pub(crate) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A session id with the context it stands for, and the parameters behind that.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) context: ContextHash,
    pub(crate) params: Params,
}

impl Session {
    pub(crate) fn new(id: SessionId, params: Params, application: &[u8]) -> Self {
        let context = ContextHash::new(&params, application);
        Self { id, context, params }
    }

    pub(crate) fn threshold(&self) -> usize {
        self.params.threshold() as usize
    }
}

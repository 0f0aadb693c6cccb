//! Who advertised which keys: one hash over all of them, which everything after the setup rests on.

use sha2::{Digest, Sha256};

use crate::ClientId;
use crate::message::AdvertisedKeys;
use crate::session::Session;

/// SHA-256 over the session and every member's id and keys, by ascending id.
///
/// It is the seed of the graph, and part of every key that two members derive: members that were told
/// different rosters open none of each other's boxes, and their masks do not cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RosterHash([u8; 32]);

impl RosterHash {
    /// Hashes the members' keys; ids must ascend.
    pub(crate) fn new<'a>(
        session: &Session,
        members: impl Iterator<Item = (ClientId, &'a AdvertisedKeys)>,
    ) -> Self {
        let mut hash = Sha256::new()
            .chain_update(b"secagg roster")
            .chain_update(session.id.0)
            .chain_update(session.context.as_bytes());
        for (client, keys) in members {
            hash.update(client.0.to_le_bytes());
            hash.update(keys.mask.as_bytes());
            hash.update(keys.channel.as_bytes());
        }
        Self(hash.finalize().into())
    }

    /// Takes 32 bytes as they travel.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

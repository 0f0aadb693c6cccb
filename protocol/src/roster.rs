//! Who advertised which keys: one hash over all of them, which everything after the setup rests on.

use sha2::{Digest, Sha256};

use crate::ClientId;
use crate::identity::{Directory, VerifyingKey};
use crate::keys::KEY_LEN;
use crate::message::AdvertisedKeys;
use crate::session::Session;

/// SHA-256 over the session and every member's id and keys, by ascending id
/// (`docs/protocol.md`, section 4).
///
/// It is the seed of the graph, and part of every key that two members derive: members that were told
/// different rosters open none of each other's boxes, and their masks do not cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RosterHash([u8; 32]);

impl RosterHash {
    /// Hashes the members' keys against a curious server; ids must ascend. `fresh` are bytes that
    /// the server has drawn after the last key came, so that no client chooses the ring.
    pub(crate) fn curious<'a>(
        session: &Session,
        fresh: &[u8; KEY_LEN],
        members: impl Iterator<Item = (ClientId, &'a AdvertisedKeys)>,
    ) -> Self {
        let hash = Self::start(session).chain_update(fresh);
        let all = members.fold(hash, |hash, (client, keys)| Self::member(hash, client, keys));
        Self(all.finalize().into())
    }

    /// Hashes the members' keys against an active server, with their verifying keys, so that
    /// clients with different directories have different rosters; ids must ascend, and be in the
    /// directory.
    pub(crate) fn active<'a>(
        session: &Session,
        directory: &Directory,
        members: impl Iterator<Item = (ClientId, &'a AdvertisedKeys)>,
    ) -> Self {
        let all = members.fold(Self::start(session), |hash, (client, keys)| {
            let known = directory.get(client).map(VerifyingKey::as_bytes);
            Self::member(hash, client, keys).chain_update(known.map_or(&[][..], |key| key))
        });
        Self(all.finalize().into())
    }

    fn start(session: &Session) -> Sha256 {
        Sha256::new()
            .chain_update(b"secagg roster")
            .chain_update(session.id.0)
            .chain_update(session.context.as_bytes())
    }

    fn member(hash: Sha256, client: ClientId, keys: &AdvertisedKeys) -> Sha256 {
        hash.chain_update(client.0.to_le_bytes())
            .chain_update(keys.mask.as_bytes())
            .chain_update(keys.channel.as_bytes())
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

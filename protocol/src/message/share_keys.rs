use core::fmt;

use super::{AdvertisedKeys, Message, check_ascending, reader, writer};
use crate::error::Malformed;
use crate::keys::{Commitment, KEY_LEN};
use crate::sealed::{SEALED_LEN, SealedPair};
use crate::wire::Reader;
use crate::{ClientId, RosterHash, SessionId, Stage};

/// Server to client, share keys: the keys of its neighbours and its own, by ascending id; against an
/// active server, those of all members, so that the client can find its neighbours itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareKeysRequest {
    /// The hash over the keys of all members.
    pub roster: RosterHash,
    /// The client and its neighbours, or all members; ids strictly ascend.
    pub peers: Vec<(ClientId, AdvertisedKeys)>,
}

impl Message for ShareKeysRequest {
    const STAGE: Stage = Stage::ShareKeys;
    const FROM_SERVER: bool = true;

    fn encode(&self, session: SessionId) -> Vec<u8> {
        let peers: usize = self.peers.iter().map(|(_, keys)| 8 + keys.len()).sum();
        let mut to = writer::<Self>(session, KEY_LEN + 4 + peers);
        to.bytes(self.roster.as_bytes());
        to.count(self.peers.len());
        for (client, keys) in &self.peers {
            to.client(*client);
            keys.write(&mut to);
        }
        to.into_bytes()
    }

    fn decode(bytes: &[u8]) -> Result<(SessionId, Self), Malformed> {
        let (mut from, session) = reader::<Self>(bytes)?;
        let roster = RosterHash::from_bytes(from.array()?);
        let peer = 8 + AdvertisedKeys::MIN_LEN;
        let peers = from.list(peer, |from| Ok((from.client()?, AdvertisedKeys::read(from)?)))?;
        check_ascending(peers.iter().map(|&(client, _)| client))?;
        from.finish()?;
        Ok((session, Self { roster, peers }))
    }
}

/// Client to server, share keys: one sealed box for each neighbour, by the neighbours' ascending
/// ids, and a commitment to the self-mask seed.
#[derive(Clone)]
pub struct SealedShares {
    pub(crate) commitment: Commitment,
    pub(crate) boxes: Vec<SealedPair>,
}

impl fmt::Debug for SealedShares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedShares({} boxes)", self.boxes.len())
    }
}

impl Message for SealedShares {
    const STAGE: Stage = Stage::ShareKeys;
    const FROM_SERVER: bool = false;

    fn encode(&self, session: SessionId) -> Vec<u8> {
        let mut to = writer::<Self>(session, KEY_LEN + 4 + self.boxes.len() * SEALED_LEN);
        to.bytes(&self.commitment.0);
        to.count(self.boxes.len());
        self.boxes.iter().for_each(|sealed| to.bytes(sealed));
        to.into_bytes()
    }

    fn decode(bytes: &[u8]) -> Result<(SessionId, Self), Malformed> {
        let (mut from, session) = reader::<Self>(bytes)?;
        let commitment = Commitment(from.array()?);
        let boxes = from.list(SEALED_LEN, Reader::array)?;
        from.finish()?;
        Ok((session, Self { commitment, boxes }))
    }
}

use core::fmt;

use super::{Message, check_ascending, reader, writer};
use crate::error::Malformed;
use crate::sealed::{SEALED_LEN, SealedPair};
use crate::{ClientId, SessionId, Stage};

/// Server to client, collect masked vectors: the boxes that its neighbours sealed for it, by the
/// senders' ascending ids. Who sealed none is missing, and is not masked against.
#[derive(Clone)]
pub struct CollectRequest {
    pub(crate) boxes: Vec<(ClientId, SealedPair)>,
}

impl fmt::Debug for CollectRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CollectRequest({} boxes)", self.boxes.len())
    }
}

impl Message for CollectRequest {
    const STAGE: Stage = Stage::CollectMaskedVectors;
    const FROM_SERVER: bool = true;

    fn encode(&self, session: SessionId) -> Vec<u8> {
        let mut to = writer::<Self>(session, 4 + self.boxes.len() * (8 + SEALED_LEN));
        to.count(self.boxes.len());
        for (client, sealed) in &self.boxes {
            to.client(*client);
            to.bytes(sealed);
        }
        to.into_bytes()
    }

    fn decode(bytes: &[u8]) -> Result<(SessionId, Self), Malformed> {
        let (mut from, session) = reader::<Self>(bytes)?;
        let boxes = from.list(8 + SEALED_LEN, |from| Ok((from.client()?, from.array()?)))?;
        check_ascending(boxes.iter().map(|&(client, _)| client))?;
        from.finish()?;
        Ok((session, Self { boxes }))
    }
}

/// Client to server, collect masked vectors: the packed lanes of its masked vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaskedVector {
    /// Lanes of b bits each, as [`secagg_kernels::pack`] lays them out.
    pub packed: Vec<u8>,
}

impl MaskedVector {
    /// The header alone; the client appends its lanes in place.
    pub(crate) fn header(session: SessionId, packed_len: usize) -> Vec<u8> {
        writer::<Self>(session, packed_len).into_bytes()
    }

    /// The session and the packed lanes, without a copy.
    pub(crate) fn split(bytes: &[u8]) -> Result<(SessionId, &[u8]), Malformed> {
        let (from, session) = reader::<Self>(bytes)?;
        Ok((session, from.rest()))
    }
}

impl Message for MaskedVector {
    const STAGE: Stage = Stage::CollectMaskedVectors;
    const FROM_SERVER: bool = false;

    fn encode(&self, session: SessionId) -> Vec<u8> {
        let mut bytes = Self::header(session, self.packed.len());
        bytes.extend_from_slice(&self.packed);
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<(SessionId, Self), Malformed> {
        let (session, packed) = Self::split(bytes)?;
        Ok((session, Self { packed: packed.to_vec() }))
    }
}

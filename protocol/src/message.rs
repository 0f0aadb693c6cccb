//! The eight messages of a round: what they hold, and their bytes.
//!
//! Every message starts with a version byte, a kind byte and the session id; integers are
//! little-endian. A kind is the stage's number, with the top bit set on what the server sends.
//! Decoding is bounded by the message's own length and leaves nothing over; for each message there
//! is exactly one encoding.

use core::fmt;
use std::sync::Arc;

use crate::error::Malformed;
use crate::keys::{ChannelPublicKey, Commitment, KEY_LEN, MaskPublicKey};
use crate::sealed::{SEALED_LEN, SealedPair};
use crate::shamir::Share;
use crate::wire::{Reader, Writer};
use crate::{ClientId, ContextHash, Params, SessionId, Stage};

/// Bytes for one client, ready to be sent. Clients of a complete graph share one buffer where they
/// are sent the same.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Who is to get it.
    pub to: ClientId,
    /// The encoded message.
    pub message: Arc<[u8]>,
}

/// A message with its one encoding.
pub trait Message: Sized {
    /// The stage that it belongs to.
    const STAGE: Stage;
    /// Whether the server sends it.
    const FROM_SERVER: bool;

    /// The bytes, header included.
    fn encode(&self, session: SessionId) -> Vec<u8>;

    /// Reads exactly one message and the session it belongs to.
    ///
    /// # Errors
    /// [`Malformed`] for anything but the bytes that [`encode`](Self::encode) makes.
    fn decode(bytes: &[u8]) -> Result<(SessionId, Self), Malformed>;
}

/// The kind byte of a message.
const fn kind<M: Message>() -> u8 {
    M::STAGE.number() | if M::FROM_SERVER { 0x80 } else { 0 }
}

fn writer<M: Message>(session: SessionId, body: usize) -> Writer {
    Writer::message(kind::<M>(), session, body)
}

fn reader<M: Message>(bytes: &[u8]) -> Result<(Reader<'_>, SessionId), Malformed> {
    Reader::message(kind::<M>(), bytes)
}

/// Server to client, setup: the round's parameters, and what the server takes the context to be.
#[derive(Clone, Debug, PartialEq)]
pub struct SetupRequest {
    /// The parameters that everyone gets.
    pub params: Params,
    /// The hash over them and the application's bytes, which a client compares with its own.
    pub context: ContextHash,
}

impl Message for SetupRequest {
    const STAGE: Stage = Stage::Setup;
    const FROM_SERVER: bool = true;

    fn encode(&self, session: SessionId) -> Vec<u8> {
        let mut to = writer::<Self>(session, 78);
        self.params.encode(&mut to);
        to.bytes(self.context.as_bytes());
        to.into_bytes()
    }

    fn decode(bytes: &[u8]) -> Result<(SessionId, Self), Malformed> {
        let (mut from, session) = reader::<Self>(bytes)?;
        let params = Params::decode(&mut from)?;
        let context = ContextHash::from_bytes(from.array()?);
        from.finish()?;
        Ok((session, Self { params, context }))
    }
}

/// Client to server, setup: its two public keys of this session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdvertisedKeys {
    /// Agrees on pairwise masks.
    pub mask: MaskPublicKey,
    /// Agrees on the keys that seal shares.
    pub channel: ChannelPublicKey,
}

impl AdvertisedKeys {
    fn write(&self, to: &mut Writer) {
        to.bytes(self.mask.as_bytes());
        to.bytes(self.channel.as_bytes());
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mask = MaskPublicKey::from_bytes(from.array()?)?;
        let channel = ChannelPublicKey::from_bytes(from.array()?)?;
        Ok(Self { mask, channel })
    }
}

impl Message for AdvertisedKeys {
    const STAGE: Stage = Stage::Setup;
    const FROM_SERVER: bool = false;

    fn encode(&self, session: SessionId) -> Vec<u8> {
        let mut to = writer::<Self>(session, 2 * KEY_LEN);
        self.write(&mut to);
        to.into_bytes()
    }

    fn decode(bytes: &[u8]) -> Result<(SessionId, Self), Malformed> {
        let (mut from, session) = reader::<Self>(bytes)?;
        let keys = Self::read(&mut from)?;
        from.finish()?;
        Ok((session, keys))
    }
}

/// Server to client, share keys: the keys of its neighbours and its own, by ascending id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShareKeysRequest {
    /// The client and its neighbours; ids strictly ascend.
    pub peers: Vec<(ClientId, AdvertisedKeys)>,
}

impl Message for ShareKeysRequest {
    const STAGE: Stage = Stage::ShareKeys;
    const FROM_SERVER: bool = true;

    fn encode(&self, session: SessionId) -> Vec<u8> {
        let mut to = writer::<Self>(session, 4 + self.peers.len() * (8 + 2 * KEY_LEN));
        to.count(self.peers.len());
        for (client, keys) in &self.peers {
            to.client(*client);
            keys.write(&mut to);
        }
        to.into_bytes()
    }

    fn decode(bytes: &[u8]) -> Result<(SessionId, Self), Malformed> {
        let (mut from, session) = reader::<Self>(bytes)?;
        let count = from.count(8 + 2 * KEY_LEN)?;
        let peers = (0..count)
            .map(|_| Ok((from.client()?, AdvertisedKeys::read(&mut from)?)))
            .collect::<Result<Vec<_>, Malformed>>()?;
        check_ascending(peers.iter().map(|&(client, _)| client))?;
        from.finish()?;
        Ok((session, Self { peers }))
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
        let count = from.count(SEALED_LEN)?;
        let boxes = (0..count).map(|_| from.array()).collect::<Result<_, _>>()?;
        from.finish()?;
        Ok((session, Self { commitment, boxes }))
    }
}

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
        let count = from.count(8 + SEALED_LEN)?;
        let boxes = (0..count)
            .map(|_| Ok((from.client()?, from.array()?)))
            .collect::<Result<Vec<_>, Malformed>>()?;
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

/// Server to client, unmask: whose masked vectors are in the sum, among the client and its
/// neighbours, by ascending id. Neighbours that are not named have dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnmaskRequest {
    /// The survivors; ids strictly ascend.
    pub survivors: Vec<ClientId>,
}

impl Message for UnmaskRequest {
    const STAGE: Stage = Stage::Unmask;
    const FROM_SERVER: bool = true;

    fn encode(&self, session: SessionId) -> Vec<u8> {
        let mut to = writer::<Self>(session, 4 + self.survivors.len() * 8);
        to.count(self.survivors.len());
        self.survivors.iter().for_each(|&client| to.client(client));
        to.into_bytes()
    }

    fn decode(bytes: &[u8]) -> Result<(SessionId, Self), Malformed> {
        let (mut from, session) = reader::<Self>(bytes)?;
        let count = from.count(8)?;
        let survivors = (0..count).map(|_| from.client()).collect::<Result<Vec<_>, _>>()?;
        check_ascending(survivors.iter().copied())?;
        from.finish()?;
        Ok((session, Self { survivors }))
    }
}

/// What a client reveals of one neighbour: never more than one of its two secrets.
#[derive(Clone, Debug)]
pub(crate) enum Revealed {
    /// The neighbour's box did not open, so there is no share to reveal.
    Nothing,
    /// The neighbour survived: a share of its self-mask seed.
    SelfMaskSeed(Share),
    /// The neighbour dropped: a share of its mask secret key.
    MaskSecretKey(Share),
}

/// Client to server, unmask: one share for each neighbour that shared its keys, by ascending id.
#[derive(Clone, Debug)]
pub struct RevealedShares {
    pub(crate) shares: Vec<Revealed>,
}

impl Message for RevealedShares {
    const STAGE: Stage = Stage::Unmask;
    const FROM_SERVER: bool = false;

    fn encode(&self, session: SessionId) -> Vec<u8> {
        let mut to = writer::<Self>(session, 4 + self.shares.len() * (1 + KEY_LEN));
        to.count(self.shares.len());
        for revealed in &self.shares {
            let (tag, share) = match revealed {
                Revealed::Nothing => (0, None),
                Revealed::SelfMaskSeed(share) => (1, Some(share)),
                Revealed::MaskSecretKey(share) => (2, Some(share)),
            };
            to.u8(tag);
            to.bytes(share.map_or(&[], |share| &share.0));
        }
        to.into_bytes()
    }

    fn decode(bytes: &[u8]) -> Result<(SessionId, Self), Malformed> {
        let (mut from, session) = reader::<Self>(bytes)?;
        let count = from.count(1)?;
        let shares = (0..count).map(|_| read_revealed(&mut from)).collect::<Result<_, _>>()?;
        from.finish()?;
        Ok((session, Self { shares }))
    }
}

fn read_revealed(from: &mut Reader<'_>) -> Result<Revealed, Malformed> {
    match from.u8()? {
        0 => Ok(Revealed::Nothing),
        1 => Ok(Revealed::SelfMaskSeed(Share(from.array()?))),
        2 => Ok(Revealed::MaskSecretKey(Share(from.array()?))),
        _ => Err(Malformed::Tag),
    }
}

fn check_ascending(mut clients: impl Iterator<Item = ClientId>) -> Result<(), Malformed> {
    let Some(mut last) = clients.next() else { return Ok(()) };
    let ascending = clients.all(|client| core::mem::replace(&mut last, client) < client);
    if ascending { Ok(()) } else { Err(Malformed::Order) }
}

#[cfg(test)]
mod tests;

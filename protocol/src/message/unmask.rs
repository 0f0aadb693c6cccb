use super::{Message, check_ascending, reader, writer};
use crate::error::Malformed;
use crate::keys::KEY_LEN;
use crate::shamir::Share;
use crate::wire::Reader;
use crate::{ClientId, SessionId, Stage};

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

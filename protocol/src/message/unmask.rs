use super::{Message, check_ascending, reader, writer};
use crate::error::Malformed;
use crate::identity::SIGNATURE_LEN;
use crate::keys::KEY_LEN;
use crate::shamir::Share;
use crate::wire::Reader;
use crate::{ClientId, SessionId, Signature, Stage};

/// Server to client, unmask: whose masked vectors are in the sum, among the client and its
/// neighbours, by ascending id. Neighbours that are not named have dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnmaskRequest {
    /// The survivors; ids strictly ascend.
    pub survivors: Vec<ClientId>,
    /// Who confirmed the survivors, with what signature; ids strictly ascend. Only against an active
    /// server.
    pub confirmations: Vec<(ClientId, Signature)>,
}

impl Message for UnmaskRequest {
    const STAGE: Stage = Stage::Unmask;
    const FROM_SERVER: bool = true;

    fn encode(&self, session: SessionId) -> Vec<u8> {
        let (survivors, confirmations) = (self.survivors.len(), self.confirmations.len());
        let mut to = writer::<Self>(session, 8 + survivors * 8 + confirmations * CONFIRMATION_LEN);
        to.count(survivors);
        self.survivors.iter().for_each(|&client| to.client(client));
        to.count(confirmations);
        for (client, signature) in &self.confirmations {
            to.client(*client);
            to.bytes(&signature.0);
        }
        to.into_bytes()
    }

    fn decode(bytes: &[u8]) -> Result<(SessionId, Self), Malformed> {
        let (mut from, session) = reader::<Self>(bytes)?;
        let survivors = from.list(8, Reader::client)?;
        let confirmations =
            from.list(CONFIRMATION_LEN, |from| Ok((from.client()?, Signature(from.array()?))))?;
        check_ascending(survivors.iter().copied())?;
        check_ascending(confirmations.iter().map(|&(client, _)| client))?;
        from.finish()?;
        Ok((session, Self { survivors, confirmations }))
    }
}

/// Bytes of an id and a signature.
const CONFIRMATION_LEN: usize = 8 + SIGNATURE_LEN;

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
        let mut to = writer::<Self>(session, 4 + self.shares.len() * REVEALED_LEN);
        to.count(self.shares.len());
        for revealed in &self.shares {
            let (tag, share) = match revealed {
                Revealed::Nothing => (0, &[0; KEY_LEN]),
                Revealed::SelfMaskSeed(share) => (1, &share.0),
                Revealed::MaskSecretKey(share) => (2, &share.0),
            };
            to.u8(tag);
            to.bytes(share);
        }
        to.into_bytes()
    }

    fn decode(bytes: &[u8]) -> Result<(SessionId, Self), Malformed> {
        let (mut from, session) = reader::<Self>(bytes)?;
        let shares = from.list(REVEALED_LEN, read_revealed)?;
        from.finish()?;
        Ok((session, Self { shares }))
    }
}

/// Bytes of an entry: a tag, and a share or as many zeros.
const REVEALED_LEN: usize = 1 + KEY_LEN;

fn read_revealed(from: &mut Reader<'_>) -> Result<Revealed, Malformed> {
    let (tag, share) = (from.u8()?, Share(from.array()?));
    match tag {
        0 if share.0 == [0; KEY_LEN] => Ok(Revealed::Nothing),
        1 => Ok(Revealed::SelfMaskSeed(share)),
        2 => Ok(Revealed::MaskSecretKey(share)),
        _ => Err(Malformed::Tag),
    }
}

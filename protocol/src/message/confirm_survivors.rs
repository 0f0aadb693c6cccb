use super::{Message, check_ascending, reader, writer};
use crate::error::Malformed;
use crate::identity::SIGNATURE_LEN;
use crate::wire::Reader;
use crate::{ClientId, SessionId, Signature, Stage};

/// Server to client, confirm survivors: whose masked vectors are in the sum, all of them, by ascending
/// id. The same bytes for everyone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfirmRequest {
    /// The survivors; ids strictly ascend.
    pub survivors: Vec<ClientId>,
}

impl Message for ConfirmRequest {
    const STAGE: Stage = Stage::ConfirmSurvivors;
    const FROM_SERVER: bool = true;

    fn encode(&self, session: SessionId) -> Vec<u8> {
        let mut to = writer::<Self>(session, 4 + self.survivors.len() * 8);
        to.count(self.survivors.len());
        self.survivors.iter().for_each(|&client| to.client(client));
        to.into_bytes()
    }

    fn decode(bytes: &[u8]) -> Result<(SessionId, Self), Malformed> {
        let (mut from, session) = reader::<Self>(bytes)?;
        let survivors = from.list(8, Reader::client)?;
        check_ascending(survivors.iter().copied())?;
        from.finish()?;
        Ok((session, Self { survivors }))
    }
}

/// Client to server, confirm survivors: its signature over the set that it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirmation {
    /// Over session, context, roster and survivors.
    pub signature: Signature,
}

impl Message for Confirmation {
    const STAGE: Stage = Stage::ConfirmSurvivors;
    const FROM_SERVER: bool = false;

    fn encode(&self, session: SessionId) -> Vec<u8> {
        let mut to = writer::<Self>(session, SIGNATURE_LEN);
        to.bytes(&self.signature.0);
        to.into_bytes()
    }

    fn decode(bytes: &[u8]) -> Result<(SessionId, Self), Malformed> {
        let (mut from, session) = reader::<Self>(bytes)?;
        let signature = Signature(from.array()?);
        from.finish()?;
        Ok((session, Self { signature }))
    }
}

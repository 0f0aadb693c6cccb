use super::{Message, reader, writer};
use crate::error::Malformed;
use crate::identity::SIGNATURE_LEN;
use crate::keys::{ChannelPublicKey, KEY_LEN, MaskPublicKey};
use crate::wire::{Reader, Writer};
use crate::{ContextHash, Params, SessionId, Signature, Stage};

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
        let mut to = writer::<Self>(session, 84);
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
    /// The client's signature over them; only against an active server.
    pub signature: Option<Signature>,
}

impl AdvertisedKeys {
    /// The fewest bytes that one takes, without a signature.
    pub(super) const MIN_LEN: usize = 2 * KEY_LEN + 1;

    pub(super) fn len(&self) -> usize {
        Self::MIN_LEN + if self.signature.is_some() { SIGNATURE_LEN } else { 0 }
    }

    pub(crate) fn write_body(&self, to: &mut Writer) {
        to.bytes(self.mask.as_bytes());
        to.bytes(self.channel.as_bytes());
        to.u8(u8::from(self.signature.is_some()));
        self.signature.iter().for_each(|signature| to.bytes(&signature.0));
    }

    pub(crate) fn read_body(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mask = MaskPublicKey::from_bytes(from.array()?)?;
        let channel = ChannelPublicKey::from_bytes(from.array()?)?;
        let signature = match from.u8()? {
            0 => None,
            1 => Some(Signature(from.array()?)),
            _ => return Err(Malformed::Tag),
        };
        Ok(Self { mask, channel, signature })
    }
}

impl Message for AdvertisedKeys {
    const STAGE: Stage = Stage::Setup;
    const FROM_SERVER: bool = false;

    fn encode(&self, session: SessionId) -> Vec<u8> {
        let mut to = writer::<Self>(session, self.len());
        self.write_body(&mut to);
        to.into_bytes()
    }

    fn decode(bytes: &[u8]) -> Result<(SessionId, Self), Malformed> {
        let (mut from, session) = reader::<Self>(bytes)?;
        let keys = Self::read_body(&mut from)?;
        from.finish()?;
        Ok((session, keys))
    }
}

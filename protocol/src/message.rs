//! The ten messages of a round: what they hold, and their bytes.
//!
//! Every message starts with a version byte, a kind byte and the session id; integers are
//! little-endian. A kind is the stage's number, with the top bit set on what the server sends.
//! Decoding is bounded by the message's own length and leaves nothing over; for each message there
//! is exactly one encoding.

mod collect_masked_vectors;
mod confirm_survivors;
mod setup;
mod share_keys;
mod unmask;

pub use collect_masked_vectors::{CollectRequest, MaskedVector};
pub use confirm_survivors::{ConfirmRequest, Confirmation};
pub use setup::{AdvertisedKeys, SetupRequest};
pub use share_keys::{SealedShares, ShareKeysRequest};
pub(crate) use unmask::Revealed;
pub use unmask::{RevealedShares, UnmaskRequest};

use std::sync::Arc;

use crate::error::Malformed;
use crate::wire::{Reader, Writer};
use crate::{ClientId, SessionId, Stage};

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

fn check_ascending(mut clients: impl Iterator<Item = ClientId>) -> Result<(), Malformed> {
    let Some(mut last) = clients.next() else { return Ok(()) };
    let ascending = clients.all(|client| core::mem::replace(&mut last, client) < client);
    if ascending { Ok(()) } else { Err(Malformed::Order) }
}

#[cfg(test)]
mod tests;

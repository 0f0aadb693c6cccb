//! States that outlive a process: sealed under a key of the caller's, and opened again in another one.
//!
//! AES-256-GCM (NIST SP 800-38D); key and nonce of each state come from the caller's key and 32 random
//! bytes by HKDF-SHA256 (RFC 5869), so a key seals any number of states. What kind of state it is, and
//! of which session, stands in front in clear, and is authenticated.

use core::fmt;

use aes_gcm::aead::AeadInOut;
use hkdf::Hkdf;
use rand_core::CryptoRng;
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use crate::error::Malformed;
use crate::keys::{CHANNEL_KEY_LEN, ChannelKey};
use crate::sealed::{cipher, without_traces};
use crate::wire::{HEADER_LEN, Reader, Writer};
use crate::{SessionId, Stage};

const SALT_LEN: usize = 32;
const TAG_LEN: usize = 16;

/// The kind byte of a client's saved state; a server's is [`SERVER`] plus its stage's number.
pub(crate) const CLIENT: u8 = 0x60;
const SERVER: u8 = 0x40;

/// The kind byte of a server stage's saved state.
pub(crate) const fn server_kind(stage: Stage) -> u8 {
    SERVER | stage.number()
}

/// A key of the caller's, under which states are sealed; wiped when dropped.
#[derive(Clone)]
pub struct StateKey([u8; 32]);

impl StateKey {
    /// A fresh key.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut key = Self([0; 32]);
        rng.fill_bytes(&mut key.0);
        key
    }

    /// Takes 32 secret bytes, which must be uniform.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 secret bytes, to be kept apart from the states that they open.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Drop for StateKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for StateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StateKey(..)")
    }
}

/// Why a saved state cannot be restored.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The bytes are too short, or of another version or kind, or hold what no state has.
    #[error("the saved state cannot be read: {0}")]
    Malformed(#[from] Malformed),
    /// The bytes were altered, or sealed under another key.
    #[error("the saved state does not open: it was altered, or sealed under another key")]
    Sealed,
    /// The state is of a round against an active server: it needs the directory and, for a client, its
    /// identity, neither of which is saved.
    #[error(
        "the saved state is of a round against an active server: give its directory and identity"
    )]
    NoDirectory,
    /// The identity is not the one that the directory has for the client of this state.
    #[error("the directory does not hold this identity for the client whose state this is")]
    IdentityNotInDirectory,
}

/// Where a client's state is kept from one message to the next.
pub trait Store {
    /// Why a state could not be kept.
    type Error;

    /// Replaces the state that was kept before, if any, by this one.
    ///
    /// It must be safe from a crash when this returns: written to another file, flushed to the disk
    /// and renamed, for example, and the directory flushed too, or a power cut brings the old file back.
    /// Keep no older state: a client restored from one could be made to answer again, and differently.
    ///
    /// # Errors
    /// If the state is not safe; the answer that depends on it is then not given away.
    fn replace(&mut self, state: &[u8]) -> Result<(), Self::Error>;
}

impl<S: Store + ?Sized> Store for &mut S {
    type Error = S::Error;

    fn replace(&mut self, state: &[u8]) -> Result<(), S::Error> {
        (**self).replace(state)
    }
}

/// The stage of a server whose state this is, so that it can be restored as the right type; `None` if
/// it is no state of a server.
pub fn saved_stage(state: &[u8]) -> Option<Stage> {
    let kind = *state.get(1)?;
    Stage::ALL.into_iter().find(|&stage| server_kind(stage) == kind)
}

/// Seals a state: header, salt, ciphertext, tag.
pub(crate) fn seal(
    kind: u8,
    session: SessionId,
    key: &StateKey,
    rng: &mut impl CryptoRng,
    write: impl FnOnce(&mut Writer),
) -> Vec<u8> {
    let mut salt = [0; SALT_LEN];
    rng.fill_bytes(&mut salt);
    let mut state = Writer::message(kind, session, SALT_LEN);
    state.bytes(&salt);
    let body = HEADER_LEN + SALT_LEN;
    write(&mut state);
    let mut bytes = Zeroizing::new(state.into_bytes());
    let (head, plain) = bytes.split_at_mut(body);
    let sealed = || {
        let key = one_time_key(key, &salt);
        cipher(&key).encrypt_inout_detached(&key.nonce.into(), head, plain.into())
    };
    let tag = without_traces(sealed)
        .expect("AES-GCM seals up to 64 GiB, and a state is held in memory twice");
    // A copy of what is sealed by now; the buffer it comes from is wiped all the same.
    [bytes.as_slice(), &tag].concat()
}

/// Opens a state of one kind.
pub(crate) fn open<T>(
    kind: u8,
    key: &StateKey,
    state: &[u8],
    read: impl FnOnce(SessionId, &mut Reader<'_>) -> Result<T, RestoreError>,
) -> Result<T, RestoreError> {
    let (mut reader, session) = Reader::message(kind, state)?;
    let salt: [u8; SALT_LEN] = reader.array()?;
    let (text, tag) = reader.rest().split_last_chunk::<TAG_LEN>().ok_or(Malformed::Truncated)?;
    let mut plain = Zeroizing::new(text.to_vec());
    let (head, tag) = (&state[..HEADER_LEN + SALT_LEN], (*tag).into());
    let opened = || {
        let (key, plain) = (one_time_key(key, &salt), plain.as_mut_slice().into());
        cipher(&key).decrypt_inout_detached(&key.nonce.into(), head, plain, &tag)
    };
    without_traces(opened).map_err(|_| RestoreError::Sealed)?;
    let mut reader = Reader::new(&plain);
    let restored = read(session, &mut reader)?;
    reader.finish()?;
    Ok(restored)
}

fn one_time_key(key: &StateKey, salt: &[u8; SALT_LEN]) -> ChannelKey {
    let mut okm = Zeroizing::new([0; CHANNEL_KEY_LEN]);
    Hkdf::<Sha256>::new(Some(salt), &key.0)
        .expand(b"secagg saved state", &mut *okm)
        .expect("HKDF-SHA256 gives up to 8160 bytes");
    ChannelKey::from_bytes(&okm)
}

#[cfg(test)]
mod tests;

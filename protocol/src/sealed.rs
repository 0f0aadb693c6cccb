//! Shares on their way from one neighbour to another, through the server, which must not read them.
//!
//! AES-256-GCM (NIST SP 800-38D). Key and nonce come from the agreement and serve one message, once;
//! the associated data bind it to its round, its way and its threshold.

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit, Tag};
use zeroize::{Zeroize, Zeroizing};

use crate::keys::ChannelKey;
use crate::session::Session;
use crate::shamir::{SHARE_LEN, Share};
use crate::{ClientId, PROTOCOL_VERSION, Stage};

/// Bytes of the two shares inside a box, and of the tag behind them.
const PLAIN_LEN: usize = 2 * SHARE_LEN;
const TAG_LEN: usize = 16;

/// Bytes of a sealed box.
pub(crate) const SEALED_LEN: usize = PLAIN_LEN + TAG_LEN;

/// What one client holds for one neighbour: a share of each of its two secrets.
#[derive(Clone, Debug)]
pub(crate) struct SharePair {
    pub(crate) mask_secret_key: Share,
    pub(crate) self_mask_seed: Share,
}

/// A [`SharePair`] that only its receiver can open (the paper's e_uv).
pub(crate) type SealedPair = [u8; SEALED_LEN];

/// From whom to whom a box travels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route {
    pub(crate) sender: ClientId,
    pub(crate) receiver: ClientId,
}

pub(crate) fn seal(
    session: &Session,
    key: &ChannelKey,
    route: Route,
    pair: &SharePair,
) -> SealedPair {
    let mut plain = Zeroizing::new([0; PLAIN_LEN]);
    plain[..SHARE_LEN].copy_from_slice(&pair.mask_secret_key.0);
    plain[SHARE_LEN..].copy_from_slice(&pair.self_mask_seed.0);
    let (nonce, data) = (key.nonce.into(), associated_data(session, route));
    let sealed = || cipher(key).encrypt_inout_detached(&nonce, &data, (&mut plain[..]).into());
    let tag = without_traces(sealed)
        .expect("AES-GCM seals up to 64 GiB, and a pair of shares has 64 bytes");
    let mut sealed = [0; SEALED_LEN];
    sealed[..PLAIN_LEN].copy_from_slice(&*plain);
    sealed[PLAIN_LEN..].copy_from_slice(&tag);
    sealed
}

/// Opens a box, or gives `None` for one that was not sealed for this route in this session.
pub(crate) fn open(
    session: &Session,
    key: &ChannelKey,
    route: Route,
    sealed: &SealedPair,
) -> Option<SharePair> {
    let (text, tag) = sealed.split_first_chunk::<PLAIN_LEN>()?;
    let tag = Tag::try_from(tag).ok()?;
    let mut plain = Zeroizing::new(*text);
    let (nonce, data) = (key.nonce.into(), associated_data(session, route));
    let opened =
        || cipher(key).decrypt_inout_detached(&nonce, &data, (&mut plain[..]).into(), &tag);
    without_traces(opened).ok()?;
    let (shares, _) = plain.as_chunks::<SHARE_LEN>();
    Some(SharePair { mask_secret_key: Share(shares[0]), self_mask_seed: Share(shares[1]) })
}

/// The cipher of a key that serves once. It moves while it is made, so this wants [`without_traces`].
pub(crate) fn cipher(key: &ChannelKey) -> Aes256Gcm {
    Aes256Gcm::new(&key.key.into())
}

/// Calls `work`, and wipes what it leaves on the stack. Keys and ciphers wipe themselves, but not where they were before they
/// moved; such copies were seen on the heap, among the unused bytes of an `Option` that went there.
pub(crate) fn without_traces<T>(work: impl FnOnce() -> T) -> T {
    let done = beneath(work);
    wipe_beneath();
    done
}

/// In a frame of its own.
#[inline(never)]
fn beneath<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// 16 KiB. Behind HKDF and AES-GCM 8 were not enough in one build, depending on what is inlined where; 10 were.
#[inline(never)]
fn wipe_beneath() {
    [0_u64; 2048].zeroize();
}

/// Version, session, stage, sender, receiver, threshold.
fn associated_data(session: &Session, route: Route) -> [u8; 38] {
    let mut data = [0; 38];
    data[0] = PROTOCOL_VERSION;
    data[1..17].copy_from_slice(&session.id.0);
    data[17] = Stage::ShareKeys.number();
    data[18..26].copy_from_slice(&route.sender.0.to_le_bytes());
    data[26..34].copy_from_slice(&route.receiver.0.to_le_bytes());
    data[34..].copy_from_slice(&session.params.threshold().to_le_bytes());
    data
}

#[cfg(test)]
mod tests;

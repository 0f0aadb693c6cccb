//! X25519 key pairs (RFC 7748), and everything derived from them by HKDF-SHA256 (RFC 5869).
//!
//! A client has two pairs per session, which never mix: one agrees on pairwise masks, the other on
//! the keys that seal shares. The type parameter keeps them apart.

use core::fmt;
use core::iter::zip;
use core::marker::PhantomData;
use core::sync::atomic::{AtomicUsize, Ordering};

use hkdf::Hkdf;
use rand_core::CryptoRng;
use secagg_kernels::x25519::{self, SharedSecrets};
use secagg_kernels::{Backend, Seed, Sign};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use x25519_dalek::StaticSecret;
use zeroize::{Zeroize, Zeroizing};

use crate::ClientId;
use crate::error::Malformed;
use crate::roster::RosterHash;
use crate::session::Session;

/// Bytes of a public key, a secret key, a seed and a commitment.
pub(crate) const KEY_LEN: usize = 32;

/// Marks the key pair that agrees on pairwise masks (the paper's s_u).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mask {}

/// Marks the key pair that agrees on the share channel (the paper's c_u).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channel {}

/// A client's public key for pairwise masks.
pub type MaskPublicKey = PublicKey<Mask>;

/// A client's public key for the share channel.
pub type ChannelPublicKey = PublicKey<Channel>;

pub(crate) type MaskSecretKey = SecretKey<Mask>;
pub(crate) type ChannelSecretKey = SecretKey<Channel>;

/// An X25519 public key: a u-coordinate in its one canonical encoding.
pub struct PublicKey<U>([u8; KEY_LEN], PhantomData<U>);

impl<U> PublicKey<U> {
    /// Takes 32 bytes as they travel.
    ///
    /// RFC 7748 lets a receiver reduce larger values; here each key has one encoding, so that equal
    /// keys are equal bytes.
    ///
    /// # Errors
    /// [`Malformed::KeyEncoding`] for 2^255 - 19 or more.
    pub fn from_bytes(bytes: [u8; KEY_LEN]) -> Result<Self, Malformed> {
        let [first, middle @ .., last] = &bytes;
        let saturated = *last == 0x7f && middle.iter().all(|&byte| byte == 0xff);
        if *last > 0x7f || (saturated && *first >= 0xed) {
            return Err(Malformed::KeyEncoding);
        }
        Ok(Self(bytes, PhantomData))
    }

    /// The 32 bytes as they travel.
    pub const fn as_bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }

    /// Whether the point lies in the small subgroup, where every agreement gives zero.
    pub(crate) fn has_low_order(&self) -> bool {
        LOW_ORDER.contains(&self.0)
    }
}

impl<U> Clone for PublicKey<U> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<U> Copy for PublicKey<U> {}

impl<U> PartialEq for PublicKey<U> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<U> Eq for PublicKey<U> {}

impl<U> fmt::Debug for PublicKey<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// The u-coordinates of all points whose order divides 8, of the curve and of its twist: 0, 1, two of order 8, p - 1.
/// Any clamped scalar is a multiple of 8, so it kills exactly these points.
const LOW_ORDER: [[u8; KEY_LEN]; 5] = [
    [0; KEY_LEN],
    [
        1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0,
    ],
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4,
        0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49,
        0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef,
        0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f,
        0x11, 0x57,
    ],
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0x7f,
    ],
];

/// The key of this client has low order: an agreement with it would be no secret.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LowOrder(pub(crate) ClientId);

/// An X25519 secret key; wiped when dropped. It stays where it is, so that a client that is moved leaves no copy behind.
pub(crate) struct SecretKey<U>(Box<StaticSecret>, PhantomData<U>);

impl<U> SecretKey<U> {
    pub(crate) fn random(rng: &mut impl CryptoRng) -> Self {
        Self(Box::new(StaticSecret::random_from_rng(rng)), PhantomData)
    }

    pub(crate) fn from_bytes(bytes: &[u8; KEY_LEN]) -> Self {
        Self(Box::new(StaticSecret::from(*bytes)), PhantomData)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; KEY_LEN] {
        self.0.as_bytes()
    }

    pub(crate) fn public(&self) -> PublicKey<U> {
        PublicKey(x25519_dalek::PublicKey::from(&*self.0).to_bytes(), PhantomData)
    }

    /// Agrees with all of them on one secret with each, in their order. The first of low order is an error.
    fn agree(&self, backend: Backend, theirs: &[End<U>]) -> Result<SharedSecrets, LowOrder> {
        let publics: Vec<_> = theirs.iter().map(|end| end.key.0).collect();
        let shared = x25519::agree_many(backend, self.as_bytes(), &publics);
        match zip(theirs, &*shared).find(|(_, secret)| is_zero(secret)) {
            Some((end, _)) => Err(LowOrder(end.client)),
            None => Ok(shared),
        }
    }
}

impl<U> fmt::Debug for SecretKey<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// An agreement with a key of low order: not a secret.
fn is_zero(shared: &[u8; KEY_LEN]) -> bool {
    shared.ct_eq(&[0; KEY_LEN]).into()
}

/// The salt of every key that two members derive, 80 bytes: session id ‖ context hash ‖ roster hash.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Salt([u8; 80]);

impl Salt {
    pub(crate) fn new(session: &Session, roster: &RosterHash) -> Self {
        let mut salt = [0; 80];
        salt[..16].copy_from_slice(&session.id.0);
        salt[16..48].copy_from_slice(session.context.as_bytes());
        salt[48..].copy_from_slice(roster.as_bytes());
        Self(salt)
    }
}

/// One end of an agreement, as others see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End<U> {
    pub(crate) client: ClientId,
    pub(crate) key: PublicKey<U>,
}

/// One end of agreements with many others.
pub(crate) struct Hub<'a, U> {
    pub(crate) backend: Backend,
    pub(crate) salt: &'a Salt,
    pub(crate) secret: &'a SecretKey<U>,
    pub(crate) end: End<U>,
}

impl Hub<'_, Mask> {
    /// Appends the seeds of the masks that this client shares with others, in their order, with the signs that it
    /// takes them with. A seed is the same at both ends, and at a server that has recovered one end's secret
    /// key. The first key of low order is an error.
    ///
    /// `masks` should have the capacity: a vector that grows moves seeds, and leaves copies.
    pub(crate) fn pairwise_masks(
        &self,
        theirs: &[End<Mask>],
        masks: &mut Vec<(Seed, Sign)>,
    ) -> Result<(), LowOrder> {
        let publics: Vec<_> = theirs.iter().map(|end| end.key.0).collect();
        let low_order = AtomicUsize::new(theirs.len());
        let start = masks.len();
        masks.resize(start + theirs.len(), (Seed::from_bytes([0; KEY_LEN]), Sign::Add));
        let (secret, out) = (self.secret.as_bytes(), &mut masks[start..]);
        x25519::derive_many(self.backend, secret, &publics, out, |at, shared| {
            if is_zero(shared) {
                low_order.fetch_min(at, Ordering::Relaxed);
            }
            let seed = pairwise_seed(self.salt, shared, self.end, theirs[at]);
            (seed, sign(self.end.client, theirs[at].client))
        });
        theirs.get(low_order.into_inner()).map_or(Ok(()), |end| Err(LowOrder(end.client)))
    }
}

fn pairwise_seed(salt: &Salt, shared: &[u8; KEY_LEN], ours: End<Mask>, theirs: End<Mask>) -> Seed {
    let (low, high) = if ours.client < theirs.client { (ours, theirs) } else { (theirs, ours) };
    let mut seed = Zeroizing::new([0; KEY_LEN]);
    derive(salt, b"secagg pairwise seed", shared, low, high, &mut *seed);
    Seed::from_bytes(*seed)
}

/// Of two clients that share a mask, the one with the lower id adds it.
fn sign(client: ClientId, neighbour: ClientId) -> Sign {
    if client < neighbour { Sign::Add } else { Sign::Subtract }
}

/// AES-256-GCM key and nonce of one direction of a share channel: used for one message, once.
pub(crate) struct ChannelKey {
    pub(crate) key: [u8; 32],
    pub(crate) nonce: [u8; 12],
}

/// Bytes of a key and its nonce.
pub(crate) const CHANNEL_KEY_LEN: usize = 44;

impl ChannelKey {
    pub(crate) fn from_bytes(bytes: &[u8; CHANNEL_KEY_LEN]) -> Self {
        let mut channel_key = Self { key: [0; 32], nonce: [0; 12] };
        channel_key.key.copy_from_slice(&bytes[..32]);
        channel_key.nonce.copy_from_slice(&bytes[32..]);
        channel_key
    }
}

impl Drop for ChannelKey {
    fn drop(&mut self) {
        self.key.zeroize();
        self.nonce.zeroize();
    }
}

/// Keys of both directions of the share channel between two neighbours.
pub(crate) struct ShareChannel {
    pub(crate) sending: ChannelKey,
    pub(crate) receiving: ChannelKey,
}

impl Hub<'_, Channel> {
    /// The channels to neighbours, in their order.
    pub(crate) fn share_channels(
        &self,
        theirs: &[End<Channel>],
    ) -> Result<impl ExactSizeIterator<Item = ShareChannel>, LowOrder> {
        let shared = self.secret.agree(self.backend, theirs)?;
        let channel = move |at: usize| ShareChannel {
            sending: channel_key(self.salt, &shared[at], self.end, theirs[at]),
            receiving: channel_key(self.salt, &shared[at], theirs[at], self.end),
        };
        Ok((0..theirs.len()).map(channel))
    }
}

fn channel_key(
    salt: &Salt,
    shared: &[u8; KEY_LEN],
    sender: End<Channel>,
    receiver: End<Channel>,
) -> ChannelKey {
    let mut okm = Zeroizing::new([0; CHANNEL_KEY_LEN]);
    derive(salt, b"secagg share channel", shared, sender, receiver, &mut *okm);
    ChannelKey::from_bytes(&okm)
}

/// HKDF-SHA256; info = label ‖ both ids ‖ both public keys.
fn derive<U: Copy>(
    salt: &Salt,
    label: &[u8],
    shared: &[u8; KEY_LEN],
    first: End<U>,
    second: End<U>,
    okm: &mut [u8],
) {
    let (first_id, second_id) = (first.client.0.to_le_bytes(), second.client.0.to_le_bytes());
    let info = [label, &first_id, &second_id, &first.key.0, &second.key.0];
    Hkdf::<Sha256>::new(Some(&salt.0), shared)
        .expand_multi_info(&info, okm)
        .expect("HKDF-SHA256 gives up to 8160 bytes, and callers ask for at most 44");
}

/// The seed of a client's own mask (the paper's b_u). It stays where it is, as a [`SecretKey`] does.
#[derive(Clone, Debug)]
pub(crate) struct SelfMaskSeed(Box<Seed>);

impl SelfMaskSeed {
    pub(crate) fn random(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = Zeroizing::new([0; KEY_LEN]);
        rng.fill_bytes(&mut *bytes);
        Self::from_bytes(&bytes)
    }

    pub(crate) fn from_bytes(bytes: &[u8; KEY_LEN]) -> Self {
        Self(Box::new(Seed::from_bytes(*bytes)))
    }

    pub(crate) fn as_bytes(&self) -> &[u8; KEY_LEN] {
        self.0.as_bytes()
    }

    pub(crate) fn as_seed(&self) -> &Seed {
        &self.0
    }

    /// What the owner publishes with its shares, so that a recovered seed can be checked. The seed
    /// is 256 uniform bits, so the hash hides it.
    pub(crate) fn commitment(&self, session: &Session, owner: ClientId) -> Commitment {
        let hash = Sha256::new()
            .chain_update(b"secagg self mask commitment")
            .chain_update(session.id.0)
            .chain_update(session.context.as_bytes())
            .chain_update(owner.0.to_le_bytes())
            .chain_update(self.as_bytes())
            .finalize();
        Commitment(hash.into())
    }
}

/// SHA-256 over a self-mask seed, its owner and its session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Commitment(pub(crate) [u8; KEY_LEN]);

impl Commitment {
    pub(crate) fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

#[cfg(test)]
mod tests;

//! The generators that expand a seed into a keystream. Each is a public standard, so that a client in any language can
//! make the same bytes.

pub(crate) mod aegis128x4;
mod aes128_ctr;
mod chacha20;

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::arch::{Kernel, with_kernel};
use crate::{Backend, Seed};

pub(crate) use aegis128x4::Aegis128X4Key;
pub(crate) use aes128_ctr::Aes128CtrKey;
pub(crate) use chacha20::ChaCha20Key;

/// A generator of keystreams. Any part of a keystream can be made without the parts before it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum Prg {
    /// AES-128 in counter mode (NIST SP 800-38A). The key is `seed[0..16]`; the counter blocks are `seed[16..28]`
    /// followed by a 32-bit big-endian counter from zero; `seed[28..32]` is not used.
    #[default]
    Aes128Ctr,
    /// `ChaCha20` (RFC 8439). The key is the seed, the nonce is zero, the counter starts at zero.
    ChaCha20,
    /// AEGIS-128X4 (RFC 10032), used as a stream cipher for each 16,384 bytes of keystream on their own. The
    /// key is `seed[0..16]`; the nonce is `seed[16..28]` followed by the 32-bit big-endian number of the 16,384 bytes;
    /// `seed[28..32]` is not used. Twice as fast as AES-128-CTR where there are AES instructions.
    Aegis128X4,
}

/// A keystream was asked for beyond the last byte that its 32-bit counter of blocks or tiles reaches.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("one seed gives {} bytes of {prg} keystream, and more were asked for: use fewer or narrower lanes", prg.keystream_limit())]
pub struct KeystreamLimit {
    /// The generator whose limit was passed.
    pub prg: Prg,
}

/// No generator has this name or wire id.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("no such generator: `aes-128-ctr` (1), `chacha20` (2) and `aegis-128x4` (3) exist")]
pub struct UnknownPrg;

impl Prg {
    /// Every generator, the default first.
    pub const ALL: [Self; 3] = [Self::Aes128Ctr, Self::ChaCha20, Self::Aegis128X4];

    /// Bytes that one seed can give: 2^32 blocks, which is 2^36 bytes (64 GiB) for AES-128-CTR and 2^38 bytes
    /// (256 GiB) for `ChaCha20`; 2^32 tiles of 2^14 bytes, which is 2^46 bytes (64 TiB) for AEGIS-128X4.
    pub fn keystream_limit(self) -> u64 {
        match self {
            Self::Aes128Ctr => 1 << 36,
            Self::ChaCha20 => 1 << 38,
            Self::Aegis128X4 => 1 << 46,
        }
    }

    /// The number that stands for the generator on the wire. It never changes.
    pub fn id(self) -> u8 {
        match self {
            Self::Aes128Ctr => 1,
            Self::ChaCha20 => 2,
            Self::Aegis128X4 => 3,
        }
    }

    /// The generator with this wire id.
    ///
    /// # Errors
    /// [`UnknownPrg`] if there is none.
    pub fn from_id(id: u8) -> Result<Self, UnknownPrg> {
        Self::ALL.into_iter().find(|prg| prg.id() == id).ok_or(UnknownPrg)
    }

    /// The name that [`FromStr`] reads: `aes-128-ctr`, `chacha20` or `aegis-128x4`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aes128Ctr => "aes-128-ctr",
            Self::ChaCha20 => "chacha20",
            Self::Aegis128X4 => "aegis-128x4",
        }
    }

    /// Writes the keystream bytes from `first_byte` on over `out`, on the calling thread.
    ///
    /// ```
    /// use secagg_kernels::{Backend, Prg, Seed};
    ///
    /// let (backend, seed) = (Backend::detect(), Seed::from_bytes([1; 32]));
    /// let (mut whole, mut part) = ([0; 100], [0; 40]);
    /// Prg::ChaCha20.expand(backend, &seed, 0, &mut whole)?;
    /// Prg::ChaCha20.expand(backend, &seed, 60, &mut part)?;
    /// assert_eq!(whole[60..], part);
    /// # Ok::<(), secagg_kernels::KeystreamLimit>(())
    /// ```
    ///
    /// # Errors
    /// [`KeystreamLimit`] if the range ends beyond [`keystream_limit`](Self::keystream_limit); `out` is then untouched.
    pub fn expand(
        self,
        backend: Backend,
        seed: &Seed,
        first_byte: u64,
        out: &mut [u8],
    ) -> Result<(), KeystreamLimit> {
        self.check(u128::from(first_byte) + out.len() as u128)?;
        let key = Key::new(self, seed);
        with_kernel!(backend, kernel => kernel.expand(&key, first_byte, out));
        Ok(())
    }

    /// Refuses a range of keystream that ends at byte `end`, if one seed does not reach so far.
    pub(crate) fn check(self, end: u128) -> Result<(), KeystreamLimit> {
        if end <= u128::from(self.keystream_limit()) {
            Ok(())
        } else {
            Err(KeystreamLimit { prg: self })
        }
    }
}

impl fmt::Display for Prg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Prg {
    type Err = UnknownPrg;

    fn from_str(name: &str) -> Result<Self, UnknownPrg> {
        Self::ALL.into_iter().find(|prg| prg.name() == name).ok_or(UnknownPrg)
    }
}

/// A seed made ready for its generator; wiped on drop.
pub(crate) enum Key {
    Aes128Ctr(Box<Aes128CtrKey>),
    ChaCha20(ChaCha20Key),
    Aegis128X4(Aegis128X4Key),
}

impl Key {
    pub(crate) fn new(prg: Prg, seed: &Seed) -> Self {
        match prg {
            Prg::Aes128Ctr => Self::Aes128Ctr(Box::new(Aes128CtrKey::new(seed))),
            Prg::ChaCha20 => Self::ChaCha20(ChaCha20Key::new(seed)),
            Prg::Aegis128X4 => Self::Aegis128X4(Aegis128X4Key::new(seed)),
        }
    }
}

//! `ChaCha20`: how a seed becomes a cipher.

use chacha20::variants::Ietf;
use chacha20::{ChaChaCore, KeyIvInit, R20};

use crate::Seed;

/// The block function of RFC 8439; wipes itself on drop.
pub(crate) type ChaCha20Core = ChaChaCore<R20, Ietf>;

/// The key of one seed. `ChaCha20` has no key schedule, so the seed itself is kept.
pub(crate) struct ChaCha20Key(Seed);

impl ChaCha20Key {
    pub(crate) fn new(seed: &Seed) -> Self {
        Self(seed.clone())
    }

    /// The seed.
    pub(crate) fn seed(&self) -> Seed {
        self.0.clone()
    }

    /// The words of the key.
    #[inline(always)]
    pub(crate) fn words(&self) -> [u32; 8] {
        let mut words = [0; 8];
        for (word, bytes) in words.iter_mut().zip(self.0.as_bytes().as_chunks().0) {
            *word = u32::from_le_bytes(*bytes);
        }
        words
    }

    /// The cipher, about to make block number `block`.
    pub(crate) fn core_at(&self, block: u32) -> ChaCha20Core {
        let mut core = ChaCha20Core::new(self.0.as_bytes().into(), &[0; 12].into());
        core.set_block_pos(block);
        core
    }
}

//! AES-128-CTR: how a seed becomes a key and counter blocks.

use aes::Aes128Enc;
use aes::cipher::KeyInit;
use zeroize::Zeroize;

use crate::Seed;

/// The key schedule of one seed, and the 12 bytes that its counter blocks begin with.
pub(crate) struct Aes128CtrKey {
    /// Wipes itself on drop.
    pub(crate) cipher: Aes128Enc,
    nonce: [u8; 12],
}

impl Aes128CtrKey {
    /// Bytes 0..16 are the key, bytes 16..28 the nonce: a nonce that differs from seed to seed, so that an attacker
    /// cannot try one guessed key against many seeds at once.
    pub(crate) fn new(seed: &Seed) -> Self {
        let (key, rest) = seed.as_bytes().split_first_chunk::<16>().expect("32 bytes");
        let (nonce, _) = rest.split_first_chunk().expect("16 bytes");
        Self { cipher: Aes128Enc::new(key.into()), nonce: *nonce }
    }

    /// The input of the cipher for block number `block`.
    #[inline(always)]
    pub(crate) fn counter_block(&self, block: u32) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..12].copy_from_slice(&self.nonce);
        bytes[12..].copy_from_slice(&block.to_be_bytes());
        bytes
    }
}

impl Drop for Aes128CtrKey {
    fn drop(&mut self) {
        self.nonce.zeroize();
    }
}

//! AES-128-CTR: how a seed becomes a key and counter blocks.

use aes::Aes128Enc;
use aes::cipher::KeyInit;
use aes::hazmat::{Block, cipher_round, inv_mix_columns};
use zeroize::{Zeroize, Zeroizing};

use crate::Seed;

const ROUNDS: usize = 10;

/// The key schedule of one seed, and the 12 bytes that its counter blocks begin with.
pub(crate) struct Aes128CtrKey {
    /// For the portable backend, which knows best in what form it wants its keys. Wipes itself on drop.
    pub(crate) cipher: Aes128Enc,
    round_keys: [[u8; 16]; ROUNDS + 1],
    nonce: [u8; 12],
}

impl Aes128CtrKey {
    /// Bytes 0..16 are the key, bytes 16..28 the nonce: a nonce that differs from seed to seed, so that an attacker
    /// cannot try one guessed key against many seeds at once.
    pub(crate) fn new(seed: &Seed) -> Self {
        let (key, rest) = seed.as_bytes().split_first_chunk::<16>().expect("32 bytes");
        let (nonce, _) = rest.split_first_chunk().expect("16 bytes");
        let mut ready = Self {
            cipher: Aes128Enc::new(key.into()),
            round_keys: [[0; 16]; ROUNDS + 1],
            nonce: *nonce,
        };
        expand(key, &mut ready.round_keys);
        ready
    }

    /// The seed, as far as it is used.
    pub(crate) fn seed(&self) -> Seed {
        Seed::of_key_and_nonce(&self.round_keys[0], &self.nonce)
    }

    /// The keys of the eleven additions, as FIPS 197 orders their bytes.
    #[inline(always)]
    pub(crate) fn round_keys(&self) -> &[[u8; 16]; ROUNDS + 1] {
        &self.round_keys
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
        self.round_keys.zeroize();
        self.nonce.zeroize();
    }
}

/// The key expansion of FIPS 197, in constant time.
fn expand(key: &[u8; 16], keys: &mut [[u8; 16]; ROUNDS + 1]) {
    keys[0] = *key;
    let mut constant = 1_u8;
    for round in 0..ROUNDS {
        let old = Zeroizing::new(keys[round]);
        let mut word = substituted([old[13], old[14], old[15], old[12]]);
        word[0] ^= constant;
        constant = (constant << 1) ^ ((constant >> 7) * 0x1b);
        for (i, byte) in old.iter().enumerate() {
            word[i % 4] ^= byte;
            keys[round + 1][i] = word[i % 4];
        }
    }
}

/// The S-box of four bytes, by an AES round: shifting rows does nothing to four equal columns, and what mixing the
/// columns does is undone.
fn substituted(word: [u8; 4]) -> Zeroizing<[u8; 4]> {
    let mut block = Block::default();
    block.as_chunks_mut().0.fill(word);
    cipher_round(&mut block, &Block::default());
    inv_mix_columns(&mut block);
    let word = Zeroizing::new(*block.first_chunk().expect("16 bytes"));
    block.as_mut_slice().zeroize();
    word
}

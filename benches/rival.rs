//! What a Rust user would write without this crate: for each tile and each seed, expand into a buffer with a standard
//! crate, then add.

use aes::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use secagg_kernels::Seed;

use crate::masks;

/// Lanes of 16 KiB: the rivals get the tiling too, at the size that is best for them.
const TILE: usize = 4096;

/// Ready ciphers, a vector of `u32`, and a buffer. As in our plan, the key schedules are made before the clock starts.
#[derive(Debug)]
pub struct Rival<C> {
    ciphers: Vec<C>,
    expand: fn(&mut C, u64, &mut [u8]),
    lanes: Vec<u32>,
    keystream: Vec<u8>,
}

/// `ctr` over `aes`, its counter in either order.
///
/// # Panics
/// Unless keys and counters are of 16 bytes.
pub fn ctr<C: KeyIvInit + StreamCipher + StreamCipherSeek>(count: usize, lanes: usize) -> Rival<C> {
    let new = |seed: &Seed| {
        let (key, iv) = seed.as_bytes().split_at(16);
        C::new_from_slices(key, iv).expect("16 and 16 bytes")
    };
    Rival::new(new, apply, count, lanes)
}

/// The `chacha20` crate.
///
/// # Panics
/// Never: keys and nonces have the right length.
pub fn chacha20(count: usize, lanes: usize) -> Rival<chacha20::ChaCha20> {
    let new = |seed: &Seed| {
        chacha20::ChaCha20::new_from_slices(seed.as_bytes(), &[0; 12]).expect("32 and 12 bytes")
    };
    Rival::new(new, apply, count, lanes)
}

/// The `rand_chacha` crate.
pub fn rand_chacha(count: usize, lanes: usize) -> Rival<ChaCha20Rng> {
    let fill = |rng: &mut ChaCha20Rng, first_byte: u64, keystream: &mut [u8]| {
        rng.set_word_pos(u128::from(first_byte / 4));
        rng.fill_bytes(keystream);
    };
    Rival::new(|seed| ChaCha20Rng::from_seed(*seed.as_bytes()), fill, count, lanes)
}

impl<C> Rival<C> {
    fn new(
        new: impl Fn(&Seed) -> C,
        expand: fn(&mut C, u64, &mut [u8]),
        count: usize,
        lanes: usize,
    ) -> Self {
        let ciphers = masks(count).map(|(seed, _)| new(&seed)).collect();
        Self { ciphers, expand, lanes: vec![0; lanes], keystream: vec![0; TILE * 4] }
    }

    /// Adds all masks to the vector.
    pub fn expand_then_add(&mut self) {
        for (index, tile) in self.lanes.chunks_mut(TILE).enumerate() {
            for cipher in &mut self.ciphers {
                (self.expand)(cipher, (index * TILE * 4) as u64, &mut self.keystream);
                for (lane, bytes) in tile.iter_mut().zip(self.keystream.as_chunks().0) {
                    *lane = lane.wrapping_add(u32::from_le_bytes(*bytes));
                }
            }
        }
    }
}

fn apply<C: StreamCipher + StreamCipherSeek>(
    cipher: &mut C,
    first_byte: u64,
    keystream: &mut [u8],
) {
    keystream.fill(0);
    cipher.seek(first_byte);
    cipher.apply_keystream(keystream);
}

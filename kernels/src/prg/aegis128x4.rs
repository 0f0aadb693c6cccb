//! AEGIS-128X4: how a seed becomes keystream that can be had from any place on.
//!
//! AEGIS is a state that is stepped, so its keystream is cut into tiles, each with a state of its own. Tile `t` is
//! `Stream(16384, key, nonce)` of RFC 10032 (of the CFRG; the variant AEGIS-128X4), which is the
//! encryption of 16,384 zero bytes without associated data and without its tag. The key is `seed[0..16]`; the nonce is
//! `seed[16..28]` followed by `t` as a 32-bit big-endian number. `seed[28..32]` is not used.

use zeroize::ZeroizeOnDrop;

use crate::Seed;

/// Bytes of keystream from one state. Longer tiles would not be much faster: the ten steps that make a state are 8 % of
/// the 128 that use it. A tile of this length fits in the first cache.
pub(crate) const TILE_BYTES: usize = 16 << 10;

/// Bytes of keystream from one step: 2 blocks of each of 4 lanes.
pub(crate) const STEP_BYTES: usize = 128;

/// The state is stepped so often before it gives keystream.
pub(crate) const WARM_UP: usize = 10;

/// The Fibonacci numbers modulo 256, in two halves.
pub(crate) const C0: [u8; 16] = [
    0x00, 0x01, 0x01, 0x02, 0x03, 0x05, 0x08, 0x0d, 0x15, 0x22, 0x37, 0x59, 0x90, 0xe9, 0x79, 0x62,
];
pub(crate) const C1: [u8; 16] = [
    0xdb, 0x3d, 0x18, 0x55, 0x6d, 0xc2, 0x2f, 0xf1, 0x20, 0x11, 0x31, 0x42, 0x73, 0xb5, 0x28, 0xdd,
];

/// What tells the four lanes apart: the lane's number, and the number of the last.
pub(crate) static CONTEXTS: [[u8; 16]; 4] = {
    let mut contexts = [[0; 16]; 4];
    let mut lane = 0;
    while lane < 4 {
        contexts[lane][0] = lane as u8;
        contexts[lane][1] = 3;
        lane += 1;
    }
    contexts
};

/// The key of one seed, and the 12 bytes that its nonces begin with. There is no key schedule.
#[derive(ZeroizeOnDrop)]
pub(crate) struct Aegis128X4Key {
    pub(crate) key: [u8; 16],
    nonce: [u8; 12],
}

impl Aegis128X4Key {
    pub(crate) fn new(seed: &Seed) -> Self {
        let (key, rest) = seed.as_bytes().split_first_chunk().expect("32 bytes");
        let (nonce, _) = rest.split_first_chunk().expect("16 bytes");
        Self { key: *key, nonce: *nonce }
    }

    /// The seed, as far as it is used.
    pub(crate) fn seed(&self) -> Seed {
        Seed::of_key_and_nonce(&self.key, &self.nonce)
    }

    /// The nonce of a tile.
    #[inline(always)]
    pub(crate) fn nonce(&self, tile: u32) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..12].copy_from_slice(&self.nonce);
        bytes[12..].copy_from_slice(&tile.to_be_bytes());
        bytes
    }
}

/// One for each block of a lane's state: what the ten steps begin with. `key` and `nonce` stand for themselves.
#[inline(always)]
pub(crate) fn first_state<B: Copy>(
    key: B,
    nonce: B,
    [c0, c1]: [B; 2],
    xor: impl Fn(B, B) -> B,
) -> [B; 8] {
    let (both, with_c0, with_c1) = (xor(key, nonce), xor(key, c0), xor(key, c1));
    [both, c1, c0, c1, both, with_c0, with_c1, with_c0]
}

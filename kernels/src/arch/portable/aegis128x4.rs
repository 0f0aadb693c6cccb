//! AEGIS-128X4 on the rounds of the `aes` crate, which take constant time with and without AES instructions.

use std::iter::zip;

use aes::hazmat::{Block, Block8, cipher_round_par};
use zeroize::{Zeroize, Zeroizing};

use crate::arch::generic::{Apply, Sink};
use crate::prg::aegis128x4::{
    Aegis128X4Key, C0, C1, CONTEXTS, STEP_BYTES, TILE_BYTES, WARM_UP, first_state,
};
use crate::{Lane, Sign};

/// Adds and subtracts masks, one after another.
pub(crate) fn apply<L: Lane>(masks: &[(Aegis128X4Key, Sign)], first_byte: u64, tile: &mut [L]) {
    for (key, sign) in masks {
        let mut sink = Apply { sign: *sign, lanes: &mut *tile };
        stream(key, first_byte, size_of_val(sink.lanes), &mut sink);
    }
}

/// Hands `len` bytes of keystream from `first_byte` on to `sink`.
pub(crate) fn stream<S: Sink>(key: &Aegis128X4Key, first_byte: u64, len: usize, sink: &mut S) {
    let (mut tile, mut start) =
        ((first_byte / TILE_BYTES as u64) as u32, first_byte as usize % TILE_BYTES);
    let mut left = len;
    while left > 0 {
        let end = TILE_BYTES.min(start + left);
        tile_part(&mut State::new(key, tile), start, end, sink);
        left -= end - start;
        (tile, start) = (tile.wrapping_add(1), 0);
    }
}

/// The bytes `start..end` of one tile.
fn tile_part<S: Sink>(state: &mut State, start: usize, end: usize, sink: &mut S) {
    let mut keystream = Zeroizing::new([0; STEP_BYTES]);
    for first in (0..end).step_by(STEP_BYTES) {
        if start < first + STEP_BYTES {
            state.keystream(&mut keystream);
            let from = start.saturating_sub(first);
            sink.take(&keystream[from..STEP_BYTES.min(end - first)]);
        }
        state.step();
    }
}

/// The eight blocks of each lane.
struct State([Block8; 4]);

impl State {
    fn new(key: &Aegis128X4Key, tile: u32) -> Self {
        let (key, nonce) = (key.key, key.nonce(tile));
        let mut state = Self([first_state(key, nonce, [C0, C1], xor).map(Block::from).into(); 4]);
        for _ in 0..WARM_UP {
            for (lane, context) in zip(&mut state.0, &CONTEXTS) {
                add(&mut lane[3], context);
                add(&mut lane[7], context);
            }
            state.step();
            for lane in &mut state.0 {
                add(&mut lane[0], &nonce);
                add(&mut lane[4], &key);
            }
        }
        state
    }

    /// Every block becomes the AES round of the block before it, with itself as the key.
    fn step(&mut self) {
        for lane in &mut self.0 {
            let [s0, s1, s2, s3, s4, s5, s6, s7] = lane.0;
            *lane = [s7, s0, s1, s2, s3, s4, s5, s6].into();
            cipher_round_par(lane, &[s0, s1, s2, s3, s4, s5, s6, s7].into());
        }
    }

    /// One block of each lane, then a second block of each.
    fn keystream(&self, out: &mut [u8; STEP_BYTES]) {
        let (first, second) = out.split_at_mut(STEP_BYTES / 2);
        for (i, lane) in self.0.iter().enumerate() {
            let s = |block: usize| u128::from_le_bytes(lane[block].into());
            let outputs = [s(6) ^ s(1) ^ (s(2) & s(3)), s(2) ^ s(5) ^ (s(6) & s(7))];
            first[16 * i..][..16].copy_from_slice(&outputs[0].to_le_bytes());
            second[16 * i..][..16].copy_from_slice(&outputs[1].to_le_bytes());
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        for block in self.0.iter_mut().flatten() {
            block.as_mut_slice().zeroize();
        }
    }
}

fn add(block: &mut Block, other: &[u8; 16]) {
    zip(block, other).for_each(|(byte, other)| *byte ^= other);
}

fn xor(one: [u8; 16], other: [u8; 16]) -> [u8; 16] {
    (u128::from_le_bytes(one) ^ u128::from_le_bytes(other)).to_le_bytes()
}

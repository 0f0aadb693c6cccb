//! AES-128-CTR with its keystream in registers.

use std::hint::black_box;

use super::{Apply, Groups, Parts, by_groups};
use crate::arch::register::{AesRegister, Register};
use crate::prg::Aes128CtrKey;
use crate::{Lane, Sign};

/// Registers of blocks that are encrypted side by side, so that no round waits for the one before it.
const REGISTERS: usize = 8;

/// Adds and subtracts masks, one after another.
#[inline(always)]
pub(super) fn apply<R: AesRegister, L: Lane>(
    token: R::Token,
    masks: &[(Aes128CtrKey, Sign)],
    first_byte: u64,
    tile: &mut [L],
) {
    let Parts { head, groups, tail } = Parts::new(first_byte, tile, REGISTERS * R::BYTES);
    for (key, sign) in masks {
        let mut schedule = Schedule::<R>::new(token, key);
        match sign {
            Sign::Add => schedule.apply::<L, true>(groups.0, groups.1),
            Sign::Subtract => schedule.apply::<L, false>(groups.0, groups.1),
        }
        for (first_byte, edge) in [(head.0, &mut *head.1), (tail.0, &mut *tail.1)] {
            let mut sink = Apply { sign: *sign, lanes: edge };
            by_groups(&mut schedule, first_byte, size_of_val(sink.lanes), &mut sink);
        }
    }
}

/// A key schedule in registers.
pub(super) struct Schedule<R: AesRegister> {
    token: R::Token,
    keys: [R; 11],
    /// Counter blocks without their count, the first key already added.
    start: R,
    /// The place of every block in its group.
    places: [R; REGISTERS],
}

impl<R: AesRegister> Schedule<R> {
    #[inline(always)]
    pub(super) fn new(token: R::Token, key: &Aes128CtrKey) -> Self {
        let start = R::broadcast(token, &key.counter_block(0));
        let (mut keys, mut places) = ([start; 11], [start; REGISTERS]);
        for (register, key) in keys.iter_mut().zip(key.round_keys()) {
            *register = R::broadcast(token, key);
        }
        for (register, place) in places.iter_mut().zip(PLACES.as_flattened().chunks(R::BYTES)) {
            *register = R::load(token, place);
        }
        Self { token, keys, start: start.xor(keys[0]), places }
    }

    /// The keystream of one group. Within it only the last byte of the counter counts, which adding the place without a
    /// carry does; so one operation per register makes the cipher's input, first key and all.
    #[inline(always)]
    fn keystream(&self, group: u64) -> [R; REGISTERS] {
        let first_block = (group * (REGISTERS * R::BYTES / 16) as u64) as u32;
        let start = self.start.xor(R::last_words(self.token, first_block.swap_bytes()));
        let mut states = self.places;
        for state in &mut states {
            *state = state.xor(start);
        }
        let keys = self.keys();
        for key in &keys[1..10] {
            for state in &mut states {
                *state = state.round(*key);
            }
        }
        for state in &mut states {
            *state = state.last_round(keys[10]);
        }
        states
    }

    /// Eight states and eleven keys are more than sixteen registers hold. Left to itself the compiler keeps the keys, and
    /// then has too few states at hand to fill the pipeline; so it is told that the keys are in memory.
    #[inline(always)]
    fn keys(&self) -> &[R; 11] {
        if R::COUNT < 32 { black_box(&self.keys) } else { &self.keys }
    }

    /// Adds whole groups to lanes, or subtracts them: the keystream is never stored.
    #[inline(always)]
    fn apply<L: Lane, const ADD: bool>(&self, first_group: u64, lanes: &mut [L]) {
        let groups = lanes.chunks_exact_mut(REGISTERS * R::BYTES / L::BYTES);
        for (group, lanes) in (first_group..).zip(groups) {
            let registers = lanes.chunks_exact_mut(R::BYTES / L::BYTES);
            for (lanes, mask) in registers.zip(self.keystream(group)) {
                let sum = R::load(self.token, lanes);
                let sum = if ADD { sum.add::<L>(mask) } else { sum.sub::<L>(mask) };
                sum.store(lanes);
            }
        }
    }
}

impl<R: AesRegister> Groups for Schedule<R> {
    const BYTES: usize = REGISTERS * R::BYTES;

    #[inline(always)]
    fn write(&mut self, group: u64, out: &mut [u8]) {
        for (bytes, keystream) in out.chunks_exact_mut(R::BYTES).zip(self.keystream(group)) {
            keystream.store(bytes);
        }
    }
}

/// Rounds of the cipher and nothing else, with one key: ten for every 16 of so many bytes.
#[inline(always)]
pub(super) fn rounds<R: AesRegister>(token: R::Token, bytes: u64) -> u64 {
    let mut states = [R::last_words(token, 0); REGISTERS];
    for (number, state) in (0..).zip(&mut states) {
        *state = R::last_words(token, number);
    }
    let key = R::broadcast(token, &[0x5a; 16]);
    for _ in 0..bytes.div_ceil((REGISTERS * R::BYTES) as u64) {
        for _ in 0..10 {
            for state in &mut states {
                *state = state.round(key);
            }
        }
    }
    let sum = states.into_iter().fold(key, Register::xor);
    let mut words = [0_u64; 8];
    sum.store(&mut words);
    words[0]
}

/// The number of every block in the largest group, as the last byte of a block.
static PLACES: [[u8; 16]; 32] = {
    let mut places = [[0; 16]; 32];
    let mut block = 0;
    while block < 32 {
        places[block][15] = block as u8;
        block += 1;
    }
    places
};

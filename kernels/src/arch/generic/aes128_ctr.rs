//! AES-128-CTR with its keystream in registers.
//!
//! Ten rounds a block are what the cipher costs, but the first of them is nearly the same for all blocks: of its sixteen
//! input bytes only the counter's differ, and a round works on each byte alone before it adds them up. So the round of
//! counter `256·r + b` is the round of counter `b`, plus something that is the same for all `b`. A tile's 256 first rounds
//! are made once; a block then costs nine. What is looked up depends on the counter, which is public.

use std::hint::black_box;

use super::{Apply, Groups, Parts, by_groups, wipe};
use crate::arch::register::{AesRegister, Register};
use crate::prg::Aes128CtrKey;
use crate::{Lane, Sign};

/// Registers of blocks that are encrypted side by side, so that no round waits for the one before it.
const REGISTERS: usize = 8;

/// Blocks whose counters differ in the last byte only.
const RUN: usize = 256;
const RUN_BYTES: usize = 16 * RUN;

/// Adds and subtracts masks, one after another.
#[inline(always)]
pub(super) fn apply<R: AesRegister, L: Lane>(
    token: R::Token,
    masks: &[(Aes128CtrKey, Sign)],
    first_byte: u64,
    tile: &mut [L],
) {
    let Parts { head, groups, tail } = Parts::new(first_byte, tile, Schedule::<R>::BYTES);
    let mut first_rounds = FirstRounds([0; RUN_BYTES / 8]);
    for (key, sign) in masks {
        let mut schedule = Schedule::<R>::new(token, key);
        if !groups.1.is_empty() {
            schedule.first_rounds(&mut first_rounds);
        }
        match sign {
            Sign::Add => schedule.apply::<L, true>(&first_rounds, groups.0, groups.1),
            Sign::Subtract => schedule.apply::<L, false>(&first_rounds, groups.0, groups.1),
        }
        for (first_byte, edge) in [(head.0, &mut *head.1), (tail.0, &mut *tail.1)] {
            let mut sink = Apply { sign: *sign, lanes: edge };
            by_groups(&mut schedule, first_byte, size_of_val(sink.lanes), &mut sink);
        }
    }
}

/// The first 256 blocks of a keystream after their first round.
#[repr(align(64))]
struct FirstRounds([u64; RUN_BYTES / 8]);

impl Drop for FirstRounds {
    fn drop(&mut self) {
        wipe(&mut self.0);
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
        for (register, place) in places.iter_mut().zip(NUMBERS.as_flattened().chunks(R::BYTES)) {
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
        self.rounds(&mut states, 1);
        states
    }

    /// The rounds from number `first` to the last.
    #[inline(always)]
    fn rounds(&self, states: &mut [R; REGISTERS], first: usize) {
        let keys = self.keys();
        for key in &keys[first..10] {
            for state in &mut *states {
                *state = state.round(*key);
            }
        }
        for state in states {
            *state = state.last_round(keys[10]);
        }
    }

    /// Eight states and eleven keys are more than sixteen registers hold. Left to itself the compiler keeps the keys, and
    /// then has too few states at hand to fill the pipeline; so it is told that the keys are in memory.
    #[inline(always)]
    fn keys(&self) -> &[R; 11] {
        if R::COUNT < 32 { black_box(&self.keys) } else { &self.keys }
    }

    /// The first rounds of the first 256 blocks.
    #[inline(always)]
    fn first_rounds(&self, out: &mut FirstRounds) {
        let places = NUMBERS.as_flattened().chunks_exact(R::BYTES);
        for (out, places) in out.0.chunks_exact_mut(R::BYTES / 8).zip(places) {
            let first_input = R::load(self.token, places).xor(self.start);
            first_input.round(self.keys[1]).store(out);
        }
    }

    /// Adds whole groups to lanes, or subtracts them: the keystream is never stored.
    #[inline(always)]
    fn apply<L: Lane, const ADD: bool>(
        &self,
        first_rounds: &FirstRounds,
        first_group: u64,
        lanes: &mut [L],
    ) {
        let (mut block, mut rest) = ((first_group * Self::BYTES as u64 / 16) as u32, lanes);
        while !rest.is_empty() {
            let start = block as usize % RUN;
            let lanes = ((RUN - start) * 16 / L::BYTES).min(rest.len());
            let (run, behind) = rest.split_at_mut(lanes);
            let since_first = self.since_first_run(block - start as u32);
            self.apply_run::<L, ADD>(&first_rounds.0[2 * start..], since_first, run);
            (block, rest) = (block.wrapping_add((RUN - start) as u32), behind);
        }
    }

    /// What the first rounds of a run, which begins with `block`, have more than those of the first.
    #[inline(always)]
    fn since_first_run(&self, block: u32) -> R {
        let input = self.start.xor(R::last_words(self.token, block.swap_bytes()));
        input.round(self.keys[1]).xor(self.start.round(self.keys[1]))
    }

    #[inline(always)]
    fn apply_run<L: Lane, const ADD: bool>(
        &self,
        first_rounds: &[u64],
        since_first: R,
        lanes: &mut [L],
    ) {
        let groups = lanes.chunks_exact_mut(Self::BYTES / L::BYTES);
        for (lanes, rounds) in groups.zip(first_rounds.chunks_exact(Self::BYTES / 8)) {
            let mut states = self.places;
            for (state, round) in states.iter_mut().zip(rounds.chunks_exact(R::BYTES / 8)) {
                *state = R::load(self.token, round).xor(since_first);
            }
            self.rounds(&mut states, 2);
            let registers = lanes.chunks_exact_mut(R::BYTES / L::BYTES);
            for (lanes, mask) in registers.zip(states) {
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

/// The numbers of 256 blocks, as the last byte of a block.
static NUMBERS: [[u8; 16]; RUN] = {
    let mut numbers = [[0; 16]; RUN];
    let mut block = 0;
    while block < RUN {
        numbers[block][15] = block as u8;
        block += 1;
    }
    numbers
};

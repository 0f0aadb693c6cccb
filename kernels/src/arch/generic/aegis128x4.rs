//! AEGIS-128X4 with its state in registers. The four lanes know nothing of each other, so a register that holds fewer
//! makes several passes over a tile, each with the state of its own lanes.

use super::{Apply, Groups, Parts, by_groups};
use crate::arch::register::{AesRegister, Register};
use crate::prg::aegis128x4::{
    Aegis128X4Key, C0, C1, CONTEXTS, STEP_BYTES, TILE_BYTES, WARM_UP, first_state,
};
use crate::{Lane, Sign};

const STEPS: u64 = (TILE_BYTES / STEP_BYTES) as u64;

/// Adds and subtracts masks, one after another.
#[inline(always)]
pub(super) fn apply<R: AesRegister, L: Lane>(
    token: R::Token,
    masks: &[(Aegis128X4Key, Sign)],
    first_byte: u64,
    tile: &mut [L],
) {
    let Parts { head, groups, tail } = Parts::new(first_byte, tile, STEP_BYTES);
    for (key, sign) in masks {
        match sign {
            Sign::Add => steps::<R, L, true>(token, key, groups.0, groups.1),
            Sign::Subtract => steps::<R, L, false>(token, key, groups.0, groups.1),
        }
        for (first_byte, edge) in [(head.0, &mut *head.1), (tail.0, &mut *tail.1)] {
            let mut sink = Apply { sign: *sign, lanes: edge };
            let len = size_of_val(sink.lanes);
            by_groups(&mut Steps::<R>::new(token, key), first_byte, len, &mut sink);
        }
    }
}

/// Adds the keystream of whole steps to lanes, or subtracts it.
#[inline(always)]
fn steps<R: AesRegister, L: Lane, const ADD: bool>(
    token: R::Token,
    key: &Aegis128X4Key,
    first_step: u64,
    lanes: &mut [L],
) {
    let (mut step, mut rest) = (first_step, lanes);
    while !rest.is_empty() {
        let here = ((STEPS - step % STEPS) as usize * (STEP_BYTES / L::BYTES)).min(rest.len());
        let (lanes, behind) = rest.split_at_mut(here);
        for pass in 0..STEP_BYTES / 2 / R::BYTES {
            let mut state = State::<R>::at(token, key, step, pass);
            for lanes in lanes.chunks_exact_mut(STEP_BYTES / L::BYTES) {
                for (half, mask) in [0, STEP_BYTES / 2].into_iter().zip(state.keystream()) {
                    let lanes =
                        &mut lanes[(half + pass * R::BYTES) / L::BYTES..][..R::BYTES / L::BYTES];
                    let sum = R::load(token, lanes);
                    let sum = if ADD { sum.add::<L>(mask) } else { sum.sub::<L>(mask) };
                    sum.store(lanes);
                }
                state.step();
            }
        }
        (step, rest) = ((step / STEPS + 1) * STEPS, behind);
    }
}

/// The state of as many lanes as a register holds.
#[derive(Clone, Copy)]
struct State<R>([R; 8]);

impl<R: AesRegister> State<R> {
    /// The state before a step, of the lanes of one pass.
    #[inline(always)]
    fn at(token: R::Token, key: &Aegis128X4Key, step: u64, pass: usize) -> Self {
        let nonce = R::broadcast(token, &key.nonce((step / STEPS) as u32));
        let constants = [R::broadcast(token, &C0), R::broadcast(token, &C1)];
        let key = R::broadcast(token, &key.key);
        let context = R::load(token, &CONTEXTS.as_flattened()[pass * R::BYTES..]);
        let mut state = Self(first_state(key, nonce, constants, R::xor));
        for _ in 0..WARM_UP {
            state.0[3] = state.0[3].xor(context);
            state.0[7] = state.0[7].xor(context);
            state.step();
            state.0[0] = state.0[0].xor(nonce);
            state.0[4] = state.0[4].xor(key);
        }
        for _ in 0..step % STEPS {
            state.step();
        }
        state
    }

    /// Every block becomes the AES round of the block before it, with itself as the key.
    #[inline(always)]
    fn step(&mut self) {
        let old = self.0;
        for (block, new) in self.0.iter_mut().enumerate() {
            *new = old[(block + 7) % 8].round(old[block]);
        }
    }

    /// What the lanes give to the first and to the second half of a step's keystream.
    #[inline(always)]
    fn keystream(&self) -> [R; 2] {
        let s = &self.0;
        [s[6].xor(s[1]).xor(s[2].and(s[3])), s[2].xor(s[5]).xor(s[6].and(s[7]))]
    }
}

/// The keystream step by step, all lanes at once.
pub(super) struct Steps<'a, R: Register> {
    token: R::Token,
    key: &'a Aegis128X4Key,
    /// Which step the states are before; none yet if there is no such step.
    next: u64,
    /// As many as there are passes.
    states: [State<R>; 4],
}

impl<'a, R: AesRegister> Steps<'a, R> {
    #[inline(always)]
    pub(super) fn new(token: R::Token, key: &'a Aegis128X4Key) -> Self {
        let nothing = State([R::broadcast(token, &C0); 8]);
        Self { token, key, next: u64::MAX, states: [nothing; 4] }
    }
}

impl<R: AesRegister> Groups for Steps<'_, R> {
    const BYTES: usize = STEP_BYTES;

    #[inline(always)]
    fn write(&mut self, step: u64, out: &mut [u8]) {
        let (first, second) = out.split_at_mut(STEP_BYTES / 2);
        let halves = first.chunks_exact_mut(R::BYTES).zip(second.chunks_exact_mut(R::BYTES));
        let seek = step != self.next || step.is_multiple_of(STEPS);
        for (pass, ((first, second), state)) in halves.zip(&mut self.states).enumerate() {
            if seek {
                *state = State::at(self.token, self.key, step, pass);
            }
            let [one, two] = state.keystream();
            one.store(first);
            two.store(second);
            state.step();
        }
        self.next = step + 1;
    }
}

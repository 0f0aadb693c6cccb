//! 128-bit registers of aarch64, with one AES block or four words of `ChaCha20` in each.
#![allow(
    unsafe_code,
    reason = "instructions that not every CPU has, and loads and stores of registers"
)]

use std::arch::aarch64::{
    uint8x16_t, vaddq_u16, vaddq_u32, vaddq_u64, vaeseq_u8, vaesmcq_u8, vandq_u8, vdupq_n_u8,
    vdupq_n_u32, veorq_u8, vld1q_u8, vreinterpretq_u8_u16, vreinterpretq_u8_u32,
    vreinterpretq_u8_u64, vreinterpretq_u16_u8, vreinterpretq_u32_u8, vreinterpretq_u64_u8,
    vrev32q_u16, vsetq_lane_u32, vshlq_n_u32, vsriq_n_u32, vst1q_u8, vsubq_u16, vsubq_u32,
    vsubq_u64, vzip1q_u32, vzip1q_u64, vzip2q_u32, vzip2q_u64,
};
use std::arch::is_aarch64_feature_detected;

use super::Kernel;
use super::gates::{gates, loops};
use super::generic::{self, Simd};
use super::register::{AesRegister, ChaChaRegister, Register, register};
use crate::lane::{Lanes, LanesMut, Word};
use crate::mask::Masks;
use crate::prg::Key;
use crate::quantize::{Scale, Unscale};
use crate::{Lane, Real};

/// Proof that this CPU has NEON and the AES instructions that belong to it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Neon(());

impl Neon {
    /// Asks the CPU.
    pub fn detect() -> Option<Self> {
        let found = is_aarch64_feature_detected!("neon") && is_aarch64_feature_detected!("aes");
        found.then_some(Self(()))
    }
}

loops!("neon");
gates!(Neon, "neon,aes");

impl Simd for Neon {
    type Aes = Quad;
    type ChaCha = Quad;

    #[inline(always)]
    fn aes(self) -> Self {
        self
    }

    #[inline(always)]
    fn chacha(self) -> Self {
        self
    }
}

/// A register that only [`Neon`] makes.
#[derive(Clone, Copy)]
pub(crate) struct Quad(uint8x16_t);

register! {
    Quad(uint8x16_t), Neon, 32,
    vld1q_u8, vst1q_u8(u8), veorq_u8, vandq_u8,
    [add_u16, add_u32, add_u64],
    [sub_u16, sub_u32, sub_u64],
}

/// Defines an operation on words of some size, from and to registers of bytes.
macro_rules! on_words {
    ($name:ident, $instruction:ident, $to_words:ident, $to_bytes:ident) => {
        #[inline]
        #[target_feature(enable = "neon")]
        fn $name(one: uint8x16_t, other: uint8x16_t) -> uint8x16_t {
            $to_bytes($instruction($to_words(one), $to_words(other)))
        }
    };
}

on_words!(add_u16, vaddq_u16, vreinterpretq_u16_u8, vreinterpretq_u8_u16);
on_words!(add_u32, vaddq_u32, vreinterpretq_u32_u8, vreinterpretq_u8_u32);
on_words!(add_u64, vaddq_u64, vreinterpretq_u64_u8, vreinterpretq_u8_u64);
on_words!(sub_u16, vsubq_u16, vreinterpretq_u16_u8, vreinterpretq_u8_u16);
on_words!(sub_u32, vsubq_u32, vreinterpretq_u32_u8, vreinterpretq_u8_u32);
on_words!(sub_u64, vsubq_u64, vreinterpretq_u64_u8, vreinterpretq_u8_u64);
on_words!(low_words, vzip1q_u32, vreinterpretq_u32_u8, vreinterpretq_u8_u32);
on_words!(high_words, vzip2q_u32, vreinterpretq_u32_u8, vreinterpretq_u8_u32);
on_words!(low_pairs, vzip1q_u64, vreinterpretq_u64_u8, vreinterpretq_u8_u64);
on_words!(high_pairs, vzip2q_u64, vreinterpretq_u64_u8, vreinterpretq_u8_u64);

/// These instructions add the key before the round, and mix columns on their own.
impl AesRegister for Quad {
    #[inline(always)]
    fn broadcast(token: Neon, block: &[u8; 16]) -> Self {
        Self::load(token, block)
    }

    #[inline(always)]
    fn last_words(token: Neon, word: u32) -> Self {
        #[inline]
        #[target_feature(enable = "neon")]
        fn last_word(zero: uint8x16_t, word: u32) -> uint8x16_t {
            vreinterpretq_u8_u32(vsetq_lane_u32::<3>(word, vreinterpretq_u32_u8(zero)))
        }
        let zero = Self::splat(token, 0);
        // SAFETY: the token proves the instruction.
        Self(unsafe { last_word(zero.0, word) })
    }

    #[inline(always)]
    fn round(self, key: Self) -> Self {
        #[inline]
        #[target_feature(enable = "neon,aes")]
        fn round(state: uint8x16_t) -> uint8x16_t {
            vaesmcq_u8(vaeseq_u8(state, vdupq_n_u8(0)))
        }
        // SAFETY: `self` proves the instructions.
        Self(unsafe { round(self.0) }).xor(key)
    }

    #[inline(always)]
    fn last_round(self, key: Self) -> Self {
        #[inline]
        #[target_feature(enable = "neon,aes")]
        fn last_round(state: uint8x16_t) -> uint8x16_t {
            vaeseq_u8(state, vdupq_n_u8(0))
        }
        // SAFETY: `self` proves the instructions.
        Self(unsafe { last_round(self.0) }).xor(key)
    }
}

/// Implements a rotation by so many bits to the left, which is as many as are left to the right.
macro_rules! rotate {
    ($name:ident, $left:literal, $right:literal) => {
        #[inline(always)]
        fn $name(self) -> Self {
            #[inline]
            #[target_feature(enable = "neon")]
            fn rotated(register: uint8x16_t) -> uint8x16_t {
                let words = vreinterpretq_u32_u8(register);
                vreinterpretq_u8_u32(vsriq_n_u32::<$right>(vshlq_n_u32::<$left>(words), words))
            }
            // SAFETY: `self` proves the instructions.
            Self(unsafe { rotated(self.0) })
        }
    };
}

impl ChaChaRegister for Quad {
    #[inline(always)]
    fn splat(_: Neon, word: u32) -> Self {
        #[inline]
        #[target_feature(enable = "neon")]
        fn splat(word: u32) -> uint8x16_t {
            vreinterpretq_u8_u32(vdupq_n_u32(word))
        }
        // SAFETY: the token proves the instruction.
        Self(unsafe { splat(word) })
    }

    #[inline(always)]
    fn counters(token: Neon, first: u32) -> Self {
        Self::load(token, &[0_u32, 1, 2, 3]).add::<u32>(Self::splat(token, first))
    }

    #[inline(always)]
    fn rotate_16(self) -> Self {
        #[inline]
        #[target_feature(enable = "neon")]
        fn rotated(register: uint8x16_t) -> uint8x16_t {
            vreinterpretq_u8_u16(vrev32q_u16(vreinterpretq_u16_u8(register)))
        }
        // SAFETY: `self` proves the instruction.
        Self(unsafe { rotated(self.0) })
    }

    rotate!(rotate_12, 12, 20);
    rotate!(rotate_8, 8, 24);
    rotate!(rotate_7, 7, 25);

    #[inline(always)]
    fn pairs(mut rows: [Self; 16]) -> [Self; 16] {
        for pair in rows.as_chunks_mut().0 {
            let [even, odd] = *pair;
            // SAFETY: `even` proves the instruction.
            let low = unsafe { low_words(even.0, odd.0) };
            // SAFETY: the same.
            let high = unsafe { high_words(even.0, odd.0) };
            *pair = [Self(low), Self(high)];
        }
        rows
    }

    /// Of registers `4i..4i + 4` the pairs are brought together to four words of each of four blocks, `i` being which four.
    #[inline(always)]
    fn blocks_of_pairs(rows: [Self; 16]) -> [Self; 16] {
        let mut blocks = rows;
        for (i, four) in rows.as_chunks().0.iter().enumerate() {
            let [low01, high01, low23, high23] = *four;
            for (block, one, other) in [(0, low01, low23), (2, high01, high23)] {
                // SAFETY: `one` proves the instruction.
                let low = unsafe { low_pairs(one.0, other.0) };
                // SAFETY: the same.
                let high = unsafe { high_pairs(one.0, other.0) };
                blocks[4 * block + i] = Self(low);
                blocks[4 * (block + 1) + i] = Self(high);
            }
        }
        blocks
    }
}

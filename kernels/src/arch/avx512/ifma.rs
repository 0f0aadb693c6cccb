//! Eight field elements side by side: a register holds one limb of each.
#![allow(
    unsafe_code,
    reason = "instructions that not every CPU has, and loads and stores of registers"
)]

use std::arch::is_x86_feature_detected;
use std::arch::x86_64::{
    __m512i, _mm512_add_epi64, _mm512_and_si512, _mm512_loadu_si512, _mm512_madd52hi_epu64,
    _mm512_madd52lo_epu64, _mm512_mask_blend_epi64, _mm512_set1_epi64, _mm512_slli_epi64,
    _mm512_srli_epi64, _mm512_storeu_si512, _mm512_sub_epi64, _mm512_test_epi64_mask,
};

use super::Avx512;
use crate::arch::generic::x25519::agree;
use crate::arch::register::{FieldRegister, LANES};
use crate::x25519::Pairs;

/// Proof that the CPU of an [`Avx512`] also multiplies integers of 52 bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Ifma(());

impl Ifma {
    /// Asks the CPU, which has the rest of AVX-512.
    pub(super) fn detect(_: Avx512) -> Option<Self> {
        is_x86_feature_detected!("avx512ifma").then_some(Self(()))
    }

    /// The gate to X25519.
    pub(super) fn agree(self, pairs: Pairs<'_>, shared: &mut [[u8; 32]]) {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
        fn inside(token: Ifma, pairs: Pairs<'_>, shared: &mut [[u8; 32]]) {
            agree::<Limbs>(token, pairs, shared);
        }
        // SAFETY: the token exists only where all of these features were detected.
        unsafe { inside(self, pairs, shared) }
    }
}

/// A register that only [`Ifma`] makes.
#[derive(Clone, Copy)]
pub(crate) struct Limbs(__m512i);

impl FieldRegister for Limbs {
    type Token = Ifma;

    #[inline(always)]
    fn splat(_: Ifma, word: u64) -> Self {
        // SAFETY: the token proves the instruction.
        Self(unsafe { _mm512_set1_epi64(word as i64) })
    }

    #[inline(always)]
    fn same(self, word: u64) -> Self {
        // SAFETY: `self` proves the instruction.
        Self(unsafe { _mm512_set1_epi64(word as i64) })
    }

    #[inline(always)]
    fn load(_: Ifma, words: &[u64; LANES]) -> Self {
        // SAFETY: there are 64 bytes, aligned or not, and the token proves the instruction.
        Self(unsafe { _mm512_loadu_si512(words.as_ptr().cast()) })
    }

    #[inline(always)]
    fn store(self, words: &mut [u64; LANES]) {
        // SAFETY: there are 64 bytes, aligned or not, and `self` proves the instruction.
        unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), self.0) };
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: `self` proves the instruction.
        Self(unsafe { _mm512_add_epi64(self.0, other.0) })
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        // SAFETY: `self` proves the instruction.
        Self(unsafe { _mm512_sub_epi64(self.0, other.0) })
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        // SAFETY: `self` proves the instruction.
        Self(unsafe { _mm512_and_si512(self.0, other.0) })
    }

    #[inline(always)]
    fn shift_left<const BITS: u32>(self) -> Self {
        // SAFETY: `self` proves the instruction.
        Self(unsafe { _mm512_slli_epi64::<BITS>(self.0) })
    }

    #[inline(always)]
    fn shift_right<const BITS: u32>(self) -> Self {
        // SAFETY: `self` proves the instruction.
        Self(unsafe { _mm512_srli_epi64::<BITS>(self.0) })
    }

    #[inline(always)]
    fn add_low(self, one: Self, other: Self) -> Self {
        // SAFETY: `self` proves the instruction.
        Self(unsafe { _mm512_madd52lo_epu64(self.0, one.0, other.0) })
    }

    #[inline(always)]
    fn add_high(self, one: Self, other: Self) -> Self {
        // SAFETY: `self` proves the instruction.
        Self(unsafe { _mm512_madd52hi_epu64(self.0, one.0, other.0) })
    }

    #[inline(always)]
    fn choose(self, set: Self, unset: Self) -> Self {
        // SAFETY: `self` proves the instruction.
        let mask = unsafe { _mm512_test_epi64_mask(self.0, self.0) };
        // SAFETY: the same.
        Self(unsafe { _mm512_mask_blend_epi64(mask, unset.0, set.0) })
    }
}

//! 512-bit registers, with four AES blocks in each.
#![allow(
    unsafe_code,
    reason = "instructions that not every CPU has, and loads and stores of registers"
)]

use std::arch::is_x86_feature_detected;
use std::arch::x86_64::{
    __m512i, _mm_loadu_si128, _mm512_add_epi16, _mm512_add_epi32, _mm512_add_epi64,
    _mm512_aesenc_epi128, _mm512_aesenclast_epi128, _mm512_broadcast_i32x4, _mm512_loadu_si512,
    _mm512_maskz_set1_epi32, _mm512_storeu_si512, _mm512_sub_epi16, _mm512_sub_epi32,
    _mm512_sub_epi64, _mm512_xor_si512,
};

use super::Kernel;
use super::gates::{gates, loops};
use super::generic::{self, Simd};
use super::register::{AesRegister, Register, register};
use crate::lane::{Lanes, LanesMut, Word};
use crate::mask::Masks;
use crate::prg::Key;
use crate::quantize::{Scale, Unscale};
use crate::{Lane, Real};

/// Proof that this CPU, and the system on it, has AVX-512 F, BW, DQ and VL, and VAES.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Avx512(());

impl Avx512 {
    /// Asks the CPU.
    pub fn detect() -> Option<Self> {
        let found = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("vaes");
        found.then_some(Self(()))
    }
}

loops!("avx512f,avx512bw,avx512dq,avx512vl");
gates!(Avx512, "avx512f,avx512bw,avx512dq,avx512vl,vaes");

impl Simd for Avx512 {
    type Aes = Zmm;

    #[inline(always)]
    fn aes(self) -> Self {
        self
    }
}

/// A register that only [`Avx512`] makes.
#[derive(Clone, Copy)]
pub(crate) struct Zmm(__m512i);

register! {
    Zmm(__m512i), Avx512, 32,
    _mm512_loadu_si512, _mm512_storeu_si512(__m512i), _mm512_xor_si512,
    [_mm512_add_epi16, _mm512_add_epi32, _mm512_add_epi64],
    [_mm512_sub_epi16, _mm512_sub_epi32, _mm512_sub_epi64],
}

impl AesRegister for Zmm {
    #[inline(always)]
    fn broadcast(_: Avx512, block: &[u8; 16]) -> Self {
        // SAFETY: there are 16 bytes, aligned or not, and the token proves the instruction.
        let block = unsafe { _mm_loadu_si128(block.as_ptr().cast()) };
        // SAFETY: the token proves the instruction.
        Self(unsafe { _mm512_broadcast_i32x4(block) })
    }

    #[inline(always)]
    fn last_words(_: Avx512, word: u32) -> Self {
        // SAFETY: the token proves the instruction.
        Self(unsafe { _mm512_maskz_set1_epi32(0x8888, word as i32) })
    }

    #[inline(always)]
    fn round(self, key: Self) -> Self {
        // SAFETY: `self` proves the instruction.
        Self(unsafe { _mm512_aesenc_epi128(self.0, key.0) })
    }

    #[inline(always)]
    fn last_round(self, key: Self) -> Self {
        // SAFETY: `self` proves the instruction.
        Self(unsafe { _mm512_aesenclast_epi128(self.0, key.0) })
    }
}

//! 256-bit registers. Two AES blocks in each where the CPU has VAES, otherwise one block in registers of 128 bits.
#![allow(
    unsafe_code,
    reason = "instructions that not every CPU has, and loads and stores of registers"
)]

mod ymm;

use std::arch::is_x86_feature_detected;
use std::arch::x86_64::{
    __m128i, __m256i, _mm_add_epi16, _mm_add_epi32, _mm_add_epi64, _mm_aesenc_si128,
    _mm_aesenclast_si128, _mm_and_si128, _mm_loadu_si128, _mm_set_epi32, _mm_storeu_si128,
    _mm_sub_epi16, _mm_sub_epi32, _mm_sub_epi64, _mm_xor_si128, _mm256_add_epi16, _mm256_add_epi32,
    _mm256_add_epi64, _mm256_aesenc_epi128, _mm256_aesenclast_epi128, _mm256_and_si256,
    _mm256_broadcastsi128_si256, _mm256_loadu_si256, _mm256_set_epi32, _mm256_storeu_si256,
    _mm256_sub_epi16, _mm256_sub_epi32, _mm256_sub_epi64, _mm256_xor_si256,
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

use ymm::Ymm;

/// Proof that this CPU, and the system on it, has AVX2, and AES-NI or VAES.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Avx2(Kernels);

/// Which AES instructions there are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Kernels {
    Vaes(Vaes),
    AesNi(AesNi),
}

/// Proof of AVX2.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Simd256(());

/// Proof of AVX2 and VAES.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Vaes(Simd256);

/// Proof of AVX2 and AES-NI.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct AesNi(Simd256);

impl Avx2 {
    /// Asks the CPU.
    pub fn detect() -> Option<Self> {
        let vaes = Vaes::detect().map(Kernels::Vaes);
        vaes.or_else(|| AesNi::detect().map(Kernels::AesNi)).map(Self)
    }

    /// Asks the CPU, and does without VAES even where there is some.
    pub fn detect_aesni() -> Option<Self> {
        AesNi::detect().map(Kernels::AesNi).map(Self)
    }

    pub(crate) fn name(self) -> &'static str {
        match self.0 {
            Kernels::Vaes(_) => "avx2",
            Kernels::AesNi(_) => "avx2-aesni",
        }
    }

    pub(crate) fn kernel(self) -> Kernels {
        self.0
    }
}

impl Simd256 {
    fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }
}

impl Vaes {
    fn detect() -> Option<Self> {
        // The compiler takes vaes to mean aes as well, so both are asked for.
        let found = is_x86_feature_detected!("vaes") && is_x86_feature_detected!("aes");
        Simd256::detect().filter(|_| found).map(Self)
    }
}

impl AesNi {
    fn detect() -> Option<Self> {
        Simd256::detect().filter(|_| is_x86_feature_detected!("aes")).map(Self)
    }
}

loops!("avx2");
gates!(Vaes, "avx2,vaes");
gates!(AesNi, "avx2,aes");

impl Simd for Vaes {
    type Aes = VaesYmm;
    type ChaCha = Ymm;

    #[inline(always)]
    fn aes(self) -> Self {
        self
    }

    #[inline(always)]
    fn chacha(self) -> Simd256 {
        self.0
    }
}

impl Simd for AesNi {
    type Aes = Xmm;
    type ChaCha = Ymm;

    #[inline(always)]
    fn aes(self) -> Self {
        self
    }

    #[inline(always)]
    fn chacha(self) -> Simd256 {
        self.0
    }
}

/// A register that only [`Vaes`] makes.
#[derive(Clone, Copy)]
pub(crate) struct VaesYmm(__m256i);

register! {
    VaesYmm(__m256i), Vaes, 16,
    _mm256_loadu_si256, _mm256_storeu_si256(__m256i), _mm256_xor_si256, _mm256_and_si256,
    [_mm256_add_epi16, _mm256_add_epi32, _mm256_add_epi64],
    [_mm256_sub_epi16, _mm256_sub_epi32, _mm256_sub_epi64],
}

impl AesRegister for VaesYmm {
    #[inline(always)]
    fn broadcast(_: Vaes, block: &[u8; 16]) -> Self {
        // SAFETY: there are 16 bytes, aligned or not, and the token proves the instruction.
        let block = unsafe { _mm_loadu_si128(block.as_ptr().cast()) };
        // SAFETY: the token proves the instruction.
        Self(unsafe { _mm256_broadcastsi128_si256(block) })
    }

    #[inline(always)]
    fn last_words(_: Vaes, word: u32) -> Self {
        let word = word as i32;
        // SAFETY: the token proves the instruction.
        Self(unsafe { _mm256_set_epi32(word, 0, 0, 0, word, 0, 0, 0) })
    }

    #[inline(always)]
    fn round(self, key: Self) -> Self {
        // SAFETY: `self` proves the instruction.
        Self(unsafe { _mm256_aesenc_epi128(self.0, key.0) })
    }

    #[inline(always)]
    fn last_round(self, key: Self) -> Self {
        // SAFETY: `self` proves the instruction.
        Self(unsafe { _mm256_aesenclast_epi128(self.0, key.0) })
    }
}

/// A register that only [`AesNi`] makes.
#[derive(Clone, Copy)]
pub(crate) struct Xmm(__m128i);

register! {
    Xmm(__m128i), AesNi, 16,
    _mm_loadu_si128, _mm_storeu_si128(__m128i), _mm_xor_si128, _mm_and_si128,
    [_mm_add_epi16, _mm_add_epi32, _mm_add_epi64],
    [_mm_sub_epi16, _mm_sub_epi32, _mm_sub_epi64],
}

impl AesRegister for Xmm {
    #[inline(always)]
    fn broadcast(token: AesNi, block: &[u8; 16]) -> Self {
        Self::load(token, block)
    }

    #[inline(always)]
    fn last_words(_: AesNi, word: u32) -> Self {
        // SAFETY: the token proves the instruction.
        Self(unsafe { _mm_set_epi32(word as i32, 0, 0, 0) })
    }

    #[inline(always)]
    fn round(self, key: Self) -> Self {
        // SAFETY: `self` proves the instruction.
        Self(unsafe { _mm_aesenc_si128(self.0, key.0) })
    }

    #[inline(always)]
    fn last_round(self, key: Self) -> Self {
        // SAFETY: `self` proves the instruction.
        Self(unsafe { _mm_aesenclast_si128(self.0, key.0) })
    }
}

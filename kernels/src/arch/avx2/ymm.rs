//! `ChaCha20` eight blocks wide.
#![allow(
    unsafe_code,
    reason = "instructions that not every CPU has, and loads and stores of registers"
)]

use std::arch::x86_64::{
    __m256i, _mm256_add_epi16, _mm256_add_epi32, _mm256_add_epi64, _mm256_and_si256,
    _mm256_loadu_si256, _mm256_or_si256, _mm256_permute2x128_si256, _mm256_set1_epi32,
    _mm256_shuffle_epi8, _mm256_slli_epi32, _mm256_srli_epi32, _mm256_storeu_si256,
    _mm256_sub_epi16, _mm256_sub_epi32, _mm256_sub_epi64, _mm256_unpackhi_epi32,
    _mm256_unpackhi_epi64, _mm256_unpacklo_epi32, _mm256_unpacklo_epi64, _mm256_xor_si256,
};

use super::Simd256;
use crate::Lane;
use crate::arch::register::{ChaChaRegister, Register, register};
use crate::lane::Word;

/// A register that only [`Simd256`] makes.
#[derive(Clone, Copy)]
pub(crate) struct Ymm(__m256i);

register! {
    Ymm(__m256i), Simd256, 16,
    _mm256_loadu_si256, _mm256_storeu_si256(__m256i), _mm256_xor_si256, _mm256_and_si256,
    [_mm256_add_epi16, _mm256_add_epi32, _mm256_add_epi64],
    [_mm256_sub_epi16, _mm256_sub_epi32, _mm256_sub_epi64],
}

/// Moves the bytes of every word: where each comes from.
const fn bytes_from(places: [u8; 4]) -> [u8; 32] {
    let mut bytes = [0; 32];
    let mut i = 0;
    while i < 32 {
        bytes[i] = places[i % 4] + (i as u8 % 16) / 4 * 4;
        i += 1;
    }
    bytes
}

static ROTATED_BY_16: [u8; 32] = bytes_from([2, 3, 0, 1]);
static ROTATED_BY_8: [u8; 32] = bytes_from([3, 0, 1, 2]);

impl ChaChaRegister for Ymm {
    #[inline(always)]
    fn splat(_: Simd256, word: u32) -> Self {
        // SAFETY: the token proves the instruction.
        Self(unsafe { _mm256_set1_epi32(word as i32) })
    }

    #[inline(always)]
    fn counters(token: Simd256, first: u32) -> Self {
        let places: [u32; 8] = [0, 1, 2, 3, 4, 5, 6, 7];
        Self::load(token, &places).add::<u32>(Self::splat(token, first))
    }

    #[inline(always)]
    fn rotate_16(self) -> Self {
        self.shuffled(&ROTATED_BY_16)
    }

    #[inline(always)]
    fn rotate_12(self) -> Self {
        self.shifted::<12, 20>()
    }

    #[inline(always)]
    fn rotate_8(self) -> Self {
        self.shuffled(&ROTATED_BY_8)
    }

    #[inline(always)]
    fn rotate_7(self) -> Self {
        self.shifted::<7, 25>()
    }

    #[inline(always)]
    fn pairs(mut rows: [Self; 16]) -> [Self; 16] {
        for pair in rows.as_chunks_mut().0 {
            let [even, odd] = *pair;
            *pair = [even.low_words(odd), even.high_words(odd)];
        }
        rows
    }

    /// Each half holds two pairs. Of registers `4i..4i + 4` the pairs are brought together to four words of one block, `i`
    /// being which four; then halves change places so that two registers are one block.
    #[inline(always)]
    fn blocks_of_pairs(mut rows: [Self; 16]) -> [Self; 16] {
        for four in rows.as_chunks_mut().0 {
            let [low01, high01, low23, high23] = *four;
            *four = [
                low01.low_pairs(low23),
                low01.high_pairs(low23),
                high01.low_pairs(high23),
                high01.high_pairs(high23),
            ];
        }
        let mut blocks = rows;
        for place in 0..4 {
            for half in 0..2 {
                let (first, second) = (rows[8 * half + place], rows[8 * half + 4 + place]);
                blocks[2 * place + half] = first.halves::<0x20>(second);
                blocks[8 + 2 * place + half] = first.halves::<0x31>(second);
            }
        }
        blocks
    }
}

impl Ymm {
    #[inline(always)]
    fn shuffled(self, places: &[u8; 32]) -> Self {
        // SAFETY: there are 32 bytes, aligned or not, and `self` proves the instruction.
        let places = unsafe { _mm256_loadu_si256(places.as_ptr().cast()) };
        // SAFETY: `self` proves the instruction.
        Self(unsafe { _mm256_shuffle_epi8(self.0, places) })
    }

    #[inline(always)]
    fn shifted<const LEFT: i32, const RIGHT: i32>(self) -> Self {
        // SAFETY: `self` proves the instruction.
        let left = unsafe { _mm256_slli_epi32::<LEFT>(self.0) };
        // SAFETY: the same.
        let right = unsafe { _mm256_srli_epi32::<RIGHT>(self.0) };
        // SAFETY: the same.
        Self(unsafe { _mm256_or_si256(left, right) })
    }

    #[inline(always)]
    fn low_words(self, other: Self) -> Self {
        // SAFETY: `self` proves the instruction.
        Self(unsafe { _mm256_unpacklo_epi32(self.0, other.0) })
    }

    #[inline(always)]
    fn high_words(self, other: Self) -> Self {
        // SAFETY: `self` proves the instruction.
        Self(unsafe { _mm256_unpackhi_epi32(self.0, other.0) })
    }

    #[inline(always)]
    fn low_pairs(self, other: Self) -> Self {
        // SAFETY: `self` proves the instruction.
        Self(unsafe { _mm256_unpacklo_epi64(self.0, other.0) })
    }

    #[inline(always)]
    fn high_pairs(self, other: Self) -> Self {
        // SAFETY: `self` proves the instruction.
        Self(unsafe { _mm256_unpackhi_epi64(self.0, other.0) })
    }

    /// A half of `self`, then one of `other`.
    #[inline(always)]
    fn halves<const CHOICE: i32>(self, other: Self) -> Self {
        // SAFETY: `self` proves the instruction.
        Self(unsafe { _mm256_permute2x128_si256::<CHOICE>(self.0, other.0) })
    }
}

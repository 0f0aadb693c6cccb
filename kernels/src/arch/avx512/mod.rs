//! 512-bit registers, with four AES blocks in each.
#![allow(
    unsafe_code,
    reason = "instructions that not every CPU has, and loads and stores of registers"
)]

mod ifma;

use std::arch::is_x86_feature_detected;
use std::arch::x86_64::{
    __m512i, _mm_loadu_si128, _mm_sfence, _mm512_add_epi16, _mm512_add_epi32, _mm512_add_epi64,
    _mm512_aesenc_epi128, _mm512_aesenclast_epi128, _mm512_and_si512, _mm512_broadcast_i32x4,
    _mm512_loadu_si512, _mm512_maskz_set1_epi32, _mm512_rol_epi32, _mm512_set1_epi32,
    _mm512_shuffle_i32x4, _mm512_storeu_si512, _mm512_stream_si512, _mm512_sub_epi16,
    _mm512_sub_epi32, _mm512_sub_epi64, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64,
    _mm512_unpacklo_epi32, _mm512_unpacklo_epi64, _mm512_xor_si512,
};
use std::mem::MaybeUninit;

use super::Kernel;
use super::gates::{gates, loops};
use super::generic::{self, Simd};
use super::memory::LINE;
use super::portable;
use super::register::{AesRegister, ChaChaRegister, Register, register};
use crate::lane::{Lanes, LanesMut, Word};
use crate::mask::Masks;
use crate::prg::Key;
use crate::quantize::{Scale, Unscale};
use crate::x25519::Pairs;
use crate::{Lane, Real};

use ifma::Ifma;

/// Proof that this CPU, and the system on it, has AVX-512 F, BW, DQ and VL, and VAES.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Avx512 {
    /// Not all such CPUs have it.
    ifma: Option<Ifma>,
}

impl Avx512 {
    /// Asks the CPU.
    pub fn detect() -> Option<Self> {
        let found = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("vaes")
            // What the compiler takes the features above to mean as well.
            && is_x86_feature_detected!("aes")
            && is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c");
        let without = found.then_some(Self { ifma: None })?;
        Some(Self { ifma: Ifma::detect(without) })
    }

    /// Writes whole lines past the cache.
    ///
    /// # Panics
    /// Unless there are as many places as lines, and the places, if any, begin at lines.
    pub(super) fn store_lines(self, lines: &[[u8; LINE]], places: &mut [[MaybeUninit<u8>; LINE]]) {
        assert_eq!(lines.len(), places.len());
        assert!(places.is_empty() || places.as_ptr().addr().is_multiple_of(LINE));
        for (line, place) in lines.iter().zip(places) {
            let register = Zmm::load(self, line);
            // SAFETY: a place has as many bytes as a register and begins at a line, and the token proves the instruction.
            unsafe { _mm512_stream_si512(place.as_mut_ptr().cast(), register.0) };
        }
        // SAFETY: every x86-64 CPU has the instruction.
        unsafe { _mm_sfence() }; // Without it, whoever is told of these stores could look before they arrive.
    }
}

loops!("avx512f,avx512bw,avx512dq,avx512vl");
gates!(Avx512, "avx512f,avx512bw,avx512dq,avx512vl,vaes", {
    fn agree(self, pairs: Pairs<'_>, shared: &mut [[u8; 32]]) {
        match self.ifma {
            Some(ifma) => ifma.agree(pairs, shared),
            None => portable::x25519::agree(pairs, shared),
        }
    }
});

impl Simd for Avx512 {
    type Aes = Zmm;
    type ChaCha = Zmm;

    #[inline(always)]
    fn aes(self) -> Self {
        self
    }

    #[inline(always)]
    fn chacha(self) -> Self {
        self
    }
}

/// A register that only [`Avx512`] makes.
#[derive(Clone, Copy)]
pub(crate) struct Zmm(__m512i);

register! {
    Zmm(__m512i), Avx512, 32,
    _mm512_loadu_si512, _mm512_storeu_si512(__m512i), _mm512_xor_si512, _mm512_and_si512,
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

/// Implements a method that is one instruction.
macro_rules! rotate {
    ($name:ident, $bits:literal) => {
        #[inline(always)]
        fn $name(self) -> Self {
            // SAFETY: `self` proves the instruction.
            Self(unsafe { _mm512_rol_epi32::<$bits>(self.0) })
        }
    };
}

impl ChaChaRegister for Zmm {
    #[inline(always)]
    fn splat(_: Avx512, word: u32) -> Self {
        // SAFETY: the token proves the instruction.
        Self(unsafe { _mm512_set1_epi32(word as i32) })
    }

    #[inline(always)]
    fn counters(token: Avx512, first: u32) -> Self {
        let places: [u32; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
        Self::load(token, &places).add::<u32>(Self::splat(token, first))
    }

    rotate!(rotate_16, 16);
    rotate!(rotate_12, 12);
    rotate!(rotate_8, 8);
    rotate!(rotate_7, 7);

    #[inline(always)]
    fn pairs(mut rows: [Self; 16]) -> [Self; 16] {
        for pair in rows.as_chunks_mut().0 {
            let [even, odd] = *pair;
            *pair = [even.low_words(odd), even.high_words(odd)];
        }
        rows
    }

    /// Each 128-bit quarter holds two pairs. Of registers `4i..4i + 4` the pairs are brought together to four words of one
    /// block, `i` being which four; then quarters change places so that a register is one block.
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
            let [a, b, c, d] = [0, 4, 8, 12].map(|four| rows[four + place]);
            let (even01, odd01) = (a.quarters::<0x88>(b), a.quarters::<0xdd>(b));
            let (even23, odd23) = (c.quarters::<0x88>(d), c.quarters::<0xdd>(d));
            blocks[place] = even01.quarters::<0x88>(even23);
            blocks[4 + place] = odd01.quarters::<0x88>(odd23);
            blocks[8 + place] = even01.quarters::<0xdd>(even23);
            blocks[12 + place] = odd01.quarters::<0xdd>(odd23);
        }
        blocks
    }
}

/// Shuffles of two registers.
impl Zmm {
    #[inline(always)]
    fn low_words(self, other: Self) -> Self {
        // SAFETY: `self` proves the instruction.
        Self(unsafe { _mm512_unpacklo_epi32(self.0, other.0) })
    }

    #[inline(always)]
    fn high_words(self, other: Self) -> Self {
        // SAFETY: `self` proves the instruction.
        Self(unsafe { _mm512_unpackhi_epi32(self.0, other.0) })
    }

    #[inline(always)]
    fn low_pairs(self, other: Self) -> Self {
        // SAFETY: `self` proves the instruction.
        Self(unsafe { _mm512_unpacklo_epi64(self.0, other.0) })
    }

    #[inline(always)]
    fn high_pairs(self, other: Self) -> Self {
        // SAFETY: `self` proves the instruction.
        Self(unsafe { _mm512_unpackhi_epi64(self.0, other.0) })
    }

    /// Two quarters of `self`, then two of `other`, chosen by two bits each.
    #[inline(always)]
    fn quarters<const CHOICE: i32>(self, other: Self) -> Self {
        // SAFETY: `self` proves the instruction.
        Self(unsafe { _mm512_shuffle_i32x4::<CHOICE>(self.0, other.0) })
    }
}

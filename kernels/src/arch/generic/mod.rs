//! Loops that every backend shares. They are plain and inline, so that the compiler vectorises them
//! for the instructions of whoever calls them. A crate of vector types fixes its instructions when
//! it is compiled instead: with `wide` in a default build, quantizing was 2.4 times slower than the
//! loop here, and adding masks was no faster.

mod aegis128x4;
mod aes128_ctr;
mod chacha20;
mod groups;
mod pack;
#[cfg(any(target_arch = "x86_64", test))]
pub(crate) mod x25519;

use crate::arch::memory::prefetch;
use crate::arch::register::{AesRegister, ChaChaRegister, Register};
use crate::mask::Masks;
use crate::prg::Key;
use crate::quantize::{Scale, Unscale};
use crate::{Lane, Real, Sign};

pub(crate) use groups::wipe;
use groups::{Groups, Parts, by_groups};
pub(crate) use pack::{pack, unpack, unpack_add};

/// A token, and the registers whose instructions it proves.
pub(crate) trait Simd: Copy {
    /// For ciphers made of AES rounds.
    type Aes: AesRegister;

    /// For ciphers made of additions and rotations.
    type ChaCha: ChaChaRegister;

    /// The part of the proof that the first need.
    fn aes(self) -> <Self::Aes as Register>::Token;

    /// The part of the proof that the second need.
    fn chacha(self) -> <Self::ChaCha as Register>::Token;
}

/// Writes keystream over `out`.
#[inline(always)]
pub(crate) fn expand<T: Simd>(token: T, key: &Key, first_byte: u64, out: &mut [u8]) {
    stream(token, key, first_byte, out.len(), &mut Fill { out });
}

/// Adds and subtracts masks over a tile.
#[inline(always)]
pub(crate) fn apply_masks<T: Simd, L: Lane>(
    token: T,
    masks: &Masks,
    first_lane: u64,
    tile: &mut [L],
) {
    let first_byte = first_lane * L::BYTES as u64;
    match masks {
        Masks::Aes128Ctr(masks) => {
            aes128_ctr::apply::<T::Aes, L>(token.aes(), masks, first_byte, tile);
        }
        Masks::ChaCha20(masks) => {
            chacha20::apply::<T::ChaCha, L>(token.chacha(), masks, first_byte, tile);
        }
        Masks::Aegis128X4(masks) => {
            aegis128x4::apply::<T::Aes, L>(token.aes(), masks, first_byte, tile);
        }
    }
}

/// Quantizes elements. Answers whether one was clipped, or the index of the first that is not
/// finite.
#[inline(always)]
pub(crate) fn quantize<T: Simd, F: Real, L: Lane>(
    token: T,
    scale: &Scale,
    rounding: &Key,
    first_lane: u64,
    elements: &[F],
    lanes: &mut [L],
) -> Result<bool, usize> {
    let mut sink = Quantize { scale, elements, lanes, largest: F::Magnitude::default() };
    stream(token, rounding, first_lane * 4, elements.len() * 4, &mut sink);
    sink.answer(elements)
}

/// Ten AES rounds for every 16 of so many bytes.
#[inline(always)]
pub(crate) fn aes_rounds<T: Simd>(token: T, bytes: u64) -> u64 {
    aes128_ctr::rounds::<T::Aes>(token.aes(), bytes)
}

/// Hands `len` bytes of keystream from `first_byte` on to `sink`, some blocks at a time.
#[inline(always)]
fn stream<T: Simd, S: Sink>(token: T, key: &Key, first_byte: u64, len: usize, sink: &mut S) {
    match key {
        Key::Aes128Ctr(key) => {
            let mut schedule = aes128_ctr::Schedule::<T::Aes>::new(token.aes(), key);
            by_groups(&mut schedule, first_byte, len, sink);
        }
        Key::ChaCha20(key) => {
            let mut blocks = chacha20::Blocks::<T::ChaCha> { token: token.chacha(), key };
            by_groups(&mut blocks, first_byte, len, sink);
        }
        Key::Aegis128X4(key) => {
            let mut steps = aegis128x4::Steps::<T::Aes>::new(token.aes(), key);
            by_groups(&mut steps, first_byte, len, sink);
        }
    }
}

/// Takes a keystream piece by piece. Every piece but the first and the last is a whole number of
/// blocks.
pub(crate) trait Sink {
    /// Takes the next bytes.
    fn take(&mut self, keystream: &[u8]);
}

/// A stream is asked for exactly what its sink can take.
const COVERED: &str = "a sink as long as the stream";

/// Writes the keystream down.
pub(crate) struct Fill<'a> {
    pub(crate) out: &'a mut [u8],
}

impl Sink for Fill<'_> {
    #[inline(always)]
    fn take(&mut self, keystream: &[u8]) {
        let out = self.out.split_off_mut(..keystream.len()).expect(COVERED);
        out.copy_from_slice(keystream);
    }
}

/// Adds the keystream to lanes, or subtracts it. No lane straddles two pieces, since blocks are a
/// whole number of lanes.
pub(crate) struct Apply<'a, L> {
    pub(crate) sign: Sign,
    pub(crate) lanes: &'a mut [L],
}

impl<L: Lane> Sink for Apply<'_, L> {
    #[inline(always)]
    fn take(&mut self, keystream: &[u8]) {
        let lanes = self.lanes.split_off_mut(..keystream.len() / L::BYTES).expect(COVERED);
        match self.sign {
            Sign::Add => combine(lanes, keystream, L::wrapping_add),
            Sign::Subtract => combine(lanes, keystream, L::wrapping_sub),
        }
    }
}

#[inline(always)]
fn combine<L: Lane>(lanes: &mut [L], keystream: &[u8], put: impl Fn(L, L) -> L) {
    for (lane, bytes) in lanes.iter_mut().zip(keystream.chunks_exact(L::BYTES)) {
        *lane = put(*lane, L::from_le_slice(bytes));
    }
}

/// Quantizes elements, rounding by the keystream.
pub(crate) struct Quantize<'a, F: Real, L> {
    pub(crate) scale: &'a Scale,
    pub(crate) elements: &'a [F],
    pub(crate) lanes: &'a mut [L],
    /// The largest magnitude so far. It says of all elements whether they are finite and whether
    /// one is clipped, in half the instructions of asking each.
    pub(crate) largest: F::Magnitude,
}

impl<F: Real, L> Quantize<'_, F, L> {
    /// Whether one of `elements`, all of which were taken, was clipped; or the index of the first
    /// that is not finite.
    pub(crate) fn answer(&self, elements: &[F]) -> Result<bool, usize> {
        if self.largest < F::INFINITE {
            return Ok(self.scale.clips(F::from_magnitude(self.largest).to_f64()));
        }
        Err(elements.iter().position(|x| !x.to_f64().is_finite()).unwrap_or(0))
    }
}

impl<F: Real, L: Lane> Sink for Quantize<'_, F, L> {
    #[inline(always)]
    fn take(&mut self, keystream: &[u8]) {
        let count = keystream.len() / 4;
        let lanes = self.lanes.split_off_mut(..count).expect(COVERED);
        let elements = self.elements.split_off(..count).expect(COVERED);
        prefetch(elements);
        self.largest = self.largest.max(quantize_words(*self.scale, elements, keystream, lanes));
    }
}

/// Quantizes as many elements as there are words, and answers their largest magnitude.
///
/// The arguments of a function do not alias, and the scale is a copy: that is what lets the loop be
/// vectorised.
#[inline(always)]
fn quantize_words<F: Real, L: Lane>(
    scale: Scale,
    elements: &[F],
    words: &[u8],
    lanes: &mut [L],
) -> F::Magnitude {
    let mut largest = F::Magnitude::default();
    for ((lane, element), word) in lanes.iter_mut().zip(elements).zip(words.as_chunks().0) {
        largest = largest.max(element.magnitude());
        *lane = L::from_u64(scale.lane(element.to_f64(), u32::from_le_bytes(*word)));
    }
    largest
}

/// Turns sums into means. Answers the index of the first sum that honest clients cannot make.
#[inline(always)]
pub(crate) fn dequantize<F: Real, L: Lane>(
    unscale: Unscale,
    sums: &[L],
    mean: &mut [F],
) -> Option<usize> {
    let mut all_honest = true;
    for (mean, sum) in mean.iter_mut().zip(sums) {
        let (value, honest) = unscale.mean(*sum);
        *mean = F::from_f64(value);
        all_honest &= honest;
    }
    if all_honest { None } else { sums.iter().position(|sum| !unscale.mean(*sum).1) }
}

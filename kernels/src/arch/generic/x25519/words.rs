//! Between the bytes of RFC 7748 and the words that registers hold: one word of each lane.

use super::field::{BITS, LIMBS};
use crate::arch::register::LANES;

const LIMB: u64 = (1 << BITS) - 1;

/// Puts the words of one lane beside those of the others.
#[inline(always)]
pub(super) fn put<const N: usize>(all: &mut [[u64; LANES]; N], lane: usize, words: [u64; N]) {
    for (all, word) in all.iter_mut().zip(words) {
        all[lane] = word;
    }
}

/// Of the clamped secret, where a bit differs from the one above it.
#[inline(always)]
pub(super) fn swaps(secret: &[u8; 32]) -> [u64; 4] {
    let [mut a, b, c, mut d] = words(secret);
    a &= !7;
    d = d & (u64::MAX >> 1) | 1 << 62;
    [a ^ (a >> 1 | b << 63), b ^ (b >> 1 | c << 63), c ^ (c >> 1 | d << 63), d ^ d >> 1]
}

/// The limbs of a u-coordinate, whose top bit does not count.
#[inline(always)]
pub(super) fn limbs(public: &[u8; 32]) -> [u64; LIMBS] {
    let [a, b, c, d] = words(public);
    [a, a >> 51 | b << 13, b >> 38 | c << 26, c >> 25 | d << 39, d >> 12].map(|limb| limb & LIMB)
}

/// The bytes of limbs that have no more bits than they should.
#[inline(always)]
pub(super) fn bytes(limbs: [u64; LIMBS]) -> [u8; 32] {
    let joined = |at: usize, right: u32, left: u32| limbs[at] >> right | limbs[at + 1] << left;
    let words = [joined(0, 0, 51), joined(1, 13, 38), joined(2, 26, 25), joined(3, 39, 12)];
    let mut bytes = [0; 32];
    for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
        *bytes = word.to_le_bytes();
    }
    bytes
}

#[inline(always)]
fn words(bytes: &[u8; 32]) -> [u64; 4] {
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    words
}

//! The backend that runs everywhere, and the truth that all others are tested against.

pub(crate) mod aegis128x4;
mod aes128_ctr;
pub(crate) mod chacha20;
pub(crate) mod x25519;

use super::Kernel;
use super::generic::{self, Sink};
use crate::lane::{Lanes, LanesMut};
use crate::mask::Masks;
use crate::prg::Key;
use crate::quantize::{Scale, Unscale};
use crate::{Lane, Real};

/// Standard ciphers underneath, plain loops above.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

impl Kernel for Portable {
    fn expand(self, key: &Key, first_byte: u64, out: &mut [u8]) {
        stream(key, first_byte, out.len(), &mut generic::Fill { out });
    }

    fn apply_masks<L: Lane>(self, masks: &Masks, first_lane: u64, tile: &mut [L]) {
        let first_byte = first_lane * L::BYTES as u64;
        match masks {
            Masks::Aes128Ctr(masks) => aes128_ctr::apply(masks, first_byte, tile),
            Masks::ChaCha20(masks) => chacha20::apply(masks, first_byte, tile),
            Masks::Aegis128X4(masks) => aegis128x4::apply(masks, first_byte, tile),
        }
    }

    fn quantize<F: Real, L: Lane>(
        self,
        scale: &Scale,
        rounding: &Key,
        first_lane: u64,
        elements: &[F],
        lanes: &mut [L],
    ) -> Result<bool, usize> {
        let mut sink =
            generic::Quantize { scale, elements, lanes, largest: F::Magnitude::default() };
        stream(rounding, first_lane * 4, elements.len() * 4, &mut sink);
        sink.answer(elements)
    }

    fn dequantize<F: Real, L: Lane>(
        self,
        unscale: &Unscale,
        sums: &[L],
        mean: &mut [F],
    ) -> Option<usize> {
        generic::dequantize(*unscale, sums, mean)
    }

    fn pack(self, width: u32, lanes: Lanes<'_>, out: &mut [u8]) {
        generic::pack(width, lanes, out);
    }

    fn unpack(self, width: u32, bytes: &[u8], lanes: LanesMut<'_>) {
        generic::unpack(width, bytes, lanes);
    }

    fn unpack_add(self, width: u32, bytes: &[u8], lanes: LanesMut<'_>) {
        generic::unpack_add(width, bytes, lanes);
    }

    fn aes_rounds(self, bytes: u64) -> u64 {
        aes128_ctr::rounds(bytes)
    }
}

/// Hands `len` bytes of keystream from `first_byte` on to `sink`, a few blocks at a time.
fn stream<S: Sink>(key: &Key, first_byte: u64, len: usize, sink: &mut S) {
    match key {
        Key::Aes128Ctr(key) => aes128_ctr::stream(key, first_byte, len, sink),
        Key::ChaCha20(key) => chacha20::stream(key, first_byte, len, sink),
        Key::Aegis128X4(key) => aegis128x4::stream(key, first_byte, len, sink),
    }
}

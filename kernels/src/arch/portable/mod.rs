//! The backend that runs everywhere, and the truth that all others are tested against.

mod aes128_ctr;
mod chacha20;

use super::Kernel;
use super::generic::{self, Sink};
use crate::prg::Key;
use crate::quantize::{Scale, Unscale};
use crate::{Lane, Real, Sign};

/// Standard ciphers underneath, plain loops above.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

impl Kernel for Portable {
    fn expand(self, key: &Key, first_byte: u64, out: &mut [u8]) {
        stream(key, first_byte, out.len(), &mut generic::Fill { out });
    }

    fn apply_masks<L: Lane>(self, masks: &[(Key, Sign)], first_lane: u64, tile: &mut [L]) {
        let first_byte = first_lane * L::BYTES as u64;
        for (key, sign) in masks {
            match sign {
                Sign::Add => stream(
                    key,
                    first_byte,
                    size_of_val(tile),
                    &mut generic::AddLanes { lanes: tile },
                ),
                Sign::Subtract => stream(
                    key,
                    first_byte,
                    size_of_val(tile),
                    &mut generic::SubLanes { lanes: tile },
                ),
            }
        }
    }

    fn quantize<F: Real, L: Lane>(
        self,
        scale: &Scale,
        rounding: &Key,
        first_lane: u64,
        elements: &[F],
        lanes: &mut [L],
    ) -> Option<usize> {
        let mut sink = generic::Quantize { scale, elements, lanes, finite: true };
        stream(rounding, first_lane * 4, elements.len() * 4, &mut sink);
        if sink.finite { None } else { elements.iter().position(|x| !x.to_f64().is_finite()) }
    }

    fn dequantize<F: Real, L: Lane>(
        self,
        unscale: &Unscale,
        sums: &[L],
        mean: &mut [F],
    ) -> Option<usize> {
        generic::dequantize(*unscale, sums, mean)
    }

    fn pack<L: Lane>(self, width: u32, lanes: &[L], out: &mut [u8]) {
        generic::pack(width, lanes, out);
    }

    fn unpack<L: Lane>(self, width: u32, bytes: &[u8], lanes: &mut [L]) {
        generic::unpack(width, bytes, lanes, |_, new| new);
    }

    fn unpack_add<L: Lane>(self, width: u32, bytes: &[u8], lanes: &mut [L]) {
        generic::unpack(width, bytes, lanes, L::wrapping_add);
    }
}

/// Hands `len` bytes of keystream from `first_byte` on to `sink`, a few blocks at a time.
fn stream<S: Sink>(key: &Key, first_byte: u64, len: usize, sink: &mut S) {
    match key {
        Key::Aes128Ctr(key) => aes128_ctr::stream(key, first_byte, len, sink),
        Key::ChaCha20(key) => chacha20::stream(key, first_byte, len, sink),
    }
}

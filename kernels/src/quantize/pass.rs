//! The arithmetic that turns one update into lanes, tile by tile.

use crate::arch::{Kernel, with_kernel};
use crate::prg::Key;
use crate::{Backend, Lane, Real};

/// One update on its way into lanes: what all its tiles share.
pub(crate) struct QuantizePass<'a, F> {
    pub(super) scale: Scale,
    pub(super) weight_lane: u64,
    pub(super) rounding: Key,
    pub(super) update: &'a [F],
}

impl<F: Real> QuantizePass<'_, F> {
    /// Quantizes the lanes from number `first_lane` on. Answers the index of the first element among them that is not
    /// finite; the lanes are then meaningless.
    pub(crate) fn tile<L: Lane>(
        &self,
        backend: Backend,
        first_lane: usize,
        lanes: &mut [L],
    ) -> Option<usize> {
        let (lanes, first_lane) = match lanes {
            [weight, elements @ ..] if first_lane == 0 => {
                *weight = L::from_u64(self.weight_lane);
                (elements, 1)
            }
            _ => (lanes, first_lane),
        };
        let first = first_lane - 1;
        let elements = &self.update[first..first + lanes.len()];
        let bad = with_kernel!(backend, kernel => {
            kernel.quantize(&self.scale, &self.rounding, first_lane as u64, elements, lanes)
        });
        bad.map(|index| first + index)
    }
}

/// The map from an element to its place among the lanes, all but the clipping range in units of 2^-32 of a lane.
#[derive(Clone, Copy)]
pub(crate) struct Scale {
    pub(super) clipping_range: f64,
    pub(super) factor: f64,
    pub(super) middle: f64,
    pub(super) top: f64,
}

impl Scale {
    /// The lane of one element; of no meaning if the element is not finite.
    #[inline(always)]
    pub(crate) fn lane(&self, element: f64, rounding: u32) -> u64 {
        let clipped = clamp(element, -self.clipping_range, self.clipping_range);
        round(clipped * self.factor + self.middle, rounding, self.top)
    }
}

/// What one lane is in the units of [`round`].
pub(super) const LANE: f64 = (1_u64 << 32) as f64;

/// Rounds stochastically to a whole number of lanes from 0 to `top`, which is below 2^52 lanes.
///
/// `value` and `top` count 2^-32 of a lane, so that the random word needs no scaling. A power of two changes no digit of
/// a binary64 and no rounding, but of products near the smallest numbers, and those vanish beside h.
#[inline(always)]
pub(super) fn round(value: f64, word: u32, top: f64) -> u64 {
    const TWO_52_LANES: f64 = LANE * (1_u64 << 52) as f64;
    let offset = f64::from(word as i32) + 0.5;
    // At 2^52 the last bit of a binary64 counts ones, so adding it rounds and leaves the number in the low bits. A cast
    // would saturate, which costs twenty times as much.
    (clamp(value + offset, 0.0, top) + TWO_52_LANES).to_bits() & ((1 << 52) - 1)
}

/// Unlike `f64::clamp` this is two instructions; NaN becomes `low`.
#[inline(always)]
fn clamp(value: f64, low: f64, high: f64) -> f64 {
    let raised = if value > low { value } else { low };
    if raised < high { raised } else { high }
}

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
    /// Lanes of the vector: the weight, the elements, and whether the client clipped.
    pub(crate) fn lanes(&self) -> usize {
        self.update.len() + 2
    }

    /// Quantizes the lanes from number `first_lane` on, and answers whether one of their elements
    /// was clipped. The last lane of the vector, which says so of all elements, is left at 0.
    ///
    /// # Errors
    /// The index of the first element among them that is not finite; the lanes are then
    /// meaningless.
    pub(crate) fn tile<L: Lane>(
        &self,
        backend: Backend,
        first_lane: usize,
        lanes: &mut [L],
    ) -> Result<bool, usize> {
        let (first, end) = (first_lane.max(1), (first_lane + lanes.len()).min(self.lanes() - 1));
        if let (0, [weight, ..]) = (first_lane, &mut *lanes) {
            *weight = L::from_u64(self.weight_lane);
        }
        if let [.., clipped] = &mut lanes[end - first_lane..] {
            *clipped = L::default();
        }
        let lanes = &mut lanes[first - first_lane..end - first_lane];
        let elements = &self.update[first - 1..end - 1];
        let done = with_kernel!(backend, kernel => {
            kernel.quantize(&self.scale, &self.rounding, first as u64, elements, lanes)
        });
        done.map_err(|index| first - 1 + index)
    }
}

/// The map from an element to its lane, all but the clipping range in units of 2^-32 of a lane.
#[derive(Clone, Copy)]
pub(crate) struct Scale {
    pub(super) clipping_range: f64,
    /// a.
    pub(super) factor: f64,
    /// A: how far from the lane of zero a clipped element lies.
    pub(super) reach: f64,
    /// L.
    pub(super) zero: f64,
}

impl Scale {
    /// The lane of one element; of no meaning if the element is not finite.
    #[inline(always)]
    pub(crate) fn lane(&self, element: f64, rounding: u32) -> u64 {
        let value = clamp(element * self.factor, -self.reach, self.reach);
        round(value, rounding, -self.zero, self.zero, self.zero)
    }

    /// Whether an element of this magnitude is clipped.
    #[inline(always)]
    pub(crate) fn clips(&self, magnitude: f64) -> bool {
        magnitude > self.clipping_range
    }
}

/// What one lane is in the units of [`round`].
pub(super) const LANE: f64 = (1_u64 << 32) as f64;

/// Rounds stochastically to a whole number of lanes from `low` to `high`, and adds `zero`, a whole
/// number of lanes that makes the result one from 0 to 2^52.
///
/// All but the result count 2^-32 of a lane, so that the random word needs no scaling. A power of
/// two changes no digit of a binary64 and no rounding, but of products near the smallest numbers,
/// and those vanish beside the random word.
///
/// The value is rounded where it is small, before `zero` is added: a value of 0 is moved by less
/// than half a lane and comes back for certain, whatever the word.
#[inline(always)]
pub(super) fn round(value: f64, word: u32, low: f64, high: f64, zero: f64) -> u64 {
    const TWO_52_LANES: f64 = LANE * (1_u64 << 52) as f64;
    let offset = f64::from(word as i32) + 0.5;
    // At 2^52 the last bit of a binary64 counts ones, so adding it rounds and leaves the number in
    // the low bits. A cast would saturate, which costs twenty times as much.
    (clamp(value + offset, low, high) + (TWO_52_LANES + zero)).to_bits() & ((1 << 52) - 1)
}

/// Unlike `f64::clamp` this is two instructions; NaN becomes `low`.
#[inline(always)]
pub(super) fn clamp(value: f64, low: f64, high: f64) -> f64 {
    let raised = if value > low { value } else { low };
    if raised < high { raised } else { high }
}

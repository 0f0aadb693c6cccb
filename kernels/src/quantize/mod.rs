//! Floats become lanes, and sums of lanes become a weighted mean.
//!
//! Everything below is exact: IEEE 754 binary64, rounded to nearest with ties to even after *each*
//! operation, never fused. Another language that follows it makes the same lanes, bit for bit.
//!
//! **Parameters.** The clipping range `c`, the quantization range `q` and the largest weight
//! `w_max`. Derived from them, in the order written:
//!
//! - `L = ⌊(q - 1) / 2⌋`, the lane of zero. Lanes are from 0 to `2 · L`, so that an even `q` has
//!   one level to spare;
//! - `s = (2 · L) / w_max`, and where that is at least 1 and `w_max` is whole, its floor: lanes per
//!   unit of weight, so that whole weights are exact;
//! - the largest weight lane: `w_max · s` where `s` was floored (a whole number of at most `2 ·
//!   L`), otherwise `2 · L`.
//!
//! **Rounding.** For lane `i`, `v` is the `i`-th little-endian 32-bit word of the rounding seed's
//! keystream, read as a signed number, and `r = (v + 0.5) · 2^-32`, which lies strictly between
//! -1/2 and 1/2. `round(y, low, high, zero)` is `y + r`, raised to `low`, lowered to `high`, and
//! then `zero` plus that, rounded to the nearest whole number, ties to even. (Add `2^52 + zero` and
//! read the low 52 bits.)
//!
//! **A vector** of `m` elements becomes `m + 2` lanes.
//!
//! - Lane 0 is the weight `w`: `round(w · s - k, -k, largest weight lane - k, k)`, where `k` is `w
//!   · s` rounded to the nearest whole number, ties to even. So whole lanes are exact. The weight
//!   that counts from here on is `ŵ = lane 0 / s`.
//! - Lane `1 + i` is element `x` of index `i`: `round(min(max(x · a, -A), A), -L, L, L)`, with `A =
//!   L · (ŵ / w_max)`, and `a = A / c`, or the next larger binary64 where `c · a` is below `A`.
//! - Lane `m + 1` is 1 if the client clipped, which is if `|x| > c` for an element, and 0
//!   otherwise.
//!
//! Elements are scaled by `ŵ`, not by `w`, so that numerator and denominator of the mean speak of
//! the same weight. An element of 0 is lane `L` whatever the weight and the random word, since `|r|
//! < 1/2`; one above 0 is lane `L` or above it, and one below 0 is `L` or below it. At `ŵ = w_max`
//! the lanes of ±c are 0 and `2 · L`.
//!
//! **The mean.** With `n` clients, `S_i` the sum of lane `i` modulo 2^b (which cannot have
//! wrapped), and `Ŵ = S_0 / s`:
//!
//! - `o = S_i - n · L`, in exact integers, then rounded to binary64;
//! - `mean = o · k`, raised to `-c` and lowered to `c`, with `k = (c / L) · (w_max / Ŵ)`;
//! - `S_(m + 1)` clients clipped.
//!
//! Honest lanes satisfy `S_0 ≤ n · largest weight lane`, `|o| ≤ L · Ŵ / w_max + n` and `S_(m + 1) ≤
//! n`, the second up to the rounding below. Sums that do not were made by a wrong mask or a
//! misbehaving client, and are refused.
//!
//! **Bias.** Rounding up happens with a probability that is the fraction of `y`, to within 2^-32.
//! Computing `y` and adding `r` rounds by at most `L · 2^-50` together. So the expectation of a
//! lane differs from the exact product by less than `2^-32 + L · 2^-50`: below 2^-28 of a lane at
//! the default q = 2^22, about an eighth at the largest, 2^48.

mod dequantize;
mod error;
mod pass;
mod real;

use crate::arch::{Kernel, with_kernel};
use crate::prg::Key;
use crate::{Backend, Lane, Modulus, Prg, Seed};

pub(crate) use dequantize::Unscale;
pub use error::{DequantizeError, InvalidQuantizer, QuantizeError, SumOverflow};
use pass::{LANE, clamp};
pub(crate) use pass::{QuantizePass, Scale};
pub use real::Real;

/// The smallest quantization range, 7, which is three lanes on each side of zero. With fewer, the
/// error of a mean could be as large as the clipping range even where every client has the largest
/// weight.
pub const MIN_QUANTIZATION_RANGE: u64 = 7;

/// The largest quantization range, 2^48. Beyond it a binary64 has too few bits left for the
/// fraction that stochastic rounding needs.
pub const MAX_QUANTIZATION_RANGE: u64 = 1 << 48;

/// Clipping ranges and weights lie from 10^-100 to 10^100, so that no product of them overflows.
const SMALLEST: f64 = 1e-100;
const LARGEST: f64 = 1e100;

/// 2^-50: bounds the rounding of all binary64 operations on one lane, relative to the largest lane.
const F64_ROUNDING: f64 = 1.0 / (1_u64 << 50) as f64;

/// How floats become lanes; see the [module](self) for the arithmetic.
///
/// ```
/// use secagg_kernels::{Backend, Modulus, Prg, Quantizer, Seed};
///
/// let quantizer = Quantizer::new(8.0, 1 << 22, 1000.0)?;
/// quantizer.fits(Modulus::from_width(32)?, 1000)?;
///
/// let mut lanes = [0_u32; 5];
/// let rounding = Seed::from_bytes([3; 32]);
/// let (backend, update) = (Backend::detect(), [-9.0, 0.0, 8.0]);
/// quantizer.quantize(backend, Prg::default(), &rounding, 1000.0, &update, &mut lanes)?;
/// // The weight in units of 1/4194; both ends of the range, and zero in its middle; and that an
/// // element was clipped.
/// assert_eq!(lanes, [4_194_000, 0, 2_097_151, 4_194_302, 1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Quantizer {
    clipping_range: f64,
    quantization_range: u64,
    max_weight: f64,
    /// s: lanes per unit of weight.
    weight_scale: f64,
    /// The weight lane of `max_weight`.
    max_weight_lane: f64,
}

impl Quantizer {
    /// A quantizer that clips elements to ±`clipping_range`, maps them to `quantization_range`
    /// lanes (one less if that is even), and takes weights up to `max_weight`.
    ///
    /// # Errors
    /// [`InvalidQuantizer`] unless the clipping range and the largest weight lie from 1e-100 to
    /// 1e100 and the quantization range from [`MIN_QUANTIZATION_RANGE`] to
    /// [`MAX_QUANTIZATION_RANGE`].
    pub fn new(
        clipping_range: f64,
        quantization_range: u64,
        max_weight: f64,
    ) -> Result<Self, InvalidQuantizer> {
        if !(SMALLEST..=LARGEST).contains(&clipping_range) {
            return Err(InvalidQuantizer::ClippingRange(clipping_range));
        }
        if !(MIN_QUANTIZATION_RANGE..=MAX_QUANTIZATION_RANGE).contains(&quantization_range) {
            return Err(InvalidQuantizer::QuantizationRange(quantization_range));
        }
        if !(SMALLEST..=LARGEST).contains(&max_weight) {
            return Err(InvalidQuantizer::MaxWeight(max_weight));
        }
        let (weight_scale, max_weight_lane) = weight_scale(quantization_range, max_weight);
        Ok(Self { clipping_range, quantization_range, max_weight, weight_scale, max_weight_lane })
    }

    /// c: elements are clipped to ±c.
    pub fn clipping_range(&self) -> f64 {
        self.clipping_range
    }

    /// q: a lane of one client is below it.
    pub fn quantization_range(&self) -> u64 {
        self.quantization_range
    }

    /// `w_max`: the largest weight a client may have.
    pub fn max_weight(&self) -> f64 {
        self.max_weight
    }

    /// s: lanes per unit of weight; weights that are multiples of 1/s are exact.
    pub fn weight_scale(&self) -> f64 {
        self.weight_scale
    }

    /// The largest quantization range whose sum over `clients` clients stays below the modulus, or
    /// `None` if not even [`MIN_QUANTIZATION_RANGE`] does.
    ///
    /// ```
    /// use secagg_kernels::{Modulus, Quantizer};
    ///
    /// let largest = Quantizer::largest_for(Modulus::from_width(32)?, 1000);
    /// assert_eq!(largest, Some(4_294_968)); // 1000 · 4,294,967 < 2^32
    /// # Ok::<(), secagg_kernels::InvalidModulus>(())
    /// ```
    pub fn largest_for(modulus: Modulus, clients: u64) -> Option<u64> {
        let levels = modulus.max_value().checked_div(clients).unwrap_or(u64::MAX);
        let range = levels.saturating_add(1).min(MAX_QUANTIZATION_RANGE);
        (range >= MIN_QUANTIZATION_RANGE).then_some(range)
    }

    /// Checks that the sum of `clients` clients cannot reach the modulus: `clients` · (q - 1) <
    /// 2^b.
    ///
    /// # Errors
    /// [`SumOverflow`], which names the three numbers and what to change.
    pub fn fits(&self, modulus: Modulus, clients: u64) -> Result<(), SumOverflow> {
        if u128::from(clients) * u128::from(self.quantization_range - 1) < modulus.range() {
            return Ok(());
        }
        Err(SumOverflow {
            clients,
            quantization_range: self.quantization_range,
            modulus_range: modulus.range(),
        })
    }

    /// Whether `weight` is a valid weight that its lane holds exactly.
    pub fn weight_is_exact(&self, weight: f64) -> bool {
        let lane = weight * self.weight_scale;
        // The fused product shows whether `lane` was rounded.
        self.check_weight(weight).is_ok()
            && lane.fract() == 0.0
            && lane <= self.max_weight_lane
            && weight.mul_add(self.weight_scale, -lane) == 0.0
    }

    /// The largest difference, in any element, between the mean that
    /// [`dequantize`](crate::Accumulator::dequantize) gives and the true weighted mean of the
    /// clipped updates, when all weights are [exact](Self::weight_is_exact): n · c / L · `w_max` /
    /// `total_weight`, plus the rounding of binary64.
    ///
    /// A mean in `f32` is rounded once more, by at most c · [`UNIT_ROUNDOFF`](Real::UNIT_ROUNDOFF).
    pub fn error_bound(&self, clients: u64, total_weight: f64) -> f64 {
        let zero = self.zero();
        let step = self.clipping_range / zero;
        let rounding =
            clients as f64 * step * (self.max_weight / total_weight) * (1.0 + zero * F64_ROUNDING);
        rounding + self.clipping_range * (4.0 * F64_ROUNDING)
    }

    /// The same as [`error_bound`](Self::error_bound) for weights that need not be exact. Each may
    /// be off by 1/s, which adds n · (1/s) · 2c / `total_weight`; `total_weight` is the one that
    /// [`dequantize`](crate::Accumulator::dequantize) gives.
    pub fn error_bound_with_inexact_weights(&self, clients: u64, total_weight: f64) -> f64 {
        let weights =
            clients as f64 / self.weight_scale * (2.0 * self.clipping_range / total_weight);
        self.error_bound(clients, total_weight) + weights
    }

    /// Quantizes a weight and an update of m elements into m + 2 `lanes`, on the calling thread:
    /// the weight in lane 0, element i in lane 1 + i, and in lane m + 1 whether the client clipped.
    ///
    /// # Errors
    /// [`QuantizeError`]; the content of `lanes` is then unspecified.
    pub fn quantize<F: Real, L: Lane>(
        &self,
        backend: Backend,
        prg: Prg,
        rounding: &Seed,
        weight: f64,
        update: &[F],
        lanes: &mut [L],
    ) -> Result<(), QuantizeError> {
        self.check_lanes(update.len(), lanes)?;
        let pass = self.prepare(backend, prg, rounding, weight, update)?;
        let clipped =
            pass.tile(backend, 0, lanes).map_err(|index| QuantizeError::NonFinite { index })?;
        lanes[update.len() + 1] = L::from_u64(clipped.into());
        Ok(())
    }

    /// Checks all that can be checked without reading the elements, and computes what all tiles
    /// share.
    pub(crate) fn prepare<'a, F: Real>(
        &self,
        backend: Backend,
        prg: Prg,
        rounding: &Seed,
        weight: f64,
        update: &'a [F],
    ) -> Result<QuantizePass<'a, F>, QuantizeError> {
        self.check_weight(weight)?;
        prg.check((update.len() as u128 + 1) * 4)?;
        let rounding = Key::new(prg, rounding);
        let mut word = [0; 4];
        with_kernel!(backend, kernel => kernel.expand(&rounding, 0, &mut word));
        let weight_lane = self.weight_lane(weight, u32::from_le_bytes(word));
        Ok(QuantizePass { scale: self.scale(weight_lane), weight_lane, rounding, update })
    }

    /// The whole part is kept from rounding, so that whole lanes are exact whatever their number.
    fn weight_lane(&self, weight: f64, word: u32) -> u64 {
        const TWO_52: f64 = (1_u64 << 52) as f64;
        let lanes = weight * self.weight_scale;
        let whole = (lanes + TWO_52) - TWO_52;
        let low = -whole * LANE;
        let high = (self.max_weight_lane - whole) * LANE;
        pass::round((lanes - whole) * LANE, word, low, high, whole * LANE)
    }

    fn scale(&self, weight_lane: u64) -> Scale {
        let weight = weight_lane as f64 / self.weight_scale;
        let reach = self.zero() * (weight / self.max_weight);
        let factor = reach / self.clipping_range;
        // An element of c reaches A, where rounding has made the quotient too small. The weight is
        // secret, so there is no branch: the next larger number has the next bits, since the
        // quotient is finite, and above zero where it is short.
        let short = u64::from(self.clipping_range * factor < reach);
        let factor = f64::from_bits(factor.to_bits() + short);
        Scale {
            clipping_range: self.clipping_range,
            factor: factor * LANE,
            reach: reach * LANE,
            zero: self.zero() * LANE,
        }
    }

    /// L, the lane of zero.
    fn zero(&self) -> f64 {
        zero(self.quantization_range) as f64
    }

    fn check_weight(&self, weight: f64) -> Result<(), QuantizeError> {
        if (0.0..=self.max_weight).contains(&weight) {
            return Ok(());
        }
        Err(QuantizeError::InvalidWeight { max_weight: self.max_weight })
    }

    fn check_lanes<L: Lane>(&self, elements: usize, lanes: &[L]) -> Result<(), QuantizeError> {
        if lanes.len() != elements + 2 {
            return Err(QuantizeError::Length { expected: elements + 2, found: lanes.len() });
        }
        if L::BITS < 64 && self.quantization_range > 1 << L::BITS {
            return Err(QuantizeError::LaneTooNarrow {
                lane_bits: L::BITS,
                quantization_range: self.quantization_range,
            });
        }
        Ok(())
    }
}

/// L, the lane of zero.
fn zero(quantization_range: u64) -> u64 {
    (quantization_range - 1) / 2
}

/// s and the largest weight lane. Where the largest weight is not whole, a floored s would have no
/// lane for it.
fn weight_scale(quantization_range: u64, max_weight: f64) -> (f64, f64) {
    let top = (2 * zero(quantization_range)) as f64;
    let scale = top / max_weight;
    if scale < 1.0 || max_weight.fract() != 0.0 {
        return (scale, top);
    }
    (scale.floor(), max_weight * scale.floor())
}

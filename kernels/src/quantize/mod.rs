//! Floats become lanes, and sums of lanes become a weighted mean.
//!
//! Everything below is exact: IEEE 754 binary64, rounded to nearest with ties to even after *each* operation, never
//! fused. Another language that follows it makes the same lanes, bit for bit.
//!
//! **Parameters.** The clipping range `c`, the quantization range `q` and the largest weight `w_max`. Derived from them,
//! in the order written:
//!
//! - `h = (q - 1) / 2`, the lane of zero (a whole or half number);
//! - `s = (q - 1) / w_max`, and where that is at least 1 and `w_max` is whole, its floor: lanes per unit of weight, so
//!   that whole weights are exact;
//! - the largest weight lane: `w_max · s` where `s` was floored (a whole number of at most `q - 1`), otherwise `q - 1`.
//!
//! **Rounding.** For lane `i`, `v` is the `i`-th little-endian 32-bit word of the rounding seed's keystream, read as a
//! signed number, and `r = (v + 0.5) · 2^-32`, which lies strictly between -1/2 and 1/2. `round(y, top)` is `y + r`,
//! raised to 0, lowered to `top`, and rounded to the nearest whole number, ties to even. (Add 2^52 and read the low 52
//! bits.)
//!
//! **A vector** of `m` elements becomes `m + 1` lanes.
//!
//! - Lane 0 is the weight `w`: `round(w · s, largest weight lane)`. The weight that counts from here on is
//!   `ŵ = lane 0 / s`.
//! - Lane `1 + i` is element `x` of index `i`: `round(min(max(x, -c), c) · a + h, q - 1)`, with
//!   `a = (ŵ / w_max) · ((q - 1) / (2 · c))`.
//!
//! Elements are scaled by `ŵ`, not by `w`, so that numerator and denominator of the mean speak of the same weight.
//!
//! **The mean.** With `n` clients, `S_i` the sum of lane `i` modulo 2^b (which cannot have wrapped), and `Ŵ = S_0 / s`:
//!
//! - `t = 2 · S_i - n · (q - 1)`, in exact integers, then rounded to binary64;
//! - `mean = (t · 0.5) · k`, with `k = ((2 · c) / (q - 1)) · (w_max / Ŵ)`.
//!
//! Honest lanes satisfy `S_0 ≤ n · largest weight lane` and `|t| / 2 ≤ h · Ŵ / w_max + n`, the second up to the
//! rounding below. Sums that do not were made by a wrong mask or a misbehaving client, and are refused.
//!
//! **Bias.** Rounding up happens with a probability that is the fraction of `y`, to within 2^-32. Computing `y` and
//! adding `r` rounds by at most `(q - 1) · 2^-50` together. So the expectation of a lane differs from the exact product by less
//! than `2^-32 + (q - 1) · 2^-50`: below 2^-27 of a lane at the default q = 2^22, about a quarter at the largest, 2^48.

mod dequantize;
mod error;
mod pass;
mod real;

use crate::arch::{Kernel, with_kernel};
use crate::prg::Key;
use crate::{Backend, Lane, Modulus, Prg, Seed};

pub(crate) use dequantize::Unscale;
pub use error::{DequantizeError, InvalidQuantizer, QuantizeError, SumOverflow};
use pass::LANE;
pub(crate) use pass::{QuantizePass, Scale};
pub use real::Real;

/// The largest quantization range, 2^48. Beyond it a binary64 has too few bits left for the fraction that stochastic
/// rounding needs.
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
/// let mut lanes = [0_u32; 3];
/// let rounding = Seed::from_bytes([3; 32]);
/// quantizer.quantize(Backend::detect(), Prg::default(), &rounding, 1000.0, &[-9.0, 8.0], &mut lanes)?;
/// assert_eq!(lanes, [4_194_000, 0, 4_194_303]); // the weight in units of 1/4194, then both ends of the range
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
    /// A quantizer that clips elements to ±`clipping_range`, maps them to `quantization_range` lanes, and takes weights
    /// up to `max_weight`.
    ///
    /// # Errors
    /// [`InvalidQuantizer`] unless the clipping range and the largest weight lie from 1e-100 to 1e100 and the
    /// quantization range from 2 to [`MAX_QUANTIZATION_RANGE`].
    pub fn new(
        clipping_range: f64,
        quantization_range: u64,
        max_weight: f64,
    ) -> Result<Self, InvalidQuantizer> {
        if !(SMALLEST..=LARGEST).contains(&clipping_range) {
            return Err(InvalidQuantizer::ClippingRange(clipping_range));
        }
        if !(2..=MAX_QUANTIZATION_RANGE).contains(&quantization_range) {
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

    /// q: a lane of one client is from 0 to q - 1.
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

    /// The largest quantization range whose sum over `clients` clients stays below the modulus, or `None` if not even 2 does.
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
        (range >= 2).then_some(range)
    }

    /// Checks that the sum of `clients` clients cannot reach the modulus: `clients` · (q - 1) < 2^b.
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

    /// The largest difference, in any element, between the mean that [`dequantize`](crate::Accumulator::dequantize)
    /// gives and the true weighted mean of the clipped updates, when all weights are
    /// [exact](Self::weight_is_exact): n · 2c / (q - 1) · `w_max` / `total_weight`, plus the rounding of binary64.
    ///
    /// A mean in `f32` is rounded once more, by at most c · [`UNIT_ROUNDOFF`](Real::UNIT_ROUNDOFF).
    pub fn error_bound(&self, clients: u64, total_weight: f64) -> f64 {
        let top = self.top();
        let step = 2.0 * self.clipping_range / top;
        let rounding =
            clients as f64 * step * (self.max_weight / total_weight) * (1.0 + top * F64_ROUNDING);
        rounding + self.clipping_range * (4.0 * F64_ROUNDING)
    }

    /// The same as [`error_bound`](Self::error_bound) for weights that need not be exact. Each may be off by 1/s,
    /// which adds n · (1/s) · 2c / `total_weight`; `total_weight` is the one that
    /// [`dequantize`](crate::Accumulator::dequantize) gives.
    pub fn error_bound_with_inexact_weights(&self, clients: u64, total_weight: f64) -> f64 {
        let weights =
            clients as f64 / self.weight_scale * (2.0 * self.clipping_range / total_weight);
        self.error_bound(clients, total_weight) + weights
    }

    /// Quantizes a weight and an update into `lanes`, on the calling thread: the weight in lane 0, element i in lane 1 + i.
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
        pass.tile(backend, 0, lanes).map_or(Ok(()), |index| Err(QuantizeError::NonFinite { index }))
    }

    /// Checks all that can be checked without reading the elements, and computes what all tiles share.
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
        let weight_lane = {
            let value = weight * self.weight_scale * LANE;
            pass::round(value, u32::from_le_bytes(word), self.max_weight_lane * LANE)
        };
        Ok(QuantizePass { scale: self.scale(weight_lane), weight_lane, rounding, update })
    }

    fn scale(&self, weight_lane: u64) -> Scale {
        let weight = weight_lane as f64 / self.weight_scale;
        Scale {
            clipping_range: self.clipping_range,
            factor: (weight / self.max_weight) * (self.top() / (2.0 * self.clipping_range)) * LANE,
            middle: self.top() / 2.0 * LANE,
            top: self.top() * LANE,
        }
    }

    /// q - 1, the largest lane of one client.
    fn top(&self) -> f64 {
        (self.quantization_range - 1) as f64
    }

    fn check_weight(&self, weight: f64) -> Result<(), QuantizeError> {
        if (0.0..=self.max_weight).contains(&weight) {
            return Ok(());
        }
        Err(QuantizeError::InvalidWeight { max_weight: self.max_weight })
    }

    fn check_lanes<L: Lane>(&self, elements: usize, lanes: &[L]) -> Result<(), QuantizeError> {
        if lanes.len() != elements + 1 {
            return Err(QuantizeError::Length { expected: elements + 1, found: lanes.len() });
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

/// s and the largest weight lane. Where the largest weight is not whole, a floored s would have no lane for it.
fn weight_scale(quantization_range: u64, max_weight: f64) -> (f64, f64) {
    let top = (quantization_range - 1) as f64;
    let scale = top / max_weight;
    if scale < 1.0 || max_weight.fract() != 0.0 {
        return (scale, top);
    }
    (scale.floor(), max_weight * scale.floor())
}

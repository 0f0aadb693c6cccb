//! Sums of lanes become a weighted mean.

use rayon::prelude::*;

use super::{DequantizeError, F64_ROUNDING, Quantizer, clamp, zero};
use crate::arch::{Kernel, with_kernel};
use crate::{Backend, Lane, Modulus, Real, WeightedMean};

/// Lanes that one thread works on at a time: enough to hide the cost of handing them out.
const TILE: usize = 1 << 14;

impl Quantizer {
    /// The mean of `clients` vectors whose sum is `lanes`, not yet reduced modulo `modulus`.
    pub(crate) fn dequantize<F: Real, L: Lane>(
        &self,
        backend: Backend,
        modulus: Modulus,
        clients: u64,
        lanes: &[L],
    ) -> Result<WeightedMean<F>, DequantizeError> {
        self.fits(modulus, clients)?;
        // A mean lies within the clipping range, but for the error of its lanes: hence the half.
        if self.clipping_range > F::LARGEST / 2.0 {
            return Err(DequantizeError::NotRepresentable);
        }
        let [weight, elements @ .., clipped] = lanes else {
            return Err(DequantizeError::ZeroTotalWeight);
        };
        let total_weight = self.total_weight(clients, weight.to_u64() & modulus.max_value())?;
        let unscale = self.unscale(modulus, clients, total_weight);
        let mut mean = vec![F::default(); elements.len()];
        let tiles = mean.par_chunks_mut(TILE).zip(elements.par_chunks(TILE)).enumerate();
        let bad = tiles.filter_map(|(tile, (mean, elements))| {
            let bad = with_kernel!(backend, kernel => kernel.dequantize(&unscale, elements, mean));
            bad.map(|index| 1 + tile * TILE + index)
        });
        if let Some(lane) = bad.min() {
            return Err(DequantizeError::SumOutOfRange { lane });
        }
        let clipped = clipped.to_u64() & modulus.max_value();
        if clipped > clients {
            return Err(DequantizeError::SumOutOfRange { lane: lanes.len() - 1 });
        }
        Ok(WeightedMean { mean, total_weight, clipped })
    }

    fn total_weight(&self, clients: u64, sum: u64) -> Result<f64, DequantizeError> {
        // The largest weight lane is a whole number below 2^48, so the product of integers is
        // exact.
        if u128::from(sum) > u128::from(clients) * self.max_weight_lane as u128 {
            return Err(DequantizeError::SumOutOfRange { lane: 0 });
        }
        if sum == 0 {
            Err(DequantizeError::ZeroTotalWeight)
        } else {
            Ok(sum as f64 / self.weight_scale)
        }
    }

    fn unscale(&self, modulus: Modulus, clients: u64, total_weight: f64) -> Unscale {
        let (zero, clients_f64) = (self.zero(), clients as f64);
        let honest =
            zero * (total_weight / self.max_weight) + clients_f64 * (1.0 + zero * F64_ROUNDING);
        Unscale {
            mask: modulus.max_value(),
            zero: clients * self::zero(self.quantization_range),
            factor: (self.clipping_range / zero) * (self.max_weight / total_weight),
            // 2^-40 is far more than binary64 loses, and far less than a lie gains.
            largest_offset: honest * (1.0 + 1.0 / (1_u64 << 40) as f64),
            clipping_range: self.clipping_range,
        }
    }
}

/// The map from a sum of lanes to a mean.
#[derive(Clone, Copy)]
pub(crate) struct Unscale {
    /// 2^b - 1.
    mask: u64,
    /// n · L, below 2^63.
    zero: u64,
    /// k.
    factor: f64,
    /// How far an honest sum can be from n · L.
    largest_offset: f64,
    /// c.
    clipping_range: f64,
}

impl Unscale {
    /// The mean of one element, and whether its sum is one that honest clients can make.
    #[inline(always)]
    pub(crate) fn mean<L: Lane>(&self, lane: L) -> (f64, bool) {
        let sum = lane.to_u64() & self.mask;
        let offset = self.offset(sum);
        let mean = clamp(offset * self.factor, -self.clipping_range, self.clipping_range);
        (mean, sum <= 2 * self.zero && offset.abs() <= self.largest_offset)
    }

    /// `S - n · L`, computed exactly and rounded once; of no meaning where `S` is above `2n · L`.
    #[inline(always)]
    fn offset(&self, sum: u64) -> f64 {
        const TWO_52: u64 = 1 << 52;
        if self.mask < TWO_52 {
            // A whole number below 2^52 is the low bits of 2^52 plus itself. Unlike a conversion
            // from 64-bit integers, this has vector instructions everywhere.
            let sum = f64::from_bits((TWO_52 as f64).to_bits() | sum) - TWO_52 as f64;
            return sum - self.zero as f64;
        }
        sum.wrapping_sub(self.zero) as i64 as f64
    }
}

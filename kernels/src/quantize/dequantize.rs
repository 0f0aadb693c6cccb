//! Sums of lanes become a weighted mean.

use rayon::prelude::*;

use super::{DequantizeError, F64_ROUNDING, Quantizer};
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
        let (weight, elements) = lanes.split_first().ok_or(DequantizeError::ZeroTotalWeight)?;
        let total_weight = self.total_weight(clients, weight.to_u64() & modulus.max_value())?;
        let unscale = self.unscale(modulus, clients, total_weight);
        let mut mean = vec![F::default(); elements.len()];
        let tiles = mean.par_chunks_mut(TILE).zip(elements.par_chunks(TILE)).enumerate();
        let bad = tiles.filter_map(|(tile, (mean, elements))| {
            let bad = with_kernel!(backend, kernel => kernel.dequantize(&unscale, elements, mean));
            bad.map(|index| 1 + tile * TILE + index)
        });
        bad.min().map_or(Ok(WeightedMean { mean, total_weight }), |lane| {
            Err(DequantizeError::SumOutOfRange { lane })
        })
    }

    fn total_weight(&self, clients: u64, sum: u64) -> Result<f64, DequantizeError> {
        // The largest weight lane is a whole number below 2^48, so the product of integers is exact.
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
        let (top, clients_f64) = (self.top(), clients as f64);
        let honest =
            top / 2.0 * (total_weight / self.max_weight) + clients_f64 * (1.0 + top * F64_ROUNDING);
        Unscale {
            mask: modulus.max_value(),
            largest_sum: clients * (self.quantization_range - 1),
            factor: (2.0 * self.clipping_range / top) * (self.max_weight / total_weight),
            // 2^-40 is far more than binary64 loses, and far less than a lie gains.
            largest_offset: honest * (1.0 + 1.0 / (1_u64 << 40) as f64),
        }
    }
}

/// The map from a sum of lanes to a mean.
#[derive(Clone, Copy)]
pub(crate) struct Unscale {
    /// 2^b - 1.
    mask: u64,
    /// n · (q - 1).
    largest_sum: u64,
    /// k.
    factor: f64,
    /// How far an honest sum can be from n · h.
    largest_offset: f64,
}

impl Unscale {
    /// The mean of one element, and whether its sum is one that honest clients can make.
    #[inline(always)]
    pub(crate) fn mean<L: Lane>(&self, lane: L) -> (f64, bool) {
        let sum = lane.to_u64() & self.mask;
        let offset = self.offset(sum);
        (offset * self.factor, sum <= self.largest_sum && offset.abs() <= self.largest_offset)
    }

    /// `S - n·(q - 1)/2`, computed exactly and rounded once.
    #[inline(always)]
    fn offset(&self, sum: u64) -> f64 {
        const TWO_52: u64 = 1 << 52;
        const TWO_62: u64 = 1 << 62;
        if self.mask < TWO_52 {
            // A whole number below 2^52 is the low bits of 2^52 plus itself, and half numbers below 2^52 are exact. Unlike
            // a conversion from 64-bit integers, this has vector instructions everywhere.
            let sum = f64::from_bits((TWO_52 as f64).to_bits() | sum) - TWO_52 as f64;
            return sum - self.largest_sum as f64 * 0.5;
        }
        if self.largest_sum < TWO_62 && sum < TWO_62 {
            return (2 * sum as i64 - self.largest_sum as i64) as f64 * 0.5;
        }
        // Six times as slow, and only near the end of 64 bits.
        (2 * i128::from(sum) - i128::from(self.largest_sum)) as f64 * 0.5
    }
}

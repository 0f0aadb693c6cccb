//! Errors of quantizers, updates and sums. No error holds an update's values or its
//! weight.

use thiserror::Error;

use crate::KeystreamLimit;

/// Parameters that make no quantizer.
#[derive(Clone, Copy, PartialEq, Debug, Error)]
pub enum InvalidQuantizer {
    /// The clipping range is not a number from 1e-100 to 1e100.
    #[error("a clipping range of {0} is not a positive number (1e-100 to 1e100)")]
    ClippingRange(f64),
    /// The quantization range is not from 7 to 2^48.
    #[error("a quantization range of {0} is not from 7 to 2^48")]
    QuantizationRange(u64),
    /// The largest weight is not a number from 1e-100 to 1e100.
    #[error("a largest weight of {0} is not a positive number (1e-100 to 1e100)")]
    MaxWeight(f64),
}

/// The sum over all clients could reach the modulus and wrap.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error(
    "{clients} clients × (quantization range {quantization_range} - 1) reaches the modulus range {modulus_range}: \
     raise the modulus range, or lower the quantization range or the number of clients"
)]
pub struct SumOverflow {
    /// Clients in the sum.
    pub clients: u64,
    /// q.
    pub quantization_range: u64,
    /// 2^b.
    pub modulus_range: u128,
}

/// An update that cannot be quantized.
#[derive(Clone, Copy, PartialEq, Debug, Error)]
pub enum QuantizeError {
    /// The weight is negative, not a number, or above the largest weight.
    #[error("the weight is not from 0 to {max_weight}, the largest weight")]
    InvalidWeight {
        /// The largest weight.
        max_weight: f64,
    },
    /// An element is infinite or not a number.
    #[error("element {index} of the update is not finite")]
    NonFinite {
        /// The index in the update of the first such element.
        index: usize,
    },
    /// There is not one lane for the weight, one for each element, and one for whether the client
    /// clipped.
    #[error(
        "{found} lanes where the weight, the elements and the mark of clipping take {expected}"
    )]
    Length {
        /// Lanes that the update takes.
        expected: usize,
        /// Lanes that were given.
        found: usize,
    },
    /// The lane's word is narrower than the quantization range.
    #[error(
        "a lane of {lane_bits} bits does not hold a quantization range of {quantization_range}"
    )]
    LaneTooNarrow {
        /// Bits in the word.
        lane_bits: u32,
        /// q.
        quantization_range: u64,
    },
    /// The update is longer than the rounding seed's keystream.
    #[error(transparent)]
    KeystreamLimit(#[from] KeystreamLimit),
}

/// A sum that is not the sum of so many honest vectors.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum DequantizeError {
    /// The sum may have wrapped, so that nothing can be said about it.
    #[error(transparent)]
    SumOverflow(#[from] SumOverflow),
    /// All weights are zero, or there are fewer than two lanes, so there is no mean.
    #[error("the sum of all weights is zero, or too small a part of max_weight: lower that")]
    ZeroTotalWeight,
    /// The clipping range reaches beyond the largest number of the mean's float type.
    #[error("a mean within the clipping range may not be finite as f32: ask for f64")]
    NotRepresentable,
    /// A lane is larger than honest clients of this total weight can make it: a mask was not
    /// removed, or a client lied.
    #[error("lane {lane} of the sum is outside of what the clients' weights allow")]
    SumOutOfRange {
        /// The first such lane; lane 0 is the weight, and the last counts the clients that clipped.
        lane: usize,
    },
}

use secagg::Params;
use secagg_kernels::Quantizer;
use serde::Serialize;

/// A modulus with its levels, their bytes and their errors.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Quantization {
    /// Bits of the modulus.
    pub modulus_bits: u32,
    /// Levels of the quantizer.
    pub quantization_range: u64,
    /// The masked vector of one client.
    pub bytes_per_vector: u64,
    /// The largest error that any element of the mean can have, whatever the weights.
    pub error_bound: f64,
    /// The root of the mean square of the errors, as it is to be expected.
    pub expected_rms_error: f64,
}

impl Quantization {
    /// With so many survivors, of this weight on average.
    pub(super) fn new(params: &Params, survivors: u32, mean_weight: f64) -> Self {
        let quantizer = params.quantizer();
        let total_weight = f64::from(survivors) * mean_weight;
        Self {
            modulus_bits: params.modulus().width(),
            quantization_range: quantizer.quantization_range(),
            bytes_per_vector: params.packed_len() as u64,
            error_bound: quantizer
                .error_bound_with_inexact_weights(u64::from(survivors), total_weight),
            expected_rms_error: expected_rms_error(quantizer, survivors, total_weight),
        }
    }
}

/// c / L · w_max / W · √(S / 6), where L = ⌊(q - 1) / 2⌋, for S survivors with a total weight of W.
///
/// A lane whose exact value has the fraction f is rounded up with probability f, so its error has a
/// variance of f (1 - f): 1/6 if all fractions are equally likely, as they are where updates spread
/// over many levels. Errors of different clients are independent, and the mean has the sum of their
/// variances, scaled from lanes to elements.
fn expected_rms_error(quantizer: &Quantizer, survivors: u32, total_weight: f64) -> f64 {
    let zero = (quantizer.quantization_range() - 1) / 2;
    let step = quantizer.clipping_range() / zero as f64;
    step * (quantizer.max_weight() / total_weight) * (f64::from(survivors) / 6.0).sqrt()
}

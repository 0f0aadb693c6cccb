//! The least cost of masks on this machine.

use std::hint::black_box;
use std::time::Instant;

use secagg_kernels::{Backend, ceiling};

use super::Parameters;

/// Some hundredths of a second of each core.
const BYTES: u64 = 1 << 29;

/// The rate of AES rounds of a core while all are at work; AES-128-CTR takes ten of them for each
/// block of 16 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Bytes of keystream in a processor second.
    pub bytes_per_second: f64,
}

impl Limit {
    /// Does nothing else for a moment, and looks at the clock.
    pub fn measure(backend: Backend) -> Self {
        let start = Instant::now();
        rayon::broadcast(|_| black_box(ceiling::aes_rounds(backend, BYTES)));
        Self { bytes_per_second: BYTES as f64 / start.elapsed().as_secs_f64() }
    }

    /// Processor seconds for so many masks.
    pub(super) fn seconds(self, parameters: &Parameters, masks: usize) -> f64 {
        // Two lanes beside those of the elements: the weight, and the count of clients that
        // clipped.
        let lanes = masks as f64 * (parameters.dimension as f64 + 2.0);
        let lane_bytes = parameters.modulus_bits.div_ceil(8).next_power_of_two().max(2);
        lanes * f64::from(lane_bytes) / self.bytes_per_second
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "small whole numbers are exact")]
mod tests {
    use secagg::Params;

    use super::*;

    /// A second for each byte, of lanes of 32 bits.
    #[test]
    fn a_mask_covers_all_lanes_of_a_masked_vector() {
        let params = Params::secagg(4, 10, 0.67).modulus_range(1 << 32).build().unwrap();
        let seconds =
            Limit { bytes_per_second: 1.0 }.seconds(&super::super::parameters(&params), 3);
        assert_eq!(seconds, 3.0 * 4.0 * params.lanes() as f64);
    }
}

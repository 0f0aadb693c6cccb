//! The client's one pass: quantize, mask and pack, tile by tile.

use rayon::prelude::*;
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use crate::arch::{Kernel, with_kernel};
use crate::quantize::QuantizePass;
use crate::{
    Backend, KeystreamLimit, Lane, MaskPlan, Modulus, QuantizeError, Quantizer, Real, Seed,
    SumOverflow,
};

/// Bytes of lanes that one thread works on at a time: all stages of a tile fit in the first cache. A multiple of 8 lanes,
/// so that tiles begin on whole bytes at every width; and what AEGIS makes from one state.
const TILE_BYTES: usize = 16 << 10;

/// Bytes of lanes, for each thread, by which the output grows at a time. Growing it writes zeros, which should still be in
/// the second cache when the tiles are written over them.
const SECTION_BYTES: usize = 1 << 20;

/// Everything that turns an update into a masked vector.
///
/// The output is the same, bit for bit, for any number of threads. Beside it the pass needs one tile of lanes per
/// thread, which is wiped.
#[derive(Clone, Copy, Debug)]
pub struct ClientPass<'a> {
    /// The instructions to use.
    pub backend: Backend,
    /// The modulus of the sum.
    pub modulus: Modulus,
    /// How floats become lanes.
    pub quantizer: &'a Quantizer,
    /// The masks to apply. Their generator also makes the rounding bits.
    pub plan: &'a MaskPlan,
    /// The seed of the rounding bits: fresh for every vector, known to this client alone, and the seed of no mask.
    pub rounding: &'a Seed,
}

/// An update that cannot be masked.
#[derive(Clone, Copy, PartialEq, Debug, Error)]
pub enum ClientPassError {
    /// The quantization range is larger than the modulus.
    #[error(transparent)]
    SumOverflow(#[from] SumOverflow),
    /// The update cannot be quantized.
    #[error(transparent)]
    Quantize(#[from] QuantizeError),
    /// The vector is longer than a mask.
    #[error(transparent)]
    KeystreamLimit(#[from] KeystreamLimit),
}

impl ClientPass<'_> {
    /// Appends the masked vector of an update to `out`: the weight and the m elements, quantized, masked and packed,
    /// [`packed_len(m + 1)`](Modulus::packed_len) bytes. Uses the threads of the current rayon pool.
    ///
    /// # Errors
    /// [`ClientPassError`]; `out` is then as it was. Of several elements that are not finite, the first is named.
    pub fn masked_vector<F: Real>(
        &self,
        weight: f64,
        update: &[F],
        out: &mut Vec<u8>,
    ) -> Result<(), ClientPassError> {
        self.quantizer.fits(self.modulus, 1)?;
        match self.modulus.width() {
            ..=16 => self.run::<F, u16>(weight, update, out),
            17..=32 => self.run::<F, u32>(weight, update, out),
            _ => self.run::<F, u64>(weight, update, out),
        }
    }

    fn run<F: Real, L: Lane>(
        &self,
        weight: f64,
        update: &[F],
        out: &mut Vec<u8>,
    ) -> Result<(), ClientPassError> {
        let lanes = update.len() + 1;
        self.plan.check::<L>(0, lanes)?;
        let quantize =
            self.quantizer.prepare(self.backend, self.plan.prg(), self.rounding, weight, update)?;
        let start = out.len();
        if let Some(index) = self.append::<F, L>(&quantize, lanes, out) {
            out[start..].zeroize();
            out.truncate(start);
            return Err(QuantizeError::NonFinite { index }.into());
        }
        Ok(())
    }

    /// Writes all sections. Answers the index of the first element that is not finite.
    fn append<F: Real, L: Lane>(
        &self,
        quantize: &QuantizePass<'_, F>,
        lanes: usize,
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        out.reserve(self.modulus.packed_len(lanes));
        let section = SECTION_BYTES / L::BYTES * rayon::current_num_threads();
        for first_lane in (0..lanes).step_by(section) {
            let (start, lanes) = (out.len(), section.min(lanes - first_lane));
            out.resize(start + self.modulus.packed_len(lanes), 0);
            let bad = self.fill::<F, L>(quantize, first_lane, lanes, &mut out[start..]);
            if bad.is_some() {
                return bad;
            }
        }
        None
    }

    /// Writes the tiles of one section. Answers the index of the first element that is not finite.
    fn fill<F: Real, L: Lane>(
        &self,
        quantize: &QuantizePass<'_, F>,
        first_lane: usize,
        lanes: usize,
        out: &mut [u8],
    ) -> Option<usize> {
        let tile_lanes = TILE_BYTES / L::BYTES;
        let scratch = || Zeroizing::new(vec![L::default(); tile_lanes.min(lanes)]);
        let tiles = out.par_chunks_mut(self.modulus.packed_len(tile_lanes)).enumerate();
        let bad = tiles.map_init(scratch, |scratch, (tile, bytes)| {
            let done = tile * tile_lanes;
            let scratch = &mut scratch[..tile_lanes.min(lanes - done)];
            self.tile(quantize, first_lane + done, scratch, bytes)
        });
        bad.flatten().min()
    }

    fn tile<F: Real, L: Lane>(
        &self,
        quantize: &QuantizePass<'_, F>,
        first_lane: usize,
        lanes: &mut [L],
        bytes: &mut [u8],
    ) -> Option<usize> {
        let bad = quantize.tile(self.backend, first_lane, lanes);
        if bad.is_none() {
            self.plan.apply_tile(self.backend, first_lane as u64, lanes);
            with_kernel!(self.backend, kernel => kernel.pack(self.modulus.width(), L::lanes(lanes), bytes));
        }
        bad
    }
}

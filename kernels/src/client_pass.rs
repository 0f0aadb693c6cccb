//! The client's one pass: quantize, mask and pack, tile by tile.

use std::sync::atomic::{AtomicBool, Ordering};

use thiserror::Error;

use crate::arch::generic::wipe;
use crate::arch::memory::{Unwritten, append_tiles};
use crate::arch::{Kernel, with_kernel};
use crate::quantize::QuantizePass;
use crate::{
    Backend, KeystreamLimit, Lane, MaskPlan, Modulus, QuantizeError, Quantizer, Real, Seed,
    SumOverflow, pack,
};

/// Bytes of lanes that one thread works on at a time: all stages of a tile fit in the first cache.
/// A multiple of 8 lanes, so that tiles begin on whole bytes at every width; and what AEGIS makes
/// from one state.
const TILE_BYTES: usize = 16 << 10;

/// Everything that turns an update into a masked vector.
///
/// The output is the same, bit for bit, for any number of threads. Beside it the pass needs one
/// tile per thread, which is wiped.
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
    /// The seed of the rounding bits: fresh for every vector, known to this client alone, and the
    /// seed of no mask.
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
    /// Appends the masked vector of an update to `out`: the weight, the m elements and whether the
    /// client clipped, quantized, masked and packed, [`packed_len(m + 2)`](Modulus::packed_len)
    /// bytes. Uses the threads of the current rayon pool.
    ///
    /// # Errors
    /// [`ClientPassError`]; `out` is then as it was. Of several elements that are not finite, the
    /// first is named.
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
        let lanes = update.len() + 2;
        self.plan.check::<L>(0, lanes)?;
        let quantize =
            self.quantizer.prepare(self.backend, self.plan.prg(), self.rounding, weight, update)?;
        let tile_lanes = TILE_BYTES / L::BYTES;
        let packed = [lanes, tile_lanes].map(|lanes| self.modulus.packed_len(lanes));
        let clipped = AtomicBool::new(false);
        let scratch = || Scratch::new(self.modulus, tile_lanes.min(lanes));
        let tile = |scratch: &mut Scratch<L>, index, out: &mut Unwritten<'_>| {
            let first_lane = index * tile_lanes;
            let lanes = tile_lanes.min(lanes - first_lane);
            let Scratch { lanes: all, packed } = scratch;
            match self.tile(&quantize, first_lane, &mut all[..lanes], packed, out) {
                Ok(clips) => {
                    clipped.fetch_or(clips, Ordering::Relaxed);
                    None
                }
                Err(index) => Some(index),
            }
        };
        let start = out.len();
        if let Some(index) = append_tiles(self.backend, out, packed.into(), scratch, tile) {
            return Err(QuantizeError::NonFinite { index }.into());
        }
        // All elements were seen before the last lane can say whether one was clipped; it holds its
        // masks by then.
        pack::add_to_lane(self.modulus, lanes - 1, &mut out[start..], clipped.into_inner().into());
        Ok(())
    }

    /// Quantizes, masks and packs one tile. Answers whether one of its elements was clipped, or the
    /// index of the first that is not finite.
    fn tile<F: Real, L: Lane>(
        &self,
        quantize: &QuantizePass<'_, F>,
        first_lane: usize,
        lanes: &mut [L],
        packed: &mut [u8],
        out: &mut Unwritten<'_>,
    ) -> Result<bool, usize> {
        let clips = quantize.tile(self.backend, first_lane, lanes)?;
        self.plan.apply_tile(self.backend, first_lane as u64, lanes);
        let packed = &mut packed[..out.len()];
        with_kernel!(self.backend, kernel => kernel.pack(self.modulus.width(), L::lanes(lanes), packed));
        out.put(packed);
        Ok(clips)
    }
}

/// One tile, wiped on drop: as lanes, which were not masked at first, and packed.
struct Scratch<L: Lane> {
    lanes: Vec<L>,
    packed: Vec<u8>,
}

impl<L: Lane> Scratch<L> {
    fn new(modulus: Modulus, lanes: usize) -> Self {
        Self { lanes: vec![L::default(); lanes], packed: vec![0; modulus.packed_len(lanes)] }
    }
}

impl<L: Lane> Drop for Scratch<L> {
    fn drop(&mut self) {
        wipe(&mut self.lanes);
        wipe(&mut self.packed);
    }
}

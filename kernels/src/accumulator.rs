//! The server's one vector: masked vectors are added to it, and masks are taken off it.

use std::fmt;
use std::ops::Range;

use rayon::prelude::*;

use crate::arch::{Kernel, with_kernel};
use crate::lane::Slices;
use crate::{
    Backend, DequantizeError, KeystreamLimit, Lane, MaskPlan, Modulus, PackError, Quantizer, Real,
    Stripes, pack,
};

/// Lanes that one thread unpacks at a time.
const TILE: usize = Stripes::LANES;

/// Up to so many lanes a masked vector is added by the thread that calls: that takes less time than
/// to wake another.
pub(crate) const ALONE: usize = 8 * TILE;

/// The sum of masked vectors: one vector of lanes, however many are added. A lane is the smallest
/// word that holds the modulus.
///
/// `Debug` shows the modulus and the length, not the sum.
#[derive(Clone)]
pub struct Accumulator {
    modulus: Modulus,
    lanes: Lanes,
}

/// Reading of a sum: the weighted mean of the updates, the sum of their weights, and how many
/// clients clipped.
#[derive(Clone, PartialEq, Debug)]
pub struct WeightedMean<F> {
    /// The weighted mean, element by element.
    pub mean: Vec<F>,
    /// The sum of all weights, as quantized.
    pub total_weight: f64,
    /// Clients with an element beyond the clipping range.
    pub clipped: u64,
}

#[derive(Clone)]
enum Lanes {
    U16(Vec<u16>),
    U32(Vec<u32>),
    U64(Vec<u64>),
}

/// Evaluates an expression with the lanes, whatever their word.
macro_rules! with_lanes {
    ($lanes:expr, $name:ident => $body:expr) => {
        match $lanes {
            Lanes::U16($name) => $body,
            Lanes::U32($name) => $body,
            Lanes::U64($name) => $body,
        }
    };
}

impl Accumulator {
    /// A vector of `lanes` zeros. An update of m elements takes m + 2 lanes: its weight comes
    /// first, and last whether the client clipped.
    pub fn new(modulus: Modulus, lanes: usize) -> Self {
        let lanes = match modulus.width() {
            ..=16 => Lanes::U16(vec![0; lanes]),
            17..=32 => Lanes::U32(vec![0; lanes]),
            _ => Lanes::U64(vec![0; lanes]),
        };
        Self { modulus, lanes }
    }

    /// The number of lanes.
    pub fn len(&self) -> usize {
        with_lanes!(&self.lanes, lanes => lanes.len())
    }

    /// Whether there are no lanes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The modulus of the sum.
    pub fn modulus(&self) -> Modulus {
        self.modulus
    }

    /// One lane of the sum, from 0 to 2^b - 1.
    ///
    /// # Panics
    /// If there is no such lane.
    pub fn get(&self, lane: usize) -> u64 {
        with_lanes!(&self.lanes, lanes => lanes[lane].to_u64()) & self.modulus.max_value()
    }

    /// Unpacks a masked vector and adds it, in one pass, allocating nothing. Long vectors are
    /// spread over the threads of the current rayon pool; short ones are added before another
    /// thread would be awake.
    ///
    /// # Errors
    /// [`PackError::Length`] and [`PackError::NonZeroPadding`]; the sum is then as it was.
    pub fn add_packed(&mut self, backend: Backend, bytes: &[u8]) -> Result<(), PackError> {
        pack::check_bytes(self.modulus, self.len(), bytes)?;
        let width = self.modulus.width();
        with_lanes!(&mut self.lanes, lanes => {
            let add = |lanes: &mut [_], bytes| with_kernel!(backend, kernel => kernel.unpack_add(width, bytes, Slices::lanes_mut(lanes)));
            if lanes.len() <= ALONE {
                add(lanes, bytes);
            } else {
                let tiles = lanes.par_chunks_mut(TILE).zip(bytes.par_chunks(self.modulus.packed_len(TILE)));
                tiles.for_each(|(lanes, bytes)| add(lanes, bytes));
            }
        });
        Ok(())
    }

    /// The same sum for many threads to add to at once, as long as it is borrowed.
    pub fn stripes(&mut self) -> Stripes<'_> {
        let (modulus, len) = (self.modulus, self.len());
        with_lanes!(&mut self.lanes, lanes => {
            Stripes::new(modulus, len, lanes.chunks_mut(Stripes::LANES).map(Slices::lanes_mut))
        })
    }

    /// Packs the sum behind what `out` already holds: a vector that
    /// [`add_packed`](Self::add_packed) reads, so that a sum can be stored, or gathered from
    /// several machines.
    pub fn append_packed(&self, backend: Backend, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + self.modulus.packed_len(self.len()), 0);
        let (width, bytes) = (self.modulus.width(), &mut out[start..]);
        with_lanes!(&self.lanes, lanes => {
            let tiles = lanes.par_chunks(TILE).zip(bytes.par_chunks_mut(self.modulus.packed_len(TILE)));
            tiles.for_each(|(lanes, bytes)| with_kernel!(backend, kernel => kernel.pack(width, Slices::lanes(lanes), bytes)));
        });
    }

    /// Applies all masks of a plan to the whole sum.
    ///
    /// # Errors
    /// [`KeystreamLimit`] if the vector is longer than a mask; the sum is then as it was.
    pub fn apply(&mut self, backend: Backend, plan: &MaskPlan) -> Result<(), KeystreamLimit> {
        self.apply_range(backend, plan, 0..self.len())
    }

    /// Applies all masks of a plan to some of the lanes. Ranges may be done in any order, by any
    /// thread.
    ///
    /// # Errors
    /// [`KeystreamLimit`] if the range is longer than a mask; the sum is then as it was.
    ///
    /// # Panics
    /// If the range is not within the vector.
    pub fn apply_range(
        &mut self,
        backend: Backend,
        plan: &MaskPlan,
        range: Range<usize>,
    ) -> Result<(), KeystreamLimit> {
        with_lanes!(&mut self.lanes, lanes => plan.apply(backend, range.start as u64, &mut lanes[range]))
    }

    /// The weighted mean of the `clients` updates whose vectors were added, once all masks are off.
    ///
    /// # Errors
    /// [`DequantizeError`] if there is no mean, or if the sum is not one that so many honest
    /// clients can make: an error rather than a wrong model.
    pub fn dequantize<F: Real>(
        &self,
        backend: Backend,
        quantizer: &Quantizer,
        clients: u64,
    ) -> Result<WeightedMean<F>, DequantizeError> {
        with_lanes!(&self.lanes, lanes => quantizer.dequantize(backend, self.modulus, clients, lanes))
    }
}

impl fmt::Debug for Accumulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accumulator")
            .field("modulus", &self.modulus)
            .field("lanes", &self.len())
            .finish()
    }
}

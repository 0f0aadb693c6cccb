//! Masks: keystreams read as lanes, added to or subtracted from a vector and never stored.

mod bytes;

pub use bytes::InvalidPlan;

use std::fmt;

use rayon::prelude::*;

use crate::arch::{Kernel, with_kernel};
use crate::prg::{Aegis128X4Key, Aes128CtrKey, ChaCha20Key};
use crate::{Backend, KeystreamLimit, Lane, Prg, Seed};

/// Bytes of the vector that one thread works on at a time. Every seed passes over a tile while it sits in the first
/// cache, so the vector travels through memory once, not once per seed. Tiles begin at multiples of their size, wherever
/// a range begins, so that generators work in whole groups of blocks.
const TILE_BYTES: usize = 16 << 10;

/// Whether a mask is added or subtracted. Of two clients that share a seed, one does each.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Sign {
    /// The mask is added.
    Add,
    /// The mask is subtracted.
    Subtract,
}

/// The inverse: what removes a mask that was applied with this sign.
impl std::ops::Neg for Sign {
    type Output = Self;

    fn neg(self) -> Self {
        match self {
            Self::Add => Self::Subtract,
            Self::Subtract => Self::Add,
        }
    }
}

/// A list of masks, each with its sign, ready to be applied to any range of a vector.
///
/// Lane i of a mask is the i-th little-endian word of the seed's keystream, in words of the lane's size. Lanes wrap.
/// The result is the same, bit for bit, however the vector is split into ranges, tiles and threads.
///
/// The key schedules are made once and wiped on drop; a mask takes up to about 1000 bytes of memory.
///
/// ```
/// use secagg_kernels::{Backend, MaskPlan, Prg, Seed, Sign};
///
/// let backend = Backend::detect();
/// let seed = Seed::from_bytes([5; 32]);
/// let mut lanes = [1_u32, 2, 3, 4];
/// MaskPlan::new(Prg::Aes128Ctr, &[(seed.clone(), Sign::Add)]).apply(backend, 0, &mut lanes)?;
/// assert_ne!(lanes, [1, 2, 3, 4]);
///
/// // The same mask comes off in two parts.
/// let removal = MaskPlan::new(Prg::Aes128Ctr, &[(seed, Sign::Subtract)]);
/// removal.apply(backend, 3, &mut lanes[3..])?;
/// removal.apply(backend, 0, &mut lanes[..3])?;
/// assert_eq!(lanes, [1, 2, 3, 4]);
/// # Ok::<(), secagg_kernels::KeystreamLimit>(())
/// ```
pub struct MaskPlan {
    masks: Masks,
}

/// The masks of a plan, all of one generator.
pub(crate) enum Masks {
    Aes128Ctr(Vec<(Aes128CtrKey, Sign)>),
    ChaCha20(Vec<(ChaCha20Key, Sign)>),
    Aegis128X4(Vec<(Aegis128X4Key, Sign)>),
}

impl MaskPlan {
    /// A plan of one mask per seed. The order has no influence on the result.
    ///
    /// Seeds are borrowed, so that nothing moves them and leaves copies; the caller's are wiped when it drops them.
    pub fn new(prg: Prg, masks: &[(Seed, Sign)]) -> Self {
        let masks = match prg {
            Prg::Aes128Ctr => Masks::Aes128Ctr(keyed(masks, Aes128CtrKey::new)),
            Prg::ChaCha20 => Masks::ChaCha20(keyed(masks, ChaCha20Key::new)),
            Prg::Aegis128X4 => Masks::Aegis128X4(keyed(masks, Aegis128X4Key::new)),
        };
        Self { masks }
    }

    /// The generator that expands the seeds.
    pub fn prg(&self) -> Prg {
        match &self.masks {
            Masks::Aes128Ctr(_) => Prg::Aes128Ctr,
            Masks::ChaCha20(_) => Prg::ChaCha20,
            Masks::Aegis128X4(_) => Prg::Aegis128X4,
        }
    }

    /// The number of masks.
    pub fn len(&self) -> usize {
        match &self.masks {
            Masks::Aes128Ctr(masks) => masks.len(),
            Masks::ChaCha20(masks) => masks.len(),
            Masks::Aegis128X4(masks) => masks.len(),
        }
    }

    /// Whether there are no masks.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds and subtracts lanes `first_lane..first_lane + lanes.len()` of all masks to `lanes`, on the threads of the
    /// current rayon pool.
    ///
    /// # Errors
    /// [`KeystreamLimit`] if the range ends beyond what one seed gives; no lane is then touched.
    pub fn apply<L: Lane>(
        &self,
        backend: Backend,
        first_lane: u64,
        lanes: &mut [L],
    ) -> Result<(), KeystreamLimit> {
        self.check::<L>(first_lane, lanes.len())?;
        let tile_lanes = TILE_BYTES / L::BYTES;
        let to_boundary = (first_lane.wrapping_neg() % tile_lanes as u64) as usize;
        let (first_tile, rest) = lanes.split_at_mut(to_boundary.min(lanes.len()));
        self.apply_tile(backend, first_lane, first_tile);
        rest.par_chunks_mut(tile_lanes).enumerate().for_each(|(index, tile)| {
            self.apply_tile(backend, first_lane + (to_boundary + index * tile_lanes) as u64, tile);
        });
        Ok(())
    }

    /// Refuses a range of lanes that one seed does not reach.
    pub(crate) fn check<L: Lane>(
        &self,
        first_lane: u64,
        lanes: usize,
    ) -> Result<(), KeystreamLimit> {
        self.prg().check((u128::from(first_lane) + lanes as u128) * L::BYTES as u128)
    }

    /// The same as [`apply`](Self::apply) for a checked range that begins where a tile does, on the calling thread.
    pub(crate) fn apply_here<L: Lane>(&self, backend: Backend, first_lane: u64, lanes: &mut [L]) {
        let tile_lanes = TILE_BYTES / L::BYTES;
        for (first, tile) in (first_lane..).step_by(tile_lanes).zip(lanes.chunks_mut(tile_lanes)) {
            self.apply_tile(backend, first, tile);
        }
    }

    /// The same as [`apply`](Self::apply) for a checked range that fits in cache, on the calling thread.
    pub(crate) fn apply_tile<L: Lane>(&self, backend: Backend, first_lane: u64, tile: &mut [L]) {
        with_kernel!(backend, kernel => kernel.apply_masks(&self.masks, first_lane, tile));
    }
}

impl fmt::Debug for MaskPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MaskPlan").field("prg", &self.prg()).field("masks", &self.len()).finish()
    }
}

/// So many seeds take less time than to wake another thread.
const SEEDS_ALONE: usize = 256;

/// Makes every seed ready for its generator, in a vector that never moves.
fn keyed<K: Send>(masks: &[(Seed, Sign)], new: fn(&Seed) -> K) -> Vec<(K, Sign)> {
    let mut keyed = Vec::with_capacity(masks.len());
    let masks = masks.par_iter().with_min_len(SEEDS_ALONE);
    masks.map(|(seed, sign)| (new(seed), *sign)).collect_into_vec(&mut keyed);
    keyed
}

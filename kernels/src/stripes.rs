//! A sum that many threads add to at once.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;

use crate::accumulator::ALONE;
use crate::arch::{Kernel, with_kernel};
use crate::lane::LanesMut;
use crate::{Backend, KeystreamLimit, MaskPlan, Modulus, PackError, pack};

/// A sum that any number of threads add masked vectors to, and take masks off, at once, in the memory of one:
/// [`Accumulator::stripes`].
///
/// The vector is cut into stripes, each behind a lock of its own. A thread goes from stripe to stripe, and the next one
/// follows a stripe behind. Sums wrap, so the order does not matter.
///
/// ```
/// use secagg_kernels::{Accumulator, Backend, Modulus};
///
/// let mut sum = Accumulator::new(Modulus::from_width(16)?, 3);
/// let stripes = sum.stripes();
/// std::thread::scope(|scope| {
///     for _ in 0..4 {
///         scope.spawn(|| stripes.add_packed(Backend::detect(), &[1, 0, 2, 0, 3, 0]));
///     }
/// });
/// assert_eq!((sum.get(0), sum.get(1), sum.get(2)), (4, 8, 12));
/// # Ok::<(), secagg_kernels::InvalidModulus>(())
/// ```
///
/// [`Accumulator::stripes`]: crate::Accumulator::stripes
pub struct Stripes<'a> {
    modulus: Modulus,
    lanes: usize,
    locked: Vec<Mutex<LanesMut<'a>>>,
}

impl<'a> Stripes<'a> {
    /// Lanes of a stripe; a multiple of 8, so that stripes begin on whole bytes at every width.
    pub(crate) const LANES: usize = 1 << 14;

    /// Stripes of [`LANES`](Self::LANES) lanes, the last of which may be shorter.
    pub(crate) fn new(
        modulus: Modulus,
        lanes: usize,
        stripes: impl Iterator<Item = LanesMut<'a>>,
    ) -> Self {
        Self { modulus, lanes, locked: stripes.map(Mutex::new).collect() }
    }

    /// Unpacks a masked vector and adds it, as [`Accumulator::add_packed`](crate::Accumulator::add_packed) does. A long
    /// vector is spread over the threads of the current rayon pool as well.
    ///
    /// # Errors
    /// [`PackError::Length`] and [`PackError::NonZeroPadding`]; the sum is then as it was.
    pub fn add_packed(&self, backend: Backend, bytes: &[u8]) -> Result<(), PackError> {
        pack::check_bytes(self.modulus, self.lanes, bytes)?;
        let stripe_bytes = self.modulus.packed_len(Self::LANES);
        if self.lanes <= ALONE {
            let stripes = self.locked.iter().zip(bytes.chunks(stripe_bytes));
            stripes.for_each(|(stripe, bytes)| self.add(backend, stripe, bytes));
        } else {
            let stripes = self.locked.par_iter().zip(bytes.par_chunks(stripe_bytes));
            stripes.for_each(|(stripe, bytes)| self.add(backend, stripe, bytes));
        }
        Ok(())
    }

    /// Applies all masks of a plan to the whole sum, on the threads of the current rayon pool, while others may apply other
    /// plans.
    ///
    /// # Errors
    /// [`KeystreamLimit`] if the vector is longer than a mask; the sum is then as it was.
    pub fn apply(&self, backend: Backend, plan: &MaskPlan) -> Result<(), KeystreamLimit> {
        match self.modulus.width() {
            ..=16 => plan.check::<u16>(0, self.lanes),
            17..=32 => plan.check::<u32>(0, self.lanes),
            _ => plan.check::<u64>(0, self.lanes),
        }?;
        self.locked.par_iter().enumerate().for_each(|(index, stripe)| {
            let first_lane = (index * Self::LANES) as u64;
            match lock(stripe).reborrow() {
                LanesMut::U16(lanes) => plan.apply_here(backend, first_lane, lanes),
                LanesMut::U32(lanes) => plan.apply_here(backend, first_lane, lanes),
                LanesMut::U64(lanes) => plan.apply_here(backend, first_lane, lanes),
            }
        });
        Ok(())
    }

    fn add(&self, backend: Backend, stripe: &Mutex<LanesMut<'a>>, bytes: &[u8]) {
        let (width, mut lanes) = (self.modulus.width(), lock(stripe));
        with_kernel!(backend, kernel => kernel.unpack_add(width, bytes, lanes.reborrow()));
    }
}

/// What is done under the lock does not panic, so a lock that is poisoned all the same guards whole sums.
fn lock<'s, 'a>(stripe: &'s Mutex<LanesMut<'a>>) -> MutexGuard<'s, LanesMut<'a>> {
    stripe.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Stripes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { modulus, lanes, .. } = self;
        f.debug_struct("Stripes").field("modulus", modulus).field("lanes", lanes).finish()
    }
}

#[cfg(test)]
mod tests;

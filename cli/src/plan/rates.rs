//! The speed of this machine at a server's work.

use std::hint::black_box;
use std::time::{Duration, Instant};

use secagg::Params;
use secagg::plan::Rehearsal;
use secagg_kernels::{Accumulator, Backend, MaskPlan, Seed, Sign};
use serde::Serialize;

use crate::crew::Crew;
use crate::error::CommandError;
use crate::memory;

/// How long each piece is repeated, at least.
const TIME: Duration = Duration::from_millis(100);

/// Longer vectors are no slower for each lane, once they pass the caches.
const LANES: usize = 1 << 20;

/// Masked vectors come from the network, not from the caches: so many bytes of them pass by.
const UPLOADS: usize = 1 << 26;

/// Masks in a plan, and the largest threshold that is rehearsed.
const MASKS: usize = 16;
const THRESHOLD: u32 = 256;

/// Rates of one core, per second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rates {
    /// Lanes of masks that are expanded and added, their key schedules included.
    pub mask_lanes: f64,
    /// Lanes of masked vectors that are unpacked and added.
    pub unpacked_lanes: f64,
    /// X25519 agreements in batches, with the derivation of a seed.
    pub agreements: f64,
    /// Ed25519 signatures that are verified.
    pub signatures: f64,
    /// Pairs of holders in Lagrange bases: t + 1 holders make (t + 1)^2 pairs.
    pub basis_pairs: f64,
    /// Shares that secrets are recovered from.
    pub shares: f64,
}

impl Rates {
    /// Measures with the PRG, the modulus and the threshold of these parameters, on vectors as long
    /// as theirs, or of 2^20 lanes.
    ///
    /// # Errors
    /// [`CommandError`] if the system has no room for a thread, or for the vectors.
    pub(super) fn measure(params: &Params) -> Result<Self, CommandError> {
        // Kernels spread over the threads of the pool that they run in.
        let held = memory::check_bytes(3 * UPLOADS as u128, 1)?;
        let crew = Crew::new(1)?;
        drop(held);
        Ok(crew.alone(|| Self::on_this_thread(params)))
    }

    fn on_this_thread(params: &Params) -> Self {
        let lanes = params.lanes().min(LANES);
        let threshold = params.threshold().min(THRESHOLD);
        let rehearsal = Rehearsal::new(params, threshold);
        let holders = f64::from(threshold) + 1.0;
        Self {
            mask_lanes: (MASKS * lanes) as f64 * masks_per_second(params, lanes),
            unpacked_lanes: lanes as f64 * vectors_per_second(params, lanes),
            agreements: Rehearsal::NEIGHBOURS as f64 * per_second(|| rehearsal.agree()),
            signatures: per_second(|| rehearsal.verify()),
            basis_pairs: holders * holders * per_second(|| rehearsal.prepare_basis()),
            shares: f64::from(threshold) * per_second(|| rehearsal.recover()),
        }
    }
}

fn masks_per_second(params: &Params, lanes: usize) -> f64 {
    let backend = Backend::detect();
    let mut sum = Accumulator::new(params.modulus(), lanes);
    let seeds: Vec<_> =
        (0..MASKS).map(|byte| (Seed::from_bytes([byte as u8; 32]), Sign::Add)).collect();
    per_second(|| {
        let plan = MaskPlan::new(params.prg(), &seeds);
        // The parameters stay within the keystream's limit.
        let _ = black_box(sum.apply(backend, &plan));
    })
}

fn vectors_per_second(params: &Params, lanes: usize) -> f64 {
    let backend = Backend::detect();
    let mut sum = Accumulator::new(params.modulus(), lanes);
    let (length, mut uploads) = (params.modulus().packed_len(lanes), Vec::new());
    for _ in 0..(UPLOADS / length).clamp(1, 1 << 10) {
        sum.append_packed(backend, &mut uploads);
    }
    let mut next = uploads.chunks_exact(length).cycle();
    per_second(|| {
        // Each has the length that the sum asks for.
        let _ = next.next().map(|upload| black_box(sum.add_packed(backend, upload)));
    })
}

/// How often `work` is done in a second. The first time does not count: it warms the caches.
fn per_second(mut work: impl FnMut()) -> f64 {
    work();
    let (start, mut times) = (Instant::now(), 0);
    while start.elapsed() < TIME {
        work();
        times += 1;
    }
    f64::from(times) / start.elapsed().as_secs_f64()
}

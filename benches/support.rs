//! Shared helpers of the benchmarks.

#![forbid(unsafe_code)]

pub mod clock;
pub mod cohort;
pub mod figures;
pub mod rival;
pub mod scaling;

use secagg_kernels::{MaskPlan, Modulus, Prg, Seed, Sign};

/// A seed; its bytes are of no importance.
pub fn seed(number: u8) -> Seed {
    Seed::from_bytes([number; 32])
}

/// Seeds and signs of so many masks, half of them subtracted.
pub fn masks(count: usize) -> impl Iterator<Item = (Seed, Sign)> {
    (0..count).map(|i| (seed(i as u8), if i % 2 == 0 { Sign::Add } else { Sign::Subtract }))
}

/// A plan of so many masks.
pub fn plan(prg: Prg, count: usize) -> MaskPlan {
    MaskPlan::new(prg, &masks(count).collect::<Vec<_>>())
}

/// An update of so many elements from -1 to 1.
pub fn update(len: usize) -> Vec<f32> {
    (0..len).map(|i| (i % 2003) as f32 / 1001.0 - 1.0).collect()
}

/// So many public keys: any 32 bytes are one.
pub fn publics(count: usize) -> Vec<[u8; 32]> {
    (0..count).map(|i| std::array::from_fn(|at| (i * 31 + at * 7) as u8)).collect()
}

/// The modulus 2^`width`.
///
/// # Panics
/// Unless the width is from 1 to 64.
pub fn modulus(width: u32) -> Modulus {
    Modulus::from_width(width).expect("a width from 1 to 64")
}

/// Runs `work` on one thread, so that figures compare with those of code that has no threads.
///
/// # Panics
/// If no thread can be started.
pub fn on_one_thread<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread").install(work)
}

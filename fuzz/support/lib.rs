//! What several targets need.

#![forbid(unsafe_code)]

pub mod arrays;
pub mod ending;
pub mod mean;
pub mod number;
pub mod revealed;
pub mod round;
pub mod schedule;
pub mod seat;
pub mod twist;
pub mod verdict;
pub mod witness;
pub mod world;

use arbitrary::Arbitrary;
use secagg_kernels::{Prg, Seed, Sign};

/// Lets rayon work on the calling thread alone, so that an input does the same at every run, and no CPU time goes to
/// threads that wait for work. For the `init` of a target.
///
/// # Panics
/// If it is called twice.
pub fn one_thread() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread();
    pool.build_global().expect("there is no pool before the first input");
}

/// A number of lanes or bytes: few, or enough for several tiles.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Length {
    /// At most 255.
    Short(u8),
    /// At most 20,000, which is more than a tile has lanes of any word.
    Long(u16),
}

impl Length {
    /// The number.
    pub fn get(self) -> usize {
        match self {
            Self::Short(len) => len.into(),
            Self::Long(len) => usize::from(len) % 20_001,
        }
    }
}

/// Which generator.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Generator {
    /// AES-128-CTR.
    Aes,
    /// `ChaCha20`.
    ChaCha,
    /// AEGIS-128X4.
    Aegis,
}

impl Generator {
    /// The generator itself.
    pub fn prg(self) -> Prg {
        match self {
            Self::Aes => Prg::Aes128Ctr,
            Self::ChaCha => Prg::ChaCha20,
            Self::Aegis => Prg::Aegis128X4,
        }
    }
}

/// One mask of a plan.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Mask {
    seed: [u8; 32],
    subtract: bool,
}

impl Mask {
    /// The seed.
    pub fn seed(&self) -> Seed {
        Seed::from_bytes(self.seed)
    }

    /// The sign.
    pub fn sign(&self) -> Sign {
        if self.subtract { Sign::Subtract } else { Sign::Add }
    }
}

/// The first few masks, as a plan takes them.
pub fn plan_of(masks: &[Mask]) -> Vec<(Seed, Sign)> {
    masks.iter().take(20).map(|mask| (mask.seed(), mask.sign())).collect()
}

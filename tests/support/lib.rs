//! Shared helpers of the integration tests: a cohort in one process, whose rounds are told as stories.
//!
//! ```
//! use secagg::Stage;
//! use secagg_tests::Cohort;
//!
//! let round = Cohort::secagg(5).drop(4, Stage::CollectMaskedVectors).run::<f32>();
//! round.assert_mean_of([1, 2, 3, 5]);
//! ```
//!
//! [`Cohort`] sets the scene and scripts what goes wrong; [`Round`] is what came of it; [`plain`]
//! says what should have come of it, without any cryptography; [`spool`] is where processes meet. Every random number is seeded, so a
//! story always ends the same way.

#![forbid(unsafe_code)]
// These helpers fail tests: a panic is their job, and its message their documentation.
#![allow(clippy::missing_panics_doc)]

mod cohort;
mod heist;
mod member;
mod network;
pub mod plain;
pub mod puppet;
mod ring;
mod round;
mod scene;
mod script;
pub mod spool;
pub mod wire;

pub use cohort::Cohort;
pub use heist::Heist;
pub use member::identity;
pub use network::{Log, Sent};
pub use round::Round;
pub use scene::Scene;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use secagg::{SessionId, Stage, ThreatModel};

/// The session of every story.
pub const SESSION: SessionId = SessionId(*b"one story's name");

/// What the server of a story draws from.
pub fn rng() -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(0x5ec)
}

/// The stages of stories whose server is assumed to be curious.
pub const STAGES: &[Stage] = Stage::of(ThreatModel::HonestButCurious);

/// The application bytes that everyone in a story agrees on, unless it says otherwise.
pub const APPLICATION: &[u8] = b"the hash of a model";

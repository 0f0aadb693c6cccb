//! Why assumptions have no plan.

use super::MAX_BITS;

/// Why there is no plan, with what to change.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NoPlan {
    /// The cohort is too small for any threshold.
    #[error("a cohort of {0} clients is too small: at least 3 are needed")]
    CohortSize(u32),
    /// The corrupted fraction is no number from 0 to below 1.
    #[error("a corrupted fraction of {0} is not from 0 to below 1")]
    Corrupted(f64),
    /// The drop-out fraction is no number from 0 to below 1.
    #[error("a drop-out fraction of {0} is not from 0 to below 1")]
    Dropout(f64),
    /// The security is not from 1 to [`MAX_BITS`] bits.
    #[error("a security of {0} bits is not from 1 to {most}", most = MAX_BITS)]
    SecurityBits(u32),
    /// No rounds.
    #[error("a training of 0 rounds: at least 1 is needed")]
    Rounds,
    /// The search has more than [`MAX_BITS`] bits.
    #[error("a search of {0} bits is not from 0 to {most}", most = MAX_BITS)]
    SearchBits(u32),
    /// The correctness is not from 1 to [`MAX_BITS`] bits.
    #[error("a correctness of {0} bits is not from 1 to {most}", most = MAX_BITS)]
    CorrectnessBits(u32),
    /// No threshold is both safe and reachable, not even in the complete graph.
    #[error(
        "even if all clients are neighbours, {corrupted} colluding ones ask for a threshold of at \
         least {least}, and with {dropped} dropped only {most} shares are left: assume less \
         corruption or fewer drop-outs, or invite more clients"
    )]
    Threshold {
        /// Clients that collude.
        corrupted: u32,
        /// Clients that drop out.
        dropped: u32,
        /// The least threshold that is safe.
        least: u32,
        /// The largest threshold that is reached.
        most: u32,
    },
}

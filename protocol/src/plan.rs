//! Choosing the degree and the threshold, and what a round then costs.
//!
//! [`Assumptions`] say how many clients may collude with the server, how many may vanish, and with
//! which probability either may go wrong. [`Assumptions::plan`] finds the smallest degree whose graph
//! bears that, and the thresholds that go with it (Bell et al., CCS 2020, section 3; `docs/protocol.md`,
//! section 5). [`bytes_per_client`] says how long all messages are, and [`Rehearsal`] lets a caller
//! with a clock measure a server's cryptography.
//!
//! ```
//! use secagg::ThreatModel;
//! use secagg::plan::Assumptions;
//!
//! let plan = Assumptions {
//!     cohort_size: 10_000,
//!     corrupted: 0.05,
//!     dropout: 0.1,
//!     security_bits: 40,
//!     correctness_bits: 30,
//!     threat_model: ThreatModel::HonestButCurious,
//! }
//! .plan()?;
//! assert_eq!((plan.degree(), plan.threshold()), (46, 22));
//! assert!(!plan.is_complete());
//!
//! let params = plan.params(1_000_000).modulus_range(1 << 36).build()?;
//! assert_eq!((params.degree(), params.threshold()), (46, 22));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bytes;
mod hypergeometric;
mod rehearsal;

use core::ops::RangeInclusive;

use crate::{Params, ParamsBuilder, ThreatModel};
use hypergeometric::Hypergeometric;

pub use bytes::{StageBytes, bytes_per_client};
pub use rehearsal::Rehearsal;

/// The most bits of security or correctness that can be asked for.
pub const MAX_BITS: u32 = 256;

/// What is assumed of a cohort, and what must hold then.
///
/// A fraction of the cohort means that fraction rounded down to whole clients. Products such as
/// 0.29 · 100 come out a hair below the whole number in binary, so one that misses the next whole
/// number by no more than a part in 10^12 is taken for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Assumptions {
    /// Clients invited, n: at least 3.
    pub cohort_size: u32,
    /// γ, the fraction of the cohort that may collude with the server: from 0 to below 1.
    pub corrupted: f64,
    /// δ, the fraction of the cohort that may vanish during the round: from 0 to below 1.
    pub dropout: f64,
    /// σ, from 1 to [`MAX_BITS`]: an update is exposed with a probability of at most 2^-σ.
    pub security_bits: u32,
    /// η, from 1 to [`MAX_BITS`]: a round fails with a probability of at most 2^-η.
    pub correctness_bits: u32,
    /// What the server may do. Against [`ThreatModel::ActiveServer`], two lies about one client must
    /// not both find a threshold of its shares.
    pub threat_model: ThreatModel,
}

/// A degree and the thresholds that bear the [`Assumptions`] it was made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    cohort_size: u32,
    degree: u32,
    thresholds: RangeInclusive<u32>,
    corrupted_neighbours: u32,
    corrupted: u32,
    dropped: u32,
    threat_model: ThreatModel,
}

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

impl Assumptions {
    /// Finds the smallest degree, and the thresholds that go with it. Where no sparse graph will do,
    /// the plan is the complete graph, and [says so](Plan::is_complete).
    ///
    /// This takes milliseconds, and for a million clients below a tenth of a second also where the
    /// fractions leave next to no room. Much larger cohorts can then take minutes.
    ///
    /// # Errors
    /// [`NoPlan`] for numbers outside of their ranges, and where even the complete graph does not
    /// bear the assumptions.
    pub fn plan(&self) -> Result<Plan, NoPlan> {
        self.check()?;
        let sparse = self.smallest_connected_degree().and_then(|degree| self.sparse(degree));
        sparse.map_or_else(|| self.complete(), Ok)
    }

    fn check(&self) -> Result<(), NoPlan> {
        let fraction = |fraction| (0.0..1.0).contains(&fraction);
        let bits = |bits| (1..=MAX_BITS).contains(&bits);
        match *self {
            Self { cohort_size, .. } if cohort_size < 3 => Err(NoPlan::CohortSize(cohort_size)),
            Self { corrupted, .. } if !fraction(corrupted) => Err(NoPlan::Corrupted(corrupted)),
            Self { dropout, .. } if !fraction(dropout) => Err(NoPlan::Dropout(dropout)),
            Self { security_bits, .. } if !bits(security_bits) => {
                Err(NoPlan::SecurityBits(security_bits))
            }
            Self { correctness_bits, .. } if !bits(correctness_bits) => {
                Err(NoPlan::CorrectnessBits(correctness_bits))
            }
            _ => Ok(()),
        }
    }

    /// A, the clients that collude.
    fn corrupted_clients(&self) -> u32 {
        clients(self.corrupted, self.cohort_size)
    }

    /// D, the clients that drop out. The survivors are the others: ⌈(1 - δ)n⌉ = n - ⌊δn⌋.
    fn dropped_clients(&self) -> u32 {
        clients(self.dropout, self.cohort_size)
    }

    /// 2^-(σ+1): half of what may go wrong is for the connection, half for colluding neighbours.
    fn security(&self) -> f64 {
        (-f64::from(self.security_bits) - 1.0).exp2()
    }

    /// The least even degree, below that of the complete graph, with n(n-k-1)/2 · C(A+D,k)/C(n,k) <
    /// 2^-(σ+1): the probability that ring neighbours on both sides of a gap are all lost. Both
    /// factors fall with k, so all larger degrees will do as well.
    fn smallest_connected_degree(&self) -> Option<u32> {
        let n = self.cohort_size;
        // Where all clients may be lost, no degree will do.
        let lost = self.corrupted_clients().checked_add(self.dropped_clients());
        let lost = lost.filter(|&lost| lost < n)?;
        // C(A+D,k)/C(n,k), one factor for each degree.
        let mut all_lost = 1.0;
        (1..=n - 2).find(|&degree| {
            all_lost *= f64::from(lost.saturating_sub(degree - 1)) / f64::from(n - (degree - 1));
            let gaps = f64::from(n) * f64::from(n - degree - 1) / 2.0;
            degree % 2 == 0 && gaps * all_lost < self.security()
        })
    }

    /// The least even degree from `degree` on for which there is a threshold.
    ///
    /// One neighbour more can raise the largest threshold by one, and never lowers the least: drawing
    /// once more adds one marked client or none. So as many degrees are skipped as thresholds are
    /// missing, and no degree that would do is missed.
    fn sparse(&self, mut degree: u32) -> Option<Plan> {
        while degree <= self.cohort_size - 2 {
            let (corrupted_neighbours, thresholds) = self.thresholds(degree);
            if !thresholds.is_empty() {
                return Some(self.planned(degree, corrupted_neighbours, thresholds));
            }
            let missing = thresholds.start() - thresholds.end();
            degree = degree.checked_add(missing.next_multiple_of(2))?;
        }
        None
    }

    /// t1 at this degree, and the least and the largest threshold; crossed over if there is none.
    fn thresholds(&self, degree: u32) -> (u32, RangeInclusive<u32>) {
        let n = self.cohort_size;
        let most = |marked, bound| {
            let neighbours = Hypergeometric { population: n, marked, drawn: degree };
            neighbours.most(bound / f64::from(n))
        };
        let corrupted = most(self.corrupted_clients(), self.security());
        let dropped = most(self.dropped_clients(), (-f64::from(self.correctness_bits)).exp2());
        (corrupted, self.least_threshold(degree, corrupted)..=degree - dropped)
    }

    /// Above the colluding neighbours. A server that lies about a client is given one share by each
    /// honest neighbour and both by each colluding one, k + t1 in all: two thresholds must be more.
    /// Never 1, with which each share would be the secret itself.
    fn least_threshold(&self, degree: u32, corrupted_neighbours: u32) -> u32 {
        let safe = match self.threat_model {
            ThreatModel::HonestButCurious => corrupted_neighbours,
            // The half, rounded down, of a sum that could overflow.
            ThreatModel::ActiveServer => u32::midpoint(degree, corrupted_neighbours),
        };
        safe.saturating_add(1).max(2)
    }

    /// Here every colluder is everyone's neighbour, and a survivor's shares are with all survivors but
    /// itself; nothing is left to chance.
    fn complete(&self) -> Result<Plan, NoPlan> {
        let (corrupted, dropped) = (self.corrupted_clients(), self.dropped_clients());
        let degree = self.cohort_size - 1;
        let (least, most) =
            (self.least_threshold(degree, corrupted), degree.saturating_sub(dropped));
        if least <= most {
            Ok(self.planned(degree, corrupted, least..=most))
        } else {
            Err(NoPlan::Threshold { corrupted, dropped, least, most })
        }
    }

    fn planned(
        &self,
        degree: u32,
        corrupted_neighbours: u32,
        thresholds: RangeInclusive<u32>,
    ) -> Plan {
        Plan {
            cohort_size: self.cohort_size,
            degree,
            thresholds,
            corrupted_neighbours,
            corrupted: self.corrupted_clients(),
            dropped: self.dropped_clients(),
            threat_model: self.threat_model,
        }
    }
}

impl Plan {
    /// Clients invited, n.
    pub const fn cohort_size(&self) -> u32 {
        self.cohort_size
    }

    /// k, the neighbours of each client: shares made of each secret. Even, unless the graph is
    /// complete.
    pub const fn degree(&self) -> u32 {
        self.degree
    }

    /// Whether the graph is complete: no sparser one bears the assumptions.
    pub const fn is_complete(&self) -> bool {
        self.degree == self.cohort_size - 1
    }

    /// The threshold to choose, t: the least of [`thresholds`](Self::thresholds). Any of them is safe,
    /// and the least survives the most drop-outs.
    pub const fn threshold(&self) -> u32 {
        *self.thresholds.start()
    }

    /// All thresholds that bear the assumptions: above the colluding neighbours, and within the
    /// surviving ones.
    pub const fn thresholds(&self) -> &RangeInclusive<u32> {
        &self.thresholds
    }

    /// t1, the most colluding neighbours that any client has, except with the probability that was
    /// allowed; in the complete graph, all that collude.
    pub const fn corrupted_neighbours(&self) -> u32 {
        self.corrupted_neighbours
    }

    /// A = ⌊γn⌋, the clients that were assumed to collude.
    pub const fn corrupted(&self) -> u32 {
        self.corrupted
    }

    /// D = ⌊δn⌋, the clients that were assumed to drop out.
    pub const fn dropped(&self) -> u32 {
        self.dropped
    }

    /// S = ⌈(1 - δ)n⌉, the clients that were assumed to survive.
    pub const fn survivors(&self) -> u32 {
        self.cohort_size - self.dropped
    }

    /// Parameters of a round with this graph, threat model and number of colluding neighbours, and
    /// updates of `dimension` elements.
    pub fn params(&self, dimension: usize) -> ParamsBuilder {
        Params::secagg_plus(self.cohort_size, dimension, self.degree, self.threshold())
            .threat_model(self.threat_model)
            .corrupted_neighbours(self.corrupted_neighbours)
    }
}

/// ⌊fraction · n⌋, with the slack that [`Assumptions`] tells of; at most n.
fn clients(fraction: f64, cohort_size: u32) -> u32 {
    let exact = fraction * f64::from(cohort_size);
    ((exact + exact * 1e-12).floor() as u32).min(cohort_size)
}

#[cfg(test)]
mod tests;

//! Choosing the degree and the threshold, and what a round then costs.
//!
//! [`Assumptions`] say how many clients may collude with the server, how many may vanish, how many
//! rounds a training has, and with which probability it may go wrong. [`Assumptions::plan`] finds
//! the smallest degree whose graph bears that, and the thresholds that go with it
//! (`docs/protocol.md`, section 5). [`bytes_per_client`] says how long all messages are, and
//! [`Rehearsal`] lets a caller with a clock measure a server's cryptography.
//!
//! ```
//! use secagg::ThreatModel;
//! use secagg::plan::Assumptions;
//!
//! let assumptions = Assumptions {
//!     corrupted: 0.05,
//!     dropout: 0.1,
//!     rounds: 1000,
//!     ..Assumptions::new(10_000, ThreatModel::ActiveServer)
//! };
//! let plan = assumptions.plan()?;
//! assert_eq!((plan.degree(), plan.threshold()), (154, 106));
//! assert!(!plan.is_complete());
//!
//! let params = plan.params(1_000_000).modulus_range(1 << 36).build()?;
//! assert_eq!((params.degree(), params.threshold()), (154, 106));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod admit;
mod bytes;
mod hypergeometric;
mod no_plan;
mod rehearsal;
mod split;
mod unmet;

use core::ops::RangeInclusive;

use crate::{Params, ParamsBuilder, ThreatModel};
use hypergeometric::{Hypergeometric, SLACK};
use split::Places;

pub use bytes::{StageBytes, bytes_per_client};
pub use no_plan::NoPlan;
pub use rehearsal::Rehearsal;
pub use unmet::Unmet;

/// The most bits of security, of correctness, or of a search that can be asked for.
pub const MAX_BITS: u32 = 256;

/// Bits of search that [`Assumptions::new`] grants an active server: 2^40 rings take it some
/// thousand core-hours, for each round.
pub const SEARCH_BITS: u32 = 40;

/// What is assumed of a cohort, and what must hold then.
///
/// A fraction of the cohort means that fraction rounded down to whole clients. Products such as
/// 0.29 · 100 come out a hair below the whole number in binary, so one that misses the next whole
/// number by no more than a part in 10^12 is taken for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Assumptions {
    /// Clients invited, n: at least 3.
    pub cohort_size: u32,
    /// γ, the fraction of the cohort that may collude with the server: from 0 to below 1. Where the
    /// server chooses the cohort from a larger directory, it can choose all that collude: then γ is
    /// their number in the directory as a fraction of the cohort.
    pub corrupted: f64,
    /// δ, the fraction of the cohort that may vanish, before the round or during it: from 0 to
    /// below 1. In the curious model chance decides who does. In the active model the server does,
    /// and only whether a round fails is left to chance.
    pub dropout: f64,
    /// R, the rounds of the whole training: at least 1. `security_bits` are for all of them
    /// together.
    pub rounds: u32,
    /// σ, from 1 to [`MAX_BITS`]: in all rounds together, an update is exposed with a probability
    /// of at most 2^-σ.
    pub security_bits: u32,
    /// g, from 0 to [`MAX_BITS`]: whoever decides last on the roster may try 2^g rings in each
    /// round, and go on with the best. 0 where nobody can.
    pub search_bits: u32,
    /// η, from 1 to [`MAX_BITS`]: a round fails with a probability of at most 2^-η.
    pub correctness_bits: u32,
    /// Assumption about the server. [`ThreatModel::ActiveServer`] withholds sealed shares and
    /// chooses drop-outs, after it knows the ring.
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

impl Assumptions {
    /// 5 % collude, 10 % vanish; one round, 40 bits of security, 30 of correctness; and against an
    /// active server, [`SEARCH_BITS`].
    pub const fn new(cohort_size: u32, threat_model: ThreatModel) -> Self {
        let search_bits = match threat_model {
            ThreatModel::HonestButCurious => 0,
            ThreatModel::ActiveServer => SEARCH_BITS,
        };
        Self {
            cohort_size,
            corrupted: 0.05,
            dropout: 0.1,
            rounds: 1,
            security_bits: 40,
            search_bits,
            correctness_bits: 30,
            threat_model,
        }
    }

    /// Finds the smallest degree, and the thresholds that go with it. Where no sparse graph will
    /// do, the plan is the complete graph, and [says so](Plan::is_complete).
    ///
    /// This takes milliseconds, and for a million clients below a tenth of a second also where the
    /// fractions leave next to no room. Much larger cohorts can then take minutes.
    ///
    /// # Errors
    /// [`NoPlan`] for numbers outside of their ranges, and where even the complete graph does not
    /// bear the assumptions.
    pub fn plan(&self) -> Result<Plan, NoPlan> {
        self.check()?;
        let least = match self.threat_model {
            ThreatModel::HonestButCurious => self.smallest_connected_degree(),
            ThreatModel::ActiveServer => Some(2),
        };
        let sparse = least.and_then(|degree| self.sparse(degree));
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
            Self { rounds: 0, .. } => Err(NoPlan::Rounds),
            Self { search_bits, .. } if search_bits > MAX_BITS => {
                Err(NoPlan::SearchBits(search_bits))
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

    /// 2^-(σ+g+1)/R, for one ring of one round: half of what may go wrong is for a graph that falls
    /// apart, half for colluding neighbours.
    fn security(&self) -> f64 {
        let bits = self.security_bits + self.search_bits + 1;
        (-f64::from(bits)).exp2() / f64::from(self.rounds)
    }

    /// The least even degree, below that of the complete graph, with which the honest survivors are
    /// connected but for what one ring may go wrong with. All larger degrees will do as well.
    fn smallest_connected_degree(&self) -> Option<u32> {
        // Where all clients may be lost, no degree will do.
        let lost = self.corrupted_clients().checked_add(self.dropped_clients())?;
        let mut degrees = (1..).zip(self.unconnected_by_degree()).filter(|(k, _)| k % 2 == 0);
        let (degree, _) = degrees.find(|&(_, unconnected)| unconnected < self.security())?;
        (lost < self.cohort_size).then_some(degree)
    }

    /// For each degree from 1 to n - 2, n(n-k-1)/2 · C(A+D,k)/C(n,k): a bound on the probability
    /// that ring neighbours on both sides of a gap are all lost. Both factors fall with k.
    fn unconnected_by_degree(&self) -> impl Iterator<Item = f64> {
        let n = self.cohort_size;
        let lost = self.corrupted_clients().saturating_add(self.dropped_clients());
        let factor = move |drawn| f64::from(lost.saturating_sub(drawn)) / f64::from(n - drawn);
        let gaps = move |degree| f64::from(n) * f64::from(n - degree - 1) / 2.0;
        (1..=n - 2).scan(1.0, move |all_lost, degree| {
            *all_lost *= factor(degree - 1);
            Some(gaps(degree) * *all_lost)
        })
    }

    /// The same for one degree below that of the complete graph.
    fn unconnected(&self, degree: u32) -> f64 {
        self.unconnected_by_degree().nth(degree as usize - 1).unwrap_or(0.0)
    }

    /// The least even degree from `degree` on for which there is a threshold.
    ///
    /// One neighbour more can raise the largest threshold by one, and never lowers the least:
    /// drawing once more adds one marked client or none. So as many degrees are skipped as
    /// thresholds are missing, and no degree that would do is missed.
    fn sparse(&self, mut degree: u32) -> Option<Plan> {
        // Where no two honest clients are left, no degree will do.
        let lost = self.corrupted_clients().checked_add(self.dropped_clients())?;
        lost.checked_add(2).filter(|&least| least <= self.cohort_size)?;
        while degree <= self.cohort_size - 2 {
            let (corrupted_neighbours, least, most) = self.thresholds(degree);
            let whole = (least..=most).find(|&threshold| self.stays_whole(degree, threshold));
            if let Some(least) = whole {
                return Some(self.planned(degree, corrupted_neighbours, least..=most));
            }
            let missing = least.saturating_sub(most).max(2);
            degree = degree.checked_add(missing.next_multiple_of(2))?;
        }
        None
    }

    /// t1 at this degree, and the least and the largest threshold, as far as neighbours are
    /// concerned; crossed over if there is none.
    ///
    /// Of the members, which may be as few as n - D, all but the client itself may be its
    /// neighbours. Drop-outs are the most where all of them come first and then vanish.
    fn thresholds(&self, degree: u32) -> (u32, u32, u32) {
        let corrupted = self.corrupted_neighbours(degree);
        let (others, failing) = (self.cohort_size - 1, -f64::from(self.correctness_bits));
        let missing = self.most_neighbours(degree, others, self.dropped_clients(), failing.exp2());
        (corrupted, self.least_threshold(degree, corrupted), degree - missing)
    }

    /// t1: the most colluding neighbours of any client.
    fn corrupted_neighbours(&self, degree: u32) -> u32 {
        let others = self.cohort_size - self.dropped_clients() - 1;
        self.most_neighbours(degree, others, self.corrupted_clients(), self.security())
    }

    /// The most of a client's neighbours that are marked, among `others` of which `marked` are; for
    /// some client more are so with a probability of at most `bound`.
    fn most_neighbours(&self, degree: u32, others: u32, marked: u32, bound: f64) -> u32 {
        let neighbours = Hypergeometric { population: others, marked, drawn: degree.min(others) };
        neighbours.most(bound / f64::from(self.cohort_size))
    }

    /// Whether an active server can split off no part of the ring, however it chooses drop-outs,
    /// except with the probability that is allowed.
    fn stays_whole(&self, degree: u32, threshold: u32) -> bool {
        self.threat_model == ThreatModel::HonestButCurious
            || self.split(degree, threshold) <= self.security() * (1.0 + SLACK)
    }

    /// A bound on the probability that a part can be split off. Fewer members are worse, and the
    /// fewest are those that do not drop out; with k + 1 the graph is complete and has no parts.
    fn split(&self, degree: u32, threshold: u32) -> f64 {
        let members = (self.cohort_size - self.dropped_clients()).max(degree + 2);
        Places { members, corrupted: self.corrupted_clients() }.split(degree, threshold)
    }

    /// Above the colluding neighbours. A server that withholds sealed shares is given one share of
    /// a client by each honest neighbour and both by each colluding one, k + t1 in all: two
    /// thresholds must be more. Never 1, with which each share would be the secret itself.
    fn least_threshold(&self, degree: u32, corrupted_neighbours: u32) -> u32 {
        let safe = match self.threat_model {
            ThreatModel::HonestButCurious => corrupted_neighbours,
            // The half, rounded down, of a sum that could overflow.
            ThreatModel::ActiveServer => u32::midpoint(degree, corrupted_neighbours),
        };
        safe.saturating_add(1).max(2)
    }

    /// Here every colluder is everyone's neighbour, and a survivor's shares are with all survivors
    /// but itself; nothing is left to chance.
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

    /// The threshold to choose, t: the least of [`thresholds`](Self::thresholds). Any of them is
    /// safe, and the least survives the most drop-outs.
    pub const fn threshold(&self) -> u32 {
        *self.thresholds.start()
    }

    /// All thresholds that bear the assumptions: above the colluding neighbours, so large that no
    /// part of the ring can be split off, and within the surviving neighbours.
    pub const fn thresholds(&self) -> &RangeInclusive<u32> {
        &self.thresholds
    }

    /// t1, the most colluding neighbours that any honest client has, except with the probability
    /// that was allowed; in the complete graph, all that collude.
    pub const fn corrupted_neighbours(&self) -> u32 {
        self.corrupted_neighbours
    }

    /// A = ⌊γn⌋, the clients that were assumed to collude.
    pub const fn corrupted(&self) -> u32 {
        self.corrupted
    }

    /// D = ⌊δn⌋, the clients that were assumed to drop out, before the round or during it.
    pub const fn dropped(&self) -> u32 {
        self.dropped
    }

    /// S = ⌈(1 - δ)n⌉, the clients that were assumed to survive: also the least roster, and the
    /// fewest survivors, that were planned for.
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

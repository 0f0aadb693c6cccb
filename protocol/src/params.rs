//! The parameters of a round: fixed before it starts, checked once, the same for everyone.

mod amount;
mod builder;

pub use amount::{Amount, InvalidAmount, QuantizationRange};
pub use builder::ParamsBuilder;

use secagg_kernels::{InvalidModulus, InvalidQuantizer, Modulus, Prg, Quantizer, SumOverflow};

use crate::ThreatModel;
use crate::error::Malformed;
use crate::wire::{Reader, Writer};

/// Parameters that cannot make a round, with what to change.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidParams {
    /// A fraction is not in (0, 1].
    #[error("a fraction of {0} is not in (0, 1]; write a count as a whole number")]
    Fraction(f64),
    /// The cohort is too small for any threshold.
    #[error("a cohort of {0} clients is too small: at least 3 are needed")]
    CohortSize(u32),
    /// `num_shares` is below 2 or above the cohort size.
    #[error(
        "{num_shares} shares in a cohort of {cohort_size}: choose 2 to {}, or the complete graph",
        cohort_size - 1
    )]
    NumShares {
        /// The number of shares asked for.
        num_shares: u32,
        /// The cohort size.
        cohort_size: u32,
    },
    /// The threshold is below 2 or above the number of shares.
    #[error(
        "a reconstruction threshold of {threshold} shares must be from 2 to {shares}, the number of \
         shares (a client keeps none of its own)"
    )]
    Threshold {
        /// The threshold asked for.
        threshold: u32,
        /// Shares made of each secret.
        shares: u32,
    },
    /// The threshold is too low for the neighbours that may collude with the server.
    #[error(
        "a threshold of {threshold} shares among up to {neighbours} neighbours, of which \
         {corrupted_neighbours} may collude with the server, is too low: choose {least} or more, or \
         bear fewer colluders"
    )]
    CorruptedNeighbours {
        /// The threshold asked for.
        threshold: u32,
        /// The most neighbours that a client can have.
        neighbours: u32,
        /// Neighbours of any one client that may collude with the server.
        corrupted_neighbours: u32,
        /// The least threshold that bears them.
        least: u32,
    },
    /// The threat model's number is unknown to this version.
    #[error("threat model number {0} is unknown")]
    ThreatModel(u8),
    /// The dimension is too large for this machine or for a mask's keystream.
    #[error("a dimension of {0} is too large: split the vector over several rounds")]
    Dimension(u64),
    /// The modulus is not a power of two up to 2^64.
    #[error(transparent)]
    Modulus(#[from] InvalidModulus),
    /// The quantizer's own ranges are wrong.
    #[error(transparent)]
    Quantizer(#[from] InvalidQuantizer),
    /// The sum of the whole cohort could pass the modulus.
    #[error(transparent)]
    Overflow(#[from] SumOverflow),
    /// Not even seven levels fit into the modulus for this cohort.
    #[error(
        "a modulus range of 2^{width} leaves no seven levels for {cohort_size} clients: raise \
         modulus_range"
    )]
    NoRoom {
        /// Bits of the modulus.
        width: u32,
        /// The cohort size.
        cohort_size: u32,
    },
    /// The PRG's number is unknown to this version.
    #[error("PRG number {0} is unknown")]
    Prg(u8),
    /// The suite's number is unknown to this version.
    #[error("cipher suite number {0} is unknown; this version has suite 1 alone")]
    Suite(u8),
}

/// What a round needs to know; a value that exists is valid.
///
/// Made by [`Params::secagg`] (complete graph) or [`Params::secagg_plus`] (k-regular graph). Names
/// and defaults are those of the Flower framework's `SecAggWorkflow` and `SecAggPlusWorkflow`.
///
/// ```
/// use secagg::Params;
///
/// let params = Params::secagg(20, 100_000, 0.67).max_weight(500.0).build()?;
/// assert_eq!(params.threshold(), 13); // two thirds of 19 shares
/// # Ok::<(), secagg::InvalidParams>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Params {
    cohort_size: u32,
    dimension: usize,
    degree: u32,
    threshold: u32,
    quantizer: Quantizer,
    modulus: Modulus,
    prg: Prg,
    threat_model: ThreatModel,
    corrupted_neighbours: u32,
}

impl Params {
    /// Number of the cipher suite on the wire: X25519, HKDF-SHA256, AES-256-GCM and Ed25519. Other
    /// suites will have other numbers, and need no other version of the protocol.
    pub const SUITE: u8 = 1;

    /// SecAgg: every client shares its secrets with all others. `dimension` is the number of
    /// elements of an update, and `reconstruction_threshold` counts (or is a fraction of) the
    /// `cohort_size - 1` shares of each secret.
    pub fn secagg(
        cohort_size: u32,
        dimension: usize,
        reconstruction_threshold: impl Into<Amount>,
    ) -> ParamsBuilder {
        ParamsBuilder::new(cohort_size, dimension, None, reconstruction_threshold.into())
    }

    /// SecAgg+: every client shares its secrets with `num_shares` neighbours (a count, or a fraction
    /// of the cohort) in a regular graph; `reconstruction_threshold` counts (or is a fraction of)
    /// those shares.
    ///
    /// A client keeps no share of its own secret, so `cohort_size - 1` shares already make the
    /// complete graph, and `cohort_size` means the same. Where an odd number of clients cannot all
    /// have an odd number of neighbours, each gets one more.
    pub fn secagg_plus(
        cohort_size: u32,
        dimension: usize,
        num_shares: impl Into<Amount>,
        reconstruction_threshold: impl Into<Amount>,
    ) -> ParamsBuilder {
        let num_shares = Some(num_shares.into());
        ParamsBuilder::new(cohort_size, dimension, num_shares, reconstruction_threshold.into())
    }

    /// Clients invited.
    pub const fn cohort_size(&self) -> u32 {
        self.cohort_size
    }

    /// Elements of an update, without the weight.
    pub const fn dimension(&self) -> usize {
        self.dimension
    }

    /// Lanes of a masked vector: the weight, the update, and whether the client clipped.
    pub const fn lanes(&self) -> usize {
        self.dimension + 2
    }

    /// Neighbours of each client in the full cohort, k: shares made of each secret. One more than
    /// `num_shares` if that and the cohort are both odd.
    pub const fn degree(&self) -> u32 {
        self.degree
    }

    /// The most neighbours that a client can have, whichever clients advertise keys: an odd number
    /// of them cannot all have an odd number of neighbours, and get one more.
    pub(crate) const fn most_neighbours(&self) -> u32 {
        most_neighbours(self.cohort_size, self.degree)
    }

    /// Whether the graph is complete.
    pub const fn is_complete(&self) -> bool {
        self.degree == self.cohort_size - 1
    }

    /// Shares that recover a secret, t.
    pub const fn threshold(&self) -> u32 {
        self.threshold
    }

    /// How updates become lanes.
    pub const fn quantizer(&self) -> &Quantizer {
        &self.quantizer
    }

    /// The modulus R = 2^b of all sums.
    pub const fn modulus(&self) -> Modulus {
        self.modulus
    }

    /// The PRG that expands seeds into masks.
    pub const fn prg(&self) -> Prg {
        self.prg
    }

    /// What the server is assumed to do.
    pub const fn threat_model(&self) -> ThreatModel {
        self.threat_model
    }

    /// Whether clients sign their keys and confirm the survivors.
    pub(crate) fn is_active(&self) -> bool {
        self.threat_model == ThreatModel::ActiveServer
    }

    /// Neighbours of any one client that may collude with the server without harm to its secrecy.
    pub const fn corrupted_neighbours(&self) -> u32 {
        self.corrupted_neighbours
    }

    /// Confirmations of the same survivors that a client asks for before it reveals anything to an
    /// active server, its own included: more than half of the cohort and its corrupted clients, and t + 1
    /// at least.
    ///
    /// If no client has more than c corrupted neighbours, at most C = ⌊n · c / k⌋ clients are corrupted.
    /// Honest clients sign once in a session, so two sets would take 2 (⌊(n + C) / 2⌋ + 1) > n + C
    /// signatures where there are n + C at most.
    pub const fn quorum(&self) -> u32 {
        let (n, c) = (self.cohort_size as u64, self.corrupted_neighbours as u64);
        let corrupted = n * c / self.degree as u64;
        let half = u64::midpoint(n, corrupted) as u32 + 1;
        if half > self.threshold { half } else { self.threshold + 1 }
    }

    /// Bytes of a masked vector's packed lanes.
    pub fn packed_len(&self) -> usize {
        self.modulus.packed_len(self.lanes())
    }

    pub(crate) fn encode(&self, to: &mut Writer) {
        to.u8(Self::SUITE);
        to.u32(self.cohort_size);
        to.u64(self.dimension as u64);
        to.u32(self.degree);
        to.u32(self.threshold);
        to.f64(self.quantizer.clipping_range());
        to.u64(self.quantizer.quantization_range());
        to.f64(self.quantizer.max_weight());
        to.u8(self.modulus.width() as u8);
        to.u8(self.prg.id());
        to.u8(self.threat_model.number());
        to.u32(self.corrupted_neighbours);
    }

    pub(crate) fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let suite = from.u8()?;
        if suite != Self::SUITE {
            return Err(InvalidParams::Suite(suite).into());
        }
        let (cohort_size, dimension) = (from.u32()?, from.u64()?);
        let (degree, threshold) = (from.u32()?, from.u32()?);
        let dimension =
            usize::try_from(dimension).map_err(|_| InvalidParams::Dimension(dimension))?;
        let mut builder = Self::secagg_plus(cohort_size, dimension, degree, threshold)
            .clipping_range(from.f64()?)
            .quantization_range(from.u64()?)
            .max_weight(from.f64()?)
            .modulus_range(1u128.checked_shl(from.u8()?.into()).unwrap_or(0));
        let prg = from.u8()?;
        builder = builder.prg(Prg::from_id(prg).map_err(|_| InvalidParams::Prg(prg))?);
        let (model, corrupted) = (from.u8()?, from.u32()?);
        let threat_model =
            ThreatModel::from_number(model).map_err(|_| InvalidParams::ThreatModel(model))?;
        builder = builder.threat_model(threat_model).corrupted_neighbours(corrupted);
        let params = builder.build()?;
        // Only one encoding for each value: a degree that `build` would lower is refused.
        if params.degree == degree { Ok(params) } else { Err(not_canonical(&params, degree)) }
    }
}

/// The most neighbours that a client can have, whichever clients of the cohort advertise keys.
const fn most_neighbours(cohort_size: u32, degree: u32) -> u32 {
    let even = degree + degree % 2;
    if even < cohort_size { even } else { cohort_size - 1 }
}

fn not_canonical(params: &Params, num_shares: u32) -> Malformed {
    InvalidParams::NumShares { num_shares, cohort_size: params.cohort_size }.into()
}

#[cfg(test)]
mod tests;

//! Why parameters do not meet assumptions.

/// The inequality of `docs/protocol.md`, section 5, that proposed parameters do not meet, with both
/// of its sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unmet {
    /// The assumptions themselves are not within their ranges ([`NoPlan`](super::NoPlan) says
    /// which), or the cohort is larger than 2^24 clients, for which judging would take long.
    #[error(
        "the assumptions are out of their ranges, or a cohort of {cohort_size} clients is above the \
         16,777,216 that are judged"
    )]
    Assumptions {
        /// The cohort size in the parameters.
        cohort_size: u32,
    },
    /// A sparse graph with an odd degree against an active server, which the inequalities do not
    /// cover.
    #[error(
        "{degree} neighbours are an odd number; against an active server the assumptions are judged for \
         even ones alone"
    )]
    OddDegree {
        /// The degree in the parameters.
        degree: u32,
    },
    /// Colluders and drop-outs leave fewer than two honest clients.
    #[error(
        "{corrupted} colluding and {dropped} dropped clients leave no two honest ones of {cohort_size}"
    )]
    Honest {
        /// Clients that are assumed to collude.
        corrupted: u32,
        /// Clients that are assumed to drop out.
        dropped: u32,
        /// The cohort size in the parameters.
        cohort_size: u32,
    },
    /// The threshold is too low for the colluding neighbours that a client may have.
    #[error(
        "a threshold of {threshold} shares among {degree} neighbours, of which {corrupted_neighbours} \
         may collude, is too low: ask for {least} or more"
    )]
    Threshold {
        /// The threshold in the parameters.
        threshold: u32,
        /// The most neighbours that a client can have.
        degree: u32,
        /// Neighbours that may collude, by the assumptions.
        corrupted_neighbours: u32,
        /// The least threshold that bears them.
        least: u32,
    },
    /// The survivors may fall into parts, each of which has a sum of its own.
    #[error(
        "{degree} neighbours and a threshold of {threshold} keep the survivors together but for a \
         probability of 2^-{kept}, where 2^-{need} is allowed for one ring: ask for more neighbours, or \
         for a plan of these assumptions"
    )]
    Parts {
        /// The degree in the parameters.
        degree: u32,
        /// The threshold in the parameters.
        threshold: u32,
        /// Bits of security of the parameters, rounded down.
        kept: u32,
        /// Bits of security that the assumptions ask for: half of 2^-(σ + g) / R.
        need: u32,
    },
    /// The quorum is so low that two survivor sets could both reach it.
    #[error(
        "a quorum of {quorum} confirmations, with {corrupted} colluding clients that sign twice, is \
         too low: ask for {least} or more, by more `corrupted_neighbours`"
    )]
    Quorum {
        /// The quorum of the parameters.
        quorum: u32,
        /// Clients that are assumed to collude.
        corrupted: u32,
        /// More than half of the cohort and of its colluding clients.
        least: u32,
    },
}

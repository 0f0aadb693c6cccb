//! What a client asks of a round, whatever the server proposes.

use crate::Params;
use crate::error::ServerMisbehaved;

/// Floors that the server cannot lower. A round below one of them is refused before the client has
/// sent anything.
///
/// The defaults are the least that the protocol itself can work with; an application that knows its
/// cohort should raise them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The least cohort size; default 3.
    pub min_cohort_size: u32,
    /// The least threshold, in shares; default 2.
    pub min_threshold: u32,
    /// The least number of neighbours, both in the parameters and in the peer list; default 2.
    pub min_neighbours: u32,
    /// The largest dimension, in elements; default unlimited.
    pub max_dimension: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self { min_cohort_size: 3, min_threshold: 2, min_neighbours: 2, max_dimension: usize::MAX }
    }
}

impl Policy {
    pub(crate) fn check(&self, params: &Params) -> Result<(), ServerMisbehaved> {
        let (cohort, threshold) = (params.cohort_size(), params.threshold());
        let (floor, found) = (self.min_cohort_size, cohort);
        if found < floor {
            return Err(ServerMisbehaved::CohortBelowPolicy { found, floor });
        }
        let (floor, found) = (self.min_threshold, threshold);
        if found < floor {
            return Err(ServerMisbehaved::ThresholdBelowPolicy { found, floor });
        }
        let (ceiling, found) = (self.max_dimension, params.dimension());
        if found > ceiling {
            return Err(ServerMisbehaved::DimensionAbovePolicy { found, ceiling });
        }
        self.check_neighbours(params.degree())
    }

    pub(crate) fn check_neighbours(&self, found: u32) -> Result<(), ServerMisbehaved> {
        let floor = self.min_neighbours;
        if found < floor {
            return Err(ServerMisbehaved::NeighboursBelowPolicy { found, floor });
        }
        Ok(())
    }
}

//! What a client asks of a round, whatever the server proposes.

use crate::error::ServerMisbehaved;
use crate::{Params, ThreatModel};

/// Floors that the server cannot lower. Parameters below one of them are refused before the client has
/// sent anything; members, neighbours and survivors below one of them before it reveals anything.
///
/// The defaults are the least that the protocol itself can work with; an application that knows its
/// cohort should raise them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The least cohort size; default 3.
    pub min_cohort_size: u32,
    /// The least threshold, in shares; default 2.
    pub min_threshold: u32,
    /// The least number of neighbours, in the parameters, among the members and among those that
    /// shared their keys; default 2.
    pub min_neighbours: u32,
    /// The least number of survivors, this client included; default 3. Against an active server it
    /// is a floor for the members too; choose it near the number that you expect, since a server could
    /// pretend that honest clients dropped, until colluders surround this one. Against a curious
    /// server a client sees its neighbours alone, and refuses a floor above their number.
    pub min_survivors: u32,
    /// The weakest threat model; default [`ThreatModel::HonestButCurious`], which accepts both.
    pub threat_model: ThreatModel,
    /// The least number of colluding neighbours that the threshold must bear; default 0. How many there
    /// may be is for the application to know.
    pub min_corrupted_neighbours: u32,
    /// The largest dimension, in elements; default unlimited.
    pub max_dimension: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            min_cohort_size: 3,
            min_threshold: 2,
            min_neighbours: 2,
            min_survivors: 3,
            threat_model: ThreatModel::HonestButCurious,
            min_corrupted_neighbours: 0,
            max_dimension: usize::MAX,
        }
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
        self.check_neighbours(params.degree())?;
        self.check_threat(params)?;
        self.check_sight(params)
    }

    fn check_threat(&self, params: &Params) -> Result<(), ServerMisbehaved> {
        if self.threat_model == ThreatModel::ActiveServer && !params.is_active() {
            return Err(ServerMisbehaved::ThreatModelBelowPolicy);
        }
        let (floor, found) = (self.min_corrupted_neighbours, params.corrupted_neighbours());
        if found < floor {
            return Err(ServerMisbehaved::CorruptedNeighboursBelowPolicy { found, floor });
        }
        Ok(())
    }

    /// A floor that could not be checked would be none.
    fn check_sight(&self, params: &Params) -> Result<(), ServerMisbehaved> {
        let (floor, seen) = (self.min_survivors, params.most_neighbours() + 1);
        if !params.is_active() && seen < floor {
            return Err(ServerMisbehaved::SurvivorsUnseen { seen, floor });
        }
        Ok(())
    }

    pub(crate) fn check_survivors(&self, found: usize) -> Result<(), ServerMisbehaved> {
        let floor = self.min_survivors as usize;
        if found < floor {
            return Err(ServerMisbehaved::SurvivorsBelowPolicy { found, floor });
        }
        Ok(())
    }

    pub(crate) fn check_neighbours(&self, found: u32) -> Result<(), ServerMisbehaved> {
        let floor = self.min_neighbours;
        if found < floor {
            return Err(ServerMisbehaved::NeighboursBelowPolicy { found, floor });
        }
        Ok(())
    }
}

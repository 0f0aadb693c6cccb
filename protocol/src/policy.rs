//! What a client asks of a round, whatever the server proposes.

use crate::error::ServerMisbehaved;
use crate::plan::{Assumptions, NoPlan};
use crate::{Params, ThreatModel};

/// Demands of a client on the parameters, and floors that the server cannot lower. Parameters are
/// refused before the client has sent anything; members, neighbours and survivors below a floor
/// before it reveals anything.
///
/// [`Policy::assuming`] makes the policy of a client that knows what to expect of its cohort. The
/// server chooses the degree, so floors on single numbers say little by themselves; they are for
/// experts, on top. Their defaults are the least that the protocol itself can work with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// Assumptions about the cohort: parameters that do not meet it are refused, and in an
    /// active round a roster of fewer than n - D members; default none. Its fractions are of the
    /// cohort that the server proposes: size and threat model are asked for by the fields below,
    /// which
    /// [`Policy::assuming`] sets too.
    pub assumptions: Option<Assumptions>,
    /// The least cohort size; default 3.
    pub min_cohort_size: u32,
    /// The least threshold, in shares; default 2.
    pub min_threshold: u32,
    /// The least number of neighbours, in the parameters, among the members and among those that
    /// shared their keys; default 2.
    pub min_neighbours: u32,
    /// The least number of survivors, this client and colluders included; default 3. For m honest
    /// others it is m + A + 1, where A clients collude. Against an active server it is a floor for
    /// the members too, beside the quorum, since a server could pretend that honest clients
    /// dropped, until colluders surround this one. Against a curious server a client sees its
    /// neighbours alone, and refuses a floor above their number.
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
            assumptions: None,
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
    /// The policy of a client that takes part where these assumptions are met, as
    /// [`Assumptions::admit`] judges them, in cohorts of at least their size, and against no weaker
    /// server than theirs.
    ///
    /// ```
    /// use secagg::plan::Assumptions;
    /// use secagg::{Policy, ThreatModel};
    ///
    /// let policy = Policy::assuming(Assumptions::new(1000, ThreatModel::ActiveServer))?;
    /// assert_eq!(policy.min_cohort_size, 1000);
    /// # Ok::<(), secagg::plan::NoPlan>(())
    /// ```
    ///
    /// # Errors
    /// [`NoPlan`] if no parameters at all meet them.
    pub fn assuming(assumptions: Assumptions) -> Result<Self, NoPlan> {
        assumptions.plan()?;
        let Assumptions { cohort_size, threat_model, .. } = assumptions;
        let assumptions = Some(assumptions);
        Ok(Self { assumptions, min_cohort_size: cohort_size, threat_model, ..Self::default() })
    }

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
        self.check_sight(params)?;
        match self.assumptions {
            Some(assumptions) => Ok(assumptions.admit(params)?),
            None => Ok(()),
        }
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

    /// Of an active round: it cannot end with fewer members than the quorum, and assumptions are
    /// about rosters with all members but those that were expected to drop out.
    pub(crate) fn check_members(
        &self,
        params: &Params,
        found: usize,
    ) -> Result<(), ServerMisbehaved> {
        let planned = self.assumptions.map_or(0, |all| all.least_members(params.cohort_size()));
        let floor = self.min_survivors.max(planned).max(params.quorum()) as usize;
        if found < floor {
            return Err(ServerMisbehaved::TooFewMembers { found, floor });
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

//! A client's judgement of the parameters that a server proposes: the planner's own inequalities.

use super::hypergeometric::SLACK;
use super::{Assumptions, SEARCH_BITS, Unmet};
use crate::{Params, ThreatModel};

/// Larger cohorts are refused, since judging them would take a client seconds or more.
const MOST_CLIENTS: u32 = 1 << 24;

impl Assumptions {
    /// Judges the parameters that somebody else proposes, by the inequalities that a
    /// [plan](Self::plan) rests on (`docs/protocol.md`, section 5). Both fractions are taken of the
    /// parameters' cohort; [`cohort_size`](Self::cohort_size) plays no part, nor do the rows that
    /// only say whether a round comes to its end. It takes milliseconds.
    ///
    /// ```
    /// use secagg::plan::{Assumptions, Unmet};
    /// use secagg::{Params, ThreatModel};
    ///
    /// let assumptions = Assumptions::new(1000, ThreatModel::ActiveServer);
    /// let planned = assumptions.plan()?.params(10).build()?;
    /// assert_eq!(assumptions.admit(&planned), Ok(()));
    ///
    /// // More neighbours under the same number of colluders, which is then too small.
    /// let raised = Params::secagg(1000, 10, 520)
    ///     .threat_model(ThreatModel::ActiveServer)
    ///     .corrupted_neighbours(25)
    ///     .build()?;
    /// assert!(matches!(assumptions.admit(&raised), Err(Unmet::Threshold { least: 525, .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Unmet`]: the first inequality that does not hold.
    pub fn admit(&self, params: &Params) -> Result<(), Unmet> {
        let cohort_size = params.cohort_size();
        let proposed = Self { cohort_size, ..self.against(params.threat_model()) };
        if proposed.check().is_err() || cohort_size > MOST_CLIENTS {
            return Err(Unmet::Assumptions { cohort_size });
        }
        if params.is_complete() {
            proposed.admit_threshold(params, proposed.corrupted_clients())?;
        } else {
            proposed.admit_sparse(params)?;
        }
        proposed.admit_quorum(params)
    }

    /// The same about the server of a round; if that may be active and these trusted theirs, the
    /// search that [`Assumptions::new`] grants is granted here too.
    fn against(&self, threat_model: ThreatModel) -> Self {
        let trusting = self.threat_model == ThreatModel::HonestButCurious;
        let searched = trusting && threat_model == ThreatModel::ActiveServer;
        let search_bits =
            if searched { self.search_bits.max(SEARCH_BITS) } else { self.search_bits };
        Self { search_bits, threat_model, ..*self }
    }

    /// The fewest members of a roster that were planned for, n - D, in a cohort of this size.
    pub(crate) fn least_members(&self, cohort_size: u32) -> u32 {
        cohort_size - Self { cohort_size, ..*self }.dropped_clients()
    }

    fn admit_sparse(&self, params: &Params) -> Result<(), Unmet> {
        let (degree, cohort_size) = (params.degree(), self.cohort_size);
        if degree % 2 == 1 && params.is_active() {
            return Err(Unmet::OddDegree { degree });
        }
        let (corrupted, dropped) = (self.corrupted_clients(), self.dropped_clients());
        if u64::from(corrupted) + u64::from(dropped) + 2 > u64::from(cohort_size) {
            return Err(Unmet::Honest { corrupted, dropped, cohort_size });
        }
        self.admit_threshold(params, self.corrupted_neighbours(params.most_neighbours()))?;
        self.admit_parts(params)
    }

    fn admit_threshold(&self, params: &Params, corrupted_neighbours: u32) -> Result<(), Unmet> {
        let (threshold, degree) = (params.threshold(), params.most_neighbours());
        let least = self.least_threshold(degree, corrupted_neighbours);
        if threshold < least {
            return Err(Unmet::Threshold { threshold, degree, corrupted_neighbours, least });
        }
        Ok(())
    }

    /// The graph of an odd degree has all neighbours of the even one below it, and one more.
    fn admit_parts(&self, params: &Params) -> Result<(), Unmet> {
        let (degree, threshold) = (params.degree(), params.threshold());
        let found = match self.threat_model {
            ThreatModel::HonestButCurious => self.unconnected(degree - degree % 2),
            ThreatModel::ActiveServer => self.split(degree, threshold),
        };
        if found > self.security() * (1.0 + SLACK) {
            let (kept, need) = (-found.log2(), -self.security().log2());
            let (kept, need) = (kept.max(0.0).floor() as u32, need.ceil() as u32);
            return Err(Unmet::Parts { degree, threshold, kept, need });
        }
        Ok(())
    }

    /// Honest clients confirm once and colluding ones as often as they like: two survivor sets
    /// would take n + A confirmations or fewer.
    fn admit_quorum(&self, params: &Params) -> Result<(), Unmet> {
        let (quorum, corrupted) = (params.quorum(), self.corrupted_clients());
        let least = u32::midpoint(self.cohort_size, corrupted) + 1;
        if params.is_active() && quorum < least {
            return Err(Unmet::Quorum { quorum, corrupted, least });
        }
        Ok(())
    }
}

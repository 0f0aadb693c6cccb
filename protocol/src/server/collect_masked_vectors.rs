use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use secagg_kernels::{Accumulator, PackError, pack};

use rand_core::CryptoRng;

use super::concurrent::lock;
use super::{Cohorts, Collected, Collecting, ConfirmSurvivors, Members, Round, check_enough};
use crate::error::{Abort, ClientMisbehaved, Malformed, Rejected};
use crate::keys::Commitment;
use crate::message::{ConfirmRequest, MaskedVector, Message, Outgoing};
use crate::{ClientId, Receive, Stage, trace};

/// Stage 2: adds up masked vectors from U2. However many come, there is one accumulator.
#[derive(Debug)]
pub struct CollectMaskedVectors(pub(super) Collected);

impl CollectMaskedVectors {
    pub(super) fn new(
        round: Round,
        members: Members,
        commitments: BTreeMap<usize, Commitment>,
    ) -> Self {
        let params = &round.session.params;
        let sum = Accumulator::new(params.modulus(), params.lanes());
        let cohorts = Cohorts { round, members, commitments, survivors: BTreeSet::new() };
        Self(Collected { cohorts, sum })
    }

    /// Judges a masked vector as [`receive`](Collecting::receive) does and counts its sender among the
    /// survivors, but leaves it to the caller to add the packed lanes that this gives: for sums that are
    /// spread over machines by ranges of lanes. What they come to is to be brought back by
    /// [`add_sum`](Self::add_sum) before the stage is saved or closed.
    ///
    /// # Errors
    /// [`Rejected`], as `receive`; the stage is as it was.
    pub fn admit<'a>(&mut self, from: ClientId, message: &'a [u8]) -> Result<&'a [u8], Rejected> {
        let Cohorts { round, members, commitments, survivors } = &mut self.0.cohorts;
        Door { round, members, commitments }.admit(survivors, from, message)
    }

    /// Adds a sum of admitted vectors, packed as they are.
    ///
    /// # Errors
    /// [`PackError`] for another length than that of the round's vectors, or unused bits that are set;
    /// the sum is as it was.
    pub fn add_sum(&mut self, packed: &[u8]) -> Result<(), PackError> {
        self.0.sum.add_packed(self.0.cohorts.round.backend, packed)
    }

    /// Survivors that do not hang together would be unmasked in parts, and the server would learn the
    /// sum of each.
    fn check_connected(&self) -> Result<(), Abort> {
        let Cohorts { members, survivors, .. } = &self.0.cohorts;
        let part = members.graph.ring().connected(|member| survivors.contains(&member));
        let survivors = survivors.len();
        if part < survivors { Err(Abort::Disconnected { survivors, part }) } else { Ok(()) }
    }

    /// A curious server's clients are asked nothing here; they believe it.
    fn requests(&self) -> Vec<Outgoing> {
        let Cohorts { round, members, survivors, .. } = &self.0.cohorts;
        if !round.session.params.is_active() {
            return Vec::new();
        }
        let clients = || survivors.iter().map(|&at| members.client(at));
        let request = ConfirmRequest { survivors: clients().collect() };
        let message: Arc<[u8]> = request.encode(round.session.id).into();
        clients().map(|to| Outgoing { to, message: Arc::clone(&message) }).collect()
    }
}

/// Where masked vectors come in.
struct Door<'a> {
    round: &'a Round,
    members: &'a Members,
    commitments: &'a BTreeMap<usize, Commitment>,
}

impl Door<'_> {
    /// Judges a message, and counts its sender among the survivors; gives the lanes to add, which can then be
    /// added.
    fn admit<'m>(
        &self,
        survivors: &mut BTreeSet<usize>,
        from: ClientId,
        message: &'m [u8],
    ) -> Result<&'m [u8], Rejected> {
        let position = self.members.position(from)?;
        if !self.commitments.contains_key(&position) {
            return Err(ClientMisbehaved::NotExpected.into());
        }
        let (session, packed) = MaskedVector::split(message)?;
        self.round.check_session(session)?;
        if survivors.contains(&position) {
            return Err(ClientMisbehaved::Duplicate.into());
        }
        let params = &self.round.session.params;
        pack::check_bytes(params.modulus(), params.lanes(), packed).map_err(Malformed::from)?;
        survivors.insert(position);
        Ok(packed)
    }
}

impl Collecting for CollectMaskedVectors {
    const STAGE: Stage = Stage::CollectMaskedVectors;
    type Next = ConfirmSurvivors;

    fn receive(&mut self, from: ClientId, message: &[u8]) -> Result<(), Rejected> {
        trace::receive(Self::STAGE, from, message, || {
            let packed = self.admit(from, message)?;
            Ok(self.add_sum(packed).map_err(Malformed::from)?)
        })
    }

    /// Judging is little, so it is done one after another; adding is much, and is done side by side.
    fn concurrently<T>(&mut self, exchange: impl FnOnce(&Receive<'_>) -> T) -> T {
        let Collected { cohorts, sum } = &mut self.0;
        let Cohorts { round, members, commitments, survivors } = cohorts;
        let door = Door { round, members, commitments };
        let (survivors, sum) = (Mutex::new(survivors), sum.stripes());
        exchange(&|from, message| {
            trace::receive(Self::STAGE, from, message, || {
                let packed = door.admit(&mut lock(&survivors), from, message)?;
                Ok(sum.add_packed(round.backend, packed).map_err(Malformed::from)?)
            })
        })
    }

    fn check(&self) -> Result<(), Abort> {
        let Cohorts { round, survivors, .. } = &self.0.cohorts;
        check_enough(Self::STAGE, survivors.len(), round.threshold() + 1)?;
        self.0.cohorts.check_reach(Self::STAGE, |holder, _| survivors.contains(&holder))?;
        self.check_connected()
    }

    fn close(self, _: &mut impl CryptoRng) -> Result<(ConfirmSurvivors, Vec<Outgoing>), Abort> {
        self.check()?;
        let outgoing = self.requests();
        Ok((ConfirmSurvivors::new(self.0), outgoing))
    }

    fn waiting_for(&self) -> Vec<ClientId> {
        let Cohorts { members, commitments, survivors, .. } = &self.0.cohorts;
        let silent = commitments.keys().filter(|position| !survivors.contains(position));
        silent.map(|&position| members.client(position)).collect()
    }
}

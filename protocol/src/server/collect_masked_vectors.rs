use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use secagg_kernels::{Accumulator, PackError, pack};

use super::{Collected, Collecting, ConfirmSurvivors, Members, Round, check_enough};
use crate::error::{Abort, ClientMisbehaved, Malformed, Rejected};
use crate::keys::Commitment;
use crate::message::{ConfirmRequest, MaskedVector, Message, Outgoing};
use crate::{ClientId, Params, Stage};

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
        Self(Collected { round, members, commitments, sum, survivors: BTreeSet::new() })
    }

    /// Judges a masked vector as [`receive`](Collecting::receive) does and counts its sender among the
    /// survivors, but leaves it to the caller to add the packed lanes that this gives: for sums that are
    /// spread over machines by ranges of lanes. What they come to is to be brought back by
    /// [`add_sum`](Self::add_sum) before the stage is saved or closed.
    ///
    /// # Errors
    /// [`Rejected`], as `receive`; the stage is as it was.
    pub fn admit<'a>(&mut self, from: ClientId, message: &'a [u8]) -> Result<&'a [u8], Rejected> {
        let (position, packed) = self.judge(from, message)?;
        check_packed(&self.0.round.session.params, packed).map_err(Malformed::from)?;
        self.0.survivors.insert(position);
        Ok(packed)
    }

    /// Adds a sum of admitted vectors, packed as they are.
    ///
    /// # Errors
    /// [`PackError`] for another length than that of the round's vectors, or unused bits that are set;
    /// the sum is as it was.
    pub fn add_sum(&mut self, packed: &[u8]) -> Result<(), PackError> {
        self.0.sum.add_packed(self.0.round.backend, packed)
    }

    fn judge<'a>(&self, from: ClientId, message: &'a [u8]) -> Result<(usize, &'a [u8]), Rejected> {
        let position = self.0.members.position(from)?;
        if !self.0.commitments.contains_key(&position) {
            return Err(ClientMisbehaved::NotExpected.into());
        }
        let (session, packed) = MaskedVector::split(message)?;
        self.0.round.check_session(session)?;
        if self.0.survivors.contains(&position) {
            return Err(ClientMisbehaved::Duplicate.into());
        }
        Ok((position, packed))
    }

    /// Survivors that do not hang together would be unmasked in parts, and the server would learn the
    /// sum of each.
    fn check_connected(&self) -> Result<(), Abort> {
        let survivors = &self.0.survivors;
        let part = self.0.members.graph.ring().connected(|member| survivors.contains(&member));
        let survivors = survivors.len();
        if part < survivors { Err(Abort::Disconnected { survivors, part }) } else { Ok(()) }
    }

    /// A curious server's clients are asked nothing here; they believe it.
    fn requests(&self) -> Vec<Outgoing> {
        let Collected { round, members, survivors, .. } = &self.0;
        if !round.session.params.is_active() {
            return Vec::new();
        }
        let clients = || survivors.iter().map(|&at| members.client(at));
        let request = ConfirmRequest { survivors: clients().collect() };
        let message: Arc<[u8]> = request.encode(round.session.id).into();
        clients().map(|to| Outgoing { to, message: Arc::clone(&message) }).collect()
    }
}

/// What adding a vector would refuse.
fn check_packed(params: &Params, packed: &[u8]) -> Result<(), PackError> {
    pack::check_bytes(params.modulus(), params.lanes(), packed)
}

impl Collecting for CollectMaskedVectors {
    const STAGE: Stage = Stage::CollectMaskedVectors;
    type Next = ConfirmSurvivors;

    fn receive(&mut self, from: ClientId, message: &[u8]) -> Result<(), Rejected> {
        let (position, packed) = self.judge(from, message)?;
        let Collected { round, sum, survivors, .. } = &mut self.0;
        sum.add_packed(round.backend, packed).map_err(Malformed::from)?;
        survivors.insert(position);
        Ok(())
    }

    fn check(&self) -> Result<(), Abort> {
        let Collected { round, survivors, .. } = &self.0;
        check_enough(Self::STAGE, survivors.len(), round.threshold() + 1)?;
        self.0.check_reach(Self::STAGE, |holder, _| survivors.contains(&holder))?;
        self.check_connected()
    }

    fn close(self) -> Result<(ConfirmSurvivors, Vec<Outgoing>), Abort> {
        self.check()?;
        let outgoing = self.requests();
        Ok((ConfirmSurvivors::new(self.0), outgoing))
    }

    fn waiting_for(&self) -> Vec<ClientId> {
        let Collected { members, commitments, survivors, .. } = &self.0;
        let silent = commitments.keys().filter(|position| !survivors.contains(position));
        silent.map(|&position| members.client(position)).collect()
    }
}

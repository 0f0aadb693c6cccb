use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use secagg_kernels::Accumulator;

use super::{Collecting, Members, Round, Unmask};
use crate::error::{Abort, ClientMisbehaved, Malformed, Rejected};
use crate::keys::Commitment;
use crate::message::{MaskedVector, Message, Outgoing, UnmaskRequest};
use crate::{ClientId, Stage};

/// Stage 2: adds up masked vectors from U2. However many come, there is one accumulator.
#[derive(Debug)]
pub struct CollectMaskedVectors {
    round: Round,
    members: Members,
    /// U2 by position, with what each committed to.
    commitments: BTreeMap<usize, Commitment>,
    sum: Accumulator,
    survivors: BTreeSet<usize>,
}

impl CollectMaskedVectors {
    pub(super) fn new(
        round: Round,
        members: Members,
        commitments: BTreeMap<usize, Commitment>,
    ) -> Self {
        let params = &round.session.params;
        let sum = Accumulator::new(params.modulus(), params.lanes());
        Self { round, members, commitments, sum, survivors: BTreeSet::new() }
    }

    fn judge<'a>(&self, from: ClientId, message: &'a [u8]) -> Result<(usize, &'a [u8]), Rejected> {
        let position = self.members.position(from)?;
        if !self.commitments.contains_key(&position) {
            return Err(ClientMisbehaved::NotExpected.into());
        }
        let (session, packed) = MaskedVector::split(message)?;
        self.round.check_session(session)?;
        if self.survivors.contains(&position) {
            return Err(ClientMisbehaved::Duplicate.into());
        }
        Ok((position, packed))
    }

    /// Every secret that the sum needs must be within reach of enough survivors: each survivor's
    /// seed, and the mask key of each dropped client that a survivor is masked against.
    fn check_neighbourhoods(&self) -> Result<(), Abort> {
        let (stage, need) = (Stage::CollectMaskedVectors, self.round.threshold());
        for &position in self.commitments.keys() {
            let have = self.surviving_neighbours(position);
            let needed = have > 0 || self.survivors.contains(&position);
            if needed && have < need {
                let client = self.members.client(position);
                return Err(Abort::TooFewNeighbours { stage, client, have, need });
            }
        }
        Ok(())
    }

    /// Survivors that do not hang together would be unmasked in parts, and the server would learn the
    /// sum of each.
    fn check_connected(&self) -> Result<(), Abort> {
        let mut part = BTreeSet::new();
        let mut next: Vec<_> = self.survivors.first().copied().into_iter().collect();
        while let Some(position) = next.pop() {
            if part.insert(position) {
                let neighbours = self.members.graph.neighbours(position).iter().copied();
                next.extend(neighbours.filter(|neighbour| self.survivors.contains(neighbour)));
            }
        }
        let (survivors, part) = (self.survivors.len(), part.len());
        if part < survivors { Err(Abort::Disconnected { survivors, part }) } else { Ok(()) }
    }

    fn surviving_neighbours(&self, position: usize) -> usize {
        let neighbours = self.members.graph.neighbours(position);
        neighbours.iter().filter(|neighbour| self.survivors.contains(neighbour)).count()
    }

    /// In a complete graph everyone is told the same survivors, so they are encoded once.
    fn requests(&self) -> Vec<Outgoing> {
        let shared = self.members.is_complete().then(|| self.request(self.survivors.iter()));
        let message = |&to: &usize| shared.clone().unwrap_or_else(|| self.neighbours_request(to));
        let outgoing = |to: &usize| Outgoing { to: self.members.client(*to), message: message(to) };
        self.survivors.iter().map(outgoing).collect()
    }

    fn neighbours_request(&self, to: usize) -> Arc<[u8]> {
        let neighbourhood = self.members.neighbourhood(to);
        self.request(neighbourhood.iter().filter(|at| self.survivors.contains(at)))
    }

    fn request<'a>(&self, survivors: impl Iterator<Item = &'a usize>) -> Arc<[u8]> {
        let survivors = survivors.map(|&at| self.members.client(at)).collect();
        UnmaskRequest { survivors }.encode(self.round.session.id).into()
    }
}

impl Collecting for CollectMaskedVectors {
    const STAGE: Stage = Stage::CollectMaskedVectors;
    type Next = Unmask;

    fn receive(&mut self, from: ClientId, message: &[u8]) -> Result<(), Rejected> {
        let (position, packed) = self.judge(from, message)?;
        self.sum.add_packed(self.round.backend, packed).map_err(Malformed::from)?;
        self.survivors.insert(position);
        Ok(())
    }

    fn close(self) -> Result<(Unmask, Vec<Outgoing>), Abort> {
        let (have, need) = (self.survivors.len(), self.round.threshold() + 1);
        if have < need {
            return Err(Abort::TooFew { stage: Stage::CollectMaskedVectors, have, need });
        }
        self.check_neighbourhoods()?;
        self.check_connected()?;
        let outgoing = self.requests();
        let Self { round, members, commitments, sum, survivors } = self;
        Ok((Unmask::new(round, members, commitments, sum, survivors), outgoing))
    }

    fn waiting_for(&self) -> Vec<ClientId> {
        let silent = self.commitments.keys().filter(|position| !self.survivors.contains(position));
        silent.map(|&position| self.members.client(position)).collect()
    }
}

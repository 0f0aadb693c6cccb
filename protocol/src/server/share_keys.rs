use std::collections::{BTreeMap, BTreeSet};

use rand_core::CryptoRng;

use super::concurrent::{Judge, concurrently, receive};
use super::{CollectMaskedVectors, Collecting, Members, Round, check_enough};
use crate::error::{Abort, ClientMisbehaved, Rejected};
use crate::message::{CollectRequest, Message, Outgoing, SealedShares};
use crate::sealed::SealedPair;
use crate::{ClientId, Receive, Stage};

/// Stage 1: collects sealed shares from U1.
#[derive(Debug)]
pub struct ShareKeys {
    pub(super) round: Round,
    pub(super) members: Members,
    /// By position in U1.
    pub(super) sealed: BTreeMap<usize, SealedShares>,
}

impl ShareKeys {
    pub(super) fn new(round: Round, members: Members) -> Self {
        Self { round, members, sealed: BTreeMap::new() }
    }

    fn check_new(&self, position: usize) -> Result<(), ClientMisbehaved> {
        let seen = self.sealed.contains_key(&position);
        if seen { Err(ClientMisbehaved::Duplicate) } else { Ok(()) }
    }

    /// U2: who shared its keys, without those that are left with fewer neighbours than the threshold,
    /// until none is: their secrets could not be recovered, and without them the round lives.
    fn sharers(&self) -> BTreeSet<usize> {
        let mut sharers: BTreeSet<_> = self.sealed.keys().copied().collect();
        loop {
            let lonely: Vec<_> = self.lonely(&sharers).map(|(position, _)| position).collect();
            if lonely.is_empty() {
                return sharers;
            }
            sharers.retain(|position| !lonely.contains(position));
        }
    }

    /// Those of some clients that have too few neighbours among them, and how many they have.
    fn lonely(&self, among: &BTreeSet<usize>) -> impl Iterator<Item = (usize, usize)> {
        let neighbours = |position| {
            let neighbours = self.members.graph.neighbours(position);
            neighbours.iter().filter(|neighbour| among.contains(neighbour)).count()
        };
        let counted = among.iter().map(move |&position| (position, neighbours(position)));
        counted.filter(|&(_, have)| have < self.round.threshold())
    }

    /// If everyone is lonely in the end, the first that was so from the start is named.
    fn check_sharers(&self, sharers: &BTreeSet<usize>) -> Result<(), Abort> {
        let (have, need) = (self.sealed.len(), self.round.threshold());
        check_enough(Self::STAGE, have, need + 1)?;
        let answered = self.sealed.keys().copied().collect();
        match self.lonely(&answered).next() {
            Some((position, have)) if sharers.is_empty() => {
                let client = self.members.client(position);
                Err(Abort::TooFewNeighbours { stage: Self::STAGE, client, have, need })
            }
            _ => Ok(()),
        }
    }

    fn requests(&self) -> Vec<Outgoing> {
        self.sealed.keys().map(|&receiver| self.request(receiver)).collect()
    }

    fn request(&self, receiver: usize) -> Outgoing {
        let senders = self.members.graph.neighbours(receiver);
        let boxes = senders.iter().filter_map(|&sender| self.forward(sender, receiver));
        let message = CollectRequest { boxes: boxes.collect() }.encode(self.round.session.id);
        Outgoing { to: self.members.client(receiver), message: message.into() }
    }

    /// The box that `sender` sealed for `receiver`, if it sealed any.
    fn forward(&self, sender: usize, receiver: usize) -> Option<(ClientId, SealedPair)> {
        let shares = self.sealed.get(&sender)?;
        let at = self.members.graph.neighbours(sender).binary_search(&receiver).ok()?;
        Some((self.members.client(sender), shares.boxes[at]))
    }
}

impl Judge for ShareKeys {
    type Judged = (usize, SealedShares);

    fn judge(&self, from: ClientId, message: &[u8]) -> Result<(usize, SealedShares), Rejected> {
        let position = self.members.position(from)?;
        let (session, shares) = SealedShares::decode(message)?;
        self.round.check_session(session)?;
        self.check_new(position)?;
        let (expected, found) = (self.members.graph.degree(), shares.boxes.len());
        if found != expected {
            return Err(ClientMisbehaved::ShareCount { expected, found }.into());
        }
        Ok((position, shares))
    }

    fn keep(&mut self, _: ClientId, (position, shares): Self::Judged) -> Result<(), Rejected> {
        self.check_new(position)?;
        self.sealed.insert(position, shares);
        Ok(())
    }
}

impl Collecting for ShareKeys {
    const STAGE: Stage = Stage::ShareKeys;
    type Next = CollectMaskedVectors;

    fn receive(&mut self, from: ClientId, message: &[u8]) -> Result<(), Rejected> {
        receive(self, from, message)
    }

    fn concurrently<T>(&mut self, exchange: impl FnOnce(&Receive<'_>) -> T) -> T {
        concurrently(self, exchange)
    }

    fn check(&self) -> Result<(), Abort> {
        self.check_sharers(&self.sharers())
    }

    fn close(
        mut self,
        _: &mut impl CryptoRng,
    ) -> Result<(CollectMaskedVectors, Vec<Outgoing>), Abort> {
        let sharers = self.sharers();
        self.check_sharers(&sharers)?;
        self.sealed.retain(|position, _| sharers.contains(position));
        let outgoing = self.requests();
        let commitments = self.sealed.into_iter().map(|(at, shares)| (at, shares.commitment));
        let next = CollectMaskedVectors::new(self.round, self.members, commitments.collect());
        Ok((next, outgoing))
    }

    fn waiting_for(&self) -> Vec<ClientId> {
        let everyone = 0..self.members.clients.len();
        let silent = everyone.filter(|position| !self.sealed.contains_key(position));
        silent.map(|position| self.members.client(position)).collect()
    }
}

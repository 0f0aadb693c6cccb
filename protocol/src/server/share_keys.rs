use std::collections::BTreeMap;

use super::{CollectMaskedVectors, Collecting, Members, Round};
use crate::error::{Abort, ClientMisbehaved, Rejected};
use crate::message::{CollectRequest, Message, Outgoing, SealedShares};
use crate::sealed::SealedPair;
use crate::{ClientId, Stage};

/// Stage 1: collects sealed shares from U1.
#[derive(Debug)]
pub struct ShareKeys {
    round: Round,
    members: Members,
    /// By position in U1.
    sealed: BTreeMap<usize, SealedShares>,
}

impl ShareKeys {
    pub(super) fn new(round: Round, members: Members) -> Self {
        Self { round, members, sealed: BTreeMap::new() }
    }

    fn judge(&self, from: ClientId, message: &[u8]) -> Result<(usize, SealedShares), Rejected> {
        let position = self.members.position(from)?;
        let (session, shares) = SealedShares::decode(message)?;
        self.round.check_session(session)?;
        if self.sealed.contains_key(&position) {
            return Err(ClientMisbehaved::Duplicate.into());
        }
        let (expected, found) = (self.members.graph.degree(), shares.boxes.len());
        if found != expected {
            return Err(ClientMisbehaved::ShareCount { expected, found }.into());
        }
        Ok((position, shares))
    }

    /// Drops clients that are left with fewer neighbours than the threshold, until none is: their
    /// secrets could not be recovered, and without them the round lives. If that leaves nobody, the
    /// first of them is named.
    fn drop_lonely(&mut self) -> Result<(), Abort> {
        let first = self.lonely().next();
        loop {
            let dropped: Vec<_> = self.lonely().map(|(position, _)| position).collect();
            if dropped.is_empty() {
                break;
            }
            self.sealed.retain(|position, _| !dropped.contains(position));
        }
        match first {
            Some((position, have)) if self.sealed.is_empty() => {
                let (client, need) = (self.members.client(position), self.round.threshold());
                Err(Abort::TooFewNeighbours { stage: Stage::ShareKeys, client, have, need })
            }
            _ => Ok(()),
        }
    }

    /// Clients with too few neighbours that shared their keys, and with how many.
    fn lonely(&self) -> impl Iterator<Item = (usize, usize)> {
        let counted =
            self.sealed.keys().map(|&position| (position, self.sharing_neighbours(position)));
        counted.filter(|&(_, have)| have < self.round.threshold())
    }

    fn sharing_neighbours(&self, position: usize) -> usize {
        let neighbours = self.members.graph.neighbours(position);
        neighbours.iter().filter(|neighbour| self.sealed.contains_key(neighbour)).count()
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

impl Collecting for ShareKeys {
    const STAGE: Stage = Stage::ShareKeys;
    type Next = CollectMaskedVectors;

    fn receive(&mut self, from: ClientId, message: &[u8]) -> Result<(), Rejected> {
        let (position, shares) = self.judge(from, message)?;
        self.sealed.insert(position, shares);
        Ok(())
    }

    fn close(mut self) -> Result<(CollectMaskedVectors, Vec<Outgoing>), Abort> {
        let (have, need) = (self.sealed.len(), self.round.threshold() + 1);
        if have < need {
            return Err(Abort::TooFew { stage: Stage::ShareKeys, have, need });
        }
        self.drop_lonely()?;
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

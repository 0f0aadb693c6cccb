use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Collected, Collecting, Unmask, check_enough};
use crate::error::{Abort, ClientMisbehaved, Rejected};
use crate::identity::{Statement, SurvivorsHash};
use crate::message::{Confirmation, Message, Outgoing, UnmaskRequest};
use crate::{ClientId, Signature, Stage};

/// Between the last two stages: collects the survivors' signatures over who survived.
///
/// Only an active server needs them. Clients of a curious one are asked nothing here, and the stage can
/// be closed as it is.
#[derive(Debug)]
pub struct ConfirmSurvivors {
    collected: Collected,
    hash: SurvivorsHash,
    /// By position.
    confirmations: BTreeMap<usize, Signature>,
}

impl ConfirmSurvivors {
    pub(super) fn new(collected: Collected) -> Self {
        let survivors = collected.survivors.iter().map(|&at| collected.members.client(at));
        let hash = SurvivorsHash::new(survivors);
        Self { collected, hash, confirmations: BTreeMap::new() }
    }

    fn is_active(&self) -> bool {
        self.collected.round.directory.is_some()
    }

    fn judge(&self, from: ClientId, message: &[u8]) -> Result<(usize, Signature), Rejected> {
        let Collected { round, members, survivors, .. } = &self.collected;
        let position = members.position(from)?;
        if !self.is_active() || !survivors.contains(&position) {
            return Err(ClientMisbehaved::NotExpected.into());
        }
        let (session, Confirmation { signature }) = Confirmation::decode(message)?;
        round.check_session(session)?;
        if self.confirmations.contains_key(&position) {
            return Err(ClientMisbehaved::Duplicate.into());
        }
        self.check_signature(from, &signature)?;
        Ok((position, signature))
    }

    fn check_signature(
        &self,
        from: ClientId,
        signature: &Signature,
    ) -> Result<(), ClientMisbehaved> {
        let Collected { round, members, .. } = &self.collected;
        let statement = Statement::survivors(&round.session, from, &members.roster, &self.hash);
        let directory = round.directory.as_ref();
        let signed = directory.is_some_and(|known| known.confirms(from, &statement, signature));
        if signed { Ok(()) } else { Err(ClientMisbehaved::BadSignature) }
    }

    /// Who is asked to unmask: all survivors of a curious server; otherwise those that confirmed, and
    /// that enough of their neighbours agree with.
    fn unmaskers(&self) -> BTreeSet<usize> {
        if !self.is_active() {
            return self.collected.survivors.clone();
        }
        let (graph, need) = (&self.collected.members.graph, self.collected.round.threshold());
        let confirmed = |at: &&usize| self.confirmations.contains_key(at);
        let backed = |at: &usize| graph.neighbours(*at).iter().filter(confirmed).count() >= need;
        self.confirmations.keys().copied().filter(backed).collect()
    }

    fn check_unmaskers(&self, unmaskers: &BTreeSet<usize>) -> Result<(), Abort> {
        if !self.is_active() {
            return Ok(());
        }
        let round = &self.collected.round;
        check_enough(Self::STAGE, self.confirmations.len(), round.threshold() + 1)?;
        self.collected.check_reach(Self::STAGE, |holder, _| unmaskers.contains(&holder))
    }

    /// In a complete graph everyone is told the same, so it is encoded once.
    fn requests(&self, unmaskers: &BTreeSet<usize>) -> Vec<Outgoing> {
        let members = &self.collected.members;
        let everyone = || self.collected.survivors.iter().copied();
        let shared = members.is_complete().then(|| self.request(everyone()));
        let near = |to| self.request(members.neighbourhood(to).into_iter());
        let message = |to| shared.clone().unwrap_or_else(|| near(to));
        let outgoing = |&to: &usize| Outgoing { to: members.client(to), message: message(to) };
        unmaskers.iter().map(outgoing).collect()
    }

    /// What to tell a neighbourhood: who of it survived, and as many confirmations as its client asks
    /// for, beside its own.
    fn request(&self, neighbourhood: impl Iterator<Item = usize>) -> Arc<[u8]> {
        let Collected { round, members, survivors, .. } = &self.collected;
        let survivors: Vec<_> = neighbourhood.filter(|at| survivors.contains(at)).collect();
        let confirmed = survivors.iter().filter_map(|at| {
            self.confirmations.get(at).map(|signature| (members.client(*at), *signature))
        });
        let confirmations = confirmed.take(round.threshold() + 1).collect();
        let survivors = survivors.iter().map(|&at| members.client(at)).collect();
        UnmaskRequest { survivors, confirmations }.encode(round.session.id).into()
    }
}

impl Collecting for ConfirmSurvivors {
    const STAGE: Stage = Stage::ConfirmSurvivors;
    type Next = Unmask;

    fn receive(&mut self, from: ClientId, message: &[u8]) -> Result<(), Rejected> {
        let (position, signature) = self.judge(from, message)?;
        self.confirmations.insert(position, signature);
        Ok(())
    }

    fn check(&self) -> Result<(), Abort> {
        self.check_unmaskers(&self.unmaskers())
    }

    fn close(self) -> Result<(Unmask, Vec<Outgoing>), Abort> {
        let unmaskers = self.unmaskers();
        self.check_unmaskers(&unmaskers)?;
        let outgoing = self.requests(&unmaskers);
        Ok((Unmask::new(self.collected, unmaskers), outgoing))
    }

    fn waiting_for(&self) -> Vec<ClientId> {
        let Collected { members, survivors, .. } = &self.collected;
        let silent = survivors.iter().filter(|at| !self.confirmations.contains_key(at));
        silent.filter(|_| self.is_active()).map(|&at| members.client(at)).collect()
    }
}

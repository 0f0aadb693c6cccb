use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rand_core::CryptoRng;

use super::concurrent::{Judge, concurrently, receive};
use super::{Cohorts, Collected, Collecting, Unmask, check_enough};
use crate::error::{Abort, ClientMisbehaved, Rejected};
use crate::identity::{Statement, SurvivorsHash};
use crate::message::{Confirmation, Message, Outgoing, UnmaskRequest};
use crate::{ClientId, Receive, Signature, Stage};

/// Between the last two stages: collects the survivors' signatures over who survived.
///
/// Only an active server needs them. Clients of a curious one are asked nothing here, and the stage can
/// be closed as it is.
#[derive(Debug)]
pub struct ConfirmSurvivors {
    pub(super) collected: Collected,
    hash: SurvivorsHash,
    /// By position.
    pub(super) confirmations: BTreeMap<usize, Signature>,
}

impl ConfirmSurvivors {
    pub(super) fn new(collected: Collected) -> Self {
        let Cohorts { members, survivors, .. } = &collected.cohorts;
        let survivors = survivors.iter().map(|&at| members.client(at));
        let hash = SurvivorsHash::new(survivors);
        Self { collected, hash, confirmations: BTreeMap::new() }
    }

    fn is_active(&self) -> bool {
        self.collected.cohorts.round.directory.is_some()
    }

    fn check_new(&self, position: usize) -> Result<(), ClientMisbehaved> {
        let seen = self.confirmations.contains_key(&position);
        if seen { Err(ClientMisbehaved::Duplicate) } else { Ok(()) }
    }

    fn check_signature(
        &self,
        from: ClientId,
        signature: &Signature,
    ) -> Result<(), ClientMisbehaved> {
        let Cohorts { round, members, .. } = &self.collected.cohorts;
        let statement = Statement::survivors(&round.session, from, &members.roster, &self.hash);
        let directory = round.directory.as_ref();
        let signed = directory.is_some_and(|known| known.confirms(from, &statement, signature));
        if signed { Ok(()) } else { Err(ClientMisbehaved::BadSignature) }
    }

    /// Who is asked to unmask: all survivors of a curious server, and otherwise those that confirmed.
    fn unmaskers(&self) -> BTreeSet<usize> {
        if self.is_active() {
            self.confirmations.keys().copied().collect()
        } else {
            self.collected.cohorts.survivors.clone()
        }
    }

    /// Everyone is told the same in a complete graph, and against an active server, so it is encoded once.
    fn requests(&self, unmaskers: &BTreeSet<usize>) -> Vec<Outgoing> {
        let members = &self.collected.cohorts.members;
        let everyone = || self.collected.cohorts.survivors.iter().copied();
        let same = members.is_complete() || self.is_active();
        let shared = same.then(|| self.request(everyone()));
        let near = |to| self.request(members.neighbourhood(to).into_iter());
        let message = |to| shared.clone().unwrap_or_else(|| near(to));
        let outgoing = |&to: &usize| Outgoing { to: members.client(to), message: message(to) };
        unmaskers.iter().map(outgoing).collect()
    }

    /// Who of these survived, and as many confirmations as a client asks for.
    fn request(&self, among: impl Iterator<Item = usize>) -> Arc<[u8]> {
        let Cohorts { round, members, survivors, .. } = &self.collected.cohorts;
        let survivors = among.filter(|at| survivors.contains(at)).map(|at| members.client(at));
        let confirmed = self.confirmations.iter().take(round.session.params.quorum() as usize);
        let confirmations = confirmed.map(|(&at, signature)| (members.client(at), *signature));
        let (survivors, confirmations) = (survivors.collect(), confirmations.collect());
        UnmaskRequest { survivors, confirmations }.encode(round.session.id).into()
    }
}

impl Judge for ConfirmSurvivors {
    type Judged = (usize, Signature);

    fn judge(&self, from: ClientId, message: &[u8]) -> Result<(usize, Signature), Rejected> {
        let Cohorts { round, members, survivors, .. } = &self.collected.cohorts;
        let position = members.position(from)?;
        if !self.is_active() || !survivors.contains(&position) {
            return Err(ClientMisbehaved::NotExpected.into());
        }
        let (session, Confirmation { signature }) = Confirmation::decode(message)?;
        round.check_session(session)?;
        self.check_new(position)?;
        self.check_signature(from, &signature)?;
        Ok((position, signature))
    }

    fn keep(&mut self, _: ClientId, (position, signature): Self::Judged) -> Result<(), Rejected> {
        self.check_new(position)?;
        self.confirmations.insert(position, signature);
        Ok(())
    }
}

impl Collecting for ConfirmSurvivors {
    const STAGE: Stage = Stage::ConfirmSurvivors;
    type Next = Unmask;

    fn receive(&mut self, from: ClientId, message: &[u8]) -> Result<(), Rejected> {
        receive(self, from, message)
    }

    fn concurrently<T>(&mut self, exchange: impl FnOnce(&Receive<'_>) -> T) -> T {
        concurrently(self, exchange)
    }

    fn check(&self) -> Result<(), Abort> {
        if !self.is_active() {
            return Ok(());
        }
        let quorum = self.collected.cohorts.round.session.params.quorum() as usize;
        check_enough(Self::STAGE, self.confirmations.len(), quorum)?;
        self.collected
            .cohorts
            .check_reach(Self::STAGE, |at, _| self.confirmations.contains_key(&at))
    }

    fn close(self, _: &mut impl CryptoRng) -> Result<(Unmask, Vec<Outgoing>), Abort> {
        self.check()?;
        let unmaskers = self.unmaskers();
        let outgoing = self.requests(&unmaskers);
        Ok((Unmask::new(self.collected, unmaskers), outgoing))
    }

    fn waiting_for(&self) -> Vec<ClientId> {
        let Cohorts { members, survivors, .. } = &self.collected.cohorts;
        let silent = survivors.iter().filter(|at| !self.confirmations.contains_key(at));
        silent.filter(|_| self.is_active()).map(|&at| members.client(at)).collect()
    }
}

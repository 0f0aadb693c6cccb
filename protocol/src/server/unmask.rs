use std::collections::BTreeSet;

use secagg_kernels::{Accumulator, MaskPlan, Real, WeightedMean};

use super::recover::{FalseShare, Recovery, Shares};
use super::{Collected, Collecting, Round, check_enough};
use crate::error::{Abort, ClientMisbehaved, Rejected};
use crate::message::{Message, Outgoing, Revealed, RevealedShares};
use crate::shamir::Share;
use crate::{ClientId, Stage};

/// The last stage: collects shares from the survivors.
#[derive(Debug)]
pub struct Unmask {
    pub(super) collected: Collected,
    /// Survivors that were asked, by position.
    pub(super) asked: BTreeSet<usize>,
    pub(super) unmaskers: BTreeSet<usize>,
    pub(super) shares: Shares,
}

impl Unmask {
    pub(super) fn new(collected: Collected, asked: BTreeSet<usize>) -> Self {
        Self { collected, asked, unmaskers: BTreeSet::new(), shares: Shares::new() }
    }

    fn judge(&self, from: ClientId, message: &[u8]) -> Result<(usize, Vec<Revealed>), Rejected> {
        let position = self.collected.members.position(from)?;
        if !self.asked.contains(&position) {
            return Err(ClientMisbehaved::NotExpected.into());
        }
        let (session, RevealedShares { shares }) = RevealedShares::decode(message)?;
        self.collected.round.check_session(session)?;
        if self.unmaskers.contains(&position) {
            return Err(ClientMisbehaved::Duplicate.into());
        }
        self.check_shares(position, &shares)?;
        Ok((position, shares))
    }

    /// One share for each neighbour in U2, of the secret that the survivors call for.
    fn check_shares(&self, from: usize, shares: &[Revealed]) -> Result<(), ClientMisbehaved> {
        let owners: Vec<_> = self.collected.sharing_neighbours(from).collect();
        let (expected, found) = (owners.len(), shares.len());
        if found != expected {
            return Err(ClientMisbehaved::ShareCount { expected, found });
        }
        let survivors = &self.collected.survivors;
        let fits = |(owner, revealed): (&usize, &Revealed)| match revealed {
            Revealed::Nothing => true,
            Revealed::SelfMaskSeed(_) => survivors.contains(owner),
            Revealed::MaskSecretKey(_) => !survivors.contains(owner),
        };
        if owners.iter().zip(shares).all(fits) { Ok(()) } else { Err(ClientMisbehaved::ShareKind) }
    }

    fn keep(&mut self, unmasker: usize, shares: Vec<Revealed>) {
        let owners: Vec<_> = self.collected.sharing_neighbours(unmasker).collect();
        for (owner, revealed) in owners.into_iter().zip(shares) {
            if let Some(share) = share(revealed) {
                self.shares.entry(owner).or_default().insert(unmasker, share);
            }
        }
        self.unmaskers.insert(unmasker);
    }

    fn holds(&self, holder: usize, owner: usize) -> bool {
        self.shares.get(&owner).is_some_and(|shares| shares.contains_key(&holder))
    }
}

impl Collecting for Unmask {
    const STAGE: Stage = Stage::Unmask;
    type Next = Recovered;

    fn receive(&mut self, from: ClientId, message: &[u8]) -> Result<(), Rejected> {
        let (unmasker, shares) = self.judge(from, message)?;
        self.keep(unmasker, shares);
        Ok(())
    }

    fn check(&self) -> Result<(), Abort> {
        let round = &self.collected.round;
        check_enough(Self::STAGE, self.unmaskers.len(), round.threshold())?;
        self.collected.check_reach(Self::STAGE, |holder, owner| self.holds(holder, owner))
    }

    /// Recovers the secrets that the sum needs, and checks each against what its owner published.
    /// No message follows.
    fn close(self) -> Result<(Recovered, Vec<Outgoing>), Abort> {
        self.check()?;
        let Self { collected, unmaskers, shares, .. } = self;
        let Collected { round, members, commitments, sum, survivors } = collected;
        let mut recovery = Recovery::new(&round, &members, &unmaskers, &shares);
        let plan = recovery.mask_plan(&commitments, &survivors)?;
        let false_shares = recovery.into_false_shares();
        let survivors = survivors.iter().map(|&at| members.client(at)).collect();
        let reading = Reading { round, survivors, false_shares };
        Ok((Recovered { plan, sum, reading }, Vec::new()))
    }

    fn waiting_for(&self) -> Vec<ClientId> {
        let silent = self.asked.iter().filter(|position| !self.unmaskers.contains(position));
        silent.map(|&position| self.collected.members.client(position)).collect()
    }
}

fn share(revealed: Revealed) -> Option<Share> {
    match revealed {
        Revealed::Nothing => None,
        Revealed::SelfMaskSeed(share) | Revealed::MaskSecretKey(share) => Some(share),
    }
}

/// The sum with its masks still on, and the plan that takes them off.
///
/// The plan applies to any range of lanes on its own, so the work can be spread over machines:
/// [`into_parts`](Self::into_parts). Here, [`aggregate`](Self::aggregate) does it over this
/// process's threads.
#[derive(Debug)]
pub struct Recovered {
    plan: MaskPlan,
    sum: Accumulator,
    reading: Reading,
}

/// How a sum without masks is read: what to divide by, and whose updates are in it.
#[derive(Debug)]
pub struct Reading {
    round: Round,
    survivors: Vec<ClientId>,
    false_shares: Vec<FalseShare>,
}

impl Recovered {
    /// Masks to take off: one for each survivor, and one for each edge between a survivor and a
    /// dropped client.
    pub fn masks(&self) -> usize {
        self.plan.len()
    }

    /// Takes the masks off, and reads the sum as a weighted mean.
    ///
    /// # Errors
    /// As [`Reading::aggregate`]; [`Abort::Keystream`] for a vector longer than a mask.
    pub fn aggregate<F: Real>(mut self) -> Result<Aggregate<F>, Abort> {
        self.sum.apply(self.reading.round.backend, &self.plan)?;
        self.reading.aggregate(&self.sum)
    }

    /// The masked sum, the plan that takes its masks off, and how to read what remains: for callers
    /// that apply the plan themselves, range by range.
    pub fn into_parts(self) -> (Accumulator, MaskPlan, Reading) {
        (self.sum, self.plan, self.reading)
    }
}

impl Reading {
    /// Reads a sum without masks as a weighted mean.
    ///
    /// # Errors
    /// [`Abort::Sum`] if the survivors' weights are all zero, or if a lane is larger than honest
    /// updates can make it, as it is where masks are left.
    pub fn aggregate<F: Real>(self, sum: &Accumulator) -> Result<Aggregate<F>, Abort> {
        let Self { round: Round { session, backend, .. }, survivors, false_shares } = self;
        let clients = survivors.len() as u64;
        let result = sum.dequantize(backend, session.params.quantizer(), clients)?;
        let WeightedMean { mean, total_weight } = result;
        Ok(Aggregate { mean, total_weight, survivors, false_shares })
    }
}

/// What the server learns from a round, and all that it learns.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate<F> {
    /// The weighted mean of the survivors' clipped updates, element by element. Its distance from
    /// the exact one is at most [`secagg_kernels::Quantizer::error_bound`].
    pub mean: Vec<F>,
    /// The sum of the survivors' weights.
    pub total_weight: f64,
    /// Whose updates are in the mean, ascending.
    pub survivors: Vec<ClientId>,
    /// False shares that were found, and done without. The mean is right all the same.
    pub false_shares: Vec<FalseShare>,
}

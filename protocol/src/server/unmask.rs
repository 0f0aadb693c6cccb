use std::collections::BTreeSet;
use std::sync::RwLock;

use secagg_kernels::{Accumulator, KeystreamLimit, MaskPlan, Real, WeightedMean};

use rand_core::CryptoRng;

use super::concurrent::{read, write};
use super::recover::{FalseShare, Recovery};
use super::take_off::{Answers, take_off};
use super::{Cohorts, Collected, Collecting, Round, check_enough};
use crate::error::{Abort, ClientMisbehaved, Rejected};
use crate::message::{Message, Outgoing, Revealed, RevealedShares};
use crate::precision::{Imprecise, Precision};
use crate::{ClientId, Receive, Stage, trace};

/// The last stage: collects shares from the survivors.
#[derive(Debug)]
pub struct Unmask {
    pub(super) collected: Collected,
    /// Survivors that were asked, by position.
    pub(super) asked: BTreeSet<usize>,
    pub(super) answers: Answers,
}

impl Unmask {
    pub(super) fn new(collected: Collected, asked: BTreeSet<usize>) -> Self {
        Self { collected, asked, answers: Answers::default() }
    }

    /// The sum of the survivors' vectors with its masks still on, for callers that show it. Masks
    /// that were removed early, in [`concurrently`](Collecting::concurrently), are no longer in it.
    #[must_use]
    pub fn masked_sum(&self) -> &Accumulator {
        &self.collected.sum
    }

    /// Enough holders of each secret answered, whatever they said.
    fn check_answers(&self) -> Result<(), Abort> {
        let Self { collected: Collected { cohorts, .. }, answers, .. } = self;
        check_enough(Self::STAGE, answers.unmaskers.len(), cohorts.round.threshold())?;
        cohorts.check_reach(Self::STAGE, |holder, _| answers.unmaskers.contains_key(&holder))
    }
}

/// What a message is judged by.
struct Questions<'a> {
    cohorts: &'a Cohorts,
    asked: &'a BTreeSet<usize>,
}

impl Questions<'_> {
    fn judge(
        &self,
        answers: &Answers,
        from: ClientId,
        message: &[u8],
    ) -> Result<(usize, Vec<Revealed>), Rejected> {
        let position = self.cohorts.members.position(from)?;
        if !self.asked.contains(&position) {
            return Err(ClientMisbehaved::NotExpected.into());
        }
        let (session, RevealedShares { shares }) = RevealedShares::decode(message)?;
        self.cohorts.round.check_session(session)?;
        answers.check_new(position)?;
        self.check_shares(position, &shares)?;
        Ok((position, shares))
    }

    /// One share for each neighbour in U2, of the secret that the survivors call for.
    fn check_shares(&self, from: usize, shares: &[Revealed]) -> Result<(), ClientMisbehaved> {
        let owners: Vec<_> = self.cohorts.sharing_neighbours(from).collect();
        let (expected, found) = (owners.len(), shares.len());
        if found != expected {
            return Err(ClientMisbehaved::ShareCount { expected, found });
        }
        let survivors = &self.cohorts.survivors;
        let fits = |(owner, revealed): (&usize, &Revealed)| match revealed {
            Revealed::Nothing => true,
            Revealed::SelfMaskSeed(_) => survivors.contains(owner),
            Revealed::MaskSecretKey(_) => !survivors.contains(owner),
        };
        if owners.iter().zip(shares).all(fits) { Ok(()) } else { Err(ClientMisbehaved::ShareKind) }
    }
}

impl Collecting for Unmask {
    const STAGE: Stage = Stage::Unmask;
    type Next = Recovered;

    /// Keeps the shares; all masks come off in the end.
    fn receive(&mut self, from: ClientId, message: &[u8]) -> Result<(), Rejected> {
        let Self { collected: Collected { cohorts, .. }, asked, answers } = self;
        trace::receive(Self::STAGE, from, message, || {
            let judged = Questions { cohorts, asked }.judge(answers, from, message)?;
            Ok(answers.keep(cohorts, judged)?)
        })
    }

    fn concurrently<T>(&mut self, exchange: impl FnOnce(&Receive<'_>) -> T) -> T {
        let Self { collected: Collected { cohorts, sum }, asked, answers } = self;
        let (questions, cohorts) = (Questions { cohorts, asked }, &*cohorts);
        let (answers, sum) = (RwLock::new(answers), sum.stripes());
        exchange(&|from, message| {
            trace::receive(Self::STAGE, from, message, || {
                let judged = questions.judge(&read(&answers), from, message)?;
                Ok(write(&answers).keep(cohorts, judged)?)
            })?;
            take_off(cohorts, &answers, &sum);
            Ok(())
        })
    }

    fn check(&self) -> Result<(), Abort> {
        self.check_answers()?;
        let Cohorts { members, .. } = &self.collected.cohorts;
        match self.answers.short_of(&self.collected.cohorts).map(|at| members.client(at)) {
            Some(client) => Err(Abort::FalseShares { client, suspects: Vec::new() }),
            None => Ok(()),
        }
    }

    /// Recovers the secrets that the sum still needs, and checks each against what its owner
    /// published. No message follows.
    fn close(self, _: &mut impl CryptoRng) -> Result<(Recovered, Vec<Outgoing>), Abort> {
        self.check_answers()?;
        let Self { collected: Collected { cohorts, sum }, answers, .. } = self;
        let unmaskers = answers.unmaskers.keys().map(|&at| (at, at)).collect();
        let mut recovery = Recovery::new(&cohorts, &unmaskers, &answers.shares);
        let left: Vec<_> = cohorts.needed().filter(|at| !answers.recovered.contains(at)).collect();
        answers.disputed().for_each(|owner| recovery.name_liars(owner));
        let plan = trace::recover(left.len(), || recovery.mask_plan(&left))?;
        let false_shares = recovery.false_shares();
        let taken_off: Vec<_> = answers.recovered.into_iter().collect();
        let taken_off = cohorts.count_all_masks(&taken_off);
        let Cohorts { round, members, survivors, .. } = cohorts;
        let survivors = survivors.iter().map(|&at| members.client(at)).collect();
        let reading = Reading { round, survivors, false_shares };
        Ok((Recovered { plan, taken_off, sum, reading }, Vec::new()))
    }

    fn waiting_for(&self) -> Vec<ClientId> {
        let silent = self.asked.iter().filter(|&at| !self.answers.unmaskers.contains_key(at));
        silent.map(|&position| self.collected.cohorts.members.client(position)).collect()
    }
}

/// The sum with masks still on, and the plan that takes them off.
///
/// The plan applies to any range of lanes on its own, so the work can be spread over machines:
/// [`into_parts`](Self::into_parts). Here, [`aggregate`](Self::aggregate) does it over this
/// process's threads.
#[derive(Debug)]
pub struct Recovered {
    plan: MaskPlan,
    /// Masks that are not in the plan, since they came off as shares arrived.
    taken_off: usize,
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
    /// Masks of the sum: one for each survivor, and one for each edge between a survivor and a
    /// dropped client.
    pub fn masks(&self) -> usize {
        self.taken_off + self.plan.len()
    }

    /// Those of them that [`Collecting::concurrently`] has taken off as shares arrived.
    pub fn masks_taken_off(&self) -> usize {
        self.taken_off
    }

    /// Takes the masks off, and reads the sum as a weighted mean.
    ///
    /// # Errors
    /// As [`Reading::aggregate`]; [`Abort::Keystream`] for a vector longer than a mask.
    pub fn aggregate<F: Real>(self) -> Result<Aggregate<F>, Abort> {
        let backend = self.reading.round.backend;
        self.aggregate_by(|sum, plan| sum.apply(backend, plan))
    }

    /// The same, where `apply` takes the masks off.
    fn aggregate_by<F: Real>(
        mut self,
        apply: impl FnOnce(&mut Accumulator, &MaskPlan) -> Result<(), KeystreamLimit>,
    ) -> Result<Aggregate<F>, Abort> {
        trace::apply(self.plan.len(), || apply(&mut self.sum, &self.plan))?;
        self.reading.aggregate(&self.sum)
    }

    /// The sum, the plan that takes off the masks that are still on it, and how to read what
    /// remains: for callers that apply the plan themselves, range by range. Sum and plan belong
    /// together: some masks may be off already.
    pub fn into_parts(self) -> (Accumulator, MaskPlan, Reading) {
        (self.sum, self.plan, self.reading)
    }
}

impl Reading {
    /// Reads a sum without masks as a weighted mean.
    ///
    /// # Errors
    /// [`Abort::Sum`] if the survivors' weights are all zero, or if a lane is larger than honest
    /// updates can make it, as it is where masks are left. [`Abort::Imprecise`] if the mean's error
    /// could be as large as the clipping range.
    pub fn aggregate<F: Real>(self, sum: &Accumulator) -> Result<Aggregate<F>, Abort> {
        let Self { round: Round { session, backend, .. }, survivors, false_shares } = self;
        let clients = survivors.len() as u64;
        let result = sum.dequantize(backend, session.params.quantizer(), clients)?;
        let precision = Precision::of(&session.params, clients, &result);
        let (error_bound, imprecise) = (precision.error_bound(), precision.imprecise());
        if let Some(noise) = imprecise.filter(|_| precision.is_noise()) {
            return Err(Abort::Imprecise(noise));
        }
        let WeightedMean { mean, total_weight, clipped } = result;
        Ok(Aggregate {
            mean,
            error_bound,
            imprecise,
            total_weight,
            clipped,
            survivors,
            false_shares,
        })
    }
}

/// What the server learns from a round, and all that it learns.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate<F> {
    /// The weighted mean of the survivors' clipped updates, element by element.
    pub mean: Vec<F>,
    /// The largest possible distance of any element from the exact mean, whatever the weights:
    /// [`secagg_kernels::Quantizer::error_bound_with_inexact_weights`], and what rounding to `F`
    /// adds.
    pub error_bound: f64,
    /// The warning that goes with a mean whose bound is 1 % of the clipping range or more, or 10 %
    /// of its own largest element; with the parameters that would do.
    pub imprecise: Option<Imprecise>,
    /// The sum of the survivors' weights.
    pub total_weight: f64,
    /// Survivors with an element beyond the clipping range. The server does not learn which they
    /// are.
    pub clipped: u64,
    /// Whose updates are in the mean, ascending.
    pub survivors: Vec<ClientId>,
    /// False shares that were found, and done without. The mean is right all the same.
    pub false_shares: Vec<FalseShare>,
}

#[cfg(test)]
mod tests;

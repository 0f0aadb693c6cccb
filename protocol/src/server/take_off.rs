//! Masks that come off while shares still arrive.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::RwLock;

use secagg_kernels::{MaskPlan, Stripes};

use super::Cohorts;
use super::concurrent::write;
use super::recover::{Basis, Recovery, Shares, Unmaskers};
use crate::error::ClientMisbehaved;
use crate::message::Revealed;
use crate::shamir::Share;
use crate::trace;

/// So many masks come off together: enough for them to cost more than a pass over the sum does. Fuzzed rounds are small.
const BATCH: usize = if cfg!(fuzzing) { 2 } else { 32 };

/// What the unmaskers revealed, as far as it is still needed. Clients are named by position.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// In the order in which they answered.
    pub(super) unmaskers: Unmaskers,
    pub(super) shares: Shares,
    /// Whose masks are off the sum. Their shares are not kept.
    pub(super) recovered: BTreeSet<usize>,
    /// Owners whose shares are enough since a short time ago, with the number of their masks.
    ready: Vec<(usize, usize)>,
    /// Owners that some thread is working on.
    working: BTreeSet<usize>,
    /// Lagrange bases that nobody is working with. In a complete graph the next batch needs the same.
    bases: Vec<Basis>,
}

/// Owners that are worked on, and what it takes.
struct Batch {
    shares: Shares,
    /// Those that hold shares, and owners among them.
    unmaskers: Unmaskers,
    basis: Basis,
}

/// What came of a batch.
struct Done {
    recovered: BTreeSet<usize>,
    plan: MaskPlan,
    basis: Basis,
}

/// Takes off the next masks of owners that enough shares are there for. Any number of threads may do so at once.
pub(super) fn take_off(cohorts: &Cohorts, answers: &RwLock<&mut Answers>, sum: &Stripes<'_>) {
    let batch = write(answers).next_batch();
    let Some(Batch { shares, unmaskers, basis }) = batch else { return };
    let done = trace::recover(shares.len(), || recover(cohorts, &unmaskers, &shares, basis));
    // A vector that is longer than its masks is an error at the end.
    let applied = trace::apply(done.plan.len(), || sum.apply(cohorts.round.backend, &done.plan));
    let recovered = if applied.is_ok() { done.recovered } else { BTreeSet::new() };
    write(answers).finish(shares, recovered, done.basis);
}

/// Recovers what the first shares of each owner are enough for.
fn recover(cohorts: &Cohorts, unmaskers: &Unmaskers, shares: &Shares, basis: Basis) -> Done {
    let mut recovery = Recovery::hasty(cohorts, unmaskers, shares, basis);
    let owners: Vec<_> = shares.keys().copied().collect();
    let mut masks = Vec::with_capacity(cohorts.count_all_masks(&owners));
    let fits = |&owner: &usize| recovery.masks_of(owner, &mut masks).is_ok();
    let recovered = owners.into_iter().filter(fits).collect();
    let plan = MaskPlan::new(cohorts.round.session.params.prg(), &masks);
    Done { recovered, plan, basis: recovery.into_basis() }
}

impl Answers {
    /// As they were saved. What is ready waits for the end.
    pub(super) fn new(unmaskers: Unmaskers, recovered: BTreeSet<usize>, shares: Shares) -> Self {
        Self { unmaskers, shares, recovered, ..Self::default() }
    }

    pub(super) fn check_new(&self, unmasker: usize) -> Result<(), ClientMisbehaved> {
        let seen = self.unmaskers.contains_key(&unmasker);
        if seen { Err(ClientMisbehaved::Duplicate) } else { Ok(()) }
    }

    /// Keeps shares that were judged.
    pub(super) fn keep(
        &mut self,
        cohorts: &Cohorts,
        (unmasker, shares): (usize, Vec<Revealed>),
    ) -> Result<(), ClientMisbehaved> {
        self.check_new(unmasker)?;
        for (owner, revealed) in cohorts.sharing_neighbours(unmasker).zip(shares) {
            match share(revealed) {
                Some(share) if !self.recovered.contains(&owner) => {
                    self.keep_share(cohorts, owner, unmasker, share);
                }
                _ => {}
            }
        }
        self.unmaskers.insert(unmasker, self.unmaskers.len());
        Ok(())
    }

    /// One share more than the threshold makes an owner ready. In a complete graph, where each client lacks only
    /// its own share, all secrets are then recovered by one basis: of the first t + 1 that answered.
    fn keep_share(&mut self, cohorts: &Cohorts, owner: usize, unmasker: usize, share: Share) {
        let held = self.shares.entry(owner).or_default();
        held.insert(unmasker, share);
        let enough = held.len() == cohorts.round.threshold() + 1;
        // While an owner is worked on, its next shares are counted from the first again.
        if enough && cohorts.is_needed(owner) && !self.working.contains(&owner) {
            self.ready.push((owner, cohorts.count_masks(owner)));
        }
    }

    pub(super) fn holds(&self, holder: usize, owner: usize) -> bool {
        let held = self.shares.get(&owner).is_some_and(|shares| shares.contains_key(&holder));
        held || self.recovered.contains(&owner)
    }

    /// Owners of a full batch of masks, with their shares.
    fn next_batch(&mut self) -> Option<Batch> {
        let owners = self.next_owners()?;
        let shares: Shares = owners.iter().filter_map(|at| self.shares.remove_entry(at)).collect();
        let holders = shares.values().flat_map(BTreeMap::keys);
        let unmaskers = holders.chain(&owners).filter_map(|at| self.unmaskers.get_key_value(at));
        let unmaskers = unmaskers.map(|(&at, &rank)| (at, rank)).collect();
        let basis = self.bases.pop().unwrap_or_default();
        Some(Batch { shares, unmaskers, basis })
    }

    fn next_owners(&mut self) -> Option<Vec<usize>> {
        let mut masks = 0;
        let last = self.ready.iter().position(|(_, of_owner)| {
            masks += of_owner;
            masks >= BATCH
        })?;
        let owners: Vec<_> = self.ready.drain(..=last).map(|(owner, _)| owner).collect();
        self.working.extend(&owners);
        Some(owners)
    }

    /// Shares of secrets that could not be recovered come back: they are for the end, when all are there.
    fn finish(&mut self, shares: Shares, recovered: BTreeSet<usize>, basis: Basis) {
        for (owner, shares) in shares {
            self.working.remove(&owner);
            if recovered.contains(&owner) {
                self.shares.remove(&owner);
            } else {
                self.shares.entry(owner).or_default().extend(shares);
            }
        }
        self.recovered.extend(recovered);
        self.bases.push(basis);
    }
}

fn share(revealed: Revealed) -> Option<Share> {
    match revealed {
        Revealed::Nothing => None,
        Revealed::SelfMaskSeed(share) | Revealed::MaskSecretKey(share) => Some(share),
    }
}

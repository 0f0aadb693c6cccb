//! Masks that come off while shares still arrive.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::take;
use std::sync::RwLock;

use secagg_kernels::{KeystreamLimit, MaskPlan, Stripes};

use super::Cohorts;
use super::concurrent::write;
use super::recover::{Basis, Lessons, Recovery, Shares, Unmaskers};
use crate::error::ClientMisbehaved;
use crate::message::Revealed;
use crate::shamir::Share;
use crate::trace;

/// Number of masks that are removed together: enough for them to cost more than a pass over the sum
/// does. Fuzzed rounds are small.
const BATCH: usize = if cfg!(fuzzing) { 2 } else { 32 };

/// What the unmaskers revealed, as far as it is still needed. Clients are named by position.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// In the order in which they answered.
    pub(super) unmaskers: Unmaskers,
    pub(super) shares: Shares,
    /// Owners whose masks are removed from the sum. Their shares are not kept, unless some were
    /// false.
    pub(super) recovered: BTreeSet<usize>,
    /// Owners whose shares are enough since a short time ago, with the number of their masks.
    ready: Vec<(usize, usize)>,
    /// With how many shares an owner is ready, if not with t + 1. None is enough while it is ready
    /// or some thread works on it.
    due: BTreeMap<usize, usize>,
    lessons: Lessons,
    /// Lagrange bases that nobody is working with. In a complete graph the next batch needs the
    /// same.
    bases: Vec<Basis>,
}

/// Owners that are worked on, and what it takes.
struct Batch {
    shares: Shares,
    /// Those that hold shares, and owners among them.
    unmaskers: Unmaskers,
    basis: Basis,
    lessons: Lessons,
}

/// What came of a batch.
struct Done {
    recovered: BTreeSet<usize>,
    /// Owners of which false shares were found.
    disputed: BTreeSet<usize>,
    plan: MaskPlan,
    basis: Basis,
    lessons: Lessons,
}

/// Takes off the next masks of owners that enough shares are there for. Any number of threads may
/// do so at once.
pub(super) fn take_off(cohorts: &Cohorts, answers: &RwLock<&mut Answers>, sum: &Stripes<'_>) {
    take_off_by(cohorts, answers, |plan| sum.apply(cohorts.round.backend, plan));
}

/// The same, where `apply` takes the masks off.
fn take_off_by(
    cohorts: &Cohorts,
    answers: &RwLock<&mut Answers>,
    apply: impl FnOnce(&MaskPlan) -> Result<(), KeystreamLimit>,
) {
    let Some(mut batch) = write(answers).next_batch() else { return };
    let mut done = trace::recover(batch.shares.len(), || recover(cohorts, &mut batch));
    // A vector that is longer than its masks is an error at the end.
    if trace::apply(done.plan.len(), || apply(&done.plan)).is_err() {
        done.recovered.clear();
    }
    write(answers).finish(cohorts, batch.shares, done);
}

/// Recovers what the shares of each owner are enough for.
fn recover(cohorts: &Cohorts, batch: &mut Batch) -> Done {
    let Batch { shares, unmaskers, basis, lessons } = batch;
    let (basis, lessons) = (take(basis), take(lessons));
    let mut recovery = Recovery::new(cohorts, unmaskers, shares).early(basis, lessons);
    let owners: Vec<_> = shares.keys().copied().collect();
    let mut masks = Vec::with_capacity(cohorts.count_all_masks(&owners));
    let fits = |&owner: &usize| recovery.masks_of(owner, &mut masks).is_ok();
    let recovered = owners.into_iter().filter(fits).collect();
    let plan = MaskPlan::new(cohorts.round.session.params.prg(), &masks);
    let disputed = recovery.disputed();
    let (basis, lessons) = recovery.into_parts();
    Done { recovered, disputed, plan, basis, lessons }
}

impl Answers {
    /// As they were saved. Who was ready is so again with the next share.
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
                Some(share) if self.is_open(owner) => {
                    self.keep_share(cohorts, owner, unmasker, share);
                }
                _ => {}
            }
        }
        self.unmaskers.insert(unmasker, self.unmaskers.len());
        Ok(())
    }

    /// Whether shares of an owner are of any more use.
    fn is_open(&self, owner: usize) -> bool {
        !self.recovered.contains(&owner) || self.shares.contains_key(&owner)
    }

    /// Owners whose masks are off, though shares of them were false. All that hold one are to be
    /// named in the end.
    pub(super) fn disputed(&self) -> impl Iterator<Item = usize> {
        self.shares.keys().copied().filter(|owner| self.recovered.contains(owner))
    }

    fn keep_share(&mut self, cohorts: &Cohorts, owner: usize, unmasker: usize, share: Share) {
        self.shares.entry(owner).or_default().insert(unmasker, share);
        self.make_ready(cohorts, owner);
    }

    /// One share more than the threshold makes an owner ready. In a complete graph, where each
    /// client lacks only its own share, all secrets are then recovered by one basis: of the first t
    /// + 1 that answered.
    fn make_ready(&mut self, cohorts: &Cohorts, owner: usize) {
        let have = self.shares.get(&owner).map_or(0, BTreeMap::len);
        let due = self.due.get(&owner).copied().unwrap_or(cohorts.round.threshold() + 1);
        let open = cohorts.is_needed(owner) && !self.recovered.contains(&owner);
        if have >= due && open {
            self.due.insert(owner, usize::MAX);
            self.ready.push((owner, cohorts.count_masks(owner)));
        }
    }

    /// Whether an owner's secret is known, or its shares are as many as the threshold.
    fn are_enough(&self, cohorts: &Cohorts, owner: usize) -> bool {
        let have = self.shares.get(&owner).map_or(0, BTreeMap::len);
        self.recovered.contains(&owner) || have >= cohorts.round.threshold()
    }

    /// The first owner that the sum needs and that is short of shares.
    pub(super) fn short_of(&self, cohorts: &Cohorts) -> Option<usize> {
        cohorts.needed().find(|&owner| !self.are_enough(cohorts, owner))
    }

    /// Owners of a full batch of masks, with their shares.
    fn next_batch(&mut self) -> Option<Batch> {
        let owners = self.next_owners()?;
        let shares: Shares = owners.iter().filter_map(|at| self.shares.remove_entry(at)).collect();
        let holders = shares.values().flat_map(BTreeMap::keys);
        let unmaskers = holders.chain(&owners).filter_map(|at| self.unmaskers.get_key_value(at));
        let unmaskers = unmaskers.map(|(&at, &rank)| (at, rank)).collect();
        let (basis, lessons) = (self.bases.pop().unwrap_or_default(), self.lessons.clone());
        Some(Batch { shares, unmaskers, basis, lessons })
    }

    fn next_owners(&mut self) -> Option<Vec<usize>> {
        let mut masks = 0;
        let last = self.ready.iter().position(|(_, of_owner)| {
            masks += of_owner;
            masks >= BATCH
        })?;
        Some(self.ready.drain(..=last).map(|(owner, _)| owner).collect())
    }

    /// Shares of secrets that could not be recovered come back, to be tried again with more than
    /// twice as many to spare: an owner is tried log2(r - t) + 1 times at most, whatever its shares
    /// are.
    fn finish(&mut self, cohorts: &Cohorts, shares: Shares, done: Done) {
        self.recovered.extend(&done.recovered);
        self.lessons.merge(done.lessons);
        self.bases.push(done.basis);
        for (owner, shares) in shares {
            if done.recovered.contains(&owner) && !done.disputed.contains(&owner) {
                self.shares.remove(&owner);
                continue;
            }
            let spare = shares.len() - cohorts.round.threshold();
            self.due.insert(owner, shares.len() + spare + 1);
            self.shares.entry(owner).or_default().extend(shares);
            self.make_ready(cohorts, owner);
        }
    }
}

fn share(revealed: Revealed) -> Option<Share> {
    match revealed {
        Revealed::Nothing => None,
        Revealed::SelfMaskSeed(share) | Revealed::MaskSecretKey(share) => Some(share),
    }
}

#[cfg(test)]
mod tests;

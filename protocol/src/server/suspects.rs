//! Suspects of a round whose secrets could not be recovered (docs/protocol.md, section 13).
//!
//! Nobody is believed, so each name rests on a count. Let z of an owner's holders say that its box
//! did not open, and s reveal a share. If the owner told the truth, then all z lied; and where s is
//! at least t and no secret fits, so did more than ⌈(s - t)/2⌉ others, since no fewer false shares
//! spoil a secret. A holder that says of e owners that their boxes did not open tells the truth
//! only if all e lied. So each client has a number of others that must have lied if it did not: its
//! *framers*.
//!
//! Whoever has the most framers is named first, until every failure is explained: by its owner, or
//! by enough of those that denied it a share. If the names are then as many as the framers of any
//! of them, the liars may be the framers instead, and nobody is named.

use std::collections::BTreeMap;

use super::recover::{Shares, Unmaskers};
use super::{Cohorts, Members};
use crate::ClientId;
use crate::error::Abort;

/// A client that lied, unless many others did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// The client.
    pub client: ClientId,
    /// The least number of other clients that lied if this one did not. The name is a proof for
    /// whoever knows that fewer clients lie.
    pub framers: usize,
}

/// Secrets that were not recovered, and the answers that they were to be recovered from. Clients
/// are named by position.
pub(super) struct Doubts<'a> {
    cohorts: &'a Cohorts,
    unmaskers: &'a Unmaskers,
    shares: &'a Shares,
    /// Owners, each with its framers.
    unrecovered: BTreeMap<usize, usize>,
}

impl<'a> Doubts<'a> {
    pub(super) fn new(cohorts: &'a Cohorts, unmaskers: &'a Unmaskers, shares: &'a Shares) -> Self {
        Self { cohorts, unmaskers, shares, unrecovered: BTreeMap::new() }
    }

    /// Notes an owner whose secret its shares do not give.
    pub(super) fn note(&mut self, owner: usize) {
        let (denied, have) = (self.deniers(owner).count(), self.have(owner));
        let lies = have.checked_sub(self.threshold()).map_or(0, |spare| spare.div_ceil(2) + 1);
        self.unrecovered.insert(owner, denied + lies);
    }

    /// Whether nobody can be named any more: owners with enough shares are explained by themselves
    /// alone, and are as many as the framers of one of them. It bounds what liars cost.
    pub(super) fn are_hopeless(&self) -> bool {
        let spoiled = || self.unrecovered.iter().filter(|&(&owner, _)| !self.lacks(owner));
        spoiled().map(|(_, &framers)| framers).min().is_some_and(|least| spoiled().count() >= least)
    }

    /// The abort, if some secret was not recovered, of all `owners` whose secrets were to be.
    pub(super) fn abort(&self, owners: &[usize]) -> Option<Abort> {
        let first = *self.unrecovered.keys().next()?;
        // Also one that was not tried, since all was hopeless before.
        let short = owners.iter().copied().find(|&owner| self.lacks(owner));
        let client = self.members().client(short.unwrap_or(first));
        Some(Abort::FalseShares { client, suspects: self.suspects(owners) })
    }

    fn suspects(&self, owners: &[usize]) -> Vec<Suspect> {
        let framers = self.framers(owners);
        let mut levels: Vec<_> = framers.values().copied().collect();
        levels.sort_unstable();
        levels.dedup();
        let named = |level: &usize| -> BTreeMap<usize, usize> {
            framers.iter().filter(|&(_, it)| it >= level).map(|(&at, &it)| (at, it)).collect()
        };
        let mut levels = levels.iter().rev().map(|level| (*level, named(level)));
        match levels.find(|(_, named)| self.are_explained(named)) {
            Some((least, named)) if named.len() < least => self.suspects_of(&named),
            _ => Vec::new(),
        }
    }

    fn suspects_of(&self, named: &BTreeMap<usize, usize>) -> Vec<Suspect> {
        let suspect = |(&at, &framers)| Suspect { client: self.members().client(at), framers };
        named.iter().map(suspect).collect()
    }

    /// Clients that lied or were lied about, each with its framers.
    fn framers(&self, owners: &[usize]) -> BTreeMap<usize, usize> {
        let mut framers = BTreeMap::new();
        for holder in owners.iter().flat_map(|&owner| self.deniers(owner)) {
            *framers.entry(holder).or_default() += 1;
        }
        for (&owner, &of_owner) in &self.unrecovered {
            let most = framers.entry(owner).or_default();
            *most = of_owner.max(*most);
        }
        framers
    }

    /// Whether lies of these clients are enough for every failure.
    fn are_explained(&self, named: &BTreeMap<usize, usize>) -> bool {
        let by_holders = |owner| {
            let denied = self.deniers(owner).filter(|holder| named.contains_key(holder)).count();
            self.lacks(owner) && self.have(owner) + denied >= self.threshold()
        };
        let mut owners = self.unrecovered.keys();
        owners.all(|&owner| named.contains_key(&owner) || by_holders(owner))
    }

    /// Holders that answered without a share of an owner's secret.
    fn deniers(&self, owner: usize) -> impl Iterator<Item = usize> {
        let neighbours = self.members().graph.neighbours(owner).iter().copied();
        let answered = neighbours.filter(|at| self.unmaskers.contains_key(at));
        let shares = self.shares.get(&owner);
        answered.filter(move |at| !shares.is_some_and(|shares| shares.contains_key(at)))
    }

    fn lacks(&self, owner: usize) -> bool {
        self.have(owner) < self.threshold()
    }

    fn have(&self, owner: usize) -> usize {
        self.shares.get(&owner).map_or(0, BTreeMap::len)
    }

    fn threshold(&self) -> usize {
        self.cohorts.round.threshold()
    }

    fn members(&self) -> &Members {
        &self.cohorts.members
    }
}

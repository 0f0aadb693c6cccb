//! Recovers secrets from shares of which some may be false.

use std::collections::{BTreeMap, BTreeSet};

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{FalseShare, Shares, Unmaskers};
use crate::ClientId;
use crate::server::suspects::Doubts;
use crate::server::{Cohorts, Members};
use crate::session::Session;
use crate::shamir::{self, LagrangeBasis, SHARE_LEN, Share};

pub(super) type Secret = Zeroizing<[u8; SHARE_LEN]>;

/// The shares of an owner are too few for its secret, or give none that fits.
#[derive(Debug, PartialEq)]
pub(in crate::server) struct NotRecovered;

/// Recovers one secret after another. Bases are kept from one to the next, since in a complete
/// graph the next owner's holders are the same.
pub(super) struct Secrets<'a> {
    session: &'a Session,
    members: &'a Members,
    unmaskers: &'a Unmaskers,
    shares: &'a Shares,
    /// Of the first t + 1 points, for owners about whom nobody lies.
    first: Basis,
    /// Of all points, for the others.
    all: Basis,
    false_shares: Vec<FalseShare>,
    /// Whether more shares may come.
    early: bool,
    lessons: Lessons,
}

/// Knowledge that one attempt to recover secrets leaves to the next.
#[derive(Clone, Debug, Default)]
pub(in crate::server) struct Lessons {
    /// Holders of false shares, by position.
    suspects: BTreeSet<usize>,
    /// The most shares to spare among which an early search found nothing.
    fruitless: usize,
}

impl Lessons {
    pub(in crate::server) fn merge(&mut self, others: Self) {
        self.suspects.extend(others.suspects);
        self.fruitless = self.fruitless.max(others.fruitless);
    }
}

impl<'a> Secrets<'a> {
    pub(super) fn new(
        session: &'a Session,
        members: &'a Members,
        unmaskers: &'a Unmaskers,
        shares: &'a Shares,
    ) -> Self {
        let (first, all) = (Basis::default(), Basis::default());
        let (false_shares, early, lessons) = (Vec::new(), false, Lessons::default());
        Self { session, members, unmaskers, shares, first, all, false_shares, early, lessons }
    }

    /// Searches for false shares only where that is likely to find them. Begins with a basis of
    /// some first points.
    pub(super) fn early(self, first: Basis, lessons: Lessons) -> Self {
        Self { early: true, first, lessons, ..self }
    }

    /// The basis of the last first points, and what was learned.
    pub(super) fn into_parts(self) -> (Basis, Lessons) {
        (self.first, self.lessons)
    }

    /// Recovers a secret of `owner` that fits what the owner published.
    pub(super) fn recover(
        &mut self,
        owner: usize,
        fits: impl Fn(&[u8; SHARE_LEN]) -> bool,
    ) -> Result<Secret, NotRecovered> {
        let shares = self.shares_of(owner).ok_or(NotRecovered)?;
        let secret = self.recover_from_first(owner, shares);
        if fits(&secret) {
            return Ok(secret);
        }
        self.search(owner, shares, fits).ok_or(NotRecovered)
    }

    /// Looks for false shares of a secret, whether or not the first ones fit.
    pub(super) fn name_liars(&mut self, owner: usize, fits: impl Fn(&[u8; SHARE_LEN]) -> bool) {
        if let Some(shares) = self.shares_of(owner) {
            self.without_false_shares(owner, shares, fits);
        }
    }

    /// The false shares that were found on the way.
    pub(super) fn false_shares(&self) -> &[FalseShare] {
        &self.false_shares
    }

    /// Nothing is in doubt yet.
    pub(super) fn doubts(&self, cohorts: &'a Cohorts) -> Doubts<'a> {
        Doubts::new(cohorts, self.unmaskers, self.shares)
    }

    /// The shares of `owner`'s secret by holder, if they are as many as the threshold.
    fn shares_of(&self, owner: usize) -> Option<&'a BTreeMap<usize, Share>> {
        self.shares.get(&owner).filter(|shares| shares.len() >= self.session.threshold())
    }

    /// Recovers from the first t holders. The owner holds no share of its own, but counts as one
    /// more point of the basis if it is an unmasker: that makes one basis serve a complete graph.
    fn recover_from_first(&mut self, owner: usize, shares: &BTreeMap<usize, Share>) -> Secret {
        let threshold = self.session.threshold();
        let points = self.first_points(owner, shares);
        let own = points.iter().position(|&point| point == owner);
        let spare = own.or((points.len() > threshold).then_some(threshold));
        let holders = points.iter().enumerate().filter(|&(at, _)| Some(at) != spare);
        let held = holders.map(|(_, holder)| &shares[holder]);
        let basis = self.first.of(self.members, &points);
        match spare {
            Some(omitted) => basis.without(&[omitted]).recover(held),
            None => basis.recover(held),
        }
    }

    /// The first t + 1 of the holders and, if it is an unmasker, the owner; or t holders, if there
    /// are no more. Suspects come last, so that a liar costs its search once and not for each
    /// owner.
    fn first_points(&self, owner: usize, shares: &BTreeMap<usize, Share>) -> Vec<usize> {
        let mut points = self.all_points(owner, shares);
        // Each is looked up once, not once for each comparison.
        points
            .sort_by_cached_key(|at| (self.lessons.suspects.contains(at), self.unmaskers.get(at)));
        points.truncate(self.session.threshold() + 1);
        points
    }

    fn all_points(&self, owner: usize, shares: &BTreeMap<usize, Share>) -> Vec<usize> {
        let mut points: Vec<_> = shares.keys().copied().collect();
        if self.unmaskers.contains_key(&owner) {
            points.insert(points.partition_point(|&holder| holder < owner), owner);
        }
        points
    }

    /// Searches for false shares, unless that is better done later.
    ///
    /// This bounds what liars cost before the end. A search that succeeds where at least t holders
    /// are not suspects makes a suspect, so there is one for each liar at most; one that fails bars
    /// others until more than twice as many shares are to spare, so there are log2(r - t) + 1 at
    /// most. Threads that search at the same time know nothing of each other: the bound is for
    /// each.
    fn search(
        &mut self,
        owner: usize,
        shares: &BTreeMap<usize, Share>,
        fits: impl Fn(&[u8; SHARE_LEN]) -> bool,
    ) -> Option<Secret> {
        let (threshold, Lessons { suspects, fruitless }) =
            (self.session.threshold(), &self.lessons);
        let spare = shares.len() - threshold;
        let trusted = shares.keys().filter(|&holder| !suspects.contains(holder)).count();
        if self.early && (trusted < threshold || spare <= 2 * fruitless) {
            return None;
        }
        let found = self.without_false_shares(owner, shares, fits);
        if found.is_none() {
            self.lessons.fruitless = spare;
        }
        found
    }

    /// Decodes, at most three times, and takes the first secret that fits.
    fn without_false_shares(
        &mut self,
        owner: usize,
        shares: &BTreeMap<usize, Share>,
        fits: impl Fn(&[u8; SHARE_LEN]) -> bool,
    ) -> Option<Secret> {
        let points = self.all_points(owner, shares);
        let own: Vec<_> = points.binary_search(&owner).into_iter().collect();
        let attempts = self.attempts(shares);
        let all = Held::new(self.all.of(self.members, &points).without(&own), shares);
        let threshold = self.session.threshold();
        let decoded = attempts.iter().map(|aside| all.without(aside).decode(threshold, &fits));
        let (secret, honest) = decoded.flatten().next()?;
        self.name(owner, shares, &honest);
        Some(secret)
    }

    /// Which holders are set aside (their places among all holders), attempt by attempt, as long as
    /// there is a share to spare.
    ///
    /// First nobody: as long as at most half of what is to spare is false, this names the right
    /// ones, whoever is suspected. Then suspects: their shares count as missing, which costs half
    /// of what a false one does. Then all but the first t + 1, among whom one false share is found
    /// whatever the others are.
    fn attempts(&self, shares: &BTreeMap<usize, Share>) -> Vec<Vec<usize>> {
        let threshold = self.session.threshold();
        let holders = shares.keys().enumerate();
        let suspects = holders.filter(|(_, holder)| self.lessons.suspects.contains(holder));
        let suspects = suspects.map(|(at, _)| at).collect();
        let mut attempts = vec![Vec::new(), suspects, (threshold + 1..shares.len()).collect()];
        attempts.retain(|aside| shares.len() - aside.len() > threshold);
        attempts.dedup();
        attempts
    }

    /// Names all holders whose shares are not on the polynomial of the honest ones. A function of
    /// its own also when compiled, since the constant-time check excuses this decision by its name.
    #[inline(never)]
    fn name(&mut self, owner: usize, shares: &BTreeMap<usize, Share>, honest: &Held<'_>) {
        let others = shares.iter().filter(|(holder, _)| !honest.holders.contains(holder));
        for (&at, share) in others {
            let (holder, owner) = (self.members.client(at), self.members.client(owner));
            if !honest.agree_with(holder, share) {
                self.false_shares.push(FalseShare { holder, owner });
                self.lessons.suspects.insert(at);
            }
        }
    }
}

/// Some holders of one secret, with their shares and the basis of their points.
struct Held<'s> {
    holders: Vec<usize>,
    shares: Vec<&'s Share>,
    basis: LagrangeBasis,
}

impl<'s> Held<'s> {
    fn new(basis: LagrangeBasis, shares: &'s BTreeMap<usize, Share>) -> Self {
        let (holders, shares) = shares.iter().unzip();
        Self { holders, shares, basis }
    }

    /// The others, without those in these places, which ascend.
    fn without(&self, places: &[usize]) -> Self {
        let kept = || (0..self.holders.len()).filter(|at| places.binary_search(at).is_err());
        Self {
            holders: kept().map(|at| self.holders[at]).collect(),
            shares: kept().map(|at| self.shares[at]).collect(),
            basis: self.basis.without(places),
        }
    }

    /// The first secret that fits of those that a choice of false shares explains, and whose shares
    /// are on its polynomial.
    fn decode(
        &self,
        threshold: usize,
        fits: impl Fn(&[u8; SHARE_LEN]) -> bool,
    ) -> Option<(Secret, Self)> {
        let errors = shamir::errors(&self.basis, threshold, &self.shares);
        let honest = errors.iter().map(|errors| self.without(errors));
        let mut secrets = honest.map(|honest| (honest.recover(), honest));
        secrets.find(|(secret, _)| fits(secret))
    }

    fn recover(&self) -> Secret {
        self.basis.recover(self.shares.iter().copied())
    }

    fn agree_with(&self, holder: ClientId, share: &Share) -> bool {
        let expected = self.basis.share_of(holder, self.shares.iter().copied());
        expected.0.ct_eq(&share.0).into()
    }
}

/// The basis of some positions.
#[derive(Debug, Default)]
pub(in crate::server) struct Basis {
    points: Vec<usize>,
    basis: Option<LagrangeBasis>,
}

impl Basis {
    /// The basis of these points: the last one, if it has the same.
    fn of(&mut self, members: &Members, points: &[usize]) -> &LagrangeBasis {
        if self.points != points {
            self.basis = None;
            self.points = points.to_vec();
        }
        let clients = || points.iter().map(|&at| members.client(at)).collect::<Vec<_>>();
        self.basis.get_or_insert_with(|| LagrangeBasis::new(&clients()))
    }
}

#[cfg(test)]
mod tests;

//! From revealed shares to the plan of masks to take off.

use std::collections::{BTreeMap, BTreeSet};

use secagg_kernels::{MaskPlan, Seed, Sign};
use zeroize::Zeroizing;

use super::Members;
use crate::client::sign;
use crate::error::Abort;
use crate::keys::{Commitment, End, MaskSecretKey, SelfMaskSeed, pairwise_seed};
use crate::session::Session;
use crate::shamir::{LagrangeBasis, SHARE_LEN, Share};
use crate::{ClientId, Stage};

/// Revealed shares, by the secret's owner and then by holder; both are positions.
pub(super) type Shares = BTreeMap<usize, BTreeMap<usize, Share>>;

type Secret = Zeroizing<[u8; SHARE_LEN]>;

/// Recovers one secret after another. The Lagrange basis of the last is kept, since in a complete
/// graph the next owner's holders are the same.
pub(super) struct Recovery<'a> {
    session: &'a Session,
    members: &'a Members,
    unmaskers: &'a BTreeSet<usize>,
    shares: &'a Shares,
    basis: (Vec<usize>, LagrangeBasis),
    false_shares: Vec<FalseShare>,
    /// Holders of false shares, by position.
    suspects: BTreeSet<usize>,
}

/// A share that did not fit the secret its owner had published: either its holder lied when it
/// revealed it, or the owner had dealt it a false one. The server cannot tell which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FalseShare {
    /// Who revealed the share.
    pub holder: ClientId,
    /// Whose secret it is a share of.
    pub owner: ClientId,
}

impl<'a> Recovery<'a> {
    pub(super) fn new(
        session: &'a Session,
        members: &'a Members,
        unmaskers: &'a BTreeSet<usize>,
        shares: &'a Shares,
    ) -> Self {
        let basis = (Vec::new(), LagrangeBasis::new(&[]));
        let (false_shares, suspects) = (Vec::new(), BTreeSet::new());
        Self { session, members, unmaskers, shares, basis, false_shares, suspects }
    }

    /// The self mask of every survivor, and the pairwise masks between survivors and dropped
    /// clients, each with the sign that takes it off.
    pub(super) fn mask_plan(
        &mut self,
        commitments: &BTreeMap<usize, Commitment>,
        survivors: &BTreeSet<usize>,
    ) -> Result<MaskPlan, Abort> {
        // With its final capacity from the start, the vector never moves seeds and leaves copies.
        let mut masks = Vec::with_capacity(self.count_masks(commitments, survivors));
        for (&owner, commitment) in commitments {
            if survivors.contains(&owner) {
                masks.push((self.self_mask_seed(owner, commitment)?, Sign::Subtract));
            } else {
                self.pairwise_masks(owner, survivors, &mut masks)?;
            }
        }
        Ok(MaskPlan::new(self.session.params.prg(), &masks))
    }

    fn count_masks(
        &self,
        commitments: &BTreeMap<usize, Commitment>,
        survivors: &BTreeSet<usize>,
    ) -> usize {
        let dropped = commitments.keys().filter(|owner| !survivors.contains(owner));
        let edges = dropped.map(|&owner| self.masked_against(owner, survivors).count());
        survivors.len() + edges.sum::<usize>()
    }

    /// The survivors that a dropped client shares masks with.
    fn masked_against(
        &self,
        dropped: usize,
        survivors: &'a BTreeSet<usize>,
    ) -> impl Iterator<Item = usize> + 'a {
        let neighbours = self.members.graph.neighbours(dropped).iter().copied();
        neighbours.filter(|at| survivors.contains(at))
    }

    /// The false shares that were found on the way, by owner.
    pub(super) fn into_false_shares(self) -> Vec<FalseShare> {
        self.false_shares
    }

    fn self_mask_seed(&mut self, owner: usize, commitment: &Commitment) -> Result<Seed, Abort> {
        let (session, client) = (self.session, self.members.client(owner));
        let secret = self.secret(owner, |secret| {
            SelfMaskSeed::from_bytes(secret).commitment(session, client).matches(commitment)
        })?;
        Ok(Seed::from_bytes(*secret))
    }

    fn pairwise_masks(
        &mut self,
        dropped: usize,
        survivors: &BTreeSet<usize>,
        masks: &mut Vec<(Seed, Sign)>,
    ) -> Result<(), Abort> {
        let mut masked = self.masked_against(dropped, survivors).peekable();
        if masked.peek().is_none() {
            return Ok(());
        }
        let ours = self.end(dropped);
        let secret =
            self.secret(dropped, |secret| MaskSecretKey::from_bytes(secret).public() == ours.key)?;
        let key = MaskSecretKey::from_bytes(&secret);
        for survivor in masked {
            masks.push(self.pairwise_mask(&key, ours, self.end(survivor))?);
        }
        Ok(())
    }

    /// The mask that a survivor took with its own sign comes off with the dropped client's.
    fn pairwise_mask(
        &self,
        key: &MaskSecretKey,
        dropped: End<crate::keys::Mask>,
        survivor: End<crate::keys::Mask>,
    ) -> Result<(Seed, Sign), Abort> {
        let seed = pairwise_seed(&self.members.salt(self.session), key, dropped, survivor)
            .map_err(|_| Abort::FalseShares(dropped.client))?;
        Ok((seed, sign(dropped.client, survivor.client)))
    }

    fn end(&self, position: usize) -> End<crate::keys::Mask> {
        End { client: self.members.client(position), key: self.members.keys[position].mask }
    }

    /// Recovers a secret of `owner` that fits what the owner published.
    fn secret(
        &mut self,
        owner: usize,
        fits: impl Fn(&[u8; SHARE_LEN]) -> bool,
    ) -> Result<Secret, Abort> {
        let shares = self.shares_of(owner)?;
        let secret = self.recover(owner, shares);
        if fits(&secret) {
            return Ok(secret);
        }
        self.recover_without_one(owner, shares, fits)
            .ok_or(Abort::FalseShares(self.members.client(owner)))
    }

    /// The shares of `owner`'s secret by holder; at least the threshold.
    fn shares_of(&self, owner: usize) -> Result<&'a BTreeMap<usize, Share>, Abort> {
        let shares = self.shares.get(&owner);
        let (have, need) = (shares.map_or(0, BTreeMap::len), self.session.threshold());
        let (stage, client) = (Stage::Unmask, self.members.client(owner));
        let too_few = Abort::TooFewNeighbours { stage, client, have, need };
        shares.filter(|shares| shares.len() >= need).ok_or(too_few)
    }

    /// Recovers from the first t holders. The owner holds no share of its own, but counts as one
    /// more point of the basis if it is an unmasker: that makes one basis serve a complete graph.
    fn recover(&mut self, owner: usize, shares: &BTreeMap<usize, Share>) -> Secret {
        let threshold = self.session.threshold();
        let points = self.points(owner, shares);
        let own = points.iter().position(|&point| point == owner);
        let spare = own.or((points.len() > threshold).then_some(threshold));
        let holders = points.iter().enumerate().filter(|&(at, _)| Some(at) != spare);
        let held = holders.map(|(_, holder)| &shares[holder]);
        let basis = basis_of(&mut self.basis, self.members, &points);
        match spare {
            Some(omitted) => basis.recover_without(omitted, held),
            None => basis.recover(held),
        }
    }

    /// The first t + 1 of the holders and, if it is an unmasker, the owner; or t holders, if there
    /// are no more. Suspects come last, so that a liar costs its search once and not for each owner.
    fn points(&self, owner: usize, shares: &BTreeMap<usize, Share>) -> Vec<usize> {
        let mut points: Vec<_> = shares.keys().copied().collect();
        if self.unmaskers.contains(&owner) {
            points.push(owner);
        }
        points.sort_unstable_by_key(|point| (self.suspects.contains(point), *point));
        points.truncate(self.session.threshold() + 1);
        points
    }

    /// One false share among the first t + 1 is found by leaving out each in turn: without it, the
    /// secret fits.
    fn recover_without_one(
        &mut self,
        owner: usize,
        shares: &BTreeMap<usize, Share>,
        fits: impl Fn(&[u8; SHARE_LEN]) -> bool,
    ) -> Option<Secret> {
        let threshold = self.session.threshold();
        let holders: Vec<_> = shares.keys().copied().take(threshold + 1).collect();
        if holders.len() <= threshold {
            return None;
        }
        let basis = LagrangeBasis::new(&clients(self.members, &holders));
        let without = |omitted| {
            let others = holders.iter().enumerate().filter(|&(at, _)| at != omitted);
            basis.recover_without(omitted, others.map(|(_, holder)| &shares[holder]))
        };
        let omitted = (0..holders.len()).find(|&omitted| fits(&without(omitted)))?;
        let (holder, owner) = (self.members.client(holders[omitted]), self.members.client(owner));
        self.false_shares.push(FalseShare { holder, owner });
        self.suspects.insert(holders[omitted]);
        Some(without(omitted))
    }
}

/// The basis of these points: the last one, if it has the same.
fn basis_of<'b>(
    last: &'b mut (Vec<usize>, LagrangeBasis),
    members: &Members,
    points: &[usize],
) -> &'b LagrangeBasis {
    if last.0 != points {
        *last = (points.to_vec(), LagrangeBasis::new(&clients(members, points)));
    }
    &last.1
}

fn clients(members: &Members, positions: &[usize]) -> Vec<ClientId> {
    positions.iter().map(|&position| members.client(position)).collect()
}

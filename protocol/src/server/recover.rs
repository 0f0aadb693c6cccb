//! From revealed shares to the plan of masks to take off.

mod secrets;

use std::collections::{BTreeMap, BTreeSet};

use secagg_kernels::{MaskPlan, Seed, Sign};

use self::secrets::Secrets;
use super::{Members, Round};
use crate::ClientId;
use crate::client::sign;
use crate::error::Abort;
use crate::keys::{Commitment, End, Hub, LowOrder, Mask, MaskSecretKey, SelfMaskSeed};
use crate::shamir::Share;

/// Revealed shares, by the secret's owner and then by holder; both are positions.
pub(super) type Shares = BTreeMap<usize, BTreeMap<usize, Share>>;

/// Recovers the secrets that the sum needs, and finds the masks that follow from them.
pub(super) struct Recovery<'a> {
    round: &'a Round,
    members: &'a Members,
    secrets: Secrets<'a>,
}

/// A share that did not fit the secret its owner had published: either its holder lied when it
/// revealed it, or the owner had dealt it a false one. The server cannot tell which; nor, if more than
/// half of the owner's shares to spare are false, whether those who hold them agreed on a polynomial
/// that makes a true share look false.
///
/// Shares that were not needed are not checked, so a liar is named for the lies that cost a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FalseShare {
    /// Who revealed the share.
    pub holder: ClientId,
    /// Whose secret it is a share of.
    pub owner: ClientId,
}

impl<'a> Recovery<'a> {
    pub(super) fn new(
        round: &'a Round,
        members: &'a Members,
        unmaskers: &'a BTreeSet<usize>,
        shares: &'a Shares,
    ) -> Self {
        let secrets = Secrets::new(&round.session, members, unmaskers, shares);
        Self { round, members, secrets }
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
        Ok(MaskPlan::new(self.round.session.params.prg(), &masks))
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
        self.secrets.into_false_shares()
    }

    fn self_mask_seed(&mut self, owner: usize, commitment: &Commitment) -> Result<Seed, Abort> {
        let (session, client) = (&self.round.session, self.members.client(owner));
        let secret = self.secrets.recover(owner, |secret| {
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
        let masked = self.masked_against(dropped, survivors);
        let theirs: Vec<_> = masked.map(|survivor| self.end(survivor)).collect();
        if theirs.is_empty() {
            return Ok(());
        }
        let ours = self.end(dropped);
        let fits = |secret: &_| MaskSecretKey::from_bytes(secret).public() == ours.key;
        let secret = self.secrets.recover(dropped, fits)?;
        let key = MaskSecretKey::from_bytes(&secret);
        let salt = self.members.salt(&self.round.session);
        let hub = Hub { backend: self.round.backend, salt: &salt, secret: &key, end: ours };
        let seeds =
            hub.pairwise_seeds(&theirs).map_err(|LowOrder(_)| Abort::FalseShares(ours.client))?;
        // The mask that a survivor took with its own sign comes off with the dropped client's.
        masks.extend(seeds.zip(theirs.iter().map(|theirs| sign(ours.client, theirs.client))));
        Ok(())
    }

    fn end(&self, position: usize) -> End<Mask> {
        End { client: self.members.client(position), key: self.members.keys[position].mask }
    }
}

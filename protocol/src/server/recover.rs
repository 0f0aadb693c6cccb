//! From revealed shares to the plan of masks to take off.

mod secrets;

use std::collections::{BTreeMap, BTreeSet};

use secagg_kernels::{MaskPlan, Seed, Sign};

pub(super) use self::secrets::{Basis, Lessons};
use self::secrets::{NotRecovered, Secret, Secrets};
use super::{Cohorts, Round};
use crate::ClientId;
use crate::error::Abort;
use crate::keys::{End, Hub, LowOrder, MaskSecretKey, SelfMaskSeed};
use crate::shamir::{SHARE_LEN, Share};

/// Revealed shares, by the secret's owner and then by holder; both are positions.
pub(super) type Shares = BTreeMap<usize, BTreeMap<usize, Share>>;

/// Who answered, by position, and a number by which their shares are taken, the lowest first.
pub(super) type Unmaskers = BTreeMap<usize, usize>;

/// Recovers secrets, and finds the masks that follow from them.
pub(super) struct Recovery<'a> {
    cohorts: &'a Cohorts,
    secrets: Secrets<'a>,
}

/// A share that did not fit the secret its owner had published: either its holder lied when it
/// revealed it, or the owner had dealt it a false one. The server cannot tell which; nor, if more
/// than half of the owner's shares to spare are false, whether those who hold them agreed on a
/// polynomial that makes a true share look false.
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
    /// Does without false shares, as long as there are enough true ones (docs/protocol.md, section
    /// 13).
    pub(super) fn new(cohorts: &'a Cohorts, unmaskers: &'a Unmaskers, shares: &'a Shares) -> Self {
        let Cohorts { round, members, .. } = cohorts;
        Self { cohorts, secrets: Secrets::new(&round.session, members, unmaskers, shares) }
    }

    /// Before the end: more shares may come. Begins with a basis that may be the one that is
    /// needed, and with what others learned.
    pub(super) fn early(self, basis: Basis, lessons: Lessons) -> Self {
        Self { secrets: self.secrets.early(basis, lessons), ..self }
    }

    /// The basis that was needed last, and what was learned.
    pub(super) fn into_parts(self) -> (Basis, Lessons) {
        self.secrets.into_parts()
    }

    /// All masks that come off with the secrets of some clients, each with the sign that takes it
    /// off.
    ///
    /// Where some secrets cannot be recovered, others are tried all the same, since all failures
    /// together tell who lied.
    pub(super) fn mask_plan(&mut self, owners: &[usize]) -> Result<MaskPlan, Abort> {
        let mut masks = Vec::with_capacity(self.cohorts.count_all_masks(owners));
        let mut doubts = self.secrets.doubts(self.cohorts);
        for &owner in owners {
            if self.masks_of(owner, &mut masks).is_err() {
                doubts.note(owner);
                if doubts.are_hopeless() {
                    break;
                }
            }
        }
        match doubts.abort(owners) {
            Some(abort) => Err(abort),
            None => Ok(MaskPlan::new(self.cohorts.round.session.params.prg(), &masks)),
        }
    }

    /// Appends the self mask of a survivor, or the masks between a dropped client and the
    /// survivors. An error appends nothing.
    pub(super) fn masks_of(
        &mut self,
        owner: usize,
        masks: &mut Vec<(Seed, Sign)>,
    ) -> Result<(), NotRecovered> {
        let before = masks.len();
        let appended = if self.cohorts.survivors.contains(&owner) {
            self.self_mask(owner, masks)
        } else {
            self.pairwise_masks(owner, masks)
        };
        appended.inspect_err(|_| masks.truncate(before))
    }

    /// Looks for false shares of a secret that is known.
    pub(super) fn name_liars(&mut self, owner: usize) {
        let fits = self.cohorts.check_of(owner);
        self.secrets.name_liars(owner, fits);
    }

    /// The false shares that were found on the way, by owner, then holder.
    pub(super) fn false_shares(&self) -> Vec<FalseShare> {
        let mut found = self.secrets.false_shares().to_vec();
        found.sort_by_key(|share| (share.owner, share.holder));
        found
    }

    /// Owners of which false shares were found.
    pub(super) fn disputed(&self) -> BTreeSet<usize> {
        let owners = self.secrets.false_shares().iter().map(|share| share.owner);
        owners.filter_map(|owner| self.cohorts.members.position(owner).ok()).collect()
    }

    fn secret(&mut self, owner: usize) -> Result<Secret, NotRecovered> {
        let fits = self.cohorts.check_of(owner);
        self.secrets.recover(owner, fits)
    }

    fn self_mask(
        &mut self,
        owner: usize,
        masks: &mut Vec<(Seed, Sign)>,
    ) -> Result<(), NotRecovered> {
        masks.push((Seed::from_bytes(*self.secret(owner)?), Sign::Subtract));
        Ok(())
    }

    /// The mask that a survivor took with its own sign comes off with the dropped client's.
    fn pairwise_masks(
        &mut self,
        dropped: usize,
        masks: &mut Vec<(Seed, Sign)>,
    ) -> Result<(), NotRecovered> {
        let Cohorts { round, members, .. } = self.cohorts;
        let key = MaskSecretKey::from_bytes(&*self.secret(dropped)?);
        let end = |at: usize| End { client: members.client(at), key: members.keys[at].mask };
        let ours = end(dropped);
        let salt = members.salt(&round.session);
        let hub = Hub { backend: round.backend, salt: &salt, secret: &key, end: ours };
        let theirs: Vec<_> = self.cohorts.masked_against(dropped).map(end).collect();
        hub.pairwise_masks(&theirs, masks).map_err(|LowOrder(_)| NotRecovered)
    }
}

impl Cohorts {
    /// Tells whether a secret is what its owner published: a survivor's seed, a dropped client's
    /// key.
    fn check_of(&self, owner: usize) -> impl Fn(&[u8; SHARE_LEN]) -> bool {
        let Self { round: Round { session, .. }, members, commitments, survivors } = self;
        let (client, survives) = (members.client(owner), survivors.contains(&owner));
        move |secret| {
            if survives {
                let commitment = SelfMaskSeed::from_bytes(secret).commitment(session, client);
                commitments.get(&owner).is_some_and(|published| commitment.matches(published))
            } else {
                MaskSecretKey::from_bytes(secret).public() == members.keys[owner].mask
            }
        }
    }
}

#[cfg(test)]
mod tests;

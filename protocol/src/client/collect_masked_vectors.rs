use core::fmt;

use secagg_kernels::{Backend, ClientPass, MaskPlan, Real, Seed, Sign};

use super::ledger::Ledger;
use super::secret::ClientSecret;
use super::share_keys::Neighbour;
use super::unmask::Holding;
use super::{ConfirmSurvivors, Me, Roster, Unmask};
use crate::error::{Misuse, Refused, ServerMisbehaved};
use crate::keys::{End, Hub, LowOrder, MaskSecretKey, Salt, SelfMaskSeed};
use crate::message::{CollectRequest, MaskedVector, Message};
use crate::sealed::{Route, SealedPair, open};
use crate::{ClientId, MaskPublicKey, Stage};

/// Stage 2: a client that waits for its neighbours' shares, and then masks its update.
pub struct CollectMaskedVectors {
    pub(super) me: Me,
    pub(super) backend: Backend,
    pub(super) secret: ClientSecret,
    pub(super) mask: MaskSecretKey,
    pub(super) mask_public: MaskPublicKey,
    pub(super) self_mask_seed: SelfMaskSeed,
    /// By ascending id.
    pub(super) neighbours: Vec<Neighbour>,
    pub(super) roster: Roster,
}

/// What follows a masked vector.
#[derive(Debug)]
pub enum AfterMasking {
    /// Against an active server, clients sign who survived.
    ConfirmSurvivors(ConfirmSurvivors),
    /// A curious server is believed.
    Unmask(Unmask),
}

impl fmt::Debug for CollectMaskedVectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CollectMaskedVectors").field("me", &self.me).finish_non_exhaustive()
    }
}

impl CollectMaskedVectors {
    /// The elements that the round expects of an update.
    pub fn dimension(&self) -> usize {
        self.me.session.params.dimension()
    }

    /// Answers a [`CollectRequest`] with a [`MaskedVector`]: the weight and the weighted update,
    /// quantized, plus the self mask, plus or minus one pairwise mask for each neighbour that shared
    /// its keys. Whatever the masks were made from is wiped here.
    ///
    /// A neighbour's box that does not open does not stop the client, since a bad neighbour would
    /// end every round that way; it just has no share of that neighbour to reveal later.
    ///
    /// # Errors
    /// [`Refused`] for bytes that are no such message of this session; for a box from a client that
    /// is no neighbour; if fewer boxes open than the threshold, or there are fewer than the policy's neighbours; for a key of low order; for an update
    /// of another length than the dimension, a non-finite element, or a weight that is negative, not
    /// finite or above the maximum.
    pub fn answer<F: Real>(
        self,
        request: &[u8],
        weight: f64,
        update: &[F],
    ) -> Result<(AfterMasking, Vec<u8>), Refused> {
        self.check_dimension(update.len())?;
        let (session, CollectRequest { boxes }) = CollectRequest::decode(request)?;
        self.me.check_session(session)?;
        let sharers = self.sharers(&boxes)?;
        let holdings = self.open_boxes(&boxes, &sharers)?;
        let plan = self.mask_plan(&sharers)?;
        let reply = self.masked_vector(&plan, weight, update)?;
        Ok((AfterMasking::new(self.me, holdings, self.roster), reply))
    }

    /// Answers as [`answer`](Self::answer) does, if the ledger has no vector for the same
    /// application bytes, or this very one: of the same session, weight, update and masks. The
    /// ledger is to be kept before the answer is sent.
    ///
    /// # Errors
    /// As [`answer`](Self::answer), and [`Misuse::MaskedBefore`]. The ledger is then as it was.
    pub fn answer_once<F: Real>(
        self,
        request: &[u8],
        weight: f64,
        update: &[F],
        ledger: &mut Ledger,
    ) -> Result<(AfterMasking, Vec<u8>), Refused> {
        let (_, CollectRequest { boxes }) = CollectRequest::decode(request)?;
        let sharers = boxes.iter().flat_map(|(sharer, _)| sharer.0.to_le_bytes());
        let masks: Vec<_> = self.roster.hash.as_bytes().iter().copied().chain(sharers).collect();
        let fingerprint = self.secret.fingerprint(&self.me.session, &masks, weight, update);
        let mut entered = ledger.clone();
        entered.enter(&self.me.application, &fingerprint)?;
        let answer = self.answer(request, weight, update)?;
        *ledger = entered;
        Ok(answer)
    }

    fn check_dimension(&self, found: usize) -> Result<(), Misuse> {
        let expected = self.dimension();
        if found == expected { Ok(()) } else { Err(Misuse::Dimension { expected, found }) }
    }

    /// The neighbours behind the boxes, in the order of the boxes.
    fn sharers(
        &self,
        boxes: &[(ClientId, SealedPair)],
    ) -> Result<Vec<&Neighbour>, ServerMisbehaved> {
        self.me.policy.check_neighbours(boxes.len() as u32)?;
        boxes.iter().map(|&(sender, _)| self.neighbour(sender)).collect()
    }

    fn neighbour(&self, client: ClientId) -> Result<&Neighbour, ServerMisbehaved> {
        let found = self.neighbours.binary_search_by_key(&client, |neighbour| neighbour.client);
        let at = found.map_err(|_| ServerMisbehaved::NotANeighbour(client))?;
        Ok(&self.neighbours[at])
    }

    fn open_boxes(
        &self,
        boxes: &[(ClientId, SealedPair)],
        sharers: &[&Neighbour],
    ) -> Result<Vec<Holding>, ServerMisbehaved> {
        let holdings: Vec<_> = sharers
            .iter()
            .zip(boxes)
            .map(|(neighbour, (_, sealed))| self.open_box(neighbour, sealed))
            .collect();
        let have = holdings.iter().filter(|holding| holding.shares.is_some()).count();
        let need = self.me.session.threshold();
        if have < need { Err(ServerMisbehaved::TooFewShares { have, need }) } else { Ok(holdings) }
    }

    fn open_box(&self, neighbour: &Neighbour, sealed: &SealedPair) -> Holding {
        let owner = neighbour.client;
        let route = Route { sender: owner, receiver: self.me.id };
        Holding { owner, shares: open(&self.me.session, &neighbour.receiving, route, sealed) }
    }

    fn mask_plan(&self, sharers: &[&Neighbour]) -> Result<MaskPlan, ServerMisbehaved> {
        let salt = Salt::new(&self.me.session, &self.roster.hash);
        let ours = End { client: self.me.id, key: self.mask_public };
        let hub = Hub { backend: self.backend, salt: &salt, secret: &self.mask, end: ours };
        let end = |neighbour: &&Neighbour| End { client: neighbour.client, key: neighbour.mask };
        let theirs: Vec<_> = sharers.iter().map(end).collect();
        let mut masks = Vec::with_capacity(1 + sharers.len());
        masks.push((self.self_mask_seed.as_seed().clone(), Sign::Add));
        hub.pairwise_masks(&theirs, &mut masks)
            .map_err(|LowOrder(client)| ServerMisbehaved::LowOrderKey(client))?;
        Ok(MaskPlan::new(self.me.session.params.prg(), &masks))
    }

    fn masked_vector<F: Real>(
        &self,
        plan: &MaskPlan,
        weight: f64,
        update: &[F],
    ) -> Result<Vec<u8>, Refused> {
        let params = &self.me.session.params;
        let rounding = self.rounding_seed();
        let pass = ClientPass {
            backend: self.backend,
            modulus: params.modulus(),
            quantizer: params.quantizer(),
            plan,
            rounding: &rounding,
        };
        let mut message = MaskedVector::header(self.me.session.id, params.packed_len());
        pass.masked_vector(weight, update, &mut message)?;
        Ok(message)
    }

    /// The seed of the rounding, whatever the request. An update is rounded in one way in a session,
    /// so that two vectors under the same masks, from a client that was put back, are the same.
    fn rounding_seed(&self) -> Seed {
        let Me { session, id, .. } = &self.me;
        self.secret.draws(session, *id, Stage::CollectMaskedVectors, &[]).seed()
    }
}

impl AfterMasking {
    fn new(mut me: Me, holdings: Vec<Holding>, roster: Roster) -> Self {
        match me.credentials.take() {
            Some(credentials) => {
                Self::ConfirmSurvivors(ConfirmSurvivors { me, credentials, holdings, roster })
            }
            None => Self::Unmask(Unmask { me, holdings, confirmed: None }),
        }
    }
}

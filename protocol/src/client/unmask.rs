use core::fmt;

use super::Me;
use crate::ClientId;
use crate::error::{Refused, ServerMisbehaved};
use crate::message::{Message, Revealed, RevealedShares, UnmaskRequest};
use crate::sealed::SharePair;

/// Stage 3: a client that waits for the survivors.
pub struct Unmask {
    pub(super) me: Me,
    /// One for each neighbour that shared its keys, by ascending id.
    pub(super) holdings: Vec<Holding>,
}

/// What a client holds for one neighbour: its shares, if the box opened.
pub(super) struct Holding {
    pub(super) owner: ClientId,
    pub(super) shares: Option<SharePair>,
}

impl fmt::Debug for Unmask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unmask").field("me", &self.me).finish_non_exhaustive()
    }
}

impl Unmask {
    /// Answers an [`UnmaskRequest`] with [`RevealedShares`]: a share of the self-mask seed of each
    /// neighbour that survived, and of the mask secret key of each that dropped. Never both: the
    /// request names survivors alone, and answering consumes the shares.
    ///
    /// # Errors
    /// [`Refused`] for bytes that are no such message of this session; for survivors that omit this
    /// client, name one that did not share its keys, or leave fewer neighbours than the threshold.
    pub fn answer(self, request: &[u8]) -> Result<Vec<u8>, Refused> {
        let (session, UnmaskRequest { survivors }) = UnmaskRequest::decode(request)?;
        self.me.check_session(session)?;
        self.check_survivors(&survivors)?;
        let holdings = self.holdings.into_iter();
        let shares = holdings.map(|holding| holding.reveal(&survivors)).collect();
        Ok(RevealedShares { shares }.encode(session))
    }

    fn check_survivors(&self, survivors: &[ClientId]) -> Result<(), ServerMisbehaved> {
        if survivors.binary_search(&self.me.id).is_err() {
            return Err(ServerMisbehaved::SurvivorsOmitSelf);
        }
        if let Some(&unknown) = survivors.iter().find(|&&client| !self.may_survive(client)) {
            return Err(ServerMisbehaved::UnknownSurvivor(unknown));
        }
        let (have, need) = (survivors.len() - 1, self.me.session.threshold());
        if have < need { Err(ServerMisbehaved::TooFewSurvivors { have, need }) } else { Ok(()) }
    }

    fn may_survive(&self, client: ClientId) -> bool {
        let holding = self.holdings.binary_search_by_key(&client, |holding| holding.owner);
        client == self.me.id || holding.is_ok()
    }
}

impl Holding {
    fn reveal(self, survivors: &[ClientId]) -> Revealed {
        let survived = survivors.binary_search(&self.owner).is_ok();
        match self.shares {
            None => Revealed::Nothing,
            Some(shares) if survived => Revealed::SelfMaskSeed(shares.self_mask_seed),
            Some(shares) => Revealed::MaskSecretKey(shares.mask_secret_key),
        }
    }
}

use core::fmt;

use super::{Credentials, Me};
use crate::error::{Refused, ServerMisbehaved};
use crate::identity::{Statement, SurvivorsHash};
use crate::message::{Message, Revealed, RevealedShares, UnmaskRequest};
use crate::sealed::SharePair;
use crate::{ClientId, RosterHash, Signature};

/// Stage 3: a client that waits for the survivors.
pub struct Unmask {
    pub(super) me: Me,
    /// One for each neighbour that shared its keys, by ascending id.
    pub(super) holdings: Vec<Holding>,
    /// Only against an active server.
    pub(super) confirmed: Option<Confirmed>,
}

/// The survivors that a client has signed.
pub(super) struct Confirmed {
    pub(super) credentials: Credentials,
    pub(super) roster: RosterHash,
    /// All of them, ascending.
    pub(super) survivors: Vec<ClientId>,
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
    /// [`Refused`] for bytes that are no such message of this session. If the server is taken to be
    /// curious: for survivors that omit this client, name one that did not share its keys, are fewer than
    /// the policy asks for, or leave fewer neighbours than the threshold. If it may be active: for other
    /// survivors than this client confirmed, and unless more than half of the cohort (and t + 1) did so.
    pub fn answer(self, request: &[u8]) -> Result<Vec<u8>, Refused> {
        let (session, UnmaskRequest { survivors, confirmations }) = UnmaskRequest::decode(request)?;
        self.me.check_session(session)?;
        match &self.confirmed {
            None => {
                check_neighbourhood(&self.me, &self.holdings, &survivors)?;
                self.me.policy.check_survivors(survivors.len())?;
            }
            Some(confirmed) => confirmed.check(&self.me, &survivors, &confirmations)?,
        }
        let shares = self.holdings.iter().map(|holding| holding.reveal(&survivors)).collect();
        Ok(RevealedShares { shares }.encode(session))
    }
}

impl Confirmed {
    /// The survivors are still the same, and enough of them signed what this client signed. Ids ascend, so
    /// nobody is counted twice; this client itself counts as one, whether its signature is there or not;
    /// a false signature is the server's doing.
    fn check(
        &self,
        me: &Me,
        survivors: &[ClientId],
        confirmations: &[(ClientId, Signature)],
    ) -> Result<(), ServerMisbehaved> {
        if survivors != self.survivors {
            return Err(ServerMisbehaved::SurvivorsChanged);
        }
        let (hash, mut have) = (SurvivorsHash::new(survivors.iter().copied()), 1);
        for (client, signature) in confirmations.iter().filter(|(client, _)| *client != me.id) {
            self.check_confirmation(me, &hash, *client, signature)?;
            have += 1;
        }
        let need = me.session.params.quorum() as usize;
        if have < need { Err(ServerMisbehaved::TooFewConfirmations { have, need }) } else { Ok(()) }
    }

    fn check_confirmation(
        &self,
        me: &Me,
        survivors: &SurvivorsHash,
        client: ClientId,
        signature: &Signature,
    ) -> Result<(), ServerMisbehaved> {
        if self.survivors.binary_search(&client).is_err() {
            return Err(ServerMisbehaved::UnknownSurvivor(client));
        }
        let statement = Statement::survivors(&me.session, client, &self.roster, survivors);
        if self.credentials.directory.confirms(client, &statement, signature) {
            Ok(())
        } else {
            Err(ServerMisbehaved::BadSignature(client))
        }
    }
}

/// A survivor set as far as one client can judge it: it holds the client, nobody else but neighbours
/// that shared their keys, and of these at least the threshold.
pub(super) fn check_neighbourhood(
    me: &Me,
    holdings: &[Holding],
    survivors: &[ClientId],
) -> Result<(), ServerMisbehaved> {
    if survivors.binary_search(&me.id).is_err() {
        return Err(ServerMisbehaved::SurvivorsOmitSelf);
    }
    let may_survive = |client: &ClientId| {
        let holding = holdings.binary_search_by_key(client, |holding| holding.owner);
        *client == me.id || holding.is_ok()
    };
    if let Some(&unknown) = survivors.iter().find(|client| !may_survive(client)) {
        return Err(ServerMisbehaved::UnknownSurvivor(unknown));
    }
    let (have, need) = (survivors.len() - 1, me.session.threshold());
    if have < need { Err(ServerMisbehaved::TooFewSurvivors { have, need }) } else { Ok(()) }
}

impl Holding {
    /// A copy of one of the two shares; both are wiped with the holding.
    fn reveal(&self, survivors: &[ClientId]) -> Revealed {
        let survived = survivors.binary_search(&self.owner).is_ok();
        match &self.shares {
            None => Revealed::Nothing,
            Some(shares) if survived => Revealed::SelfMaskSeed(shares.self_mask_seed.clone()),
            Some(shares) => Revealed::MaskSecretKey(shares.mask_secret_key.clone()),
        }
    }
}

use core::fmt;

use super::unmask::{Confirmed, Holding, check_neighbourhood};
use super::{Credentials, Me, Roster, Unmask};
use crate::ClientId;
use crate::error::{Refused, ServerMisbehaved};
use crate::graph::Ring;
use crate::identity::{Statement, SurvivorsHash};
use crate::message::{ConfirmRequest, Confirmation, Message};

/// The stage between the last two, against an active server: a client that waits for the survivors,
/// and signs them if they can be so.
pub struct ConfirmSurvivors {
    pub(super) me: Me,
    pub(super) credentials: Credentials,
    /// One for each neighbour that shared its keys, by ascending id.
    pub(super) holdings: Vec<Holding>,
    pub(super) roster: Roster,
}

impl fmt::Debug for ConfirmSurvivors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfirmSurvivors").field("me", &self.me).finish_non_exhaustive()
    }
}

impl ConfirmSurvivors {
    /// Answers a [`ConfirmRequest`] with a [`Confirmation`]. From here on the client helps to unmask
    /// this set of survivors and no other.
    ///
    /// # Errors
    /// [`Refused`] for bytes that are no such message of this session; for survivors that omit this
    /// client, name one that is no member, or a neighbour that did not share its keys; that are fewer
    /// than the policy asks for, leave fewer neighbours than the threshold, or do not hang together.
    pub fn answer(self, request: &[u8]) -> Result<(Unmask, Vec<u8>), Refused> {
        let (session, ConfirmRequest { survivors }) = ConfirmRequest::decode(request)?;
        self.me.check_session(session)?;
        self.check_members(&survivors)?;
        let neighbourhood = self.neighbourhood(&survivors);
        check_neighbourhood(&self.me, &self.holdings, &neighbourhood)?;
        self.me.policy.check_survivors(survivors.len())?;
        self.check_connected(&survivors)?;
        let hash = SurvivorsHash::new(survivors.iter().copied());
        let reply = self.sign(&hash).encode(session);
        let Self { me, credentials, holdings, roster } = self;
        let confirmed = Confirmed { credentials, roster: roster.hash, survivors };
        Ok((Unmask { me, holdings, confirmed: Some(confirmed) }, reply))
    }

    fn check_members(&self, survivors: &[ClientId]) -> Result<(), ServerMisbehaved> {
        let stranger = |client: &&ClientId| self.roster.members.binary_search(client).is_err();
        match survivors.iter().find(stranger) {
            Some(&stranger) => Err(ServerMisbehaved::UnknownSurvivor(stranger)),
            None => Ok(()),
        }
    }

    /// The survivors among this client and its neighbours. A survivor that is a neighbour by the graph
    /// but shared no keys is kept, so that it is refused.
    fn neighbourhood(&self, survivors: &[ClientId]) -> Vec<ClientId> {
        let members = &self.roster.members;
        let own = members.partition_point(|&client| client < self.me.id);
        let near = self.ring().neighbours(own);
        let is_near = |at: usize| at == own || near.binary_search(&at).is_ok();
        let place = |client: &ClientId| members.partition_point(|member| member < client);
        survivors.iter().copied().filter(|client| is_near(place(client))).collect()
    }

    fn check_connected(&self, survivors: &[ClientId]) -> Result<(), ServerMisbehaved> {
        let survives = |at: usize| survivors.binary_search(&self.roster.members[at]).is_ok();
        let (part, survivors) = (self.ring().connected(survives), survivors.len());
        if part < survivors {
            return Err(ServerMisbehaved::Disconnected { survivors, part });
        }
        Ok(())
    }

    fn ring(&self) -> Ring {
        let degree = self.me.session.params.degree();
        Ring::new(self.roster.members.len() as u32, degree, &self.roster.hash)
    }

    fn sign(&self, survivors: &SurvivorsHash) -> Confirmation {
        let Me { session, id, .. } = &self.me;
        let statement = Statement::survivors(session, *id, &self.roster.hash, survivors);
        Confirmation { signature: self.credentials.identity.sign(&statement) }
    }
}

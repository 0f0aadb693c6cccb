use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use secagg_kernels::Backend;

use super::{Collecting, Members, Round, ShareKeys};
use crate::error::{Abort, ClientMisbehaved, Misuse, Rejected};
use crate::graph::{Graph, ring_seed};
use crate::message::{AdvertisedKeys, Message, Outgoing, SetupRequest, ShareKeysRequest};
use crate::session::Session;
use crate::{ClientId, Params, SessionId, Stage};

/// Stage 0: collects two public keys from each client of the cohort.
#[derive(Debug)]
pub struct Setup {
    round: Round,
    cohort: BTreeSet<ClientId>,
    keys: BTreeMap<ClientId, AdvertisedKeys>,
    seen: HashSet<[u8; 32]>,
}

impl Setup {
    /// Opens a round and makes the [`SetupRequest`]s. The session id must be fresh and random;
    /// `application` is what clients must agree on (see [`crate::client::Setup::application`]).
    ///
    /// # Errors
    /// [`Misuse`] if the cohort does not have the parameters' size, or names a client twice.
    pub fn open(
        params: Params,
        session: SessionId,
        cohort: &[ClientId],
        application: &[u8],
    ) -> Result<(Self, Vec<Outgoing>), Misuse> {
        let cohort = check_cohort(&params, cohort)?;
        let session = Session::new(session, params, application);
        let outgoing = invitations(&session, &cohort);
        let round = Round { session, backend: Backend::detect() };
        let (keys, seen) = (BTreeMap::new(), HashSet::new());
        Ok((Self { round, cohort, keys, seen }, outgoing))
    }

    /// Sets the kernels' backend; without it, the fastest is used.
    #[must_use]
    pub fn backend(mut self, backend: Backend) -> Self {
        self.round.backend = backend;
        self
    }

    fn judge(&self, from: ClientId, message: &[u8]) -> Result<AdvertisedKeys, Rejected> {
        if !self.cohort.contains(&from) {
            return Err(ClientMisbehaved::NotExpected.into());
        }
        let (session, keys) = AdvertisedKeys::decode(message)?;
        self.round.check_session(session)?;
        if self.keys.contains_key(&from) {
            return Err(ClientMisbehaved::Duplicate.into());
        }
        self.check_keys(&keys)?;
        Ok(keys)
    }

    fn check_keys(&self, keys: &AdvertisedKeys) -> Result<(), ClientMisbehaved> {
        let (mask, channel) = (keys.mask.as_bytes(), keys.channel.as_bytes());
        if mask == channel || self.seen.contains(mask) || self.seen.contains(channel) {
            return Err(ClientMisbehaved::DuplicateKey);
        }
        if keys.mask.has_low_order() || keys.channel.has_low_order() {
            return Err(ClientMisbehaved::LowOrderKey);
        }
        Ok(())
    }

    fn into_members(self) -> (Round, Members) {
        let (len, degree) = (self.keys.len() as u32, self.round.session.params.degree());
        let keys = self.keys.iter().map(|(&client, keys)| (client, keys));
        let graph = Graph::new(len, degree, &ring_seed(&self.round.session, keys));
        let (clients, keys) = self.keys.into_iter().unzip();
        (self.round, Members { clients, keys, graph })
    }
}

impl Collecting for Setup {
    const STAGE: Stage = Stage::Setup;
    type Next = ShareKeys;

    fn receive(&mut self, from: ClientId, message: &[u8]) -> Result<(), Rejected> {
        let keys = self.judge(from, message)?;
        self.seen.extend([*keys.mask.as_bytes(), *keys.channel.as_bytes()]);
        self.keys.insert(from, keys);
        Ok(())
    }

    fn close(self) -> Result<(ShareKeys, Vec<Outgoing>), Abort> {
        let (have, need) = (self.keys.len(), self.round.threshold() + 1);
        if have < need {
            return Err(Abort::TooFew { stage: Stage::Setup, have, need });
        }
        let (round, members) = self.into_members();
        let outgoing = requests(&round, &members);
        Ok((ShareKeys::new(round, members), outgoing))
    }

    fn waiting_for(&self) -> Vec<ClientId> {
        let silent = self.cohort.iter().filter(|client| !self.keys.contains_key(client));
        silent.copied().collect()
    }
}

fn check_cohort(params: &Params, cohort: &[ClientId]) -> Result<BTreeSet<ClientId>, Misuse> {
    let (expected, found) = (params.cohort_size(), cohort.len());
    if found != expected as usize {
        return Err(Misuse::CohortSize { expected, found });
    }
    let mut members = BTreeSet::new();
    match cohort.iter().find(|&&client| !members.insert(client)) {
        Some(&twice) => Err(Misuse::DuplicateClient(twice)),
        None => Ok(members),
    }
}

fn invitations(session: &Session, cohort: &BTreeSet<ClientId>) -> Vec<Outgoing> {
    let request = SetupRequest { params: session.params.clone(), context: session.context };
    let message: Arc<[u8]> = request.encode(session.id).into();
    cohort.iter().map(|&to| Outgoing { to, message: Arc::clone(&message) }).collect()
}

/// In a complete graph everyone is sent the same list, so it is encoded once.
fn requests(round: &Round, members: &Members) -> Vec<Outgoing> {
    let everyone = 0..members.clients.len();
    let shared = members.is_complete().then(|| request(round, members, everyone.clone()));
    let neighbourhood = |at| request(round, members, members.neighbourhood(at).into_iter());
    let message = |at| shared.clone().unwrap_or_else(|| neighbourhood(at));
    let outgoing = |at| Outgoing { to: members.client(at), message: message(at) };
    everyone.map(outgoing).collect()
}

fn request(round: &Round, members: &Members, peers: impl Iterator<Item = usize>) -> Arc<[u8]> {
    let peers = peers.map(|peer| (members.client(peer), members.keys[peer])).collect();
    ShareKeysRequest { peers }.encode(round.session.id).into()
}

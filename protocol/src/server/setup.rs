use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use rand_core::CryptoRng;
use secagg_kernels::Backend;

use super::concurrent::{Judge, concurrently, receive};
use super::{Collecting, Members, Round, ShareKeys, check_enough};
use crate::error::{Abort, ClientMisbehaved, Misuse, Rejected};
use crate::identity::{Directory, Statement};
use crate::message::{AdvertisedKeys, Message, Outgoing, SetupRequest, ShareKeysRequest};
use crate::session::Session;
use crate::{ClientId, Params, Receive, SessionId, Stage};

/// Stage 0: collects two public keys from each client of the cohort.
#[derive(Debug)]
pub struct Setup {
    pub(super) round: Round,
    pub(super) cohort: BTreeSet<ClientId>,
    pub(super) keys: BTreeMap<ClientId, AdvertisedKeys>,
    seen: HashSet<[u8; 32]>,
}

impl Setup {
    /// Opens a round and makes the [`SetupRequest`]s. The session id must be fresh and random;
    /// `application` is what clients must agree on (see [`crate::client::Setup::application`]).
    ///
    /// # Errors
    /// [`Misuse`] if the cohort does not have the parameters' size, or names a client twice; if the
    /// threat model is active ([`open_signed`](Self::open_signed) is for that).
    pub fn open(
        params: Params,
        session: SessionId,
        cohort: &[ClientId],
        application: &[u8],
    ) -> Result<(Self, Vec<Outgoing>), Misuse> {
        if params.is_active() {
            return Err(Misuse::NoDirectory);
        }
        Self::start(params, session, cohort, application, None)
    }

    /// As [`open`](Self::open), for any threat model. Against an active server clients sign what they
    /// say; this server checks it with the same directory as they, so that a client without a valid
    /// signature is dropped and does not make its neighbours refuse.
    ///
    /// # Errors
    /// [`Misuse`], also for a client of the cohort that is not in the directory.
    pub fn open_signed(
        params: Params,
        session: SessionId,
        cohort: &[ClientId],
        application: &[u8],
        directory: &Directory,
    ) -> Result<(Self, Vec<Outgoing>), Misuse> {
        if let Some(&stranger) = cohort.iter().find(|&&client| directory.get(client).is_none()) {
            return Err(Misuse::NotInDirectory(stranger));
        }
        let directory = params.is_active().then(|| directory.clone());
        Self::start(params, session, cohort, application, directory)
    }

    fn start(
        params: Params,
        session: SessionId,
        cohort: &[ClientId],
        application: &[u8],
        directory: Option<Directory>,
    ) -> Result<(Self, Vec<Outgoing>), Misuse> {
        let cohort = check_cohort(&params, cohort)?;
        let session = Session::new(session, params, application);
        let outgoing = invitations(&session, &cohort);
        let round = Round { session, backend: Backend::detect(), directory };
        Ok((Self::new(round, cohort), outgoing))
    }

    pub(super) fn new(round: Round, cohort: BTreeSet<ClientId>) -> Self {
        Self { round, cohort, keys: BTreeMap::new(), seen: HashSet::new() }
    }

    /// Takes keys that were judged.
    pub(super) fn insert(&mut self, client: ClientId, keys: AdvertisedKeys) {
        self.seen.extend([*keys.mask.as_bytes(), *keys.channel.as_bytes()]);
        self.keys.insert(client, keys);
    }

    /// Sets the kernels' backend; without it, the fastest is used.
    #[must_use]
    pub fn backend(mut self, backend: Backend) -> Self {
        self.round.backend = backend;
        self
    }

    /// Takes no part of these clients, as if they never answered: their requests are not to be
    /// sent. Parameters and context stay. For a round that is played again without
    /// [suspects](Abort::suspects); see [`Workflow::attempts`](crate::Workflow::attempts) for the
    /// security of that.
    #[must_use]
    pub fn leave_out(self, clients: &BTreeSet<ClientId>) -> Self {
        let asked = self.cohort.difference(clients).copied().collect();
        let answered = self.keys.into_iter().filter(|(client, _)| !clients.contains(client));
        let mut left = Self::new(self.round, asked);
        answered.for_each(|(client, keys)| left.insert(client, keys));
        left
    }

    /// Neither the client nor its keys were seen before.
    fn check_new(&self, from: ClientId, keys: &AdvertisedKeys) -> Result<(), ClientMisbehaved> {
        if self.keys.contains_key(&from) {
            return Err(ClientMisbehaved::Duplicate);
        }
        let (mask, channel) = (keys.mask.as_bytes(), keys.channel.as_bytes());
        if mask == channel || self.seen.contains(mask) || self.seen.contains(channel) {
            return Err(ClientMisbehaved::DuplicateKey);
        }
        Ok(())
    }

    /// Signed exactly where the threat model asks for it: a message has one meaning.
    fn check_signature(
        &self,
        from: ClientId,
        keys: &AdvertisedKeys,
    ) -> Result<(), ClientMisbehaved> {
        let statement = Statement::advertised_keys(&self.round.session, from, keys);
        let fits = match (&self.round.directory, &keys.signature) {
            (None, None) => true,
            (Some(directory), Some(signature)) => directory.confirms(from, &statement, signature),
            _ => false,
        };
        if fits { Ok(()) } else { Err(ClientMisbehaved::BadSignature) }
    }

    fn into_members(self, rng: &mut impl CryptoRng) -> (Round, Members) {
        let (clients, keys): (Vec<_>, Vec<_>) = self.keys.into_iter().unzip();
        let roster = self.round.roster(&clients, &keys, rng);
        let members = Members::new(&self.round.session.params, clients, keys, roster);
        (self.round, members)
    }

    /// One that has answered cannot recover its own secrets; and no client of an active round takes
    /// fewer members than the quorum, with which the round could not end.
    fn least_members(&self) -> usize {
        let params = &self.round.session.params;
        let quorum = if params.is_active() { params.quorum() as usize } else { 0 };
        quorum.max(self.round.threshold() + 1)
    }
}

impl Judge for Setup {
    type Judged = AdvertisedKeys;

    fn judge(&self, from: ClientId, message: &[u8]) -> Result<AdvertisedKeys, Rejected> {
        if !self.cohort.contains(&from) {
            return Err(ClientMisbehaved::NotExpected.into());
        }
        let (session, keys) = AdvertisedKeys::decode(message)?;
        self.round.check_session(session)?;
        self.check_new(from, &keys)?;
        check_order(&keys)?;
        self.check_signature(from, &keys)?;
        Ok(keys)
    }

    fn keep(&mut self, from: ClientId, keys: AdvertisedKeys) -> Result<(), Rejected> {
        self.check_new(from, &keys)?;
        self.insert(from, keys);
        Ok(())
    }
}

impl Collecting for Setup {
    const STAGE: Stage = Stage::Setup;
    type Next = ShareKeys;

    fn receive(&mut self, from: ClientId, message: &[u8]) -> Result<(), Rejected> {
        receive(self, from, message)
    }

    fn concurrently<T>(&mut self, exchange: impl FnOnce(&Receive<'_>) -> T) -> T {
        concurrently(self, exchange)
    }

    fn check(&self) -> Result<(), Abort> {
        check_enough(Self::STAGE, self.keys.len(), self.least_members())
    }

    fn close(self, rng: &mut impl CryptoRng) -> Result<(ShareKeys, Vec<Outgoing>), Abort> {
        self.check()?;
        let (round, members) = self.into_members(rng);
        let outgoing = requests(&round, &members);
        Ok((ShareKeys::new(round, members), outgoing))
    }

    fn waiting_for(&self) -> Vec<ClientId> {
        let silent = self.cohort.iter().filter(|client| !self.keys.contains_key(client));
        silent.copied().collect()
    }
}

fn check_order(keys: &AdvertisedKeys) -> Result<(), ClientMisbehaved> {
    if keys.mask.has_low_order() || keys.channel.has_low_order() {
        return Err(ClientMisbehaved::LowOrderKey);
    }
    Ok(())
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

/// In a complete graph, and against an active server, everyone is sent the same list, so it is encoded
/// once.
fn requests(round: &Round, members: &Members) -> Vec<Outgoing> {
    let everyone = 0..members.clients.len();
    let same = members.is_complete() || round.session.params.is_active();
    let shared = same.then(|| request(round, members, everyone.clone()));
    let neighbourhood = |at| request(round, members, members.neighbourhood(at).into_iter());
    let message = |at| shared.clone().unwrap_or_else(|| neighbourhood(at));
    let outgoing = |at| Outgoing { to: members.client(at), message: message(at) };
    everyone.map(outgoing).collect()
}

fn request(round: &Round, members: &Members, peers: impl Iterator<Item = usize>) -> Arc<[u8]> {
    let peers = peers.map(|peer| (members.client(peer), members.keys[peer])).collect();
    ShareKeysRequest { roster: members.roster, peers }.encode(round.session.id).into()
}

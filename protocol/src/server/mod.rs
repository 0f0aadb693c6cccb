//! The server's stages: four, and a fifth before the last that asks clients only where the server may
//! be active. Each has two verbs: `receive` judges one client's message and leaves
//! the stage sound whatever it says; `close` ends the stage, and gives the next one with what to
//! send. When to close (enough answers, a timeout) is the caller's business.
//!
//! The cohort shrinks from stage to stage. U1 advertised keys; U2 shared them; U3, the survivors,
//! sent a masked vector, and the sum is over exactly these; U4, the unmaskers, revealed shares.

mod collect_masked_vectors;
mod concurrent;
mod confirm_survivors;
mod recover;
mod saved;
mod setup;
mod share_keys;
mod suspects;
mod take_off;
mod unmask;

pub use collect_masked_vectors::CollectMaskedVectors;
pub use confirm_survivors::ConfirmSurvivors;
pub use recover::FalseShare;
pub use saved::Save;
pub use setup::Setup;
pub use share_keys::ShareKeys;
pub use suspects::Suspect;
pub use unmask::{Aggregate, Reading, Recovered, Unmask};

use std::collections::{BTreeMap, BTreeSet};

use rand_core::CryptoRng;
use secagg_kernels::{Accumulator, Backend};

use crate::error::{Abort, ClientMisbehaved, Rejected};
use crate::graph::{Graph, Ring};
use crate::identity::Directory;
use crate::keys::{Commitment, KEY_LEN, Salt};
use crate::message::{AdvertisedKeys, Outgoing};
use crate::roster::RosterHash;
use crate::session::Session;
use crate::{ClientId, Params, Receive, SessionId, Stage};

/// A stage that collects messages until the caller closes it.
pub trait Collecting: Sized {
    /// Which stage this is.
    const STAGE: Stage;
    /// What closing it gives, beside messages.
    type Next;

    /// Judges one message from one client.
    ///
    /// # Errors
    /// [`Rejected`] says what is wrong with it; the stage is as it was.
    fn receive(&mut self, from: ClientId, message: &[u8]) -> Result<(), Rejected>;

    /// Takes messages from many threads at once: `exchange` is given a function that does what
    /// [`receive`](Self::receive) does and that any number of threads may call, for as long as `exchange` runs.
    ///
    /// Messages are judged side by side; masked vectors are added to the one sum side by side, and in the
    /// last stage whoever brings a message may find itself recovering the secrets that enough shares are
    /// there for and taking their masks off, while others go on. There is no queue: a thread works on the
    /// message that it brought, so at most one message for each thread is in memory, and a transport that
    /// reads no faster than its threads return is held back. These should be threads of the transport's own: one of
    /// rayon's pool may take up the next message while it waits for the pool.
    ///
    /// What `exchange` gives is given back.
    ///
    /// # Panics
    /// In every thread that comes after one that panicked in here, which would be a fault of this crate.
    fn concurrently<T>(&mut self, exchange: impl FnOnce(&Receive<'_>) -> T) -> T;

    /// Whether the stage could be closed now, judged neighbourhood by neighbourhood: the abort that
    /// closing it now would end the round with. What only recovering secrets shows is not foreseen,
    /// nor who is suspected.
    ///
    /// # Errors
    /// [`Abort`] if too few clients have answered so far; the stage goes on.
    fn check(&self) -> Result<(), Abort>;

    /// Ends the stage. Of all stages the setup alone draws from `rng`, and against a curious server
    /// alone: bytes for the graph, which nobody may know before the last key has come.
    ///
    /// # Errors
    /// [`Abort`] if too few clients answered; the round is over.
    fn close(self, rng: &mut impl CryptoRng) -> Result<(Self::Next, Vec<Outgoing>), Abort>;

    /// Clients that were asked in this stage and have not answered, by ascending id. Empty once
    /// waiting any longer is pointless.
    fn waiting_for(&self) -> Vec<ClientId>;
}

/// What the server knows from the start.
#[derive(Debug)]
struct Round {
    session: Session,
    backend: Backend,
    /// Only against an active server: what clients will check, this server checks before.
    directory: Option<Directory>,
}

impl Round {
    fn check_session(&self, session: SessionId) -> Result<(), ClientMisbehaved> {
        if session == self.session.id { Ok(()) } else { Err(ClientMisbehaved::ForeignSession) }
    }

    fn threshold(&self) -> usize {
        self.session.threshold()
    }

    /// The hash over U1, which ascend.
    fn roster(
        &self,
        clients: &[ClientId],
        keys: &[AdvertisedKeys],
        rng: &mut impl CryptoRng,
    ) -> RosterHash {
        let members = clients.iter().copied().zip(keys);
        if let Some(directory) = &self.directory {
            return RosterHash::active(&self.session, directory, members);
        }
        let mut fresh = [0; KEY_LEN];
        rng.fill_bytes(&mut fresh);
        RosterHash::curious(&self.session, &fresh, members)
    }
}

/// A stage needs so many answers, whoever they come from.
fn check_enough(stage: Stage, have: usize, need: usize) -> Result<(), Abort> {
    if have < need { Err(Abort::TooFew { stage, have, need }) } else { Ok(()) }
}

/// U1 and the graph over it. Clients are named by their position in ascending order of ids.
#[derive(Debug)]
struct Members {
    clients: Vec<ClientId>,
    keys: Vec<AdvertisedKeys>,
    roster: RosterHash,
    graph: Graph,
}

/// U1, U2 and U3. Clients are named by position.
#[derive(Debug)]
struct Cohorts {
    round: Round,
    members: Members,
    /// U2, with what each committed to.
    commitments: BTreeMap<usize, Commitment>,
    survivors: BTreeSet<usize>,
}

/// What the masked vectors came to: their sum, and whose they are.
#[derive(Debug)]
struct Collected {
    cohorts: Cohorts,
    sum: Accumulator,
}

impl Cohorts {
    /// Every secret that the sum needs must be within reach of enough holders: each survivor's seed,
    /// and the mask key of each dropped client that a survivor is masked against.
    fn check_reach(&self, stage: Stage, holds: impl Fn(usize, usize) -> bool) -> Result<(), Abort> {
        let need = self.round.threshold();
        for owner in self.needed() {
            let neighbours = self.members.graph.neighbours(owner);
            let have = neighbours.iter().filter(|&&holder| holds(holder, owner)).count();
            if have < need {
                let client = self.members.client(owner);
                return Err(Abort::TooFewNeighbours { stage, client, have, need });
            }
        }
        Ok(())
    }

    /// Whose secrets the sum needs, ascending.
    fn needed(&self) -> impl Iterator<Item = usize> {
        self.commitments.keys().copied().filter(|&owner| self.is_needed(owner))
    }

    fn is_needed(&self, owner: usize) -> bool {
        self.survivors.contains(&owner) || self.masked_against(owner).next().is_some()
    }

    /// The masks that come off with a client's secret.
    fn count_masks(&self, owner: usize) -> usize {
        if self.survivors.contains(&owner) { 1 } else { self.masked_against(owner).count() }
    }

    fn count_all_masks(&self, owners: &[usize]) -> usize {
        owners.iter().map(|&owner| self.count_masks(owner)).sum()
    }

    /// The survivors that a client shares masks with, ascending.
    fn masked_against(&self, position: usize) -> impl Iterator<Item = usize> {
        let neighbours = self.members.graph.neighbours(position).iter().copied();
        neighbours.filter(|at| self.survivors.contains(at))
    }

    /// Neighbours of a client that shared their keys, ascending.
    fn sharing_neighbours(&self, position: usize) -> impl Iterator<Item = usize> {
        let neighbours = self.members.graph.neighbours(position).iter().copied();
        neighbours.filter(|neighbour| self.commitments.contains_key(neighbour))
    }
}

impl Members {
    /// The graph over some clients, which ascend, and their keys.
    fn new(
        params: &Params,
        clients: Vec<ClientId>,
        keys: Vec<AdvertisedKeys>,
        roster: RosterHash,
    ) -> Self {
        let ring = Ring::new(clients.len() as u32, params.degree(), &roster);
        Self { clients, keys, roster, graph: Graph::new(ring) }
    }

    fn position(&self, client: ClientId) -> Result<usize, ClientMisbehaved> {
        self.clients.binary_search(&client).map_err(|_| ClientMisbehaved::NotExpected)
    }

    fn client(&self, position: usize) -> ClientId {
        self.clients[position]
    }

    /// A client and its neighbours, ascending.
    fn neighbourhood(&self, position: usize) -> Vec<usize> {
        let mut closed = self.graph.neighbours(position).to_vec();
        closed.insert(closed.partition_point(|&neighbour| neighbour < position), position);
        closed
    }

    fn is_complete(&self) -> bool {
        self.graph.ring().is_complete()
    }

    fn salt(&self, session: &Session) -> Salt {
        Salt::new(session, &self.roster)
    }
}

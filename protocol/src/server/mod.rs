//! The server's stages: four, and a fifth before the last that asks clients only where the server may
//! be active. Each has two verbs: `receive` judges one client's message and leaves
//! the stage sound whatever it says; `close` ends the stage, and gives the next one with what to
//! send. When to close (enough answers, a timeout) is the caller's business.
//!
//! The cohort shrinks from stage to stage. U1 advertised keys; U2 shared them; U3, the survivors,
//! sent a masked vector, and the sum is over exactly these; U4, the unmaskers, revealed shares.

mod collect_masked_vectors;
mod confirm_survivors;
mod recover;
mod setup;
mod share_keys;
mod unmask;

pub use collect_masked_vectors::CollectMaskedVectors;
pub use confirm_survivors::ConfirmSurvivors;
pub use recover::FalseShare;
pub use setup::Setup;
pub use share_keys::ShareKeys;
pub use unmask::{Aggregate, Reading, Recovered, Unmask};

use std::collections::{BTreeMap, BTreeSet};

use secagg_kernels::{Accumulator, Backend};

use crate::error::{Abort, ClientMisbehaved, Rejected};
use crate::graph::Graph;
use crate::identity::Directory;
use crate::keys::{Commitment, Salt};
use crate::message::{AdvertisedKeys, Outgoing};
use crate::roster::RosterHash;
use crate::session::Session;
use crate::{ClientId, SessionId, Stage};

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

    /// Whether the stage could be closed now, judged neighbourhood by neighbourhood: the abort that
    /// closing it now would end the round with. What only recovering secrets shows is not foreseen.
    ///
    /// # Errors
    /// [`Abort`] if too few clients have answered so far; the stage goes on.
    fn check(&self) -> Result<(), Abort>;

    /// Ends the stage.
    ///
    /// # Errors
    /// [`Abort`] if too few clients answered; the round is over.
    fn close(self) -> Result<(Self::Next, Vec<Outgoing>), Abort>;

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

/// What the masked vectors came to: their sum, and whose they are. Clients are named by position.
#[derive(Debug)]
struct Collected {
    round: Round,
    members: Members,
    /// U2, with what each committed to.
    commitments: BTreeMap<usize, Commitment>,
    sum: Accumulator,
    survivors: BTreeSet<usize>,
}

impl Collected {
    /// Every secret that the sum needs must be within reach of enough holders: each survivor's seed,
    /// and the mask key of each dropped client that a survivor is masked against.
    fn check_reach(&self, stage: Stage, holds: impl Fn(usize, usize) -> bool) -> Result<(), Abort> {
        let need = self.round.threshold();
        for &owner in self.commitments.keys().filter(|&&owner| self.is_needed(owner)) {
            let neighbours = self.members.graph.neighbours(owner);
            let have = neighbours.iter().filter(|&&holder| holds(holder, owner)).count();
            if have < need {
                let client = self.members.client(owner);
                return Err(Abort::TooFewNeighbours { stage, client, have, need });
            }
        }
        Ok(())
    }

    fn is_needed(&self, owner: usize) -> bool {
        let neighbours = self.members.graph.neighbours(owner);
        self.survivors.contains(&owner) || neighbours.iter().any(|at| self.survivors.contains(at))
    }

    /// Neighbours of a client that shared their keys, ascending.
    fn sharing_neighbours(&self, position: usize) -> impl Iterator<Item = usize> {
        let neighbours = self.members.graph.neighbours(position).iter().copied();
        neighbours.filter(|neighbour| self.commitments.contains_key(neighbour))
    }
}

impl Members {
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

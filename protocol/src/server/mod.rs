//! The server's four stages. Each has two verbs: `receive` judges one client's message and leaves
//! the stage sound whatever it says; `close` ends the stage, and gives the next one with what to
//! send. When to close (enough answers, a timeout) is the caller's business.
//!
//! The cohort shrinks from stage to stage. U1 advertised keys; U2 shared them; U3, the survivors,
//! sent a masked vector, and the sum is over exactly these; U4, the unmaskers, revealed shares.

mod collect_masked_vectors;
mod recover;
mod setup;
mod share_keys;
mod unmask;

pub use collect_masked_vectors::CollectMaskedVectors;
pub use recover::FalseShare;
pub use setup::Setup;
pub use share_keys::ShareKeys;
pub use unmask::{Aggregate, Reading, Recovered, Unmask};

use secagg_kernels::Backend;

use crate::error::{Abort, ClientMisbehaved, Rejected};
use crate::graph::Graph;
use crate::message::{AdvertisedKeys, Outgoing};
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
}

impl Round {
    fn check_session(&self, session: SessionId) -> Result<(), ClientMisbehaved> {
        if session == self.session.id { Ok(()) } else { Err(ClientMisbehaved::ForeignSession) }
    }

    fn threshold(&self) -> usize {
        self.session.threshold()
    }
}

/// U1 and the graph over it. Clients are named by their position in ascending order of ids.
#[derive(Debug)]
struct Members {
    clients: Vec<ClientId>,
    keys: Vec<AdvertisedKeys>,
    graph: Graph,
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
        self.graph.degree() + 1 == self.clients.len()
    }
}

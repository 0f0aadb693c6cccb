//! Statistics of rounds that a workflow ran.

use std::collections::BTreeSet;

use crate::error::{Abort, Rejected};
use crate::{ClientId, Outgoing, SessionId, Stage};

/// Statistics of a round, also of one that failed.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Attempts that were ended by liars, and were played again; in order.
    pub failed: Vec<FailedAttempt>,
    /// One entry for each stage that was run in the last attempt, in order.
    pub stages: Vec<StageReport>,
}

/// Statistics of an attempt that was ended by liars.
#[derive(Clone, Debug)]
pub struct FailedAttempt {
    /// Its session id.
    pub session: SessionId,
    /// Why it ended. Later attempts leave out its [suspects](Abort::suspects).
    pub abort: Abort,
    /// One entry for each stage that was run, in order.
    pub stages: Vec<StageReport>,
}

/// Statistics of one stage.
#[derive(Clone, Debug)]
pub struct StageReport {
    /// The stage.
    pub stage: Stage,
    /// Clients that were asked.
    pub asked: Vec<ClientId>,
    /// Clients whose answer was accepted, in the order in which they answered.
    pub answered: Vec<ClientId>,
    /// Clients that did not answer in time, or whose answers were all rejected; ascending.
    pub dropped: Vec<ClientId>,
    /// Clients that answered, but are left out of the next stage, since too few of their neighbours
    /// answered to recover their secrets.
    pub left_out: Vec<ClientId>,
    /// Messages that were rejected, and why. It grows with each, also of strangers: a driver should
    /// limit how often it hears one sender.
    pub rejected: Vec<(ClientId, Rejected)>,
    /// Bytes sent to clients.
    pub bytes_down: u64,
    /// Bytes received from clients, rejected messages included.
    pub bytes_up: u64,
}

impl Report {
    /// Clients that the last attempt left out, since an earlier one suspects them.
    pub fn left_out(&self) -> BTreeSet<ClientId> {
        let suspects = self.failed.iter().flat_map(|failed| failed.abort.suspects());
        suspects.map(|suspect| suspect.client).collect()
    }
}

impl StageReport {
    pub(super) fn new(stage: Stage, outgoing: &[Outgoing]) -> Self {
        Self {
            stage,
            asked: outgoing.iter().map(|outgoing| outgoing.to).collect(),
            answered: Vec::new(),
            dropped: Vec::new(),
            left_out: Vec::new(),
            rejected: Vec::new(),
            bytes_down: outgoing.iter().map(|outgoing| outgoing.message.len() as u64).sum(),
            bytes_up: 0,
        }
    }

    pub(super) fn count(
        &mut self,
        client: ClientId,
        message: &[u8],
        verdict: Result<(), Rejected>,
    ) {
        self.bytes_up += message.len() as u64;
        match verdict {
            Ok(()) => self.answered.push(client),
            Err(reason) => self.rejected.push((client, reason)),
        }
    }
}

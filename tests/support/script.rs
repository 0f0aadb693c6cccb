//! What goes wrong in a story, and when.

use core::fmt;
use std::collections::BTreeMap;

use secagg::{ClientId, Stage};

use crate::Log;

/// From an honest message to what arrives in its place: nothing, one message or many.
type Change = Box<dyn Fn(Vec<u8>) -> Vec<Vec<u8>>>;

/// Makes a message out of all that was said before.
type Forgery = Box<dyn Fn(&Log) -> Vec<u8>>;

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    ToClient,
    ToServer,
}

/// A story's list of mishaps.
#[derive(Default)]
pub(crate) struct Script {
    /// From which stage on a client is silent.
    pub(crate) drops: BTreeMap<ClientId, Stage>,
    /// Seed of a random order of delivery; without it, clients answer by ascending id.
    pub(crate) shuffle: Option<u64>,
    changes: Vec<(ClientId, Stage, Way, Change)>,
    injections: Vec<(ClientId, Stage, Forgery)>,
}

impl Script {
    pub(crate) fn change(&mut self, client: u64, stage: Stage, way: Way, change: Change) {
        self.changes.push((ClientId(client), stage, way, change));
    }

    pub(crate) fn inject(&mut self, from: u64, stage: Stage, forgery: Forgery) {
        self.injections.push((ClientId(from), stage, forgery));
    }

    pub(crate) fn is_silent(&self, client: ClientId, stage: Stage) -> bool {
        self.drops.get(&client).is_some_and(|&drop| drop <= stage)
    }

    /// What arrives instead of one message, after all changes in the order in which they were told.
    pub(crate) fn arriving(
        &self,
        client: ClientId,
        stage: Stage,
        way: Way,
        bytes: Vec<u8>,
    ) -> Vec<Vec<u8>> {
        let place = (client, stage, way);
        let changes = self.changes.iter().filter(|(c, s, w, _)| (*c, *s, *w) == place);
        changes.fold(vec![bytes], |messages, (.., change)| {
            messages.into_iter().flat_map(change).collect()
        })
    }

    /// Messages that come out of nowhere when everyone has answered a stage.
    pub(crate) fn injected(&self, stage: Stage, log: &Log) -> Vec<(ClientId, Vec<u8>)> {
        let due = self.injections.iter().filter(|(_, due, _)| *due == stage);
        due.map(|(from, _, forgery)| (*from, forgery(log))).collect()
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").field("drops", &self.drops).finish_non_exhaustive()
    }
}

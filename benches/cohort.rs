//! A server and its clients in one thread of messages, some of which vanish after they have shared their keys. Every
//! message is encoded, handed over and decoded.

use std::collections::BTreeMap;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use secagg::server::{Collecting, Setup, Unmask};
use secagg::{Client, ClientId, Outgoing, Params, SessionId, Stage};

use crate::clock::{Time, timed};
use crate::update;

/// The round's name, of no importance.
pub const SESSION: SessionId = SessionId([7; 16]);

/// Replies wait for the server in heaps of so many, or so many bytes: looking at the clock for each would take longer than
/// some of them do.
const HEAP: usize = 64;
const HEAP_BYTES: usize = 32 << 20;

/// The clients of a round, and what its stages took so far.
#[derive(Debug)]
pub struct Cohort {
    clients: BTreeMap<ClientId, Client>,
    random: ChaCha20Rng,
    update: Vec<f32>,
    dropped: u64,
    spent: Vec<Spent>,
}

/// What one stage took, up to its last answer.
#[derive(Clone, Copy, Debug)]
pub struct Spent {
    /// The stage.
    pub stage: Stage,
    /// Clients that answered.
    pub answered: usize,
    /// All clients together.
    pub clients: Time,
    /// The server taking in the answers.
    pub server: Time,
    /// Bytes to all clients, and from them.
    pub bytes: [u64; 2],
}

impl Cohort {
    /// Clients for the parameters, the first of which vanish.
    pub fn new(params: &Params, dropped: u64) -> Self {
        let ids = (0..u64::from(params.cohort_size())).map(ClientId);
        Self {
            clients: ids.map(|id| (id, Client::new(id))).collect(),
            random: ChaCha20Rng::seed_from_u64(0),
            update: update(params.dimension()),
            dropped,
            spent: Vec::new(),
        }
    }

    /// All clients, ascending.
    pub fn ids(&self) -> Vec<ClientId> {
        self.clients.keys().copied().collect()
    }

    /// What the stages took, in order.
    pub fn spent(&self) -> &[Spent] {
        &self.spent
    }

    /// A client's answer, unless it has vanished.
    ///
    /// # Panics
    /// If the client refuses the request: the server here is honest.
    pub fn answer(&mut self, stage: Stage, id: ClientId, request: &[u8]) -> Option<Vec<u8>> {
        if stage == Stage::CollectMaskedVectors && id.0 < self.dropped {
            return None;
        }
        let client = self.clients.remove(&id)?;
        let answer = client.answer(request, 100.0, &self.update, &mut self.random);
        let (next, reply) = answer.expect("an honest server");
        self.clients.insert(id, next);
        Some(reply)
    }

    /// Runs one stage to its last answer.
    ///
    /// # Panics
    /// If the server rejects an answer: clients here are honest.
    pub fn collect<S: Collecting>(&mut self, mut stage: S, outgoing: Vec<Outgoing>) -> S {
        let down = outgoing.iter().map(|outgoing| outgoing.message.len() as u64).sum();
        let mut spent = Spent::new(S::STAGE, down);
        let mut requests = outgoing.into_iter().peekable();
        while requests.peek().is_some() {
            let (replies, took) = timed(|| self.heap(S::STAGE, &mut requests));
            spent.clients += took;
            spent.count(&replies);
            let ((), took) = timed(|| {
                for (from, reply) in &replies {
                    stage.receive(*from, reply).expect("an honest client");
                }
            });
            spent.server += took;
        }
        self.spent.push(spent);
        stage
    }

    /// Answers to the next requests, as many as make a heap.
    fn heap(
        &mut self,
        stage: Stage,
        requests: &mut impl Iterator<Item = Outgoing>,
    ) -> Vec<(ClientId, Vec<u8>)> {
        let (mut replies, mut bytes) = (Vec::with_capacity(HEAP), 0);
        while replies.len() < HEAP && bytes < HEAP_BYTES {
            let Some(Outgoing { to, message }) = requests.next() else { break };
            if let Some(reply) = self.answer(stage, to, &message) {
                bytes += reply.len();
                replies.push((to, reply));
            }
        }
        replies
    }

    /// Runs a round up to the server's last answer, and adds what closing each stage took to that stage.
    ///
    /// # Panics
    /// If so many drop-outs end the round.
    pub fn before_unmasking(&mut self, params: &Params) -> Unmask {
        let setup = Setup::open(params.clone(), SESSION, &self.ids(), b"");
        let (setup, outgoing) = setup.expect("the cohort's size");
        let (share_keys, outgoing) = self.run(setup, outgoing);
        let (collect, outgoing) = self.run(share_keys, outgoing);
        let (confirm, outgoing) = self.run(collect, outgoing);
        let (unmask, outgoing) = self.run(confirm, outgoing);
        self.collect(unmask, outgoing)
    }

    fn run<S: Collecting>(
        &mut self,
        stage: S,
        outgoing: Vec<Outgoing>,
    ) -> (S::Next, Vec<Outgoing>) {
        let stage = self.collect(stage, outgoing);
        let (closed, took) = timed(|| stage.close(&mut ChaCha20Rng::seed_from_u64(1)));
        if let Some(spent) = self.spent.last_mut() {
            spent.server += took;
        }
        closed.expect("enough clients")
    }
}

impl Spent {
    fn new(stage: Stage, down: u64) -> Self {
        let (clients, server) = (Time::default(), Time::default());
        Self { stage, answered: 0, clients, server, bytes: [down, 0] }
    }

    fn count(&mut self, replies: &[(ClientId, Vec<u8>)]) {
        self.answered += replies.len();
        self.bytes[1] += replies.iter().map(|(_, reply)| reply.len() as u64).sum::<u64>();
    }
}

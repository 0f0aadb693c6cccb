//! Clients in this process, and the network between them and the server, where the script comes true.

use core::convert::Infallible;
use core::time::Duration;
use std::collections::BTreeMap;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use secagg::kernels::Real;
use secagg::message::Message;
use secagg::{Client, ClientId, Driver, Outgoing, Receive, Refused, Stage};

use crate::script::{Script, Way};

/// A client in its seat.
#[derive(Debug)]
pub(crate) struct Seat<F> {
    client: Client,
    weight: f64,
    update: Vec<F>,
    rng: ChaCha20Rng,
}

impl<F: Real> Seat<F> {
    pub(crate) fn new(client: Client, weight: f64, update: Vec<F>, rng: ChaCha20Rng) -> Self {
        Self { client, weight, update, rng }
    }

    /// Starts over, as another client.
    pub(crate) fn begin(&mut self, client: Client) {
        self.client = client;
    }

    /// Whether it was asked nothing so far.
    pub(crate) fn is_new(&self) -> bool {
        matches!(self.client, Client::Setup(_))
    }

    /// Its weight and its update.
    pub(crate) fn brings(&self) -> (f64, Vec<F>) {
        (self.weight, self.update.clone())
    }

    pub(crate) fn answer(&mut self, request: &[u8]) -> Result<Vec<u8>, Refused> {
        let client = core::mem::replace(&mut self.client, Client::Finished);
        let (next, reply) = client.answer(request, self.weight, &self.update, &mut self.rng)?;
        self.client = next;
        Ok(reply)
    }
}

/// One message as it arrived.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The stage in which it was sent.
    pub stage: Stage,
    /// The client at one end; at the other is the server.
    pub client: ClientId,
    /// Whether the server sent it.
    pub from_server: bool,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// All that was said in a round.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// Every message that arrived, in order.
    pub sent: Vec<Sent>,
    /// Clients that left because of what the server said.
    pub refusals: BTreeMap<ClientId, (Stage, Refused)>,
}

impl Log {
    /// The last message of one kind that went to or came from a client.
    pub fn bytes<M: Message>(&self, client: u64) -> Option<&[u8]> {
        let place = (M::STAGE, ClientId(client), M::FROM_SERVER);
        let fits = |sent: &&Sent| (sent.stage, sent.client, sent.from_server) == place;
        self.sent.iter().rev().find(fits).map(|sent| sent.bytes.as_slice())
    }

    /// The same, decoded.
    pub fn message<M: Message>(&self, client: u64) -> Option<M> {
        self.bytes::<M>(client).map(|bytes| M::decode(bytes).expect("an honest message").1)
    }

    fn note(&mut self, stage: Stage, client: ClientId, from_server: bool, bytes: &[u8]) {
        self.sent.push(Sent { stage, client, from_server, bytes: bytes.to_vec() });
    }
}

/// The driver of all stories.
pub(crate) struct Network<F> {
    seats: BTreeMap<ClientId, Seat<F>>,
    /// What clients begin a further session with.
    further: BTreeMap<ClientId, Vec<Client>>,
    script: Script,
    log: Log,
}

impl<F: Real> Network<F> {
    pub(crate) fn new(seats: BTreeMap<ClientId, Seat<F>>, script: Script) -> Self {
        Self { seats, further: BTreeMap::new(), script, log: Log::default() }
    }

    /// Clients that join further sessions with the same update.
    pub(crate) fn further(mut self, further: BTreeMap<ClientId, Vec<Client>>) -> Self {
        self.further = further;
        self
    }

    pub(crate) fn into_log(self) -> Log {
        self.log
    }

    fn ask(&mut self, stage: Stage, to: ClientId, request: Vec<u8>, receive: &Receive<'_>) {
        if self.script.is_silent(to, stage) {
            return;
        }
        for request in self.script.arriving(to, stage, Way::ToClient, request) {
            self.log.note(stage, to, true, &request);
            let Some(reply) = self.answer(stage, to, &request) else { continue };
            for reply in self.script.arriving(to, stage, Way::ToServer, reply) {
                self.deliver(stage, to, &reply, receive);
            }
        }
    }

    fn answer(&mut self, stage: Stage, client: ClientId, request: &[u8]) -> Option<Vec<u8>> {
        let seat = self.seats.get_mut(&client).expect("the server asks the cohort alone");
        if stage == Stage::Setup
            && !seat.is_new()
            && let Some(next) = self.further.get_mut(&client).and_then(Vec::pop)
        {
            seat.begin(next);
        }
        let refused = match seat.answer(request) {
            Ok(reply) => return Some(reply),
            Err(refused) => refused,
        };
        // The first refusal is the reason; a client that is gone refuses everything after it.
        self.log.refusals.entry(client).or_insert((stage, refused));
        None
    }

    fn deliver(&mut self, stage: Stage, from: ClientId, bytes: &[u8], receive: &Receive<'_>) {
        self.log.note(stage, from, false, bytes);
        // The workflow's report keeps the verdict.
        let _ = receive(from, bytes);
    }
}

impl<F: Real> Driver for Network<F> {
    type Error = Infallible;

    fn exchange(
        &mut self,
        stage: Stage,
        mut outgoing: Vec<Outgoing>,
        _timeout: Option<Duration>,
        receive: &Receive<'_>,
    ) -> Result<(), Infallible> {
        if let Some(seed) = self.script.shuffle {
            shuffle(&mut outgoing, seed);
        }
        for Outgoing { to, message } in outgoing {
            self.ask(stage, to, message.to_vec(), receive);
        }
        for (from, bytes) in self.script.injected(stage, &self.log) {
            self.deliver(stage, from, &bytes, receive);
        }
        Ok(())
    }
}

fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    for last in (1..items.len()).rev() {
        items.swap(last, (rng.next_u64() % (last as u64 + 1)) as usize);
    }
}

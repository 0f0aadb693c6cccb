//! Rounds in one process whose random numbers and messages somebody watches.

use core::convert::Infallible;
use std::collections::BTreeMap;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng, TryCryptoRng, TryRng};
use secagg::client::{Persistent, Setup};
use secagg::message::{Message, RevealedShares};
use secagg::server::{self, Recovered, Save};
use secagg::{
    Abort, Client, ClientId, Directory, Identity, Outgoing, Params, SessionId, Stage, StateKey,
    Store, ThreatModel,
};
use secagg_kernels::Backend;

/// The session of every round.
pub const SESSION: SessionId = SessionId(*b"assured session.");

/// What clients agree on.
pub const APPLICATION: &[u8] = b"the hash of a model";

/// Sees what is drawn and what is said in a round.
pub trait Watch {
    /// A client has drawn random bytes, and is given them after this.
    fn drawn(&mut self, _client: ClientId, _bytes: &mut [u8]) {}

    /// The server's request is on its way to a client.
    fn asked(&mut self, _stage: Stage, _client: ClientId, _message: &mut Vec<u8>) {}

    /// A client's answer is on its way to the server.
    fn answered(&mut self, _stage: Stage, _client: ClientId, _message: &mut [u8]) {}

    /// The server has taken a client's answer.
    fn received(&mut self, _stage: Stage, _client: ClientId) {}

    /// A state, of a client or of the server, is on its way to where it is kept.
    fn kept(&mut self, _state: &[u8]) {}
}

/// The shares that a client reveals: behind the header and the count, each behind its tag.
///
/// # Panics
/// If the message is no honest client's answer to the last request.
pub fn revealed(message: &mut [u8]) -> impl Iterator<Item = &mut [u8; 32]> {
    RevealedShares::decode(message).expect("an honest client");
    let entries = message[18 + 4..].chunks_mut(33);
    entries.map(|entry| entry.last_chunk_mut().expect("33 bytes"))
}

/// A round to be played.
#[derive(Clone, Debug)]
pub struct Play {
    /// The terms. As many clients take part as they say, named from 1 on.
    pub params: Params,
    /// Who is silent, and from which stage on.
    pub drops: Vec<(u64, Stage)>,
    /// What all compute with, unless they are restored.
    pub backend: Backend,
    /// Whether everyone is saved, dropped and restored after every message.
    pub saved: bool,
    /// Whether the server takes messages the way that many threads share, on which masks come off early.
    pub concurrent: bool,
    /// Each client's update, in the order of their names; client i has the weight i.
    pub updates: Vec<Vec<f32>>,
    /// The key of all saved states.
    pub state_key: StateKey,
    /// Each client's identity, in the order of their names.
    pub identities: Vec<Identity>,
    /// Who is who, where the server may be active.
    pub directory: Option<Directory>,
}

impl Play {
    /// A round without drop-outs, on the fastest backend, in which nobody is saved.
    pub fn new(params: Params) -> Self {
        let clients = 1..=u64::from(params.cohort_size());
        let update = |client| invented(client, params.dimension());
        let (updates, identities) = (clients.clone().map(update), clients.map(identity));
        let (updates, identities) = (updates.collect(), identities.collect::<Vec<_>>());
        let (backend, state_key) = (Backend::detect(), StateKey::from_bytes([0x5a; 32]));
        let directory = directory(&params, &identities);
        Self {
            params,
            drops: Vec::new(),
            backend,
            saved: false,
            concurrent: false,
            updates,
            state_key,
            identities,
            directory,
        }
    }

    /// Plays the round up to the plan of masks.
    ///
    /// # Errors
    /// [`Abort`] if too many drop.
    pub fn run(&self, watch: &mut impl Watch) -> Result<Recovered, Abort> {
        let mut table = Table::new(self, watch);
        let (setup, outgoing) = self.open();
        let share_keys = table.stage(setup, outgoing)?;
        let collect = table.stage(share_keys.0, share_keys.1)?;
        let confirm = table.stage(collect.0, collect.1)?;
        let unmask = table.stage(confirm.0, confirm.1)?;
        Ok(table.stage(unmask.0, unmask.1)?.0)
    }

    fn open(&self) -> (server::Setup, Vec<Outgoing>) {
        let cohort: Vec<_> = self.clients().collect();
        let params = self.params.clone();
        let opened = match &self.directory {
            None => server::Setup::open(params, SESSION, &cohort, APPLICATION),
            Some(known) => server::Setup::open_signed(params, SESSION, &cohort, APPLICATION, known),
        };
        let (setup, outgoing) = opened.expect("the cohort is of these parameters");
        (setup.backend(self.backend), outgoing)
    }

    /// Who takes part.
    pub fn clients(&self) -> impl Iterator<Item = ClientId> + use<> {
        (1..=u64::from(self.params.cohort_size())).map(ClientId)
    }

    fn setup(&self, client: ClientId) -> Setup {
        let setup = Setup::new(client).application(APPLICATION).backend(self.backend);
        match self.credentials(client) {
            None => setup,
            Some((identity, directory)) => setup.identity(identity, directory),
        }
    }

    fn credentials(&self, client: ClientId) -> Option<(Identity, Directory)> {
        let directory = self.directory.clone()?;
        Some((self.identities[place(client)].clone(), directory))
    }

    fn is_silent(&self, client: ClientId, stage: Stage) -> bool {
        self.drops.iter().any(|&(dropped, since)| dropped == client.0 && stage >= since)
    }
}

fn directory(params: &Params, identities: &[Identity]) -> Option<Directory> {
    let active = params.threat_model() == ThreatModel::ActiveServer;
    let entry = |(client, identity): (u64, &Identity)| (ClientId(client), identity.verifying_key());
    let entries = (1..).zip(identities).map(entry);
    active.then(|| Directory::new(entries).expect("everyone is someone else"))
}

/// Where a client's things are.
const fn place(client: ClientId) -> usize {
    client.0 as usize - 1
}

/// Elements that are not alike, within the default clipping range.
fn invented(client: u64, dimension: usize) -> Vec<f32> {
    let mut rng = ChaCha20Rng::seed_from_u64(client | 1 << 60);
    (0..dimension).map(|_| (rng.next_u32() >> 8) as f32 / 4_194_304.0 - 2.0).collect()
}

fn identity(client: u64) -> Identity {
    let mut bytes = [0; 32];
    ChaCha20Rng::seed_from_u64(client | 1 << 61).fill_bytes(&mut bytes);
    Identity::from_bytes(&bytes)
}

/// A round that is being played.
struct Table<'a, W> {
    play: &'a Play,
    watch: &'a mut W,
    clients: BTreeMap<ClientId, Client>,
    shelves: BTreeMap<ClientId, Vec<u8>>,
    /// How often each client has drawn random bytes.
    draws: Vec<u64>,
}

impl<'a, W: Watch> Table<'a, W> {
    fn new(play: &'a Play, watch: &'a mut W) -> Self {
        let seat = |client| (client, Client::Setup(play.setup(client)));
        let clients = if play.saved { BTreeMap::new() } else { play.clients().map(seat).collect() };
        let draws = vec![0; play.updates.len()];
        Self { play, watch, clients, shelves: BTreeMap::new(), draws }
    }

    fn stage<S: Save>(
        &mut self,
        stage: S,
        outgoing: Vec<Outgoing>,
    ) -> Result<(S::Next, Vec<Outgoing>), Abort> {
        let mut stage = self.reborn(stage, &outgoing);
        for Outgoing { to, message } in outgoing {
            if self.play.is_silent(to, S::STAGE) {
                continue;
            }
            let mut request = message.to_vec();
            self.watch.asked(S::STAGE, to, &mut request);
            let Some(mut reply) = self.answer(to, &request) else { continue };
            self.watch.answered(S::STAGE, to, &mut reply);
            let taken = if self.play.concurrent {
                stage.concurrently(|receive| receive(to, &reply))
            } else {
                stage.receive(to, &reply)
            };
            taken.expect("an honest client");
            self.watch.received(S::STAGE, to);
            stage = self.reborn(stage, &[]);
        }
        stage.close(&mut ChaCha20Rng::seed_from_u64(1))
    }

    /// Nothing, from a client that refuses; it is gone then.
    fn answer(&mut self, client: ClientId, request: &[u8]) -> Option<Vec<u8>> {
        if self.play.saved {
            return Some(self.wake(client, request));
        }
        let this = self.clients.remove(&client)?;
        let (weight, update) = (client.0 as f64, &self.play.updates[place(client)]);
        let draws = &mut self.draws[place(client)];
        let mut rng = Watched { client, draws, watch: self.watch };
        let (next, reply) = this.answer(request, weight, update, &mut rng).ok()?;
        self.clients.insert(client, next);
        Some(reply)
    }

    /// A client that lives for one message.
    fn wake(&mut self, client: ClientId, request: &[u8]) -> Vec<u8> {
        let (play, key) = (self.play, self.play.state_key.clone());
        let mut kept = None;
        let store = Shelf(&mut kept);
        let mut this = match self.shelves.get(&client) {
            None => Persistent::new(play.setup(client), key, store),
            Some(state) => {
                let credentials = play.credentials(client);
                Persistent::restore(state, credentials, key, store).expect("what was kept")
            }
        };
        let (weight, update) = (client.0 as f64, &play.updates[place(client)]);
        let draws = &mut self.draws[place(client)];
        let mut rng = Watched { client, draws, watch: self.watch };
        let reply = this.answer(request, weight, update, &mut rng).expect("an honest server");
        drop(this);
        let state = kept.expect("an answer is kept before it is given");
        self.watch.kept(&state);
        self.shelves.insert(client, state);
        reply
    }

    /// A server that lives for one message.
    fn reborn<S: Save>(&mut self, stage: S, outgoing: &[Outgoing]) -> S {
        if !self.play.saved {
            return stage;
        }
        let (key, draws) = (&self.play.state_key, self.draws.iter().sum::<u64>());
        let kept = stage.save(outgoing, key, &mut ChaCha20Rng::seed_from_u64(draws | 1 << 62));
        drop(stage);
        self.watch.kept(&kept);
        S::restore(&kept, key, self.play.directory.as_ref()).expect("what was kept").0
    }
}

struct Shelf<'a>(&'a mut Option<Vec<u8>>);

impl Store for Shelf<'_> {
    type Error = Infallible;

    fn replace(&mut self, state: &[u8]) -> Result<(), Infallible> {
        *self.0 = Some(state.to_vec());
        Ok(())
    }
}

/// Random numbers that are the same in each round. Nothing of them is kept: a generator would hold what it gives next.
struct Watched<'a, W> {
    client: ClientId,
    draws: &'a mut u64,
    watch: &'a mut W,
}

impl<W: Watch> TryRng for Watched<'_, W> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        let mut rng = ChaCha20Rng::seed_from_u64(*self.draws);
        *self.draws += 1;
        rng.set_stream(self.client.0);
        rng.fill_bytes(bytes);
        self.watch.drawn(self.client, bytes);
        Ok(())
    }
}

impl<W: Watch> TryCryptoRng for Watched<'_, W> {}

//! Saved states that are sealed under the right key and say anything: what a server or a client
//! kept in a round, changed behind its seal, restored, and driven on by a round that is honest
//! otherwise. It is refused, or goes on to a mean or an abort; and whatever was restored is kept
//! and restored again as what it is.
#![no_main]

use std::collections::BTreeMap;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use secagg::client::{Persistent, Setup};
use secagg::fuzzing::{resealed, unsealed};
use secagg::{Abort, ClientId};
use secagg_fuzz::one_thread;
use secagg_fuzz::round::Terms;
use secagg_fuzz::seat::{DIRECTORY, IDENTITIES, Shelf};
use secagg_fuzz::world::{World, state_key};
use secagg_tests::APPLICATION;

#[derive(Arbitrary, Debug)]
struct Input {
    terms: Terms,
    /// Stages that pass before.
    stages: u8,
    /// Answers of the next one that come before the server's state is kept.
    answers: u8,
    /// The client whose state is changed, or the server's.
    client: Option<u8>,
    edits: Vec<Edit>,
}

#[derive(Arbitrary, Debug)]
enum Edit {
    Set(u16, u8),
    Add(u16, u32),
    Cut(u16, u8),
    Insert(u16, Vec<u8>),
    Copy(u16, u16, u8),
    All(Vec<u8>),
}

fuzz_target!(init: one_thread(), |input: Input| {
    let mut round = Round::new(&input.terms);
    for _ in 0..input.stages % 5 {
        round.answer(usize::MAX);
        if round.world.close().is_err() {
            return;
        }
    }
    let is_restored = match input.client {
        None => {
            round.answer(usize::from(input.answers) % 8);
            round.change_server(&input.edits)
        }
        Some(client) => {
            let clients = input.terms.cohort().count() as u8;
            round.change_client(ClientId(u64::from(1 + client % clients)), &input.edits)
        }
    };
    if is_restored {
        round.go_on().ok();
    }
});

/// An honest round, whose clients are kept after each answer.
struct Round {
    world: World,
    clients: BTreeMap<ClientId, (Persistent<Shelf>, Shelf, (f64, Vec<f64>))>,
    rng: ChaCha20Rng,
}

impl Round {
    fn new(terms: &Terms) -> Self {
        let terms = terms.short();
        let world = World::open(terms.params(), terms.cohort(), &DIRECTORY);
        let client = |id: ClientId| {
            let setup = Setup::new(id).application(APPLICATION).also_curious();
            let setup = setup.identity(IDENTITIES[&id].clone(), DIRECTORY.clone());
            let shelf = Shelf::default();
            (id, (Persistent::new(setup, state_key(), shelf.clone()), shelf, terms.update(id)))
        };
        let clients = terms.cohort().map(client).collect();
        Self { world, clients, rng: ChaCha20Rng::seed_from_u64(3) }
    }

    /// Some of those who are asked answer, if they do not refuse, and the server takes what it
    /// takes.
    fn answer(&mut self, most: usize) {
        for outgoing in self.world.waiting().into_iter().take(most) {
            let Some((client, _, (weight, update))) = self.clients.get_mut(&outgoing.to) else {
                continue;
            };
            let answer = client.answer(&outgoing.message, *weight, update, &mut self.rng);
            if let Ok(answer) = answer {
                let _ = self.world.receive(outgoing.to, &answer);
            }
        }
    }

    /// Whether the server's state is one, once it is changed.
    fn change_server(&mut self, edits: &[Edit]) -> bool {
        let Some(state) = self.world.saved() else { return false };
        let state = self.changed(&state, edits);
        let Ok(world) = World::restored(&state, &DIRECTORY) else { return false };
        let kept = world.saved().expect("a stage");
        let again = World::restored(&kept, &DIRECTORY).expect("what a stage kept");
        let [once, twice] =
            [kept, again.saved().expect("a stage")].map(|state| unsealed(&state, &state_key()));
        assert_eq!(once, twice, "a stage that was kept is another");
        self.world = world;
        true
    }

    /// Whether the client's state is one, once it is changed.
    fn change_client(&mut self, id: ClientId, edits: &[Edit]) -> bool {
        let kept = self.clients[&id].1.kept();
        if kept.is_empty() {
            return false;
        }
        let state = self.changed(&kept, edits);
        let shelf = Shelf::default();
        let Some(client) = restored(id, &state, &shelf) else { return false };
        let (own, own_shelf, _) = self.clients.get_mut(&id).expect("a client of the cohort");
        (*own, *own_shelf) = (client, shelf);
        true
    }

    fn changed(&mut self, state: &[u8], edits: &[Edit]) -> Vec<u8> {
        let mut plain = unsealed(state, &state_key());
        edits.iter().take(8).for_each(|edit| edit.apply(&mut plain));
        resealed(state, &state_key(), &mut self.rng, &plain)
    }

    /// Plays the round to its end; what clients keep on the way can be restored.
    fn go_on(&mut self) -> Result<(), Abort> {
        while self.world.stage().is_some() {
            self.answer(usize::MAX);
            for (&id, (_, shelf, _)) in &self.clients {
                let kept = shelf.kept();
                let is_whole = kept.is_empty() || restored(id, &kept, shelf).is_some();
                assert!(is_whole, "what client {id} kept");
            }
            self.world.close()?;
        }
        Ok(())
    }
}

fn restored(id: ClientId, state: &[u8], shelf: &Shelf) -> Option<Persistent<Shelf>> {
    let credentials = Some((IDENTITIES[&id].clone(), DIRECTORY.clone()));
    Persistent::restore(state, credentials, state_key(), shelf.clone()).ok()
}

impl Edit {
    /// Changes bytes in places that are always there, as long as there are any.
    fn apply(&self, bytes: &mut Vec<u8>) {
        let at = |place: u16| usize::from(place) % bytes.len().max(1);
        match self {
            _ if bytes.is_empty() => {}
            Self::Set(place, value) => {
                let place = at(*place);
                bytes[place] = *value;
            }
            Self::Add(place, value) => {
                let place = at(*place);
                if let Some(number) = bytes[place..].first_chunk_mut() {
                    *number = u32::from_le_bytes(*number).wrapping_add(*value).to_le_bytes();
                }
            }
            Self::Cut(place, len) => {
                let start = at(*place);
                let end = bytes.len().min(start + usize::from(*len));
                bytes.drain(start..end);
            }
            Self::Insert(place, more) => {
                let place = at(*place);
                bytes.splice(place..place, more.iter().copied());
            }
            Self::Copy(from, to, len) => {
                let (from, to) = (at(*from), at(*to));
                let len = usize::from(*len).min(bytes.len() - from.max(to));
                bytes.copy_within(from..from + len, to);
            }
            Self::All(all) => bytes.clone_from(all),
        }
    }
}

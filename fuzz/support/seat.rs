//! A client that is killed and restored, with what it was told and the witness of what it says.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::LazyLock;

use arbitrary::Arbitrary;
use rand_chacha::ChaCha20Rng;
use secagg::client::{Persistent, PersistentError, Setup};
use secagg::plan::Assumptions;
use secagg::{ClientId, Directory, Identity, Policy, StateKey, Store, ThreatModel};
use secagg_tests::{APPLICATION, identity};

use crate::witness::{Truth, Witness};

/// Clients are named 1 to 8, and the largest cohort has them all.
pub const CLIENTS: u64 = 8;

/// Made once, as they cost more than what is asked of them.
pub static IDENTITIES: LazyLock<BTreeMap<ClientId, Identity>> = LazyLock::new(|| {
    (1..=CLIENTS).map(ClientId).map(|client| (client, identity(client))).collect()
});

/// Who is who.
pub static DIRECTORY: LazyLock<Directory> = LazyLock::new(|| {
    let entries = IDENTITIES.iter().map(|(client, identity)| (*client, identity.verifying_key()));
    Directory::new(entries).expect("ids differ, and so do identities")
});

/// A policy of the client's own: floors, and assumptions where the first number is above 127.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Floors {
    cohort_size: u8,
    threshold: u8,
    neighbours: u8,
    survivors: u8,
    corrupted: u8,
    active: bool,
    dimension: u8,
}

/// One client.
pub struct Seat {
    id: ClientId,
    client: Persistent<Shelf>,
    shelf: Shelf,
    setup: Setup,
    witness: Witness,
    update: (f64, Vec<f64>),
    told: Told,
    has_floors: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Told {
    Nothing,
    /// One story by its number, as it is.
    Story(usize),
    Lies,
}

/// A file that holds one state, on a disk that may be full once.
#[derive(Clone, Default)]
pub struct Shelf(Rc<RefCell<(Vec<u8>, bool)>>);

impl Shelf {
    /// The state that it holds.
    pub fn kept(&self) -> Vec<u8> {
        self.0.borrow().0.clone()
    }
}

impl Store for Shelf {
    type Error = ();

    fn replace(&mut self, state: &[u8]) -> Result<(), ()> {
        let (kept, is_full) = &mut *self.0.borrow_mut();
        if core::mem::take(is_full) {
            return Err(());
        }
        *kept = state.to_vec();
        Ok(())
    }
}

impl Seat {
    /// A client that was told nothing.
    pub fn new(id: ClientId, floors: Option<Floors>, update: (f64, Vec<f64>)) -> Self {
        let policy = floors.map_or_else(Policy::default, Floors::policy);
        let setup = Setup::new(id).application(APPLICATION).policy(policy);
        let setup = setup.identity(IDENTITIES[&id].clone(), DIRECTORY.clone());
        let also_curious = floors.is_none_or(Floors::also_curious);
        let setup = if also_curious { setup.also_curious() } else { setup };
        let shelf = Shelf::default();
        let client = Persistent::new(setup.clone(), key(), shelf.clone());
        let (witness, told) = (Witness::new(id, policy, also_curious), Told::Nothing);
        let has_floors = floors.is_some();
        Self { id, client, shelf, setup, witness, update, told, has_floors }
    }

    /// Is told what a story has for it. Answers whether it was told nothing else, and has no policy to refuse by.
    pub fn is_faithful_to(&mut self, story: usize) -> bool {
        self.told = match self.told {
            Told::Nothing => Told::Story(story),
            Told::Story(other) if other == story => self.told,
            _ => Told::Lies,
        };
        self.told == Told::Story(story) && !self.has_floors
    }

    /// Is told what no story has for it, for all that anyone knows.
    pub fn is_lied_to(&mut self) {
        self.told = Told::Lies;
    }

    /// What it says, if anything, once its witness has heard it.
    pub fn answer(
        &mut self,
        request: &[u8],
        truth: &mut Truth,
        rng: &mut ChaCha20Rng,
    ) -> Option<Vec<u8>> {
        let (weight, update) = &self.update;
        let answer = self.client.answer(request, *weight, update, rng);
        match answer {
            Err(PersistentError::Refused(_)) => {
                self.told = Told::Lies;
                self.witness.hear_refusal();
            }
            Err(PersistentError::Store(())) => self.witness.hear_loss(request),
            _ => {}
        }
        let answer = answer.ok()?;
        self.witness.hear(truth, request, &answer);
        Some(answer)
    }

    /// The next state cannot be kept.
    pub fn fill_disk(&mut self) {
        self.shelf.0.borrow_mut().1 = true;
    }

    /// Whether the next state cannot be kept.
    pub fn has_full_disk(&self) -> bool {
        self.shelf.0.borrow().1
    }

    /// The process ends, and another one goes on from what was kept, if anything was.
    ///
    /// # Panics
    /// If what was kept cannot be restored.
    pub fn kill(&mut self) {
        let (setup, shelf) = (self.setup.clone(), self.shelf.clone());
        let kept = shelf.kept();
        self.client = if kept.is_empty() {
            self.witness.hear_rebirth();
            Persistent::new(setup, key(), shelf)
        } else {
            let credentials = (IDENTITIES[&self.id].clone(), DIRECTORY.clone());
            Persistent::restore(&kept, Some(credentials), key(), shelf).expect("what it kept")
        };
    }
}

impl Floors {
    fn also_curious(self) -> bool {
        self.dimension < 128
    }

    /// Eighths of the cohort, and one bit of security: graphs of eight clients have no more.
    fn assumptions(self) -> Assumptions {
        let eighths = |bits: u8| f64::from(bits) / 8.0;
        Assumptions {
            corrupted: eighths(self.cohort_size >> 3 & 3),
            dropout: eighths(self.cohort_size >> 5 & 3),
            security_bits: 1,
            search_bits: 0,
            ..Assumptions::new(CLIENTS as u32, ThreatModel::ALL[usize::from(self.active)])
        }
    }

    fn policy(self) -> Policy {
        let floor = |floor: u8| u32::from(floor % 8);
        Policy {
            assumptions: (self.cohort_size > 127).then(|| self.assumptions()),
            min_cohort_size: floor(self.cohort_size),
            min_threshold: floor(self.threshold),
            min_neighbours: floor(self.neighbours),
            min_survivors: floor(self.survivors),
            threat_model: ThreatModel::ALL[usize::from(self.active)],
            min_corrupted_neighbours: floor(self.corrupted),
            max_dimension: usize::from(self.dimension % 8),
        }
    }
}

fn key() -> StateKey {
    StateKey::from_bytes([9; 32])
}

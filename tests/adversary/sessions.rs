//! A client that answers twice: from a state that was put back, or in two sessions. The protocol
//! itself promises nothing here (docs/security.md, lemma 1 without A10, and section 10); a ledger
//! does.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::rc::Rc;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use secagg::client::{Ledger, Persistent, Setup};
use secagg::kernels::{Backend, pack};
use secagg::message::{MaskedVector, Message};
use secagg::server::{self, Collecting};
use secagg::{
    Aggregate, Client, ClientId, Misuse, Outgoing, Params, Refused, SessionId, StateKey, Store,
};
use secagg_tests::{APPLICATION, Cohort, Scene, rng};

#[derive(Clone, Debug, Default)]
struct Shelf(Rc<RefCell<Vec<u8>>>);

impl Store for Shelf {
    type Error = Infallible;

    fn replace(&mut self, state: &[u8]) -> Result<(), Infallible> {
        *self.0.borrow_mut() = state.to_vec();
        Ok(())
    }
}

const WEIGHT: f64 = 1000.0;

fn key() -> StateKey {
    StateKey::from_bytes([7; 32])
}

fn to_the_first(outgoing: &[Outgoing]) -> &[u8] {
    &outgoing.iter().find(|sent| sent.to == ClientId(1)).expect("it is asked").message
}

/// What client 1 answers, put back to a state, if it has this update and its generator goes on.
fn put_back(state: &[u8], request: &[u8], update: [f64; 3]) -> Vec<u8> {
    let client = Persistent::restore(state, None, key(), Shelf::default());
    let answer = client.expect("its state").answer(request, WEIGHT, &update, &mut rng());
    answer.expect("no reason to refuse")
}

fn lanes(message: &[u8], scene: &Scene<f64>) -> Vec<u32> {
    let (_, MaskedVector { packed }) = MaskedVector::decode(message).expect("honest");
    let mut lanes = vec![0; scene.params.dimension() + 2];
    pack::unpack(Backend::detect(), scene.params.modulus(), &packed, &mut lanes).expect("honest");
    lanes
}

/// The same request gives the same boxes, and with the same update the same vector. Two updates are
/// under the same masks, and their difference is in clear, unless a ledger was kept elsewhere:
/// `tests/ledger.rs`.
#[test]
fn a_state_that_goes_back_repeats_itself_and_tells_of_another_update() {
    let mut scene = Cohort::secagg(5).threshold(3).scene::<f64>();
    let (mut setup, outgoing) = scene.open();
    let shelf = Shelf::default();
    let own = Setup::new(ClientId(1)).application(APPLICATION);
    let mut client = Persistent::new(own, key(), shelf.clone());
    let mut answer = |request: &[u8]| {
        client.answer(request, WEIGHT, &[0.0; 3], &mut rng()).expect("no reason to refuse")
    };
    setup.receive(ClientId(1), &answer(to_the_first(&outgoing))).expect("honest");
    for (from, said) in scene.ask_all(&outgoing[1..]) {
        setup.receive(from, &said).expect("honest");
    }
    let (mut share_keys, outgoing) = setup.close(&mut rng()).expect("all answered");
    let (before, request) = (shelf.0.borrow().clone(), to_the_first(&outgoing));
    let boxes = answer(request);
    assert_eq!(put_back(&before, request, [0.0; 3]), boxes);
    share_keys.receive(ClientId(1), &boxes).expect("honest");
    for (from, said) in scene.ask_all(&outgoing[1..]) {
        share_keys.receive(from, &said).expect("honest");
    }
    let (_, outgoing) = share_keys.close(&mut rng()).expect("all answered");
    let (before, request) = (shelf.0.borrow().clone(), to_the_first(&outgoing));
    let vector = answer(request);
    assert_eq!(put_back(&before, request, [0.0; 3]), vector);
    let other = put_back(&before, request, [1.0, -2.0, 0.5]);
    let (one, other) = (lanes(&vector, &scene), lanes(&other, &scene));
    let quantizer = scene.params.quantizer();
    let level = 2.0 * quantizer.clipping_range() / (quantizer.quantization_range() - 1) as f64;
    for (lane, update) in (1..).zip([1.0, -2.0, 0.5]) {
        let difference = other[lane].wrapping_sub(one[lane]).cast_signed();
        assert!((f64::from(difference) * level - update).abs() <= 2.0 * level);
    }
}

/// Clients that share a story over sessions, and remember them if they have ledgers.
struct Party {
    clients: BTreeMap<ClientId, Client>,
    ledgers: Option<BTreeMap<ClientId, Ledger>>,
}

/// Elements that say whose they are.
fn update(client: ClientId) -> [f64; 3] {
    [1.0, -0.5, 0.25].map(|element| element * client.0 as f64)
}

impl Party {
    fn answer(&mut self, sent: &Outgoing) -> Result<Vec<u8>, Refused> {
        let client = self.clients.remove(&sent.to).expect("a client of the cohort");
        let (mut none, message) = (Ledger::default(), &sent.message);
        let kept = self.ledgers.as_mut().map(|all| all.entry(sent.to).or_default());
        let ledger = kept.unwrap_or(&mut none);
        let (weight, update) = (100.0, update(sent.to));
        let (next, answer) =
            client.answer_once(message, weight, &update, ledger, &mut rng_of(sent.to))?;
        self.clients.insert(sent.to, next);
        Ok(answer)
    }

    fn pass<S: Collecting>(
        &mut self,
        (mut stage, outgoing): (S, Vec<Outgoing>),
    ) -> Result<(S::Next, Vec<Outgoing>), Refused> {
        for sent in outgoing {
            stage.receive(sent.to, &self.answer(&sent)?).expect("an honest answer");
        }
        Ok(stage.close(&mut rng()).expect("all have answered"))
    }

    /// A whole session of the first few clients, and the sum of their updates.
    fn session(&mut self, number: u8, clients: u64) -> Result<Vec<f64>, Refused> {
        let params = Params::secagg(clients as u32, 3, 3).build().expect("valid parameters");
        let cohort: Vec<_> = (1..=clients).map(ClientId).collect();
        let setup = |&id: &ClientId| (id, Client::Setup(Setup::new(id).application(APPLICATION)));
        self.clients = cohort.iter().map(setup).collect();
        let session = SessionId([number; 16]);
        let opened = server::Setup::open(params, session, &cohort, APPLICATION);
        let share_keys = self.pass(opened.expect("a valid cohort"))?;
        let collect = self.pass(share_keys)?;
        let confirm = self.pass(collect)?;
        let unmask = self.pass(confirm)?;
        let (recovered, _) = self.pass(unmask)?;
        let Aggregate { mean, .. } = recovered.aggregate::<f64>().expect("a mean");
        Ok(mean.into_iter().map(|element| element * clients as f64).collect())
    }
}

fn rng_of(client: ClientId) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(client.0)
}

/// Client 5 took part in a session that is said to have failed, and is left out of the next one.
/// The others' updates are the same.
fn one_client_fewer(ledgers: Option<BTreeMap<ClientId, Ledger>>) -> Result<Vec<f64>, Refused> {
    let mut party = Party { clients: BTreeMap::new(), ledgers };
    let (all, others) = (party.session(1, 5)?, party.session(2, 4)?);
    Ok(all.iter().zip(others).map(|(all, others)| all - others).collect())
}

#[test]
fn two_sessions_of_which_a_client_was_in_one() {
    let read = one_client_fewer(None).expect("nobody remembers the first");
    for (read, element) in read.iter().zip(update(ClientId(5))) {
        assert!((read - element).abs() < 1e-3, "{read} for {element}");
    }
    let refused = one_client_fewer(Some(BTreeMap::new())).err();
    assert_eq!(refused, Some(Refused::Misuse(Misuse::MaskedBefore)));
}

//! A client that answers twice: from a state that was put back, or in two sessions. The protocol promises
//! nothing here (docs/security.md, lemma 1 without A10, and section 10); these stories say what is lost.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;

use secagg::client::{Persistent, Setup};
use secagg::kernels::{Backend, pack};
use secagg::message::{MaskedVector, Message};
use secagg::server::Collecting;
use secagg::{ClientId, Outgoing, SessionId, Stage, StateKey, Store};
use secagg_tests::{APPLICATION, Cohort, Round, rng};

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

fn lanes(message: &[u8], scene: &secagg_tests::Scene<f64>) -> Vec<u32> {
    let (_, MaskedVector { packed }) = MaskedVector::decode(message).expect("honest");
    let mut lanes = vec![0; scene.params.dimension() + 2];
    pack::unpack(Backend::detect(), scene.params.modulus(), &packed, &mut lanes).expect("honest");
    lanes
}

/// The same request gives the same boxes, and with the same update the same vector. Two updates are under the same
/// masks, and their difference is in clear.
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

fn session(byte: u8) -> Cohort {
    Cohort::secagg(5).session(SessionId([byte; 16]))
}

/// Client 5 took part in a session that is said to have failed, and is left out of the next one. The
/// others' updates are the same. (Here a ledger of application bytes would refuse the second session.)
#[test]
fn two_sessions_tell_the_update_of_who_was_in_one() {
    let all = session(1).run::<f64>();
    let others = session(2).drop(5, Stage::Setup).run::<f64>();
    let sum =
        |round: &Round<f64>, at: usize| round.aggregate().mean[at] * round.aggregate().total_weight;
    let (weight, update) = &all.updates[&ClientId(5)];
    for (at, element) in update.iter().enumerate() {
        let read = (sum(&all, at) - sum(&others, at)) / weight;
        let [first, second] =
            [&all, &others].map(|round| round.bound() * round.aggregate().total_weight / weight);
        assert!((read - element).abs() <= first + second, "{read} for {element}");
    }
}

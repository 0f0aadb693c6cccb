//! Processes that end in the middle of a round, and go on in another: after every message of a
//! round, everyone's state is saved, dropped and restored.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::rc::Rc;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use secagg::client::{self, Ledger, Persistent, PersistentError};
use secagg::message::{Message, UnmaskRequest};
use secagg::server::{self, Collecting, Save};
use secagg::{
    ClientId, Directory, Malformed, Outgoing, Params, Refused, RestoreError, Stage, StateKey,
    Store, ThreatModel, saved_stage,
};
use secagg_tests::{SESSION, identity};

const COHORT: [u64; 5] = [1, 2, 3, 4, 5];
const VANISHES: (u64, Stage) = (4, Stage::CollectMaskedVectors);

/// A place that keeps the last state, as a file would.
#[derive(Clone, Debug, Default)]
struct Shelf(Rc<RefCell<Vec<u8>>>);

impl Store for Shelf {
    type Error = Infallible;

    fn replace(&mut self, state: &[u8]) -> Result<(), Infallible> {
        *self.0.borrow_mut() = state.to_vec();
        Ok(())
    }
}

/// A store that fails as often as it is told.
#[derive(Debug)]
struct Flaky(u32, Shelf);

impl Store for Flaky {
    type Error = &'static str;

    fn replace(&mut self, state: &[u8]) -> Result<(), &'static str> {
        if self.0 > 0 {
            self.0 -= 1;
            return Err("the disk is full");
        }
        let Ok(()) = self.1.replace(state);
        Ok(())
    }
}

fn key() -> StateKey {
    StateKey::from_bytes([7; 32])
}

fn directory() -> Directory {
    let clients = COHORT.map(ClientId);
    let entries = clients.map(|client| (client, identity(client).verifying_key()));
    Directory::new(entries).expect("ids differ")
}

fn setup(client: ClientId, threat_model: ThreatModel) -> client::Setup {
    let setup = client::Setup::new(client);
    match threat_model {
        ThreatModel::ActiveServer => setup.identity(identity(client), directory()),
        _ => setup,
    }
}

fn restore<S: Store>(
    client: ClientId,
    state: &[u8],
    store: S,
) -> Result<Persistent<S>, RestoreError> {
    Persistent::restore(state, Some((identity(client), directory())), key(), store)
}

/// A client that is killed after every answer.
struct Mortal {
    id: ClientId,
    threat_model: ThreatModel,
    shelf: Shelf,
}

impl Mortal {
    fn wake(&self) -> Persistent<Shelf> {
        let kept = self.shelf.0.borrow().clone();
        if kept.is_empty() {
            return Persistent::new(setup(self.id, self.threat_model), key(), self.shelf.clone());
        }
        restore(self.id, &kept, self.shelf.clone()).expect("what it kept")
    }

    fn answer(&self, request: &[u8], rng: &mut ChaCha20Rng) -> Vec<u8> {
        let (weight, update) = (10.0 * self.id.0 as f64, [0.5, self.id.0 as f64 / 8.0]);
        let reply = self.wake().answer(request, weight, &update, rng).expect("an honest server");
        let again = self.wake().answer::<f64>(request, -1.0, &[], rng).expect("the same again");
        assert_eq!(reply, again, "asked the same again, it answers the same");
        reply
    }
}

/// A round in which everyone lives for one message only.
struct Story {
    clients: BTreeMap<ClientId, Mortal>,
    rng: ChaCha20Rng,
}

impl Story {
    fn new(threat_model: ThreatModel) -> Self {
        let mortal = |id| (id, Mortal { id, threat_model, shelf: Shelf::default() });
        let clients = COHORT.map(ClientId).into_iter().map(mortal).collect();
        Self { clients, rng: ChaCha20Rng::seed_from_u64(5) }
    }

    /// Saved, dropped, restored; what has not been answered is there to be sent again.
    fn reborn<S: Save>(&mut self, stage: S, outgoing: Vec<Outgoing>) -> (S, Vec<Outgoing>) {
        let kept = stage.save(&outgoing, &key(), &mut self.rng);
        let waiting = stage.waiting_for();
        drop((stage, outgoing));
        assert_eq!(saved_stage(&kept), Some(S::STAGE));
        let (stage, outgoing) = S::restore(&kept, &key(), Some(&directory())).expect("its state");
        assert_eq!(outgoing.iter().map(|outgoing| outgoing.to).collect::<Vec<_>>(), waiting);
        assert_eq!(stage.waiting_for(), waiting);
        (stage, outgoing)
    }

    fn run<S: Save>(&mut self, (stage, outgoing): (S, Vec<Outgoing>)) -> (S::Next, Vec<Outgoing>) {
        let (mut stage, mut outgoing) = self.reborn(stage, outgoing);
        for Outgoing { to, message } in outgoing.clone() {
            if VANISHES == (to.0, S::STAGE) {
                continue;
            }
            let reply = self.clients[&to].answer(&message, &mut self.rng);
            stage.receive(to, &reply).expect("an honest client");
            (stage, outgoing) = self.reborn(stage, outgoing);
        }
        stage.close(&mut secagg_tests::rng()).expect("enough answers")
    }
}

fn params(threat_model: ThreatModel) -> Params {
    Params::secagg(5, 2, 3)
        .max_weight(100.0)
        .threat_model(threat_model)
        .build()
        .expect("parameters")
}

fn open(threat_model: ThreatModel) -> (server::Setup, Vec<Outgoing>) {
    let cohort = COHORT.map(ClientId);
    server::Setup::open_signed(params(threat_model), SESSION, &cohort, b"", &directory())
        .expect("a cohort")
}

#[test]
fn a_round_survives_the_death_of_everyone_after_every_message() {
    for threat_model in ThreatModel::ALL {
        let mut story = Story::new(threat_model);
        let share_keys = story.run(open(threat_model));
        let collect = story.run(share_keys);
        let confirm = story.run(collect);
        let unmask = story.run(confirm);
        let (recovered, _) = story.run(unmask);
        let result = recovered.aggregate::<f64>().expect("a mean");
        assert_eq!(result.survivors, [1, 2, 3, 5].map(ClientId));
        // (10·1 + 20·2 + 30·3 + 50·5) / 8 / 110
        assert!((result.mean[1] - 390.0 / 880.0).abs() < 1e-4, "{:?}", result.mean);
    }
}

/// One client of a round that has come to its last stage, and the request for it.
fn at_unmasking(threat_model: ThreatModel) -> (Mortal, Vec<u8>) {
    let mut story = Story::new(threat_model);
    let share_keys = story.run(open(threat_model));
    let collect = story.run(share_keys);
    let confirm = story.run(collect);
    let (_, outgoing) = story.run(confirm);
    let request = outgoing[0].message.to_vec();
    (story.clients.remove(&outgoing[0].to).expect("a client"), request)
}

#[test]
fn a_restored_client_answers_no_second_question() {
    for threat_model in ThreatModel::ALL {
        let (mortal, request) = at_unmasking(threat_model);
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        mortal.answer(&request, &mut rng);
        let (session, mut other) = UnmaskRequest::decode(&request).expect("a request");
        other.survivors.pop();
        let refused = mortal.wake().answer::<f64>(&other.encode(session), 0.0, &[], &mut rng);
        let finished = Refused::Misuse(secagg::Misuse::Finished);
        assert_eq!(refused, Err(PersistentError::Refused(finished)));
    }
}

/// One wrong question, and the right one meets a client that is gone, whichever process it is in.
#[test]
fn a_client_that_refused_does_not_come_back() {
    for threat_model in ThreatModel::ALL {
        let (mortal, request) = at_unmasking(threat_model);
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let refused = mortal.wake().answer::<f64>(&request[1..], 0.0, &[], &mut rng);
        assert!(matches!(refused, Err(PersistentError::Refused(Refused::Malformed(_)))));
        let refused = mortal.wake().answer::<f64>(&request, 0.0, &[], &mut rng);
        let finished = Refused::Misuse(secagg::Misuse::Finished);
        assert_eq!(refused, Err(PersistentError::Refused(finished)));
    }
}

/// The server takes back an earlier stage's question, with other words, and meets a later client.
#[test]
fn a_restored_client_does_not_go_back() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut story = Story::new(ThreatModel::HonestButCurious);
    let (stage, outgoing) = open(ThreatModel::HonestButCurious);
    let first = outgoing[0].message.to_vec();
    let (share_keys, requests) = story.run((stage, outgoing));
    let mortal = &story.clients[&ClientId(1)];
    mortal.answer(&requests[0].message, &mut rng);
    let mut other_words = first;
    other_words[40] ^= 1;
    let refused = mortal.wake().answer::<f64>(&other_words, 0.0, &[0.0, 0.0], &mut rng);
    let (expected, found) = (0x82, 0x80);
    let reason = Refused::Malformed(Malformed::Kind { expected, found });
    assert_eq!(refused, Err(PersistentError::Refused(reason)));
    drop(share_keys);
}

/// Whoever puts back an older state gets the old answers, whatever the generator says: the same
/// boxes and the same vector, and never two under one key.
#[test]
fn a_client_that_is_put_back_says_what_it_said() {
    for threat_model in ThreatModel::ALL {
        let mut story = Story::new(threat_model);
        let (share_keys, requests) = story.run(open(threat_model));
        let before = story.clients[&ClientId(1)].shelf.0.borrow().clone();
        let (collect, vectors) = story.run((share_keys, requests.clone()));
        let masking = story.clients[&ClientId(1)].shelf.0.borrow().clone();
        drop(story.run((collect, vectors.clone())));
        for (state, request) in [(before, &requests[0]), (masking, &vectors[0])] {
            let replies = [7, 8].map(|seed| {
                let mut put_back = restore(ClientId(1), &state, Shelf::default()).expect("a state");
                let rng = &mut ChaCha20Rng::seed_from_u64(seed);
                put_back.answer(&request.message, 10.0, &[0.5, 0.125], rng).expect("no reason")
            });
            assert_eq!(replies[0], replies[1]);
        }
    }
}

/// A process that ends when its vector is kept, and its ledger is not.
#[test]
fn a_vector_that_is_repeated_is_in_the_ledger_again() {
    let mut story = Story::new(ThreatModel::HonestButCurious);
    let (share_keys, requests) = story.run(open(ThreatModel::HonestButCurious));
    let (_, vectors) = story.run((share_keys, requests));
    let shelf = story.clients[&ClientId(1)].shelf.clone();
    let answer = |ledger: &mut Ledger| {
        let state = shelf.0.borrow().clone();
        let mut client = restore(ClientId(1), &state, shelf.clone()).expect("a state");
        let rng = &mut ChaCha20Rng::seed_from_u64(1);
        client.answer_once(&vectors[0].message, 10.0, &[0.5, 0.125], ledger, rng)
    };
    let [mut lost, mut fresh] = [Ledger::default(), Ledger::default()];
    let vector = answer(&mut lost).expect("no reason");
    assert_eq!(answer(&mut fresh), Ok(vector));
    assert_eq!((fresh.len(), fresh), (1, lost));
}

/// A late copy of what it answered before the last costs it nothing.
#[test]
fn a_stale_request_is_no_reason_to_leave() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut story = Story::new(ThreatModel::HonestButCurious);
    let (stage, outgoing) = open(ThreatModel::HonestButCurious);
    let first = outgoing[0].message.to_vec();
    let (_, requests) = story.run((stage, outgoing));
    let mortal = &story.clients[&ClientId(1)];
    let reply = mortal.answer(&requests[0].message, &mut rng);
    let late = mortal.wake().answer::<f64>(&first, 0.0, &[], &mut rng);
    assert_eq!(late, Err(PersistentError::Stale));
    assert_eq!(mortal.answer(&requests[0].message, &mut rng), reply);
}

/// The state of a client that keeps no vectors does not grow with the update, the round goes on
/// from it to the right mean, and the vector is not made a second time, whatever the update.
#[test]
fn a_vector_that_is_not_kept_is_given_once() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut story = Story::new(ThreatModel::HonestButCurious);
    let share_keys = story.run(open(ThreatModel::HonestButCurious));
    let (mut collect, requests) = story.run(share_keys);
    for Outgoing { to, message } in requests {
        let mortal = &story.clients[&to];
        let with_answer = mortal.shelf.0.borrow().len();
        let wake = || mortal.wake().without_vectors();
        let reply = wake().answer(&message, 10.0, &[0.5, 1.0], &mut rng).expect("an update");
        let state = mortal.shelf.0.borrow().len();
        assert!(state < with_answer, "{state} bytes, {with_answer} with the answer before");
        for update in [[0.5, 1.0], [0.0, 0.0]] {
            let again = wake().answer(&message, 10.0, &update, &mut rng);
            assert_eq!(again, Err(PersistentError::Stale));
        }
        assert_eq!(mortal.shelf.0.borrow().len(), state, "nothing has changed");
        collect.receive(to, &reply).expect("a vector");
    }
    let confirm = story.run(collect.close(&mut secagg_tests::rng()).expect("enough"));
    let (recovered, _) = story.run(confirm);
    let mean = recovered.aggregate::<f64>().expect("a mean").mean;
    assert!((mean[1] - 1.0).abs() < 1e-4, "{mean:?}");
}

/// Until its store has taken the new state, a client has the vector still.
#[test]
fn a_vector_that_is_not_kept_is_given_once_the_state_is() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut story = Story::new(ThreatModel::HonestButCurious);
    let share_keys = story.run(open(ThreatModel::HonestButCurious));
    let (_, requests) = story.run(share_keys);
    let Outgoing { to, message } = &requests[0];
    let shelf = story.clients[to].shelf.clone();
    let kept = shelf.0.borrow().clone();
    let mut client = restore(*to, &kept, Flaky(1, shelf)).expect("its state").without_vectors();
    let failed = client.answer(message, 10.0, &[0.5, 1.0], &mut rng);
    assert_eq!(failed, Err(PersistentError::Store("the disk is full")));
    let repeated = client.answer::<f64>(message, -1.0, &[], &mut rng).expect("it is kept now");
    assert!(!repeated.is_empty());
    assert_eq!(client.answer::<f64>(message, -1.0, &[], &mut rng), Err(PersistentError::Stale));
}

#[test]
fn an_answer_is_not_given_away_before_it_is_kept() {
    let (_, outgoing) = open(ThreatModel::HonestButCurious);
    let request = &outgoing[0].message;
    let (shelf, mut rng) = (Shelf::default(), ChaCha20Rng::seed_from_u64(1));
    let setup = client::Setup::new(ClientId(1));
    let mut client = Persistent::new(setup, key(), Flaky(2, shelf.clone()));
    for _ in 0..2 {
        let failed = client.answer::<f64>(request, 0.0, &[], &mut rng);
        assert_eq!(failed, Err(PersistentError::Store("the disk is full")));
        assert!(shelf.0.borrow().is_empty());
    }
    let reply = client.answer::<f64>(request, 0.0, &[], &mut rng).expect("it is kept now");
    let kept = shelf.0.borrow().clone();
    let mut restored = restore(ClientId(1), &kept, Shelf::default()).expect("its state");
    assert_eq!(restored.stage(), Some(Stage::ShareKeys));
    assert_eq!(restored.answer::<f64>(request, 0.0, &[], &mut rng), Ok(reply));
}

#[test]
fn states_against_an_active_server_need_the_directory_again() {
    let threat_model = ThreatModel::ActiveServer;
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let (stage, outgoing) = open(threat_model);
    let kept = stage.save(&outgoing, &key(), &mut rng);
    let restored = server::Setup::restore(&kept, &key(), None).map(|_| ());
    assert_eq!(restored, Err(RestoreError::NoDirectory));
    let (mortal, _) = at_unmasking(threat_model);
    let kept = mortal.shelf.0.borrow().clone();
    let restored = Persistent::restore(&kept, None, key(), Shelf::default()).map(|_| ());
    assert_eq!(restored.unwrap_err(), RestoreError::NoDirectory);
    let restored = restore(ClientId(5), &kept, Shelf::default()).map(|_| ());
    assert_eq!(restored.unwrap_err(), RestoreError::IdentityNotInDirectory);
}

#[test]
fn a_stage_is_restored_as_itself_alone() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let (stage, outgoing) = open(ThreatModel::HonestButCurious);
    let kept = stage.save(&outgoing, &key(), &mut rng);
    let other = server::Unmask::restore(&kept, &key(), None).map(|_| ());
    let (expected, found) = (0x43, 0x40);
    assert_eq!(other, Err(RestoreError::Malformed(Malformed::Kind { expected, found })));
    let wrong = server::Setup::restore(&kept, &StateKey::from_bytes([8; 32]), None).map(|_| ());
    assert_eq!(wrong, Err(RestoreError::Sealed));
}

//! A client's memory over sessions: one masked vector for the same application bytes.

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use secagg::client::{self, CollectMaskedVectors, Ledger};
use secagg::server::{Collecting, Setup};
use secagg::{Client, ClientId, Malformed, Misuse, Params, Refused, SessionId, Stage};
use secagg_tests::rng;
use secagg_tests::wire::HEADER_LEN;

const FIRST: SessionId = SessionId([1; 16]);
const SECOND: SessionId = SessionId([2; 16]);
const MODEL: &[u8] = b"model 7f3a, round 12";
const UPDATE: [f64; 2] = [0.5, -0.25];

/// Client 1 of a session, when it is to mask, with the request. The same session twice is a client
/// that was put back to an earlier state.
fn to_mask(
    session: SessionId,
    clients: u32,
    application: &[u8],
) -> (CollectMaskedVectors, Vec<u8>) {
    let params = Params::secagg(clients, 2, 2).build().expect("valid parameters");
    let cohort: Vec<_> = (1..=u64::from(clients)).map(ClientId).collect();
    let opened = Setup::open(params, session, &cohort, application);
    let (mut setup, requests) = opened.expect("a cohort of this size");
    let mut stages = Vec::new();
    for sent in requests {
        let mut rng = ChaCha20Rng::seed_from_u64(sent.to.0);
        let stage = client::Setup::new(sent.to).application(application);
        let (stage, keys) = stage.answer(&sent.message, &mut rng).expect("no reason");
        setup.receive(sent.to, &keys).expect("an honest client");
        stages.push(stage);
    }
    let (mut share_keys, requests) = setup.close(&mut rng()).expect("all answered");
    let mut masking = Vec::new();
    for (stage, sent) in stages.into_iter().zip(requests) {
        let (stage, boxes) = stage.answer(&sent.message).expect("no reason");
        share_keys.receive(sent.to, &boxes).expect("an honest client");
        masking.push(stage);
    }
    let (_, requests) = share_keys.close(&mut rng()).expect("all answered");
    (masking.swap_remove(0), requests[0].message.to_vec())
}

/// What client 1 says, or why not.
fn masked(
    session: SessionId,
    clients: u32,
    application: &[u8],
    (weight, update): (f64, [f64; 2]),
    ledger: &mut Ledger,
) -> Result<Vec<u8>, Refused> {
    let (stage, request) = to_mask(session, clients, application);
    stage.answer_once(&request, weight, &update, ledger).map(|(_, vector)| vector)
}

fn first() -> (Ledger, Vec<u8>) {
    let mut ledger = Ledger::default();
    let vector = masked(FIRST, 5, MODEL, (10.0, UPDATE), &mut ledger).expect("the first");
    assert_eq!(ledger.len(), 1);
    (ledger, vector)
}

const MASKED_BEFORE: Result<Vec<u8>, Refused> = Err(Refused::Misuse(Misuse::MaskedBefore));

/// With one client fewer, the difference of the two sums would be that client's update.
#[test]
fn a_second_session_about_the_same_model_gets_no_vector() {
    let (ledger, _) = first();
    for clients in [5, 4] {
        let mut ledger = ledger.clone();
        let second = masked(SECOND, clients, MODEL, (10.0, UPDATE), &mut ledger);
        assert_eq!(second, MASKED_BEFORE);
        assert_eq!(ledger, first().0, "a refusal changes nothing");
    }
    let other = masked(SECOND, 5, b"model 7f3a, round 13", (10.0, UPDATE), &mut ledger.clone());
    assert!(other.is_ok());
}

/// Two different updates under the same masks would tell their difference.
#[test]
fn a_client_that_was_put_back_masks_the_same_update_again_and_no_other() {
    let (mut ledger, vector) = first();
    assert_eq!(masked(FIRST, 5, MODEL, (10.0, UPDATE), &mut ledger), Ok(vector));
    for other in [(10.0, [0.5, -0.25 + f64::EPSILON]), (10.0 + 1e-12, UPDATE), (20.0, [0.0; 2])] {
        assert_eq!(masked(FIRST, 5, MODEL, other, &mut ledger), MASKED_BEFORE);
    }
    assert_eq!(ledger, first().0);
}

/// The difference of two vectors would be the mask of the neighbour whose box is missing.
#[test]
fn a_client_that_was_put_back_masks_against_the_same_neighbours() {
    let (mut ledger, _) = first();
    let (stage, mut request) = to_mask(FIRST, 5, MODEL);
    request[HEADER_LEN] -= 1;
    request.truncate(HEADER_LEN + 4 + 3 * (8 + 80));
    let refused = stage.answer_once(&request, 10.0, &UPDATE, &mut ledger);
    assert_eq!(refused.err(), Some(Refused::Misuse(Misuse::MaskedBefore)));
}

#[test]
fn a_caller_that_knows_better_says_so() {
    let (mut ledger, _) = first();
    assert!(!ledger.forget(b"another model"));
    assert!(ledger.forget(MODEL) && ledger.is_empty());
    assert!(masked(SECOND, 4, MODEL, (10.0, UPDATE), &mut ledger).is_ok());
}

/// Nothing left, so nothing is entered.
#[test]
fn a_vector_that_was_not_masked_is_not_in_the_ledger() {
    let mut ledger = Ledger::default();
    for (weight, update) in [(f64::NAN, UPDATE), (1e9, UPDATE), (1.0, [f64::INFINITY, 0.0])] {
        assert!(masked(FIRST, 5, MODEL, (weight, update), &mut ledger).is_err());
        assert!(ledger.is_empty());
    }
    let (stage, _) = to_mask(FIRST, 5, MODEL);
    assert!(stage.answer_once(b"no request", 1.0, &UPDATE, &mut ledger).is_err());
    assert!(ledger.is_empty());
}

#[test]
fn a_client_at_any_stage_takes_a_ledger() {
    let (stage, request) = to_mask(FIRST, 5, MODEL);
    let (mut ledger, vector) = first();
    let client = Client::CollectMaskedVectors(stage);
    let (client, again) = client
        .answer_once(&request, 10.0, &UPDATE, &mut ledger, &mut rng())
        .expect("the same vector");
    assert_eq!((client.stage(), again), (Some(Stage::Unmask), vector));
    let (stage, request) = to_mask(SECOND, 5, MODEL);
    let client = Client::CollectMaskedVectors(stage);
    let refused = client.answer_once(&request, 10.0, &UPDATE, &mut ledger, &mut rng());
    assert_eq!(refused.err(), Some(Refused::Misuse(Misuse::MaskedBefore)));
}

#[test]
fn a_ledger_is_read_back_and_other_bytes_are_none() {
    let (mut ledger, _) = first();
    masked(SECOND, 5, b"", (1.0, UPDATE), &mut ledger).expect("another model");
    let bytes = ledger.to_bytes();
    assert_eq!(bytes.len(), 4 + 2 * 32);
    assert_eq!(Ledger::from_bytes(&bytes), Ok(ledger));
    for end in 0..bytes.len() {
        assert_eq!(Ledger::from_bytes(&bytes[..end]), Err(Malformed::Truncated));
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(Ledger::from_bytes(&longer), Err(Malformed::TrailingBytes(1)));
    let swapped = [&bytes[..4], &bytes[36..], &bytes[4..36]].concat();
    assert_eq!(Ledger::from_bytes(&swapped), Err(Malformed::Order));
    let twice = [&bytes[..36], &bytes[4..36]].concat();
    assert_eq!(Ledger::from_bytes(&twice), Err(Malformed::Order));
}

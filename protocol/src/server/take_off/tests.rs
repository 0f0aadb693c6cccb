//! Tests of the answers that are kept, and of the owners that are worked on.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use secagg_kernels::{Backend, Prg};

use super::*;
use crate::keys::{ChannelPublicKey, Commitment, KEY_LEN, MaskPublicKey, SelfMaskSeed};
use crate::message::AdvertisedKeys;
use crate::server::{Members, Round};
use crate::session::Session;
use crate::shamir::split;
use crate::{ClientId, Params, RosterHash, SessionId};

const CLIENTS: usize = 40;
const THRESHOLD: usize = 10;

fn seed(owner: usize) -> SelfMaskSeed {
    SelfMaskSeed::from_bytes(&[owner as u8; KEY_LEN])
}

/// A complete graph whose clients all sent vectors.
fn cohorts() -> Cohorts {
    let params = Params::secagg(CLIENTS as u32, 1, THRESHOLD as u32).build().expect("valid");
    let session = Session::new(SessionId([0; 16]), params, b"");
    let clients: Vec<_> = (0..CLIENTS as u64).map(ClientId).collect();
    let key = |at: usize| [at as u8; KEY_LEN];
    let keys = (0..CLIENTS).map(|at| AdvertisedKeys {
        mask: MaskPublicKey::from_bytes(key(2 * at + 2)).expect("canonical"),
        channel: ChannelPublicKey::from_bytes(key(2 * at + 3)).expect("canonical"),
        signature: None,
    });
    let commitment = |at: usize| seed(at).commitment(&session, clients[at]);
    let commitments = (0..CLIENTS).map(|at| (at, commitment(at))).collect();
    let roster = RosterHash::from_bytes([0; KEY_LEN]);
    let members = Members::new(&session.params, clients.clone(), keys.collect(), roster);
    let round = Round { session, backend: Backend::detect(), directory: None };
    Cohorts { round, members, commitments, survivors: (0..CLIENTS).collect() }
}

/// Shares that each client holds of each other one, in order.
fn all_shares() -> Vec<Vec<Share>> {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut held: Vec<_> = (0..CLIENTS).map(|_| Vec::new()).collect();
    for owner in 0..CLIENTS {
        let holders: Vec<_> = (0..CLIENTS).filter(|&at| at != owner).collect();
        let ids: Vec<_> = holders.iter().map(|&at| ClientId(at as u64)).collect();
        let shares = split(seed(owner).as_bytes(), THRESHOLD, &ids, &mut rng);
        holders.iter().zip(shares).for_each(|(&at, share)| held[at].push(share));
    }
    held
}

fn keep(answers: &mut Answers, cohorts: &Cohorts, from: usize, shares: Vec<Share>) {
    let revealed = shares.into_iter().map(Revealed::SelfMaskSeed).collect();
    answers.keep(cohorts, (from, revealed)).expect("one answer each");
}

/// Works until nothing is ready, and gives who was worked on.
fn work(answers: &mut Answers, cohorts: &Cohorts) -> Vec<usize> {
    let mut tried = Vec::new();
    while let Some(mut batch) = answers.next_batch() {
        tried.extend(batch.shares.keys());
        let done = recover(cohorts, &mut batch);
        answers.finish(cohorts, batch.shares, done);
    }
    tried
}

/// With t + 1 shares and not before; and only once. Nothing is kept of those that are done.
#[test]
fn owners_are_worked_on_once() {
    let (cohorts, mut answers, mut tried) = (cohorts(), Answers::default(), Vec::new());
    for (from, shares) in all_shares().into_iter().enumerate() {
        keep(&mut answers, &cohorts, from, shares);
        let now = work(&mut answers, &cohorts);
        assert!(now.is_empty() || from >= THRESHOLD, "{from}");
        assert!(now.iter().all(|owner| answers.recovered.contains(owner)));
        assert!(now.iter().all(|owner| !answers.shares.contains_key(owner)));
        tried.extend(now);
    }
    let all = tried.len();
    tried.sort_unstable();
    tried.dedup();
    assert_eq!((all, tried.len()), (answers.recovered.len(), all));
    assert!(all >= BATCH && answers.shares.keys().all(|owner| !answers.recovered.contains(owner)));
}

/// While one thread works on owners, another brings more of their shares.
#[test]
fn owners_that_are_worked_on_are_not_ready() {
    let (cohorts, mut answers, mut taken) = (cohorts(), Answers::default(), None);
    for (from, shares) in all_shares().into_iter().enumerate() {
        keep(&mut answers, &cohorts, from, shares);
        taken = taken.or_else(|| answers.next_batch());
    }
    let mut batch = taken.expect("a batch");
    let working: Vec<_> = batch.shares.keys().copied().collect();
    assert!(answers.ready.iter().all(|(owner, _)| !working.contains(owner)));
    let done = recover(&cohorts, &mut batch);
    answers.finish(&cohorts, batch.shares, done);
    assert!(working.iter().all(|owner| !answers.shares.contains_key(owner)));
}

/// Neither who vanished among clients that all did, nor its shares, are of use to the sum.
#[test]
fn owners_that_the_sum_does_not_need_are_left_alone() {
    let (mut cohorts, mut answers) = (cohorts(), Answers::default());
    cohorts.survivors.clear();
    for (from, shares) in all_shares().into_iter().enumerate() {
        keep(&mut answers, &cohorts, from, shares);
    }
    assert!(answers.ready.is_empty());
}

/// Nothing fits what was published, and the server does not try for ever: with 1, 3, 7 and 15
/// shares to spare of 29; and each time it searches once, not for each owner.
#[test]
fn what_never_fits_is_tried_a_few_times() {
    let (mut cohorts, mut answers) = (cohorts(), Answers::default());
    cohorts.commitments.values_mut().for_each(|it| *it = Commitment([0; 32]));
    let (mut rng, mut tried) = (ChaCha20Rng::seed_from_u64(1), BTreeMap::<usize, u32>::new());
    for from in 0..CLIENTS {
        let share = |_| {
            let mut share = Share([0; KEY_LEN]);
            rng.fill_bytes(&mut share.0);
            share
        };
        keep(&mut answers, &cohorts, from, (1..CLIENTS).map(share).collect());
        for owner in work(&mut answers, &cohorts) {
            *tried.entry(owner).or_default() += 1;
        }
    }
    assert!(answers.recovered.is_empty() && tried.len() >= BATCH);
    assert!(tried.values().all(|times| (3..=4).contains(times)), "{tried:?}");
}

/// Who counts as recovered while masks are still on would leave noise in the mean. No vector that
/// parameters allow is longer than its masks, so the error is made up.
#[test]
fn owners_whose_masks_did_not_come_off_are_left_for_the_end() {
    let (cohorts, mut answers, mut failed) = (cohorts(), Answers::default(), 0);
    for (from, shares) in all_shares().into_iter().enumerate() {
        keep(&mut answers, &cohorts, from, shares);
        take_off_by(&cohorts, &RwLock::new(&mut answers), |plan| {
            failed += plan.len();
            Err(KeystreamLimit { prg: Prg::Aes128Ctr })
        });
    }
    assert!(failed >= BATCH && answers.recovered.is_empty(), "{:?}", answers.recovered);
    assert_eq!(answers.short_of(&cohorts), None);
}

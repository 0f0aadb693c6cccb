use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::*;
use crate::keys::{ChannelSecretKey, End, Salt, ShareChannel};
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
    let channel = |secret: &ChannelSecretKey, ours, theirs| {
        ShareChannel::new(&salt, secret, ours, theirs).expect("keys of full order")
    };
    [channel(&alice, at_alice, at_bob), channel(&bob, at_bob, at_alice)]
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

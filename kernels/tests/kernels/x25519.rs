//! X25519 in batches against RFC 7748 and one pair after another by `x25519-dalek`.

use proptest::prelude::*;
use rand_chacha::rand_core::Rng;
use secagg_kernels::{Backend, x25519};

use crate::support::{all_agree, hex, on_threads, rng};

type Bytes = [u8; 32];

/// Runs every pair through both functions of a backend.
fn agreed(backend: Backend, pairs: &[(Bytes, Bytes)]) -> Vec<Bytes> {
    let borrowed: Vec<_> = pairs.iter().map(|(secret, public)| (secret, public)).collect();
    let shared = x25519::agree_pairs(backend, &borrowed);
    for ((secret, public), shared) in pairs.iter().zip(&*shared) {
        assert_eq!(x25519::agree_many(backend, secret, &[*public])[0], *shared, "{backend}");
    }
    shared.to_vec()
}

fn one(backend: Backend, secret: &Bytes, public: &Bytes) -> Bytes {
    x25519::agree_many(backend, secret, &[*public])[0]
}

fn oracle(pairs: &[(Bytes, Bytes)]) -> Vec<Bytes> {
    pairs.iter().map(|(secret, public)| x25519_dalek::x25519(*secret, *public)).collect()
}

fn bytes(digits: &str) -> Bytes {
    hex(digits).try_into().unwrap()
}

fn random(rng: &mut impl Rng) -> Bytes {
    let mut bytes = [0; 32];
    rng.fill_bytes(&mut bytes);
    bytes
}

fn random_pairs(seed: u64, len: usize) -> Vec<(Bytes, Bytes)> {
    let mut rng = rng(seed);
    (0..len).map(|_| (random(&mut rng), random(&mut rng))).collect()
}

/// Section 5.2, the two vectors; the second public key has its top bit set.
#[test]
fn the_vectors_of_rfc_7748() {
    let pairs = [
        (
            "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
            "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
        ),
        (
            "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
            "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
        ),
    ];
    let pairs = pairs.map(|(secret, public)| (bytes(secret), bytes(public)));
    let shared = [
        "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
        "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
    ];
    assert_eq!(all_agree(|backend| agreed(backend, &pairs)), shared.map(bytes));
}

/// Section 5.2: every result is the next secret, and every secret the next public key.
#[test]
fn the_iterated_vectors_of_rfc_7748() {
    let mut base = [0; 32];
    base[0] = 9;
    for backend in Backend::available() {
        let (mut secret, mut public) = (base, base);
        for round in 1..=1000 {
            (secret, public) = (one(backend, &secret, &public), secret);
            if round == 1 {
                let once = "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079";
                assert_eq!(secret, bytes(once), "{backend}");
            }
        }
        let thousand = "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51";
        assert_eq!(secret, bytes(thousand), "{backend}");
    }
}

/// No pair, one, a register of eight, two and one more; a batch of 64, and one more; several batches on several threads.
#[test]
fn batches_of_every_length() {
    for len in (0..=17).chain([63, 64, 65, 127, 128, 129, 300]) {
        let pairs = random_pairs(len as u64, len);
        let expected = oracle(&pairs);
        for backend in Backend::available() {
            let shared = on_threads(3, || agreed(backend, &pairs));
            assert_eq!(shared, expected, "{backend}, {len} pairs");
        }
    }
}

/// The same lengths with one secret, whose lanes all do the same.
#[test]
fn one_secret_with_many_public_keys() {
    for len in (0..=17).chain([63, 64, 65, 300]) {
        let mut pairs = random_pairs(1000 + len as u64, len);
        let secret = random(&mut rng(len as u64));
        for pair in &mut pairs {
            pair.0 = secret;
        }
        let publics: Vec<_> = pairs.iter().map(|pair| pair.1).collect();
        let shared = all_agree(|backend| x25519::agree_many(backend, &secret, &publics));
        assert_eq!(*shared, oracle(&pairs), "{len} public keys");
    }
}

/// p + `offset`, or without `offset` all bits set; in the last byte, the top bit that does not count.
fn near_p(offset: Option<u8>, top_bit: bool) -> Bytes {
    let mut bytes = [0xff; 32];
    bytes[0] = offset.map_or(0xff, |offset| 0xed + offset);
    bytes[31] = if top_bit { 0xff } else { 0x7f };
    bytes
}

/// All 19 values from p to 2^255 - 1, with and without the top bit, are as good as 0 to 18.
#[test]
fn public_keys_are_reduced() {
    let secret = random(&mut rng(5));
    let (mut publics, mut reduced) = (Vec::new(), Vec::new());
    for small in 0..19 {
        let mut least = [0; 32];
        least[0] = small;
        for top_bit in [false, true] {
            publics.push(near_p(Some(small), top_bit));
            reduced.push(least);
        }
    }
    assert_eq!(publics[36], near_p(None, false), "the last is all ones");
    all_agree(|backend| {
        let shared = x25519::agree_many(backend, &secret, &publics);
        assert!(shared == x25519::agree_many(backend, &secret, &reduced), "{backend}");
        shared
    });
}

/// 0, 1, p - 1, and two points of order 8: of the curve and of its twist.
const LOW_ORDER: [&str; 5] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

/// Low-order points give zero; beside them, in the same lanes of other registers and in other lanes of the same, the
/// others are as they should be.
#[test]
fn low_orders_give_zeros_and_spoil_no_others() {
    let points = LOW_ORDER.map(bytes).into_iter().chain([0, 1].map(|i| near_p(Some(i), false)));
    for point in points {
        for at in [0, 7, 8, 63] {
            let mut pairs = random_pairs(9, 64);
            pairs[at].1 = point;
            let shared = all_agree(|backend| agreed(backend, &pairs));
            assert_eq!(shared[at], [0; 32]);
            assert_eq!(shared, oracle(&pairs));
        }
        for backend in Backend::available() {
            let zeros = x25519::agree_many(backend, &[0x55; 32], &[point; 64]);
            assert_eq!(*zeros, [[0; 32]; 64], "{backend}: nothing but low orders");
        }
    }
}

/// Secrets of all ones and all zeros, and of which each has one bit set: all bits that clamping sets and clears, and
/// all words' ends.
#[test]
fn secrets_are_clamped_and_every_bit_counts() {
    let public = random(&mut rng(11));
    let mut pairs = vec![([0; 32], public), ([0xff; 32], public)];
    for bit in 0..256 {
        let mut secret = [0; 32];
        secret[bit / 8] = 1 << (bit % 8);
        pairs.push((secret, public));
    }
    assert_eq!(all_agree(|backend| agreed(backend, &pairs)), oracle(&pairs));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Random bytes, and bytes of which most are 0 or 255, where carries run far.
    #[test]
    fn equal_to_dalek(pairs in proptest::collection::vec((extreme(), extreme()), 1..40)) {
        prop_assert_eq!(all_agree(|backend| agreed(backend, &pairs)), oracle(&pairs));
    }
}

fn extreme() -> impl Strategy<Value = Bytes> {
    let byte = prop_oneof![4 => Just(0_u8), 4 => Just(0xff), 1 => any::<u8>()];
    prop_oneof![any::<Bytes>(), proptest::array::uniform32(byte)]
}

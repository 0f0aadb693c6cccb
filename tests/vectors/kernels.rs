//! Sections 8 and 10 of the specification: keystreams, masks, packing; on every backend.

use secagg::kernels::pack::{pack, unpack};
use secagg::kernels::{Backend, Lane, MaskPlan, Modulus, Prg, Seed, Sign};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::json::{Bytes, assert_error, path_of, read};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keystreams {
    cases: Vec<Keystream>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Keystream {
    prg: u8,
    seed: Bytes,
    offset: u64,
    length: usize,
    bytes: Option<Bytes>,
    error: Option<String>,
}

pub(crate) fn prg(id: u8) -> Prg {
    Prg::from_id(id).expect("a known number")
}

pub(crate) fn seed(bytes: &Bytes) -> Seed {
    Seed::from_bytes(bytes.array())
}

pub(crate) fn modulus(width: u32) -> Modulus {
    Modulus::from_width(width).expect("1 to 64")
}

#[test]
fn keystreams_are_those_of_the_reference() {
    for case in read::<Keystreams>("keystreams").cases {
        for backend in Backend::available() {
            let mut out = vec![0; case.length];
            let expanded = prg(case.prg).expand(backend, &seed(&case.seed), case.offset, &mut out);
            match (&case.error, expanded) {
                (None, Ok(())) => assert_eq!(Some(Bytes(out)), case.bytes, "{case:?}"),
                (Some(error), Err(found)) => assert_error(&path_of(&found), error, &case),
                (_, found) => panic!("{found:?}: {case:?}"),
            }
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Masks {
    cases: Vec<Mask>,
    long: Vec<LongMask>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mask {
    prg: u8,
    seed: Bytes,
    width: u32,
    first: u64,
    lanes: Vec<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LongMask {
    prg: u8,
    width: u32,
    first: u64,
    count: usize,
    plan: Vec<Signed>,
    sha256: Bytes,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    sign: i8,
    seed: Bytes,
}

/// Calls a function that is generic over lanes with the word of a width.
macro_rules! with_word {
    ($width:expr, $function:ident($($argument:expr),*)) => {
        match $width {
            1..=16 => $function::<u16>($($argument),*),
            17..=32 => $function::<u32>($($argument),*),
            _ => $function::<u64>($($argument),*),
        }
    };
}

fn masked<L: Lane>(backend: Backend, plan: &MaskPlan, first: u64, count: usize) -> Vec<Vec<u8>> {
    let mut lanes = vec![L::from_u64(0); count];
    plan.apply(backend, first, &mut lanes).expect("within the limit");
    lanes.iter().map(|lane| lane.to_u64().to_le_bytes()[..L::BYTES].to_vec()).collect()
}

fn little_endian(word: &[u8]) -> u64 {
    word.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

#[test]
fn masks_are_those_of_the_reference() {
    for case in read::<Masks>("masks").cases {
        let plan = MaskPlan::new(prg(case.prg), &[(seed(&case.seed), Sign::Add)]);
        for backend in Backend::available() {
            let count = case.lanes.len();
            let words = with_word!(case.width, masked(backend, &plan, case.first, count));
            let lanes: Vec<_> = words.iter().map(|word| little_endian(word)).collect();
            assert_eq!(lanes, case.lanes, "{backend} {case:?}");
        }
    }
}

#[test]
fn many_masks_over_many_tiles_are_those_of_the_reference() {
    for case in read::<Masks>("masks").long {
        let sign = |sign| if sign > 0 { Sign::Add } else { Sign::Subtract };
        let masks: Vec<_> = case.plan.iter().map(|m| (seed(&m.seed), sign(m.sign))).collect();
        let plan = MaskPlan::new(prg(case.prg), &masks);
        for backend in Backend::available() {
            let words = with_word!(case.width, masked(backend, &plan, case.first, case.count));
            assert_eq!(Sha256::digest(words.concat())[..], case.sha256.0, "{backend} {case:?}");
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Packing {
    cases: Vec<Packed>,
    long: Vec<LongPacked>,
    refused: Vec<RefusedPacking>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Packed {
    width: u32,
    lanes: Vec<u64>,
    bytes: Bytes,
}

/// The lanes of a mask of AES-128-CTR, cut to the width.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LongPacked {
    width: u32,
    seed: Bytes,
    count: usize,
    sha256: Bytes,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RefusedPacking {
    width: u32,
    count: usize,
    bytes: Bytes,
    error: String,
}

/// Packs, and unpacks again.
fn packed<L: Lane>(backend: Backend, case: &Packed) -> (Vec<u8>, Vec<u64>) {
    let lanes: Vec<L> = case.lanes.iter().copied().map(L::from_u64).collect();
    let mut bytes = vec![0; case.bytes.0.len()];
    pack(backend, modulus(case.width), &lanes, &mut bytes).expect("lanes that hold the width");
    let mut unpacked = vec![L::from_u64(u64::MAX); lanes.len()];
    unpack(backend, modulus(case.width), &bytes, &mut unpacked).expect("packed just now");
    (bytes, unpacked.into_iter().map(Lane::to_u64).collect())
}

#[test]
fn lanes_of_every_width_are_packed_as_by_the_reference() {
    let cases = read::<Packing>("packing").cases;
    assert_eq!(
        cases.iter().map(|case| case.width).collect::<Vec<_>>(),
        (1..=64).collect::<Vec<_>>()
    );
    for case in cases {
        for backend in Backend::available() {
            let (bytes, lanes) = with_word!(case.width, packed(backend, &case));
            assert_eq!((bytes, &lanes), (case.bytes.0.clone(), &case.lanes), "{backend} {case:?}");
        }
    }
}

/// The hash of what is packed, which is unpacked again.
fn long_packed<L: Lane>(backend: Backend, case: &LongPacked) -> Vec<u8> {
    let (modulus, mut lanes) = (modulus(case.width), vec![L::from_u64(0); case.count]);
    let plan = MaskPlan::new(Prg::Aes128Ctr, &[(seed(&case.seed), Sign::Add)]);
    plan.apply(backend, 0, &mut lanes).expect("within the limit");
    let mut bytes = vec![0; modulus.packed_len(case.count)];
    pack(backend, modulus, &lanes, &mut bytes).expect("lanes that hold the width");
    let mut unpacked = vec![L::from_u64(0); case.count];
    unpack(backend, modulus, &bytes, &mut unpacked).expect("packed just now");
    let cut = |lane: L| lane.to_u64() & modulus.max_value();
    assert!(unpacked.into_iter().map(Lane::to_u64).eq(lanes.into_iter().map(cut)));
    Sha256::digest(bytes).to_vec()
}

#[test]
fn many_lanes_of_every_width_are_packed_as_by_the_reference() {
    let cases = read::<Packing>("packing").long;
    assert!(cases.iter().map(|case| case.width).eq(1..=64));
    for case in cases {
        for backend in Backend::available() {
            let hash = with_word!(case.width, long_packed(backend, &case));
            assert_eq!(hash, case.sha256.0, "{backend} {case:?}");
        }
    }
}

fn unpacking<L: Lane>(backend: Backend, case: &RefusedPacking) -> String {
    let mut lanes = vec![L::from_u64(0); case.count];
    let unpacked = unpack(backend, modulus(case.width), &case.bytes.0, &mut lanes);
    path_of(&unpacked.expect_err("refused by the reference"))
}

#[test]
fn packings_that_the_reference_refuses_are_refused() {
    for case in read::<Packing>("packing").refused {
        for backend in Backend::available() {
            let found = with_word!(case.width, unpacking(backend, &case));
            assert_error(&found, &case.error, &case);
        }
    }
}

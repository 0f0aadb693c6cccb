//! Sections 8 to 10 of the specification: keystreams, masks, quantizer, packing; on every backend.

use secagg::kernels::pack::{pack, unpack};
use secagg::kernels::{
    Accumulator, Backend, Lane, MaskPlan, Modulus, Prg, Quantizer, Real, Seed, Sign,
};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::json::{Bytes, Number, RealType, assert_error, path_of, read};

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

fn prg(id: u8) -> Prg {
    Prg::from_id(id).expect("a known number")
}

fn seed(bytes: &Bytes) -> Seed {
    Seed::from_bytes(bytes.array())
}

fn modulus(width: u32) -> Modulus {
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
struct Quantizers {
    cases: Vec<Quantized>,
    means: Vec<Mean>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Quantized {
    clipping_range: Number,
    quantization_range: u64,
    max_weight: Number,
    prg: u8,
    rounding_seed: Bytes,
    real: RealType,
    weight: Number,
    update: Vec<Number>,
    lanes: Option<Vec<u64>>,
    error: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mean {
    clipping_range: Number,
    quantization_range: u64,
    max_weight: Number,
    clients: u64,
    width: u32,
    real: RealType,
    sums: Vec<u64>,
    total_weight: Option<Number>,
    mean: Option<Vec<Number>>,
    error: Option<String>,
}

fn quantizer(clipping_range: Number, quantization_range: u64, max_weight: Number) -> Quantizer {
    Quantizer::new(clipping_range.0, quantization_range, max_weight.0).expect("in range")
}

fn quantized<F: Real>(backend: Backend, case: &Quantized) -> Result<Vec<u64>, String> {
    let quantizer = quantizer(case.clipping_range, case.quantization_range, case.max_weight);
    let update: Vec<F> = case.update.iter().map(|&Number(x)| F::from_f64(x)).collect();
    let mut lanes = vec![0_u64; 1 + update.len()];
    let (prg, rounding) = (prg(case.prg), seed(&case.rounding_seed));
    let done = quantizer.quantize(backend, prg, &rounding, case.weight.0, &update, &mut lanes);
    done.map(|()| lanes).map_err(|error| path_of(&error))
}

#[test]
fn vectors_are_quantized_as_by_the_reference() {
    for case in read::<Quantizers>("quantizer").cases {
        for backend in Backend::available() {
            let found = match case.real {
                RealType::F32 => quantized::<f32>(backend, &case),
                RealType::F64 => quantized::<f64>(backend, &case),
            };
            match (&case.error, found) {
                (None, found) => assert_eq!(found.ok(), case.lanes, "{backend} {case:?}"),
                (Some(error), Err(found)) => assert_error(&found, error, &case),
                (_, found) => panic!("{found:?}: {case:?}"),
            }
        }
    }
}

/// The total weight and the mean, as bits.
fn mean<F: Real>(backend: Backend, case: &Mean) -> Result<(u64, Vec<u64>), String> {
    let modulus = modulus(case.width);
    let mut packed = vec![0; modulus.packed_len(case.sums.len())];
    pack(backend, modulus, &case.sums, &mut packed).expect("lanes of 64 bits");
    let mut sum = Accumulator::new(modulus, case.sums.len());
    sum.add_packed(backend, &packed).expect("packed just now");
    let quantizer = quantizer(case.clipping_range, case.quantization_range, case.max_weight);
    let read = sum.dequantize::<F>(backend, &quantizer, case.clients);
    let read = read.map_err(|error| path_of(&error))?;
    let mean = read.mean.iter().map(|x| x.to_f64().to_bits()).collect();
    Ok((read.total_weight.to_bits(), mean))
}

#[test]
fn sums_are_read_as_by_the_reference() {
    for case in read::<Quantizers>("quantizer").means {
        for backend in Backend::available() {
            let found = match case.real {
                RealType::F32 => mean::<f32>(backend, &case),
                RealType::F64 => mean::<f64>(backend, &case),
            };
            match (&case.error, found) {
                (Some(error), Err(found)) => assert_error(&found, error, &case),
                (Some(_), found) => panic!("{found:?}: {case:?}"),
                (None, found) => {
                    let bits = |number: &Number| number.0.to_bits();
                    let total = case.total_weight.as_ref().map(bits);
                    let mean = case.mean.as_ref().map(|mean| mean.iter().map(bits).collect());
                    assert_eq!(found.ok(), total.zip(mean), "{backend} {case:?}");
                }
            }
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Packing {
    cases: Vec<Packed>,
    refused: Vec<RefusedPacking>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Packed {
    width: u32,
    lanes: Vec<u64>,
    bytes: Bytes,
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
    assert_eq!(cases.iter().map(|case| case.width).collect::<Vec<_>>(), Vec::from_iter(1..=64));
    for case in cases {
        for backend in Backend::available() {
            let (bytes, lanes) = with_word!(case.width, packed(backend, &case));
            assert_eq!((bytes, &lanes), (case.bytes.0.clone(), &case.lanes), "{backend} {case:?}");
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

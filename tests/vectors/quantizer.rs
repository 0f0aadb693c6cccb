//! Section 9 of the specification: from updates to lanes, and from sums to means; on every backend.

use secagg::kernels::pack::pack;
use secagg::kernels::{Accumulator, Backend, Quantizer, Real};
use serde::Deserialize;

use crate::json::{Bytes, Number, RealType, assert_error, path_of, read};
use crate::kernels::{modulus, prg, seed};

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
    #[serde(rename = "mean")]
    elements: Option<Vec<Number>>,
    clipped: Option<u64>,
    error: Option<String>,
}

fn quantizer(clipping_range: Number, quantization_range: u64, max_weight: Number) -> Quantizer {
    Quantizer::new(clipping_range.0, quantization_range, max_weight.0).expect("in range")
}

fn quantized<F: Real>(backend: Backend, case: &Quantized) -> Result<Vec<u64>, String> {
    let quantizer = quantizer(case.clipping_range, case.quantization_range, case.max_weight);
    let update: Vec<F> = case.update.iter().map(|&Number(x)| F::from_f64(x)).collect();
    let mut lanes = vec![0_u64; update.len() + 2];
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

/// The total weight, the mean, and how many clipped, as bits.
fn mean<F: Real>(backend: Backend, case: &Mean) -> Result<Vec<u64>, String> {
    let modulus = modulus(case.width);
    let mut packed = vec![0; modulus.packed_len(case.sums.len())];
    pack(backend, modulus, &case.sums, &mut packed).expect("lanes of 64 bits");
    let mut sum = Accumulator::new(modulus, case.sums.len());
    sum.add_packed(backend, &packed).expect("packed just now");
    let quantizer = quantizer(case.clipping_range, case.quantization_range, case.max_weight);
    let read = sum.dequantize::<F>(backend, &quantizer, case.clients);
    let read = read.map_err(|error| path_of(&error))?;
    let mean = read.mean.iter().map(|x| x.to_f64().to_bits());
    Ok([read.total_weight.to_bits(), read.clipped].into_iter().chain(mean).collect())
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
                    let mean = case.elements.iter().flatten().map(bits);
                    let expected = total.into_iter().chain(case.clipped).chain(mean).collect();
                    assert_eq!(found.ok(), Some(expected), "{backend} {case:?}");
                }
            }
        }
    }
}

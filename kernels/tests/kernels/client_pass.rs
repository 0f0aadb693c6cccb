//! The client's fused pass against its stages, one after another.

use secagg_kernels::{
    Backend, ClientPass, ClientPassError, KeystreamLimit, MaskPlan, Prg, QuantizeError, Quantizer,
    Real, Sign, SumOverflow, pack,
};

use crate::support::{all_agree, modulus, on_threads, rng, seed, unit};

fn plan(prg: Prg) -> MaskPlan {
    MaskPlan::new(
        prg,
        &[(seed(1), Sign::Add), (seed(2), Sign::Subtract), (seed(3), Sign::Subtract)],
    )
}

fn masked_vector<F: Real>(
    width: u32,
    quantizer: &Quantizer,
    prg: Prg,
    weight: f64,
    update: &[F],
) -> Result<Vec<u8>, ClientPassError> {
    let (plan, rounding) = (plan(prg), seed(9));
    all_agree(|backend| {
        let (modulus, plan, rounding) = (modulus(width), &plan, &rounding);
        by(&ClientPass { backend, modulus, quantizer, plan, rounding }, weight, update)
    })
}

fn by<F: Real>(pass: &ClientPass, weight: f64, update: &[F]) -> Result<Vec<u8>, ClientPassError> {
    let mut out = vec![0xa5; 3];
    let result = pass.masked_vector(weight, update, &mut out);
    assert_eq!(out[..3], [0xa5; 3]);
    if result.is_err() {
        assert_eq!(out.len(), 3, "an error leaves the output as it was");
    }
    result.map(|()| out.split_off(3))
}

macro_rules! staged {
    ($word:ty, $width:expr, $quantizer:expr, $prg:expr, $weight:expr, $update:expr) => {{
        let mut lanes = vec![0 as $word; $update.len() + 2];
        $quantizer
            .quantize(Backend::detect(), $prg, &seed(9), $weight, $update, &mut lanes)
            .unwrap();
        plan($prg).apply(Backend::detect(), 0, &mut lanes).unwrap();
        let mut bytes = Vec::new();
        pack::append(Backend::detect(), modulus($width), &lanes, &mut bytes).unwrap();
        bytes
    }};
}

/// Lengths: no element, a group of eight lanes, around one tile (16 KiB of lanes with the weight
/// and the mark of clipping) and three. Some updates are clipped, so that the last lane is 1 behind
/// its masks; others not.
#[test]
fn the_pass_is_its_stages_one_after_another() {
    let quantizer = Quantizer::new(8.0, 1 << 8, 10.0).unwrap();
    for prg in Prg::ALL {
        for len in [0, 1, 6, 7, 8, 2046, 2047, 4093, 4094, 4095, 4096, 8190, 8191, 12_290] {
            let mut rng = rng(len as u64);
            let largest = if len % 2 == 0 { 9.0 } else { 8.0 };
            let update: Vec<f32> = (0..len).map(|_| (largest * unit(&mut rng)) as f32).collect();
            let pass = |width| masked_vector(width, &quantizer, prg, 3.0, &update).unwrap();
            assert_eq!(pass(8), staged!(u16, 8, quantizer, prg, 3.0, &update), "{prg} {len}");
            assert_eq!(pass(13), staged!(u16, 13, quantizer, prg, 3.0, &update), "{prg} {len}");
            assert_eq!(pass(16), staged!(u16, 16, quantizer, prg, 3.0, &update), "{prg} {len}");
            assert_eq!(pass(20), staged!(u32, 20, quantizer, prg, 3.0, &update), "{prg} {len}");
            assert_eq!(pass(32), staged!(u32, 32, quantizer, prg, 3.0, &update), "{prg} {len}");
            assert_eq!(pass(47), staged!(u64, 47, quantizer, prg, 3.0, &update), "{prg} {len}");
            assert_eq!(pass(64), staged!(u64, 64, quantizer, prg, 3.0, &update), "{prg} {len}");
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let quantizer = Quantizer::new(8.0, 1 << 22, 1000.0).unwrap();
    let update: Vec<f64> = (0..50_000).map(|i| f64::from(i % 1009) / 100.0).collect();
    let by = |threads| {
        on_threads(threads, || masked_vector(32, &quantizer, Prg::Aes128Ctr, 7.0, &update).unwrap())
    };
    let one = by(1);
    assert_eq!(by(2), one);
    assert_eq!(by(3), one);
}

/// Long enough (36 MiB) for stores that go past the cache; 33 bits, so that tiles are no whole
/// number of lines.
#[test]
fn a_vector_longer_than_the_caches_is_its_stages() {
    let quantizer = Quantizer::new(8.0, 1 << 8, 10.0).unwrap();
    let update: Vec<f32> = (0..9_000_000).map(|i| (i % 1009) as f32 / 100.0).collect();
    let bytes = masked_vector(33, &quantizer, Prg::Aes128Ctr, 3.0, &update).unwrap();
    assert!(bytes == staged!(u64, 33, quantizer, Prg::Aes128Ctr, 3.0, &update));
}

#[test]
fn of_several_elements_that_are_not_finite_the_first_is_named() {
    let quantizer = Quantizer::new(8.0, 1 << 22, 1000.0).unwrap();
    for first in [0, 4094, 4095, 30_000, 60_000] {
        let mut update = vec![0.1_f32; 100_000];
        for bad in [first, first + 1, 61_000, 99_999] {
            update[bad] = f32::NAN;
        }
        let error = on_threads(3, || masked_vector(32, &quantizer, Prg::ChaCha20, 1.0, &update))
            .unwrap_err();
        assert_eq!(error, QuantizeError::NonFinite { index: first }.into());
    }
}

#[test]
fn what_cannot_be_masked_is_refused() {
    let quantizer = Quantizer::new(8.0, 1 << 22, 1000.0).unwrap();
    let weight = masked_vector(32, &quantizer, Prg::Aes128Ctr, 1000.5, &[0.0]).unwrap_err();
    assert_eq!(weight, QuantizeError::InvalidWeight { max_weight: 1000.0 }.into());
    let overflow = masked_vector(21, &quantizer, Prg::Aes128Ctr, 1.0, &[0.0]).unwrap_err();
    let expected = SumOverflow { clients: 1, quantization_range: 1 << 22, modulus_range: 1 << 21 };
    assert_eq!(overflow, expected.into());
    let limit = ClientPassError::from(KeystreamLimit { prg: Prg::ChaCha20 });
    assert!(limit.to_string().contains("chacha20"));
}

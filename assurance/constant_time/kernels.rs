//! The kernels on secrets, on every backend whose instructions valgrind knows.

use std::hint::black_box;

use secagg_assurance::memcheck::{conceal, disclose};
use secagg_kernels::{
    Backend, ClientPass, Lane, MaskPlan, Modulus, Prg, Quantizer, Real, Seed, Sign, pack, x25519,
};

use crate::Case;

/// A few lanes more than a tile of AEGIS, from the middle of a block on.
const LANES: usize = 16_384 / 4 + 23;
const FIRST_LANE: u64 = 5;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![Case::new("seeds: comparison", compare_seeds)];
    for backend in Backend::available() {
        let name = backend.name();
        cases.push(Case::new(format!("x25519, {name}"), move || agree(backend)));
        cases.push(Case::new(format!("packing, {name}"), move || pack_lanes(backend)));
        for prg in Prg::ALL {
            let case = |what| format!("{what}, {prg}, {name}");
            cases.push(Case::new(case("keystream"), move || expand(backend, prg)));
            cases.push(Case::new(case("masks"), move || apply_masks(backend, prg)));
            cases.push(Case::new(case("client's pass"), move || client_passes(backend, prg)));
        }
    }
    cases
}

fn secret_bytes(byte: u8) -> [u8; 32] {
    let mut bytes = [byte; 32];
    conceal(&mut bytes);
    bytes
}

fn secret_seed(byte: u8) -> Seed {
    Seed::from_bytes(secret_bytes(byte))
}

fn compare_seeds() {
    let same = secret_seed(1) == secret_seed(1);
    black_box(same);
}

/// Many pairs share an inversion, so there are more than one batch of them, and a rest.
fn agree(backend: Backend) {
    let publics: Vec<_> = (0..67).map(|i| [i + 9; 32]).map(without_top_bit).collect();
    black_box(x25519::agree_many(backend, &secret_bytes(3), &publics));
    let secrets: Vec<_> = (0..9).map(secret_bytes).collect();
    let pairs: Vec<_> = secrets.iter().zip(&publics).collect();
    black_box(x25519::agree_pairs(backend, &pairs));
}

fn without_top_bit(mut bytes: [u8; 32]) -> [u8; 32] {
    bytes[31] &= 0x7f;
    bytes
}

fn pack_lanes(backend: Backend) {
    let mut lanes = vec![0x0123_4567_u32; LANES];
    conceal(&mut lanes);
    for width in [1, 7, 20, 31, 32] {
        let modulus = Modulus::from_width(width).expect("a width");
        let mut out = Vec::new();
        pack::append(backend, modulus, &lanes, &mut out).expect("lanes of so many bits");
        black_box(out);
    }
}

fn expand(backend: Backend, prg: Prg) {
    let mut out = vec![0; 4 * LANES];
    prg.expand(backend, &secret_seed(4), 20, &mut out).expect("far from its end");
    black_box(out);
}

fn apply_masks(backend: Backend, prg: Prg) {
    let masks = [(secret_seed(5), Sign::Add), (secret_seed(6), Sign::Subtract)];
    let plan = MaskPlan::new(prg, &masks);
    apply::<u16>(backend, &plan);
    apply::<u32>(backend, &plan);
    apply::<u64>(backend, &plan);
}

fn apply<L: Lane>(backend: Backend, plan: &MaskPlan) {
    let mut lanes = vec![L::default(); LANES];
    conceal(&mut lanes);
    plan.apply(backend, FIRST_LANE, &mut lanes).expect("far from its end");
    black_box(lanes);
}

fn client_passes(backend: Backend, prg: Prg) {
    for width in [16, 32, 62] {
        client_pass::<f32>(backend, prg, width);
        client_pass::<f64>(backend, prg, width);
    }
}

/// Elements on both sides of the clipping range, and a weight: all secret.
fn client_pass<F: Real>(backend: Backend, prg: Prg, width: u32) {
    let modulus = Modulus::from_width(width).expect("a width");
    let quantizer = Quantizer::new(4.0, 1 << 12, 1000.0).expect("a quantizer");
    let mut update: Vec<_> = (0..LANES).map(|i| F::from_f64(i as f64 / 400.0 - 5.0)).collect();
    conceal(&mut update);
    let mut weight = [7.5];
    conceal(&mut weight);
    let plan = MaskPlan::new(prg, &[(secret_seed(8), Sign::Add)]);
    let rounding = &secret_seed(9);
    let pass = ClientPass { backend, modulus, quantizer: &quantizer, plan: &plan, rounding };
    let mut message = Vec::new();
    let passed = pass.masked_vector(weight[0], &update, &mut message);
    disclose(&message);
    assert_eq!(passed, Ok(()));
}

//! What is timed: the kernels on secrets, on every backend that there is.

use std::hint::black_box;

use secagg_kernels::{
    Backend, ClientPass, MaskPlan, Modulus, Prg, Quantizer, Real, Seed, Sign, x25519,
};

use crate::{Case, Expected};

/// Lanes of the vectors: one tile or less, so that no other thread helps.
const LANES: usize = 1024;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![compare_seeds()];
    for backend in Backend::available() {
        cases.push(agree(backend));
        for prg in Prg::ALL {
            cases.push(apply_masks(backend, prg));
        }
        for (what, element) in [("zeros", 0), ("all clipped", i16::MAX)] {
            cases.push(client_pass::<f32>(backend, what, element, fraction));
            cases.push(client_pass::<f64>(backend, what, element, fraction));
        }
        cases.push(subnormal(client_pass::<f32>(backend, "subnormal", 1, f32_of_bits)));
        cases.push(subnormal(client_pass::<f64>(backend, "subnormal", 1, f64_of_bits)));
    }
    cases
}

fn bytes_of(secret: &[u8]) -> [u8; 32] {
    secret.try_into().expect("32 bytes")
}

fn compare_seeds() -> Case {
    let reference = Seed::from_bytes([7; 32]);
    Case::new("seeds: comparison", &[7; 32], move |secret| {
        let seed = Seed::from_bytes(bytes_of(secret));
        for _ in 0..20 {
            black_box(black_box(&seed) == black_box(&reference));
        }
    })
}

/// The secret zero, whose clamped scalar has a single bit.
fn agree(backend: Backend) -> Case {
    let publics = [9; 8].map(|byte| [byte; 32]);
    Case::new(format!("x25519, {}", backend.name()), &[0; 32], move |secret| {
        black_box(x25519::agree_many(backend, &bytes_of(secret), &publics));
    })
}

fn apply_masks(backend: Backend, prg: Prg) -> Case {
    let mut lanes = [0_u32; LANES];
    Case::new(format!("masks, {prg}, {}", backend.name()), &[0; 32], move |secret| {
        let plan = MaskPlan::new(prg, &[(Seed::from_bytes(bytes_of(secret)), Sign::Add)]);
        plan.apply(backend, 0, &mut lanes).expect("far from its end");
        black_box(&lanes);
    })
}

/// From -8 to 8: half of all are clipped.
fn fraction<F: Real>(element: i16) -> F {
    F::from_f64(f64::from(element) / 4096.0)
}

/// The upper bits of a number below 2, of any exponent: 1 is subnormal, and few others are.
fn f32_of_bits(element: i16) -> f32 {
    f32::from_bits(u32::from(element as u16 & 0xbfff) << 16)
}

/// The same in 64 bits.
fn f64_of_bits(element: i16) -> f64 {
    f64::from_bits(u64::from(element as u16 & 0xbfff) << 48)
}

/// Numbers that some CPUs take longer for, whatever the program does.
fn subnormal(case: Case) -> Case {
    Case { expected: Expected::Either, ..case }
}

/// One update of equal elements, and others that are random. Elements are drawn as 16 bits and converted while the clock
/// runs, which is the same few instructions for all of them.
fn client_pass<F: Real>(backend: Backend, what: &str, element: i16, convert: fn(i16) -> F) -> Case {
    let quantizer = Quantizer::new(4.0, 1 << 12, 1000.0).expect("a quantizer");
    let modulus = Modulus::from_width(32).expect("a width");
    let plan = MaskPlan::new(Prg::Aes128Ctr, &[(Seed::from_bytes([1; 32]), Sign::Add)]);
    let rounding = Seed::from_bytes([2; 32]);
    let (mut update, mut out) = ([F::default(); LANES], Vec::with_capacity(8 * LANES));
    let name = format!("client's pass, {what}, f{}, {}", 8 * size_of::<F>(), backend.name());
    Case::new(name, &element.to_le_bytes().repeat(LANES), move |secret| {
        for (slot, bytes) in update.iter_mut().zip(secret.as_chunks().0) {
            *slot = convert(i16::from_le_bytes(*bytes));
        }
        out.clear();
        let pass = ClientPass {
            backend,
            modulus,
            quantizer: &quantizer,
            plan: &plan,
            rounding: &rounding,
        };
        pass.masked_vector(1.0, &update, &mut out).expect("a valid update");
        black_box(&out);
    })
}

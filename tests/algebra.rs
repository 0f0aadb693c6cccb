//! The algebra that a sum rests on, for any parameters: masks cancel, packing loses nothing, and rounding is fair
//! and near.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use secagg::kernels::{
    Accumulator, Backend, ClientPass, MaskPlan, Modulus, Prg, Quantizer, Seed, Sign, pack,
};
use secagg_tests::plain::error_bound;

fn backends() -> impl Strategy<Value = Backend> {
    select(Backend::available().collect::<Vec<_>>())
}

fn prgs() -> impl Strategy<Value = Prg> {
    select(Prg::ALL.to_vec())
}

fn moduli() -> impl Strategy<Value = Modulus> {
    (1..=64_u32).prop_map(|width| Modulus::from_width(width).expect("a width"))
}

/// The seed that two clients share, or that one has for itself.
fn seed(round: u64, a: usize, b: usize) -> Seed {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&round.to_le_bytes());
    (bytes[8], bytes[16]) = (a.min(b) as u8, a.max(b) as u8);
    Seed::from_bytes(bytes)
}

/// One client's masks: one against each other client, and its own.
fn masks(round: u64, clients: usize, client: usize) -> Vec<(Seed, Sign)> {
    let sign = |other| if client <= other { Sign::Add } else { Sign::Subtract };
    (0..clients).map(|other| (seed(round, client, other), sign(other))).collect()
}

/// Lanes that are all different, and reach both ends of the modulus.
fn vector(modulus: Modulus, client: usize, lanes: usize) -> Vec<u64> {
    let lane =
        |at: usize| (client as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (at as u64 % 251);
    (0..lanes).map(|at| lane(at) & modulus.max_value()).collect()
}

fn packed(backend: Backend, modulus: Modulus, lanes: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    pack::append(backend, modulus, lanes, &mut bytes).expect("u64 holds any width");
    bytes
}

/// The updates of all, masked by each for itself and summed.
fn masked_sum(
    (backend, prg, modulus): (Backend, Prg, Modulus),
    clients: usize,
    lanes: usize,
    round: u64,
) -> Accumulator {
    let mut sum = Accumulator::new(modulus, lanes);
    for client in 0..clients {
        let mut masked = Accumulator::new(modulus, lanes);
        let vector = packed(backend, modulus, &vector(modulus, client, lanes));
        masked.add_packed(backend, &vector).expect("its own length");
        let plan = MaskPlan::new(prg, &masks(round, clients, client));
        masked.apply(backend, &plan).expect("a short vector");
        let mut bytes = Vec::new();
        masked.append_packed(backend, &mut bytes);
        sum.add_packed(backend, &bytes).expect("its own length");
    }
    sum
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    /// Pairwise masks are gone from the sum by themselves; self masks when they are taken off.
    #[test]
    fn masks_cancel(
        backend in backends(),
        prg in prgs(),
        modulus in moduli(),
        clients in 2..8_usize,
        lanes in prop_oneof![0..40_usize, 8000..8400_usize],
        round: u64,
    ) {
        let mut sum = masked_sum((backend, prg, modulus), clients, lanes, round);
        let own: Vec<_> = (0..clients).map(|client| (seed(round, client, client), Sign::Subtract)).collect();
        sum.apply(backend, &MaskPlan::new(prg, &own)).expect("a short vector");
        let vectors: Vec<_> = (0..clients).map(|client| vector(modulus, client, lanes)).collect();
        for lane in 0..lanes {
            let plain = vectors.iter().fold(0_u64, |sum, vector| sum.wrapping_add(vector[lane]));
            prop_assert_eq!(sum.get(lane), plain & modulus.max_value(), "lane {}", lane);
        }
    }

    #[test]
    fn unpacking_undoes_packing(
        backends in (backends(), backends()),
        modulus in moduli(),
        lanes in vec(any::<u64>(), 0..300),
    ) {
        let bytes = packed(backends.0, modulus, &lanes);
        prop_assert_eq!(bytes.len(), modulus.packed_len(lanes.len()));
        let mut unpacked = vec![u64::MAX; lanes.len()];
        pack::unpack(backends.1, modulus, &bytes, &mut unpacked).expect("as it was packed");
        prop_assert!(lanes.iter().zip(&unpacked).all(|(a, b)| a & modulus.max_value() == *b));
        prop_assert_eq!(packed(backends.1, modulus, &unpacked), bytes);
    }
}

/// A quantizer with any parameters, a weight and an element, both as parts of the largest.
fn drawn_quantizer() -> impl Strategy<Value = (Quantizer, f64, f64)> {
    let scales = (-60.0..60.0_f64, 2.81..48.0_f64, max_weights());
    let parts = (prop_oneof![Just(1.0), 0.0..1.0_f64], -1.1..1.1_f64);
    (scales, parts).prop_map(|((range, levels, weight), (part, element))| {
        let (range, levels) = (10_f64.powf(range), levels.exp2() as u64);
        let quantizer = Quantizer::new(range, levels, weight).expect("in range");
        (quantizer, part, element)
    })
}

/// Whole ones have a scale that is whole, if it is not below one.
fn max_weights() -> impl Strategy<Value = f64> {
    let any = (-60.0..60.0_f64).prop_map(|exponent| 10_f64.powf(exponent));
    prop_oneof![any, (1..100_000_u32).prop_map(f64::from)]
}

/// Elements that are rounded, each with random bits of its own.
const ROUNDED: usize = 4000;

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    /// The mean of N roundings, each within a lane of the exact product, misses its expectation by more than
    /// sqrt(ln(2 / p) / 2N) lanes with probability below p (Hoeffding); and the expectation misses the product by
    /// less than the documentation says. With p = 1e-12, a fair quantizer fails in one of 1e10 runs.
    #[test]
    fn rounding_is_fair_and_near(
        (quantizer, part, element) in drawn_quantizer(),
        backend in backends(),
        prg in prgs(),
        bytes: [u8; 32],
    ) {
        let c = quantizer.clipping_range();
        let zero = ((quantizer.quantization_range() - 1) / 2) as f64;
        let mut lanes = vec![0_u64; ROUNDED + 2];
        let (weight, update) = (part * quantizer.max_weight(), vec![element * c; ROUNDED]);
        let seed = Seed::from_bytes(bytes);
        quantizer.quantize(backend, prg, &seed, weight, &update, &mut lanes).expect("it is sound");
        // The weight as it was rounded, which is what elements are multiplied by.
        let counted = lanes[0] as f64 / quantizer.weight_scale() / quantizer.max_weight();
        let exact = (1.0 + element.clamp(-1.0, 1.0) * counted) * zero;
        let arithmetic = zero * 2_f64.powi(-50);
        let errors = lanes[1..=ROUNDED].iter().map(|&lane| lane as f64 - exact);
        prop_assert!(errors.clone().all(|error| error.abs() <= 1.0 + 2.0 * arithmetic));
        let bias = errors.sum::<f64>() / ROUNDED as f64;
        let chance = ((2.0 / 1e-12_f64).ln() / (2.0 * ROUNDED as f64)).sqrt();
        let stated = 2_f64.powi(-32) + arithmetic;
        prop_assert!(bias.abs() <= chance + 2.0 * stated, "{} is not below {} + {}", bias, chance, stated);
    }

    /// The bounds that the quantizer tells are the specification's, but for the rounding of a few operations.
    #[test]
    fn stated_bounds_are_those_of_the_specification(
        (quantizer, part, _) in drawn_quantizer(),
        clients in 1..1000_usize,
    ) {
        let total = part.max(0.001) * clients as f64 * quantizer.max_weight();
        let stated = [
            quantizer.error_bound_with_inexact_weights(clients as u64, total),
            quantizer.error_bound(clients as u64, total),
        ];
        for (stated, exact) in stated.into_iter().zip([false, true]) {
            let bound = error_bound(&quantizer, clients, total, exact);
            prop_assert!((stated / bound - 1.0).abs() < 1e-14, "{} for {}", stated, bound);
        }
    }

    /// The mean that comes out of clients' passes and their sum is as near as the specification says.
    #[test]
    fn means_are_within_the_bound(
        (quantizer, _, _) in drawn_quantizer(),
        clients in vec((0.001..1.0_f64, -1.1..1.1_f64), 1..12),
        backend in backends(),
        prg in prgs(),
        round: u64,
    ) {
        let modulus = Modulus::from_width(64).expect("a width");
        let (c, w_max) = (quantizer.clipping_range(), quantizer.max_weight());
        let plan = MaskPlan::new(prg, &[]);
        let mut sum = Accumulator::new(modulus, 3);
        for (client, (part, element)) in clients.iter().enumerate() {
            let rounding = &seed(round, client, 200);
            let pass = ClientPass { backend, modulus, quantizer: &quantizer, plan: &plan, rounding };
            let mut bytes = Vec::new();
            pass.masked_vector(part * w_max, &[element * c], &mut bytes).expect("it is sound");
            sum.add_packed(backend, &bytes).expect("its own length");
        }
        // Weights of less than a lane may all be rounded to none.
        prop_assume!(sum.get(0) > 0);
        let count = clients.len() as u64;
        let result = sum.dequantize::<f64>(backend, &quantizer, count).expect("honest clients");
        let total: f64 = clients.iter().map(|(part, _)| part).sum();
        let share = |(part, element): &(f64, f64)| part / total * element.clamp(-1.0, 1.0);
        let expected = clients.iter().map(share).sum::<f64>() * c;
        let bound = error_bound(&quantizer, clients.len(), result.total_weight, false);
        let error = (result.mean[0] - expected).abs();
        prop_assert!(error <= bound + c * 1e-14, "{} is not within {}", error, bound);
    }
}

//! From updates to their weighted mean: within the bound that theory gives, or an error.

use secagg_kernels::{
    Accumulator, Backend, DequantizeError, Lane, MAX_QUANTIZATION_RANGE, Prg, Quantizer, Real,
    SumOverflow, pack,
};

use crate::support::{modulus, rng, seed, unit};

/// The sum of the clients' quantized updates.
fn sum<F: Real>(quantizer: &Quantizer, width: u32, clients: &[(f64, Vec<F>)]) -> Accumulator {
    let mut sum = Accumulator::new(modulus(width), clients[0].1.len() + 2);
    for (number, (weight, update)) in (0..).zip(clients) {
        let (mut lanes, mut bytes) = (vec![0_u64; update.len() + 2], Vec::new());
        quantizer
            .quantize(Backend::detect(), Prg::default(), &seed(number), *weight, update, &mut lanes)
            .unwrap();
        pack::append(Backend::detect(), modulus(width), &lanes, &mut bytes).unwrap();
        sum.add_packed(Backend::detect(), &bytes).unwrap();
    }
    sum
}

/// A sum that no client made: the weight lane and one element; nobody clipped.
fn forged(width: u32, [weight, element]: [u64; 2]) -> Accumulator {
    forged_lanes(width, &[weight, element, 0])
}

fn forged_lanes(width: u32, lanes: &[u64]) -> Accumulator {
    let (mut sum, mut bytes) = (Accumulator::new(modulus(width), lanes.len()), Vec::new());
    pack::append(Backend::detect(), modulus(width), lanes, &mut bytes).unwrap();
    sum.add_packed(Backend::detect(), &bytes).unwrap();
    sum
}

fn clients<F: Real>(c: f64, weights: &[f64], dimension: usize) -> Vec<(f64, Vec<F>)> {
    let mut rng = rng(dimension as u64);
    let mut update = || (0..dimension).map(|_| F::from_f64(1.1 * c * unit(&mut rng))).collect();
    weights.iter().map(|weight| (*weight, update())).collect()
}

/// Element by element, the distance from the true weighted mean of the clipped updates.
fn largest_error<F: Real>(c: f64, clients: &[(f64, Vec<F>)], mean: &[F]) -> f64 {
    let total: f64 = clients.iter().map(|(weight, _)| weight).sum();
    let error = |(i, mean): (usize, &F)| {
        let truth: f64 = clients
            .iter()
            .map(|(weight, update)| weight / total * update[i].to_f64().clamp(-c, c))
            .sum();
        (truth - mean.to_f64()).abs()
    };
    mean.iter().enumerate().map(error).fold(0.0, f64::max)
}

fn error_is_within_the_bound<F: Real>(c: f64, q: u64, w_max: f64, width: u32, weights: &[f64]) {
    let quantizer = Quantizer::new(c, q, w_max).unwrap();
    let clients = clients::<F>(c, weights, 2000);
    let n = weights.len() as u64;
    let result =
        sum(&quantizer, width, &clients).dequantize::<F>(Backend::detect(), &quantizer, n).unwrap();
    let bound = if weights.iter().all(|weight| quantizer.weight_is_exact(*weight)) {
        assert_eq!(result.total_weight, weights.iter().sum::<f64>());
        quantizer.error_bound(n, result.total_weight)
    } else {
        quantizer.error_bound_with_inexact_weights(n, result.total_weight)
    };
    // Once more for the mean in F, once for the test's own sums in f64.
    let bound = bound + c * F::UNIT_ROUNDOFF + c * 1e-14;
    let error = largest_error(c, &clients, &result.mean);
    assert!(error <= bound, "q {q}, weights {weights:?}: {error} is above {bound}");
    // A bound is only of use if it is near.
    assert!(error >= bound / 100.0, "q {q}, weights {weights:?}: {error} is far below {bound}");
}

#[test]
fn the_error_is_within_the_bound() {
    let weights = [1.0, 2.0, 3.0, 100.0, 1000.0, 37.0];
    for q in [7, 8, 256, 1 << 16, 1 << 22, 1 << 29] {
        error_is_within_the_bound::<f64>(8.0, q, 1000.0, 32, &weights);
    }
    error_is_within_the_bound::<f32>(0.05, 1 << 16, 1000.0, 20, &weights[..4]);
    error_is_within_the_bound::<f32>(8.0, 1 << 22, 1000.0, 64, &[1.0; 7]);
    error_is_within_the_bound::<f64>(8.0, MAX_QUANTIZATION_RANGE, 1000.0, 64, &weights);
    error_is_within_the_bound::<f64>(3.3, 1 << 20, 0.7, 40, &[0.1, 0.23, 0.7, 0.0]);
    error_is_within_the_bound::<f64>(8.0, 100, 1000.0, 16, &[500.0, 1000.0, 250.5]); // less than one lane per unit
}

/// With q = 2^40 and many clients, 2n·L passes 2^63, where sums are no signed 64-bit numbers any
/// more.
#[test]
fn sums_near_2_to_the_64_are_exact() {
    let quantizer = Quantizer::new(1.0, 1 << 40, 1.0).unwrap();
    let (clients, top) = ((1 << 24) - 1, (1_u64 << 40) - 2);
    let mean = |share: u64| {
        let sum = forged(64, [clients * top, clients * share]);
        sum.dequantize::<f64>(Backend::detect(), &quantizer, clients).unwrap().mean[0]
    };
    assert_eq!((mean(0), mean(top)), (-1.0, 1.0));
    assert!((mean(top / 4) + 0.5).abs() < 1e-11);
}

#[test]
fn no_weight_is_an_error() {
    let quantizer = Quantizer::new(8.0, 1 << 22, 1000.0).unwrap();
    let sum_of_none = sum(&quantizer, 32, &clients::<f32>(8.0, &[0.0, 0.0, 0.0], 5));
    let error = sum_of_none.dequantize::<f32>(Backend::detect(), &quantizer, 3).unwrap_err();
    assert_eq!(error, DequantizeError::ZeroTotalWeight);
    let empty = Accumulator::new(modulus(32), 0);
    assert_eq!(
        empty.dequantize::<f32>(Backend::detect(), &quantizer, 3),
        Err(DequantizeError::ZeroTotalWeight)
    );
    let nobody = Accumulator::new(modulus(32), 9);
    assert_eq!(
        nobody.dequantize::<f32>(Backend::detect(), &quantizer, 0),
        Err(DequantizeError::ZeroTotalWeight)
    );
}

/// With whole lanes per unit of weight alone, 7 lanes of 0.37 would leave no weight but zero.
#[test]
fn a_largest_weight_below_one_still_has_lanes() {
    for (levels, max_weight) in [(7, 0.37), (8, 0.99), (1 << 22, 1e-9)] {
        let quantizer = Quantizer::new(8.0, levels, max_weight).unwrap();
        let sum = sum(&quantizer, 32, &clients::<f64>(8.0, &[max_weight; 3], 5));
        let mean = sum.dequantize::<f64>(Backend::detect(), &quantizer, 3).unwrap();
        assert!((mean.total_weight - 3.0 * max_weight).abs() < 1e-9 * max_weight, "{levels}");
    }
}

#[test]
fn a_mean_that_f32_may_not_hold_is_refused() {
    let quantizer = Quantizer::new(1e39, 1 << 22, 1.0).unwrap();
    let sum = sum(&quantizer, 32, &clients::<f64>(1e39, &[1.0; 3], 5));
    let refused = sum.dequantize::<f32>(Backend::detect(), &quantizer, 3).unwrap_err();
    assert_eq!(refused, DequantizeError::NotRepresentable);
    assert!(sum.dequantize::<f64>(Backend::detect(), &quantizer, 3).is_ok());
}

#[test]
fn sums_that_honest_clients_cannot_make_are_refused() {
    let quantizer = Quantizer::new(8.0, 1001, 100.0).unwrap(); // ten lanes per unit of weight, L = 500
    let result = |lanes| forged(16, lanes).dequantize::<f64>(Backend::detect(), &quantizer, 2);
    assert!(result([2000, 2000]).is_ok() && result([2000, 0]).is_ok());
    assert_eq!(result([2001, 1000]), Err(DequantizeError::SumOutOfRange { lane: 0 }));
    assert_eq!(result([2000, 2001]), Err(DequantizeError::SumOutOfRange { lane: 1 }));
    // Half of the largest weight moves an element by half of the range, and the two roundings by
    // less than 2.
    assert!(result([1000, 1501]).is_ok() && result([1000, 499]).is_ok());
    assert_eq!(result([1000, 1503]), Err(DequantizeError::SumOutOfRange { lane: 1 }));
    assert_eq!(result([1000, 497]), Err(DequantizeError::SumOutOfRange { lane: 1 }));
}

#[test]
fn the_clients_that_clipped_are_counted_and_no_more_than_there_are() {
    let quantizer = Quantizer::new(1.0, 1001, 1.0).unwrap();
    let read = |clipped| {
        forged_lanes(16, &[3000, 1500, clipped]).dequantize::<f64>(Backend::detect(), &quantizer, 3)
    };
    assert_eq!((0..=3).map(|n| read(n).unwrap().clipped).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!(read(4), Err(DequantizeError::SumOutOfRange { lane: 2 }));
    let updates = [(1.0, vec![0.5, 1.5]), (0.0, vec![-1.5, 1.5]), (1.0, vec![1.0, -1.0])];
    let sum = sum::<f64>(&quantizer, 20, &updates);
    assert_eq!(sum.dequantize::<f64>(Backend::detect(), &quantizer, 3).unwrap().clipped, 2);
}

/// Every mean of several settings: of zeros it is 0, of signs that agree it has that sign, it lies
/// within the clipping range, and it is monotone within the bound.
#[test]
fn a_mean_keeps_zeros_signs_order_and_range() {
    const M: usize = 600;
    for (c, q, w_max, width) in [
        (8.0, 1 << 22, 1000.0, 32),
        (0.1, 1000, 1000.0, 20),
        (3.3, MAX_QUANTIZATION_RANGE, 0.7, 64),
        (1e-3, 7, 1.0, 16),
    ] {
        let quantizer = Quantizer::new(c, q, w_max).unwrap();
        let mut rng = rng(q);
        let weights = [1.0, 0.002, 0.37, 0.0, 1.0].map(|part| part * w_max);
        let mut fleet = |of: fn(f64) -> f64| -> Vec<(f64, Vec<f64>)> {
            weights.map(|w| (w, (0..M).map(|_| 1.5 * c * of(unit(&mut rng))).collect())).into()
        };
        let read = |clients: &[(f64, Vec<f64>)]| {
            let sum = sum(&quantizer, width, clients);
            sum.dequantize::<f64>(Backend::detect(), &quantizer, 5).unwrap()
        };
        let mean = |clients: &[(f64, Vec<f64>)]| read(clients).mean;
        assert_eq!(mean(&fleet(|_| 0.0)), [0.0; M]);
        assert!(mean(&fleet(f64::abs)).iter().all(|x| (0.0..=c).contains(x)), "{q}");
        assert!(mean(&fleet(|x| -x.abs())).iter().all(|x| (-c..=0.0).contains(x)), "{q}");
        let low = fleet(|x| x);
        let high: Vec<_> = low
            .iter()
            .map(|(w, update)| (*w, update.iter().map(|x| x + 0.01 * c).collect()))
            .collect();
        let low = read(&low);
        // Each of the two is within the bound of the truth.
        let bound = 2.0 * quantizer.error_bound_with_inexact_weights(5, low.total_weight);
        assert!(low.mean.iter().zip(mean(&high)).all(|(low, high)| *low <= high + bound), "{q}");
        assert!(low.mean.iter().all(|x| x.abs() <= c));
    }
}

/// A full house at the end of the range: binary64 alone would leave some means above c.
#[test]
fn no_mean_leaves_the_clipping_range() {
    for c in [0.1, 0.3, 3.3, 1e-7, 7.7e9] {
        let quantizer = Quantizer::new(c, 1 << 22, 49.0).unwrap();
        for n in 3..40 {
            let clients = vec![(49.0, vec![c, -c, 2.0 * c, -2.0 * c]); n];
            let sum = sum(&quantizer, 32, &clients);
            let read = sum.dequantize::<f64>(Backend::detect(), &quantizer, n as u64).unwrap();
            assert!(read.mean.iter().all(|x| x.abs() <= c && x.abs() >= c * (1.0 - 1e-15)), "{n}");
        }
    }
}

#[test]
fn of_several_bad_lanes_the_first_is_named() {
    let quantizer = Quantizer::new(8.0, 1 << 10, 1.0).unwrap();
    let mut lanes = vec![1022_u64; 100_000];
    for bad in [16_384, 16_385, 40_000, 99_999] {
        lanes[bad] = 1023;
    }
    let error = forged_lanes(32, &lanes).dequantize::<f32>(Backend::detect(), &quantizer, 1);
    assert_eq!(error, Err(DequantizeError::SumOutOfRange { lane: 16_384 }));
}

#[test]
fn a_sum_that_may_have_wrapped_is_refused() {
    let quantizer = Quantizer::new(8.0, 1 << 10, 1.0).unwrap();
    let overflow = SumOverflow { clients: 65, quantization_range: 1 << 10, modulus_range: 1 << 16 };
    let error = forged(16, [1, 1]).dequantize::<f32>(Backend::detect(), &quantizer, 65);
    assert_eq!(error, Err(DequantizeError::SumOverflow(overflow)));
}

/// Words wider than the modulus carry sums beyond it; the mean must not see them.
#[test]
fn sums_are_reduced_before_they_are_read() {
    let quantizer = Quantizer::new(1.0, 1 << 10, 1.0).unwrap();
    let mut sum = forged_lanes(20, &[(1 << 20) - 1; 3]);
    let mut bytes = Vec::new();
    pack::append(Backend::detect(), modulus(20), &[1023_u32, 1, 2], &mut bytes).unwrap();
    sum.add_packed(Backend::detect(), &bytes).unwrap();
    assert_eq!((sum.get(0), sum.get(1), sum.get(2)), (1022, 0, 1));
    let read = sum.dequantize::<f64>(Backend::detect(), &quantizer, 1).unwrap();
    assert_eq!((&read.mean[..], read.clipped), (&[-1.0][..], 1));
    assert_eq!(u16::BITS, <u16 as Lane>::BITS);
}

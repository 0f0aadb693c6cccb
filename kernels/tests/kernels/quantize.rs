//! The quantizer against its specification, its refusals, and the fairness of its rounding.

use rand_chacha::rand_core::Rng;
use secagg_kernels::{
    Backend, InvalidQuantizer, KeystreamLimit, Lane, MAX_QUANTIZATION_RANGE,
    MIN_QUANTIZATION_RANGE, Modulus, Prg, QuantizeError, Quantizer, Real, Seed, SumOverflow,
};

use crate::support::{all_agree, mask, modulus, rng, seed, unit};

fn quantizer(clipping_range: f64, quantization_range: u64, max_weight: f64) -> Quantizer {
    Quantizer::new(clipping_range, quantization_range, max_weight).unwrap()
}

/// The defaults of the API this library replaces.
fn usual() -> Quantizer {
    quantizer(8.0, 1 << 22, 1000.0)
}

fn quantize<L: Lane>(
    quantizer: &Quantizer,
    rounding: &Seed,
    weight: f64,
    update: &[impl Real],
) -> Vec<L> {
    all_agree(|backend| {
        let mut lanes = vec![L::default(); update.len() + 2];
        quantizer.quantize(backend, Prg::default(), rounding, weight, update, &mut lanes).unwrap();
        lanes
    })
}

fn refusal(weight: f64, update: &[f64]) -> QuantizeError {
    let mut lanes = vec![0_u32; update.len() + 2];
    usual()
        .quantize(Backend::detect(), Prg::default(), &seed(1), weight, update, &mut lanes)
        .unwrap_err()
}

/// The module's documentation, followed word by word.
fn specified(c: f64, q: u64, w_max: f64, words: &[u32], weight: f64, update: &[f64]) -> Vec<u64> {
    let zero = ((q - 1) / 2) as f64;
    let round = |y: f64, word: u32, low: f64, high: f64, zero: f64| {
        let r = (f64::from(word as i32) + 0.5) * 2_f64.powi(-32);
        ((y + r).max(low).min(high) + (2_f64.powi(52) + zero)).to_bits() & ((1 << 52) - 1)
    };
    let s = 2.0 * zero / w_max;
    let whole = s >= 1.0 && w_max.fract() == 0.0;
    let s = if whole { s.floor() } else { s };
    let top = if whole { w_max * s } else { 2.0 * zero };
    let near = (weight * s).round_ties_even();
    let weight_lane = round(weight * s - near, words[0], -near, top - near, near);
    let reach = zero * (weight_lane as f64 / s / w_max);
    let factor = if c * (reach / c) < reach { (reach / c).next_up() } else { reach / c };
    let element = |(x, word): (&f64, &u32)| {
        round((x * factor).max(-reach).min(reach), *word, -zero, zero, zero)
    };
    let elements = update.iter().zip(&words[1..]).map(element);
    let clipped = update.iter().any(|x| x.abs() > c);
    [weight_lane].into_iter().chain(elements).chain([clipped.into()]).collect()
}

/// Ranges at both ends and in between; weights with and without whole units; lengths around a block
/// and a tile.
#[test]
fn lanes_are_those_of_the_specification() {
    let cases = [
        (8.0, 1 << 22, 1000.0, 17.0),
        (8.0, 1 << 22, 1000.0, 0.3),
        (1.0, 7, 1.0, 1.0),
        (0.1, 7, 17.0, 5.0), // less than one lane per unit of weight
        (3.7, 65_536, 0.3, 0.3),
        (1e-3, MAX_QUANTIZATION_RANGE, 1e9, 123_456.789),
        (1e100, 1000, 1e-100, 0.5e-100),
        (1e-100, 1000, 1e100, 1e100),
    ];
    for (c, q, w_max, weight) in cases {
        for len in [0, 1, 3, 4, 255, 256, 5000] {
            let mut rng = rng(q ^ len as u64);
            let update: Vec<f64> = (0..len).map(|_| 1.2 * c * unit(&mut rng)).collect();
            let words = mask::<u32>(Prg::default(), &seed(4), len + 1);
            let lanes = quantize::<u64>(&quantizer(c, q, w_max), &seed(4), weight, &update);
            assert_eq!(
                lanes,
                specified(c, q, w_max, &words, weight, &update),
                "{c} {q} {w_max} {weight} {len}"
            );
        }
    }
}

#[test]
fn words_and_floats_agree() {
    let update: Vec<f32> = (0..1000).map(|i| i as f32 * 0.017 - 8.5).collect();
    let wide: Vec<f64> = update.iter().map(|x| f64::from(*x)).collect();
    let quantizer = quantizer(8.0, 1 << 16, 10.0);
    let lanes = quantize::<u64>(&quantizer, &seed(1), 3.0, &wide);
    assert_eq!(quantize::<u64>(&quantizer, &seed(1), 3.0, &update), lanes);
    assert!(
        quantize::<u32>(&quantizer, &seed(1), 3.0, &update)
            .iter()
            .map(|x| u64::from(*x))
            .eq(lanes.clone())
    );
    assert!(
        quantize::<u16>(&quantizer, &seed(1), 3.0, &update).iter().map(|x| u64::from(*x)).eq(lanes)
    );
}

/// A full weight leaves nothing to chance at ±c, nor beyond, where elements are clipped. An even
/// range gives up its odd top. Ranges c whose quotient with L is not exact in binary64 are among
/// these.
#[test]
fn the_ends_of_the_range_are_the_ends_of_the_lanes() {
    for q in [7, 8, 255, 1 << 22, (1 << 47) + 1, MAX_QUANTIZATION_RANGE] {
        let top = 2 * ((q - 1) / 2);
        for c in [8.0, 0.1, 1e-100, 3.3, 1e100] {
            let quantizer = quantizer(c, q, 1.0);
            for number in 0..50 {
                let update = [-c, c, -1e300, 1e300, f64::MIN, f64::MAX];
                let lanes = quantize::<u64>(&quantizer, &seed(number), 1.0, &update);
                assert_eq!(lanes, [top, 0, top, 0, top, 0, top, 1], "{q} {c}");
            }
        }
    }
}

/// Ranges at both ends and in between, on both sides of 2^22, beyond which the sum of L and the
/// random word would not be exact; weights from none to the largest.
#[test]
fn zero_is_a_level_whatever_the_weight() {
    for q in [7, 8, 1000, 1 << 22, 1 << 40, MAX_QUANTIZATION_RANGE] {
        for weight in [0.0, 1e-9, 0.1, 1.0, 999.5, 1000.0] {
            for number in 0..4 {
                let quantizer = quantizer(8.0, q, 1000.0);
                let update = [0.0, -0.0].repeat(2000);
                let lanes = quantize::<u64>(&quantizer, &seed(number), weight, &update);
                let (_, zeros) = lanes.split_first().unwrap();
                let (clipped, zeros) = zeros.split_last().unwrap();
                assert!(zeros.iter().all(|&lane| lane == (q - 1) / 2), "{q} {weight}");
                assert_eq!(*clipped, 0);
            }
        }
    }
}

/// From the smallest number on: an element keeps to its side of zero.
#[test]
fn no_element_changes_its_sign() {
    for q in [7, 8, 1000, 1 << 22, 1 << 40, MAX_QUANTIZATION_RANGE] {
        let quantizer = quantizer(8.0, q, 1000.0);
        let tiny = [5e-324, f64::MIN_POSITIVE, 1e-30, 1e-12, 1e-7, 1e-3, 0.5, 8.0, 1e9].repeat(300);
        for (number, weight) in [(1, 1.0), (2, 30.0), (3, 1000.0)] {
            let lanes = quantize::<u64>(&quantizer, &seed(number), weight, &tiny);
            assert!(lanes[1..=tiny.len()].iter().all(|&lane| lane >= (q - 1) / 2), "{q} {weight}");
            let below: Vec<_> = tiny.iter().map(|x| -x).collect();
            let lanes = quantize::<u64>(&quantizer, &seed(number), weight, &below);
            assert!(lanes[1..=tiny.len()].iter().all(|&lane| lane <= (q - 1) / 2), "{q} {weight}");
        }
    }
}

/// The last lane, wherever the one element stands that is clipped: around a block, a register and a
/// tile.
#[test]
fn the_last_lane_says_whether_the_client_clipped() {
    let beyond = 8.0_f64.next_up();
    for len in [1, 4, 5, 255, 4096, 5000] {
        for at in [0, 1, 3, 4, 254, 4095, 4999].into_iter().filter(|&at| at < len) {
            for (x, clipped) in [(8.0, 0), (-8.0, 0), (beyond, 1), (-beyond, 1), (f64::MAX, 1)] {
                let mut update = vec![0.25; len];
                update[at] = x;
                let lanes = quantize::<u64>(&usual(), &seed(1), 0.0, &update);
                assert_eq!(lanes[len + 1], clipped, "{len} {at} {x}");
            }
        }
    }
    // 0.1 is no binary32: the one above it is beyond the range, the one below is not.
    let (below, above) = (0.1_f32.next_down(), 0.1_f32);
    for (x, clipped) in [(below, 0), (above, 1)] {
        assert_eq!(quantize::<u64>(&quantizer(0.1, 99, 1.0), &seed(1), 1.0, &[x])[2], clipped);
    }
}

#[test]
fn the_first_element_that_is_not_finite_is_named() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        // Around a block, what a backend makes at once, and the end.
        for index in [0, 1, 3, 4, 255, 256, 4095, 4096, 9998] {
            let mut update = vec![0.5; 10_000];
            update[index] = bad;
            update[9999] = f64::NAN;
            assert_eq!(refusal(1.0, &update), QuantizeError::NonFinite { index });
        }
    }
}

#[test]
fn weights_outside_of_the_range_are_refused() {
    for weight in [-1.0, -f64::MIN_POSITIVE, 1000.001, f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
        assert_eq!(refusal(weight, &[0.0]), QuantizeError::InvalidWeight { max_weight: 1000.0 });
    }
    assert_eq!(quantize::<u32>(&usual(), &seed(1), 0.0, &[1.0])[0], 0);
    assert_eq!(quantize::<u32>(&usual(), &seed(1), -0.0, &[1.0])[0], 0);
    assert_eq!(quantize::<u32>(&usual(), &seed(1), 1000.0, &[1.0])[0], 4_194_000);
}

#[test]
fn lanes_of_the_wrong_number_or_size_are_refused() {
    let (backend, prg) = (Backend::detect(), Prg::default());
    let wrong = usual().quantize(backend, prg, &seed(1), 1.0, &[0.0; 3], &mut [0_u32; 4]);
    assert_eq!(wrong, Err(QuantizeError::Length { expected: 5, found: 4 }));
    let narrow = usual().quantize(backend, prg, &seed(1), 1.0, &[0.0; 3], &mut [0_u16; 5]);
    assert_eq!(
        narrow,
        Err(QuantizeError::LaneTooNarrow { lane_bits: 16, quantization_range: 1 << 22 })
    );
}

#[test]
fn whole_weights_are_exact_at_the_defaults() {
    for weight in 0..=1000 {
        assert!(usual().weight_is_exact(f64::from(weight)));
        let lane =
            quantize::<u32>(&usual(), &seed(weight as u8), f64::from(weight), &[] as &[f32])[0];
        assert_eq!(f64::from(lane), f64::from(weight) * usual().weight_scale());
    }
    for weight in [0.1, 1.0 / 3.0, 999.999, -1.0, 1001.0, f64::NAN] {
        assert!(!usual().weight_is_exact(weight), "{weight}");
    }
    assert!(usual().weight_is_exact(0.5)); // 2097 lanes
    assert!(!quantizer(8.0, 100, 1000.0).weight_is_exact(1.0)); // a tenth of a lane
}

/// Above 2^20 lanes the sum of a lane and the random word would itself be rounded, now and then to
/// the next one.
#[test]
fn whole_lanes_of_weight_are_exact_at_every_range() {
    for q in [1 << 22, 1 << 40, MAX_QUANTIZATION_RANGE] {
        let (quantizer, mut rng) = (quantizer(8.0, q, 1.0), rng(q));
        for number in 0..500 {
            let lane = rng.next_u64() % q / 2;
            let weight = lane as f64 / quantizer.weight_scale();
            if quantizer.weight_is_exact(weight) {
                let lanes = quantize::<u64>(&quantizer, &seed(number as u8), weight, &[] as &[f64]);
                assert_eq!(lanes[0], (weight * quantizer.weight_scale()) as u64, "{q} {lane}");
            }
        }
    }
}

/// By Hoeffding's inequality the mean of N independent roundings misses its expectation by more
/// than sqrt(ln(2 / p) / 2N) with probability below p. With p = 1e-11 and 48 cases a fair quantizer
/// fails for fewer than one in 1e9 choices of seeds.
#[test]
fn rounding_is_unbiased() {
    const N: usize = 400_000;
    let tolerance = ((2.0 / 1e-11_f64).ln() / (2.0 * N as f64)).sqrt();
    for prg in Prg::ALL {
        for (case, q) in (0..).zip([7, 8, 1000, 1 << 22]) {
            for x in [-0.999, -0.3, 0.0, 0.7] {
                let quantizer = quantizer(1.0, q, 1.0);
                let mut lanes = vec![0_u32; N + 2];
                quantizer
                    .quantize(Backend::detect(), prg, &seed(case), 1.0, &vec![x; N], &mut lanes)
                    .unwrap();
                let y = (1.0 + x) * ((q - 1) / 2) as f64;
                let bias =
                    lanes[1..=N].iter().map(|lane| f64::from(*lane) - y).sum::<f64>() / N as f64;
                assert!(bias.abs() < tolerance, "{prg} {q} {x}: {bias} is not below {tolerance}");
            }
        }
    }
}

/// The same for the weight lane, over seeds instead of elements: 0.3 of a weight whose unit is ten
/// lanes is 3 lanes; 0.37 is 3.7. One case, p = 1e-10.
#[test]
fn rounding_of_weights_is_unbiased() {
    const N: usize = 20_000;
    let tolerance = ((2.0 / 1e-10_f64).ln() / (2.0 * N as f64)).sqrt();
    let quantizer = quantizer(1.0, 11, 1.0);
    let mut rng = rng(5);
    let mut sum = 0.0;
    for _ in 0..N {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        sum += f64::from(
            quantize::<u16>(&quantizer, &Seed::from_bytes(bytes), 0.37, &[] as &[f64])[0],
        );
    }
    assert!((sum / N as f64 - 3.7).abs() < tolerance);
}

#[test]
fn parameters_out_of_range_are_refused() {
    for bad in [0.0, -0.0, -1.0, 1e-101, 1e101, f64::INFINITY, f64::NAN] {
        assert!(
            matches!(Quantizer::new(bad, 9, 1.0), Err(InvalidQuantizer::ClippingRange(_))),
            "{bad}"
        );
        assert!(
            matches!(Quantizer::new(1.0, 9, bad), Err(InvalidQuantizer::MaxWeight(_))),
            "{bad}"
        );
    }
    for bad in [0, 1, 6, MAX_QUANTIZATION_RANGE + 1, u64::MAX] {
        assert_eq!(Quantizer::new(1.0, bad, 1.0), Err(InvalidQuantizer::QuantizationRange(bad)));
    }
}

#[test]
fn the_largest_range_is_the_largest_that_fits() {
    for width in 1..=64 {
        for clients in [1, 2, 3, 7, 100, 1000, 65_535, 1 << 40, u64::MAX] {
            let fits = |q| {
                Quantizer::new(1.0, q, 1.0).is_ok_and(|q| q.fits(modulus(width), clients).is_ok())
            };
            match Quantizer::largest_for(modulus(width), clients) {
                Some(q) => assert!(fits(q) && !fits(q + 1), "{width} {clients}"),
                None => assert!(!fits(MIN_QUANTIZATION_RANGE), "{width} {clients}"),
            }
        }
    }
    assert_eq!(Quantizer::largest_for(modulus(64), 0), Some(MAX_QUANTIZATION_RANGE));
}

#[test]
fn an_overflow_names_the_three_numbers_and_the_remedy() {
    let modulus: Modulus = modulus(32);
    let overflow = usual().fits(modulus, 1025).unwrap_err();
    assert_eq!(
        overflow,
        SumOverflow { clients: 1025, quantization_range: 1 << 22, modulus_range: 1 << 32 }
    );
    let message = overflow.to_string();
    for part in ["1025", "4194304", "4294967296", "raise the modulus range", "lower"] {
        assert!(message.contains(part), "{message}");
    }
    assert!(usual().fits(modulus, 1024).is_ok()); // 1024 · (2^22 - 1) < 2^32
}

#[test]
fn the_keystream_limit_is_an_error_of_its_own() {
    let error = QuantizeError::from(KeystreamLimit { prg: Prg::Aes128Ctr });
    assert!(error.to_string().contains("68719476736 bytes of aes-128-ctr"), "{error}");
}

//! The accumulator against a vector of 64-bit sums.

use secagg_kernels::{Accumulator, Backend, KeystreamLimit, MaskPlan, PackError, Prg, Sign, pack};

use crate::support::{modulus, on_threads, painted, seed};

/// Widths at both ends of each word, and one between. Lengths around a group of
/// eight, a tile (16,384 lanes) and what one thread adds alone (eight tiles).
#[test]
fn sums_wrap_at_the_modulus() {
    let backend = Backend::detect();
    for width in [1, 7, 16, 17, 20, 32, 33, 57, 63, 64] {
        for len in [0, 1, 7, 8, 9, 16_383, 16_384, 16_385, 131_072, 131_073, 150_000] {
            let (mut sum, mut model) = (Accumulator::new(modulus(width), len), vec![0_u64; len]);
            for round in 0..3 {
                let vector: Vec<u64> = painted::<u64>(len + round).split_off(round);
                let mut bytes = Vec::new();
                pack::append(backend, modulus(width), &vector, &mut bytes).unwrap();
                sum.add_packed(backend, &bytes).unwrap();
                model.iter_mut().zip(vector).for_each(|(sum, lane)| *sum = sum.wrapping_add(lane));
            }
            assert!(
                model
                    .iter()
                    .enumerate()
                    .all(|(i, lane)| sum.get(i) == lane & modulus(width).max_value())
            );
            let (mut packed, mut expected) = (Vec::new(), Vec::new());
            sum.append_packed(backend, &mut packed);
            pack::append(backend, modulus(width), &model, &mut expected).unwrap();
            assert_eq!(packed, expected, "{width} {len}");
        }
    }
}

#[test]
fn a_bad_vector_leaves_the_sum_as_it_was() {
    let backend = Backend::detect();
    let mut sum = Accumulator::new(modulus(20), 3);
    sum.add_packed(backend, &[1, 2, 3, 4, 5, 6, 7, 0]).unwrap();
    let before: Vec<u64> = (0..3).map(|lane| sum.get(lane)).collect();
    assert_eq!(sum.add_packed(backend, &[0; 7]), Err(PackError::Length { expected: 8, found: 7 }));
    assert_eq!(sum.add_packed(backend, &[0xff; 8]), Err(PackError::NonZeroPadding));
    assert_eq!((0..3).map(|lane| sum.get(lane)).collect::<Vec<_>>(), before);
}

/// The plan of a vector, applied at once and in ranges, by one thread and three.
#[test]
fn masks_are_applied_to_any_ranges() {
    for width in [10, 32, 50] {
        let plan =
            MaskPlan::new(Prg::Aes128Ctr, &[(seed(1), Sign::Add), (seed(2), Sign::Subtract)]);
        let mut whole = Accumulator::new(modulus(width), 50_000);
        on_threads(3, || whole.apply(Backend::detect(), &plan).unwrap());
        let mut parts = Accumulator::new(modulus(width), 50_000);
        for range in [33_333..50_000, 0..1, 1..7, 7..33_333] {
            on_threads(1, || parts.apply_range(Backend::detect(), &plan, range).unwrap());
        }
        assert!((0..50_000).all(|lane| whole.get(lane) == parts.get(lane)));
        assert!((0..50_000).any(|lane| whole.get(lane) != 0));
    }
}

#[test]
#[should_panic(expected = "out of range")]
fn a_range_outside_of_the_vector_is_the_callers_bug() {
    let plan = MaskPlan::new(Prg::Aes128Ctr, &[]);
    let _: Result<(), KeystreamLimit> =
        Accumulator::new(modulus(8), 4).apply_range(Backend::detect(), &plan, 2..5);
}

#[test]
fn debug_does_not_print_the_sum() {
    let text = format!("{:?}", Accumulator::new(modulus(8), 4));
    assert_eq!(text, "Accumulator { modulus: Modulus { width: 8 }, lanes: 4 }");
}

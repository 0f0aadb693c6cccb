//! The accumulator against a vector of 64-bit sums.

use secagg_kernels::{
    Accumulator, Backend, KeystreamLimit, MaskPlan, Modulus, PackError, Prg, Sign, pack,
};

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
                sum.add_packed(backend, &packed(modulus(width), len, round)).unwrap();
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

/// Four threads, each with vectors of its own, on sums of one stripe, of several, and of so many that the pool helps; the
/// sum is that of one thread.
#[test]
fn threads_that_add_at_once_lose_nothing() {
    let backend = Backend::detect();
    for (width, len) in [(16, 100), (20, 16_384), (20, 40_001), (32, 131_073), (40, 150_000)] {
        let vectors: Vec<_> = (0..24).map(|at| packed(modulus(width), len, at)).collect();
        let mut expected = Accumulator::new(modulus(width), len);
        for bytes in &vectors {
            expected.add_packed(backend, bytes).unwrap();
        }
        let mut sum = Accumulator::new(modulus(width), len);
        let stripes = sum.stripes();
        std::thread::scope(|scope| {
            for vectors in vectors.chunks(6) {
                let add = |bytes: &Vec<u8>| stripes.add_packed(backend, bytes).unwrap();
                scope.spawn(move || vectors.iter().for_each(add));
            }
        });
        assert!((0..len).all(|lane| sum.get(lane) == expected.get(lane)), "{width} {len}");
    }
}

/// Two threads, each with a plan of its own, on sums of several stripes; as one plan after the other.
#[test]
fn threads_that_apply_plans_at_once_lose_nothing() {
    let backend = Backend::detect();
    let plans = [(1, Sign::Add), (2, Sign::Subtract)]
        .map(|(at, sign)| MaskPlan::new(Prg::Aes128Ctr, &[(seed(at), sign), (seed(at + 7), sign)]));
    for (width, len) in [(16, 50_000), (20, 16_384), (40, 40_001)] {
        let (mut one, mut two) = [(); 2].map(|()| Accumulator::new(modulus(width), len)).into();
        for plan in &plans {
            one.apply(backend, plan).unwrap();
        }
        let stripes = two.stripes();
        std::thread::scope(|scope| {
            for plan in &plans {
                let stripes = &stripes;
                scope.spawn(move || stripes.apply(backend, plan).unwrap());
            }
        });
        assert!((0..len).all(|lane| one.get(lane) == two.get(lane)), "{width} {len}");
    }
}

fn packed(modulus: Modulus, len: usize, round: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let vector = painted::<u64>(len + round).split_off(round);
    pack::append(Backend::detect(), modulus, &vector, &mut bytes).unwrap();
    bytes
}

#[test]
fn a_bad_vector_leaves_the_sum_as_it_was() {
    let backend = Backend::detect();
    let mut sum = Accumulator::new(modulus(20), 3);
    sum.add_packed(backend, &[1, 2, 3, 4, 5, 6, 7, 0]).unwrap();
    let before: Vec<u64> = (0..3).map(|lane| sum.get(lane)).collect();
    assert_eq!(sum.add_packed(backend, &[0; 7]), Err(PackError::Length { expected: 8, found: 7 }));
    assert_eq!(sum.add_packed(backend, &[0xff; 8]), Err(PackError::NonZeroPadding));
    let short = PackError::Length { expected: 8, found: 9 };
    assert_eq!(sum.stripes().add_packed(backend, &[0; 9]), Err(short));
    assert_eq!(sum.stripes().add_packed(backend, &[0xff; 8]), Err(PackError::NonZeroPadding));
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

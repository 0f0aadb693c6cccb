use super::*;

fn built(max_weight: f64, clipping_range: f64) -> Params {
    let params = Params::secagg(4, 2, 2).max_weight(max_weight).clipping_range(clipping_range);
    params.build().unwrap()
}

fn read(total_weight: f64, mean: [f64; 2]) -> WeightedMean<f64> {
    WeightedMean { mean: mean.into(), total_weight, clipped: 0 }
}

fn imprecise(params: &Params, read: &WeightedMean<f64>) -> Option<Imprecise> {
    Precision::of(params, 4, read).imprecise()
}

#[test]
fn a_precise_mean_is_no_matter_for_a_warning() {
    assert_eq!(imprecise(&built(1000.0, 8.0), &read(1200.0, [0.5, -0.5])), None);
    // One client of small weight among others.
    assert_eq!(imprecise(&built(1000.0, 8.0), &read(3001.0, [0.5, 0.0])), None);
    let nothing = WeightedMean::<f64> { mean: Vec::new(), total_weight: 4.0, clipped: 0 };
    assert_eq!(imprecise(&built(1000.0, 8.0), &nothing), None);
}

/// Whoever follows an advice is not warned again.
#[test]
fn every_remedy_is_one() {
    let cases = [
        (built(1e5, 8.0), read(4.0, [1.5, 0.1])),
        (built(1e6, 8.0), read(7.0, [7.9, 0.1])),
        (built(1.0, 1e6), read(4.0, [1.5, 0.1])),
        (built(50.0, 8.0), read(190.0, [1e-5, 0.0])),
    ];
    for (params, read) in cases {
        let found = imprecise(&params, &read).expect("a warning");
        let (q, c) = (params.quantizer(), found.clipping_range);
        let again = |builder: crate::ParamsBuilder| {
            assert_eq!(imprecise(&builder.build().unwrap(), &read), None, "{found}");
        };
        let same = || Params::secagg(4, 2, 2).max_weight(q.max_weight()).clipping_range(c);
        if let Some(weight) = found.max_weight {
            again(same().max_weight(weight));
        }
        if let Some(range) = found.lower_clipping_range {
            again(same().clipping_range(range));
        }
        let modulus = found.modulus_range.expect("there is always a larger modulus");
        again(same().modulus_range(modulus).quantization_range(crate::QuantizationRange::Auto));
    }
}

#[test]
fn remedies_are_said_with_their_numbers() {
    let found = imprecise(&built(1e5, 8.0), &read(4.0, [1.5, 0.1])).unwrap();
    assert_eq!(
        found.to_string(),
        "elements of the mean may be off by 0.77, where clipping_range is 8: lower max_weight to \
         4700 if no client's weight is above that, or set modulus_range to 2^32 and \
         quantization_range to auto"
    );
    let flags = found.sentence(|name| format!("--{}", name.replace('_', "-")));
    assert!(flags.contains("lower --max-weight to 4700"), "{flags}");
    // The clipping range is a remedy where elements are small, and not where someone clipped.
    let mut small = read(190.0, [1e-5, 0.0]);
    let range = imprecise(&built(50.0, 8.0), &small).unwrap().lower_clipping_range;
    assert!(range.is_some_and(|range| (1e-5..8.0).contains(&range)), "{range:?}");
    small.clipped = 1;
    assert_eq!(imprecise(&built(50.0, 8.0), &small).unwrap().lower_clipping_range, None);
}

/// Zeros may be true, and may be elements that were all too small.
#[test]
fn a_mean_of_nothing_but_zeros_is_worth_a_word() {
    let found = imprecise(&built(1000.0, 8.0), &read(1200.0, [0.0, 0.0])).unwrap();
    assert!(found.to_string().contains("are 0, give or take"), "{found}");
    let found = imprecise(&built(1e5, 8.0), &read(4.0, [0.0, 0.0])).unwrap();
    assert!(found.max_weight.is_some() && found.lower_clipping_range.is_none(), "{found}");
}

/// Weights of which the average is the largest leave no room below.
#[test]
fn no_remedy_is_named_that_leaves_clients_out() {
    let params = Params::secagg(4, 2, 2).max_weight(10.0).quantization_range(9).build().unwrap();
    let found = imprecise(&params, &read(40.0, [5.0, 1.0])).unwrap();
    assert_eq!((found.max_weight, found.modulus_range), (None, Some(1 << 32)));
}

#[test]
fn a_bound_as_large_as_the_clipping_range_is_noise() {
    let noise =
        |max_weight| Precision::of(&built(max_weight, 8.0), 4, &read(4.0, [1.0, 1.0])).is_noise();
    assert_eq!([1e3, 1e5, 1e7].map(noise), [false, false, true]);
}

/// 10^-50 is 0 in binary32, which is the error.
#[test]
fn rounding_to_the_means_type_is_in_the_bound() {
    let params = built(1.0, 1e-50);
    let single = WeightedMean { mean: vec![0.0_f32; 2], total_weight: 4.0, clipped: 0 };
    assert!(Precision::of(&params, 4, &single).error_bound() > 1e-46);
    assert!(Precision::of(&params, 4, &read(4.0, [0.0, 0.0])).error_bound() < 1e-55);
}

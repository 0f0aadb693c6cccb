use super::*;
use crate::SessionId;
use crate::wire::HEADER_LEN;

const SESSION: SessionId = SessionId([7; 16]);

fn built(builder: ParamsBuilder) -> Params {
    builder.build().expect("valid parameters")
}

fn refused(builder: ParamsBuilder) -> InvalidParams {
    builder.build().expect_err("invalid parameters")
}

/// The parameters of a message as they travel.
fn encoded(params: &Params) -> Vec<u8> {
    let mut to = Writer::message(0, SESSION, 0);
    params.encode(&mut to);
    to.into_bytes()
}

fn decoded(bytes: &[u8]) -> Result<Params, Malformed> {
    let (mut from, _) = Reader::message(0, bytes)?;
    let params = Params::decode(&mut from)?;
    from.finish()?;
    Ok(params)
}

#[test]
fn fractions_are_the_least_count_that_is_not_below_them() {
    // In binary 0.07 · 100 and 0.29 · 100 come out a hair above and below the whole number.
    for (fraction, total, count) in
        [(0.07, 100, 7), (0.29, 100, 29), (0.67, 19, 13), (1.0, 5, 5), (1e-300, 5, 1)]
    {
        assert_eq!(Amount::Fraction(fraction).of(total), Ok(count), "{fraction} of {total}");
    }
}

#[test]
fn every_percentage_of_a_hundred_is_itself() {
    for count in 1..=100 {
        assert_eq!(Amount::Fraction(f64::from(count) / 100.0).of(100), Ok(count));
    }
}

#[test]
fn fractions_outside_of_zero_to_one_are_none() {
    for fraction in [0.0, -0.0, -0.5, 1.000_001, f64::INFINITY] {
        assert_eq!(Amount::Fraction(fraction).of(10), Err(InvalidParams::Fraction(fraction)));
    }
    assert!(matches!(Amount::Fraction(f64::NAN).of(10), Err(InvalidParams::Fraction(_))));
}

#[test]
fn a_point_tells_a_fraction_from_a_count() {
    assert_eq!("1".parse(), Ok(Amount::Count(1)));
    assert_eq!("1.0".parse(), Ok(Amount::Fraction(1.0)));
    for text in ["", "-1", "1e0", "NaN", "inf", "one", "0x10", "1,5"] {
        assert_eq!(text.parse::<Amount>(), Err(InvalidAmount), "{text}");
    }
}

#[test]
fn amounts_are_shown_as_they_are_read() {
    for amount in [Amount::Count(7), Amount::Fraction(1.0), Amount::Fraction(0.67)] {
        assert_eq!(amount.to_string().parse(), Ok(amount));
    }
}

#[test]
fn defaults_are_those_of_the_framework_that_is_replaced() {
    let params = built(Params::secagg(10, 5, 0.5));
    assert_eq!(params.quantizer(), &Quantizer::new(8.0, 1 << 22, 1000.0).expect("valid"));
    assert_eq!((params.modulus().range(), params.prg()), (1 << 32, Prg::Aes128Ctr));
    assert_eq!((params.degree(), params.threshold(), params.lanes()), (9, 5, 7));
}

#[test]
fn thresholds_from_two_to_the_number_of_shares_are_taken() {
    for threshold in 2..=9 {
        assert_eq!(built(Params::secagg(10, 1, threshold)).threshold(), threshold);
    }
    for threshold in [0, 1, 10, u32::MAX] {
        let error = refused(Params::secagg(10, 1, threshold));
        assert_eq!(error, InvalidParams::Threshold { threshold, shares: 9 });
        assert!(error.to_string().contains(&threshold.to_string()), "{error}");
    }
}

#[test]
fn a_small_fraction_may_be_too_small_a_threshold() {
    let error = refused(Params::secagg(10, 1, 0.1));
    assert_eq!(error, InvalidParams::Threshold { threshold: 1, shares: 9 });
}

#[test]
fn even_and_odd_numbers_of_shares_are_taken() {
    for (cohort_size, num_shares) in [(10, 2), (10, 3), (10, 8), (10, 9), (11, 4), (11, 10)] {
        let params = built(Params::secagg_plus(cohort_size, 1, num_shares, 2));
        assert_eq!(params.degree(), num_shares);
    }
}

#[test]
fn an_odd_number_of_clients_cannot_all_have_an_odd_number_of_neighbours() {
    let params = built(Params::secagg_plus(11, 1, 3, 1.0));
    assert_eq!((params.degree(), params.threshold()), (4, 4));
    assert!(built(Params::secagg_plus(5, 1, 3, 2)).is_complete());
}

#[test]
fn as_many_shares_as_clients_make_the_complete_graph() {
    let complete = built(Params::secagg(10, 1, 5));
    assert_eq!(built(Params::secagg_plus(10, 1, 10, 5)), complete);
    assert_eq!(built(Params::secagg_plus(10, 1, 1.0, 5)), complete);
    assert!(complete.is_complete());
}

#[test]
fn numbers_of_shares_that_no_graph_has_are_refused() {
    for num_shares in [0, 1, 11] {
        let error = refused(Params::secagg_plus(10, 1, num_shares, 2));
        assert_eq!(error, InvalidParams::NumShares { num_shares, cohort_size: 10 });
    }
}

#[test]
fn two_clients_are_no_cohort() {
    assert_eq!(refused(Params::secagg(2, 1, 2)), InvalidParams::CohortSize(2));
}

#[test]
fn a_sum_that_could_wrap_is_refused_with_its_three_numbers() {
    // 1,024 · (2^22 - 1) is the last below 2^32.
    let _fits = built(Params::secagg(1024, 1, 2));
    let error = refused(Params::secagg(1025, 1, 2)).to_string();
    for number in ["1025", "4194304", "4294967296"] {
        assert!(error.contains(number), "{number} in: {error}");
    }
}

#[test]
fn auto_takes_all_the_room_there_is() {
    let params = built(Params::secagg(1000, 1, 2).quantization_range(QuantizationRange::Auto));
    assert_eq!(params.quantizer().quantization_range(), 4_294_968); // 1,000 · 4,294,967 < 2^32
    let narrow = Params::secagg(1000, 1, 2).quantization_range(QuantizationRange::Auto);
    let error = refused(narrow.modulus_range(512));
    assert_eq!(error, InvalidParams::NoRoom { width: 9, cohort_size: 1000 });
}

#[test]
fn a_modulus_is_a_power_of_two_up_to_two_to_the_64() {
    let _largest = built(Params::secagg(3, 1, 2).modulus_range(1 << 64));
    for range in [0, 1, (1 << 32) - 1, 3 << 40, 1 << 65] {
        let error = refused(Params::secagg(3, 1, 2).modulus_range(range));
        assert!(matches!(error, InvalidParams::Modulus(_)), "{range}: {error}");
    }
}

#[test]
fn a_dimension_beyond_the_keystream_is_refused() {
    // 2^32 blocks of 16 bytes are 2^34 lanes of four bytes, of which one is the weight's and one
    // says whether the client clipped. Where addresses have 32 bits, lengths in bits end before.
    let dimension = (1_u64 << 34).min(isize::MAX as u64 / 64) as usize - 1;
    let _largest = built(Params::secagg(3, dimension - 1, 2));
    let error = refused(Params::secagg(3, dimension, 2));
    assert_eq!(error, InvalidParams::Dimension(dimension as u64));
    assert!(Params::secagg(3, usize::MAX, 2).prg(Prg::ChaCha20).build().is_err());
}

#[test]
fn parameters_survive_their_encoding() {
    let odd = Params::secagg_plus(21, 1000, 0.25, 0.5)
        .clipping_range(0.1)
        .quantization_range(QuantizationRange::Auto)
        .max_weight(1e6)
        .modulus_range(1 << 17)
        .prg(Prg::ChaCha20);
    let active = Params::secagg(9, 1, 7).threat_model(ThreatModel::ActiveServer);
    let active = active.corrupted_neighbours(3);
    for params in [built(Params::secagg(3, 0, 2)), built(odd), built(active)] {
        assert_eq!(decoded(&encoded(&params)), Ok(params));
    }
}

/// Where the fields of encoded parameters start.
const SUITE: usize = HEADER_LEN;
const DEGREE: usize = SUITE + 1 + 4 + 8;
const CLIPPING_RANGE: usize = DEGREE + 4 + 4;
const WIDTH: usize = CLIPPING_RANGE + 3 * 8;
const PRG: usize = WIDTH + 1;
const THREAT_MODEL: usize = PRG + 1;
const CORRUPTED_NEIGHBOURS: usize = THREAT_MODEL + 1;

#[test]
fn a_degree_that_building_would_change_is_not_decoded() {
    // 11 clients: 11 shares would become 10, and 3 would become 4.
    let params = built(Params::secagg_plus(11, 1, 4, 2));
    for degree in [11_u32, 3] {
        let mut bytes = encoded(&params);
        bytes[DEGREE..DEGREE + 4].copy_from_slice(&degree.to_le_bytes());
        let error = InvalidParams::NumShares { num_shares: degree, cohort_size: 11 };
        assert_eq!(decoded(&bytes), Err(Malformed::Params(error)));
    }
}

#[test]
fn fields_without_a_meaning_are_not_decoded() {
    let bytes = encoded(&built(Params::secagg(3, 1, 2)));
    // Widths beyond 127 would also overflow the shift that makes a range of them.
    for (at, values) in [
        (SUITE, [0, 2, 64, 128, 255]),
        (WIDTH, [0, 65, 127, 128, 255]),
        (PRG, [0, 4, 64, 128, 255]),
        (THREAT_MODEL, [2, 3, 64, 128, 255]),
    ] {
        for value in values {
            let mut bytes = bytes.clone();
            bytes[at] = value;
            assert!(matches!(decoded(&bytes), Err(Malformed::Params(_))), "byte {at}: {value}");
        }
    }
}

#[test]
fn numbers_that_are_none_are_not_decoded() {
    for value in [f64::NAN, f64::INFINITY, -1.0, 0.0, -0.0, f64::MIN_POSITIVE] {
        for at in [CLIPPING_RANGE, CLIPPING_RANGE + 16] {
            let mut bytes = encoded(&built(Params::secagg(3, 1, 2)));
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
            assert!(matches!(decoded(&bytes), Err(Malformed::Params(_))), "{value}");
        }
    }
}

#[test]
fn colluders_that_the_threshold_does_not_bear_are_not_decoded() {
    let mut bytes = encoded(&built(Params::secagg(3, 1, 2)));
    bytes[CORRUPTED_NEIGHBOURS] = 2;
    let refused = decoded(&bytes);
    let expected = matches!(
        refused,
        Err(Malformed::Params(InvalidParams::CorruptedNeighbours { corrupted_neighbours: 2, .. }))
    );
    assert!(expected, "{refused:?}");
}

/// The largest numbers that the wire can carry must not overflow on the way to a refusal.
#[test]
fn the_largest_cohort_is_refused_and_not_wrapped() {
    for num_shares in [u32::MAX, u32::MAX - 1, u32::MAX - 2] {
        let params = Params::secagg_plus(u32::MAX, 1, num_shares, u32::MAX - 2).build();
        assert!(matches!(params, Err(InvalidParams::Overflow(_))), "{params:?}");
    }
}

/// n, k, t, and the quorum: more than half of n + ⌊n · c / k⌋, and t + 1.
#[test]
fn no_two_quorums_fit_into_a_cohort_and_its_corrupted_clients() {
    for (n, k, t, c, quorum) in [
        (5, 4, 3, 1, 4),
        (5, 4, 4, 3, 5),
        (12, 4, 3, 1, 8),
        (1000, 90, 58, 25, 639),
        (9, 8, 8, 0, 9),
    ] {
        let builder = Params::secagg_plus(n, 1, k, t).threat_model(ThreatModel::ActiveServer);
        let params = built(builder.corrupted_neighbours(c));
        assert_eq!(params.quorum(), quorum, "{n} clients with {k} neighbours");
        assert!(2 * quorum > n + n * c / k && quorum > t);
    }
}

//! What breaks in the framework that this crate replaces, where it concerns numbers, drop-outs and
//! parameters: each test is named for what happens here, and says what happens there.

use secagg::kernels::{ClientPassError, DequantizeError, QuantizeError};
use secagg::message::{RevealedShares, UnmaskRequest};
use secagg::{
    Abort, Amount, ClientId, ClientMisbehaved, InvalidParams, Malformed, Misuse, Params, Policy,
    Refused, Rejected, ServerMisbehaved, Stage,
};
use secagg_tests::{Cohort, Round, STAGES, wire};

/// There, a silent client in one of the first two stages ends the round, after everyone has trained.
#[test]
fn drop_outs_before_the_masks_do_not_lose_the_round() {
    for stage in [Stage::Setup, Stage::ShareKeys] {
        Cohort::secagg(5).drop(2, stage).run::<f32>().assert_mean_of([1, 3, 4, 5]);
        Cohort::secagg_plus(6, 4)
            .threshold(2)
            .drop(2, stage)
            .run::<f32>()
            .assert_mean_of([1, 3, 4, 5, 6]);
    }
}

/// There, one client with a key that is none ends the round for all.
#[test]
fn a_garbage_key_drops_that_client_alone() {
    let garbage = |bytes: &mut Vec<u8>| bytes[wire::HEADER_LEN..].fill(0xff);
    let round = Cohort::secagg(5).tamper(2, Stage::Setup, garbage).run::<f32>();
    let reason = Rejected::Malformed(Malformed::KeyEncoding);
    assert_eq!(round.rejected(), [(2, Stage::Setup, reason)]);
    round.assert_mean_of([1, 3, 4, 5]);
}

/// There, an even number of shares below the number of clients never works.
#[test]
fn even_and_odd_numbers_of_shares_work() {
    for num_shares in 2..=6_u32 {
        Cohort::secagg_plus(6, num_shares).threshold(2).run::<f32>().assert_mean_of(1..=6);
    }
}

/// There, thresholds of 0 and -1 are accepted, and whatever comes is "recovered".
#[test]
fn thresholds_that_protect_nothing_are_refused() {
    for threshold in [0, 1, 5, u32::MAX] {
        let refused = Params::secagg(5, 1, threshold).build();
        assert_eq!(refused, Err(InvalidParams::Threshold { threshold, shares: 4 }));
    }
    for fraction in [0.0, -1.0, -0.5, 1.5, f64::INFINITY] {
        assert_eq!(Params::secagg(5, 1, fraction).build(), Err(InvalidParams::Fraction(fraction)));
    }
    assert!(matches!(Params::secagg(5, 1, f64::NAN).build(), Err(InvalidParams::Fraction(_))));
    assert!("-1".parse::<Amount>().is_err());
}

/// There, a whole number where a fraction was meant (1 for 1.0) stops the round with a line in a
/// log. Here 1 is one share, which no secret may hang on, and 1.0 is all of them.
#[test]
fn one_is_not_one_point_zero() {
    assert!(Params::secagg(5, 1, 1).build().is_err());
    assert_eq!(Params::secagg(5, 1, 1.0).build().expect("valid").threshold(), 4);
}

/// There, whole numbers for the ranges halt the round. Here they are the numbers they are.
#[test]
fn whole_numbers_serve_as_ranges_and_weights() {
    let cohort =
        Cohort::secagg(4).with(|params| params.max_weight(50.into()).clipping_range(2.into()));
    let round = cohort.run::<f64>();
    round.assert_mean_of(1..=4);
    assert!((round.aggregate().total_weight - 100.0).abs() < 1e-12);
}

/// There, a client that is asked for it reveals both shares of the same neighbour, with which the
/// server unmasks that neighbour alone. Here a client answers one question, with one share of each.
#[test]
fn both_shares_of_a_neighbour_cannot_be_had() {
    let round = Cohort::secagg(5).threshold(2).ask_twice(1, Stage::Unmask).run::<f64>();
    assert_eq!(round.refusal(1), Some(&Refused::Misuse(Misuse::Finished)));
    let answers = round.messages().filter(|sent| {
        (sent.client, sent.stage, sent.from_server) == (ClientId(1), Stage::Unmask, false)
    });
    assert_eq!(answers.count(), 1);
    let revealed = round.log.bytes::<RevealedShares>(1).expect("an answer");
    // A tag and one share for each of four neighbours.
    assert_eq!(revealed.len(), wire::revealed(4).start);
}

/// There, a client believes any threshold that it is sent: 1, 0 and -5.
#[test]
fn a_client_does_not_go_below_its_own_threshold() {
    let policy = Policy { min_threshold: 4, ..Policy::default() };
    let round = Cohort::secagg(6).threshold(3).policy(2, policy).run::<f64>();
    let reason = ServerMisbehaved::ThresholdBelowPolicy { found: 3, floor: 4 };
    assert_eq!(round.refusal(2), Some(&Refused::Misbehaved(reason)));
    round.assert_mean_of([1, 3, 4, 5, 6]);
}

/// There, the survivors 1, 1 and 1 pass for three.
#[test]
fn a_survivor_counts_once() {
    let ones = |request: &mut UnmaskRequest| request.survivors = vec![ClientId(1); 3];
    let round = Cohort::secagg(5).threshold(2).edit(1, ones).run::<f64>();
    assert_eq!(round.refusal(1), Some(&Refused::Malformed(Malformed::Order)));
}

/// There, nothing binds a message to its round.
#[test]
fn a_message_of_another_round_is_refused() {
    let other_session = |bytes: &mut Vec<u8>| bytes[wire::SESSION].fill(9);
    for &stage in STAGES {
        let round = Cohort::secagg(5).threshold(2).tamper(2, stage, other_session).run::<f64>();
        let reason = Rejected::Misbehaved(ClientMisbehaved::ForeignSession);
        assert_eq!(round.rejected(), [(2, stage, reason)]);
        round.assert_mean();
    }
}

/// There, a NaN becomes -2^31, and an infinity the end of the range: a wrong model.
#[test]
fn numbers_that_are_none_stop_the_client_that_has_them() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let round = Cohort::secagg(5).update(2, &[1.0, bad, 2.0]).run::<f32>();
        let reason = ClientPassError::Quantize(QuantizeError::NonFinite { index: 1 });
        assert_eq!(round.refusal(2), Some(&Refused::Update(reason)));
        round.assert_mean_of([1, 3, 4, 5]);
    }
}

/// There, a weight above the largest gives a wrong model without a word.
#[test]
fn a_weight_out_of_range_stops_the_client_that_has_it() {
    for weight in [1000.5, -1.0, f64::NAN, f64::INFINITY] {
        let round = Cohort::secagg(5).weight(2, weight).run::<f32>();
        let reason = ClientPassError::Quantize(QuantizeError::InvalidWeight { max_weight: 1000.0 });
        assert_eq!(round.refusal(2), Some(&Refused::Update(reason)), "{weight}");
        round.assert_mean_of([1, 3, 4, 5]);
    }
}

/// There, weights that are all zero make a model of NaN.
#[test]
fn weights_that_are_all_zero_are_an_error() {
    let cohort = (1..=5).fold(Cohort::secagg(5), |cohort, client| cohort.weight(client, 0.0));
    assert_eq!(cohort.run::<f32>().abort(), Abort::Sum(DequantizeError::ZeroTotalWeight));
}

/// There, a modulus that the sum passes gives a wrong model without a word.
#[test]
fn a_modulus_that_the_sum_could_pass_is_refused() {
    let refused = Params::secagg(5, 1, 2).modulus_range(1 << 24).build();
    assert!(matches!(refused, Err(InvalidParams::Overflow(_))), "{refused:?}");
    // And the largest sum that does not pass it is right: all elements at the end of the range.
    let cohort =
        Cohort::secagg(4).with(|params| params.modulus_range(1 << 8).quantization_range(64));
    let full =
        |cohort: Cohort, client| cohort.weight(client, 1000.0).update(client, &[8.0, 8.0, -8.0]);
    (1..=4).fold(cohort, full).run::<f32>().assert_mean_of(1..=4);
}

/// There, one flipped bit in one share gives a wrong model without an error. Here each gives the right
/// one, or none.
#[test]
fn a_flipped_bit_in_a_share_never_gives_a_wrong_model() {
    for bit in 8 * wire::revealed(0).start..8 * wire::revealed(1).end {
        for (threshold, dropped) in [(2, None), (3, None), (2, Some(4))] {
            let cohort = Cohort::secagg(4).threshold(threshold);
            let drop = |cohort, client| Cohort::drop(cohort, client, Stage::CollectMaskedVectors);
            let cohort = dropped.into_iter().fold(cohort, drop);
            let flip = move |bytes: &mut Vec<u8>| wire::flip(bytes, bit);
            right_or_none(&cohort.tamper(1, Stage::Unmask, flip).run::<f64>());
        }
    }
}

fn right_or_none(round: &Round<f64>) {
    match &round.outcome {
        Ok(_) => _ = round.assert_mean(),
        Err(_) => _ = round.abort(),
    }
}

/// There, a faulty client brings the server down: an id that nobody has, a share that is too short,
/// a vector of the wrong shape, a key that is missing.
#[test]
fn a_faulty_client_is_rejected_and_the_server_lives() {
    let short = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() - 1);
    for &stage in STAGES {
        let round = Cohort::secagg(5).threshold(2).tamper(2, stage, short).run::<f64>();
        assert_eq!(round.rejected().len(), 1);
        round.assert_mean();
        let stranger = Cohort::secagg(5).inject(99, stage, |_| vec![0; 100]).run::<f64>();
        let reason = Rejected::Misbehaved(ClientMisbehaved::NotExpected);
        assert_eq!(stranger.rejected(), [(99, stage, reason)]);
        stranger.assert_mean_of(1..=5);
    }
    let keyless = |bytes: &mut Vec<u8>| bytes.truncate(wire::HEADER_LEN + 32);
    let round = Cohort::secagg(5).tamper(2, Stage::Setup, keyless).run::<f64>();
    round.assert_mean_of([1, 3, 4, 5]);
}

/// There, a client of the wrong shape brings the server down; here it notices that itself.
#[test]
fn an_update_of_the_wrong_length_stops_the_client_that_has_it() {
    for update in [&[1.0; 2][..], &[1.0; 4], &[]] {
        let round = Cohort::secagg(5).update(2, update).run::<f32>();
        let reason = Misuse::Dimension { expected: 3, found: update.len() };
        assert_eq!(round.refusal(2), Some(&Refused::Misuse(reason)));
        round.assert_mean_of([1, 3, 4, 5]);
    }
}

/// There, an array without dimensions comes back with the wrong shape.
#[test]
fn one_number_is_an_update() {
    let round = Cohort::secagg(3).threshold(2).dimension(1).run::<f32>();
    assert_eq!(round.assert_mean_of(1..=3).aggregate().mean.len(), 1);
}

/// There, the weight travels in clear beside the masked vector. Here no message holds it in any
/// form in which a number is written, nor as the lane that it becomes.
#[test]
fn the_weight_is_in_no_message() {
    let weight = 613.0;
    let round = Cohort::secagg(5).weight(2, weight).dimension(100).run::<f64>();
    let lane = weight * round.params.quantizer().weight_scale();
    assert!(lane > 2e6, "short numbers occur by chance");
    let forms: [&[u8]; 6] = [
        &weight.to_le_bytes(),
        &weight.to_be_bytes(),
        &(weight as f32).to_le_bytes(),
        &(weight as f32).to_be_bytes(),
        &(weight as u32).to_le_bytes(),
        &(lane as u32).to_le_bytes(),
    ];
    let spoken = |form: &[u8]| {
        round.messages().any(|sent| sent.bytes.windows(form.len()).any(|window| window == form))
    };
    assert!(!forms.into_iter().any(spoken));
    // The largest weight is no secret, and it shows that this test would find one.
    assert!(spoken(&1000.0_f64.to_le_bytes()));
}

/// There, precision falls a thousandfold from a weight of 1000 to one of 1. So it does here, by what
/// the quantizer says it does, and it says what to do about it.
#[test]
fn precision_is_as_stated_for_small_and_large_weights() {
    let round = |weight: f64, max_weight: f64| {
        let cohort =
            Cohort::secagg(5).dimension(2000).with(move |params| params.max_weight(max_weight));
        let round =
            (1..=5).fold(cohort, |cohort, client| cohort.weight(client, weight)).run::<f64>();
        round.assert_mean_of(1..=5);
        round.bound()
    };
    let (small, large, fitting) = (round(1.0, 1000.0), round(1000.0, 1000.0), round(1.0, 1.0));
    assert!((small / large - 1000.0).abs() < 1.0);
    assert!(large < 5e-6 && (fitting / large - 1.0).abs() < 1e-9, "{large} {fitting}");
}

/// There, the mean is always binary64. Here it has the type that was asked for, and an element that
/// is the same everywhere keeps its value to that type's precision.
#[test]
fn the_mean_has_the_type_that_was_asked_for() {
    let cohort = || {
        let precise = |params: secagg::ParamsBuilder| {
            params.modulus_range(1 << 60).quantization_range(1 << 48)
        };
        let same = |cohort: Cohort, client| cohort.update(client, &[0.1, 0.2, 0.3]);
        (1..=4).fold(Cohort::secagg(4).with(precise), same)
    };
    let (single, double) = (cohort().run::<f32>(), cohort().run::<f64>());
    let _: &Vec<f32> = &single.assert_mean_of(1..=4).aggregate().mean;
    let mean: &Vec<f64> = &double.assert_mean_of(1..=4).aggregate().mean;
    assert!((mean[0] - 0.1).abs() < 1e-11, "{mean:?}");
}

/// There, a round that halts is a line in a log. Here it is an error that says where and why.
#[test]
fn a_round_that_cannot_finish_says_why() {
    for (stage, need) in STAGES.iter().copied().zip([4, 4, 4, 3]) {
        let cohort = Cohort::secagg(5).threshold(3).drop(1, stage).drop(2, stage);
        let round = cohort.drop(3, stage).run::<f32>();
        let abort = Abort::TooFew { stage, have: 2, need };
        assert_eq!(round.abort(), abort);
        let text = abort.to_string();
        assert!(
            text.contains(stage.name()) && text.contains('2') && text.contains(&need.to_string())
        );
    }
}

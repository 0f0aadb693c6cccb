//! What parameters a round takes, and what the driver's side of one may get wrong.
//!
//! The rules of [`Params`] themselves are tested beside it; here they are seen from outside.

use secagg::kernels::{DequantizeError, Prg};
use secagg::message::{Message, SetupRequest};
use secagg::server::Setup;
use secagg::{
    Abort, Amount, ClientId, Directory, InvalidParams, Malformed, Misuse, Params, ParamsBuilder,
    QuantizationRange, ThreatModel,
};
use secagg_tests::{Cohort, SESSION, identity};

fn refused(builder: ParamsBuilder) -> InvalidParams {
    builder.build().expect_err("invalid parameters")
}

fn open(params: Params, cohort: &[u64]) -> Result<usize, Misuse> {
    let cohort: Vec<_> = cohort.iter().copied().map(ClientId).collect();
    Setup::open(params, SESSION, &cohort, b"").map(|(_, outgoing)| outgoing.len())
}

fn three() -> Params {
    Params::secagg(3, 1, 2).build().expect("valid parameters")
}

#[test]
fn the_cohort_has_the_size_that_was_said() {
    assert_eq!(open(three(), &[1, 2, 3]), Ok(3));
    for cohort in [&[1, 2][..], &[1, 2, 3, 4]] {
        let misuse = Misuse::CohortSize { expected: 3, found: cohort.len() };
        assert_eq!(open(three(), cohort), Err(misuse));
    }
}

#[test]
fn no_client_is_invited_twice() {
    assert_eq!(open(three(), &[5, 1, 5]), Err(Misuse::DuplicateClient(ClientId(5))));
}

#[test]
fn everyone_is_sent_the_parameters() {
    let params = Params::secagg_plus(8, 1000, 0.5, 0.75)
        .clipping_range(0.25)
        .quantization_range(1 << 16)
        .max_weight(12.5)
        .modulus_range(1 << 20)
        .prg(Prg::ChaCha20)
        .build()
        .expect("valid parameters");
    let cohort: Vec<_> = (1..=8).map(ClientId).collect();
    let (_, outgoing) = Setup::open(params.clone(), SESSION, &cohort, b"").expect("it opens");
    assert!(outgoing.iter().map(|sent| sent.to).eq(cohort));
    for message in outgoing {
        let (session, request) = SetupRequest::decode(&message.message).expect("a message");
        assert_eq!((session, &request.params), (SESSION, &params));
    }
}

/// Two of a cohort of three, or four.
fn open_signed(params: Params, entries: u64) -> Result<usize, Misuse> {
    let entry = |id| (ClientId(id), identity(ClientId(id)).verifying_key());
    let directory = Directory::new((1..=entries).map(entry)).expect("a sound directory");
    let cohort = [1, 2, 3].map(ClientId);
    Setup::open_signed(params, SESSION, &cohort, b"", &directory).map(|(_, sent)| sent.len())
}

#[test]
fn an_active_round_opens_with_a_directory_alone() {
    let active = || Params::secagg(3, 1, 2).threat_model(ThreatModel::ActiveServer).build();
    let active = || active().expect("valid parameters");
    assert_eq!(open(active(), &[1, 2, 3]), Err(Misuse::NoDirectory));
    assert_eq!(open_signed(active(), 4), Ok(3));
}

#[test]
fn everyone_who_is_invited_is_in_the_directory() {
    for threat_model in ThreatModel::ALL {
        let params = Params::secagg(3, 1, 2).threat_model(threat_model).build();
        let misuse = Misuse::NotInDirectory(ClientId(3));
        assert_eq!(open_signed(params.expect("valid parameters"), 2), Err(misuse));
    }
}

/// Fewer shares than it takes are refused in every way of saying so.
#[test]
fn thresholds_are_counts_or_fractions_of_the_shares() {
    let of = |threshold: Amount| Params::secagg_plus(10, 1, 6, threshold).build();
    for (threshold, count) in [("2", 2), ("6", 6), ("0.5", 3), ("1.0", 6), ("0.34", 3)] {
        let threshold = threshold.parse().expect("an amount");
        assert_eq!(of(threshold).expect("valid").threshold(), count);
    }
    for threshold in ["0", "1", "7", "0.0", "1.1", "0.1"] {
        let threshold = threshold.parse().expect("an amount");
        assert!(of(threshold).is_err(), "{threshold}");
    }
}

/// What a user reads must say what is wrong, and what to change.
#[test]
fn refusals_name_their_numbers() {
    let named = [
        (refused(Params::secagg(10, 1, 12)), vec!["12", "2", "9"]),
        (refused(Params::secagg_plus(10, 1, 11, 2)), vec!["11", "10", "2", "9"]),
        (refused(Params::secagg(2, 1, 2)), vec!["2", "3"]),
        (refused(Params::secagg(10, 1, 1.5)), vec!["1.5"]),
        (refused(Params::secagg(10, 1, 2).max_weight(-1.0)), vec!["-1"]),
        (refused(Params::secagg(10, 1, 2).clipping_range(f64::NAN)), vec!["NaN"]),
        (refused(Params::secagg(10, 1, 2).quantization_range(1)), vec!["1", "7"]),
        (refused(Params::secagg(10, 1, 2).modulus_range(1000)), vec!["1000"]),
        (
            refused(Params::secagg(10, 1, 2).modulus_range(1 << 20)),
            vec!["10", "4194304", "1048576"],
        ),
    ];
    for (error, numbers) in named {
        let text = error.to_string();
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && !"-.".contains(c));
        let words = words.map(|word| word.trim_end_matches('.'));
        let mut found = words.filter(|word| word.parse::<f64>().is_ok());
        // As whole words and in this order; others may stand between them.
        assert!(numbers.iter().all(|number| found.any(|word| word == *number)), "{text}");
    }
}

#[test]
fn numbers_that_scale_are_positive_and_finite() {
    for value in [0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let builders = [
            Params::secagg(5, 1, 2).max_weight(value),
            Params::secagg(5, 1, 2).clipping_range(value),
        ];
        for builder in builders {
            assert!(matches!(refused(builder), InvalidParams::Quantizer(_)), "{value}");
        }
    }
}

/// The whole range of `auto`: at 2^64 the quantizer's own limit of 2^48 is the lower one.
#[test]
fn auto_quantization_runs() {
    for width in [8, 32, 64] {
        let cohort = Cohort::secagg(3).threshold(2).with(move |params| {
            let params = params.modulus_range(1 << width).max_weight(30.0);
            params.quantization_range(QuantizationRange::Auto)
        });
        cohort.run::<f64>().assert_mean_of(1..=3);
    }
}

#[test]
fn a_threshold_of_all_shares_runs_and_bears_no_drop_out() {
    let cohort = || Cohort::secagg(4).threshold(1.0);
    cohort().run::<f64>().assert_mean_of(1..=4);
    let stage = secagg::Stage::Unmask;
    cohort().drop(1, stage).run::<f64>().assert_as_predicted();
    let too_few = Abort::TooFewNeighbours { stage, client: ClientId(2), have: 2, need: 3 };
    assert_eq!(cohort().drop(1, stage).run::<f64>().abort(), too_few);
}

#[test]
fn a_sum_of_no_weight_is_an_error() {
    let cohort = (1..=4).fold(Cohort::secagg(4), |cohort, client| cohort.weight(client, 0.0));
    assert_eq!(cohort.run::<f64>().abort(), Abort::Sum(DequantizeError::ZeroTotalWeight));
}

/// A server may announce what it likes; what is no valid set of parameters is no message.
#[test]
fn invalid_parameters_do_not_travel() {
    let params = three();
    let context = secagg::ContextHash::new(&params, b"");
    let mut bytes = SetupRequest { params, context }.encode(SESSION);
    let threshold = secagg_tests::wire::HEADER_LEN + 1 + 4 + 8 + 4;
    bytes[threshold] = 1;
    let error = InvalidParams::Threshold { threshold: 1, shares: 2 };
    assert_eq!(SetupRequest::decode(&bytes), Err(Malformed::Params(error)));
}

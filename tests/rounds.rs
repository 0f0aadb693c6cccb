//! Rounds in which nothing worse happens than that clients vanish.

use std::collections::BTreeSet;

use secagg::kernels::Prg;
use secagg::{Abort, ClientId, Failure, QuantizationRange, Refused, ServerMisbehaved, Stage};
use secagg_tests::Cohort;

#[test]
fn the_mean_of_all() {
    Cohort::secagg(5).run::<f32>().assert_mean_of(1..=5);
}

#[test]
fn the_mean_of_those_who_sent_a_vector() {
    // One is gone at each stage; the last is in the sum, since only its answer is missing.
    let round = Cohort::secagg(9)
        .threshold(4)
        .drop(1, Stage::Setup)
        .drop(2, Stage::ShareKeys)
        .drop(3, Stage::CollectMaskedVectors)
        .drop(4, Stage::Unmask)
        .run::<f64>();
    round.assert_mean_of(4..=9);
    let dropped: Vec<_> = round.report.stages.iter().map(|stage| stage.dropped.clone()).collect();
    assert_eq!(dropped, [1, 2, 3, 4].map(|client| vec![ClientId(client)]));
}

#[test]
fn odd_and_even_numbers_of_shares_in_odd_and_even_cohorts() {
    for clients in [8, 9] {
        for num_shares in 3..=8_u32 {
            let cohort = Cohort::secagg_plus(clients, num_shares).threshold(2);
            let round = cohort.drop(4, Stage::CollectMaskedVectors).run::<f64>();
            round.assert_mean_of((1..=clients).filter(|&client| client != 4));
            assert_regular(&round.neighbours(), round.params.degree());
        }
    }
}

fn assert_regular(graph: &secagg_tests::plain::Neighbours, degree: u32) {
    assert!(graph.values().all(|neighbours| neighbours.len() == degree as usize), "{graph:?}");
}

#[test]
fn as_many_shares_as_clients() {
    Cohort::secagg_plus(6, 6)
        .drop(1, Stage::CollectMaskedVectors)
        .run::<f64>()
        .assert_mean_of(2..=6);
}

#[test]
fn shares_and_threshold_as_fractions() {
    let round = Cohort::secagg_plus(12, 0.5).threshold(0.5).run::<f64>();
    assert_eq!((round.params.degree(), round.params.threshold()), (6, 3));
    round.assert_mean_of(1..=12);
}

#[test]
fn fewer_clients_left_than_neighbours_wanted() {
    let silent = 1..=5;
    let cohort = Cohort::secagg_plus(9, 6).threshold(3);
    let round =
        silent.fold(cohort, |cohort, client| cohort.drop(client, Stage::Setup)).run::<f64>();
    assert_regular(&round.neighbours(), 3);
    round.assert_mean_of(6..=9);
}

/// With one neighbour left where two must answer, a client could never be unmasked. It is left out,
/// though it did nothing wrong, and the others go on.
#[test]
fn a_lonely_client_is_left_out() {
    let cohort = || Cohort::secagg_plus(10, 4).threshold(2);
    let gone: Vec<_> =
        cohort().run::<f64>().neighbours()[&ClientId(1)].iter().take(3).copied().collect();
    let drop = |cohort: Cohort, client: &ClientId| cohort.drop(client.0, Stage::ShareKeys);
    let round = gone.iter().fold(cohort(), drop).run::<f64>();
    round.assert_as_predicted();
    assert!(round.report.stages[1].answered.contains(&ClientId(1)));
    assert!(!round.report.stages[2].asked.contains(&ClientId(1)));
    assert!(round.report.stages[1].left_out.contains(&ClientId(1)));
    assert!(round.aggregate().survivors.len() >= 5);
}

#[test]
fn one_neighbourhood_below_the_threshold_is_named() {
    let cohort = || Cohort::secagg_plus(10, 4).threshold(3);
    let gone: Vec<_> =
        cohort().run::<f64>().neighbours()[&ClientId(1)].iter().take(2).copied().collect();
    let drop =
        |cohort: Cohort, client: &ClientId| cohort.drop(client.0, Stage::CollectMaskedVectors);
    let round = gone.iter().fold(cohort(), drop).run::<f64>();
    let client = ClientId(1);
    let abort =
        Abort::TooFewNeighbours { stage: Stage::CollectMaskedVectors, client, have: 2, need: 3 };
    assert_eq!(round.abort(), abort);
    round.assert_as_predicted();
}

#[test]
fn ids_may_be_any_numbers() {
    let ids = [0, 1 << 32, u64::MAX - 1, u64::MAX];
    let round =
        Cohort::named(ids).threshold(2).drop(u64::MAX, Stage::CollectMaskedVectors).run::<f64>();
    round.assert_mean_of(ids[..3].iter().copied());
}

#[test]
fn an_update_without_elements_has_a_weight() {
    let round = Cohort::secagg(4).dimension(0).run::<f32>();
    round.assert_mean_of(1..=4);
    assert!((round.aggregate().total_weight - 100.0).abs() < 1e-9);
}

/// Lengths around the tiles of 2^12 and 2^14 lanes that kernels work on, at a width that leaves no
/// tile but the first on a word's boundary.
#[test]
fn long_updates() {
    for dimension in [4095, 4096, 16_383, 16_384, 40_000] {
        let cohort = Cohort::secagg(3).dimension(dimension).threshold(2).with(|params| {
            params.modulus_range(1 << 27).quantization_range(QuantizationRange::Auto)
        });
        cohort.run::<f32>().assert_mean_of(1..=3);
    }
}

#[test]
fn every_width_of_the_modulus() {
    // Seven levels for each of four clients take five bits.
    for width in 5..=64 {
        let cohort = Cohort::secagg(4).with(move |params| {
            params.modulus_range(1 << width).quantization_range(QuantizationRange::Auto)
        });
        // At five bits a weight of 10 is mostly rounded to nothing.
        let cohort = (1..=4).fold(cohort, |cohort, client| cohort.weight(client, 1000.0));
        cohort.drop(2, Stage::CollectMaskedVectors).run::<f64>().assert_mean_of([1, 3, 4]);
    }
}

#[test]
fn every_prg() {
    for prg in [Prg::Aes128Ctr, Prg::ChaCha20] {
        let cohort = Cohort::secagg(4).with(move |params| params.prg(prg));
        cohort.drop(2, Stage::CollectMaskedVectors).run::<f64>().assert_mean_of([1, 3, 4]);
    }
}

#[test]
fn the_order_of_answers_changes_nothing() {
    let cohort = || Cohort::secagg_plus(7, 4).threshold(2).drop(3, Stage::CollectMaskedVectors);
    let in_order = cohort().run::<f64>();
    in_order.assert_mean_of([1, 2, 4, 5, 6, 7]);
    for seed in 1..=5 {
        assert_eq!(cohort().shuffled(seed).run::<f64>().outcome, in_order.outcome);
    }
}

#[test]
fn a_client_of_weight_zero_survives_and_counts_for_nothing() {
    let round = Cohort::secagg(4).weight(4, 0.0).update(4, &[8.0, 8.0, -8.0]).run::<f64>();
    round.assert_mean_of(1..=4);
}

#[test]
fn elements_are_clipped_before_they_are_weighted() {
    let round = Cohort::secagg(3).threshold(2).update(1, &[1e30, -9.0, 8.0]).run::<f64>();
    round.assert_mean_of(1..=3);
}

/// Who was given another model takes no part, and cannot spoil the sum of those who agree.
#[test]
fn a_client_with_another_model_leaves() {
    let round = Cohort::secagg(4).threshold(2).application(2, b"another model").run::<f64>();
    assert_eq!(round.refusal(2), Some(&Refused::Misbehaved(ServerMisbehaved::Context)));
    round.assert_mean_of([1, 3, 4]);
}

#[test]
fn the_report_counts_every_byte() {
    let round = Cohort::secagg(5).drop(2, Stage::CollectMaskedVectors).run::<f64>();
    for stage in &round.report.stages {
        let sent = round.messages().filter(|sent| sent.stage == stage.stage && !sent.from_server);
        assert_eq!(stage.bytes_up, sent.map(|sent| sent.bytes.len() as u64).sum::<u64>());
        assert_eq!(stage.answered.len() + stage.dropped.len(), stage.asked.len());
    }
    // Weight, three elements and the mark of clipping, four bytes each, behind a header of 18.
    assert_eq!(round.report.stages[2].bytes_up, 4 * (18 + 20));
}

#[test]
fn no_message_is_said_twice_in_two_rounds() {
    let said = |seed| {
        let round = Cohort::secagg(4).seed(seed).run::<f64>();
        let answers = round.messages().filter(|sent| !sent.from_server);
        answers.map(|sent| sent.bytes.clone()).collect::<BTreeSet<_>>()
    };
    assert_eq!(said(1).len(), 16);
    assert!(said(1).is_disjoint(&said(2)));
}

/// In a ring with four neighbours each, a gap of two breaks it; two gaps leave two parts, and in each
/// every client still has two neighbours. The server must not learn the sum of each part.
#[test]
fn survivors_in_two_parts_are_not_unmasked() {
    let cohort = || Cohort::secagg_plus(12, 4).threshold(2);
    let gaps = (0_u32..1 << 12).filter(|gone| gone.count_ones() == 4);
    let broken = gaps.map(|gone| {
        let gone = (1..=12).filter(move |client| gone >> (client - 1) & 1 == 1);
        let drop = |cohort: Cohort, client| cohort.drop(client, Stage::CollectMaskedVectors);
        gone.fold(cohort(), drop).run::<f64>()
    });
    let mut broken = broken.filter(|round| {
        round.assert_as_predicted();
        matches!(round.outcome, Err(Failure::Abort(Abort::Disconnected { .. })))
    });
    assert!(broken.next().is_some(), "no gaps break the ring");
}

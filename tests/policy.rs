//! A client's own floors, which no server can lower: a round below one of them is refused, and one at
//! it is not.

use secagg::message::ShareKeysRequest;
use secagg::{Policy, Refused, ServerMisbehaved, Stage, ThreatModel};
use secagg_tests::{Cohort, Round};

fn five() -> Cohort {
    Cohort::secagg(5).threshold(3)
}

/// Client 1 refuses at a stage for this reason, and the others go on without it.
fn refuses(cohort: Cohort, reason: ServerMisbehaved) -> Round<f64> {
    let round = cohort.run::<f64>();
    assert_eq!(round.refusal(1), Some(&Refused::Misbehaved(reason)));
    round.assert_mean_of(2..=5);
    round
}

fn with_policy(policy: Policy, reason: ServerMisbehaved) {
    let round = refuses(five().policy(1, policy), reason);
    // Not a word was said.
    assert!(round.messages().all(|sent| sent.client.0 != 1 || sent.from_server));
}

#[test]
fn a_cohort_below_the_floor() {
    let policy = |floor| Policy { min_cohort_size: floor, ..Policy::default() };
    with_policy(policy(6), ServerMisbehaved::CohortBelowPolicy { found: 5, floor: 6 });
    five().policy(1, policy(5)).run::<f64>().assert_mean_of(1..=5);
}

#[test]
fn a_threshold_below_the_floor() {
    let policy = |floor| Policy { min_threshold: floor, ..Policy::default() };
    with_policy(policy(4), ServerMisbehaved::ThresholdBelowPolicy { found: 3, floor: 4 });
    five().policy(1, policy(3)).run::<f64>().assert_mean_of(1..=5);
}

#[test]
fn a_dimension_above_the_ceiling() {
    let policy = |ceiling| Policy { max_dimension: ceiling, ..Policy::default() };
    with_policy(policy(2), ServerMisbehaved::DimensionAbovePolicy { found: 3, ceiling: 2 });
    five().policy(1, policy(3)).run::<f64>().assert_mean_of(1..=5);
}

#[test]
fn neighbours_below_the_floor() {
    let policy = |floor| Policy { min_neighbours: floor, ..Policy::default() };
    with_policy(policy(5), ServerMisbehaved::NeighboursBelowPolicy { found: 4, floor: 5 });
    five().policy(1, policy(4)).run::<f64>().assert_mean_of(1..=5);
}

/// The parameters promise enough neighbours, and the list of peers does not keep it.
#[test]
fn fewer_neighbours_than_promised() {
    let policy = Policy { min_neighbours: 4, ..Policy::default() };
    let shorten = |request: &mut ShareKeysRequest| _ = request.peers.pop();
    let reason = ServerMisbehaved::NeighboursBelowPolicy { found: 3, floor: 4 };
    refuses(five().policy(1, policy).edit(1, shorten), reason);
}

/// A neighbour that shared no keys is none any more.
#[test]
fn fewer_neighbours_that_shared_their_keys() {
    let six = |floor| {
        let policy = Policy { min_neighbours: floor, ..Policy::default() };
        Cohort::secagg(6).threshold(3).policy(1, policy).drop(6, Stage::ShareKeys)
    };
    let reason = ServerMisbehaved::NeighboursBelowPolicy { found: 4, floor: 5 };
    let round = refuses(six(5), reason);
    round.assert_refused(1, Stage::CollectMaskedVectors, reason);
    six(4).run::<f64>().assert_mean_of(1..=5);
}

#[test]
fn a_threat_model_below_the_floor() {
    let policy = Policy { threat_model: ThreatModel::ActiveServer, ..Policy::default() };
    with_policy(policy, ServerMisbehaved::ThreatModelBelowPolicy);
    five().against(ThreatModel::ActiveServer).policy(1, policy).run::<f64>().assert_mean_of(1..=5);
    // The default takes both.
    five().against(ThreatModel::ActiveServer).run::<f64>().assert_mean_of(1..=5);
}

/// A threshold of three bears two colluders against a curious server, and one against an active one.
#[test]
fn colluders_below_the_floor() {
    let policy = |floor| Policy { min_corrupted_neighbours: floor, ..Policy::default() };
    let reason = |found, floor| ServerMisbehaved::CorruptedNeighboursBelowPolicy { found, floor };
    with_policy(policy(3), reason(2, 3));
    five().policy(1, policy(2)).run::<f64>().assert_mean_of(1..=5);
    let active = || five().against(ThreatModel::ActiveServer);
    refuses(active().policy(1, policy(2)), reason(1, 2));
    active().policy(1, policy(1)).run::<f64>().assert_mean_of(1..=5);
}

/// On a ring, a client of a curious server sees its neighbours, of an active one everyone.
#[test]
fn a_floor_of_survivors_that_could_not_be_checked() {
    let ring = |clients, shares, floor| {
        let policy = Policy { min_survivors: floor, ..Policy::default() };
        Cohort::secagg_plus(clients, shares).threshold(3).policy(1, policy)
    };
    // Three shares of eight clients may become four among seven.
    for (clients, shares) in [(9, 4), (8, 3)] {
        let round = ring(clients, shares, 6).run::<f64>();
        let reason = ServerMisbehaved::SurvivorsUnseen { seen: 5, floor: 6 };
        round.assert_refused(1, Stage::Setup, reason);
    }
    ring(9, 4, 5).run::<f64>().assert_mean_of(1..=9);
    ring(9, 4, 9).against(ThreatModel::ActiveServer).run::<f64>().assert_mean_of(1..=9);
}

#[test]
fn survivors_below_the_floor() {
    let six = |floor| {
        let policy = Policy { min_survivors: floor, ..Policy::default() };
        Cohort::secagg(6).threshold(3).policy(1, policy).drop(6, Stage::CollectMaskedVectors)
    };
    let round = six(6).run::<f64>();
    let reason = ServerMisbehaved::SurvivorsBelowPolicy { found: 5, floor: 6 };
    round.assert_refused(1, Stage::Unmask, reason).assert_mean_of(1..=5);
    let round = six(5).run::<f64>();
    assert_eq!(round.refusal(1), None);
    round.assert_mean_of(1..=5);
}

#[test]
fn a_policy_asks_for_the_least_unless_it_is_raised() {
    let least = Policy {
        min_cohort_size: 3,
        min_threshold: 2,
        min_neighbours: 2,
        min_survivors: 3,
        threat_model: ThreatModel::HonestButCurious,
        min_corrupted_neighbours: 0,
        max_dimension: usize::MAX,
    };
    assert_eq!(Policy::default(), least);
}

//! A client's own floors, which no server can lower: a round below one of them is refused, and one at
//! it is not.

use secagg::message::ShareKeysRequest;
use secagg::{Policy, Refused, ServerMisbehaved};
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

//! What clients sign where the server may be active: survivors that can be so, and of which this client's
//! policy and the graph leave enough in one piece. In each story the lie is told to client 1.

use secagg::message::ConfirmRequest;
use secagg::{ClientId, Malformed, Policy, Refused, ServerMisbehaved, Stage, ThreatModel};
use secagg_tests::Cohort;

const CONFIRM: Stage = Stage::ConfirmSurvivors;

fn active(cohort: Cohort) -> Cohort {
    cohort.threshold(3).against(ThreatModel::ActiveServer)
}

fn five() -> Cohort {
    active(Cohort::secagg(5))
}

/// On a ring, each with its next two on either side.
fn twelve() -> Cohort {
    active(Cohort::secagg_plus(12, 4))
}

/// Client 1 refuses to sign these survivors. It sent its vector before, so the sum is of all.
fn unsigned(cohort: Cohort, survivors: &[u64], reason: impl Into<Refused>) {
    let survivors: Vec<_> = survivors.iter().copied().map(ClientId).collect();
    let edit = move |request: &mut ConfirmRequest| request.survivors.clone_from(&survivors);
    let round = cohort.edit(1, edit).run::<f64>();
    round.assert_refused(1, CONFIRM, reason).assert_mean();
}

#[test]
fn survivors_to_confirm_without_the_client_itself() {
    unsigned(five(), &[2, 3, 4, 5], ServerMisbehaved::SurvivorsOmitSelf);
    unsigned(five(), &[], ServerMisbehaved::SurvivorsOmitSelf);
}

#[test]
fn survivors_to_confirm_that_are_no_members() {
    unsigned(five(), &[1, 2, 3, 4, 9], ServerMisbehaved::UnknownSurvivor(ClientId(9)));
    let gone = active(Cohort::secagg(6)).drop(6, Stage::Setup);
    unsigned(gone, &[1, 2, 3, 4, 6], ServerMisbehaved::UnknownSurvivor(ClientId(6)));
}

/// A member, but no mask of its is in anyone's vector.
#[test]
fn survivors_to_confirm_that_shared_no_keys() {
    let cohort = active(Cohort::secagg(6)).drop(6, Stage::ShareKeys);
    unsigned(cohort, &[1, 2, 3, 4, 5, 6], ServerMisbehaved::UnknownSurvivor(ClientId(6)));
}

#[test]
fn survivors_to_confirm_below_the_threshold() {
    unsigned(five(), &[1, 2, 3], ServerMisbehaved::TooFewSurvivors { have: 2, need: 3 });
}

#[test]
fn survivors_to_confirm_twice_or_out_of_order() {
    unsigned(five(), &[1, 2, 2, 3, 4], Malformed::Order);
    unsigned(five(), &[1, 3, 2, 4], Malformed::Order);
}

/// All of them count, not the neighbours alone.
#[test]
fn survivors_to_confirm_below_the_policy() {
    let cohort = |floor| {
        let policy = Policy { min_survivors: floor, ..Policy::default() };
        twelve().policy(1, policy)
    };
    let reason = ServerMisbehaved::SurvivorsBelowPolicy { found: 11, floor: 12 };
    let lonely = *twelve().run::<f64>().far(&[1]).last().expect("a client that is no neighbour");
    let survivors: Vec<_> = (1..=12).filter(|&client| client != lonely).collect();
    unsigned(cohort(12), &survivors, reason);
    cohort(12).run::<f64>().assert_mean_of(1..=12);
}

/// Client 1's own neighbourhood is whole, and so it would help to unmask a part of the survivors.
#[test]
fn survivors_to_confirm_in_two_parts() {
    let round = twelve().run::<f64>();
    let near = round.near(1);
    let mut survivors = [near.clone(), round.far(&near)].concat();
    survivors.sort_unstable();
    let (survivors_told, part) = (survivors.len(), near.len());
    assert_eq!((survivors_told, part), (8, 5));
    let reason = ServerMisbehaved::Disconnected { survivors: survivors_told, part };
    unsigned(twelve(), &survivors, reason);
}

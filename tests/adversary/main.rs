//! An active server with puppets, which tries the attacks that a review of the protocol found: each
//! is carried out by a program that reads a client's update, if no check keeps it from that. Where
//! a policy is the check, a client with a weaker one is read in the same story; where a check is
//! for all clients, a comment says what the story did when the check was taken out by hand.

#![forbid(unsafe_code)]

mod parameters;
mod ring;
mod roster;
mod sessions;

use core::ops::RangeInclusive;

use secagg::plan::{Assumptions, Plan};
use secagg::{ClientId, Policy, Refused, ServerMisbehaved, ThreatModel};
use secagg_tests::plain::Clients;
use secagg_tests::{APPLICATION, Cohort, Heist};

const CLIENTS: u64 = 100;

/// One in ten colludes.
const PUPPETS: RangeInclusive<u64> = 91..=100;

fn ids(ids: impl IntoIterator<Item = u64>) -> Clients {
    ids.into_iter().map(ClientId).collect()
}

fn everyone() -> Clients {
    ids(1..=CLIENTS)
}

/// What is true of the cohort, with two bits of security and no search: bad rings are found in a
/// moment.
fn loose() -> Assumptions {
    let active = Assumptions::new(CLIENTS as u32, ThreatModel::ActiveServer);
    let few = Assumptions { security_bits: 2, search_bits: 0, correctness_bits: 2, ..active };
    Assumptions { corrupted: 0.1, dropout: 0.05, ..few }
}

/// The same with the planner's own bits, 40 of them for a search.
fn strict() -> Assumptions {
    let Assumptions { corrupted, dropout, .. } = loose();
    let active = Assumptions::new(CLIENTS as u32, ThreatModel::ActiveServer);
    Assumptions { corrupted, dropout, ..active }
}

fn plan() -> Plan {
    loose().plan().expect("a sparse graph")
}

fn assuming(assumptions: Assumptions) -> Policy {
    Policy::assuming(assumptions).expect("it has a plan")
}

/// All numbers of a plan as floors, as a client had them before policies were assumptions.
fn floors() -> Policy {
    let plan = plan();
    Policy {
        min_cohort_size: plan.cohort_size(),
        min_threshold: plan.threshold(),
        min_neighbours: plan.degree(),
        min_corrupted_neighbours: plan.corrupted_neighbours(),
        threat_model: ThreatModel::ActiveServer,
        ..Policy::default()
    }
}

/// A round of these numbers, whose clients all have the same policy.
fn heist(degree: u32, threshold: u32, colluders: u32, policy: Policy) -> Heist {
    let cohort = Cohort::secagg_plus(CLIENTS, degree).threshold(threshold);
    let cohort = cohort.with(move |params| params.corrupted_neighbours(colluders));
    let cohort = cohort.against(ThreatModel::ActiveServer);
    let cohort = (1..=CLIENTS).fold(cohort, |cohort, client| cohort.policy(client, policy));
    Heist::new(cohort.scene(), PUPPETS, APPLICATION)
}

/// The round that the loose plan asks for.
fn planned(policy: Policy) -> Heist {
    let plan = plan();
    heist(plan.degree(), plan.threshold(), plan.corrupted_neighbours(), policy)
}

/// The parameters do not meet the assumptions of a client.
#[track_caller]
fn assert_unmet<T>(outcome: Result<T, Refused>) {
    let refused = outcome.err();
    let is_unmet = matches!(refused, Some(Refused::Misbehaved(ServerMisbehaved::Assumptions(_))));
    assert!(is_unmet, "{refused:?}");
}

#[track_caller]
fn assert_refused<T>(outcome: Result<T, Refused>, reason: ServerMisbehaved) {
    assert_eq!(outcome.err(), Some(Refused::Misbehaved(reason)));
}

//! A client's own floors, which no server can lower: a round below one of them is refused, and one at
//! it is not.

use secagg::message::{Message, SetupRequest, ShareKeysRequest};
use secagg::plan::{Assumptions, Unmet};
use secagg::{
    ClientId, ContextHash, Params, Policy, Refused, ServerMisbehaved, Stage, ThreatModel, client,
};
use secagg_tests::{APPLICATION, Cohort, Round, SESSION, rng};

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

fn assumptions(cohort_size: u32) -> Assumptions {
    Assumptions { corrupted: 0.1, ..Assumptions::new(cohort_size, ThreatModel::ActiveServer) }
}

/// Colluders are a fraction of the neighbours, however many the server proposes: a number that was
/// enough for the plan's degree is not for a larger one, and the quorum falls with it.
#[test]
fn more_neighbours_under_the_same_number_of_colluders() {
    let assumptions = assumptions(300);
    let plan = assumptions.plan().expect("a plan");
    // Three fewer than may collude at all.
    let (n, borne) = (plan.cohort_size(), plan.corrupted() - 3);
    let raised = |degree: u32| {
        let least = u32::midpoint(degree, borne) + 1;
        let params = Params::secagg_plus(n, 1, degree, least).corrupted_neighbours(borne);
        params.threat_model(ThreatModel::ActiveServer).build().expect("valid parameters")
    };
    let policy = Policy::assuming(assumptions).expect("a plan");
    for degree in (plan.degree() + 2..n - 1).step_by(2).chain([n - 1]) {
        let unmet = assumptions.admit(&raised(degree));
        assert!(matches!(unmet, Err(Unmet::Threshold { .. } | Unmet::Parts { .. })), "{unmet:?}");
        let request = SetupRequest {
            context: ContextHash::new(&raised(degree), APPLICATION),
            params: raised(degree),
        };
        let setup = client::Setup::new(ClientId(1)).policy(policy).application(APPLICATION);
        let refused = setup.answer(&request.encode(SESSION), &mut rng()).err();
        let reason = ServerMisbehaved::Assumptions(unmet.expect_err("checked above"));
        assert_eq!(refused, Some(Refused::Misbehaved(reason)));
    }
    assert_eq!(assumptions.admit(&plan.params(1).build().expect("its own")), Ok(()));
}

#[test]
fn each_inequality_is_refused_for_what_it_is() {
    let assumptions = assumptions(10_000);
    let plan = assumptions.plan().expect("a plan");
    let with = |degree, threshold, borne| {
        let params = Params::secagg_plus(10_000, 1, degree, threshold).modulus_range(1 << 40);
        let params = params.threat_model(ThreatModel::ActiveServer).corrupted_neighbours(borne);
        assumptions.admit(&params.build().expect("valid parameters"))
    };
    let (k, t, c) = (plan.degree(), plan.threshold(), plan.corrupted_neighbours());
    assert_eq!(with(k, t, c), Ok(()));
    assert_eq!(with(k - 1, t, 0), Err(Unmet::OddDegree { degree: k - 1 }));
    let low = u32::midpoint(k, c);
    let reason =
        Unmet::Threshold { threshold: low, degree: k, corrupted_neighbours: c, least: low + 1 };
    assert_eq!(with(k, low, c - 2), Err(reason));
    let parts = with(k, t - 1, 0);
    assert!(matches!(parts, Err(Unmet::Parts { kept: 76, need: 81, .. })), "{parts:?}");
    // C = ⌊n c / k⌋ falls below A.
    let quorum = with(k, t, 1);
    assert!(
        matches!(quorum, Err(Unmet::Quorum { corrupted: 1000, least: 5501, .. })),
        "{quorum:?}"
    );
}

/// In the curious model the survivors must stay connected, whichever client vanishes by chance.
#[test]
fn curious_parameters_are_judged_too() {
    let assumptions = Assumptions::new(1000, ThreatModel::HonestButCurious);
    let plan = assumptions.plan().expect("a plan");
    let admit = |degree, threshold| {
        let params = Params::secagg_plus(1000, 1, degree, threshold).build();
        assumptions.admit(&params.expect("valid parameters"))
    };
    assert_eq!(admit(plan.degree(), plan.threshold()), Ok(()));
    // An active round is judged with the search that active assumptions grant.
    let searched =
        Assumptions { search_bits: 0, ..Assumptions::new(1000, ThreatModel::ActiveServer) };
    let params = searched.plan().expect("a plan").params(1).build().expect("its own");
    assert_eq!(searched.admit(&params), Ok(()));
    let unmet = assumptions.admit(&params);
    assert!(matches!(unmet, Err(Unmet::Threshold { .. })), "{unmet:?}");
    // An odd number may become one more, and connects no less than one fewer.
    assert_eq!(admit(plan.degree() + 1, plan.threshold() + 1), Ok(()));
    assert!(matches!(admit(17, 17), Err(Unmet::Parts { .. })), "{:?}", admit(17, 17));
    let few = admit(plan.degree(), plan.threshold() - 1);
    assert!(matches!(few, Err(Unmet::Threshold { .. })), "{few:?}");
    assert!(matches!(admit(16, 16), Err(Unmet::Parts { .. })), "{:?}", admit(16, 16));
    let hopeless = Assumptions { corrupted: 0.5, dropout: 0.5, ..assumptions };
    let params = Params::secagg_plus(1000, 1, 500, 500).build().expect("valid parameters");
    let reason = Unmet::Honest { corrupted: 500, dropped: 500, cohort_size: 1000 };
    assert_eq!(hopeless.admit(&params), Err(reason));
}

/// A server cannot make a client compute for long, or with numbers that mean nothing.
#[test]
fn assumptions_are_about_cohorts_of_some_size() {
    let params = |n| Params::secagg_plus(n, 1, n / 2, n / 2).quantization_range(7).build();
    let huge = params(1 << 27).expect("valid parameters");
    let fine = assumptions(1000);
    assert_eq!(fine.admit(&huge), Err(Unmet::Assumptions { cohort_size: 1 << 27 }));
    let params = params(1000).expect("valid parameters");
    for none in [f64::NAN, -0.1, 1.0, f64::INFINITY] {
        let corrupted = Assumptions { corrupted: none, ..fine };
        assert_eq!(corrupted.admit(&params), Err(Unmet::Assumptions { cohort_size: 1000 }));
        assert!(Policy::assuming(corrupted).is_err());
    }
}

#[test]
fn a_policy_asks_for_the_least_unless_it_is_raised() {
    let least = Policy {
        assumptions: None,
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

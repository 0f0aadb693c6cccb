mod exact;

use proptest::prelude::*;

use super::*;
use ThreatModel::{ActiveServer, HonestButCurious};

/// γ = 0.1, δ = 0.1, σ = 40, η = 30, one round, and an honest but curious server.
fn of(cohort_size: u32) -> Assumptions {
    Assumptions { corrupted: 0.1, ..Assumptions::new(cohort_size, HonestButCurious) }
}

fn assumptions() -> impl Strategy<Value = Assumptions> {
    let models = prop::sample::select(&ThreatModel::ALL[..]);
    let counts = (3_u32..=60, 0_u32..60, 0_u32..60, 1_u32..=1000);
    let bits = (1_u32..=40, 0_u32..=40, 1_u32..=40);
    (counts, bits, models).prop_map(|(counts, bits, threat_model)| {
        let (cohort_size, corrupted, dropped, rounds) = counts;
        let (security_bits, search_bits, correctness_bits) = bits;
        let fraction = |count| f64::from(count % cohort_size) / f64::from(cohort_size);
        Assumptions {
            cohort_size,
            corrupted: fraction(corrupted),
            dropout: fraction(dropped),
            rounds,
            security_bits,
            search_bits,
            correctness_bits,
            threat_model,
        }
    })
}

/// The complete graph's thresholds, from their own definition.
fn complete_thresholds(of: &Assumptions, corrupted: u32, survivors: u32) -> Vec<u32> {
    let n = of.cohort_size;
    let twice = |t: u32| of.threat_model != ActiveServer || 2 * t > n - 1 + corrupted;
    (2..survivors).filter(|&t| t > corrupted && twice(t)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn small_cohorts_are_planned_as_exact_numbers_say(of in assumptions()) {
        let (corrupted, dropped) = (of.corrupted_clients(), of.dropped_clients());
        let survivors = of.cohort_size - dropped;
        let complete = complete_thresholds(&of, corrupted, survivors);
        match (of.plan(), exact::sparse(&of)) {
            (Ok(plan), Some(expected)) => {
                let (least, most) = plan.thresholds().clone().into_inner();
                prop_assert_eq!((plan.degree(), least, most), expected);
                prop_assert!(!plan.is_complete());
            }
            (Ok(plan), None) => {
                prop_assert!(plan.is_complete());
                prop_assert_eq!(plan.thresholds().clone().collect::<Vec<_>>(), complete);
            }
            (Err(error), expected) => {
                prop_assert_eq!(expected, None);
                prop_assert!(matches!(error, NoPlan::Threshold { .. }), "{}", error);
                prop_assert_eq!(complete, Vec::<u32>::new());
            }
        }
    }

    #[test]
    fn every_plan_makes_parameters(of in assumptions()) {
        if let Ok(plan) = of.plan() {
            for &t in [plan.thresholds().start(), plan.thresholds().end()] {
                let params = Params::secagg_plus(plan.cohort_size(), 1, plan.degree(), t)
                    .threat_model(of.threat_model)
                    .corrupted_neighbours(plan.corrupted_neighbours())
                    .build();
                let params = params.expect("a plan is valid");
                prop_assert_eq!((params.degree(), params.threshold()), (plan.degree(), t));
                prop_assert_eq!(params.is_complete(), plan.is_complete());
                // Two sets of survivors cannot both have a quorum, and the survivors are one.
                prop_assert!(2 * params.quorum() > plan.cohort_size() + plan.corrupted());
                let reached = params.quorum() <= plan.survivors();
                prop_assert!(reached || of.threat_model != ActiveServer);
            }
        }
    }

    #[test]
    fn more_corruption_or_more_drop_outs_never_ask_for_fewer_neighbours(
        of in assumptions(),
        more in 0_u32..60,
        dropout: bool,
    ) {
        let mut worse = of;
        let fraction = if dropout { &mut worse.dropout } else { &mut worse.corrupted };
        *fraction = fraction.max(f64::from(more % of.cohort_size) / f64::from(of.cohort_size));
        match (of.plan(), worse.plan()) {
            (Ok(plan), Ok(worse)) => prop_assert!(plan.degree() <= worse.degree()),
            (Err(_), Ok(_)) => prop_assert!(false, "what is worse is planned, and what is better not"),
            (_, Err(_)) => {}
        }
    }

    #[test]
    fn more_rounds_and_more_search_never_ask_for_fewer_neighbours(
        of in assumptions(),
        rounds in 0_u32..1000,
        search_bits in 0_u32..40,
    ) {
        let worse = Assumptions {
            rounds: of.rounds + rounds,
            search_bits: of.search_bits + search_bits,
            ..of
        };
        match (of.plan(), worse.plan()) {
            (Ok(plan), Ok(worse)) => prop_assert!(plan.degree() <= worse.degree()),
            (error, worse) => prop_assert_eq!(error.is_ok(), worse.is_ok()),
        }
    }

    /// Assumption of the plan: the fewest members are the worst.
    #[test]
    fn a_ring_of_more_members_is_no_easier_to_split(of in assumptions(), more in 0_u32..60) {
        let plan = Assumptions { threat_model: ActiveServer, ..of }.plan();
        if let Some(plan) = plan.ok().filter(|plan| !plan.is_complete()) {
            let (k, t) = (plan.degree(), plan.threshold());
            let least = plan.survivors().max(k + 2);
            let split = |members| Places { members, corrupted: plan.corrupted() }.split(k, t);
            let members = least + more % (plan.cohort_size() - least + 1);
            prop_assert!(split(members) <= split(least) * (1.0 + SLACK), "{members}");
        }
    }

    #[test]
    fn a_split_is_as_probable_as_whole_numbers_say(
        corrupted in 0_u32..60,
        members in 4_u32..=60,
        degree in 1_u32..30,
        crowd in 1_u32..30,
    ) {
        let (corrupted, degree) = (corrupted % members, 2 * degree.min(members / 2 - 1));
        let threshold = degree / 2 + crowd.min(degree / 2);
        let ways = exact::split(members, corrupted, degree, threshold) as f64;
        let expected = ways / exact::choose(members, corrupted) as f64;
        let found = Places { members, corrupted }.split(degree, threshold);
        prop_assert!((found - expected).abs() <= 1e-11 * expected, "{found:e}, not {expected:e}");
    }

    /// At one degree; over degrees, more drop-outs can lower it as they raise the degree.
    #[test]
    fn more_corruption_never_lowers_the_threshold_of_a_degree(
        of in assumptions(),
        more in 0_u32..60,
        degree in 2_u32..60,
    ) {
        let degree = degree.min(of.cohort_size - 1);
        let more = f64::from(more % of.cohort_size) / f64::from(of.cohort_size);
        let worse = Assumptions { corrupted: of.corrupted.max(more), ..of };
        let least = |of: &Assumptions| of.thresholds(degree).1;
        // Where nobody is left, nothing is drawn.
        prop_assume!(worse.corrupted_clients() + worse.dropped_clients() < of.cohort_size);
        prop_assert!(least(&of) <= least(&worse));
    }
}

/// Cases where n · Pr[X > v] is exactly 2^-bits. Rounding must not tell a tie from what is allowed.
#[test]
fn a_tail_that_is_its_bound_is_within_it() {
    for (population, marked, drawn, v, bits) in [
        (5, 2, 2, 1, 1),
        (17, 7, 4, 3, 2),
        (17, 3, 6, 2, 1),
        (17, 13, 10, 9, 2),
        (49, 2, 4, 1, 2),
        (61, 2, 6, 1, 1),
        (66, 15, 4, 3, 3),
        (67, 13, 4, 3, 4),
        (85, 7, 2, 1, 1),
        (113, 2, 8, 1, 1),
        (385, 3, 2, 1, 6),
        ((1 << 30) + 1, 2, 2, 1, 29),
    ] {
        let neighbours = Hypergeometric { population, marked, drawn };
        let bound = (-f64::from(bits)).exp2() / f64::from(population);
        assert_eq!(neighbours.most(bound), v, "{neighbours:?}");
        assert_eq!(neighbours.most(bound * (1.0 - 1e-8)), v + 1, "{neighbours:?}");
    }
}

#[test]
fn fractions_are_rounded_down_to_whole_clients_as_people_read_them() {
    // In binary 0.07 · 100 comes out a hair above 7, and 0.29 · 100 a hair below 29.
    for (fraction, cohort_size, count) in [
        (0.07, 100, 7),
        (0.29, 100, 29),
        (0.57, 100, 57),
        (0.1, 19, 1),
        (0.999, 1000, 999),
        (0.0, 5, 0),
        (1e-300, 5, 0),
    ] {
        let of = Assumptions { corrupted: fraction, dropout: fraction, ..of(cohort_size) };
        assert_eq!(of.corrupted_clients(), count, "{fraction} of {cohort_size}");
        assert_eq!(of.dropped_clients(), count, "{fraction} of {cohort_size}");
    }
    for count in 0..1000_u32 {
        assert_eq!(clients(f64::from(count) / 1000.0, 1000), count);
    }
}

#[test]
fn numbers_outside_of_their_ranges_are_refused_by_name() {
    for value in [-0.1, 1.0, f64::INFINITY, f64::NEG_INFINITY] {
        let error = Assumptions { corrupted: value, ..of(100) }.plan();
        assert_eq!(error, Err(NoPlan::Corrupted(value)));
        assert_eq!(Assumptions { dropout: value, ..of(100) }.plan(), Err(NoPlan::Dropout(value)));
    }
    let none = Assumptions { corrupted: f64::NAN, ..of(100) };
    assert!(matches!(none.plan(), Err(NoPlan::Corrupted(value)) if value.is_nan()));
    let none = Assumptions { dropout: f64::NAN, ..of(100) };
    assert!(matches!(none.plan(), Err(NoPlan::Dropout(value)) if value.is_nan()));
    for bits in [0, MAX_BITS + 1, u32::MAX] {
        let secure = Assumptions { security_bits: bits, ..of(100) };
        assert_eq!(secure.plan(), Err(NoPlan::SecurityBits(bits)));
        let correct = Assumptions { correctness_bits: bits, ..of(100) };
        assert_eq!(correct.plan(), Err(NoPlan::CorrectnessBits(bits)));
    }
    let searched = Assumptions { search_bits: MAX_BITS + 1, ..of(100) };
    assert_eq!(searched.plan(), Err(NoPlan::SearchBits(MAX_BITS + 1)));
    assert_eq!(Assumptions { rounds: 0, ..of(100) }.plan(), Err(NoPlan::Rounds));
    let most = Assumptions {
        rounds: u32::MAX,
        security_bits: MAX_BITS,
        search_bits: MAX_BITS,
        correctness_bits: MAX_BITS,
        ..of(1_000_000)
    };
    for threat_model in ThreatModel::ALL {
        assert!(Assumptions { threat_model, ..most }.plan().is_ok());
    }
    for cohort_size in [0, 1, 2] {
        assert_eq!(of(cohort_size).plan(), Err(NoPlan::CohortSize(cohort_size)));
    }
}

#[test]
fn tiny_cohorts_take_the_complete_graph_and_say_so() {
    for model in ThreatModel::ALL {
        let plan = Assumptions { threat_model: model, ..of(3) }.plan().expect("a plan");
        assert!(plan.is_complete());
        assert_eq!((plan.degree(), plan.thresholds()), (2, &(2..=2)));
    }
}

#[test]
fn without_colluders_and_drop_outs_two_neighbours_are_enough() {
    let plan = Assumptions { corrupted: 0.0, dropout: 0.0, ..of(1_000_000) }.plan();
    let plan = plan.expect("a plan");
    // A threshold of 1 would give the secret itself to each neighbour.
    assert_eq!((plan.degree(), plan.thresholds()), (2, &(2..=2)));
    assert_eq!((plan.corrupted(), plan.dropped(), plan.survivors()), (0, 0, 1_000_000));
}

#[test]
fn what_not_even_the_complete_graph_bears_is_refused_with_its_numbers() {
    let error = Assumptions { corrupted: 0.5, dropout: 0.5, ..of(100) }.plan();
    let expected = NoPlan::Threshold { corrupted: 50, dropped: 50, least: 51, most: 49 };
    assert_eq!(error, Err(expected));
    // 2t > 99 + 20, while 99 - 45 others survive.
    let active =
        Assumptions { corrupted: 0.2, dropout: 0.45, threat_model: ActiveServer, ..of(100) };
    let expected = NoPlan::Threshold { corrupted: 20, dropped: 45, least: 60, most: 54 };
    assert_eq!(active.plan(), Err(expected));
    assert!(Assumptions { threat_model: HonestButCurious, ..active }.plan().is_ok());
    assert!(Assumptions { corrupted: 0.999, dropout: 0.999, ..of(1_000_000) }.plan().is_err());
}

/// Where drop-outs and corruption leave little room, many degrees must be tried.
#[test]
fn a_million_clients_are_planned_also_where_there_is_little_room() {
    for (corrupted, dropout, threat_model) in [
        (0.05, 0.05, HonestButCurious),
        (0.33, 0.33, HonestButCurious),
        (0.499, 0.499, HonestButCurious),
        (0.3, 0.3, ActiveServer),
        (0.3, 0.345, ActiveServer),
        (0.3, 0.3499, ActiveServer),
    ] {
        let of = Assumptions { corrupted, dropout, threat_model, ..of(1_000_000) };
        let plan = of.plan().expect("a plan");
        assert!(!plan.is_complete(), "{of:?}");
        let (corrupted_neighbours, least, most) = of.thresholds(plan.degree());
        assert!(least <= plan.threshold() && *plan.thresholds().end() == most, "{of:?}");
        assert_eq!(plan.corrupted_neighbours(), corrupted_neighbours);
        let connected = of.smallest_connected_degree() == Some(plan.degree());
        let (_, least, most) = of.thresholds(plan.degree() - 2);
        let fewer = (least..=most).any(|threshold| of.stays_whole(plan.degree() - 2, threshold));
        assert!(connected || !fewer, "{of:?}");
    }
}

#[test]
fn a_million_clients_may_need_the_complete_graph() {
    let (corrupted, dropout, threat_model) = (0.3, 0.349_999, ActiveServer);
    let of = Assumptions { corrupted, dropout, threat_model, ..of(1_000_000) };
    let plan = of.plan().expect("a plan");
    assert!(plan.is_complete());
    // 2t > 999,999 + 300,000, and 999,999 - 349,999 others survive.
    assert_eq!((plan.corrupted_neighbours(), plan.thresholds()), (300_000, &(650_000..=650_000)));
}

#[test]
fn the_largest_cohort_does_not_overflow() {
    for threat_model in ThreatModel::ALL {
        let plan = Assumptions { threat_model, ..of(u32::MAX) }.plan().expect("a plan");
        assert!(!plan.is_complete() && plan.degree() > of(1_000_000).plan().expect("one").degree());
    }
    let impossible = Assumptions { corrupted: 0.999, dropout: 0.9, ..of(u32::MAX) };
    assert!(matches!(impossible.plan(), Err(NoPlan::Threshold { .. })));
}

/// What docs/protocol.md, section 13, says of rounds that are played again.
#[test]
fn fewer_colluders_than_are_borne_could_have_a_client_left_out() {
    for (n, borne, enough, bits) in [(1000, 19, 12, 12), (10_000, 23, 14, 10)] {
        let plan = Assumptions::new(n, HonestButCurious).plan().expect("a plan");
        assert_eq!(plan.corrupted_neighbours(), borne);
        let (holders, marked) = (plan.degree(), plan.corrupted());
        assert_eq!((holders - plan.threshold()).div_ceil(2) + 1, enough);
        let colluders = Hypergeometric { population: n - 1, marked, drawn: holders };
        let some = f64::from(n) * colluders.at_least(enough);
        assert!((bits..bits + 1).contains(&(-some.log2() as u32)), "{some}");
    }
    let plan = Assumptions::new(1000, HonestButCurious).plan().expect("a plan");
    assert_eq!((38 - plan.threshold()).div_ceil(2) + 1, 10);
}
